//! One round of looking, for people: what is where, and why what cannot be scraped cannot.

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::config::Config;
use super::found::{Finding, Found, Page};
use super::probe;
use super::watch::ASKED_AT_ONCE;

/// What is at an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Discovered {
    pub address: String,
    /// The runner, by the name of its dialect; empty where it is none.
    pub runner: String,
    pub version: String,
    /// The models it says it serves.
    pub models: Vec<String>,
    /// Whose names are on its page.
    pub dialects: Vec<String>,
    /// The paths that would be scraped.
    pub paths: Vec<String>,
    /// Why nothing would be scraped; empty where something would.
    pub reason: String,
}

/// A list of these in JSON.
pub fn to_json(discovered: &[Discovered]) -> String {
    serde_json::to_string_pretty(discovered).expect("texts and lists of texts are JSON")
}

/// Looks around once; addresses where nobody listens are left out.
pub async fn discover(config: &Config) -> Vec<Discovered> {
    let places = config.places(&[]);
    let questions = places.into_iter().map(|place| async move {
        let finding = probe::probe(&place).await;
        Discovered::new(place.address(), finding)
    });
    let discovered: Vec<_> = stream::iter(questions).buffered(ASKED_AT_ONCE).collect().await;
    discovered.into_iter().flatten().collect()
}

impl Discovered {
    fn new(address: &str, finding: Finding) -> Option<Self> {
        let nothing = Self { address: address.to_owned(), ..Self::default() };
        Some(match finding {
            Finding::Absent(_) => return None,
            Finding::Runner(found) => Self { address: nothing.address, ..Self::of(*found) },
            Finding::Slow => Self { reason: "no answer within 2 seconds".to_owned(), ..nothing },
            Finding::Ours => Self { reason: "a collector such as this one".to_owned(), ..nothing },
            Finding::Other(reason) => Self { reason, ..nothing },
        })
    }

    fn of(found: Found) -> Self {
        let (paths, reason) = match found.scrape {
            Ok(pages) => (pages.iter().map(Page::shown_path).collect(), String::new()),
            Err(obstacle) => (Vec::new(), obstacle.reason),
        };
        Self {
            address: String::new(),
            runner: found.runner.name().to_owned(),
            version: found.version,
            models: found.models,
            dialects: found.dialects.iter().map(|runner| runner.name().to_owned()).collect(),
            paths,
            reason,
        }
    }
}
