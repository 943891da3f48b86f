//! Finds everything that is wrong with a section, although serde stops at the first thing.
//!
//! What is wrong is taken out of a copy and the reading starts over, until it succeeds. Taking a value
//! out may cause errors that were not there; those are recognised and not reported.

mod blame;
mod report;

use serde::de::DeserializeOwned;

use super::{Fault, Reader, Reason, Step};
use crate::problem::Problem;
use crate::tree::{Entry, Node, State, Tree};

/// After so many repairs the rest is left for the next time; each reads the section anew.
const REPAIRS_MAX: usize = 1_000;
/// More problems than this are read by nobody.
const PROBLEMS_MAX: usize = 100;

/// Reads `node` as `T`, and says all that is wrong with it.
///
/// What is wrong has its default in the value; there is none where that cannot be.
pub(crate) fn read<T: DeserializeOwned>(node: &Node, path: &str) -> (Option<T>, Vec<Problem>) {
    let fault = match T::deserialize(Reader::new(node)) {
        Ok(value) => return (Some(value), Vec::new()),
        Err(fault) => fault,
    };
    let mut repair = Repair { original: node, copy: node.clone(), path, problems: Vec::new() };
    let mut next = Some(fault);
    let mut repaired = None;
    for _ in 0..REPAIRS_MAX {
        let Some(fault) = next.take() else { break };
        if !repair.fault(&fault) || repair.problems.len() == PROBLEMS_MAX {
            break;
        }
        match T::deserialize(Reader::new(&repair.copy)) {
            Ok(value) if repair.problems.is_empty() => return (Some(value), Vec::new()),
            Ok(value) => {
                // The elements after one that was taken out would be found under the numbers of others.
                let is_shortened = take_out_shortened(&mut repair.copy);
                repaired =
                    if is_shortened { T::deserialize(Reader::new(&repair.copy)).ok() } else { Some(value) };
                break;
            }
            Err(fault) => next = Some(fault),
        }
    }
    if repair.problems.is_empty() {
        let message = "too many values are missing; remove the keys without a value";
        repair.problems.push(Problem::new(path, message));
    }
    (repaired, repair.problems)
}

struct Repair<'a> {
    original: &'a Node,
    copy: Node,
    path: &'a str,
    problems: Vec<Problem>,
}

impl Repair<'_> {
    /// Reports the fault, if it is not a consequence, and takes out what caused it; `false` at the end.
    fn fault(&mut self, fault: &Fault) -> bool {
        let mut steps: Vec<Step> = fault.steps.iter().rev().cloned().collect();
        self.cut_to_existing(&mut steps);
        if let Some(deeper) = at(&self.copy, &steps).and_then(|node| blame::find(node, &fault.reason)) {
            steps.extend(deeper);
        }
        let invented = self.invented(&steps);
        match &fault.reason {
            _ if invented.is_some() => {
                let steps = invented.and_then(|depth| steps.get(..depth)).unwrap_or_default();
                self.mark(steps, State::Failed);
                true
            }
            Reason::Null { optional: true, .. } => {
                self.mark(&steps, State::Nothing);
                true
            }
            Reason::Null { optional: false, .. } if matches!(steps.last(), Some(Step::Key(_))) => {
                self.mark(&steps, State::Absent);
                true
            }
            Reason::UnknownKey { name, .. } => {
                self.report(&steps, fault);
                steps.push(Step::Key(name.clone()));
                self.mark(&steps, State::Removed)
            }
            Reason::Missing(name) => self.missing(&steps, name, fault),
            _ => {
                if !at(&self.copy, &steps).is_some_and(has_removed) {
                    self.report(&steps, fault);
                }
                self.mark(&steps, State::Removed)
            }
        }
    }

    /// Invents the value that must be there; where that does not do, what it belongs to is taken out.
    fn missing(&mut self, steps: &[Step], name: &str, fault: &Fault) -> bool {
        let state =
            at(&self.copy, steps).and_then(|node| node.map()?.0.get(name)).map(|entry| entry.node.state);
        match state {
            Some(State::Failed | State::Invented) => return self.mark(steps, State::Removed),
            Some(State::Removed) => {}
            _ => self.report(steps, fault),
        }
        let Some(node) = at_mut(&mut self.copy, steps) else { return false };
        if matches!(node.tree, Tree::Null) {
            node.tree = Tree::Map(crate::tree::Map::default());
        }
        let Tree::Map(map) = &mut node.tree else { return false };
        let invented = Node { state: State::Invented, ..Node::default() };
        let rank = (usize::MAX, map.0.len());
        map.0.insert(name.to_owned(), Entry { rank, location: None, node: invented });
        true
    }

    /// `false` where there is nothing to mark, or nothing above it: the reading cannot go on.
    fn mark(&mut self, steps: &[Step], state: State) -> bool {
        match at_mut(&mut self.copy, steps) {
            Some(node) if !steps.is_empty() || state == State::Nothing => {
                node.state = state;
                true
            }
            _ => false,
        }
    }

    /// Keeps the steps as far as there are nodes.
    fn cut_to_existing(&self, steps: &mut Vec<Step>) {
        while at(&self.copy, steps).is_none() {
            steps.pop();
        }
    }

    /// How many steps lead to an invented value, if the fault is in one.
    fn invented(&self, steps: &[Step]) -> Option<usize> {
        (1..=steps.len()).find(|depth| {
            let node = steps.get(..*depth).and_then(|steps| at(&self.copy, steps));
            node.is_some_and(|node| node.state == State::Invented)
        })
    }

    fn report(&mut self, steps: &[Step], fault: &Fault) {
        self.problems.push(report::problem(self.original, self.path, steps, &fault.reason));
    }
}

fn is_out(node: &Node) -> bool {
    matches!(node.state, State::Removed | State::Failed)
}

/// Takes out the lists that miss an element; whether there were any.
fn take_out_shortened(node: &mut Node) -> bool {
    if is_out(node) {
        return false;
    }
    if let Tree::List(list) = &node.tree
        && list.iter().any(is_out)
    {
        node.state = State::Removed;
        return true;
    }
    let mut any = false;
    match &mut node.tree {
        Tree::List(list) => list.iter_mut().for_each(|node| any |= take_out_shortened(node)),
        Tree::Map(map) => map.0.values_mut().for_each(|entry| any |= take_out_shortened(&mut entry.node)),
        _ => {}
    }
    any
}

fn has_removed(node: &Node) -> bool {
    node.children().into_iter().any(|child| {
        matches!(child.state, State::Removed | State::Failed | State::Invented) || has_removed(child)
    })
}

fn at<'a>(node: &'a Node, steps: &[Step]) -> Option<&'a Node> {
    steps.iter().try_fold(node, |node, step| match (&node.tree, step) {
        (Tree::Map(map), Step::Key(key)) => map.0.get(key).map(|entry| &entry.node),
        (Tree::List(list), Step::Index(index)) => list.get(*index),
        _ => None,
    })
}

fn at_mut<'a>(node: &'a mut Node, steps: &[Step]) -> Option<&'a mut Node> {
    steps.iter().try_fold(node, |node, step| match (&mut node.tree, step) {
        (Tree::Map(map), Step::Key(key)) => map.0.get_mut(key).map(|entry| &mut entry.node),
        (Tree::List(list), Step::Index(index)) => list.get_mut(*index),
        _ => None,
    })
}
