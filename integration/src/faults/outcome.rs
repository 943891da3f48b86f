//! The accounts of one fault, and whether they are as they should be.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::books::Books;
use super::setup::CONSUMERS;
use super::{Doubles, Fault, Loss};
use crate::account::{Account, Point, Times, is_poison};
use crate::steady::Entries;

/// What became of the points while a fault was done; all but `unclear` and `dropped` by the identity of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub sent: u64,
    pub acknowledged: u64,
    /// Of the acknowledged, what the backend has.
    pub delivered: u64,
    /// Given up, as the collector counts it.
    pub dropped: u64,
    /// Acknowledged, not delivered and not counted.
    pub lost: u64,
    /// Delivered more than once, without those that were sent to the collector more than once.
    pub duplicated: u64,
    /// Delivered more than once, and sent to the collector more than once because an acknowledgement was lost.
    pub resent: u64,
    /// Delivered, and not acknowledged.
    pub ghosts: u64,
    /// Delivered for the first time behind a later point of the series.
    pub reordered: u64,
    pub pushed_back: u64,
    pub slowest: Duration,
    /// Before the fault, and at the most.
    pub memory_kib: (u64, u64),
    pub descriptors: (usize, usize),
    pub took: Duration,
    pub seed: u64,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// What is not as it should be.
    pub complaints: Vec<String>,
}

/// How a fault ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Ran(Box<Outcome>),
    Skipped(String),
}

/// What is compared when all is over.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) entries: &'a [Entries],
    pub(super) account: &'a Account,
    /// Over all lives of the collector.
    pub(super) books: &'a Books,
    /// Of the last life alone.
    pub(super) last: &'a Books,
    /// What the last found in its queue.
    pub(super) found: u64,
    pub(super) lives: u64,
    pub(super) breaks: u64,
    /// How many points may be gone with what was destroyed.
    pub(super) destroyed: u64,
    pub(super) keeps_order: bool,
}

impl Outcome {
    /// Counts everything.
    pub(super) fn settle(fault: &Fault, evidence: &Evidence<'_>) -> Self {
        let mut outcome = Self { dropped: evidence.books.dropped(), ..Self::default() };
        let mut missing_good = 0;
        let mut missing_poison = 0;
        let mut poison = 0;
        let mut unexplained = 0;
        let mut unrepeated = 0;
        for entries in evidence.entries {
            let is_idle = entries.acknowledged == 0;
            outcome.complain(is_idle, format!("nothing of `{}` was acknowledged", entries.source));
            let seen = evidence.account.of(&entries.source);
            outcome.add(entries, &seen);
            for number in 0..entries.acknowledged as i64 {
                let point = Point { source: String::new(), lane: String::new(), number };
                let is_missing = !seen.contains_key(&number);
                poison += u64::from(is_poison(&point));
                missing_good += u64::from(is_missing && !is_poison(&point));
                missing_poison += u64::from(is_missing && is_poison(&point));
            }
            for times in seen.values() {
                unexplained += u64::from(times.taken > 1 && times.unanswered == 0);
                unrepeated += u64::from(times.unanswered > 0 && times.taken < 2);
            }
        }
        outcome.reordered = evidence.account.totals().reordered;
        outcome.lost = outcome.acknowledged.saturating_sub(outcome.delivered + outcome.dropped);
        outcome.judge_loss(fault.loss, evidence, [missing_good, missing_poison, poison]);
        outcome.judge_doubles(fault.doubles, evidence, unexplained, unrepeated);
        outcome.judge_books(fault, evidence);
        let is_disorder = evidence.keeps_order && outcome.reordered > 0;
        outcome.complain(is_disorder, format!("{} points out of order", outcome.reordered));
        outcome
    }

    fn add(&mut self, entries: &Entries, seen: &HashMap<i64, Times>) {
        self.sent += entries.sent;
        self.acknowledged += entries.acknowledged;
        self.pushed_back += entries.pushed_back;
        self.slowest = self.slowest.max(entries.slowest);
        let is_unclear = |number: i64| entries.unclear.iter().any(|range| range.contains(&(number as u64)));
        for (number, times) in seen {
            if (*number as u64) < entries.acknowledged {
                self.delivered += 1;
            } else {
                self.ghosts += 1;
                self.complain(*number as u64 >= entries.sent, format!("{number} was never sent"));
            }
            match (times.taken > 1, is_unclear(*number)) {
                (true, false) => self.duplicated += 1,
                (true, true) => self.resent += 1,
                (false, _) => {}
            }
        }
        for why in &entries.refused {
            self.complain(true, format!("the collector refused for good: {why}"));
        }
    }

