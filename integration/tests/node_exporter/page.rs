//! A page in the text format, by families and series.

use std::collections::BTreeMap;

/// What a page says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page(pub(crate) BTreeMap<String, Family>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// By labels in the order of their names; those that are empty are not there, as to Prometheus.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Page {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                kind.clone_into(&mut page.0.entry(name.to_owned()).or_default().kind);
            } else if !line.starts_with('#') && !line.is_empty() {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let family = page.0.entry(name.to_owned()).or_default();
                let before = family.series.insert(labels_of(labels), value.parse().unwrap());
                assert_eq!(before, None, "a series is there twice: {line}");
            }
        }
        page
    }

    /// The value of a metric without labels.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.series.get("").copied()
    }
}

/// `b="1",a="",c="2"}` as `b="1",c="2"`.
fn labels_of(text: &str) -> String {
    let mut labels = Vec::new();
    let mut rest = text.trim_end_matches('}');
    while let Some((name, after)) = rest.split_once("=\"") {
        let end = end_of(after);
        if end > 0 {
            labels.push(format!("{}=\"{}\"", name.trim_start_matches(','), &after[..end]));
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    labels.sort();
    labels.join(",")
}

/// Where the quotation mark is that ends a value.
fn end_of(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return at,
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    text.len()
}

#[test]
fn labels_are_read_in_any_order_and_empty_ones_are_left_out() {
    let page = Page::parse("# TYPE a untyped\na{z=\"x,\\\"}=\\\\\",b=\"\",c=\"1\"} 2\na 3e+01\n");
    let family = &page.0["a"];
    assert_eq!(family.kind, "untyped");
    let series: Vec<_> = family.series.iter().map(|(labels, value)| (labels.as_str(), *value)).collect();
    assert_eq!(series, [("", 30.0), ("c=\"1\",z=\"x,\\\"}=\\\\\"", 2.0)]);
}
