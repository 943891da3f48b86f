use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pipeline::relabel::{RuleConfig, Rules};
use pipeline::{Kind, Registry, Value};

use super::*;
use crate::prometheus::identity::{Identity, LabelLimits};

const NOW: u64 = 1_800_000_000_000_000_000;

struct Fixture {
    reader: Reader,
    registry: Arc<Registry>,
    format: Format,
}

fn identity() -> Identity {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Identity { labels: vec![label("job", "j"), label("instance", "i:1")], ..Identity::default() }
}

fn options() -> Options {
    Options {
        is_strict: false,
        honor_timestamps: true,
        track_staleness: false,
        sums_duplicates: false,
        takes_apart: false,
        sample_limit: 0,
    }
}

impl Fixture {
    fn new(format: Format) -> Self {
        Self::with(format, identity(), Vec::new(), LabelLimits::default(), options())
    }

    fn with(
        format: Format,
        identity: Identity,
        rules: Vec<RuleConfig>,
        limits: LabelLimits,
        options: Options,
    ) -> Self {
        let registry = Arc::new(Registry::new(100_000));
        let rules = Arc::new(Rules::compile(&rules).unwrap());
        let resolver = Resolver::new(registry.clone(), identity, rules, limits);
        Self { reader: Reader::new(resolver, options), registry, format }
    }

    fn reading(&mut self, body: &str) -> Reading {
        self.reader.read(body.as_bytes(), self.format, NOW)
    }

    fn read(&mut self, body: &str) -> Vec<String> {
        let reading = self.reading(body);
        let mut shown: Vec<_> = reading.batch.iter().map(show).collect();
        shown.extend(reading.error.map(|error| format!("error: {error}")));
        shown
    }

    #[track_caller]
    fn check(&mut self, body: &str, expected: &[&str]) {
        assert_eq!(self.read(body), expected, "{body}");
    }
}

fn show(point: &Point) -> String {
    let series = &point.series;
    let metric = series.metric();
    let kind = match metric.kind {
        Kind::Gauge => "gauge",
        Kind::Sum { is_monotonic: true, .. } => "counter",
        Kind::Sum { .. } => "sum",
        Kind::Histogram { .. } => "histogram",
        Kind::ExponentialHistogram { .. } => "exponential",
        Kind::Summary => "summary",
    };
    let labels: Vec<_> = series
        .attributes()
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?")))
        .collect();
    let mut shown = format!("{}{{{}}} {kind} ", metric.name, labels.join(","));
    let _ = match &point.value {
        Value::Empty => write!(shown, "stale"),
        Value::Double(value) => write!(shown, "{value}"),
        Value::Histogram(histogram) => write!(
            shown,
            "{} {:?} {:?} {:?}",
            histogram.count, histogram.sum, histogram.bounds, histogram.bucket_counts
        ),
        Value::Summary(summary) => write!(shown, "{} {} {:?}", summary.count, summary.sum, summary.quantiles),
        other => write!(shown, "{other:?}"),
    };
    if point.time_unix_nano != NOW {
        let _ = write!(shown, " @{}", point.time_unix_nano);
    }
    if point.start_unix_nano != 0 {
        let _ = write!(shown, " from {}", point.start_unix_nano);
    }
    for exemplar in point.exemplars.iter() {
        let _ = write!(shown, " exemplar {:?} {}", exemplar.value, exemplar.trace_id.len());
    }
    shown
}

#[test]
fn types_become_kinds() {
    let mut text = Fixture::new(Format::Text);
    text.check(
        "# TYPE c counter\nc{a=\"1\"} 1\n# TYPE g gauge\ng 2\nu 3\n# TYPE t untyped\nt 4\n",
        &["c{a=1} counter 1", "g{} gauge 2", "u{} gauge 3", "t{} gauge 4"],
    );
    let mut om = Fixture::new(Format::OpenMetrics);
    om.check(
        "# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total 1\nc_seconds_created 1.5\n# TYPE i info\ni_info{v=\"1\"} 1\n\
         # TYPE s stateset\ns{s=\"a\"} 1\n# EOF\n",
        &["c_seconds_total{} counter 1 from 1500000000", "i_info{v=1} sum 1", "s{s=a} sum 1"],
    );
    let reading =
        om.reading("# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total 1\n# EOF\n");
    let metric = reading.batch.iter().next().unwrap().series.metric().clone();
    assert_eq!(metric.unit, "s");
    assert_eq!(metric.metadata.get("prometheus.type").unwrap().as_str(), Some("counter"));
}

