//! What a person at a terminal sees: commands, errors, exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::process::{Command, Output};

use integration::{Collector, binary};

fn run(arguments: &[&str], files: &[(&str, &str)]) -> (Output, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let output = Command::new(binary()).args(arguments).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    (output, text)
}

#[track_caller]
fn check(arguments: &[&str], files: &[(&str, &str)], code: i32, expected: &[&str]) {
    let (output, text) = run(arguments, files);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in expected {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

const GOOD: &str = "
receivers:
  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:9
    headers: {Authorization: 'Bearer canary-secret'}
service:
  pipelines:
    metrics: {receivers: [otlp], exporters: [otlp_http]}
";

#[test]
fn a_good_file_is_valid() {
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", GOOD)], 0, &["configuration is valid"]);
    check(&["validate"], &[], 0, &["configuration is valid: the built-in default"]);
}

#[test]
fn all_problems_of_a_file_are_told_at_once_with_their_places() {
    let bad = "
receivers:
  otlp: {protocols: {grpc: {endpont: '127.0.0.1:0'}}}
  prometeus: {}
processors:
  filter: {metrics: 5}
exporters:
  otlp_http: {endpoint: http://127.0.0.1:9, timeout: 5}
service:
  pipelines:
    metrics: {receivers: [otlp, hots_metrics], exporters: [otlp_htp]}
";
    let expected = [
        "a.yaml:4:3: receivers.prometeus: unknown receiver `prometeus`; did you mean `prometheus`?",
        "service.pipelines.metrics.receivers: references `hots_metrics`",
        "service.pipelines.metrics.exporters: references `otlp_htp` which is not configured under `exporters`; did you mean `otlp_http`?",
        "a.yaml:3:",
        "endpont",
        "did you mean `endpoint`?",
        "expected a duration such as `15s`",
    ];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", bad)], 2, &expected);
    check(&["--config", "a.yaml"], &[("a.yaml", bad)], 2, &expected);
}

#[test]
fn a_mistake_in_telemetry_hides_no_other() {
    let bad = "
receivers:
  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}
exporters:
  debug: {}
service:
  telemetry:
    logs: {level: loud}
    metrics:
      address: nowhere
      readers:
        - periodic: {exporter: {otlp: {endpoint: 'https://127.0.0.1:4317', headers: {'a b': x}}}}
        - {}
  pipelines:
    metrics: {receivers: [otlp], exporters: [debgu]}
";
    let expected = [
        "a.yaml:8:19: service.telemetry.logs.level: expected one of",
        "a.yaml:10:16: service.telemetry.metrics.address: expected `HOST:PORT`",
        "service.telemetry.metrics.readers[0].periodic.exporter.otlp.headers.a b: expected a header name",
        "service.telemetry.metrics.readers[1]: expected either `pull` or `periodic`",
        "references `debgu` which is not configured under `exporters`; did you mean `debug`?",
    ];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", bad)], 2, &expected);
    let (_, text) = run(&["validate", "--config", "a.yaml"], &[("a.yaml", bad)]);
    assert!(!text.contains("no pipeline"), "{text}");
}

/// What is wrong with a file, without the places.
fn problems(file: &str) -> Vec<String> {
    let (output, text) = run(&["validate", "--config", "a.yaml"], &[("a.yaml", file)]);
    assert_eq!(output.status.code(), Some(2), "{text}");
    text.lines().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
}

#[test]
fn what_does_not_fit_hides_nothing_else_in_its_section_and_has_no_consequences() {
    let bad = "
receivers:
  otlp: {protocols: {grpc: {endpoint: nowhere, max_recv_msg_size_mib: x}}}
  host_metrics: {collection_interval: 5, scrapers: 6}
processors:
  filter: {error_mode: loud, metrics: {metric: ['IsMatch(']}}
  relabel: {rules: 5}
exporters:
  otlp_http: {endpoint: 'ftp://127.0.0.1:9', timeout: 5, headers: {'a b': x}}
  otlp_grpc: {endpoint: {}, timeout: 5}
  prometheus: {endpoint: 'nowhere', send_timestamps: 1, path: x}
extensions:
  basic_auth: {client_auth: 5}
service:
  extensions: [basic_auth]
  pipelines:
    metrics: {receivers: otlp/1, processors: [filter, relabel], exporters: {}}
";
    let found = problems(bad);
    let expected = [
        "receivers.otlp.protocols.grpc.endpoint:",
        "receivers.otlp.protocols.grpc.max_recv_msg_size_mib:",
        "receivers.host_metrics.collection_interval:",
        "receivers.host_metrics.scrapers:",
        "processors.filter.error_mode:",
        "processors.filter.metrics.metric[0]:",
        "processors.relabel.rules:",
        "exporters.otlp_http.endpoint:",
        "exporters.otlp_http.timeout:",
        "exporters.otlp_http.headers.a b:",
        "exporters.otlp_grpc.endpoint:",
        "exporters.otlp_grpc.timeout:",
        "exporters.prometheus.endpoint:",
        "exporters.prometheus.send_timestamps:",
        "exporters.prometheus.path:",
        "extensions.basic_auth.client_auth:",
        "service.pipelines.metrics.receivers:",
        "service.pipelines.metrics.exporters:",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for path in expected {
        assert!(found.iter().any(|problem| problem.starts_with(path)), "no {path} in {found:#?}");
    }
}

#[test]
fn pipelines_of_the_wrong_kind_are_one_problem() {
    let file = GOOD.replace("    metrics: {receivers: [otlp], exporters: [otlp_http]}", "    [metrics]");
    assert_eq!(problems(&file), ["service.pipelines: expected a map, got a list"]);
}

#[test]
fn an_id_with_a_slash_needs_a_name() {
    let file = GOOD.replace("otlp:", "otlp/:").replace("[otlp]", "[otlp/]").replace("metrics:", "metrics/:");
    let expected = ["receivers.otlp/", "service.pipelines.metrics/"]
        .map(|path| format!("{path}: the name after `/` is empty; write `"));
    let found = problems(&file);
    assert!(
        found.len() == 2 && found[0].starts_with(&expected[0]) && found[1].starts_with(&expected[1]),
        "{found:?}"
    );
}

#[test]
fn the_authorities_of_clients_are_asked_for_by_their_name() {
    let exporter = "prometheus: {endpoint: '127.0.0.1:0', tls: {cert_file: a, key_file: b, ca_file: c}}";
    let file = GOOD.replace("exporters:\n", &format!("exporters:\n  {exporter}\n"));
    let found = problems(&file);
    assert!(
        found.len() == 1 && found[0].starts_with("exporters.prometheus.tls.ca_file: a server has"),
        "{found:?}"
    );
    assert!(found[0].contains("client_ca_file"), "{found:?}");
}

#[test]
fn warnings_stand_beside_the_problems_they_may_cause() {
    let bad = GOOD.replace("http://127.0.0.1:9", "'${env:NOT_SET_ANYWHERE}'");
    let expected = ["warning: ", "NOT_SET_ANYWHERE", "exporters.otlp_http.endpoint: "];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &bad)], 2, &expected);
}

