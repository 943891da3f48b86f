//! Turns readings into points, with each series resolved once and remembered.

mod definition;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::HashSet;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use pipeline::point::Value;
use pipeline::{AnyValue, Attributes, Batch, Kind, Metric, Point, Registry, Resource, Scope, Series};

pub(crate) use self::definition::{Definition, Label, Labels, Row, Selection, Switches, UP_DOWN};

/// What a reading belongs to; `id` tells it from the others without comparing it.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) id: u64,
    pub(crate) resource: Arc<Resource>,
    /// On every series, beside the labels of the reading.
    pub(crate) attributes: Arc<[(&'static str, AnyValue)]>,
    pub(crate) start_unix_nano: u64,
}

pub(crate) struct Recorder {
    registry: Arc<Registry>,
    scope: Arc<Scope>,
    hasher: RandomState,
    known: HashTable<Known>,
    /// Series of the recorder before, until the next scrape says which of them are still there.
    inherited: Vec<Series>,
    /// How many of the known have a key.
    rows: usize,
    scrape: u64,
    time_unix_nano: u64,
    batch: Batch,
    selection: Selection,
    owner: Owner,
    /// The points and errors of the scraper at work.
    tally: Tally,
}

/// What a scraper gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) scraped: u64,
    pub(crate) errored: u64,
    pub(crate) errors: Vec<String>,
}

/// How many different errors of a scrape are kept for the log.
const ERRORS_MAX: usize = 8;

/// How many series have a name that is known only while they are read.
const ROWS_MAX: usize = 16_384;

/// A longer key is not one of the kernel's.
const KEY_BYTES_MAX: usize = 128;

