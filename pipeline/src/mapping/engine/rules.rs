//! The rules of all mappings in one list, and which of them may take a series by its name.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::labels::matches;
use crate::mapping::builtin;
use crate::mapping::compiled::{From, Input, Inputs, Labels, Mapping, MappingKind, NameMatch, Rule};
use crate::mapping::live::Overlay;
use crate::metric::{Kind, Metric};

/// An input of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    pub(super) rule: u32,
    pub(super) rank: u16,
    pub(super) input: u16,
}

/// Which operand of a ratio or a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

#[derive(Debug)]
pub(super) struct RuleState {
    pub(super) rule: Arc<Rule>,
    pub(super) mapping: usize,
    /// Where the mapping's rules start in the list; what a rule says of others counts from there.
    pub(super) base: u32,
    pub(super) is_off: bool,
    pub(super) is_hidden: bool,
    pub(super) consumers: Vec<At>,
    pub(super) operand_of: Vec<(u32, Side)>,
    /// Points whose values were none, or not valid.
    pub(super) invalid: u64,
}

#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) mappings: Vec<Arc<Mapping>>,
    pub(super) list: Vec<RuleState>,
    pub(super) detects: Vec<(NameMatch, String)>,
    overlays: HashMap<usize, Arc<Overlay>>,
    own_count: usize,
    by_name: HashMap<String, SmallVec<[At; 2]>>,
    by_match: Vec<(NameMatch, At)>,
}

impl Rules {
    pub(super) fn new(mappings: Vec<Arc<Mapping>>) -> Self {
        let mut rules = Self::default();
        for (index, mapping) in mappings.iter().enumerate() {
            let base = rules.list.len() as u32;
            for rule in &mapping.rules {
                rules.list.push(RuleState::new(Arc::new(rule.clone()), index, base));
            }
            for by in &mapping.detect {
                rules.detects.push((by.clone(), mapping.name.clone()));
            }
        }
        // A schema that looks at the runners' own names must know them by itself.
        if mappings.iter().any(|mapping| mapping.kind == MappingKind::Schema) {
            rules.detects.extend(builtin::detects().iter().cloned());
        }
        rules.own_count = rules.list.len();
        rules.mappings = mappings;
        rules.index();
        rules
    }

    pub(super) fn overlay(&mut self, mapping: usize, overlay: Option<Arc<Overlay>>) {
        match overlay {
            Some(overlay) => self.overlays.insert(mapping, overlay),
            None => self.overlays.remove(&mapping),
        };
        self.list.truncate(self.own_count);
        let mut overlays: Vec<_> = self.overlays.iter().collect();
        overlays.sort_by_key(|(mapping, _)| **mapping);
        for state in &mut self.list {
            let is_replaced = self.overlays.get(&state.mapping).is_some_and(|overlay| {
                state
                    .rule
                    .metric
                    .as_ref()
                    .and_then(fixed_name)
                    .is_some_and(|name| overlay.replaced.contains(&name))
            });
            state.is_off = is_replaced;
        }
        for (&mapping, overlay) in overlays {
            let base = self.list.iter().find(|state| state.mapping == mapping).map_or(0, |state| state.base);
            for rule in &overlay.rules {
                let rule = laid_over(rule.clone(), &self.mappings[mapping].labels);
                self.list.push(RuleState::new(Arc::new(rule), mapping, base));
            }
        }
        self.index();
    }

    /// How many rules the mappings have, without those laid over them, which come behind.
    pub(super) fn own_count(&self) -> usize {
        self.own_count
    }

    fn index(&mut self) {
        self.by_name.clear();
        self.by_match.clear();
        for state in &mut self.list {
            state.consumers.clear();
            state.operand_of.clear();
        }
        for index in 0..self.list.len() {
            if !self.list[index].is_off {
                self.index_rule(index);
            }
        }
        for state in &mut self.list {
            // What others are made of goes on, unseen.
            let is_needed = !state.consumers.is_empty() || !state.operand_of.is_empty();
            state.is_hidden = state.rule.is_hidden || (state.is_off && is_needed);
        }
        for index in 0..self.list.len() {
            if self.list[index].is_off && self.list[index].is_hidden {
                self.list[index].is_off = false;
                self.index_rule(index);
            }
        }
    }

