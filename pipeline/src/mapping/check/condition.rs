//! Compiles what must hold of attributes and values.

use super::{Scope, joined};
use crate::mapping::compiled::{Condition, Test, Valid};
use crate::mapping::file;
use crate::mapping::file::{ConditionMap, OneOrMany, Ordered};
use crate::mapping::template::place;
use crate::relabel::anchored;

impl Scope<'_> {
    pub(super) fn conditions(&self, key: &str, conditions: &Ordered<file::Condition>) -> Vec<Condition> {
        let one = |(attribute, spec): &(String, file::Condition)| {
            let key = joined(key, attribute);
            let of = self.or_say(&key, place(attribute))?;
            let (test, or_absent) = match spec {
                file::Condition::OneOf(values) => (one_of(values), false),
                file::Condition::Map(map) => (self.test(&key, map)?, map.or_absent),
            };
            if test.one_of.as_ref().is_some_and(Vec::is_empty) {
                self.say(&key, "expected at least one value, got none");
            }
            Some(Condition { of, test, or_absent })
        };
        conditions.0.iter().filter_map(one).collect()
    }

    fn test(&self, key: &str, map: &ConditionMap) -> Option<Test> {
        let pattern = match &map.pattern {
            Some(pattern) => Some(self.or_say(&format!("{key}.pattern"), anchored(pattern))?),
            None => None,
        };
        self.check_valid(key, Valid { at_least: map.at_least, below: map.below });
        let test = Test {
            one_of: map.one_of.as_ref().map(texts),
            prefix: map.prefix.clone(),
            pattern,
            none_of: map.not.as_ref().map(texts).unwrap_or_default(),
            present: map.present,
            at_least: map.at_least,
            below: map.below,
        };
        let has_bounds = test.at_least.is_some() || test.below.is_some();
        let has_text = test.one_of.is_some() || test.prefix.is_some() || test.pattern.is_some();
        if !has_bounds && !has_text && test.none_of.is_empty() && test.present.is_none() {
            self.say(
                key,
                "expected a condition: one of `one_of`, `prefix`, `pattern`, `not`, `present`, `at_least`, `below`",
            );
        }
        if test.present == Some(false) && (has_bounds || has_text) {
            self.say(key, "an attribute that is not there has no value to be tested");
        }
        Some(test)
    }

    pub(super) fn check_valid(&self, key: &str, valid: Valid) {
        for (name, bound) in [("at_least", valid.at_least), ("below", valid.below)] {
            if bound.is_some_and(f64::is_nan) {
                self.say(&format!("{key}.{name}"), "expected a number, got `.nan`");
            }
        }
        if let (Some(at_least), Some(below)) = (valid.at_least, valid.below)
            && at_least >= below
        {
            self.say(key, format!("nothing is at least {at_least} and below {below}"));
        }
    }
}

fn one_of(values: &[String]) -> Test {
    Test { one_of: Some(values.to_vec()), ..Test::default() }
}

fn texts(values: &OneOrMany<String>) -> Vec<String> {
    values.each().into_iter().map(|(_, text)| text.clone()).collect()
}
