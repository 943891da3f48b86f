//! What to say of a word that is not known: the nearest one that is, or all of them.

/// The candidate that `word` was probably meant to be, if one is near enough.
///
/// Near means: at most a third of the letters differ, counting a swap of neighbours as one.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(WORD_MAX).collect();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().take(WORD_MAX).collect();
            let allowed = (word.len().max(letters.len()) / 3).max(1);
            let distance = distance(&word, &letters);
            (distance <= allowed && distance < letters.len()).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// What would do instead of a word that is not among the known ones, to stand after a semicolon.
///
/// ``did you mean `x`?`` where one is near, ``known are `a`, `b` `` otherwise; `None` where none is known.
pub fn instead<W: AsRef<str>>(word: &str, known: &[W]) -> Option<String> {
    if let Some(near) = nearest(word, known.iter().map(AsRef::as_ref)) {
        return Some(format!("did you mean `{near}`?"));
    }
    let known: Vec<_> = known.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    (!known.is_empty()).then(|| format!("known are {}", known.join(", ")))
}

/// Words are compared up to here; the comparison takes the product of both lengths.
const WORD_MAX: usize = 64;

/// Optimal string alignment distance, with three rows instead of the whole table.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        let candidates = ["endpoint", "timeout", "tls", "collection_interval", "otlp_http"];
        assert_eq!(nearest(word, candidates), expected, "{word}");
    }

    #[test]
    fn a_slip_finds_the_word() {
        check("endpiont", Some("endpoint"));
        check("tiemout", Some("timeout"));
        check("Timeout", Some("timeout"));
        check("tsl", Some("tls"));
        check("collectioninterval", Some("collection_interval"));
        check("otlphttp", Some("otlp_http"));
    }

    #[test]
    fn what_would_do_is_the_nearest_or_all_of_them() {
        assert_eq!(instead("tsl", &["tls", "auth"]).unwrap(), "did you mean `tls`?");
        assert_eq!(instead("headers", &["tls", "auth"]).unwrap(), "known are `tls`, `auth`");
        assert_eq!(instead::<&str>("headers", &[]), None);
    }

    #[test]
    fn another_word_finds_nothing() {
        check("headers", None);
        check("x", None);
        check("", None);
    }
}
