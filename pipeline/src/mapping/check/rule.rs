//! Compiles rules.

use std::time::Duration;

use super::label::Reading;
use super::nature::Source;
use super::{Scope, joined};
use crate::mapping::compiled::{
    Derive, From, Input, Inputs, Labels, Part, Rule, StateTest, States, Template,
};
use crate::mapping::file::{self, Label, OneOrMany, Ordered};
use crate::mapping::template::{Fillings, parse};

/// The window of quantiles where none is given.
const WINDOW: Duration = Duration::from_mins(5);

/// An input with where it stands and the labels that stand there.
type Placed<'a> = (String, &'a file::Input);

impl Scope<'_> {
    pub(super) fn compile_rules(&self) -> Vec<Rule> {
        self.file.rules.iter().enumerate().map(|(index, rule)| self.rule(index, rule)).collect()
    }

    /// Where there is a problem, what is made is not used.
    fn rule(&self, index: usize, rule: &file::Rule) -> Rule {
        self.check_shape(index, rule);
        let (inputs, sources, labels) = self.inputs(index, rule);
        let is_open = !sources.is_empty() && sources.iter().all(|source| source.is_open);
        let has_unknown = rule.from.is_some() && sources.is_empty();
        if rule.drop.is_none() {
            if !has_unknown || rule.metric.is_some() {
                self.check_identity(index, rule, is_open);
            }
            self.check_natures(index, rule, &sources);
        }
        let labels: Vec<&Labels> = labels.iter().collect();
        let zero = self.zeros(index, rule, &labels);
        let groups = sources.iter().map(|source| source.groups).min().unwrap_or(0);
        Rule {
            metric: if rule.drop.is_some() { None } else { self.metric(index, rule, groups) },
            kind: rule.kind,
            unit: rule.unit.clone(),
            help: rule.help.clone(),
            inputs,
            combine: rule.combine,
            derive: self.derive(index, rule),
            states: self.states(index, rule),
            zero,
            is_hidden: rule.hidden,
            is_rest: rule.rest,
            place: self.place(index),
        }
    }

    fn place(&self, index: usize) -> String {
        let location = self.section.problem(&format!("rules[{index}]"), "").location;
        location.map(|location| format!("{}:{}", location.file, location.line)).unwrap_or_default()
    }

    fn metric(&self, index: usize, rule: &file::Rule, groups: usize) -> Option<Template> {
        let Some(metric) = &rule.metric else { return Some(Template(vec![Part::Name])) };
        let fillings = Fillings { has_attributes: false, groups, parameters: self.parameters };
        self.or_say(&format!("rules[{index}].metric"), parse(metric, fillings))
    }

    /// What a rule is made of, and the labels that each of its inputs gives.
    fn inputs(&self, index: usize, rule: &file::Rule) -> (Inputs, Vec<Source>, Vec<Labels>) {
        let (key, spec) = match (&rule.from, &rule.drop) {
            (Some(from), _) => ("from", from),
            (None, Some(drop)) => ("drop", drop),
            (None, None) => {
                let (inputs, labels) = self.without_inputs(index, rule);
                return (inputs, Vec::new(), labels);
            }
        };
        let key = format!("rules[{index}].{key}");
        let elements = self.elements(&key, spec);
        if elements.is_empty() {
            self.say(&key, "expected at least one input, got none");
        }
        let mut sources = Vec::new();
        let mut labels = Vec::new();
        let mut ranked: Vec<Vec<Input>> = Vec::new();
        for element in elements {
            let mut together = Vec::new();
            for (key, spec) in element {
                let Some((mut input, source)) = self.input(index, &key, spec) else { continue };
                let is_of_rule = matches!(input.from, From::Rule(_));
                if rule.drop.is_none() {
                    let own = (format!("{key}.labels"), &spec.labels);
                    let reading = Reading { is_of_rule, groups: source.groups };
                    input.labels = self.labels_of(index, rule, reading, Some((&own.0, own.1)));
                    labels.push(input.labels.clone());
                } else if is_of_rule {
                    self.say(&key, "only series that come in can be dropped; leave the rule out");
                }
                together.push(input);
                sources.push(source);
            }
            ranked.push(together);
        }
        if rule.drop.is_some() {
            ranked = vec![ranked.into_iter().flatten().collect()];
        }
        (Inputs::Ranked(ranked), sources, labels)
    }

    /// The inputs of each element.
    fn elements<'a>(&self, key: &str, spec: &'a OneOrMany<file::Input>) -> Vec<Vec<Placed<'a>>> {
        let element = |(at, input): (String, &'a file::Input)| {
            let key = format!("{key}{at}");
            let Some(all) = &input.all else { return vec![(key, input)] };
            if input.metric.is_some() || input.prefix.is_some() || input.pattern.is_some() {
                self.say(&key, "`all` stands alone; put what belongs to an input into it");
            }
            if all.is_empty() {
                self.say(&format!("{key}.all"), "expected at least one input, got none");
            }
            let inner = |(at, input): (usize, &'a file::Input)| {
                let key = format!("{key}.all[{at}]");
                if input.all.is_some() {
                    self.say(&key, "`all` cannot stand in `all`");
                    return None;
                }
                Some((key, input))
            };
            all.iter().enumerate().filter_map(inner).collect()
        };
        spec.each().into_iter().map(element).collect()
    }

    fn without_inputs(&self, index: usize, rule: &file::Rule) -> (Inputs, Vec<Labels>) {
        let of = |key: &str| format!("rules[{index}].{key}");
        if let Some(ratio) = &rule.ratio {
            let (of_rule, to) =
                (self.operand(&of("ratio.of"), &ratio.of), self.operand(&of("ratio.to"), &ratio.to));
            return (Inputs::Ratio { of: of_rule, to }, Vec::new());
        }
        if let Some(difference) = &rule.difference {
            let minuend = self.operand(&of("difference.of"), &difference.of);
            let less = self.operand(&of("difference.less"), &difference.less);
            self.check_difference(index, minuend, less);
            return (Inputs::Difference { of: minuend, less }, Vec::new());
        }
        let value = rule.constant.unwrap_or_default();
        if !value.is_finite() {
            self.say(&of("constant"), "expected a number");
        }
        let reading = Reading { is_of_rule: false, groups: 0 };
        let labels = self.labels_of(index, rule, reading, None::<(&str, &Ordered<Label>)>);
        for label in &labels.labels {
            let is_own = rule.labels.get(&label.name).is_some();
            if is_own && super::label::constant(label).is_none() {
                let key = joined(&of("labels"), &label.name);
                self.say(&key, "a constant has no attributes; use `value` or `parameter`");
            }
        }
        (Inputs::Constant { value, labels: labels.clone() }, vec![labels])
    }

    /// The rule that makes a metric; its own index where there is none, which is a problem already.
    fn operand(&self, key: &str, name: &str) -> usize {
        if let Some(index) = self.rules.get(name) {
            let rule = self.file.rules.get(*index);
            if let Some(kind) = rule.and_then(|rule| rule.kind)
                && matches!(
                    kind,
                    crate::mapping::compiled::OutputKind::Histogram
                        | crate::mapping::compiled::OutputKind::Summary
                )
            {
                self.say(key, format!("expected a number, and `{name}` is a {}", super::nature::word(kind)));
            }
            return *index;
        }
        let near = config::nearest(name, self.rules.keys().copied());
        let near = near.map_or_else(
            || "; make one, with `hidden: true` if it is not to be shown".to_owned(),
            |near| format!("; did you mean `{near}`?"),
        );
        self.say(key, format!("no rule makes `{name}`{near}"));
        usize::MAX
    }

    fn check_difference(&self, index: usize, of: usize, less: usize) {
        let unit = |index: usize| self.file.rules.get(index).and_then(|rule| rule.unit.as_deref());
        for (key, other) in [("of", of), ("less", less)] {
            if let (Some(own), Some(operand)) = (unit(index), unit(other))
                && crate::mapping::unit::factor(operand, own) != Some(1.0)
            {
                let message =
                    format!("`{}` is in `{operand}`, and the difference in `{own}`", self.metric_of(other));
                self.say(&format!("rules[{index}].difference.{key}"), message);
            }
        }
    }

    fn derive(&self, index: usize, rule: &file::Rule) -> Option<Derive> {
        let window = |key: &str, window: config::Duration| {
            if window.is_zero() {
                self.say(&format!("rules[{index}].{key}"), "expected a duration such as `1m`, got `0s`");
            }
            window.0
        };
        if let Some(rate) = rule.rate {
            return Some(Derive::Rate { window: window("rate", rate) });
        }
        if let Some(quantiles) = &rule.quantiles {
            let key = format!("rules[{index}].quantiles");
            if quantiles.is_empty() {
                self.say(&key, "expected at least one quantile, got none");
            }
            for (at, quantile) in quantiles.iter().enumerate().filter(|(_, own)| !(0.0..=1.0).contains(*own))
            {
                self.say(&format!("{key}[{at}]"), format!("expected a number from 0 to 1, got `{quantile}`"));
            }
            if !quantiles.is_sorted_by(|one, next| one < next) {
                self.say(&key, "expected rising numbers, each once");
            }
            let window = rule.window.map_or(WINDOW, |own| window("window", own));
            return Some(Derive::Quantiles { quantiles: quantiles.clone(), window });
        }
        rule.invert.then_some(Derive::Invert)
    }

    fn states(&self, index: usize, rule: &file::Rule) -> Option<States> {
        let spec = rule.states.as_ref()?;
        let key = format!("rules[{index}].states");
        self.check_name(&format!("{key}.label"), &spec.label);
        if rule.labels.get(&spec.label).is_some() {
            self.say(&format!("{key}.label"), format!("`{}` is among the labels already", spec.label));
        }
        if spec.of.is_empty() {
            self.say(&format!("{key}.of"), "expected at least one state, got none");
        }
        let mut of = Vec::new();
        for (at, state) in spec.of.iter().enumerate() {
            let key = format!("{key}.of[{at}]");
            let test = match (state.value, state.silent) {
                (Some(_), Some(_)) => {
                    self.say(&key, "expected one of `value` and `silent`, got both");
                    continue;
                }
                (Some(valid), None) => {
                    self.check_valid(&format!("{key}.value"), valid);
                    StateTest::Value(valid)
                }
                (None, Some(silent)) if silent.is_zero() => {
                    self.say(&format!("{key}.silent"), "expected a duration such as `30s`, got `0s`");
                    continue;
                }
                (None, Some(silent)) => StateTest::Silent(silent.0),
                (None, None) if at + 1 < spec.of.len() => {
                    self.say(&key, "always holds, so those behind it never do; give it `value` or `silent`, or put it last");
                    continue;
                }
                (None, None) => StateTest::Otherwise,
            };
            of.push((state.state.clone(), test));
        }
        Some(States { label: spec.label.clone(), of })
    }
}
