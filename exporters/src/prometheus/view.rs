//! The page's order for one escaping scheme: families by name, series by labels, and who has which name.
//!
//! No two families may share the name of a sample, or the page would be refused as a whole. The family that
//! came first keeps its names; a later one that needs one of them is hidden until they are free.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use pipeline::Paged;

use super::escaping::Escaping;
use super::identity::{Identity, MetricType};
use super::labels;

/// Everything that one page shows, in order.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) escaping: Escaping,
    /// Rounds of expiry since it was last asked for.
    pub(crate) idle: u32,
    pub(crate) order: BTreeMap<FamilyKey, u32>,
    families: Vec<Option<Family>>,
    free: Vec<u32>,
    /// By the series' entry.
    places: Paged<Place>,
    /// The sample names of the families shown.
    claims: HashMap<String, u32>,
    generation: u32,
    /// Whether the page has a `target_info` of our own.
    has_target_info: bool,
    /// Whether the forms in OpenMetrics are up to date.
    is_arranged: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FamilyKey {
    pub(crate) name: Arc<str>,
    pub(crate) metric_type: MetricType,
}

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) key: FamilyKey,
    pub(crate) help: Box<str>,
    pub(crate) unit: Box<str>,
    pub(crate) series: BTreeMap<Arc<str>, u32>,
    /// A gauge of which no series says that it is one.
    pub(crate) is_unknown: bool,
    /// Another family has its names.
    pub(crate) is_hidden: bool,
    pub(crate) form: Form,
    /// Never the same for two families, so that a page does not go on with another one's series.
    pub(crate) generation: u32,
}

/// What becomes of a family in OpenMetrics, where names are tighter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As its type.
    Typed,
    /// Its suffix is missing, or its name without suffix is another's: a counter is `unknown`, an info a gauge.
    Untyped,
    Hidden,
}

#[derive(Debug)]
struct Place {
    family: u32,
    /// Of the family, whose index may be another's by now.
    generation: u32,
    labels: Arc<str>,
}

/// What became of a series that was placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    Shown,
    /// Its family is hidden.
    Hidden,
    /// This entry already has the place.
    Taken(u32),
    /// The family it was placed in is gone; it has to be placed anew.
    Lost,
}

impl View {
    pub(crate) fn new(escaping: Escaping, has_target_info: bool) -> Self {
        let ours = has_target_info.then(|| (escaping.metric("target_info").into_owned(), u32::MAX));
        Self {
            escaping,
            idle: 0,
            order: BTreeMap::new(),
            families: Vec::new(),
            free: Vec::new(),
            places: Paged::default(),
            claims: ours.into_iter().collect(),
            generation: 0,
            has_target_info,
            is_arranged: false,
        }
    }

    /// Puts a new entry in its place, unless another has it.
    pub(crate) fn place(&mut self, id: u32, identity: &Identity, help: &str) -> Placed {
        let index = self.family_of(identity, help);
        let labels: Arc<str> = labels::render(&identity.labels).into();
        let generation = self.family(index).map_or(0, |family| family.generation);
        self.places.insert(id as usize, Place { family: index, generation, labels });
        self.contend(id)
    }

    /// Takes the place of an entry that was placed before, if it is free now.
    pub(crate) fn contend(&mut self, id: u32) -> Placed {
        let Some((family, labels)) = self.find(id) else { return Placed::Lost };
        match family.series.get(labels.as_ref()) {
            Some(other) if *other != id => Placed::Taken(*other),
            _ => {
                family.series.insert(labels, id);
                if family.is_hidden { Placed::Hidden } else { Placed::Shown }
            }
        }
    }

    /// Takes the place away from whoever has it.
    pub(crate) fn seize(&mut self, id: u32) {
        if let Some((family, labels)) = self.find(id)
            && let Some(holder) = family.series.get_mut(&labels)
        {
            *holder = id;
        }
    }

    /// Forgets an entry; gives the entries of families that are shown from now on.
    pub(crate) fn remove(&mut self, id: u32) -> Vec<u32> {
        let Some(place) = self.places.take(id as usize) else { return Vec::new() };
        let family = self.families[place.family as usize].as_mut();
        let Some(family) = family.filter(|family| family.generation == place.generation) else {
            return Vec::new();
        };
        if family.series.get(&place.labels) == Some(&id) {
            family.series.remove(&place.labels);
        }
        if family.series.is_empty() { self.remove_family(place.family) } else { Vec::new() }
    }

    pub(crate) fn family(&self, index: u32) -> Option<&Family> {
        self.families[index as usize].as_ref()
    }

    /// For telling a person.
    pub(crate) fn family_name(&self, id: u32) -> Option<Arc<str>> {
        let place = self.places.get(id as usize)?;
        Some(self.family(place.family)?.key.name.clone())
    }

    fn find(&mut self, id: u32) -> Option<(&mut Family, Arc<str>)> {
        let place = self.places.get(id as usize)?;
        let family = self.families[place.family as usize].as_mut();
        // An entry without a place of its own may outlive its family.
        Some((family.filter(|family| family.generation == place.generation)?, place.labels.clone()))
    }