#[test]
fn histograms_and_summaries_are_put_together() {
    let mut text = Fixture::new(Format::Text);
    let body = "# TYPE h histogram\nh_bucket{le=\"2\"} 3\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 4\n\
                h_sum 5\nh_count 4\n# TYPE s summary\ns{quantile=\"0.9\"} 2\ns{quantile=\"0.5\"} 1\n\
                s_sum 3\ns_count 2\n";
    let points =
        ["h{} histogram 4 Some(5.0) [1.0, 2.0] [1, 2, 1]", "s{} summary 2 3 [(0.5, 1.0), (0.9, 2.0)]"];
    text.check(body, &points);
    text.check(body, &points);
    // A layout that changes is followed, and so is its way back.
    text.check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 4\nh_sum 5\nh_count 4\n",
        &["h{} histogram 4 Some(5.0) [1.0] [1, 3]", "s{} summary stale"],
    );
    text.check(body, &points);
}

#[test]
fn an_incomplete_histogram_is_counted() {
    let mut text = Fixture::new(Format::Text);
    let reading =
        text.reading("# TYPE h histogram\nh_bucket{le=\"1\"} 5\nh_bucket{le=\"+Inf\"} 3\nh_count 3\n");
    assert_eq!((reading.batch.len(), reading.counts.incomplete), (0, 1));
    let reading = text.reading("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 3\n");
    assert_eq!((reading.batch.len(), reading.counts.incomplete), (0, 1));
    text.check("# TYPE h histogram\nh_sum 1\nh_count 3\n", &["h{} histogram 3 Some(1.0) [] []"]);
    text.check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_count 3\n",
        &["h{} histogram 3 None [1.0] [2, 1]"],
    );
    text.check(
        "# TYPE h histogram\nh_bucket 1\nh_count 3\n",
        &["h_bucket{} gauge 1", "h{} histogram 3 None [] []"],
    );
    let mut om = Fixture::new(Format::OpenMetrics);
    om.check("# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\n# EOF\n", &["h{} histogram 3 None [] [3]"]);
    let reading = om.reading("# TYPE h gaugehistogram\nh_bucket{le=\"+Inf\"} 3\nh_gsum 3\n# EOF\n");
    assert_eq!(reading.counts.unsupported, 2);
}

#[test]
fn exemplars_and_timestamps_stay() {
    let mut om = Fixture::new(Format::OpenMetrics);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    om.check(
        &format!(
            "# TYPE c counter\nc_total 1 1799999999.5 # {{trace_id=\"{trace}\",x=\"y\"}} 0.5 1\n# EOF\n"
        ),
        &["c_total{} counter 1 @1799999999500000000 exemplar Double(0.5) 16"],
    );
    om.check(
        "# TYPE c counter\nc_total 1 # {} 1\n# TYPE g gauge\ng 1\n# EOF\n",
        &["c_total{} counter 1 exemplar Double(1.0) 0", "g{} gauge 1"],
    );
    om.check(
        "# TYPE c counter\nc_total 1\n# TYPE g gauge\ng 1 # {} 1\n# EOF\n",
        &[
            "c_total{} counter stale",
            "g{} gauge stale",
            "error: line 4 (byte 42): only `_total` and `_bucket` samples have exemplars",
        ],
    );
    // A series that gives its own times does not take part in staleness.
    om.check("# EOF\n", &[]);
    om.check("g 1 1\ng 2 2\ng 3 2\n# EOF\n", &["g{} gauge 1 @1000000000", "g{} gauge 2 @2000000000"]);
    om.check("g 1 1\ng 2 2\ng 3 2\n# EOF\n", &["g{} gauge 1 @1000000000", "g{} gauge 2 @2000000000"]);
    let reading = om.reading("g 1 1800000700\n# EOF\n");
    assert_eq!((reading.batch.len(), reading.counts.out_of_time), (0, 1));
}

