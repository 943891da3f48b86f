//! From what is written to a shape, with everything that is wrong with it.

use std::cell::RefCell;

use config::{Problem, Section};

use super::options::{Options, joined};
use super::{Absent, Combine, Measure, Part, Select, Shape, Take, Test, Unit, When};
use crate::json::tree::Tree;

/// What a map may be that makes a value.
const KINDS: [&str; 7] = ["$metric", "$each", "$list", "$label", "$text", "$page", "$time"];

const MEASURE: [&str; 8] = ["where", "with", "combine", "take", "quantile", "scale", "offset", "round"];

/// More digits than these a double does not have.
const DIGITS_MAX: f64 = 15.0;

/// Reads the shapes of one section.
pub(crate) struct Parser<'a> {
    section: &'a Section,
    /// Of all pages, for `$page`.
    paths: &'a [String],
    problems: RefCell<Vec<Problem>>,
}

/// Where a shape stands: labels are only within the items of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Page,
    Item,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(section: &'a Section, paths: &'a [String]) -> Self {
        Self { section, paths, problems: RefCell::default() }
    }

    pub(crate) fn problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// Notes a problem with what stands at a key.
    pub(crate) fn say(&self, key: &str, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.section.problem(key, message));
    }

    /// A body.
    pub(crate) fn body(&self, tree: &Tree, key: &str) -> Shape {
        self.shape(tree, key, Within::Page)
    }

    /// One of the answers of a page.
    pub(crate) fn when(&self, tree: &Tree, key: &str) -> Option<When> {
        let Tree::Map(members) = tree else {
            self.say(key, "expected a map such as `{metric: NAME, below: 1, status: 503}`");
            return None;
        };
        let options = Options::new(members, key, self.section, &self.problems);
        let own = ["metric", "absent", "at_least", "below", "status", "body"];
        options.only(&[&own, MEASURE.as_slice()].concat());
        let (at_least, below) = (options.number("at_least"), options.number("below"));
        let test = match (options.flag("absent"), at_least, below) {
            (true, None, None) => Test::Absent,
            (false, None, None) => {
                self.say(key, "needs what has to hold: `absent: true`, `below` or `at_least`");
                return None;
            }
            (true, ..) => {
                options.say("absent", "what is absent has no value to be compared");
                return None;
            }
            (false, at_least, below) => Test::Within { at_least, below },
        };
        let status = options.number("status").unwrap_or(503.0);
        if !(200.0..=599.0).contains(&status) || status.fract() != 0.0 {
            options.say("status", format!("expected a status from 200 to 599, got `{status}`"));
        }
        let body = options.get("body").map(|body| self.body(body, &options.key("body")));
        let measure = measure(&options, "metric", Within::Page);
        Some(When { measure, test, status: status as u16, body })
    }

    fn shape(&self, tree: &Tree, key: &str, within: Within) -> Shape {
        match tree {
            Tree::List(items) => {
                let shapes = items.iter().enumerate();
                Shape::List(
                    shapes.map(|(at, item)| self.shape(item, &format!("{key}[{at}]"), within)).collect(),
                )
            }
            Tree::Map(members) if members.iter().any(|(name, _)| name.starts_with('$')) => {
                self.value(members, key, within)
            }
            Tree::Map(members) => {
                let shapes = members.iter();
                let shapes = shapes
                    .map(|(name, member)| (name.clone(), self.shape(member, &joined(key, name), within)));
                Shape::Map(shapes.collect())
            }
            single => Shape::Constant(single.clone()),
        }
    }

    /// A map that says how a value is made.
    fn value(&self, members: &[(String, Tree)], key: &str, within: Within) -> Shape {
        let options = Options::new(members, key, self.section, &self.problems);
        let kinds: Vec<_> = members.iter().filter(|(name, _)| name.starts_with('$')).collect();
        if let [_, (second, _), ..] = kinds.as_slice() {
            options.say(second, "a value is made in one way, and this is a second");
            return Shape::Constant(Tree::Null);
        }
        let kind = kinds.first().map_or("", |(name, _)| name.as_str());
        match kind {
            "$metric" => {
                options.only(&[&["$metric", "default", "omit"], MEASURE.as_slice()].concat());
                Shape::Number(measure(&options, kind, within), absent(&options))
            }
            "$each" => {
                options.only(&[&["$each", "by", "omit"], MEASURE.as_slice()].concat());
                let by = options.text("by");
                Shape::Each { measure: measure(&options, kind, within), by, is_omitted: options.flag("omit") }
            }
            "$list" => self.items(&options, within),
            "$label" | "$text" => text(&options, kind, within),
            "$page" => {
                options.only(&["$page"]);
                self.page(&options)
            }
            "$time" => {
                options.only(&["$time"]);
                let units = [("unix_ms", Unit::Milliseconds), ("unix_s", Unit::Seconds)];
                options.word("$time", &units).map_or(Shape::Constant(Tree::Null), Shape::Time)
            }
            unknown => {
                let instead = config::instead(unknown, &KINDS).unwrap_or_default();
                options.say(unknown, format!("no value is made in this way; {instead}"));
                Shape::Constant(Tree::Null)
            }
        }
    }

    fn items(&self, options: &Options, within: Within) -> Shape {
        options.only(&["$list", "by", "where", "with", "item", "omit"]);
        let select = select(options, "$list", within);
        let item = if let Some(item) = options.get("item") {
            self.shape(item, &options.key("item"), Within::Item)
        } else {
            options.say("$list", "needs `item`, the shape of an element");
            Shape::Constant(Tree::Null)
        };
        let by = options.names("by");
        Shape::Items { select, by, item: Box::new(item), is_omitted: options.flag("omit") }
    }

    fn page(&self, options: &Options) -> Shape {
        let path = options.text("$page");
        if let Some(page) = self.paths.iter().position(|known| *known == path) {
            return Shape::Page(page);
        }
        if !path.is_empty() {
            let instead = config::instead(&path, self.paths).unwrap_or_default();
            options.say("$page", format!("there is no page `{path}`; {instead}"));
        }
        Shape::Constant(Tree::Null)
    }
}