    fn family_of(&mut self, identity: &Identity, help: &str) -> u32 {
        // What says nothing of its type is written as gauges are, and one sender may know what another does not.
        let is_unknown = identity.metric_type == MetricType::Unknown;
        let metric_type = if is_unknown { MetricType::Gauge } else { identity.metric_type };
        let key = FamilyKey { name: identity.family.as_str().into(), metric_type };
        if let Some(index) = self.order.get(&key) {
            if let Some(family) = &mut self.families[*index as usize] {
                family.is_unknown &= is_unknown;
            }
            return *index;
        }
        self.generation += 1;
        self.is_arranged = false;
        let index = self.free.pop().unwrap_or_else(|| {
            self.families.push(None);
            self.families.len() as u32 - 1
        });
        let family = Family {
            key: key.clone(),
            help: help.into(),
            unit: identity.unit.as_str().into(),
            series: BTreeMap::new(),
            is_unknown,
            is_hidden: !self.claim(&key, index),
            form: Form::Untyped,
            generation: self.generation,
        };
        self.families[index as usize] = Some(family);
        self.order.insert(key, index);
        index
    }

    /// Takes all names of a family, or none.
    fn claim(&mut self, key: &FamilyKey, index: u32) -> bool {
        let names = sample_names(key);
        if names.iter().any(|name| self.claims.contains_key(name)) {
            return false;
        }
        self.claims.extend(names.into_iter().map(|name| (name, index)));
        true
    }

    fn remove_family(&mut self, index: u32) -> Vec<u32> {
        let Some(family) = self.families[index as usize].take() else { return Vec::new() };
        self.is_arranged = false;
        self.order.remove(&family.key);
        self.free.push(index);
        if family.is_hidden {
            return Vec::new();
        }
        for name in sample_names(&family.key) {
            self.claims.remove(&name);
        }
        self.reveal()
    }

    /// Shows the families whose names are free now.
    fn reveal(&mut self) -> Vec<u32> {
        let mut revealed = Vec::new();
        for index in 0..self.families.len() as u32 {
            let hidden =
                self.family(index).filter(|family| family.is_hidden).map(|family| family.key.clone());
            if let Some(key) = hidden
                && self.claim(&key, index)
                && let Some(family) = &mut self.families[index as usize]
            {
                family.is_hidden = false;
                revealed.extend(family.series.values());
            }
        }
        revealed
    }

    /// Decides what each family is in OpenMetrics, where the names of families count too.
    pub(crate) fn arrange(&mut self) {
        if std::mem::replace(&mut self.is_arranged, true) {
            return;
        }
        let mut taken: HashSet<String> = self.claims.keys().cloned().collect();
        let mut reserved = HashSet::new();
        if self.has_target_info {
            reserved.extend(taken.replace("target".to_owned()));
        }
        let is_compound =
            |family: &Family| matches!(family.key.metric_type, MetricType::Histogram | MetricType::Summary);
        let mut shown: Vec<_> =
            self.families.iter_mut().flatten().filter(|family| !family.is_hidden).collect();
        // In a fixed order, with those first that cannot be written in another way.
        shown.sort_unstable_by(|left, right| {
            (!is_compound(left), &left.key).cmp(&(!is_compound(right), &right.key))
        });
        for family in shown {
            let more = open_metrics_names(&family.key);
            let is_free = more.as_ref().is_some_and(|names| names.iter().all(|name| !taken.contains(name)));
            family.form = if is_free || is_compound(family) { Form::Typed } else { Form::Untyped };
            if family.form == Form::Typed {
                reserved.extend(more.into_iter().flatten().filter(|name| !taken.insert(name.clone())));
            }
        }
        if reserved.is_empty() {
            return;
        }
        for family in self.families.iter_mut().flatten() {
            if sample_names(&family.key).iter().any(|name| reserved.contains(name)) {
                family.form = Form::Hidden;
            }
        }
    }
}

/// The names of a family's samples, and its own.
fn sample_names(key: &FamilyKey) -> Vec<String> {
    let suffixes: &[&str] = match key.metric_type {
        MetricType::Histogram => &["", "_bucket", "_sum", "_count"],
        MetricType::Summary => &["", "_sum", "_count"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{}{suffix}", key.name)).collect()
}

/// The names that a family needs besides in OpenMetrics; `None` where its name does not fit its type.
fn open_metrics_names(key: &FamilyKey) -> Option<Vec<String>> {
    match key.metric_type {
        MetricType::Histogram | MetricType::Summary => Some(vec![format!("{}_created", key.name)]),
        MetricType::Counter => {
            let base = key.name.strip_suffix("_total").filter(|base| !base.is_empty())?;
            Some(vec![base.to_owned(), format!("{base}_created")])
        }
        MetricType::Info => {
            let base = key.name.strip_suffix("_info").filter(|base| !base.is_empty())?;
            Some(vec![base.to_owned()])
        }
        MetricType::Gauge | MetricType::Unknown | MetricType::StateSet => Some(Vec::new()),
    }
}
