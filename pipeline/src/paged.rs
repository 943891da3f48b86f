//! Values by small numbers, in pages: what a burst of them took comes back although some that came late stay.

use std::array;

/// So many numbers have a page together.
const PAGE: usize = 64;

/// A list with holes that takes memory only near its values.
#[derive(Debug)]
pub struct Paged<T> {
    /// The last has a value.
    pages: Vec<Option<Box<Page<T>>>>,
}

#[derive(Debug)]
struct Page<T> {
    values: [Option<T>; PAGE],
    len: usize,
}

/// Hands out the smallest number that is free, so that the numbers in use stay close together.
#[derive(Debug, Default)]
pub struct Numbers {
    /// A bit for each that is taken.
    taken: Vec<u64>,
    /// A bit for each of these words that has none free.
    full: Vec<u64>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Paged<T> {
    /// The value with this number.
    #[inline]
    pub fn get(&self, number: usize) -> Option<&T> {
        self.pages.get(number / PAGE)?.as_ref()?.values[number % PAGE].as_ref()
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.pages.get_mut(number / PAGE)?.as_mut()?.values[number % PAGE].as_mut()
    }

    /// Puts a value in, and gives back what it replaces.
    pub fn insert(&mut self, number: usize, value: T) -> Option<T> {
        let at = number / PAGE;
        if at >= self.pages.len() {
            self.pages.resize_with(at + 1, || None);
        }
        let page =
            self.pages[at].get_or_insert_with(|| Box::new(Page { values: array::from_fn(|_| None), len: 0 }));
        let old = page.values[number % PAGE].replace(value);
        page.len += usize::from(old.is_none());
        old
    }

    /// Takes a value out.
    pub fn take(&mut self, number: usize) -> Option<T> {
        let slot = self.pages.get_mut(number / PAGE)?;
        let page = slot.as_mut()?;
        let value = page.values[number % PAGE].take()?;
        page.len -= 1;
        if page.len == 0 {
            *slot = None;
            self.shrink();
        }
        Some(value)
    }

    /// Takes out, of `count` numbers from `from` on, the values for which `keep` does not say so.
    pub fn retain(&mut self, from: usize, count: usize, mut keep: impl FnMut(&mut T) -> bool) {
        let end = from.saturating_add(count).min(self.pages.len() * PAGE);
        let mut number = from;
        while number < end {
            let next = (number / PAGE + 1) * PAGE;
            let slot = &mut self.pages[number / PAGE];
            if let Some(page) = slot {
                for value in &mut page.values[number % PAGE..=(next.min(end) - 1) % PAGE] {
                    page.len -= usize::from(value.take_if(|value| !keep(value)).is_some());
                }
                if page.len == 0 {
                    *slot = None;
                }
            }
            number = next;
        }
        self.shrink();
    }

    /// Where there is nothing any more.
    pub fn end(&self) -> usize {
        let Some(Some(last)) = self.pages.last() else { return 0 };
        let used = last.values.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
        (self.pages.len() - 1) * PAGE + used
    }

    /// The values, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten().flat_map(|page| page.values.iter().flatten())
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten().flat_map(|page| page.values.iter_mut().flatten())
    }

    fn shrink(&mut self) {
        while let Some(None) = self.pages.last() {
            self.pages.pop();
        }
        if self.pages.len() < self.pages.capacity() / 4 {
            self.pages.shrink_to_fit();
        }
    }

    /// How many pages of 64 numbers take memory.
    pub fn pages(&self) -> usize {
        self.pages.iter().flatten().count()
    }
}

impl Numbers {
    /// The smallest that is free.
    pub fn take(&mut self) -> usize {
        let group = self.full.iter().position(|word| *word != u64::MAX).unwrap_or(self.full.len());
        if group == self.full.len() {
            self.full.push(0);
        }
        let word = group * 64 + self.full[group].trailing_ones() as usize;
        if word >= self.taken.len() {
            self.taken.resize(word + 1, 0);
        }
        let bit = self.taken[word].trailing_ones() as usize;
        self.taken[word] |= 1 << bit;
        if self.taken[word] == u64::MAX {
            self.full[group] |= 1 << (word % 64);
        }
        word * 64 + bit
    }

    /// The number is free again.
    pub fn give_back(&mut self, number: usize) {
        let word = number / 64;
        self.taken[word] &= !(1 << (number % 64));
        self.full[word / 64] &= !(1 << (word % 64));
    }
}

#[cfg(test)]
mod tests;