#[test]
fn a_series_that_is_gone_is_marked_once() {
    let mut text = Fixture::new(Format::Text);
    text.check("a 1\nb 2\nc 3\n", &["a{} gauge 1", "b{} gauge 2", "c{} gauge 3"]);
    text.check("a 1\nc 3\n", &["a{} gauge 1", "c{} gauge 3", "b{} gauge stale"]);
    text.check("a 1\nc 3\n", &["a{} gauge 1", "c{} gauge 3"]);
    text.check("c 1\na 3\n", &["c{} gauge 1", "a{} gauge 3"]);
    text.check("x 1\nc 1\na 3\n", &["x{} gauge 1", "c{} gauge 1", "a{} gauge 3"]);
    text.check("x 1\n", &["x{} gauge 1", "c{} gauge stale", "a{} gauge stale"]);
    text.check("", &["x{} gauge stale"]);
    text.check("", &[]);
    // The text of a line is not its series.
    text.check("m{a=\"1\",b=\"2\"} 1\n", &["m{a=1,b=2} gauge 1"]);
    text.check("m{b=\"2\",a=\"1\"} 1\n", &["m{a=1,b=2} gauge 1"]);
}

#[test]
fn what_cannot_be_read_ends_everything() {
    let mut text = Fixture::new(Format::Text);
    text.check("a 1\n# TYPE h histogram\nh_count 1\n", &["a{} gauge 1", "h{} histogram 1 None [] []"]);
    text.check(
        "a 1\nnew 1\n<html>\n",
        &["a{} gauge stale", "h{} histogram stale", "error: line 3 (byte 10): expected a metric name"],
    );
    text.check("a 1\n", &["a{} gauge 1"]);
    text.check("a x\n", &["a{} gauge stale", "error: line 1 (byte 2): expected a number, got `x`"]);
    let mut om = Fixture::new(Format::OpenMetrics);
    om.check("a 1\n", &["error: line 2 (byte 4): `# EOF` is missing: the exposition was cut off"]);
    om.check("a 1\n# EOF\nb 1\n", &["error: line 3 (byte 10): something stands behind `# EOF`"]);
    om.check("a 1\n# EOF", &["a{} gauge 1"]);
    assert_eq!(om.reader.read(b"a{b=\"\xff\"} 1\n", Format::Text, NOW).batch.len(), 1);
}

#[test]
fn the_first_of_two_is_kept() {
    let mut text = Fixture::new(Format::Text);
    for _ in 0..3 {
        let reading = text.reading("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\",y=\"2\"} 3\nb 1\n");
        assert_eq!(reading.counts.duplicates, 2);
        let shown: Vec<_> = reading.batch.iter().map(show).collect();
        assert_eq!(shown, ["a{x=1,y=2} gauge 1", "b{} gauge 1"]);
    }
    text.check("a{y=\"2\",x=\"1\"} 2\n", &["a{x=1,y=2} gauge 2", "b{} gauge stale"]);
    let mut text = Fixture::new(Format::Text);
    for _ in 0..2 {
        let reading = text.reading("# TYPE h histogram\nh_count 1\nh_count 2\n");
        assert_eq!((reading.batch.len(), reading.counts.duplicates), (1, 1));
    }
}

#[test]
fn the_two_may_be_added_up() {
    let options = Options { sums_duplicates: true, ..options() };
    let mut text = Fixture::with(Format::Text, identity(), Vec::new(), LabelLimits::default(), options);
    let head = "# TYPE e_total counter\n";
    for _ in 0..3 {
        let reading = text.reading(&format!(
            "{head}e_total{{t=\"GET\"}} 1\ne_total{{t=\"POST\"}} 2\ne_total{{t=\"GET\"}} 4\ne_total{{t=\"GET\"}} 8\nb 1\n"
        ));
        let shown: Vec<_> = reading.batch.iter().map(show).collect();
        assert_eq!(shown, ["e_total{t=GET} counter 13", "e_total{t=POST} counter 2", "b{} gauge 1"]);
        assert_eq!(reading.counts.duplicates, 0);
    }
    // The double comes, goes and moves; what is new stands before what is known.
    text.check(
        &format!("{head}e_total{{t=\"GET\"}} 1\ne_total{{t=\"POST\"}} 2\nb 1\n"),
        &["e_total{t=GET} counter 1", "e_total{t=POST} counter 2", "b{} gauge 1"],
    );
    text.check(
        &format!("{head}e_total{{t=\"POST\"}} 5\ne_total{{t=\"GET\",}} 1\ne_total{{t=\"GET\"}} 2\n"),
        &["e_total{t=POST} counter 5", "e_total{t=GET} counter 3", "b{} gauge stale"],
    );
    // Of a histogram's parts the first is kept.
    let reading = text.reading("# TYPE h histogram\nh_count 1\nh_count 2\n");
    assert_eq!(reading.counts.duplicates, 1);
}

