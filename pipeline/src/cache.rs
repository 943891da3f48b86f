//! Remembers what bytes meant: values found by a hash, bounded in bytes, forgotten when nobody asks.
//!
//! A sender says the same things in the same order again and again. So a value is looked for where it
//! followed the one before last time, and only then by its hash.

use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashTable;

/// Smaller tables are not worth making smaller.
const SHRINK_MIN: usize = 64;

/// Stands for no slot.
pub const NONE: u32 = u32::MAX;

/// The slot of what there was no room to remember.
const ASIDE: u32 = 0;

/// Values found by a hash, forgotten when nobody asks for them.
#[derive(Debug)]
pub struct Table<T> {
    index: HashTable<u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    hash: u64,
    /// The generation in which it was last asked for.
    used: u32,
    /// The slot that was asked for after this one, last time.
    next: u32,
    value: Option<T>,
}

/// How much the tables that share it may remember together.
#[derive(Debug)]
pub struct Room {
    used_bytes: AtomicUsize,
    max_bytes: usize,
}

/// What a remembered value takes, besides its slot.
pub trait Weight {
    /// In bytes.
    fn bytes(&self) -> usize;
}

impl Room {
    /// Room for so many bytes.
    pub fn new(max_bytes: usize) -> Self {
        Self { used_bytes: AtomicUsize::new(0), max_bytes }
    }

    /// Takes bytes if there are as many left.
    pub fn take(&self, bytes: usize) -> bool {
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= self.max_bytes)
            })
            .is_ok()
    }

    /// How many bytes are taken.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// What was taken is free again.
    pub fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        let aside = Slot { hash: 0, used: 0, next: NONE, value: None };
        Self { index: HashTable::new(), slots: vec![aside], free: Vec::new(), generation: 0 }
    }
}

impl<T: Weight> Table<T> {
    /// Finds a value: where it followed `previous` last time, or by its hash.
    ///
    /// `Err` carries the hash under which [`Table::keep`] may remember it.
    #[inline]
    pub fn find(
        &mut self,
        previous: u32,
        hash: impl FnOnce() -> u64,
        is: impl Fn(&T) -> bool,
    ) -> Result<u32, u64> {
        if let Some(predicted) = self.predicted(previous, &is) {
            return Ok(predicted);
        }
        let hash = hash();
        let slots = &mut self.slots;
        let found = self.index.find(hash, |&index| {
            let slot = &slots[index as usize];
            slot.hash == hash && slot.value.as_ref().is_some_and(&is)
        });
        let Some(&index) = found else { return Err(hash) };
        slots[index as usize].used = self.generation;
        self.follow(previous, index);
        Ok(index)
    }

    /// The value that followed `previous` last time; `None` where it is not what is wanted.
    #[inline]
    pub fn predicted(&mut self, previous: u32, is: impl Fn(&T) -> bool) -> Option<u32> {
        let predicted = self.slots.get(previous as usize)?.next;
        let slot = self.slots.get_mut(predicted as usize)?;
        if !slot.value.as_ref().is_some_and(is) {
            return None;
        }
        slot.used = self.generation;
        Some(predicted)
    }

    /// Notes that `index` was asked for after `previous`.
    pub fn follow(&mut self, previous: u32, index: u32) {
        if let Some(slot) = self.slots.get_mut(previous as usize) {
            slot.next = index;
        }
    }

    /// Remembers a value if there is room for it; at least until the next one that finds no room.
    pub fn keep(&mut self, hash: u64, value: T, room: &Room) -> u32 {
        if !room.take(Self::weight(&value)) {
            self.slots[ASIDE as usize].value = Some(value);
            return ASIDE;
        }
        let slot = Slot { hash, used: self.generation, next: NONE, value: Some(value) };
        let index = if let Some(index) = self.free.pop() {
            self.slots[index as usize] = slot;
            index
        } else {
            self.slots.push(slot);
            (self.slots.len() - 1) as u32
        };
        let slots = &self.slots;
        self.index.insert_unique(hash, index, |&index| slots[index as usize].hash);
        index
    }

    /// What is in a slot that [`Table::find`] or [`Table::keep`] has just named.
    #[inline]
    pub fn get(&self, index: u32) -> &T {
        self.slots[index as usize].value.as_ref().expect("a slot just found is filled")
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, index: u32) -> &mut T {
        self.slots[index as usize].value.as_mut().expect("a slot just found is filled")
    }

    /// Whether there was no room for the value in this slot, so that the next one will take its place.
    pub fn is_aside(index: u32) -> bool {
        index == ASIDE
    }

    fn weight(value: &T) -> usize {
        value.bytes() + size_of::<Slot<T>>() + 2 * size_of::<u32>()
    }

    /// Forgets what was not asked for between so many sweeps.
    pub fn sweep(&mut self, room: &Room, unused_sweeps_max: u32) {
        self.generation = self.generation.wrapping_add(1);
        let (slots, free, generation) = (&mut self.slots, &mut self.free, self.generation);
        slots[ASIDE as usize].value = None;
        self.index.retain(|&mut index| {
            let slot = &mut slots[index as usize];
            if generation.wrapping_sub(slot.used) < unused_sweeps_max {
                return true;
            }
            if let Some(value) = slot.value.take() {
                room.give_back(Self::weight(&value));
            }
            free.push(index);
            false
        });
        self.shrink();
    }

    /// Gives memory back when most of it is no longer needed.
    ///
    /// What is left moves together: one value that came last would keep the room of all that came before it.
    fn shrink(&mut self) {
        if self.slots.capacity() < SHRINK_MIN || self.index.len() >= self.slots.capacity() / 4 {
            return;
        }
        let is_kept = |(index, slot): &(usize, Slot<T>)| *index == ASIDE as usize || slot.value.is_some();
        let kept = std::mem::take(&mut self.slots).into_iter().enumerate().filter(is_kept);
        self.slots = kept.map(|(_, slot)| Slot { next: NONE, ..slot }).collect();
        self.slots.shrink_to_fit();
        self.free = Vec::new();
        self.index = HashTable::with_capacity(self.slots.len());
        let slots = &self.slots;
        for (index, slot) in slots.iter().enumerate().skip(1) {
            self.index.insert_unique(slot.hash, index as u32, |&index| slots[index as usize].hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weight for u64 {
        fn bytes(&self) -> usize {
            0
        }
    }

    fn find(table: &mut Table<u64>, previous: u32, value: u64) -> Result<u32, u64> {
        table.find(previous, || value, |other| *other == value)
    }

    #[test]
    fn a_burst_leaves_nothing_behind_though_its_last_stay() {
        let (room, mut table) = (Room::new(usize::MAX), Table::default());
        for value in 0..10_000 {
            table.keep(value, value, &room);
        }
        for _ in 0..2 {
            table.sweep(&room, 2);
            for value in 9_990..10_000 {
                assert!(find(&mut table, NONE, value).is_ok(), "{value}");
            }
        }
        assert!(table.slots.capacity() < 20 && table.index.capacity() < 40, "{}", table.slots.capacity());
        assert_eq!(room.used_bytes(), 10 * Table::weight(&0_u64));
        // They are found where they are now, and one after the other; those that are gone are not.
        let mut previous = NONE;
        for value in 9_990..10_000 {
            let index = find(&mut table, previous, value).unwrap();
            assert_eq!(*table.get(index), value);
            previous = index;
        }
        assert_eq!(find(&mut table, previous, 5), Err(5));
        let index = table.keep(5, 5, &room);
        assert_eq!(find(&mut table, NONE, 5), Ok(index));
    }
}
