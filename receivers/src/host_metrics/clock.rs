//! The clock, and how well it is kept in time.

use std::time::SystemTime;

use pipeline::Kind;

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Recorder, Row};

const TIME: usize = 0;
const SYNCHRONIZED: usize = 1;
const OFFSET: usize = 2;
const ERROR_MAX: usize = 3;
const ERROR_ESTIMATED: usize = 4;
const TIMEX: usize = 5;

pub(super) static METRICS: &[Definition] = &[
    Definition::gauge("system.clock.time", "s", "The clock, in seconds since 1970.").off(),
    Definition::gauge("system.clock.synchronized", "1", "Whether the clock is kept in time."),
    Definition::gauge("system.clock.offset", "s", "Seconds the clock is off."),
    Definition::gauge("system.clock.error.max", "s", "Seconds the clock may be off at most."),
    Definition::gauge("system.clock.error.estimated", "s", "Seconds the clock is estimated to be off."),
    Definition::gauge("linux.timex", "1", "What else the kernel tells of its clock.").off(),
];

struct Clock;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Clock)
}

impl Part for Clock {
    fn read(&mut self, _: &Root, recorder: &mut Recorder) -> Result<(), String> {
        if recorder.is_on(TIME)
            && let Ok(since) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)
        {
            recorder.double(TIME, &[], since.as_secs_f64());
        }
        // Some sandboxes refuse to tell, and then nothing is known.
        if recorder.is_any_on(&[SYNCHRONIZED, OFFSET, ERROR_MAX, ERROR_ESTIMATED, TIMEX])
            && let Some((state, timex)) = ask()
        {
            record(state, &timex, recorder);
        }
        Ok(())
    }
}

fn record(state: i32, timex: &libc::timex, recorder: &mut Recorder) {
    /// Frequencies are in parts per million, with a fraction of sixteen bits.
    const PARTS: f64 = 65_536_000_000.0;
    let is_nano = timex.status & libc::STA_NANO != 0;
    let fine = if is_nano { 1e9 } else { 1e6 };
    recorder.int(SYNCHRONIZED, &[], u64::from(state != libc::TIME_ERROR));
    recorder.double(OFFSET, &[], timex.offset as f64 / fine);
    recorder.double(ERROR_MAX, &[], timex.maxerror as f64 / 1e6);
    recorder.double(ERROR_ESTIMATED, &[], timex.esterror as f64 / 1e6);
    let gauges = [
        ("frequency", "1", 1.0 + timex.freq as f64 / PARTS),
        ("constant", "1", timex.constant as f64),
        ("tick", "s", timex.tick as f64 / 1e6),
        ("tai", "s", f64::from(timex.tai)),
        ("status", "1", f64::from(timex.status)),
        ("ppsfreq", "Hz", timex.ppsfreq as f64 / PARTS),
        ("stabil", "Hz", timex.stabil as f64 / PARTS),
        ("jitter", "s", timex.jitter as f64 / fine),
        ("shift", "1", f64::from(timex.shift)),
    ];
    for (key, unit, value) in gauges {
        recorder.row_double(TIMEX, Row { key, unit, kind: Kind::Gauge }, &[], value);
    }
    let counters = [
        ("jitcnt", timex.jitcnt),
        ("calcnt", timex.calcnt),
        ("errcnt", timex.errcnt),
        ("stbcnt", timex.stbcnt),
    ];
    for (key, count) in counters {
        recorder.row(TIMEX, Row { key, unit: "{event}", kind: Kind::COUNTER }, &[], count);
    }
}

/// Asks the kernel; `None` where it does not answer.
#[expect(unsafe_code, reason = "no safe crate has this call")]
fn ask() -> Option<(i32, libc::timex)> {
    // SAFETY: all of its fields are integers, for which zero is a value. Its modes at zero change nothing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the structure it is given, which lives until the call has returned.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    (state >= 0).then_some((state, timex))
}
