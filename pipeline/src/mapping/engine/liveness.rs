//! Which of a rule's inputs has the metric: the first in order that is live.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::metric::Resource;

/// No choice: the rule has inputs of one rank only.
pub(super) const NO_CHOICE: u32 = u32::MAX;

/// The choices of rules with several ranks, one a rule and scope.
#[derive(Debug, Default)]
pub(super) struct Choices {
    by_key: HashMap<(u32, Option<Arc<Resource>>), u32>,
    entries: Vec<Choice>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Choice {
    /// A rank, and how many series of it are live.
    live: SmallVec<[u32; 4]>,
    active: Option<u16>,
    /// How often it has changed over, and when last.
    changes: u32,
    changed_at: u64,
    is_used: bool,
}

impl Choices {
    /// The choice of a rule for a resource (a dialect's), or for all (a schema's).
    pub(super) fn of(&mut self, rule: u32, resource: Option<&Arc<Resource>>, ranks: usize) -> u32 {
        let key = (rule, resource.cloned());
        if let Some(&choice) = self.by_key.get(&key) {
            return choice;
        }
        let live = SmallVec::from_elem(0, ranks);
        let made = Choice { live, active: None, changes: 0, changed_at: 0, is_used: true };
        let choice = if let Some(choice) = self.free.pop() {
            self.entries[choice as usize] = made;
            choice
        } else {
            self.entries.push(made);
            (self.entries.len() - 1) as u32
        };
        self.by_key.insert(key, choice);
        choice
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether the metric is made of this rank.
    #[inline]
    pub(super) fn is_active(&self, choice: u32, rank: u16) -> bool {
        choice == NO_CHOICE || self.entries[choice as usize].active == Some(rank)
    }

    /// How often the metric has changed over.
    pub(super) fn changes(&self, choice: u32) -> u32 {
        if choice == NO_CHOICE { 0 } else { self.entries[choice as usize].changes }
    }

    /// Whether the metric has not changed over since there were so many changes.
    #[inline]
    pub(super) fn is_as_before(&self, choice: u32, changes: u32) -> bool {
        choice == NO_CHOICE || self.entries[choice as usize].changes == changes
    }

    /// When the metric has changed over last.
    pub(super) fn changed_at(&self, choice: u32) -> u64 {
        if choice == NO_CHOICE { 0 } else { self.entries[choice as usize].changed_at }
    }

    /// Whether the rule is made of this rank anywhere.
    pub(super) fn is_used(&self, rule: u32, rank: u16) -> bool {
        self.by_key.iter().any(|((of, _), choice)| *of == rule && self.is_active(*choice, rank))
    }

    /// A series of the rank has become live; says whether the metric changes over.
    pub(super) fn wake(&mut self, choice: u32, rank: u16, now: u64) -> bool {
        self.count(choice, rank, now, |live| live + 1)
    }

    /// A series of the rank is live no more.
    pub(super) fn sleep(&mut self, choice: u32, rank: u16, now: u64) -> bool {
        self.count(choice, rank, now, |live: u32| live.saturating_sub(1))
    }

    fn count(&mut self, choice: u32, rank: u16, now: u64, count: impl Fn(u32) -> u32) -> bool {
        if choice == NO_CHOICE {
            return false;
        }
        let choice = &mut self.entries[choice as usize];
        let live = &mut choice.live[usize::from(rank)];
        *live = count(*live);
        choice.choose(now)
    }

    /// Counts anew: everything until [`Choices::choose`] is told by [`Choices::recount`].
    pub(super) fn reset(&mut self) {
        for choice in &mut self.entries {
            choice.live.fill(0);
            choice.is_used = false;
        }
    }

    pub(super) fn recount(&mut self, choice: u32, rank: u16, is_live: bool) {
        if choice == NO_CHOICE {
            return;
        }
        let choice = &mut self.entries[choice as usize];
        choice.is_used = true;
        choice.live[usize::from(rank)] += u32::from(is_live);
    }

    pub(super) fn choose(&mut self, now: u64) {
        for choice in &mut self.entries {
            choice.choose(now);
        }
    }

    /// Forgets the choices that were not counted since the last reset.
    pub(super) fn sweep(&mut self) {
        self.by_key.retain(|_, choice| {
            let is_used = self.entries[*choice as usize].is_used;
            if !is_used {
                self.free.push(*choice);
            }
            is_used
        });
    }
}

impl Choice {
    /// The first that is live; where none is, it stays as it was.
    fn choose(&mut self, now: u64) -> bool {
        let best = self.live.iter().position(|live| *live > 0).map(|rank| rank as u16);
        let active = best.or(self.active);
        let has_changed = active != self.active;
        if has_changed && self.active.is_some() {
            (self.changes, self.changed_at) = (self.changes.wrapping_add(1), now);
        }
        self.active = active;
        has_changed
    }
}
