use config::Section;

use super::*;

fn read(text: &str) -> (Config, Vec<String>) {
    let section = Section::from_yaml("receivers.prometheus", text).unwrap();
    let config: Config = section.read().unwrap();
    let problems = problems(&config, &section).iter().map(ToString::to_string).collect();
    (config, problems)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let (_, problems) = read(text);
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "{problem}\nexpected {expected}");
    }
}

#[test]
fn the_example_is_valid_and_defaults_are_those_of_prometheus() {
    let (config, problems) = read(crate::prometheus::EXAMPLE);
    assert_eq!(problems, [""; 0]);
    let job = &config.config.scrape_configs[0];
    assert_eq!(job.interval(&config.config.global), Duration::from_secs(15));
    assert_eq!(job.timeout(&config.config.global), Duration::from_secs(10));
    assert!(job.honor_timestamps && job.follow_redirects && job.enable_http2 && !job.honor_labels);
    assert_eq!(job.body_size_limit(&config.config.global), ByteSize::mib(64));
    let (config, _) = read("config: {scrape_configs: [{job_name: j, scrape_interval: 5s}]}");
    assert_eq!(config.config.scrape_configs[0].timeout(&config.config.global), Duration::from_secs(5));
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    check(
        "strict: true\nuse_start_time_metric: true\nconfig:\n  remote_write: [{url: x}]\n  scrape_configs:\n\
         \x20 - job_name: a\n    scrape_interval: 5s\n    scrape_timeout: 6s\n    file_sd_configs: [{files: [x]}]\n\
         \x20   relabel_configs: [{regex: '('}]\n    basic_auth: {password: p}\n    oauth2: {}\n\
         \x20   static_configs: [{targets: ['http://x:1/metrics', 'unix://x', 'ok:1', 'u:hush@h:1']}]\n\
         \x20   http_headers: {Host: {values: [x]}}\n    tls_config: {cert_file: x}\n\
         \x20 - job_name: a\n    scrape_protocols: [PrometheusProto]\n",
        &[
            "receivers.prometheus.use_start_time_metric: start times are not guessed",
            "receivers.prometheus.config.remote_write: does not belong here",
            "receivers.prometheus.config.scrape_configs[0].scrape_timeout: expected at most `scrape_interval`, `5s`, got `6s`",
            "receivers.prometheus.config.scrape_configs[0].relabel_configs[0]",
            "receivers.prometheus.config.scrape_configs[0].relabel_configs[0]",
            "receivers.prometheus.config.scrape_configs[0].file_sd_configs: not available yet",
            "receivers.prometheus.config.scrape_configs[0].oauth2: not available yet",
            "receivers.prometheus.config.scrape_configs[0].basic_auth.username: expected either",
            "receivers.prometheus.config.scrape_configs[0].http_headers: `Host` is set by the scrape",
            "receivers.prometheus.config.scrape_configs[0].tls_config.key_file",
            "receivers.prometheus.config.scrape_configs[0].static_configs[0].targets[0]: expected `host:port`",
            "receivers.prometheus.config.scrape_configs[0].static_configs[0].targets[1]: expected `unix:///path`",
            "receivers.prometheus.config.scrape_configs[0].static_configs[0].targets[3]: expected `host:port`, got credentials before `@h:1`",
            "receivers.prometheus.config.scrape_configs[1].job_name: `a` is the name of two jobs",
            "receivers.prometheus.config.scrape_configs[1].scrape_protocols[0]: `PrometheusProto`",
        ],
    );
    check("{}", &["config.scrape_configs: expected at least one job"]);
}

#[test]
fn an_unknown_key_is_an_error() {
    let section = Section::from_yaml("receivers.prometheus", "config: {scrape_config: []}").unwrap();
    assert!(section.read::<Config>().unwrap_err().to_string().contains("scrape_config"));
}

#[test]
fn secrets_do_not_print() {
    let text = "config: {scrape_configs: [{job_name: j, bearer_token: hush, basic_auth: {username: u, password: hush}}]}";
    let section = Section::from_yaml("receivers.prometheus", text).unwrap();
    let shown = format!("{:?}", config::effective::<Config>(&section).unwrap());
    assert!(!shown.contains("hush"), "{shown}");
    assert!(!shown.contains("file_sd_configs"), "{shown}");
}
