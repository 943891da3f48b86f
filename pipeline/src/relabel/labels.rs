//! A set of labels: names and values, sorted by name, no name twice, nothing empty.

/// A set of labels, sorted by name; a label with an empty value is one that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels {
    // Invariant: sorted by name (byte order), no name twice, no value empty.
    pairs: Vec<(String, String)>,
}

impl Labels {
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a label; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.place(name).map_or("", |place| &self.pairs[place].1)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Writes a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String> + AsRef<str>, value: impl Into<String> + AsRef<str>) {
        match (self.place(name.as_ref()), value.as_ref().is_empty()) {
            (Ok(place), false) => self.pairs[place].1 = value.into(),
            (Err(place), false) => self.pairs.insert(place, (name.into(), value.into())),
            (Ok(place), true) => {
                self.pairs.remove(place);
            }
            (Err(_), true) => {}
        }
        debug_assert!(self.pairs.is_sorted_by(|(left, _), (right, _)| left < right));
    }

    /// Takes a label out, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.place(name).ok().map(|place| self.pairs.remove(place).1)
    }

    /// Keeps the labels for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        self.pairs.retain(|(name, value)| keep(name, value));
    }

    /// The pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.pairs.binary_search_by(|(other, _)| other.as_str().cmp(name))
    }
}

/// Of a repeated name the last value stays.
impl<N, V> FromIterator<(N, V)> for Labels
where
    N: Into<String> + AsRef<str>,
    V: Into<String> + AsRef<str>,
{
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::new();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }
}

impl IntoIterator for Labels {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.pairs.into_iter()
    }
}
