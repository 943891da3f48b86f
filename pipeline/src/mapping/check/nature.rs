//! Follows type and unit from the inputs of a rule to its metric.

use super::Scope;
use crate::mapping::compiled::{Combine, OutputKind, Take};
use crate::mapping::file::Rule;
use crate::mapping::unit::{factor, inverted, per_second};

/// What a metric is, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Nature {
    pub(super) kind: Option<OutputKind>,
    pub(super) unit: Option<String>,
}

/// One input, as the checks see it.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it stands: `rules[0].from[1]`.
    pub(super) key: String,
    /// For people.
    pub(super) name: String,
    /// Of what was taken.
    pub(super) nature: Nature,
    pub(super) has_scale: bool,
    /// How many groups its pattern has.
    pub(super) groups: usize,
    /// It is a prefix or a pattern.
    pub(super) is_open: bool,
}

pub(super) fn word(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Counter => "counter",
        OutputKind::UpDown => "updown",
        OutputKind::Gauge => "gauge",
        OutputKind::Histogram => "histogram",
        OutputKind::Summary => "summary",
        OutputKind::Untyped => "untyped",
    }
}

fn is_distribution(kind: OutputKind) -> bool {
    matches!(kind, OutputKind::Histogram | OutputKind::Summary)
}

/// What is taken of a metric is this; the error says why it cannot be taken.
pub(super) fn taken(name: &str, nature: Nature, take: Take) -> Result<Nature, String> {
    let made = |kind, unit: &str| Nature { kind: Some(kind), unit: Some(unit.to_owned()) };
    let is = |test: fn(OutputKind) -> bool| nature.kind.filter(|kind| test(*kind)).map(word);
    match take {
        Take::Value => Ok(nature),
        Take::One => Ok(made(OutputKind::Gauge, "1")),
        Take::Count | Take::Sum | Take::Mean => {
            let key = format!("{take:?}").to_lowercase();
            match (is(|kind| !is_distribution(kind)), take) {
                (Some(kind), _) => {
                    Err(format!("`take: {key}` is of a histogram or summary; `{name}` is a {kind}"))
                }
                (None, Take::Count) => Ok(made(OutputKind::Counter, "1")),
                (None, Take::Sum) => Ok(Nature { kind: Some(OutputKind::Counter), ..nature }),
                (None, _) => Ok(Nature { kind: Some(OutputKind::Gauge), ..nature }),
            }
        }
        Take::Age => match (is(is_distribution), &nature.unit) {
            (Some(kind), _) => Err(format!("`take: age` is of a time in seconds; `{name}` is a {kind}")),
            (None, Some(unit)) if factor(unit, "s") != Some(1.0) => {
                Err(format!("`take: age` is of a time in seconds; `{name}` has the unit `{unit}`"))
            }
            (None, _) => Ok(made(OutputKind::Gauge, "s")),
        },
    }
}

impl Scope<'_> {
    /// Checks that what a rule makes of its inputs is what it says it makes.
    pub(super) fn check_natures(&self, index: usize, rule: &Rule, sources: &[Source]) {
        for source in sources {
            let made = combined(rule.combine, source).and_then(|made| derived(rule, source, made));
            let made = match made {
                Ok(made) => made,
                Err((key, message)) => {
                    self.say(&format!("rules[{index}].{key}"), message);
                    continue;
                }
            };
            if let (Some(wanted), Some(kind)) = (rule.kind, made.kind)
                && let Some(message) = mismatch(source, kind, wanted)
            {
                self.say(&source.key, message);
            }
            if let (Some(wanted), Some(unit)) = (&rule.unit, &made.unit)
                && !source.has_scale
                && factor(unit, wanted).is_none()
            {
                let message = format!(
                    "`{}` comes in `{unit}`, which does not convert into `{wanted}`; give a `scale`, or the `unit` it has",
                    source.name
                );
                self.say(&source.key, message);
            }
        }
    }
}

/// The key that asks for what cannot be, and why it cannot.
type Clash = (&'static str, String);

fn combined(combine: Option<Combine>, source: &Source) -> Result<Nature, Clash> {
    let Some(combine) = combine else { return Ok(source.nature.clone()) };
    let way = format!("{combine:?}").to_lowercase();
    match (combine, source.nature.kind) {
        (Combine::Count, _) => Ok(Nature { kind: Some(OutputKind::Gauge), unit: Some("1".to_owned()) }),
        (_, Some(OutputKind::Summary)) => Err((
            "combine",
            format!("summaries have no {way}, and `{}` is one; take its `count` or `sum`", source.name),
        )),
        (Combine::Sum, _) => Ok(source.nature.clone()),
        (_, Some(OutputKind::Histogram)) => Err((
            "combine",
            format!("histograms have no {way}, and `{}` is one; `combine: sum` merges them", source.name),
        )),
        (_, kind) => Ok(Nature { kind: kind.map(|_| OutputKind::Gauge), unit: source.nature.unit.clone() }),
    }
}

fn derived(rule: &Rule, source: &Source, nature: Nature) -> Result<Nature, Clash> {
    let wanted = |key: &'static str, wanted: OutputKind| match nature.kind {
        Some(kind) if kind != wanted => {
            let (name, kind, wanted) = (&source.name, word(kind), word(wanted));
            Err((key, format!("`{key}` is of a {wanted}; `{name}` gives a {kind}")))
        }
        _ => Ok(()),
    };
    let unit = nature.unit.as_deref();
    if rule.rate.is_some() {
        wanted("rate", OutputKind::Counter)?;
        let unit = unit.and_then(per_second);
        return Ok(Nature { kind: Some(OutputKind::Gauge), unit });
    }
    if rule.quantiles.is_some() {
        wanted("quantiles", OutputKind::Histogram)?;
        return Ok(Nature { kind: Some(OutputKind::Summary), ..nature });
    }
    if rule.invert {
        wanted("invert", OutputKind::Histogram)?;
        let unit = unit.and_then(inverted);
        return Ok(Nature { kind: Some(OutputKind::Histogram), unit });
    }
    if rule.states.is_some()
        && let Some(kind) = nature.kind.filter(|kind| is_distribution(*kind))
    {
        return Err(("states", format!("a {} has no state; `{}` is one", word(kind), source.name)));
    }
    Ok(nature)
}

fn mismatch(source: &Source, kind: OutputKind, wanted: OutputKind) -> Option<String> {
    let name = &source.name;
    let what = format!("the rule makes a {}, and `{name}` gives a {}", word(wanted), word(kind));
    match (kind, wanted) {
        _ if kind == wanted => None,
        (OutputKind::Histogram, OutputKind::Summary) => Some(format!("{what}; add `quantiles`")),
        (OutputKind::Histogram | OutputKind::Summary, _) => {
            Some(format!("{what}; `take` its `count`, `sum` or `mean`"))
        }
        (_, OutputKind::Histogram | OutputKind::Summary) => Some(what),
        (_, OutputKind::Counter) => {
            Some(format!("{what}; if it never falls, say `type: counter` at the input"))
        }
        _ => None,
    }
}
