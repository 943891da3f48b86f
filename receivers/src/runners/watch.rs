//! Looks around in rounds, and sees to it that what was found is scraped as long as it is there.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use pipeline::errors::chain;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::config::{Config, Place};
use super::found::{Finding, Found, Obstacle, Page};
use super::live::{self, Live, Shared};
use super::probe;
use super::runner::Runners;
use crate::prometheus::scrape::Outcome;

/// Addresses that are asked at the same time.
pub(crate) const ASKED_AT_ONCE: usize = 8;

/// What cannot be scraped is asked again after at most this long, unless rounds are rarer.
const WAIT_MAX: Duration = Duration::from_mins(2);

/// Everything that is known of this machine's runners.
pub(crate) struct Watch {
    config: Config,
    shared: Shared,
    entries: HashMap<String, Entry>,
    tasks: JoinSet<()>,
}

/// What is known of an address.
struct Entry {
    place: Place,
    live: Vec<Live>,
    /// The runner that is scraped there.
    found: Option<Found>,
    /// Whose names were on its pages when it was looked at.
    dialects: Runners,
    /// How long what cannot be scraped is left alone, and until when.
    wait: Duration,
    next: Instant,
    /// Why it cannot be scraped, as it was said last.
    said: String,
}

impl Watch {
    pub(crate) fn new(config: Config, shared: Shared) -> Self {
        Self { config, shared, entries: HashMap::new(), tasks: JoinSet::new() }
    }

    /// What is scraped now, for people.
    pub(crate) fn notes(&self) -> Vec<String> {
        let scraped = self.entries.values().filter(|entry| !entry.live.is_empty());
        let mut notes: Vec<_> = scraped
            .filter_map(|entry| Some((entry.place.address(), entry.found.as_ref()?)))
            .map(|(address, found)| format!("{} at {address}", found.runner.name()))
            .collect();
        notes.sort();
        notes
    }

