//! From a receiver to the one that takes its place at a reload: which series go on, and which have ended.
//!
//! A receiver whose section has changed is started anew before the old one is stopped. The new one claims
//! what it goes on with, under keys that only it and its like understand (a target, a device); the old one,
//! once told to stop, leaves its series under the same keys. What nobody claims has ended, and gets its
//! stale markers from the old one. At the end of the collector nothing has a successor and nothing has
//! ended either: it may be started again at once, so there are no markers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::series::Series;

/// The time for which a receiver runs, with what came before and what comes after it.
///
/// Clones are the same term. Without a reload nothing is ever left or inherited.
#[derive(Debug, Clone, Default)]
pub struct Term(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What was claimed, with the series that were left under it and not yet taken.
    claims: HashMap<String, Vec<Series>>,
    end: End,
}

/// What is known of the end.
#[derive(Debug, Default)]
enum End {
    /// There is none yet, or it is that of the collector.
    #[default]
    Open,
    /// Nobody goes on with anything.
    Final,
    Followed(Term),
}

impl Term {
    /// Goes on with whatever the receiver before leaves under this key; called before `start` returns.
    pub fn claim(&self, key: &str) {
        self.lock().claims.entry(key.to_owned()).or_default();
    }

    /// Takes out what was left under a key.
    ///
    /// The receiver before leaves it when it has stopped, which may be after the first scrapes: ask each
    /// time.
    pub fn inherited(&self, key: &str) -> Vec<Series> {
        self.lock().claims.get_mut(key).map(std::mem::take).unwrap_or_default()
    }

    /// Ends the term before the receiver is told to stop: another takes its place, or nobody does.
    ///
    /// Not called where the whole collector stops.
    pub fn end(&self, successor: Option<Self>) {
        self.lock().end = successor.map_or(End::Final, End::Followed);
    }

    /// Leaves the series of a key, after the last batch; gives those that have ended with this term, for
    /// which the caller sends stale markers.
    pub fn leave(&self, key: &str, series: Vec<Series>) -> Vec<Series> {
        let successor = match &self.lock().end {
            End::Open => return Vec::new(),
            End::Final => None,
            End::Followed(successor) => Some(successor.clone()),
        };
        match successor {
            Some(successor) => successor.accept(key, series),
            None => series,
        }
    }

    /// Keeps the series where the key is claimed, and gives them back where it is not.
    fn accept(&self, key: &str, series: Vec<Series>) -> Vec<Series> {
        match self.lock().claims.get_mut(key) {
            Some(left) => {
                left.extend(series);
                Vec::new()
            }
            None => series,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, Kind, Metric, Registry};

    fn series(name: &str) -> Series {
        let metric = Arc::new(Metric::new(name, "", Kind::Gauge));
        Registry::new(1).series(&Arc::default(), &Arc::default(), &metric, Attributes::empty()).unwrap()
    }

    #[test]
    fn what_the_next_claims_goes_on_and_the_rest_has_ended() {
        let (old, new) = (Term::default(), Term::default());
        new.claim("a");
        old.end(Some(new.clone()));
        let (kept, gone) = (series("kept"), series("gone"));
        assert_eq!(old.leave("a", vec![kept.clone()]), []);
        assert_eq!(old.leave("b", vec![gone.clone()]), [gone]);
        assert_eq!(new.inherited("b"), []);
        assert_eq!(new.inherited("a"), [kept]);
        assert_eq!(new.inherited("a"), []);
    }

    #[test]
    fn without_a_next_everything_has_ended() {
        let term = Term::default();
        term.end(None);
        let gone = series("gone");
        assert_eq!(term.leave("a", vec![gone.clone()]), [gone]);
    }

    #[test]
    fn when_the_collector_stops_nothing_has_ended() {
        assert_eq!(Term::default().leave("a", vec![series("a")]), []);
    }
}