    fn judge_loss(&mut self, loss: Loss, evidence: &Evidence<'_>, counts: [u64; 3]) {
        let books = evidence.books;
        let [missing_good, missing_poison, poison] = counts;
        let missing = missing_good + missing_poison;
        let destroyed = evidence.destroyed;
        let lost = self.lost;
        self.complain(lost > destroyed, format!("{lost} acknowledged points lost, {destroyed} destroyed"));
        let text = format!("{missing} points are missing, {:?} are counted", books.failed);
        match loss {
            Loss::Nothing => {
                // Of what came to the collector twice, remote write leaves the second out.
                let twice = evidence.entries.iter().flat_map(|entries| &entries.unclear);
                let twice: u64 = twice.map(|numbers| numbers.end - numbers.start).sum();
                let repeated = books.failed.get("out_of_order").copied().unwrap_or_default().min(twice);
                self.complain(missing > 0 || self.dropped > repeated, text);
            }
            Loss::Counted(reasons) => {
                let is_known =
                    books.failed.iter().all(|(reason, points)| *points == 0 || reasons.contains(&&**reason));
                self.complain(!is_known || self.dropped == 0, text.clone());
                self.complain(self.dropped != missing, text);
            }
            Loss::Destroyed => self.complain(missing > destroyed + self.dropped, text),
            Loss::Poison => {
                let text = format!("of {poison} bad points {missing_poison} are missing; {text}");
                self.complain(missing_good > 0, format!("{missing_good} good points are missing; {text}"));
                self.complain(poison == 0 || missing_poison != poison || self.dropped != poison, text);
            }
        }
    }

    fn judge_doubles(
        &mut self,
        doubles: Doubles,
        evidence: &Evidence<'_>,
        unexplained: u64,
        unrepeated: u64,
    ) {
        let duplicated = self.duplicated;
        match doubles {
            Doubles::Nothing => self.complain(duplicated > 0, format!("{duplicated} points came twice")),
            Doubles::LostAnswers => {
                self.complain(
                    unexplained > 0,
                    format!("{unexplained} points came twice without a lost answer"),
                );
                self.complain(unrepeated > 0, format!("{unrepeated} points with lost answers came once"));
            }
            Doubles::UnderWay => {
                let bound = evidence.breaks * CONSUMERS * evidence.account.totals().largest;
                self.complain(
                    duplicated > bound,
                    format!("{duplicated} points came twice, {bound} can have been under way"),
                );
            }
        }
    }

    /// What the collector says has to be what the ledger and the backend say.
    fn judge_books(&mut self, fault: &Fault, evidence: &Evidence<'_>) {
        let (books, totals) = (evidence.books, evidence.account.totals());
        self.complain(books.queued > 0, format!("{} still queued", books.queued));
        let (found, last) = (evidence.found, evidence.last);
        let settled = last.sent + last.dropped();
        // Where a write fails, what was being written is sent although its sender was told to come later.
        let excess =
            if fault.doubles == Doubles::UnderWay { self.ghosts + self.duplicated + self.resent } else { 0 };
        let taken = found + last.accepted;
        self.complain(
            settled < taken || settled > taken + excess,
            format!("found {found} and accepted {}, but sent and dropped {settled}", last.accepted),
        );
        // What was counted between the last look and a kill is nobody's to know, and what was sent again after it.
        if evidence.lives > 0 {
            return;
        }
        let acknowledged = self.acknowledged;
        self.complain(
            books.accepted < acknowledged,
            format!("accepted {}, but {acknowledged} acknowledged", books.accepted),
        );
        let is_sent = if evidence.breaks == 0 {
            books.sent == totals.answered
        } else {
            books.sent <= totals.answered + totals.unanswered
        };
        self.complain(
            !is_sent,
            format!("sent {}, but the backend answered for {}", books.sent, totals.answered),
        );
    }

    pub(super) fn complain(&mut self, is_wrong: bool, text: String) {
        if is_wrong && !self.complaints.contains(&text) {
            self.complaints.push(text);
        }
    }
}

/// The first two lines of a table of outcomes.
pub fn heading() -> String {
    let columns = [
        "fault",
        "sent",
        "acknowledged",
        "delivered",
        "dropped",
        "lost",
        "duplicated",
        "resent",
        "ghosts",
        "reordered",
        "pushed back",
        "slowest ack",
        "MiB",
        "descriptors",
        "seconds",
        "seed",
        "result",
    ];
    let mut text = format!("| {} |\n|---|", columns.join(" | "));
    for _ in 2..columns.len() {
        text.push_str("---:|");
    }
    text.push_str("---|");
    text
}

impl Verdict {
    /// A line of the table.
    pub fn row(&self, fault: &str) -> String {
        match self {
            Self::Ran(outcome) => format!("| {fault} | {outcome} |"),
            Self::Skipped(why) => format!("| {fault} {}| skipped: {why} |", "| ".repeat(15)),
        }
    }

    pub fn is_good(&self) -> bool {
        match self {
            Self::Ran(outcome) => outcome.complaints.is_empty(),
            Self::Skipped(_) => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for count in [
            self.sent,
            self.acknowledged,
            self.delivered,
            self.dropped,
            self.lost,
            self.duplicated,
            self.resent,
            self.ghosts,
            self.reordered,
            self.pushed_back,
        ] {
            write!(f, "{count} | ")?;
        }
        let (before, after) = self.descriptors;
        let (base, peak) = self.memory_kib;
        write!(f, "{:.2} s | {}, {} | ", self.slowest.as_secs_f64(), base >> 10, peak >> 10)?;
        write!(f, "{before}, {after} | {:.0} | {} | ", self.took.as_secs_f64(), self.seed)?;
        let end =
            if self.complaints.is_empty() { vec![String::from("good")] } else { self.complaints.clone() };
        let text = [end, self.notes.clone()].concat().join("; ");
        f.write_str(&text.replace('|', "/").replace('\n', " "))
    }
}
