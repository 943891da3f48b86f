//! What no fault may do: make the collector grow, or fill the log.

use std::collections::BTreeMap;

use super::Outcome;

/// Complains of a collector that grew by more; of a build without optimization that says nothing.
pub(super) fn of_memory(outcome: &mut Outcome, growth_max_mib: u64) {
    let (base, peak) = outcome.memory_kib;
    let grew = peak.saturating_sub(base) >> 10;
    let is_too_much = !cfg!(debug_assertions) && grew > growth_max_mib;
    outcome.complain(is_too_much, format!("memory grew by {grew} MiB"));
}

/// Complains of a cause that the log names more than once a minute; a start and a reload begin anew.
pub(super) fn of_the_log(outcome: &mut Outcome, log: &str, ended: u64) {
    let beginnings = ended + 1 + log.matches("reloaded").count() as u64;
    let allowed = beginnings + outcome.took.as_secs() / 60;
    for (cause, lines) in causes(log) {
        outcome.complain(lines > allowed, format!("{lines} lines in the log: {cause}"));
    }
}

/// How many warnings and errors there are of each cause.
fn causes(log: &str) -> BTreeMap<String, u64> {
    let mut causes = BTreeMap::new();
    for line in log.lines() {
        // Each of these tells another place of a file.
        let Some((_, text)) = line.split_once("Z ").filter(|_| !line.contains("storage is damaged")) else {
            continue;
        };
        let text = text.trim_start();
        if text.starts_with("WARN") || text.starts_with("ERROR") {
            *causes.entry(cause(text)).or_default() += 1;
        }
    }
    causes
}

/// A line without what differs from one time to the next: numbers and durations.
fn cause(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.starts_with("retry_in="));
    let words = words.map(|word| word.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-11-30T11:15:54.030755Z  INFO ready
2026-11-30T11:15:55.027465Z  WARN export failed exporter=\"a\" reason=\"no\" retry_in=116.1ms suppressed=0
2026-11-30T11:15:56.027465Z  WARN export failed exporter=\"a\" reason=\"no\" retry_in=1.2s suppressed=31
2026-11-30T11:15:56.027465Z  WARN export failed exporter=\"b\" reason=\"no\" retry_in=1.2s suppressed=0
";

    #[test]
    fn a_cause_that_is_told_twice_within_a_minute_is_complained_of() {
        let mut outcome = Outcome::default();
        of_the_log(&mut outcome, LOG, 0);
        assert_eq!(
            outcome.complaints,
            ["2 lines in the log: WARN export failed exporter=\"a\" reason=\"no\" suppressed="]
        );
        let mut outcome = Outcome::default();
        of_the_log(&mut outcome, LOG, 1);
        assert!(outcome.complaints.is_empty());
    }
}