fn text(options: &Options, kind: &str, within: Within) -> Shape {
    options.only(&[kind, "default", "omit"]);
    let text = options.text(kind);
    let parts = if kind == "$label" { Ok(vec![Part::Label(text)]) } else { parts(&text) };
    let parts = parts.unwrap_or_else(|message| {
        options.say(kind, message);
        Vec::new()
    });
    if within == Within::Page && parts.iter().any(|part| matches!(part, Part::Label(_))) {
        options.say(kind, "labels are those of an item, and this is not within the `item` of a `$list`");
    }
    Shape::Text(parts, absent(options))
}

fn select(options: &Options, kind: &str, within: Within) -> Select {
    let with = options.names("with");
    if within == Within::Page && !with.is_empty() {
        options.say("with", "goes by the labels of an item, and this is not within the `item` of a `$list`");
    }
    Select { metric: options.text(kind), conditions: options.conditions("where"), with }
}

fn measure(options: &Options, kind: &str, within: Within) -> Measure {
    let words =
        [("sum", Combine::Sum), ("max", Combine::Max), ("min", Combine::Min), ("mean", Combine::Mean)];
    let combine = options.word("combine", &words).unwrap_or(Combine::Sum);
    let round = options.number("round");
    if round.is_some_and(|digits| !(0.0..=DIGITS_MAX).contains(&digits) || digits.fract() != 0.0) {
        options
            .say("round", format!("expected how many digits there are behind the point, 0 to {DIGITS_MAX}"));
    }
    Measure {
        select: select(options, kind, within),
        take: take(options),
        combine,
        scale: options.number("scale").unwrap_or(1.0),
        offset: options.number("offset").unwrap_or(0.0),
        round: round.map(|digits| digits as i32),
    }
}

fn take(options: &Options) -> Take {
    let words = [("value", Take::Value), ("count", Take::Count), ("sum", Take::Sum), ("mean", Take::Mean)];
    let Some(quantile) = options.number("quantile") else {
        return options.word("take", &words).unwrap_or(Take::Value);
    };
    if !(0.0..=1.0).contains(&quantile) {
        options.say("quantile", format!("expected a quantile from 0 to 1, got `{quantile}`"));
    }
    if options.get("take").is_some() {
        options.say("take", "either this or `quantile` is taken");
    }
    Take::Quantile(quantile)
}

fn absent(options: &Options) -> Absent {
    let is_omitted = options.flag("omit");
    let default = options.get("default");
    if is_omitted && default.is_some() {
        options.say("omit", "with a `default` there is always a value");
    }
    if matches!(default, Some(Tree::List(_) | Tree::Map(_))) {
        options.say("default", "expected a single value");
    }
    Absent { default: default.cloned().unwrap_or_default(), is_omitted }
}

/// `${label}:10151`
fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        let label = behind.split_once('}').filter(|(label, _)| !label.is_empty());
        let (label, after) =
            label.ok_or_else(|| format!("expected a label such as `${{node_id}}` in `{text}`"))?;
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(Part::Label(label.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}
