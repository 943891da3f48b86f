use super::*;

/// The layer for a schema of this head, with the receivers of a small file.
fn layer(head: &str, is_facade: bool) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    std::fs::write(&path, format!("mapping: a\nkind: schema\nabout: A test.\n{head}")).unwrap();
    let schemas = [path.display().to_string()];
    let mut sources = sources("service: {pipelines: {metrics: {receivers: [otlp, prometheus/x]}}}");
    add(&mut sources, &Wanted { schemas: &schemas, is_facade, is_demo: false })
        .map_err(|problems| problems.to_string())?;
    Ok(sources.generated.unwrap().1.replace(&schemas[0], "FILE"))
}

fn sources(defaults: &str) -> Sources {
    Sources { defaults: Some(defaults.to_owned()), ..Sources::default() }
}

#[test]
fn a_schema_is_a_pipeline_with_what_it_starts_from_before_it_and_its_pages_behind_it() {
    let expected = "exporters:
  prometheus/a:
    enable_open_metrics: false
    endpoint: 127.0.0.1:9464
    path: /a/metrics
    target_info:
      enabled: false
processors:
  dialect/a:
    originals: keep
  gpu_attribution/a: {}
  schema/a:
    file: FILE
service:
  pipelines:
    metrics/a:
      exporters:
        - prometheus/a
      processors:
        - dialect/a
        - gpu_attribution/a
        - schema/a
      receivers:
        - otlp
        - prometheus/x
";
    assert_eq!(layer("", false).unwrap(), expected);
}

#[test]
fn pages_at_other_ports_and_in_json_have_exporters_of_their_own() {
    let head = "facade: {port: 3000}
endpoints:
  - {path: /metrics, port: 8000, metrics: [a]}
  - {path: /metrics}
  - {path: /api, format: json, body: {}}
rules:
  - {metric: a, type: gauge, unit: '{x}', help: A., constant: 1}
";
    let layer = layer(head, true).unwrap();
    let section = config::Section::from_yaml("", &layer).unwrap();
    let ids: Vec<String> = section.section("service.pipelines.metrics/a.exporters").read().unwrap();
    assert_eq!(ids, ["prometheus/a", "prometheus/a_3000", "json/a"]);
    assert!(layer.contains("included:\n        - a\n"), "{layer}");
    assert!(layer.contains("endpoint: 127.0.0.1:8000"), "{layer}");
}

#[test]
fn a_schema_that_names_receivers_has_these_and_no_others() {
    let layer = layer("receivers: {host_metrics: {collection_interval: 5s}, otlp: }\n", false).unwrap();
    let section = config::Section::from_yaml("", &layer).unwrap();
    let ids: Vec<String> = section.section("service.pipelines.metrics/a.receivers").read().unwrap();
    assert_eq!(ids, ["host_metrics/a", "otlp/a"]);
    let interval: String = section.section("receivers.host_metrics/a.collection_interval").read().unwrap();
    assert_eq!(interval, "5s");
    assert!(section.section("receivers").has("otlp/a"), "{layer}");
}

#[test]
fn without_receivers_there_is_nothing_to_map() {
    let mut sources = sources("service: {pipelines: {metrics/x: {receivers: [otlp]}}}");
    let wanted = Wanted { schemas: &[String::from("ainode")], is_facade: false, is_demo: false };
    let problems = add(&mut sources, &wanted).unwrap_err().to_string();
    assert!(problems.contains("service.pipelines.metrics.receivers: `--schema` maps what"), "{problems}");
}

#[test]
fn every_unknown_schema_is_told() {
    let mut sources = sources("service: {pipelines: {metrics: {receivers: [otlp]}}}");
    let wanted = Wanted {
        schemas: &[String::from("ainod"), String::from("gpustak")],
        is_facade: false,
        is_demo: false,
    };
    let problems = add(&mut sources, &wanted).unwrap_err().to_string();
    assert!(problems.contains("`ainode`") && problems.contains("`gpustack`"), "{problems}");
}

#[test]
fn without_a_schema_nothing_is_added() {
    let mut sources = sources("a: b");
    add(&mut sources, &Wanted { schemas: &[], is_facade: false, is_demo: false }).unwrap();
    assert_eq!(sources.generated, None);
}

#[test]
fn the_pages_of_a_demonstration_say_so() {
    let mut sources = sources("service: {pipelines: {metrics: {receivers: [otlp]}}}");
    let schemas = [String::from("offgrid"), String::from("gpustack")];
    add(&mut sources, &Wanted { schemas: &schemas, is_facade: false, is_demo: true }).unwrap();
    let layer = sources.generated.unwrap().1;
    let (pages, marks) = (layer.matches("target_info:").count(), layer.matches("demo: \"true\"").count());
    assert!(pages > 1 && pages == marks, "{layer}");
}