    /// Looks around once. What has been learnt stays when it is dropped half-way.
    pub(crate) async fn round(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                error!(%error, "a scrape task ended on its own");
            }
        }
        let questions: Vec<_> = self.places().into_iter().filter_map(|place| self.question(place)).collect();
        let mut answers = stream::iter(questions).buffer_unordered(ASKED_AT_ONCE);
        while let Some((place, finding)) = answers.next().await {
            if let Some(finding) = finding {
                self.learn(place, finding);
            }
        }
    }

    /// Waits for the scrapes to end, once the receiver has been told to stop.
    pub(crate) async fn finish(mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                error!(%error, "a scrape task ended on its own");
            }
        }
    }

    /// The addresses to look at: those of the configuration, and those where something was scraped.
    fn places(&self) -> Vec<Place> {
        let mut places = self.config.places(&self.shared.context.net.listening());
        let known: HashSet<String> = places.iter().map(|place| place.address().to_owned()).collect();
        let gone = self.entries.values().filter(|entry| !known.contains(entry.place.address()));
        places.extend(gone.map(|entry| entry.place.clone()));
        places
    }

    /// What an address is to be asked; `None` where it is better left alone.
    fn question(&self, place: Place) -> Option<BoxFuture<'static, (Place, Option<Finding>)>> {
        let Some(entry) = self.entries.get(place.address()) else { return Some(looking(place)) };
        let Some(found) = entry.found.clone().filter(|_| !entry.live.is_empty()) else {
            return (Instant::now() >= entry.next).then(|| looking(place));
        };
        let is_other = |live: &Live| !entry.dialects.has_all_of(live.dialects());
        if entry.live.iter().any(|live| live.outcome() == Some(Outcome::Down) || is_other(live)) {
            return Some(looking(place));
        }
        // It has more to do than it can, or is slow as ever: questions would not help it.
        if entry.live.iter().any(|live| live.outcome() == Some(Outcome::Slow)) {
            return None;
        }
        Some(Box::pin(async move {
            let finding = if probe::has_changed(&place, &found).await {
                Some(probe::probe(&place).await)
            } else {
                None
            };
            (place, finding)
        }))
    }

    fn learn(&mut self, place: Place, finding: Finding) {
        let address = place.address().to_owned();
        debug!(address, ?finding, "looked at");
        let interval = self.config.interval.0;
        let mut entry = self.entries.remove(&address).unwrap_or_else(|| Entry::new(place));
        match finding {
            Finding::Runner(found) => match found.scrape.clone() {
                Ok(pages) => self.scrape(&mut entry, *found, &pages),
                Err(obstacle) => self.give_up(&mut entry, &found, &obstacle),
            },
            Finding::Absent(_) => {
                self.end_of_the_gone(&mut entry);
                if entry.live.is_empty() {
                    return;
                }
            }
            Finding::Slow => entry.leave_alone(interval),
            Finding::Other(_) => {
                self.end_of_the_gone(&mut entry);
                entry.leave_alone(interval);
            }
            Finding::Ours => {
                entry.end_except(&HashSet::new());
                entry.leave_alone(interval);
            }
        }
        self.entries.insert(address, entry);
    }

    /// Scrapes these pages of a runner, and no others.
    fn scrape(&mut self, entry: &mut Entry, found: Found, pages: &[Page]) {
        let mut targets = Vec::new();
        for page in pages {
            match live::target(&entry.place, &found, page, &self.shared) {
                Ok(target) => targets.push(target),
                Err(error) => {
                    let (address, reason) = (entry.place.address(), chain(&*error));
                    warn!(address, reason, "runner cannot be scraped");
                }
            }
        }
        let keys = targets.iter().map(|(target, _)| target.identity.key()).collect();
        entry.end_except(&keys);
        for (target, scraper) in targets {
            if entry.live.iter().any(|live| live.key == target.identity.key()) {
                continue;
            }
            info!(
                address = entry.place.address(),
                runner = found.runner.name(),
                version = found.version,
                model = pages.iter().find_map(|page| page.model.as_deref()).unwrap_or_default(),
                "runner found"
            );
            entry.live.push(Live::start((target, scraper), &self.shared, &mut self.tasks));
        }
        let scraped = entry.live.iter().map(Live::dialects);
        entry.dialects = scraped.fold(found.dialects, Runners::with);
        entry.found = Some(found);
        entry.said.clear();
        entry.wait = Duration::ZERO;
    }

    /// Says why a runner cannot be scraped, once.
    fn give_up(&mut self, entry: &mut Entry, found: &Found, obstacle: &Obstacle) {
        if entry.found.as_ref().is_some_and(|before| before.runner != found.runner) {
            entry.end_except(&HashSet::new());
        }
        self.end_of_the_gone(entry);
        if entry.said != obstacle.reason {
            let (address, reason) = (entry.place.address(), obstacle.reason.as_str());
            warn!(address, runner = found.runner.name(), reason, "runner cannot be scraped");
            entry.said.clone_from(&obstacle.reason);
        }
        if obstacle.is_temporary {
            entry.wait = Duration::ZERO;
        } else {
            entry.leave_alone(self.config.interval.0);
        }
    }

    /// Forgets what has been gone for long.
    fn end_of_the_gone(&self, entry: &mut Entry) {
        let patience = self.config.forget_after.0;
        let stays = entry.live.iter().filter(|live| !live.is_down_for(patience));
        let stays = stays.map(|live| live.key.clone()).collect();
        entry.end_except(&stays);
    }
}

impl Entry {
    fn new(place: Place) -> Self {
        Self {
            place,
            live: Vec::new(),
            found: None,
            dialects: Runners::default(),
            wait: Duration::ZERO,
            next: Instant::now(),
            said: String::new(),
        }
    }

    /// Ends what has none of these keys.
    fn end_except(&mut self, keys: &HashSet<String>) {
        let runner = self.found.as_ref().map_or("", |found| found.runner.name());
        let address = self.place.address();
        self.live.retain(|live| {
            let stays = keys.contains(&live.key);
            if !stays {
                info!(address, runner, "runner is gone");
                live.end();
            }
            stays
        });
        if self.live.is_empty() {
            self.found = None;
        }
    }

    /// Asks again after twice as long as the last time.
    fn leave_alone(&mut self, interval: Duration) {
        self.wait = if self.wait.is_zero() { interval } else { (self.wait * 2).min(WAIT_MAX.max(interval)) };
        self.next = Instant::now() + self.wait;
    }
}

fn looking(place: Place) -> BoxFuture<'static, (Place, Option<Finding>)> {
    Box::pin(async move {
        let finding = probe::probe(&place).await;
        (place, Some(finding))
    })
}