#[test]
fn what_telemetry_has_elsewhere_is_taken_and_told() {
    let telemetry = "
  telemetry:
    logs:
      development: true
      disable_caller: true
      disable_stacktrace: true
      sampling: {enabled: true, tick: 10s, initial: 10, thereafter: 100}
      output_paths: [stdout]
      error_output_paths: [stderr]
      initial_fields: {a: b}
      processors: [batch: {}]
    metrics:
      views: [{selector: {}}]
      readers:
        - periodic: {exporter: {otlp: {endpoint: 'http://a:1', headers: [{name: a, value: hunter2}]}}}
    traces: {processors: []}
";
    let file = format!("{}{telemetry}", GOOD.trim_end());
    let expected = [
        "configuration is valid",
        "warning: service.telemetry.logs.initial_fields: has no effect; no fields are added to the log",
        "warning: service.telemetry.metrics.views: has no effect",
        "warning: service.telemetry.traces: has no effect",
    ];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &file)], 0, &expected);
    let (output, text) = run(&["print-config", "--config", "a.yaml"], &[("a.yaml", &file)]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("views:"), "{text}");
}

#[test]
fn sections_that_are_not_here_yet_are_told_from_slips() {
    let file = format!("connectors: {{forward: }}\n{GOOD}");
    let expected = ["a.yaml:1:1: connectors: connectors are not available here yet"];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &file)], 2, &expected);
}

#[test]
fn the_problems_of_several_files_are_told_file_by_file() {
    let (a, b) = ("receivers:\n  a:\n  b:\n", "exporters:\n  a:\n  b:\n");
    let (_, text) =
        run(&["validate", "--config", "a.yaml", "--config", "b.yaml"], &[("a.yaml", a), ("b.yaml", b)]);
    let mut files: Vec<_> =
        text.lines().filter_map(|line| line.split_once(".yaml:")).map(|(file, _)| file).collect();
    files.dedup();
    assert_eq!(files, ["a", "b"], "{text}");
}

