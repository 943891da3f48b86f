//! Puts rules behind those they are made of.

use crate::mapping::compiled::{From, Inputs, Rule};

/// The indexes of the rules that a rule is made of.
fn needed(rule: &Rule) -> Vec<usize> {
    match &rule.inputs {
        Inputs::Ranked(ranked) => {
            let from = ranked.iter().flatten().map(|input| &input.from);
            from.filter_map(|from| if let From::Rule(index) = from { Some(*index) } else { None }).collect()
        }
        Inputs::Ratio { of, to } => vec![*of, *to],
        Inputs::Difference { of, less } => vec![*of, *less],
        Inputs::Constant { .. } => Vec::new(),
    }
}

/// The first way from a rule back to itself.
pub(super) fn cycle(rules: &[Rule]) -> Option<Vec<usize>> {
    let needed: Vec<_> = rules.iter().map(needed).collect();
    let mut is_done = vec![false; rules.len()];
    for start in 0..rules.len() {
        // What is left to look at, each with how long the way to it is.
        let mut left = vec![(start, 0)];
        let mut way: Vec<usize> = Vec::new();
        while let Some((index, depth)) = left.pop() {
            for behind in way.drain(depth.min(way.len())..) {
                is_done[behind] = true;
            }
            if let Some(begin) = way.iter().position(|on_way| *on_way == index) {
                way.drain(..begin);
                way.push(index);
                return Some(way);
            }
            if is_done.get(index) != Some(&false) {
                continue;
            }
            way.push(index);
            left.extend(needed[index].iter().rev().map(|next| (*next, depth + 1)));
        }
        for behind in way {
            is_done[behind] = true;
        }
    }
    None
}

/// The rules, each behind those it is made of, and otherwise as they were; there is no cycle.
pub(super) fn in_order(mut rules: Vec<Rule>) -> Vec<Rule> {
    let needed: Vec<_> = rules.iter().map(needed).collect();
    let mut place = vec![None; rules.len()];
    let mut order = Vec::with_capacity(rules.len());
    while order.len() < rules.len() {
        let is_ready = |index: &usize| {
            place[*index].is_none() && needed[*index].iter().all(|needed| place[*needed].is_some())
        };
        let Some(next) = (0..rules.len()).find(is_ready) else { break };
        place[next] = Some(order.len());
        order.push(next);
    }
    let moved = |index: &mut usize| *index = place.get(*index).copied().flatten().unwrap_or_default();
    for rule in &mut rules {
        match &mut rule.inputs {
            Inputs::Ranked(ranked) => {
                for input in ranked.iter_mut().flatten() {
                    if let From::Rule(index) = &mut input.from {
                        moved(index);
                    }
                }
            }
            Inputs::Ratio { of, to } => [of, to].into_iter().for_each(moved),
            Inputs::Difference { of, less } => [of, less].into_iter().for_each(moved),
            Inputs::Constant { .. } => {}
        }
    }
    let mut rules: Vec<_> = rules.into_iter().map(Some).collect();
    order.into_iter().filter_map(|index| rules[index].take()).collect()
}
