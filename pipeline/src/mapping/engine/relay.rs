//! Other rules in the place of a mapping's own, while it runs.

use std::sync::Arc;

use super::Engine;
use crate::mapping::live::Overlay;

impl Engine {
    pub(super) fn overlay_rules(&mut self, mapping: usize, overlay: Option<Arc<Overlay>>) {
        let own_count = self.rules.own_count();
        let were_hidden: Vec<bool> = self.rules.list.iter().map(|state| state.is_hidden).collect();
        // The feeds into rules that were laid over go first, while these rules still are what the feeds say.
        for (_, plan) in std::mem::take(&mut self.consumers) {
            self.close_all(plan);
        }
        self.plan_without(|rule| (rule as usize) < own_count);
        let laid_over = self.groups.remove(|group| group.place.rule as usize >= own_count);
        self.ended.extend(laid_over.into_iter().map(|(_, output)| output));
        self.rules.overlay(mapping, overlay);
        self.plan_again(|_| true);
        let rules = &self.rules;
        let is_over = |rule: u32| rules.list.get(rule as usize).is_none_or(|state| state.is_off);
        let ended = self.groups.remove(|group| is_over(group.place.rule));
        self.ended.extend(ended.into_iter().map(|(_, output)| output));
        let is_hidden_now = |rule: u32| {
            let was_hidden = were_hidden.get(rule as usize).copied().unwrap_or_default();
            !was_hidden && rules.list.get(rule as usize).is_some_and(|state| state.is_hidden)
        };
        for group in self.groups.iter().filter(|group| group.is_out && is_hidden_now(group.place.rule)) {
            self.ended.extend(group.outputs().cloned());
        }
        let operands = self.operands.extract_if(|rule, _| *rule as usize >= own_count || is_over(*rule));
        self.ended.extend(operands.flat_map(|(_, operands)| operands.made.into_keys()));
    }
}
