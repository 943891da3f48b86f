//! Fills shapes in.

use std::collections::BTreeMap;

use super::pages::Page;
use super::shape::{Absent, Combine, Measure, Part, Select, Shape, Take, Test, Unit, When};
use super::store::{Kept, Labels, Store, natural};
use super::tree::Tree;

/// What shapes are filled in from.
pub(crate) struct Renderer<'a> {
    pub(crate) store: &'a Store,
    /// For `$page`.
    pub(crate) pages: &'a [Page],
    pub(crate) unix_nano: u64,
}

/// The element of a list that is being made, within those around it.
#[derive(Clone, Copy)]
struct Item<'a> {
    labels: &'a Labels,
    outer: Option<&'a Item<'a>>,
}

impl Item<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        let own = self.labels.get(name).map(String::as_str);
        own.or_else(|| self.outer.and_then(|outer| outer.label(name)))
    }
}

impl Renderer<'_> {
    /// The status and the body of a page.
    pub(crate) fn page(&self, page: &Page) -> (u16, Tree) {
        let when = page.when.iter().find(|when| self.holds(when));
        let status = when.map_or(page.status, |when| when.status);
        let body = when.and_then(|when| when.body.as_ref()).unwrap_or(&page.body);
        (status, self.shape(body, None).unwrap_or_default())
    }

    fn holds(&self, when: &When) -> bool {
        match (self.measure(&when.measure, None), when.test) {
            (value, Test::Absent) => value.is_none(),
            (None, Test::Within { .. }) => false,
            (Some(value), Test::Within { at_least, below }) => {
                at_least.is_none_or(|least| value >= least) && below.is_none_or(|bound| value < bound)
            }
        }
    }

    /// `None` where not even its key is to be there.
    fn shape(&self, shape: &Shape, item: Option<&Item>) -> Option<Tree> {
        match shape {
            Shape::Constant(tree) => Some(tree.clone()),
            Shape::Map(members) => {
                let members = members.iter();
                let present =
                    members.filter_map(|(name, shape)| Some((name.clone(), self.shape(shape, item)?)));
                Some(Tree::Map(present.collect()))
            }
            Shape::List(shapes) => {
                Some(Tree::List(shapes.iter().filter_map(|shape| self.shape(shape, item)).collect()))
            }
            Shape::Number(measure, absent) => {
                self.measure(measure, item).map(Tree::number).or_else(|| instead(absent))
            }
            Shape::Each { measure, by, is_omitted } => {
                let members = self.each(measure, by, item);
                (!is_omitted || !members.is_empty()).then_some(Tree::Map(members))
            }
            Shape::Items { select, by, item: element, is_omitted } => {
                let items = self.items(select, by, element, item);
                (!is_omitted || !items.is_empty()).then_some(Tree::List(items))
            }
            Shape::Text(parts, absent) => text(parts, item).map(Tree::Text).or_else(|| instead(absent)),
            Shape::Page(page) => self.pages.get(*page).map(|page| self.page(page).1),
            Shape::Time(Unit::Milliseconds) => Some(Tree::Number((self.unix_nano / 1_000_000).into())),
            Shape::Time(Unit::Seconds) => Some(Tree::Number((self.unix_nano / 1_000_000_000).into())),
        }
    }

    fn measure(&self, measure: &Measure, item: Option<&Item>) -> Option<f64> {
        let series = self.store.series(&measure.select.metric, |labels| fits(&measure.select, labels, item));
        let values = series.into_iter().filter_map(|entry| taken(&entry.kept, measure.take));
        finished(measure, values)
    }

    fn each(&self, measure: &Measure, by: &str, item: Option<&Item>) -> Vec<(String, Tree)> {
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let fits = |labels: &Labels| fits(&measure.select, labels, item);
        for entry in self.store.series(&measure.select.metric, fits) {
            if let (Some(label), Some(value)) = (entry.labels.get(by), taken(&entry.kept, measure.take)) {
                values.entry(label).or_default().push(value);
            }
        }
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(|(one, _), (other, _)| natural(one, other));
        let numbers = values.into_iter().filter_map(|(label, values)| {
            Some((label.to_owned(), Tree::number(finished(measure, values.into_iter())?)))
        });
        numbers.collect()
    }

    fn items(&self, select: &Select, by: &[String], element: &Shape, outer: Option<&Item>) -> Vec<Tree> {
        let mut groups: Vec<Labels> = Vec::new();
        for entry in self.store.series(&select.metric, |labels| fits(select, labels, outer)) {
            let named = by.iter().filter_map(|name| Some((name.clone(), entry.labels.get(name)?.clone())));
            groups.push(if by.is_empty() { entry.labels.clone() } else { named.collect() });
        }
        if !by.is_empty() {
            groups.sort_by(|one, other| {
                let value = |labels: &Labels, name| labels.get(name).cloned().unwrap_or_default();
                let orders = by.iter().map(|name| natural(&value(one, name), &value(other, name)));
                orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            });
            groups.dedup();
        }
        let made = groups.iter().filter_map(|labels| self.shape(element, Some(&Item { labels, outer })));
        made.collect()
    }
}

fn fits(select: &Select, labels: &Labels, item: Option<&Item>) -> bool {
    let value = |name: &str| labels.get(name).map_or("", String::as_str);
    let of_item = |name: &str| item.and_then(|item| item.label(name)).unwrap_or_default();
    select.conditions.iter().all(|(name, values)| values.iter().any(|wanted| wanted == value(name)))
        && select.with.iter().all(|name| value(name) == of_item(name))
}

fn taken(kept: &Kept, take: Take) -> Option<f64> {
    let value = match (kept, take) {
        (Kept::Number(value), Take::Value) => *value,
        (Kept::Distribution { count, .. }, Take::Count) => *count,
        (Kept::Distribution { sum, .. }, Take::Sum) => (*sum)?,
        (Kept::Distribution { count, sum, .. }, Take::Mean) => (*sum)? / count,
        (Kept::Distribution { quantiles, .. }, Take::Quantile(wanted)) => {
            let found = quantiles.iter().find(|(quantile, _)| (quantile - wanted).abs() < 1e-9);
            found?.1
        }
        (Kept::Number(_), _) | (Kept::Distribution { .. }, Take::Value) => return None,
    };
    value.is_finite().then_some(value)
}

fn finished(measure: &Measure, values: impl Iterator<Item = f64>) -> Option<f64> {
    let (combined, count) = values.fold((None, 0_u32), |(combined, count), value| {
        let combined = combined.map_or(value, |combined: f64| match measure.combine {
            Combine::Sum | Combine::Mean => combined + value,
            Combine::Min => combined.min(value),
            Combine::Max => combined.max(value),
        });
        (Some(combined), count + 1)
    });
    let divisor = if measure.combine == Combine::Mean { f64::from(count) } else { 1.0 };
    let value = combined? / divisor * measure.scale + measure.offset;
    let value = measure.round.map_or(value, |digits| rounded(value, digits));
    value.is_finite().then_some(value)
}

fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    let scaled = value * factor;
    // Numbers so large have no such digits.
    if scaled.is_finite() { scaled.round() / factor } else { value }
}

fn text(parts: &[Part], item: Option<&Item>) -> Option<String> {
    let texts = parts.iter().map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Label(name) => item?.label(name),
    });
    texts.collect()
}

fn instead(absent: &Absent) -> Option<Tree> {
    (!absent.is_omitted).then(|| absent.default.clone())
}
