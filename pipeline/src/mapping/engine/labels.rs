//! Makes a series' labels and name by a rule, and tests conditions.

use regex::Captures;

use crate::attributes::Attributes;
use crate::mapping::compiled::{Condition, Label, Labels, NameMatch, Part, Place, Template, Test};
use crate::mapping::names::is_match;
use crate::series::Series;
use crate::value::ValueRef;

/// A series as rules see it.
pub(super) struct Subject<'a> {
    pub(super) series: &'a Series,
    pub(super) captures: Option<Captures<'a>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(series: &'a Series, by: Option<&NameMatch>) -> Self {
        let captures = match by {
            Some(NameMatch::Pattern(pattern)) => pattern.captures(&series.metric().name),
            _ => None,
        };
        Self { series, captures }
    }

    pub(super) fn meets(&self, condition: &Condition) -> bool {
        let text = self.attribute(&condition.of);
        (text.is_none() && condition.or_absent) || holds(&condition.test, text.as_deref())
    }

    /// The text of an attribute that is there and not empty.
    fn attribute(&self, place: &Place) -> Option<String> {
        let (attributes, name) = match place {
            Place::Point(name) => (self.series.attributes(), name),
            Place::Resource(name) => (&self.series.resource().attributes, name),
            Place::Scope(name) => (&self.series.scope().attributes, name),
        };
        text_of(attributes.get(name)?)
    }

    /// `None` where a place has nothing to be filled with.
    pub(super) fn fill(&self, template: &Template) -> Option<String> {
        let mut text = String::new();
        for part in &template.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Attribute(place) => text.push_str(&self.attribute(place)?),
                Part::Name => text.push_str(&self.series.metric().name),
                Part::Group(index) => text.push_str(self.captures.as_ref()?.get(*index)?.as_str()),
            }
        }
        Some(text)
    }

    pub(super) fn labels(&self, labels: &Labels) -> Attributes {
        let mut pairs = Vec::new();
        for (key, value) in self.series.attributes().iter() {
            if labels.keep.iter().any(|keep| matches(keep, key)) {
                pairs.extend(text_of(value).map(|value| (key.to_owned(), value)));
            }
        }
        for label in &labels.labels {
            pairs.retain(|(name, _)| *name != label.name);
            pairs.extend(self.label(label).map(|value| (label.name.clone(), value)));
        }
        Attributes::of_strings(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    fn label(&self, label: &Label) -> Option<String> {
        let found =
            label.from.iter().find_map(|template| self.fill(template).filter(|text| !text.is_empty()));
        let value = found.map(|text| translated(label, text)).or_else(|| label.default.clone());
        value.filter(|text| !text.is_empty())
    }
}

/// What a label is where no series has anything to say: its fixed text.
pub(super) fn fixed(labels: &Labels) -> Vec<(String, String)> {
    let text = |template: &Template| {
        template
            .0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect::<Option<String>>()
    };
    let value = |label: &Label| {
        let found = label.from.iter().find_map(text).filter(|text| !text.is_empty());
        found.map(|text| translated(label, text)).or_else(|| label.default.clone())
    };
    let pairs = labels.labels.iter().filter_map(|label| Some((label.name.clone(), value(label)?)));
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

fn translated(label: &Label, text: String) -> String {
    match label.translate.iter().find(|(glob, _)| is_match(glob, &text)) {
        Some((_, translation)) => translation.clone(),
        None if label.is_lower_tail => text.rsplit('.').next().unwrap_or_default().to_lowercase(),
        None => text,
    }
}

pub(super) fn matches(by: &NameMatch, name: &str) -> bool {
    match by {
        NameMatch::Exact(exact) => exact == name,
        NameMatch::Prefix(prefix) => name.starts_with(prefix.as_str()),
        NameMatch::Pattern(pattern) => pattern.is_match(name),
    }
}

fn holds(test: &Test, text: Option<&str>) -> bool {
    if test.present.is_some_and(|present| present != text.is_some()) {
        return false;
    }
    let Some(text) = text else {
        return test.one_of.is_none()
            && test.prefix.is_none()
            && test.pattern.is_none()
            && test.at_least.is_none()
            && test.below.is_none();
    };
    let number = text.parse::<f64>().ok();
    test.one_of.as_ref().is_none_or(|values| values.iter().any(|value| value == text))
        && test.prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix.as_str()))
        && test.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
        && !test.none_of.iter().any(|value| value == text)
        && test.at_least.is_none_or(|bound| number.is_some_and(|number| number >= bound))
        && test.below.is_none_or(|bound| number.is_some_and(|number| number < bound))
}

pub(super) fn text_of(value: ValueRef<'_>) -> Option<String> {
    let text = match value {
        ValueRef::String(text) => text.to_owned(),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Int(value) => value.to_string(),
        ValueRef::Double(value) => value.to_string(),
        ValueRef::Empty | ValueRef::Nested(_) | ValueRef::Bytes(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}