/// A resolved series, by what it is recorded under.
struct Known {
    hash: u64,
    metric: &'static Definition,
    /// Empty where the definition's is the whole name.
    key: Box<str>,
    owner: u64,
    labels: Box<[(&'static str, OwnedLabel)]>,
    series: Series,
    last_scrape: u64,
    /// What a counter stood at, to see when it begins anew.
    last: Value,
    last_unix_nano: u64,
    /// Since when it counts, where it has begun anew; else 0.
    start_unix_nano: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum OwnedLabel {
    Text(Box<str>),
    Int(i64),
}

impl Recorder {
    pub(crate) fn new(registry: Arc<Registry>, scope: Scope, owner: Owner) -> Self {
        Self {
            scope: registry.scope(scope),
            registry,
            hasher: RandomState::default(),
            known: HashTable::new(),
            inherited: Vec::new(),
            rows: 0,
            scrape: 0,
            time_unix_nano: 0,
            batch: Batch::new(),
            selection: Selection { definitions: &[], is_on: Arc::default() },
            owner,
            tally: Tally::default(),
        }
    }

    pub(crate) fn begin(&mut self, time_unix_nano: u64) {
        self.scrape += 1;
        self.time_unix_nano = time_unix_nano;
        self.batch = Batch::with_capacity(self.known.len());
    }

    /// Prepares for the readings of one scraper, which belong to the host unless it says otherwise.
    pub(crate) fn turn_to(&mut self, selection: &Selection, owner: &Owner) {
        self.selection = selection.clone();
        self.owner = owner.clone();
        self.tally = Tally::default();
    }

    /// From now on readings belong to `owner`.
    pub(crate) fn own(&mut self, owner: Owner) {
        self.owner = owner;
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn is_on(&self, metric: usize) -> bool {
        self.selection.is_on.get(metric).copied().unwrap_or(false)
    }

    pub(crate) fn is_any_on(&self, metrics: &[usize]) -> bool {
        metrics.iter().any(|metric| self.is_on(*metric))
    }

    /// Counts what could not be read; the reading itself is left out.
    pub(crate) fn error(&mut self, points: u64, message: String) {
        self.tally.errored += points;
        if self.tally.errors.len() < ERRORS_MAX && !self.tally.errors.contains(&message) {
            self.tally.errors.push(message);
        }
    }

    pub(crate) fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    pub(crate) fn int(&mut self, metric: usize, labels: Labels<'_>, value: u64) {
        // What does not fit cannot be a true reading of anything.
        match i64::try_from(value) {
            Ok(value) => self.record(metric, None, labels, Value::Int(value)),
            Err(_) if self.is_on(metric) => self.error(1, format!("a reading of {value} is out of range")),
            Err(_) => {}
        }
    }

    /// As [`Recorder::int`], of what may be below zero.
    pub(crate) fn signed(&mut self, metric: usize, labels: Labels<'_>, value: i64) {
        self.record(metric, None, labels, Value::Int(value));
    }

    pub(crate) fn double(&mut self, metric: usize, labels: Labels<'_>, value: f64) {
        if value.is_finite() {
            self.record(metric, None, labels, Value::Double(value));
        }
    }

    /// Records a line of a table, which is on as its definition is.
    pub(crate) fn row(&mut self, metric: usize, row: Row<'_>, labels: Labels<'_>, value: i64) {
        self.record(metric, Some(row), labels, Value::Int(value));
    }

    pub(crate) fn row_double(&mut self, metric: usize, row: Row<'_>, labels: Labels<'_>, value: f64) {
        if value.is_finite() {
            self.record(metric, Some(row), labels, Value::Double(value));
        }
    }

    fn record(&mut self, metric: usize, row: Option<Row<'_>>, labels: Labels<'_>, value: Value) {
        if !self.is_on(metric) {
            return;
        }
        let definition = &self.selection.definitions[metric];
        let key = row.map_or("", |row| row.key);
        let hash = self.hasher.hash_one((std::ptr::from_ref(definition), key, self.owner.id, labels));
        let is_same = |known: &Known| known.is(definition, key, self.owner.id, labels);
        let kind = row.map_or(definition.kind, |row| row.kind);
        let mut start_unix_nano = if kind == Kind::Gauge { 0 } else { self.owner.start_unix_nano };
        let series = if let Some(known) = self.known.find_mut(hash, is_same) {
            if known.last_scrape == self.scrape {
                return self.error(1, format!("two readings of `{}` at once", definition.name));
            }
            known.last_scrape = self.scrape;
            known.see(kind, &value, self.time_unix_nano);
            start_unix_nano = start_unix_nano.max(known.start_unix_nano);
            known.series.clone()
        } else {
            let Some(mut known) = self.resolve(definition, row, labels, hash) else { return };
            known.see(kind, &value, self.time_unix_nano);
            let series = known.series.clone();
            self.known.insert_unique(hash, known, |known| known.hash);
            self.rows += usize::from(row.is_some());
            series
        };
        self.tally.scraped += 1;
        self.batch.push(Point { start_unix_nano, ..Point::new(series, self.time_unix_nano, value) });
    }

    fn resolve(
        &mut self,
        definition: &'static Definition,
        row: Option<Row<'_>>,
        labels: Labels<'_>,
        hash: u64,
    ) -> Option<Known> {
        let key = row.map_or("", |row| row.key);
        if row.is_some() && (self.rows >= ROWS_MAX || key.is_empty() || key.len() > KEY_BYTES_MAX) {
            self.error(1, format!("`{}` has too many keys, or one that is none", definition.name));
            return None;
        }
        let metric = match row {
            Some(row) => Metric::new(format!("{}.{}", definition.name, clean(key)), row.unit, row.kind),
            None => Metric::new(definition.name, definition.unit, definition.kind),
        };
        let metric = self.registry.metric(metric.with_description(definition.description));
        let own = self.owner.attributes.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let of_reading = labels.iter().map(|(key, label)| {
            let value = match label {
                Label::Text(text) => AnyValue::from(*text),
                Label::Int(number) => AnyValue::Int(*number),
            };
            ((*key).to_owned(), value)
        });
        let attributes = Attributes::new(own.chain(of_reading));
        let series = match self.registry.series(&self.owner.resource, &self.scope, &metric, attributes) {
            Ok(series) => series,
            Err(full) => {
                self.error(1, full.to_string());
                return None;
            }
        };
        Some(Known {
            hash,
            metric: definition,
            key: key.into(),
            owner: self.owner.id,
            labels: labels.iter().map(|(key, label)| (*key, label.into())).collect(),
            series,
            last_scrape: self.scrape,
            last: Value::Empty,
            last_unix_nano: 0,
            start_unix_nano: 0,
        })
    }

    /// Ends the scrape: what was there the last time and is not now gets a stale marker, and is forgotten.
    pub(crate) fn finish(&mut self) -> Batch {
        let (scrape, time) = (self.scrape, self.time_unix_nano);
        let (batch, rows) = (&mut self.batch, &mut self.rows);
        self.known.retain(|known| {
            let is_here = known.last_scrape == scrape;
            *rows -= usize::from(!is_here && !known.key.is_empty());
            if !is_here {
                batch.push(Point::stale(known.series.clone(), time));
            }
            is_here
        });
        if !self.inherited.is_empty() {
            let known: HashSet<_> = self.known.iter().map(|known| &known.series).collect();
            let ended = self.inherited.drain(..).filter(|series| !known.contains(series));
            batch.extend(ended.map(|series| Point::stale(series, time)));
        }
        std::mem::take(&mut self.batch)
    }

    /// Takes over series that another has recorded: those that the next scrape does not have have ended.
    pub(crate) fn inherit(&mut self, series: Vec<Series>) {
        self.inherited.extend(series);
    }

    /// The series that are there, and nothing remembered any more.
    pub(crate) fn drain(&mut self) -> Vec<Series> {
        self.rows = 0;
        let known = self.known.drain().map(|known| known.series);
        known.chain(self.inherited.drain(..)).collect::<HashSet<_>>().into_iter().collect()
    }
}

impl Known {
    /// Remembers a reading. A counter that has gone back began anew after the last one.
    fn see(&mut self, kind: Kind, value: &Value, time_unix_nano: u64) {
        if matches!(kind, Kind::Sum { is_monotonic: true, .. }) {
            let has_gone_back = match (&self.last, value) {
                (Value::Int(last), Value::Int(value)) => value < last,
                (Value::Double(last), Value::Double(value)) => value < last,
                _ => false,
            };
            if has_gone_back {
                self.start_unix_nano = self.last_unix_nano;
            }
            self.last = value.clone();
        }
        self.last_unix_nano = time_unix_nano;
    }

    fn is(&self, metric: &Definition, key: &str, owner: u64, labels: Labels<'_>) -> bool {
        std::ptr::eq(self.metric, metric)
            && self.owner == owner
            && self.key.as_ref() == key
            && self.labels.len() == labels.len()
            && self.labels.iter().zip(labels).all(|((left_key, left), (right_key, right))| {
                left_key == right_key
                    && match (left, right) {
                        (OwnedLabel::Text(left), Label::Text(right)) => left.as_ref() == *right,
                        (OwnedLabel::Int(left), Label::Int(right)) => left == right,
                        _ => false,
                    }
            })
    }
}

impl From<&Label<'_>> for OwnedLabel {
    fn from(label: &Label<'_>) -> Self {
        match label {
            Label::Text(text) => Self::Text((*text).into()),
            Label::Int(number) => Self::Int(*number),
        }
    }
}

/// The kernel's key as part of a name: `Active(anon)` is `Active_anon`.
fn clean(key: &str) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let mut clean = String::with_capacity(key.len());
    for c in key.chars() {
        if is_legal(c) {
            clean.push(c);
        } else if !clean.ends_with('_') {
            clean.push('_');
        }
    }
    if key.ends_with(is_legal) { clean } else { clean.trim_end_matches('_').to_owned() }
}
