//! Reads TOML into a tree that keeps the places.

use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Document, Item, Key, Table, TableLike, Value};

use crate::problem::{Location, Problem};
use crate::tree::{Map, Node, Number, Tree};

/// Reads one document.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, Problem> {
    let source = Source::new(file, text);
    match text.parse::<Document<String>>() {
        Ok(document) => Ok(source.table(document.as_table(), document.as_table().span())),
        Err(error) => {
            let first = error.message().lines().next().unwrap_or_default().to_owned();
            let mut problem = Problem::new("", format!("cannot read this as TOML: {first}"));
            problem.location = Some(source.location(error.span()));
            Err(problem)
        }
    }
}

struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
    /// Where each line starts.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(file: &str, text: &'a str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file: file.into(), text, lines }
    }

    fn location(&self, span: Option<Range<usize>>) -> Location {
        let at = span.map_or(0, |span| span.start);
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..at).map_or(1, |before| before.chars().count() + 1);
        Location { file: Arc::clone(&self.file), line, column }
    }

    fn table(&self, table: &dyn TableLike, span: Option<Range<usize>>) -> Node {
        let mut map = Map::default();
        for (name, item) in table.iter() {
            let key = table.key(name).and_then(Key::span);
            let location = self.location(key.clone());
            map.push(name.to_owned(), Some(location), self.item(item, key));
        }
        Node { location: Some(self.location(span)), ..Node::new(Tree::Map(map)) }
    }

    /// `key` is where the item stands if it has no place of its own, as a table named in a header.
    fn item(&self, item: &Item, key: Option<Range<usize>>) -> Node {
        match item {
            Item::None => Node::default(),
            Item::Value(value) => self.value(value),
            Item::Table(table) => self.table(table, Table::span(table).or(key)),
            Item::ArrayOfTables(array) => {
                let list = array.iter().map(|table| self.table(table, table.span())).collect();
                Node { location: Some(self.location(array.span().or(key))), ..Node::new(Tree::List(list)) }
            }
        }
    }

    fn value(&self, value: &Value) -> Node {
        let span = value.span();
        let written = span.clone().and_then(|span| self.text.get(span)).map(str::trim);
        let (tree, text) = match value {
            Value::String(text) => (Tree::Text(text.value().clone()), None),
            Value::Integer(number) => (Tree::Number(Number::Whole((*number.value()).into())), written),
            Value::Float(number) => (Tree::Number(Number::Float(*number.value())), written),
            Value::Boolean(bool) => (Tree::Bool(*bool.value()), written),
            Value::Datetime(datetime) => (Tree::Text(datetime.value().to_string()), None),
            Value::Array(array) => (Tree::List(array.iter().map(|value| self.value(value)).collect()), None),
            Value::InlineTable(table) => return self.table(table, span),
        };
        let location = Some(self.location(span));
        Node { tree, text: text.map(Into::into), location, ..Node::default() }
    }
}
