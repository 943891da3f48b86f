//! The state of each series as a label.

use std::collections::HashMap;

use crate::growth::number;
use crate::mapping::compiled::{StateTest, States};
use crate::mapping::engine::members::Member;
use crate::series::Series;

/// The series of each state, and whether it is out.
#[derive(Debug, Default)]
pub(in crate::mapping::engine) struct StateOutputs {
    pub(in crate::mapping::engine) by_state: HashMap<String, (Series, bool)>,
}

impl StateOutputs {
    pub(super) fn outputs(&self) -> impl Iterator<Item = &Series> {
        self.by_state.values().filter(|(_, is_out)| *is_out).map(|(series, _)| series)
    }
}

/// The first state that holds.
pub(in crate::mapping::engine) fn state_of<'a>(
    states: &'a States,
    member: &Member,
    now: u64,
) -> Option<&'a str> {
    let value = member.last.as_ref().and_then(number).filter(|_| member.is_live);
    let holds = |test: &StateTest| match test {
        StateTest::Value(valid) => value.is_some_and(|value| {
            valid.at_least.is_none_or(|bound| value >= bound) && valid.below.is_none_or(|bound| value < bound)
        }),
        StateTest::Silent(time) => {
            let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            now.saturating_sub(member.loud.unwrap_or(member.since)) >= time
        }
        StateTest::Otherwise => true,
    };
    states.of.iter().find(|(_, test)| holds(test)).map(|(state, _)| state.as_str())
}
