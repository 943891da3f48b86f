//! Configurations of one pipeline, with every listener on a free port.

/// One pipeline from all these receivers to all these exporters; each is an id and its section.
///
/// An OTLP receiver for gRPC and HTTP and a pull exporter are always there.
pub fn with_pipeline(receivers: &[(&str, &str)], exporters: &[(&str, &str)]) -> String {
    let receivers = [
        &[("otlp", "{protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}}")],
        receivers,
    ]
    .concat();
    let exporters = [&[("prometheus", "{endpoint: '127.0.0.1:0'}")], exporters].concat();
    let lines = |parts: &[(&str, &str)]| -> String {
        parts.iter().map(|(id, section)| format!("  {id}: {section}\n")).collect()
    };
    let ids = |parts: &[(&str, &str)]| parts.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ");
    format!(
        "receivers:\n{}exporters:\n{}service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [{}], exporters: [{}]}}
",
        lines(&receivers),
        lines(&exporters),
        ids(&receivers),
        ids(&exporters),
    )
}

/// A job with one target, scraped every two seconds; `more` is further keys: `, honor_labels: true`.
pub fn job(name: &str, address: &str, more: &str) -> String {
    format!(
        "{{job_name: {name}, scrape_interval: 2s, scrape_timeout: 2s{more}, static_configs: [{{targets: ['{address}']}}]}}"
    )
}

/// A pipeline that scrapes these jobs.
pub fn scraping(jobs: &[String]) -> String {
    let section = format!("{{config: {{scrape_configs: [{}]}}}}", jobs.join(", "));
    with_pipeline(&[("prometheus", &section)], &[])
}