#[test]
fn buckets_added_up_twice_may_be_taken_apart() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 2\nh_bucket{le=\"3\"} 4\nh_bucket{le=\"4\"} 7\nh_bucket{le=\"+Inf\"} 4\nh_sum 9\nh_count 4\n";
    let mut text = Fixture::new(Format::Text);
    assert_eq!(text.reading(body).counts.incomplete, 1);
    let options = Options { takes_apart: true, ..options() };
    let mut text = Fixture::with(Format::Text, identity(), Vec::new(), LabelLimits::default(), options);
    for _ in 0..2 {
        let reading = text.reading(body);
        let Value::Histogram(histogram) = &reading.batch.iter().next().unwrap().value else { panic!() };
        assert_eq!((histogram.count, histogram.sum), (4, Some(9.0)));
        assert_eq!(histogram.bucket_counts, [0, 2, 0, 1, 1]);
    }
    // As it should be, it is as it is; what no second accumulation explains is left out.
    let reading = text.reading("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"2\"} 3\nh_count 4\n");
    let Value::Histogram(histogram) = &reading.batch.iter().next().unwrap().value else { panic!() };
    assert_eq!(histogram.bucket_counts, [1, 2, 1]);
    for torn in
        ["h_bucket{le=\"1\"} 4\nh_bucket{le=\"2\"} 5\nh_count 4\n", "h_bucket{le=\"1\"} 5\nh_count 4\n"]
    {
        assert_eq!(text.reading(&format!("# TYPE h histogram\n{torn}")).counts.incomplete, 1, "{torn}");
    }
}

#[test]
fn types_may_change_between_scrapes() {
    let mut text = Fixture::new(Format::Text);
    text.check("# TYPE a counter\na 1\n", &["a{} counter 1"]);
    text.check("# TYPE a gauge\na 1\n", &["a{} gauge 1", "a{} counter stale"]);
    text.check("# HELP a new help\n# TYPE a gauge\na 1\n", &["a{} gauge 1"]);
    let mut text = Fixture::new(Format::Text);
    text.check("a 1\n", &["a{} gauge 1"]);
    text.check("# TYPE a counter\na 1\n", &["a{} counter 1", "a{} gauge stale"]);
    text.check("a 1\nb_count 1\n", &["a{} counter 1", "b_count{} gauge 1"]);
    text.check(
        "# TYPE b histogram\nb_count 1\n",
        &["b{} histogram 1 None [] []", "a{} counter stale", "b_count{} gauge stale"],
    );
}

#[test]
fn target_info_becomes_the_resource_wherever_it_stands() {
    let mut text = Fixture::new(Format::Text);
    let resource = |reading: &Reading| {
        let point = reading.batch.iter().next().unwrap();
        let value = point.series.resource().attributes.get("version")?.as_str()?.to_owned();
        Some(value)
    };
    let reading = text.reading("a 1\n# TYPE target_info gauge\ntarget_info{version=\"1\"} 1\n");
    assert_eq!((reading.batch.len(), resource(&reading)), (1, Some("1".to_owned())));
    let reading = text.reading("a 1\n# TYPE target_info gauge\ntarget_info{version=\"1\"} 1\n");
    assert_eq!((reading.batch.len(), resource(&reading)), (1, Some("1".to_owned())));
    // Another resource makes other series, and the old ones end.
    let reading = text.reading("a 1\ntarget_info{version=\"2\"} 1\n");
    assert_eq!((reading.batch.len(), resource(&reading)), (2, Some("2".to_owned())));
    let reading = text.reading("a 1\n");
    assert_eq!((reading.batch.len(), resource(&reading)), (2, None));
}