    fn index_rule(&mut self, index: usize) {
        let (rule, base) = (self.list[index].rule.clone(), self.list[index].base as usize);
        match &rule.inputs {
            Inputs::Ranked(ranks) => {
                for (rank, inputs) in ranks.iter().enumerate() {
                    for (input, of) in inputs.iter().enumerate() {
                        let at = At { rule: index as u32, rank: rank as u16, input: input as u16 };
                        match &of.from {
                            From::Metric(NameMatch::Exact(name)) => {
                                self.by_name.entry(name.clone()).or_default().push(at);
                            }
                            From::Metric(by) => self.by_match.push((by.clone(), at)),
                            From::Rule(other) => {
                                if let Some(state) = self.list.get_mut(base + other) {
                                    state.consumers.push(at);
                                }
                            }
                        }
                    }
                }
            }
            Inputs::Ratio { of, to } => self.operands(index as u32, base + of, base + to),
            Inputs::Difference { of, less } => self.operands(index as u32, base + of, base + less),
            Inputs::Constant { .. } => {}
        }
    }

    fn operands(&mut self, rule: u32, left: usize, right: usize) {
        for (side, index) in [(Side::Left, left), (Side::Right, right)] {
            if let Some(state) = self.list.get_mut(index) {
                state.operand_of.push((rule, side));
            }
        }
    }

    pub(super) fn state(&self, rule: u32) -> &RuleState {
        &self.list[rule as usize]
    }

    /// A point has no value for the rule.
    pub(super) fn count_invalid(&mut self, rule: u32) {
        self.list[rule as usize].invalid += 1;
    }

    pub(super) fn input(&self, at: At) -> Option<&Input> {
        match &self.state(at.rule).rule.inputs {
            Inputs::Ranked(ranks) => ranks.get(usize::from(at.rank))?.get(usize::from(at.input)),
            _ => None,
        }
    }

    pub(super) fn ranks(&self, rule: u32) -> usize {
        match &self.state(rule).rule.inputs {
            Inputs::Ranked(ranks) => ranks.len(),
            _ => 1,
        }
    }

    pub(super) fn is_dialect(&self, rule: u32) -> bool {
        self.mapping(rule).kind == MappingKind::Dialect
    }

    pub(super) fn mapping(&self, rule: u32) -> &Arc<Mapping> {
        &self.mappings[self.state(rule).mapping]
    }

    /// The inputs whose name fits, in the order of the rules.
    pub(super) fn candidates(&self, metric: &Metric) -> SmallVec<[At; 4]> {
        let mut found: SmallVec<[At; 4]> = SmallVec::new();
        let mut add = |name: &str| {
            if let Some(inputs) = self.by_name.get(name) {
                found.extend(inputs.iter().copied());
            }
        };
        add(&metric.name);
        if matches!(metric.kind, Kind::Sum { is_monotonic: true, .. }) {
            match metric.name.strip_suffix("_total") {
                Some(name) => add(name),
                None => add(&format!("{}_total", metric.name)),
            }
        }
        found.extend(self.by_match.iter().filter(|(by, _)| matches(by, &metric.name)).map(|(_, at)| *at));
        found.sort_by_key(|at| (at.rule, at.rank, at.input));
        found
    }

    /// Whether a series that no rule takes stays.
    pub(super) fn keeps_unmapped(&self, name: &str) -> bool {
        self.mappings.iter().all(|mapping| {
            mapping.keeps_unmapped
                || (mapping.kind == MappingKind::Dialect
                    && !mapping.vocabulary.iter().any(|by| matches(by, name)))
        })
    }
}

/// The rule with the labels of its mapping under its own.
fn laid_over(mut rule: Rule, under: &Labels) -> Rule {
    let lay = |labels: &mut Labels| {
        let own = std::mem::replace(labels, under.clone());
        labels.labels.retain(|label| own.labels.iter().all(|own| own.name != label.name));
        labels.labels.extend(own.labels);
        labels.keep.extend(own.keep);
    };
    match &mut rule.inputs {
        Inputs::Ranked(ranks) => ranks.iter_mut().flatten().for_each(|input| lay(&mut input.labels)),
        Inputs::Constant { labels, .. } => lay(labels),
        Inputs::Ratio { .. } | Inputs::Difference { .. } => {}
    }
    rule
}

impl RuleState {
    fn new(rule: Arc<Rule>, mapping: usize, base: u32) -> Self {
        let is_hidden = rule.is_hidden;
        Self {
            rule,
            mapping,
            base,
            is_off: false,
            is_hidden,
            consumers: Vec::new(),
            operand_of: Vec::new(),
            invalid: 0,
        }
    }

    /// Whether its inputs are put together: a value a group, and not a series in, a series out.
    pub(super) fn is_combined(&self) -> bool {
        self.rule.combine.is_some() || self.rule.derive.is_some() || self.rule.states.is_some()
    }

    pub(super) fn feeds_others(&self) -> bool {
        !self.consumers.is_empty() || !self.operand_of.is_empty()
    }
}

/// The name of a template that has no places to fill in.
pub(super) fn fixed_name(template: &crate::mapping::compiled::Template) -> Option<String> {
    use crate::mapping::compiled::Part;
    template
        .0
        .iter()
        .map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None })
        .collect()
}