/// As it is written for an OpenTelemetry Collector.
const STOCK: &str = "
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:0
      http:
        endpoint: 127.0.0.1:0
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 25
    min_gc_interval_when_soft_limited: 10s
  batch:
    timeout: 1s
    send_batch_size: 1024
    send_batch_max_size: 2048
exporters:
  otlphttp:
    endpoint: http://127.0.0.1:9
  otlp:
    endpoint: 127.0.0.1:9
    tls: {insecure: true}
  debug:
    verbosity: basic
service:
  pipelines:
    metrics:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlphttp, otlp, debug]
";

#[test]
fn the_usual_file_of_an_opentelemetry_collector_is_taken_as_it_is() {
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", STOCK)], 0, &["configuration is valid"]);
    let bad = STOCK.replace("    check_interval: 1s\n", "").replace("max_size: 2048", "max_size: 10");
    let expected = [
        "a.yaml:10:3: processors.memory_limiter.check_interval: expected more than `0s`; write `check_interval: 1s`",
        "processors.batch.send_batch_max_size: expected `0` for no limit or at least `send_batch_size`, which is `1024`, got \
         `10`",
    ];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &bad)], 2, &expected);
}

#[test]
fn a_component_that_is_not_here_yet_is_told_from_a_slip() {
    let bad = "
receivers:
  otlp: {protocols: {grpc: }}
processors:
  transform:
  metricstransform: {transforms: []}
exporters:
  debug: {}
extensions:
  opamp: {}
service:
  extensions: [opamp]
  pipelines:
    metrics: {receivers: [otlp], processors: [transform, metricstransform], exporters: [debug]}
    traces: {receivers: [otlp], exporters: [debug]}
";
    let expected = [
        "a.yaml:5:3: processors.transform: there is no processor `transform` here yet; use `attributes`",
        "a.yaml:6:3: processors.metricstransform: there is no processor `metricstransform` here yet; use `relabel`",
        "a.yaml:10:3: extensions.opamp: there is no extension `opamp` here yet",
        "service.pipelines.traces: signal `traces` is not collected",
    ];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", bad)], 2, &expected);
}

#[test]
fn an_authenticator_must_be_in_service_and_hides_nothing_when_it_is_wrong() {
    let file = "
extensions:
  bearer_token_auth: {token: a}
receivers:
  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}
exporters:
  otlp_http: {endpoint: http://127.0.0.1:9, auth: {authenticator: bearer_token_auth}}
  debug: {}
service:
  extensions: []
  pipelines:
    metrics: {receivers: [otlp], exporters: [otlp_http, debug]}
";
    let expected = [
        "a.yaml:7:67: exporters.otlp_http.auth.authenticator: no authenticator `bearer_token_auth` is in service",
    ];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", file)], 2, &expected);
    let listed = file.replace("extensions: []", "extensions: [bearer_token_auth]");
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &listed)], 0, &["configuration is valid"]);
    let bad = listed.replace("token: a", "tokne: a").replace("debug: {}", "debug: {verbosity: loud}");
    let expected =
        ["extensions.bearer_token_auth.tokne: unknown key", "exporters.debug.verbosity: expected one of"];
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &bad)], 2, &expected);
    let (_, text) = run(&["validate", "--config", "a.yaml"], &[("a.yaml", &bad)]);
    assert!(!text.contains("no authenticator"), "{text}");
}

#[test]
fn what_fails_at_the_start_is_named() {
    let file = GOOD.replace(
        "endpoint: http://127.0.0.1:9",
        "endpoint: https://127.0.0.1:9\n    tls: {ca_file: /nowhere/ca.pem}",
    );
    let set = "service.telemetry.metrics.level=none";
    let expected = ["exporters.otlp_http", "/nowhere/ca.pem"];
    check(&["--config", "a.yaml", "--set", set], &[("a.yaml", &file)], 1, &expected);
}

#[test]
fn secrets_are_not_printed() {
    let (output, text) = run(&["print-config", "--config", "a.yaml"], &[("a.yaml", GOOD)]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("<redacted>") && !text.contains("canary-secret"), "{text}");
    assert!(text.contains("endpoint: http://127.0.0.1:9"), "{text}");
}