#[test]
fn scope_labels_become_the_scope() {
    let mut text = Fixture::new(Format::Text);
    let reading =
        text.reading("a{otel_scope_name=\"n\",otel_scope_version=\"v\",otel_scope_x=\"y\",b=\"c\"} 1\n");
    let point = reading.batch.iter().next().unwrap();
    let scope = point.series.scope();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("n", "v"));
    assert_eq!(scope.attributes.get("x").unwrap().as_str(), Some("y"));
    assert_eq!(show(point), "a{b=c} gauge 1");
}

#[test]
fn labels_of_the_target_win_unless_those_scraped_are_honored() {
    let mut target = identity();
    target.labels.push(("env".to_owned(), "prod".to_owned()));
    let body = "a{env=\"x\",exported_env=\"y\",job=\"k\"} 1\nb{env=\"\"} 1\n";
    let mut text = Fixture::with(Format::Text, target.clone(), Vec::new(), LabelLimits::default(), options());
    text.check(
        body,
        &["a{env=prod,exported_env=y,exported_exported_env=x,exported_job=k} gauge 1", "b{env=prod} gauge 1"],
    );
    target.honor_labels = true;
    let mut text = Fixture::with(Format::Text, target, Vec::new(), LabelLimits::default(), options());
    let reading = text.reading(body);
    let first = reading.batch.iter().next().unwrap();
    assert_eq!(show(first), "a{env=x,exported_env=y} gauge 1");
    assert_eq!(first.series.resource().attributes.get("service.name").unwrap().as_str(), Some("k"));
}

#[test]
fn relabelling_and_limits_are_asked_once_a_series() {
    let rule = |source: &str, regex: &str, action: &str, target: &str, replacement: &str| RuleConfig {
        source_labels: vec![source.to_owned()],
        regex: regex.to_owned(),
        action: action.to_owned().try_into().unwrap(),
        target_label: target.to_owned(),
        replacement: replacement.to_owned(),
        ..RuleConfig::default()
    };
    let rules = vec![
        rule("__name__", "dropped.*", "drop", "", "$1"),
        rule("__name__", "h_(.*)", "replace", "__name__", "renamed_$1"),
    ];
    let limits = LabelLimits { count: 5, ..LabelLimits::default() };
    let limited = Options { sample_limit: 4, ..options() };
    let mut text = Fixture::with(Format::Text, identity(), rules, limits, limited);
    for _ in 0..2 {
        let reading =
            text.reading("dropped_a 1\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n");
        let shown: Vec<_> = reading.batch.iter().map(show).collect();
        assert_eq!(shown, ["renamed{} histogram 1 Some(1.0) [] [1]"]);
        assert_eq!((reading.counts.scraped, reading.counts.dropped), (4, 1));
    }
    text.check(
        "a 1\nb 1\nc 1\nd 1\ne 1\n",
        &[
            "renamed{} histogram stale",
            "error: more than 4 samples after relabelling; raise `sample_limit` or drop some",
        ],
    );
    text.check(
        "a{b=\"1\",c=\"2\",d=\"3\"} 1\n",
        &["error: line 1 (byte 0): a sample of `a` breaks `label_limit`: 6 is over 5"],
    );
}

#[test]
fn steady_lines_are_found_in_any_order() {
    let mut text = Fixture::new(Format::Text);
    let lines: Vec<_> = (0..500).map(|index| format!("m{{i=\"{index}\"}} {index}\n")).collect();
    assert_eq!(text.read(&lines.concat()).len(), 500);
    let mut reversed = lines.clone();
    reversed.reverse();
    let reading = text.reading(&reversed.concat());
    // Only those seen before the order was given up were parsed again.
    assert!(reading.counts.added < 40, "{}", reading.counts.added);
    assert_eq!(reading.batch.len(), 500);
    let reading = text.reading(&reversed[200..].concat());
    assert_eq!(
        (reading.batch.len(), reading.batch.iter().filter(|point| point.is_stale()).count()),
        (500, 200)
    );
    assert!(text.registry.live() <= 500);
}

