//! Checks which keys of a rule go together.

use super::Scope;
use super::nature::word;
use crate::mapping::catalogue::catalogue;
use crate::mapping::compiled::{Combine, OutputKind};
use crate::mapping::file::{Rule, Zero};

use crate::mapping::names::{is_legal, is_legal_part};

impl Scope<'_> {
    pub(super) fn check_shape(&self, index: usize, rule: &Rule) {
        let of = |key: &str| format!("rules[{index}].{key}");
        let sources = [
            ("from", rule.from.is_some()),
            ("ratio", rule.ratio.is_some()),
            ("difference", rule.difference.is_some()),
            ("constant", rule.constant.is_some()),
            ("drop", rule.drop.is_some()),
        ];
        let given: Vec<_> = sources.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if given.len() != 1 {
            let got = if given.is_empty() { "none".to_owned() } else { format!("`{}`", given.join("`, `")) };
            let message =
                format!("expected one of `from`, `ratio`, `difference`, `constant`, `drop`, got {got}");
            self.say(&format!("rules[{index}]"), message);
        }
        if rule.drop.is_some() {
            for (key, _) in set_keys(rule).into_iter().filter(|(_, is_set)| *is_set) {
                self.say(&of(key), "a rule with `drop` makes nothing, and has no other key");
            }
            return;
        }
        if !self.is_schema() {
            let absent =
                [("constant", rule.constant.is_some()), ("zero", !matches!(rule.zero, Zero::Absent))];
            for (key, _) in absent.into_iter().filter(|(_, is_set)| *is_set) {
                self.say(&of(key), "a dialect's metrics belong to targets, and only series tell of these; put it into a schema");
            }
        }
        if rule.from.is_none() && !given.is_empty() {
            self.check_without_inputs(index, rule);
        }
        let derived = [
            ("rate", rule.rate.is_some()),
            ("quantiles", rule.quantiles.is_some()),
            ("invert", rule.invert),
            ("states", rule.states.is_some()),
        ];
        let derived: Vec<_> =
            derived.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if let [first, second, ..] = derived.as_slice() {
            self.say(
                &of(second),
                format!("only one of `{first}` and `{second}` can be; make two rules, one `hidden`"),
            );
        }
        if rule.window.is_some() && rule.quantiles.is_none() {
            self.say(&of("window"), "`window` is of `quantiles`; the one of a rate is its value: `rate: 1m`");
        }
        if rule.combine == Some(Combine::Count)
            && (rule.rate.is_some() || rule.invert || rule.quantiles.is_some())
        {
            self.say(&of("combine"), "nothing can be derived from how many series there are");
        }
        self.check_reserved(index, rule);
    }

    fn check_without_inputs(&self, index: usize, rule: &Rule) {
        let is_constant = rule.constant.is_some();
        let meaningless = set_keys(rule).into_iter().filter(|(key, is_set)| {
            let has_meaning = match *key {
                "metric" | "type" | "unit" | "help" | "hidden" => true,
                "labels" => is_constant,
                _ => false,
            };
            *is_set && !has_meaning
        });
        let why = if is_constant {
            "a constant has no inputs"
        } else {
            "what its two rules have is taken as it is"
        };
        for (key, _) in meaningless {
            self.say(&format!("rules[{index}].{key}"), format!("`{key}` cannot be here: {why}"));
        }
    }

    fn check_reserved(&self, index: usize, rule: &Rule) {
        let reserved = match rule.kind {
            Some(OutputKind::Histogram) => "le",
            Some(OutputKind::Summary) => "quantile",
            _ => return,
        };
        let kept = rule.keep.iter().position(|name| name == reserved).map(|at| format!("keep[{at}]"));
        let label = rule.labels.get(reserved).map(|_| format!("labels.{reserved}"));
        if let Some(key) = kept.or(label) {
            self.say(
                &format!("rules[{index}].{key}"),
                format!("`{reserved}` is what the series themselves use"),
            );
        }
    }

    /// Checks name, type, unit and help; `is_open` where every input has names of its own to give.
    pub(super) fn check_identity(&self, index: usize, rule: &Rule, is_open: bool) {
        let of = |key: &str| format!("rules[{index}].{key}");
        let missing = [
            ("metric", rule.metric.is_none()),
            ("type", rule.kind.is_none()),
            ("unit", rule.unit.is_none()),
            ("help", rule.help.is_none() && !rule.hidden),
        ];
        for (key, _) in missing.into_iter().filter(|(_, is_missing)| *is_missing && !is_open) {
            self.say(&of(key), "must be given; only inputs by `prefix` or `pattern` have their own");
        }
        let Some(metric) = &rule.metric else {
            if rule.hidden {
                self.say(&of("hidden"), "a rule without a `metric` cannot be used by others");
            }
            return;
        };
        let is_template = metric.contains('$');
        if metric.is_empty() {
            self.say(&of("metric"), "expected a name, got nothing");
        } else if is_template {
            let literals = metric.split("${").enumerate().map(|(at, part)| match at {
                0 => part,
                _ => part.split_once('}').map_or("", |(_, literal)| literal),
            });
            if self.is_schema() && !literals.into_iter().all(|part| is_legal_part(part, true)) {
                self.say(&of("metric"), illegal(metric));
            }
        } else {
            if self.is_schema() && !rule.hidden && !is_legal(metric, true) {
                self.say(&of("metric"), illegal(metric));
            }
            if let Some(first) = self.rules.get(metric.as_str()).filter(|first| **first != index) {
                let message =
                    format!("`{metric}` is made by rules[{first}] already; put its inputs into one `from`");
                self.say(&of("metric"), message);
            }
            self.check_convention(index, rule, metric);
        }
        if rule.rest && !is_open {
            self.say(
                &of("rest"),
                "what is left has many names; `rest` needs inputs by `prefix` or `pattern`",
            );
        } else if rule.rest && !is_template {
            self.say(
                &of("rest"),
                format!("what is left cannot all be `{metric}`; leave `metric` out, or use `${{name}}`"),
            );
        }
        if !matches!(rule.zero, Zero::Absent) && rule.hidden && is_template {
            self.say(&of("zero"), "`zero` needs a metric with a fixed name");
        }
    }

    /// A dialect gives a name of the conventions the type and unit it has there.
    fn check_convention(&self, index: usize, rule: &Rule, metric: &str) {
        let Some(own) = catalogue().metrics.get(metric).filter(|_| !self.is_schema()) else { return };
        if let Some(kind) = rule.kind.filter(|kind| *kind != own.kind) {
            let (wanted, kind) = (word(own.kind), word(kind));
            self.say(
                &format!("rules[{index}].type"),
                format!("`{metric}` is a {wanted} in the conventions, got `{kind}`"),
            );
        }
        if let Some(unit) = rule.unit.as_ref().filter(|unit| **unit != own.unit) {
            let message = format!("`{metric}` has the unit `{}` in the conventions, got `{unit}`", own.unit);
            self.say(&format!("rules[{index}].unit"), message);
        }
    }
}

fn illegal(name: &str) -> String {
    format!("`{name}` is no name of a metric; letters, digits, `_` and `:` are, not a digit first")
}

/// The keys of a rule beside where it comes from, and whether they are set.
fn set_keys(rule: &Rule) -> [(&'static str, bool); 15] {
    [
        ("metric", rule.metric.is_some()),
        ("type", rule.kind.is_some()),
        ("unit", rule.unit.is_some()),
        ("help", rule.help.is_some()),
        ("combine", rule.combine.is_some()),
        ("labels", !rule.labels.0.is_empty()),
        ("keep", !rule.keep.is_empty()),
        ("rate", rule.rate.is_some()),
        ("quantiles", rule.quantiles.is_some()),
        ("window", rule.window.is_some()),
        ("invert", rule.invert),
        ("states", rule.states.is_some()),
        ("zero", !matches!(rule.zero, Zero::Absent)),
        ("hidden", rule.hidden),
        ("rest", rule.rest),
    ]
}
