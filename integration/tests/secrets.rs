//! What must never be read anywhere: secrets. And what must not break a log: what others say.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::process::Command;
use std::time::Duration;

use integration::{
    Backend, Behaviour, Collector, Load, Peer, Reply, binary, get, get_with, job, request, scraping,
    wait_until, with_pipeline,
};
use tonic::Code;

/// Every place of the file that takes a secret, each with one of its own, inline, from a variable, or in a file.
fn config(folder: &std::path::Path, target: &str, backend: &str, http: &str) -> String {
    let file = |name: &str| {
        let path = folder.join(name);
        std::fs::write(&path, format!("canary-{name}\n")).unwrap();
        path.display().to_string()
    };
    let (token, password, credentials, users) =
        (file("token"), file("password"), file("credentials"), file("users"));
    std::fs::write(&users, "u:canary-users\n").unwrap();
    format!(
        "
extensions:
  basic_auth/inline: {{client_auth: {{username: u, password: canary-inline}}}}
  basic_auth/file: {{client_auth: {{username: u, password_file: '{password}'}}}}
  basic_auth/server: {{htpasswd: {{file: '{users}', inline: 'v:canary-htpasswd'}}}}
  bearer_token_auth/env: {{token: '${{env:CANARY}}'}}
  bearer_token_auth/file: {{filename: '{token}'}}
  bearer_token_auth/embedded: {{tokens: ['${{file:{token}}}', canary-second]}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0', auth: {{authenticator: basic_auth/server}}}}, http: {{endpoint: '127.0.0.1:0', response_headers: {{X-Key: canary-response}}}}}}}}
  prometheus:
    config:
      scrape_configs:
        - {{job_name: a, scrape_interval: 1s, scrape_timeout: 1s, basic_auth: {{username: u, password: canary-scrape}}, static_configs: [{{targets: ['{target}']}}]}}
        - {{job_name: b, scrape_interval: 1s, scrape_timeout: 1s, authorization: {{credentials_file: '{credentials}'}}, static_configs: [{{targets: ['{target}']}}]}}
        - {{job_name: c, scrape_interval: 1s, scrape_timeout: 1s, bearer_token: 'canary-${{env:CANARY}}', static_configs: [{{targets: ['{target}']}}]}}
        - {{job_name: d, scrape_interval: 1s, scrape_timeout: 1s, http_headers: {{X-Key: {{secrets: [canary-header]}}}}, static_configs: [{{targets: ['{target}']}}]}}
        - {{job_name: e, scrape_interval: 1s, scrape_timeout: 1s, params: {{token: [canary-query]}}, static_configs: [{{targets: ['{target}']}}]}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
  otlp_grpc/inline: {{endpoint: 'http://{backend}', headers: {{X-Key: canary-grpc}}, auth: {{authenticator: basic_auth/inline}}}}
  otlp_grpc/file: {{endpoint: 'http://{backend}', auth: {{authenticator: bearer_token_auth/file}}}}
  otlp_http/env: {{endpoint: 'http://{http}', headers: {{X-Key: '${{env:CANARY}}'}}, auth: {{authenticator: bearer_token_auth/env}}}}
  otlp_http/file: {{endpoint: 'http://{http}', auth: {{authenticator: basic_auth/file}}}}
service:
  extensions: [basic_auth/inline, basic_auth/file, basic_auth/server, bearer_token_auth/env, bearer_token_auth/file, bearer_token_auth/embedded]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}, {{periodic: {{interval: 1s, exporter: {{otlp: {{endpoint: 'http://{backend}', headers: {{X-Key: canary-own}}}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp, prometheus], exporters: [prometheus, otlp_grpc/inline, otlp_grpc/file, otlp_http/env, otlp_http/file]}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_log_a_page_or_a_dump() {
    let folder = tempfile::tempdir().unwrap();
    let target = Peer::saying(Reply::new(401, "WWW-Authenticate: Basic\r\n", "no")).await;
    let http = Peer::saying(Reply::new(403, "", "no")).await;
    let backend = Backend::start(Behaviour::Refuse(Code::Unauthenticated)).await;
    let text = config(folder.path(), &target.address, &backend.address, &http.address);
    let variables = [("CANARY", "canary-env")];
    let mut collector = Collector::spawn_with(&text, &["--log-level", "trace"], &variables);
    collector.wait_for_log("INFO ready").await;
    let grpc = format!("http://{}", collector.address("gRPC on "));
    let load = Load {
        endpoint: grpc,
        source: String::from("a"),
        requests: 1,
        points_per_request: 1,
        interval: Duration::ZERO,
    };
    assert_eq!(load.run().await.acknowledged, 0, "no credentials");
    let pushed = request(
        &collector.address("HTTP on http://"),
        "POST /v1/metrics HTTP/1.1",
        &["Content-Type: application/json", "Authorization: Bearer canary-request"],
        br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"}]}}]}]}]}"#,
    )
    .await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    // Each exporter and each job has shown its secret, and has been refused.
    let shown = || async { target.requests() >= 5 && http.requests() >= 2 && backend.requests() >= 2 };
    wait_until("all secrets to be shown to whom they are for", shown, || collector.log()).await;
    collector.reload(&text.replace("canary-inline", "canary-changed")).await;
    collector.wait_for_log("reloaded").await;
    // Mistakes next to secrets.
    collector
        .reload(&text.replace("password: canary-inline", "password: {canary-inline: canary-value}"))
        .await;
    collector.wait_for_log("stays in force").await;
    let page = collector.page().await;
    let own = get(&collector.address("own metrics at http://"), "/metrics").await.text();
    let lost = get(&collector.address("pull endpoint at http://"), "/nowhere?token=canary-path").await.text();
    collector.stop().await;
    let heads: String = target.seen().into_iter().chain(http.seen()).map(|seen| seen.head).collect();
    for shown in
        ["canary-credentials", "canary-canary-env", "canary-header", "canary-query", "bearer canary-env"]
    {
        assert!(heads.contains(shown), "{shown} was not shown");
    }
    for (what, text) in [
        ("log", collector.log()),
        ("output", collector.output()),
        ("page", page),
        ("own metrics", own),
        ("answer", lost),
    ] {
        let line = text.lines().find(|line| line.contains("canary"));
        assert_eq!(line, None, "{what}");
    }
}

/// Runs a command on a file; returns everything it printed.
fn printed(command: &str, text: &str) -> String {
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let output = Command::new(binary())
        .args([command, "--config"])
        .arg(file.path())
        .env("CANARY", "canary-env")
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn no_secret_is_in_the_printed_configuration_or_in_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let text = config(folder.path(), "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3");
    let shown = printed("print-config", &text);
    assert!(shown.contains("<redacted>"), "{shown}");
    let told = printed("validate", &text);
    assert!(told.contains("configuration is valid"), "{told}");
    // A query is part of a URL, not a secret by itself, and is shown where the configuration is.
    let shown = shown.replace("canary-query", "");
    for (what, text) in [("print-config", &shown), ("validate", &told)] {
        assert!(!text.contains("canary"), "{what}:\n{text}");
    }
    let mistakes = [
        ("password: canary-inline", "password: {canary-inline: canary-value}"),
        ("password: canary-inline", "password: [canary-value]"),
        ("headers: {X-Key: canary-grpc}", "headers: [canary-value]"),
        ("headers: {X-Key: canary-grpc}", "headers: canary-value"),
        ("headers: {X-Key: canary-grpc}", r#"headers: {X-Key: "canary\nvalue"}"#),
        ("headers: {X-Key: '${env:CANARY}'}", "headers: {X-Key: {a: '${env:CANARY}'}}"),
        ("timeout: 1s, basic_auth", "timeout: '${env:CANARY}', basic_auth"),
        ("{token: '${env:CANARY}'}", "{token: ['${env:CANARY}']}"),
        ("{secrets: [canary-header]}", "{secrets: {a: canary-header}}"),
        ("endpoint: 'http://127.0.0.1:3'", "endpoint: 'http://user:canary-url@127.0.0.1:3'"),
        ("endpoint: 'http://127.0.0.1:2'", "endpoint: 'http://user:canary-url@127.0.0.1:2'"),
        ("inline: 'v:canary-htpasswd'", "inline: 'v:$2y$10$canary'"),
    ];
    for (good, bad) in mistakes {
        assert!(text.contains(good), "`{good}` is not in the file");
        let told = printed("validate", &text.replace(good, bad));
        assert!(!told.contains("configuration is valid"), "`{bad}` passes");
        assert!(!told.contains("canary"), "`{bad}`:\n{told}");
    }
}

/// Nothing in the log that a terminal would obey, and no line of a length that only others decide.
#[track_caller]
fn check_log(log: &str) {
    for line in log.lines() {
        assert!(line.len() <= 4_096, "a line of {} bytes: {}", line.len(), &line[..200]);
        let control = line.chars().find(|c| c.is_control() && *c != '\t');
        assert_eq!(control, None, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_say_cannot_break_or_fill_the_log() {
    let evil = format!("\u{1b}[31mred\u{7}\r\nERROR forged\n\0{}", "x".repeat(1 << 20));
    let target = Peer::saying(Reply::page(format!("a{{b=\"{evil}\" 1\n"))).await;
    let type_ =
        Peer::saying(Reply::new(200, &format!("Content-Type: text/evil{}\r\n", "x".repeat(8_000)), "")).await;
    let location = Peer::saying(Reply::redirect(&format!("ftp://{}\u{1b}[31m", "x".repeat(8_000)))).await;
    let reason =
        Peer::saying(Reply::Bytes(b"HTTP/1.1 500 \x1b[31mred\r\nContent-Length: 0\r\n\r\n".to_vec())).await;
    let refusing = Peer::saying(Reply::new(400, "Content-Type: text/plain\r\n", &evil)).await;
    let json = serde_json::json!({"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": evil}});
    let partial = Peer::saying(Reply::new(200, "Content-Type: application/json\r\n", json.to_string())).await;
    let jobs = [
        job("t", &target.address, ""),
        job("u", &type_.address, ""),
        job("v", &location.address, ""),
        job("w", &reason.address, ""),
    ];
    let section = scraping(&jobs);
    let section = section.lines().find_map(|line| line.trim().strip_prefix("prometheus: {config")).unwrap();
    let endpoint = |peer: &Peer| format!("{{endpoint: '{}'}}", peer.url());
    let exporters = [
        ("otlp_http/refusing", &*endpoint(&refusing)),
        ("otlp_http/partial", &*endpoint(&partial)),
        ("debug", "{verbosity: detailed}"),
    ];
    let config = with_pipeline(&[("prometheus", &format!("{{config{section}"))], &exporters);
    let mut collector = Collector::spawn(&config, &["--log-level", "debug"]);
    collector.wait_for_log("INFO ready").await;
    let (http, pull) = (collector.address("HTTP on http://"), collector.address("pull endpoint at http://"));
    let text = serde_json::json!({"stringValue": evil});
    let body = serde_json::json!({"resourceMetrics": [{"resource": {"attributes": [{"key": "service.name", "value": text}]},
        "scopeMetrics": [{"scope": {"name": evil, "version": evil}, "metrics": [
            {"name": "m", "description": evil, "unit": evil, "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": "1", "attributes": [{"key": evil, "value": text}]}]}},
            {"name": evil, "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": "1"}]}},
            {"name": "broken", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {"timeUnixNano": "1", "count": "1", "bucketCounts": ["1"], "explicitBounds": [1, 2], "attributes": [{"key": "a", "value": text}]}]}}]}]}]});
    let json = "Content-Type: application/json";
    let answer = request(&http, "POST /v1/metrics HTTP/1.1", &[json], body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body.len() < 4_096, "an answer of {} bytes", answer.body.len());
    for path in [format!("/{}", "x".repeat(5_000)), String::from("/%1b[31m")] {
        get_with(&pull, &path, &["User-Agent: \u{1b}[31m"]).await;
        request(&http, &format!("POST {path} HTTP/1.1"), &[json], b"{\"a\x1b").await;
    }
    request(&http, "POST /v1/metrics HTTP/1.1", &[json], format!("{{\"{evil}").as_bytes()).await;
    let asked = || async { refusing.requests() > 0 && partial.requests() > 0 && reason.requests() > 1 };
    wait_until("the exporters to be answered", asked, || collector.log()).await;
    collector.stop().await;
    check_log(&collector.log());
    assert!(!collector.log().contains("\nERROR forged"));
    // A person looks at these in a terminal too.
    let output = collector.output();
    assert!(output.contains("gauge"), "{output}");
    assert!(!output.contains('\u{1b}') && !output.contains("\nERROR forged"));
}
