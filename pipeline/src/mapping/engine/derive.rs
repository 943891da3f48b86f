//! What is made of the combined value of a group.

pub(super) mod invert;
pub(super) mod operands;
mod quantiles;
mod rate;
pub(super) mod states;

use self::quantiles::Quantiles;
use self::rate::Rate;
use self::states::StateOutputs;
use crate::mapping::compiled::{Derive, Rule};
use crate::point::Value;
use crate::series::Series;

/// The memory of what a group derives.
#[derive(Debug)]
pub(super) enum Derived {
    Nothing,
    Rate(Rate),
    Quantiles(Quantiles),
    Invert,
    States(StateOutputs),
}

impl Derived {
    pub(super) fn new(rule: &Rule, output: &Series, now: u64) -> Self {
        let _ = output;
        match (&rule.states, &rule.derive) {
            (Some(_), _) => Self::States(StateOutputs::default()),
            (None, Some(Derive::Rate { window })) => Self::Rate(Rate::new(*window)),
            (None, Some(Derive::Quantiles { quantiles, window })) => {
                Self::Quantiles(Quantiles::new(quantiles.clone(), *window, now))
            }
            (None, Some(Derive::Invert)) => Self::Invert,
            (None, None) => Self::Nothing,
        }
    }

    /// The value of the group's own series.
    pub(super) fn apply(&mut self, value: Value, now: u64) -> Option<Value> {
        match self {
            Self::Nothing | Self::States(_) => Some(value),
            Self::Rate(rate) => rate.apply(&value, now),
            Self::Quantiles(quantiles) => quantiles.apply(&value, now),
            Self::Invert => invert::inverted(&value),
        }
    }

    /// The series it makes in place of the group's own.
    pub(super) fn outputs(&self) -> Option<impl Iterator<Item = &Series>> {
        match self {
            Self::States(states) => Some(states.outputs()),
            _ => None,
        }
    }

    /// Whether a zero of the output's kind is none of the inputs' kind.
    pub(super) fn needs_histogram(&self) -> bool {
        matches!(self, Self::Quantiles(_))
    }
}
