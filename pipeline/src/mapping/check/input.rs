//! Compiles inputs.

use super::nature::{Nature, Source, taken, word};
use super::{Meaning, Scope};
use crate::mapping::builtin;
use crate::mapping::catalogue::catalogue;
use crate::mapping::compiled::{From, Input, Labels, NameMatch, OutputKind, Runner, Take};
use crate::mapping::file;
use crate::mapping::names::{covers_prefix, is_match, literal_beginning};
use crate::mapping::version::Range;
use crate::relabel::anchored;

/// What an input is read from, resolved.
struct Origin {
    from: From,
    is_foreign: bool,
    nature: Nature,
    name: String,
    groups: usize,
}

impl Scope<'_> {
    /// The input at `key` of the rule of this index; its labels are added later.
    pub(super) fn input(&self, rule: usize, key: &str, spec: &file::Input) -> Option<(Input, Source)> {
        let origin = self.origin(rule, key, spec);
        let version = spec.version.as_ref().and_then(|text| {
            let range = Range::parse(text).map_err(|error| error.to_string());
            self.or_say(&format!("{key}.version"), range)
        });
        self.check_details(key, spec);
        let runner = self.runner(key, spec);
        let origin = origin?;
        if self.is_schema() && runner.is_some() && matches!(origin.from, From::Rule(_)) {
            self.say(
                &format!("{key}.runner"),
                "what a rule makes is of no runner; say it at the inputs of that rule",
            );
        }
        let mut nature = origin.nature;
        nature.kind = spec.kind.or(nature.kind);
        nature.unit = spec.unit.clone().or(nature.unit);
        self.check_repair(key, spec, nature.kind);
        let taken = taken(&origin.name, nature, spec.take);
        let nature = self.or_say(&format!("{key}.take"), taken).unwrap_or_default();
        self.check_whole(key, spec, nature.kind);
        let source = Source {
            key: key.to_owned(),
            name: origin.name,
            nature,
            has_scale: spec.scale.is_some(),
            groups: origin.groups,
            is_open: spec.metric.is_none(),
        };
        let input = Input {
            from: origin.from,
            is_foreign: origin.is_foreign,
            conditions: self.conditions(&format!("{key}.where"), &spec.conditions),
            runner,
            version,
            take: spec.take,
            kind: spec.kind,
            unit: spec.unit.clone(),
            scale: spec.scale,
            offset: spec.offset,
            valid: spec.valid,
            is_whole: spec.whole,
            is_accumulated_twice: spec.repair.is_some(),
            labels: Labels::default(),
        };
        Some((input, source))
    }

    fn origin(&self, rule: usize, key: &str, spec: &file::Input) -> Option<Origin> {
        match (&spec.metric, &spec.prefix, &spec.pattern) {
            (Some(name), None, None) => self.exact(rule, &format!("{key}.metric"), name),
            (None, Some(prefix), None) => {
                let key = format!("{key}.prefix");
                if prefix.is_empty() && !self.is_schema() {
                    self.say(&key, "expected the beginning of names such as `vllm:`, got nothing");
                    return None;
                }
                let chosen = NameMatch::Prefix(prefix.clone());
                let is_foreign = self.is_foreign(&key, &chosen, prefix);
                let from = From::Metric(chosen);
                Some(Origin {
                    from,
                    is_foreign,
                    nature: Nature::default(),
                    name: format!("{prefix}*"),
                    groups: 0,
                })
            }
            (None, None, Some(pattern)) => {
                let key = format!("{key}.pattern");
                let regex = self.or_say(&key, anchored(pattern))?;
                let groups = regex.captures_len().saturating_sub(1);
                let chosen = NameMatch::Pattern(regex);
                let is_foreign = self.is_foreign(&key, &chosen, &literal_beginning(pattern));
                let from = From::Metric(chosen);
                Some(Origin { from, is_foreign, nature: Nature::default(), name: pattern.clone(), groups })
            }
            (None, None, None) => {
                self.say(key, "expected one of `metric`, `prefix`, `pattern`, got none");
                None
            }
            _ => {
                self.say(key, "expected one of `metric`, `prefix`, `pattern`, got several");
                None
            }
        }
    }

    fn exact(&self, rule: usize, key: &str, name: &str) -> Option<Origin> {
        let (from, is_foreign, nature) = match self.meaning(rule, name) {
            Meaning::Rule(index) => {
                let made = self.file.rules.get(index);
                let nature = Nature {
                    kind: made.and_then(|made| made.kind),
                    unit: made.and_then(|made| made.unit.clone()),
                };
                (From::Rule(index), false, nature)
            }
            Meaning::Metric(nature) => {
                let is_foreign = !self.is_schema() && !self.is_of_vocabulary(name);
                (From::Metric(NameMatch::Exact(name.to_owned())), is_foreign, nature)
            }
            Meaning::Unknown => {
                self.say(key, self.unknown(name));
                return None;
            }
        };
        Some(Origin { from, is_foreign, nature, name: name.to_owned(), groups: 0 })
    }

    /// Whether names that are chosen may lie outside the vocabulary; a mistake where no input is chosen either.
    fn is_foreign(&self, key: &str, chosen: &NameMatch, beginning: &str) -> bool {
        if self.is_schema() || self.vocabulary.iter().any(|own| covers_prefix(own, beginning)) {
            return false;
        }
        let known = self.file.inputs.keys().chain(catalogue().metrics.keys());
        let exact = self.vocabulary.iter().filter_map(|own| match own {
            NameMatch::Exact(name) => Some(name.as_str()),
            _ => None,
        });
        if !known.chain(exact).any(|name| is_match(chosen, name)) {
            self.say(key, "chooses nothing of the vocabulary, nor of `inputs`");
        }
        true
    }

    fn check_details(&self, key: &str, spec: &file::Input) {
        let of = |detail: &str| format!("{key}.{detail}");
        if spec.scale.is_some_and(|scale| !scale.is_finite()) {
            self.say(&of("scale"), "expected a number");
        }
        if !spec.offset.is_finite() {
            self.say(&of("offset"), "expected a number");
        }
        self.check_valid(&of("valid"), spec.valid);
        if let Some(kind) = spec.kind.filter(|_| matches!(spec.take, Take::One)) {
            self.say(&of("type"), format!("`take: one` is the same of a {}", word(kind)));
        }
    }

    fn runner(&self, key: &str, spec: &file::Input) -> Option<Runner> {
        match spec.runner.as_deref()? {
            "*" => Some(Runner::Any),
            "none" => Some(Runner::Absent),
            name => {
                let known: Vec<_> = builtin::DIALECTS.iter().map(|(name, _)| *name).collect();
                if !known.contains(&name) && name != self.file.mapping {
                    let instead = config::instead(name, &known).unwrap_or_default();
                    let message = format!("no dialect is called `{name}`; {instead}");
                    self.say(&format!("{key}.runner"), message);
                }
                Some(Runner::Named(name.to_owned()))
            }
        }
    }

    fn check_whole(&self, key: &str, spec: &file::Input, kind: Option<OutputKind>) {
        if let Some(kind @ (OutputKind::Histogram | OutputKind::Summary)) = kind
            && spec.whole
        {
            self.say(&format!("{key}.whole"), format!("only numbers are rounded; this is a {}", word(kind)));
        }
    }

    fn check_repair(&self, key: &str, spec: &file::Input, kind: Option<OutputKind>) {
        if let (Some(_), Some(kind)) = (spec.repair, kind)
            && kind != OutputKind::Histogram
        {
            let message = format!("`accumulated_twice` repairs histograms; this is a {}", word(kind));
            self.say(&format!("{key}.repair"), message);
        }
    }
}
