//! What is remembered of the series that feed groups.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Weak;

use super::rules::At;
use crate::metric::Temporality;
use crate::point::Value;
use crate::series::{Identity, Series};

/// One that comes back within this time goes on from where it was.
const KEPT: u64 = 3600 * 1_000_000_000;

#[derive(Debug)]
pub(super) struct Member {
    key: Key,
    pub(super) group: u32,
    pub(super) at: At,
    /// Not held: a series that nobody sends any more is not to live for our sake.
    pub(super) series: Weak<Identity>,
    pub(super) is_delta: bool,
    pub(super) is_live: bool,
    pub(super) seen: u64,
    /// When it was heard of first, when it became live last, and when it fed its group last.
    pub(super) since: u64,
    pub(super) woken: u64,
    pub(super) fed: u64,
    /// When its value was 1 or more last.
    pub(super) loud: Option<u64>,
    pub(super) start: u64,
    pub(super) last: Option<Value>,
}

type Key = (u128, u32, u16, u16);

#[derive(Debug, Default)]
pub(super) struct Members {
    by_key: HashMap<Key, u32>,
    list: Vec<Member>,
    free: Vec<u32>,
    hashers: [RandomState; 2],
}

impl Members {
    /// The member for a series, and whether it is new.
    pub(super) fn of(&mut self, group: u32, series: &Series, at: At, now: u64) -> (u32, bool) {
        let key = (self.fingerprint(series), group, at.rank, at.input);
        if let Some(&member) = self.by_key.get(&key) {
            self.list[member as usize].series = series.downgrade();
            return (member, false);
        }
        let is_delta = series.metric().kind.temporality() == Some(Temporality::Delta);
        let made = Member {
            key,
            group,
            at,
            series: series.downgrade(),
            is_delta,
            is_live: false,
            seen: now,
            since: now,
            woken: now,
            fed: 0,
            loud: None,
            start: 0,
            last: None,
        };
        let member = if let Some(member) = self.free.pop() {
            self.list[member as usize] = made;
            member
        } else {
            self.list.push(made);
            (self.list.len() - 1) as u32
        };
        self.by_key.insert(key, member);
        (member, true)
    }

    /// Names an input series of a rule: the same, should it die and come back.
    pub(super) fn token(&self, series: &Series, at: At) -> u64 {
        self.hashers[0].hash_one((self.fingerprint(series), at.rule, at.rank, at.input))
    }

    /// Recognises a series that died and came back, without keeping it alive.
    fn fingerprint(&self, series: &Series) -> u128 {
        let metric = series.metric();
        let identity = (
            series.resource().as_ref(),
            series.scope().as_ref(),
            (&metric.name, &metric.unit, metric.kind),
            series.attributes(),
        );
        let [low, high] = &self.hashers;
        u128::from(low.hash_one(identity)) | (u128::from(high.hash_one(identity)) << 64)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, member: u32) -> &Member {
        &self.list[member as usize]
    }

    pub(super) fn get_mut(&mut self, member: u32) -> &mut Member {
        &mut self.list[member as usize]
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.list.iter_mut()
    }

    pub(super) fn remove(&mut self, member: u32) {
        let of = &mut self.list[member as usize];
        of.is_live = false;
        of.last = None;
        if self.by_key.remove(&of.key).is_some() {
            self.free.push(member);
        }
    }

    /// Removes those that were silent for long.
    pub(super) fn sweep(&mut self, now: u64) {
        let Self { by_key, list, free, .. } = self;
        by_key.retain(|_, &mut index| {
            let member = &mut list[index as usize];
            let is_over = member.is_over(now);
            if is_over {
                member.last = None;
                free.push(index);
            }
            !is_over
        });
    }
}

impl Member {
    /// Whether it was silent for long.
    pub(super) fn is_over(&self, now: u64) -> bool {
        !self.is_live && self.seen.saturating_add(KEPT) < now
    }

    /// Makes it live; says whether it was not.
    pub(super) fn wake(&mut self, now: u64) -> bool {
        let has_woken = !std::mem::replace(&mut self.is_live, true);
        if has_woken {
            self.woken = now;
        }
        has_woken
    }

    /// The value of a gauge.
    pub(super) fn take_latest(&mut self, value: Option<Value>) {
        let number = value.as_ref().and_then(crate::growth::number);
        if number.is_some_and(|number| number >= 1.0) {
            self.loud = Some(self.seen);
        }
        match (self.is_delta, value) {
            (true, Some(change)) => super::total::add(&mut self.last, change),
            (true, None) => {}
            (false, value) => self.last = value,
        }
    }
}
