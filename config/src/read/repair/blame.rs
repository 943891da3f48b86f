//! Finds the value a fault is about, where serde has lost the way to it.
//!
//! Enums with a tag within are read from a buffer that knows no paths. What is left is the value itself,
//! and where only one value below looks like that, it is the one.

use crate::read::{Reason, Step};
use crate::tree::{Node, Number, State, Tree};

/// The steps from `node` to the only value below that fits the fault.
pub(super) fn find(node: &Node, reason: &Reason) -> Option<Vec<Step>> {
    let mut found = Vec::new();
    match (reason, &node.tree) {
        (Reason::UnknownKey { name, .. }, Tree::Map(map)) if !map.0.contains_key(name) => {
            let has_key = |node: &Node| node.map().is_some_and(|map| map.0.contains_key(name));
            search(node, &has_key, &mut Vec::new(), &mut found);
        }
        (Reason::UnknownValue { name, .. }, Tree::Map(map)) if !map.0.contains_key(name) => {
            search(node, &|node| looks_like(node, name), &mut Vec::new(), &mut found);
        }
        (Reason::Mismatch { got, .. }, Tree::Map(_) | Tree::List(_)) => {
            let got = got.strip_prefix('`')?.strip_suffix('`')?;
            search(node, &|node| looks_like(node, got), &mut Vec::new(), &mut found);
        }
        _ => {}
    }
    match found.len() {
        1 => found.pop(),
        _ => None,
    }
}

fn looks_like(node: &Node, text: &str) -> bool {
    match &node.tree {
        Tree::Text(own) => own == text,
        Tree::Bool(own) => own.to_string() == text,
        Tree::Number(Number::Whole(own)) => own.to_string() == text,
        Tree::Number(Number::Float(own)) => own.to_string() == text,
        _ => false,
    }
}

/// Collects the ways to all nodes below that fit, but for those that are out already.
fn search(node: &Node, fits: &dyn Fn(&Node) -> bool, way: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let children: Vec<(Step, &Node)> = match &node.tree {
        Tree::Map(map) => map.0.iter().map(|(key, entry)| (Step::Key(key.clone()), &entry.node)).collect(),
        Tree::List(list) => list.iter().enumerate().map(|(at, node)| (Step::Index(at), node)).collect(),
        _ => return,
    };
    for (step, child) in children.into_iter().filter(|(_, child)| child.state == State::Present) {
        way.push(step);
        if fits(child) {
            found.push(way.clone());
        }
        search(child, fits, way, found);
        way.pop();
    }
}