#[test]
fn a_histogram_with_very_many_buckets_is_read_in_reasonable_time() {
    let mut body = "# TYPE h histogram\n".to_owned();
    for bucket in 0..200_000 {
        let _ = writeln!(body, "h_bucket{{le=\"{bucket}\"}} {bucket}");
    }
    body += "h_count 199999\n";
    let mut text = Fixture::new(Format::Text);
    for _ in 0..2 {
        let reading = text.reading(&body);
        assert_eq!((reading.batch.len(), reading.counts.incomplete), (1, 0));
    }
    // Fewer buckets of all histograms at once.
    let mut body = String::new();
    for histogram in 0..2000 {
        let _ = writeln!(body, "# TYPE h{histogram} histogram\nh{histogram}_bucket{{le=\"1\"}} 1");
        let _ = writeln!(body, "h{histogram}_bucket{{le=\"2\"}} 1\nh{histogram}_count 1");
    }
    assert_eq!(text.reading(&body).batch.len(), 2001);
    let fewer = body.replace("{le=\"2\"}", "{le=\"3\"}");
    assert_eq!(text.reading(&fewer).batch.len(), 2000);
    assert_eq!(text.reading(&fewer).counts.duplicates, 0);
}

#[test]
fn past_the_bound_series_are_refused_and_taken_when_there_is_room() {
    let registry = Arc::new(Registry::new(1));
    let resolver = Resolver::new(registry, identity(), Arc::default(), LabelLimits::default());
    let mut reader = Reader::new(resolver, options());
    let reading = reader.read(b"a 1\nb 1\n", Format::Text, NOW);
    assert_eq!((reading.batch.len(), reading.counts.refused), (1, 1));
    drop(reading);
    let reading = reader.read(b"b 1\n", Format::Text, NOW);
    assert_eq!(reading.counts.refused, 1);
    drop(reading);
    let reading = reader.read(b"b 1\n", Format::Text, NOW);
    assert_eq!((reading.batch.len(), reading.counts.refused), (1, 0));
}

fn fixture_path(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(fixture_path(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| !["tsv", "md", "headers"].contains(&extension.to_str().unwrap()))
        })
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The number of samples that a table says Prometheus reads, or `None` where it refuses the file.
fn expected_samples(folder: &str, file: &str, column: usize) -> Option<usize> {
    let table = fs::read_to_string(fixture_path(folder).join("MANIFEST.tsv")).unwrap();
    let line = table.lines().find(|line| line.split('\t').next() == Some(file)).unwrap();
    line.split('\t').nth(column).unwrap().strip_prefix("ok ").map(|count| count.parse().unwrap())
}

#[test]
fn edge_cases_are_read_as_prometheus_reads_them() {
    for (file, body) in fixtures("edge") {
        let format =
            if fixture_path("edge").join(&file).extension().is_some_and(|extension| extension == "om") {
                Format::OpenMetrics
            } else {
                Format::Text
            };
        let expected = match file.as_str() {
            // Read as the specification has it, where Prometheus 2 does not.
            "disputed-leading-space.prom" | "disputed-negative-timestamp.prom" => Some(2),
            "disputed-type-info-in-text.prom" | "disputed-type-unknown-in-text.prom" => Some(1),
            "text-utf8-names.prom" => Some(9),
            file => expected_samples("edge", file, 3),
        };
        let mut fixture = Fixture::new(format);
        for _ in 0..2 {
            let reading = fixture.reader.read(&body, format, NOW);
            let found = reading.error.is_none().then_some(reading.counts.scraped);
            assert_eq!(found, expected, "{file}: {:?}", reading.error);
        }
    }
}

#[test]
fn lenient_reading_takes_what_is_valid_and_refuses_what_prometheus_does() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/openmetrics");
    if !root.exists() {
        eprintln!("skipped: {} is not here", root.display());
        return;
    }
    let mut refused = 0;
    for (folder, is_valid) in [("valid", true), ("invalid", false)] {
        for case in fs::read_dir(root.join(folder)).unwrap() {
            let case = case.unwrap().path();
            let body = fs::read(case.join("metrics")).unwrap();
            let error = Fixture::new(Format::OpenMetrics).reader.read(&body, Format::OpenMetrics, NOW).error;
            assert!(!is_valid || error.is_none(), "{}: {error:?}", case.display());
            refused += usize::from(error.is_some());
        }
    }
    // Those that Prometheus 2.42 refuses, and no others.
    assert_eq!(refused, 46);
}

