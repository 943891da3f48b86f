//! Whose a series of a one-to-one rule is: of the first input that leads to it, as long as that is live.

use std::collections::HashMap;

use super::rules::At;
use crate::series::Series;

/// The series that one-to-one rules make.
#[derive(Debug, Default)]
pub(super) struct Owners {
    by_output: HashMap<Series, Owner>,
}

#[derive(Debug)]
struct Owner {
    token: u64,
    at: At,
    choice: u32,
    is_confirmed: bool,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquired {
    /// The feed had it.
    Own,
    /// Nobody had it.
    Free,
    /// Another had it.
    Taken,
    /// Another has it.
    Refused,
}

impl Owners {
    /// Takes the output for a feed where nobody has it, or where whoever has it is superseded.
    pub(super) fn acquire(
        &mut self,
        output: &Series,
        token: u64,
        (at, choice): (At, u32),
        is_superseded: bool,
    ) -> Acquired {
        if let Some(owner) = self.by_output.get_mut(output) {
            if owner.token == token {
                return Acquired::Own;
            }
            if !is_superseded {
                return Acquired::Refused;
            }
            (owner.token, owner.at, owner.choice) = (token, at, choice);
            return Acquired::Taken;
        }
        self.by_output.insert(output.clone(), Owner { token, at, choice, is_confirmed: true });
        Acquired::Free
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_output.len()
    }

    pub(super) fn is_owner(&self, output: &Series, token: u64) -> bool {
        self.by_output.get(output).is_some_and(|owner| owner.token == token)
    }

    /// The input and the choice of whoever has it.
    pub(super) fn at(&self, output: &Series) -> Option<(At, u32)> {
        self.by_output.get(output).map(|owner| (owner.at, owner.choice))
    }

    pub(super) fn has(&self, output: &Series) -> bool {
        self.by_output.contains_key(output)
    }

    /// The source has said that it ended.
    pub(super) fn release(&mut self, output: &Series, token: u64) {
        if self.is_owner(output, token) {
            self.by_output.remove(output);
        }
    }

    /// From here to [`Owners::unconfirmed`] the live feeds confirm what they own.
    pub(super) fn reset(&mut self) {
        for owner in self.by_output.values_mut() {
            owner.is_confirmed = false;
        }
    }

    pub(super) fn confirm(&mut self, output: &Series, token: u64) {
        if let Some(owner) = self.by_output.get_mut(output) {
            owner.is_confirmed |= owner.token == token;
        }
    }

    /// Takes out what nobody has confirmed, with the rule that made it.
    pub(super) fn unconfirmed(&mut self) -> Vec<(Series, u32)> {
        self.by_output
            .extract_if(|_, owner| !owner.is_confirmed)
            .map(|(series, owner)| (series, owner.at.rule))
            .collect()
    }

    pub(super) fn outputs(&self, rule: u32) -> impl Iterator<Item = &Series> {
        self.by_output.iter().filter(move |(_, owner)| owner.at.rule == rule).map(|(series, _)| series)
    }
}
