//! The receiver against servers that answer as the real runners do.

mod fake;
mod living;
mod looking;

use super::{Config, Discovered, discover};
use fake::Fake;

/// What is found at an address that only this test knows.
async fn look(fake: &Fake) -> Discovered {
    let config = Config { ports: vec![fake.port()], ..Config::default() };
    let mut found = discover(&config).await;
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// `runner version [dialects] (models) paths`, and behind `!` why there are none.
fn say(found: &Discovered) -> String {
    let version = if found.version.is_empty() { "-" } else { &found.version };
    let reason = if found.reason.is_empty() { String::new() } else { format!("!{}", found.reason) };
    let end = format!("{}{reason}", found.paths.join(" "));
    format!("{} {version} [{}] ({}) {end}", found.runner, found.dialects.join(" "), found.models.join(","))
}

#[test]
fn answers_that_are_cut_off_or_broken_harm_nobody() {
    for entry in std::fs::read_dir(fake::fixtures().join("probes")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for end in (0..bytes.len()).step_by(97) {
            super::fuzz_answers(&bytes[..end]);
            let mut broken = bytes.clone();
            broken[end] ^= 0xff;
            super::fuzz_answers(&broken);
        }
    }
}