#[test]
fn what_is_printed_is_valid_again() {
    let (output, _) = run(&["print-config"], &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &text)], 0, &["configuration is valid"]);
    // No value takes an attribute of the collector's resource away.
    let without = format!("{GOOD}  telemetry: {{resource: {{service.instance.id: null}}}}\n");
    check(
        &["print-config", "--config", "a.yaml"],
        &[("a.yaml", &without)],
        0,
        &["service.instance.id: null"],
    );
}

#[test]
fn flags_go_over_files() {
    let arguments = ["print-config", "--config", "a.yaml", "--set", "exporters.otlp_http.timeout=7s"];
    check(&arguments, &[("a.yaml", GOOD)], 0, &["timeout: 7s"]);
}

#[test]
fn components_are_listed_and_shown() {
    check(&["components"], &[], 0, &["receivers:", "otlp", "host_metrics", "prometheus", "relabel", "debug"]);
    let keys =
        ["endpoint", "max_elapsed_time: 5m", "auth, compression_params.level, preset, sending_queue.batch"];
    check(&["components", "otlp_http"], &[], 0, &keys);
    check(
        &["components", "prometheus_remote_write"],
        &[],
        0,
        &[" retry_statuses,", " translation_strategy", "cors"],
    );
    check(&["components", "otlp_htp"], &[], 2, &["did you mean `otlp_http`?"]);
}

#[test]
fn a_pattern_too_large_to_compile_is_an_error_with_its_place() {
    let relabel = |regex: &str| {
        GOOD.replace("exporters:\n  otlp_http", &format!("processors:\n  relabel: {{rules: [{{source_labels: [a], regex: '{regex}', action: keep}}]}}\nexporters:\n  otlp_http"))
            .replace("receivers: [otlp],", "receivers: [otlp], processors: [relabel],")
    };
    let words: Vec<String> = (0..1_000).map(|index| format!("{index}x")).collect();
    let huge = relabel(&format!("({}){{1000}}", words.join("|")));
    let nested = relabel("((((a{1000}){1000}){1000}){1000}){1000}");
    let long = relabel(&"a".repeat(4 << 20));
    for text in [huge, nested, long] {
        let start = std::time::Instant::now();
        let (output, told) = run(&["validate", "--config", "a.yaml"], &[("a.yaml", &text)]);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("processors.relabel.rules[0]"), "{}", &told[..told.len().min(500)]);
        assert!(told.len() < 10_000, "an error of {} bytes", told.len());
        assert!(start.elapsed() < std::time::Duration::from_mins(2), "{:?}", start.elapsed());
    }
    check(&["validate", "--config", "a.yaml"], &[("a.yaml", &relabel("(a+)+b"))], 0, &["is valid"]);
}

#[test]
fn a_missing_file_and_an_unknown_flag_are_usage_errors() {
    check(&["validate", "--config", "missing.yaml"], &[], 2, &["missing.yaml"]);
    check(&["--no-such-flag"], &[], 2, &["--no-such-flag"]);
    check(&["--version"], &[], 0, &["inferometer"]);
}

#[test]
fn a_taken_port_is_an_error_that_names_the_port_and_the_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = GOOD.replace("127.0.0.1:0", &address);
    let set = "service.telemetry.metrics.level=none";
    let expected = [address.as_str(), "receivers.otlp.protocols.grpc.endpoint"];
    check(&["--config", "a.yaml", "--set", set], &[("a.yaml", &config)], 1, &expected);
}

#[test]
fn an_exposition_is_checked_strictly() {
    use std::io::Write;
    let check = |format: &str, text: &str, code: i32| {
        let mut child = Command::new(binary())
            .args(["validate", "--exposition", format])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{text}");
    };
    check("text", "# TYPE a counter\na 1\n", 0);
    check("text", "a{ 1\n", 1);
    check("openmetrics", "# TYPE a counter\na_total 1\n# EOF\n", 0);
    check("openmetrics", "# TYPE a counter\na_total 1\n", 1);
}

#[tokio::test]
async fn own_metrics_that_cannot_be_pushed_are_told() {
    let telemetry = "
  telemetry:
    metrics:
      readers:
        - periodic: {interval: 100ms, exporter: {otlp: {endpoint: 'http://127.0.0.1:9'}}}
";
    let mut collector = Collector::start(&format!("{}{telemetry}", GOOD.trim_end())).await;
    collector.wait_for_log("the collector's own metrics could not be pushed").await;
    assert!(collector.log().contains("endpoint=\"http://127.0.0.1:9\""), "{}", collector.log());
    collector.stop().await;
}
