//! Reads a body that was recorded, as one scrape of its target would have.

use std::sync::Arc;

use pipeline::{AnyValue, Batch, Registry};

use super::identity::{Identity, LabelLimits, Resolver};
use super::reader::{Options, ReadError, Reader, Reading};
use super::text::{Format, ParseError, Reason};

/// The points of a recorded body.
#[derive(Debug, Default)]
pub struct Recorded {
    pub batch: Batch,
    /// What was read and gives no point: why, and how many.
    pub losses: Vec<(&'static str, usize)>,
}

/// Reads a recorded body as one scrape; without `up` and what else a scrape says of itself.
///
/// `resource` are the attributes of the target's resource. Its `service.name` and `service.instance.id` are the
/// target's job and instance.
pub fn read_once(
    body: &[u8],
    format: Format,
    registry: &Arc<Registry>,
    resource: &[(String, String)],
    time_unix_nano: u64,
) -> Result<Recorded, ParseError> {
    let of_resource = |key: &str| {
        let found = resource.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let identity = Identity {
        labels: vec![
            (String::from("job"), of_resource("service.name")),
            (String::from("instance"), of_resource("service.instance.id")),
        ],
        resource: resource.iter().map(|(key, value)| (key.clone(), AnyValue::from(value.as_str()))).collect(),
        ..Identity::default()
    };
    // A recording has no settings: what a target may do wrong is put right where it shows.
    let options = Options {
        is_strict: false,
        honor_timestamps: true,
        track_staleness: false,
        sums_duplicates: true,
        takes_apart: true,
        sample_limit: 0,
    };
    let resolver = Resolver::new(registry.clone(), identity, Arc::default(), LabelLimits::default());
    let Reading { batch, counts, error } = Reader::new(resolver, options).read(body, format, time_unix_nano);
    match error {
        None => {
            let losses = counts.losses().into_iter().chain([("series_limit", counts.refused)]);
            Ok(Recorded { batch, losses: losses.filter(|(_, count)| *count > 0).collect() })
        }
        Some(ReadError::Parse(error)) => Err(error),
        // No limit is set, so this cannot be.
        Some(error @ ReadError::SampleLimit { .. }) => {
            Err(ParseError { line: 0, offset: 0, reason: Reason::Rule(error.to_string()) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::notation;

    fn read(body: &str, format: Format) -> Result<Recorded, ParseError> {
        let resource =
            [("service.name", "vllm"), ("service.instance.id", "a.prom"), ("service.version", "0.9")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()));
        read_once(body.as_bytes(), format, &Arc::new(Registry::new(100)), &resource, 7)
    }

    #[track_caller]
    fn check(body: &str, format: Format, expected: &[&str]) {
        let recorded = read(body, format).unwrap();
        let text = notation::write(&recorded.batch);
        for part in expected {
            assert!(text.contains(part), "no `{part}` in:\n{text}");
        }
        assert!(!text.contains("gauge up") && !text.contains("scrape_"), "{text}");
        assert_eq!(recorded.losses, []);
    }

    #[test]
    fn a_body_is_of_one_target_with_its_resource() {
        let resource = r#"resource {service.instance.id="a.prom",service.name="vllm",service.version="0.9"}"#;
        check("# TYPE a counter\na{x=\"1\"} 3\n", Format::Text, &[resource, "counter a{x=\"1\"}"]);
        check("# TYPE a gauge\na 3\n# EOF\n", Format::OpenMetrics, &[resource, "gauge a"]);
    }

    #[test]
    fn a_target_that_says_more_of_itself_is_believed() {
        let body = "target_info{zone=\"b\"} 1\na 3\n";
        check(body, Format::Text, &[r#"service.version="0.9",zone="b"}"#]);
    }

    #[test]
    fn the_first_line_that_cannot_be_read_is_named() {
        let error = read("a 1\nb{ 2\n", Format::Text).unwrap_err();
        assert_eq!(error.line, 2);
        assert_eq!(read("a 1\n", Format::OpenMetrics).unwrap_err().reason, Reason::NoEof);
    }

    #[test]
    fn what_gives_no_point_is_counted() {
        let recorded = read("a 1\n# TYPE h histogram\nh_sum 2\n", Format::Text).unwrap();
        assert_eq!((recorded.batch.len(), recorded.losses), (1, vec![("incomplete", 1)]));
    }

    #[test]
    fn what_is_there_twice_is_added_up() {
        check("a 1\na 2\n", Format::Text, &["gauge a", "= 3.0"]);
    }
}
