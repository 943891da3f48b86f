//! What of `service.telemetry` is read, refused and warned of.

use super::*;

#[track_caller]
fn check(endpoint: &str, insecure: bool, expected: Result<&str, &str>) {
    let otlp = PushOtlpConfig { endpoint: endpoint.to_owned(), insecure, ..PushOtlpConfig::default() };
    match (otlp.url(), expected) {
        (Ok(url), Ok(expected)) => assert_eq!(url, expected),
        (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
        (url, _) => panic!("{endpoint}: {url:?}"),
    }
}

#[test]
fn an_endpoint_without_a_scheme_means_tls_unless_it_is_insecure() {
    check("a:4317", false, Ok("https://a:4317"));
    check("a:4317", true, Ok("http://a:4317"));
    check("http://a:4317", false, Ok("http://a:4317"));
    check("https://a:4317", true, Ok("https://a:4317"));
    check("", false, Err("missing"));
    check("ftp://a", false, Err("expected a URL"));
    check("http://", false, Err("expected a URL"));
}

/// The section, and what is wrong with it and warned of.
fn read(yaml: &str) -> (TelemetryConfig, Vec<String>, Vec<String>) {
    let section = Section::from_yaml("t", yaml).unwrap();
    let (config, problems) = section.read_all::<TelemetryConfig>();
    let config = config.unwrap_or_default();
    let problems = problems.and(config.problems(&section));
    let warnings = config.warnings(&section);
    (config, problems.0.iter().map(ToString::to_string).collect(), warnings)
}

#[test]
fn what_a_collectors_file_says_is_read_as_it_is() {
    let (config, problems, warnings) = read(
        "logs: {level: INFO}
metrics:
  readers:
    - periodic:
        interval: 10000
        timeout: '5000'
        exporter: {otlp: {endpoint: 'http://a:4317', protocol: grpc, temporality_preference: delta, compression: gzip}}
    - pull: {exporter: {prometheus: {port: 8888, with_resource_constant_labels: {included: [service.name]}}}}
",
    );
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.logs.level, LogLevel::Info);
    let periodic = config.metrics.readers[0].periodic.as_ref().unwrap();
    assert_eq!((periodic.interval, periodic.timeout), (Duration::from_secs(10), Duration::from_secs(5)));
    let keys: Vec<&str> = warnings.iter().filter_map(|warning| warning.split(": ").next()).collect();
    assert_eq!(
        keys,
        [
            "t.metrics.readers[0].periodic.exporter.otlp.temporality_preference",
            "t.metrics.readers[0].periodic.exporter.otlp.compression",
            "t.metrics.readers[1].pull.exporter.prometheus.with_resource_constant_labels",
        ]
    );
    let printed = serde_json::to_value(&config).unwrap();
    assert_eq!(printed["metrics"]["readers"][0]["periodic"]["interval"], "10s");
}

#[test]
fn durations_are_read_beside_milliseconds_and_what_is_neither_is_told() {
    let periodic = |values: &str| {
        read(&format!(
            "metrics: {{readers: [{{periodic: {{{values}, exporter: {{otlp: {{endpoint: 'a:1'}}}}}}}}]}}"
        ))
    };
    let (config, problems, _) = periodic("interval: 1m, timeout: 500ms");
    assert_eq!(problems, Vec::<String>::new());
    let periodic_config = config.metrics.readers[0].periodic.as_ref().unwrap();
    assert_eq!(periodic_config.timeout, Duration::from_millis(500));
    for wrong in ["interval: -1", "interval: soon", "interval: 1.5", "interval: 0"] {
        let (_, problems, _) = periodic(wrong);
        assert!(problems.len() == 1 && problems[0].contains("periodic.interval: expected"), "{problems:?}");
    }
}

#[test]
fn http_is_refused_in_words_that_help_and_a_level_by_its_names() {
    let (_, problems, _) = read(
        "metrics: {readers: [{periodic: {exporter: {otlp: {endpoint: 'http://a:4318/v1/metrics', protocol: http/protobuf}}}}]}",
    );
    assert!(
        problems.len() == 1 && problems[0].contains("otlp.protocol: the collector's own"),
        "{problems:?}"
    );
    let (_, problems, _) = read("logs: {level: LOUD}");
    assert!(problems.len() == 1 && problems[0].contains("one of `debug`, `info`"), "{problems:?}");
}