#[test]
fn what_runners_serve_is_read_whole() {
    for (file, body) in fixtures("runners") {
        let format = if file.contains("openmetrics") { Format::OpenMetrics } else { Format::Text };
        let mut fixture = Fixture::new(format);
        let first = fixture.reader.read(&body, format, NOW);
        assert_eq!(first.error, None, "{file}");
        assert_eq!(Some(first.counts.scraped), expected_samples("runners", &file, 3), "{file}");
        assert_eq!(first.counts.refused + first.counts.unknown_types, 0, "{file}");
        let again = fixture.reader.read(&body, format, NOW);
        assert_eq!(again.counts.added, 0, "{file}");
        let shown = |reading: &Reading| reading.batch.iter().map(show).collect::<Vec<_>>();
        assert_eq!(shown(&first), shown(&again), "{file}");
        let points = fs::read_to_string(fixture_path("runners/POINTS.tsv")).unwrap();
        let line = points.lines().find_map(|line| line.strip_prefix(&file)).unwrap();
        assert_eq!(line.trim(), first.batch.len().to_string(), "{file}");
    }
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_out_of_time_does_not_stand_for_the_series_of_another() {
        crate::prometheus::fuzz_exposition(b"k 8\nr 0\n\nrk 8\nr 0\n\nr 0 0");
        crate::prometheus::fuzz_exposition(b"r 0 0\nr 5\n");
    }

    proptest! {
        /// However lines come and go, a reader that remembers says what a new one would say.
        #[test]
        fn remembering_changes_nothing(
            bodies in prop::collection::vec(prop::collection::vec((0..40_u32, 0..9_u32), 0..60), 1..6),
        ) {
            let mut remembering = Fixture::new(Format::Text);
            for body in bodies {
                let mut lines = "# TYPE h histogram\n".to_owned();
                for (index, value) in body {
                    let _ = match index {
                        0..20 => writeln!(lines, "m{index}{{a=\"{index}\"}} {value}"),
                        20..30 => writeln!(lines, "h_bucket{{a=\"{}\",le=\"{}\"}} {value}", index % 3, index),
                        30..35 => writeln!(lines, "h_count{{a=\"{}\"}} 9", index % 3),
                        _ => writeln!(lines, "h_sum{{a=\"{}\"}} {value}", index % 3),
                    };
                }
                let mut points = remembering.read(&lines);
                points.retain(|point| !point.contains("stale"));
                points.sort();
                let mut expected = Fixture::new(Format::Text).read(&lines);
                expected.sort();
                prop_assert_eq!(points, expected);
            }
        }

        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            crate::prometheus::fuzz_exposition(&bytes);
        }

        #[test]
        fn nearly_expositions_never_panic(text in "(# (TYPE|HELP|UNIT|EOF)|[ah]|_bucket|_total|[{}=\", \n0-9.#]){0,60}") {
            crate::prometheus::fuzz_exposition(text.as_bytes());
        }
    }
}

#[test]
fn a_body_that_fails_marks_what_was_there_and_nothing_it_brought() {
    let mut fixture = Fixture::new(Format::Text);
    fixture.check("a 1\nb 1\n", &["a{} gauge 1", "b{} gauge 1"]);
    let shown = fixture.read("c 1\na 1\nb{ 1\n");
    let mut markers: Vec<_> = shown[..shown.len() - 1].to_vec();
    markers.sort();
    assert_eq!(markers, ["a{} gauge stale", "b{} gauge stale"]);
    assert!(shown[2].starts_with("error: "), "{shown:?}");
    // What came back in another place is no double, and a double of it is one.
    fixture.check("b 2\na 2\n", &["b{} gauge 2", "a{} gauge 2"]);
    fixture.check("a 3\nb 3\nc 3\nb  4\n", &["a{} gauge 3", "b{} gauge 3", "c{} gauge 3"]);
    fixture.check("c  5\nb{} 5\n", &["c{} gauge 5", "b{} gauge 5", "a{} gauge stale"]);
}
