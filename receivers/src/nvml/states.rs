//! What is said of the library and the boards as a whole: what is up, what it is, and in which condition.

use std::sync::Arc;

use pipeline::component::Context;
use pipeline::{AnyValue, Batch, Kind, Resource, Temporality};

use super::fault::{Fault, Reach, reach, word};
use super::identity::owner;
use super::life::{State, scope};
use super::owners::Attributes;
use super::watched::Known;
use super::xids::{Count, Xids};
use crate::recorder::{Definition, Label, Labels, Owner, Recorder, Selection, UP_DOWN};

pub(super) const STATES: &[Definition] = &[
    gauge("nvidia.nvml.up", "1", "Whether the driver's library answers (1) or not (0, with error.type)."),
    gauge("nvidia.gpu.up", "1", "Whether a GPU answers (1) or not (0, with error.type)."),
    gauge("nvidia.gpu.info", "{info}", "1, with what a GPU is."),
    Definition {
        kind: UP_DOWN,
        ..gauge("hw.status", "1", "Whether a component is in a state, by hw.state.")
    },
    Definition {
        kind: Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: true },
        ..gauge(
            "nvidia.gpu.xid.errors",
            "{error}",
            "Errors the driver reported since we began to listen, by nvidia.gpu.xid.",
        )
    },
    gauge(
        "nvidia.gpu.xid.last_time",
        "s",
        "When an error was last reported, in seconds since 1970, by nvidia.gpu.xid.",
    ),
    gauge(
        "nvidia.gpu.xid.last",
        "1",
        "Number of the error the driver reported last, 0 where none since we began to listen; also in nvidia.gpu.xid.",
    ),
];

const NVML_UP: usize = 0;
const GPU_UP: usize = 1;
const INFO: usize = 2;
const STATUS: usize = 3;
const XID_ERRORS: usize = 4;
const XID_LAST_TIME: usize = 5;
const XID_LAST: usize = 6;

const OK: &str = "ok";
const DEGRADED: &str = "degraded";
const PREDICTED_FAILURE: &str = "predicted_failure";
const FAILED: &str = "failed";

/// Whether the library is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Library {
    Starting,
    Up,
    Away { fault: Fault, is_worth_showing: bool },
}

/// Says it, time and again.
pub(super) struct States {
    recorder: Recorder,
    selection: Selection,
    /// Since when errors are counted.
    start_unix_nano: u64,
    is_up: bool,
}

impl States {
    pub(super) fn new(context: &Context, resource: &Arc<Resource>) -> Self {
        let host = owner(Attributes::default(), resource);
        Self {
            recorder: Recorder::new(context.registry.clone(), scope(), host),
            selection: Selection { definitions: STATES, is_on: [true; STATES.len()].into() },
            start_unix_nano: context.clock.unix_nano(),
            is_up: false,
        }
    }

    /// Begins with the library; [`States::finish`] ends what is said.
    pub(super) fn begin(&mut self, library: &Library, resource: &Arc<Resource>, time: u64) {
        self.is_up = *library == Library::Up;
        self.recorder.begin(time);
        self.recorder.turn_to(&self.selection, &owner(Attributes::default(), resource));
        match library {
            Library::Up => self.recorder.int(NVML_UP, &[], 1),
            Library::Away { fault, is_worth_showing: true } => {
                self.recorder.int(NVML_UP, &[("error.type", Label::Text(fault.word()))], 0);
            }
            Library::Starting | Library::Away { .. } => {}
        }
    }

    /// A board that was seen, and the errors that were reported of it.
    pub(super) fn board(&mut self, known: &Known, xids: &Xids, is_heard: bool) {
        let owner = known.identity.owner(&Attributes::default(), &known.resource);
        self.recorder.own(Owner { start_unix_nano: self.start_unix_nano, ..owner });
        self.condition(known);
        let last = self.errors(xids.of(&known.identity.short_bus_id()));
        // That there was none is only known while somebody listens.
        if (self.is_up && is_heard) || last != 0 {
            self.recorder.int(XID_LAST, &[("nvidia.gpu.xid", Label::Int(last as i64))], last);
        }
    }

    /// A board of which nothing is known but its number.
    pub(super) fn nameless(&mut self, index: u32, fault: &Fault, resource: &Arc<Resource>) {
        let attributes = [("hw.type", AnyValue::from("gpu")), ("hw.gpu.index", AnyValue::Int(index.into()))];
        self.recorder.own(owner(Arc::new(attributes), resource));
        self.down(fault);
    }

    pub(super) fn finish(&mut self) -> Batch {
        self.recorder.finish()
    }

    /// Gives the number of the last of them, or 0.
    fn errors(&mut self, errors: impl Iterator<Item = (u64, Count)>) -> u64 {
        let mut last = (0, 0);
        for (xid, count) in errors {
            let labels = [("nvidia.gpu.xid", Label::Int(xid as i64))];
            self.recorder.int(XID_ERRORS, &labels, count.errors);
            self.recorder.double(XID_LAST_TIME, &labels, count.last_unix_nano as f64 / 1e9);
            last = last.max((count.last_unix_nano, xid));
        }
        last.1
    }

    fn condition(&mut self, known: &Known) {
        let info: Vec<_> =
            known.identity.info.iter().map(|(key, text)| (*key, Label::Text(text.as_str()))).collect();
        self.recorder.int(INFO, &info, 1);
        match &known.state {
            Ok(State::Answering(_)) => self.recorder.int(GPU_UP, &[], 1),
            Ok(State::Failing(code)) => self.down(&Fault::Code(*code)),
            // Whether it would answer is not known.
            Ok(State::Sleeping) => {}
            Err(fault) => self.down(fault),
        }
        let Some(state) = condition(known) else { return };
        for each in [OK, DEGRADED, PREDICTED_FAILURE, FAILED] {
            self.recorder.int(STATUS, &[("hw.state", Label::Text(each))], (each == state).into());
        }
    }

    fn down(&mut self, fault: &Fault) {
        let labels: Labels<'_> = &[("error.type", Label::Text(fault.word()))];
        self.recorder.int(GPU_UP, labels, 0);
    }
}

/// The `hw.state` of a board, where it can be told.
fn condition(known: &Known) -> Option<&'static str> {
    if known.has_fallen {
        return Some(FAILED);
    }
    match &known.state {
        Ok(State::Answering(health)) if health.has_failed => Some(FAILED),
        Ok(State::Answering(health)) if health.is_failing => Some(PREDICTED_FAILURE),
        Ok(State::Answering(health)) if health.is_degraded => Some(DEGRADED),
        Ok(State::Answering(_)) => Some(OK),
        Err(Fault::Code(code)) if reach(*code) == Reach::Board || word(*code) == "reset_required" => {
            Some(FAILED)
        }
        _ => None,
    }
}

const fn gauge(name: &'static str, unit: &'static str, description: &'static str) -> Definition {
    Definition { name, alias: "", unit, kind: Kind::Gauge, is_default: true, description }
}
