use std::time::Duration;

use config::Section;
use pipeline::relabel::Rules;

use super::*;
use crate::prometheus::config::Config;

fn make(job: &str) -> (Vec<Target>, Vec<String>) {
    let text: String = job.lines().flat_map(|line| ["      ", line, "\n"]).collect();
    let text = format!("config:\n  scrape_configs:\n    - job_name: j\n{text}");
    let config: Config = Section::from_yaml("receivers.prometheus", &text).unwrap().read().unwrap();
    let job = &config.config.scrape_configs[0];
    targets(job, &config.config.global, &Rules::compile(&job.relabel_configs).unwrap())
}

#[track_caller]
fn check(job: &str, expected: &[&str]) {
    let (targets, problems) = make(job);
    let shown = targets.iter().map(|target| {
        let labels = target.identity.labels.iter().map(|(name, value)| format!("{name}={value}"));
        format!("{} {}", target.url, labels.collect::<Vec<_>>().join(","))
    });
    assert_eq!(shown.chain(problems).collect::<Vec<_>>(), expected, "{job}");
}

#[test]
fn targets_come_from_addresses_and_rules() {
    check(
        "static_configs: [{targets: ['a:1', 'a:1', b]}]",
        &["http://a:1/metrics instance=a:1,job=j", "http://b/metrics instance=b,job=j"],
    );
    check(
        "scheme: https\nmetrics_path: m\nstatic_configs: [{targets: ['[::1]:9'], labels: {instance: i, x: y}}]",
        &["https://[::1]:9/m instance=i,job=j,x=y"],
    );
    check(
        "params: {module: [http, tcp]}\nstatic_configs: [{targets: [t]}]\nrelabel_configs:\n\
         - {source_labels: [__address__], target_label: __param_target}\n\
         - {source_labels: [__param_target], target_label: instance}\n\
         - {target_label: __address__, replacement: 'probe:9115'}",
        &["http://probe:9115/metrics?module=http&module=tcp&target=t instance=t,job=j"],
    );
    check(
        "static_configs: [{targets: [a, b]}]\nrelabel_configs: [{source_labels: [__address__], regex: a, action: drop}]",
        &["http://b/metrics instance=b,job=j"],
    );
    check(
        "static_configs: [{targets: [a]}]\nrelabel_configs: [{target_label: __scrape_timeout__, replacement: 2m}]",
        &["target `a` of job `j`: its timeout, `2m`, is longer than its interval, `1m`"],
    );
}

#[test]
fn addresses_are_host_and_port() {
    assert!(check_address("a:1").is_ok());
    assert!(check_address("[::1]:1").is_ok());
    assert!(check_address("unix:///run/x.sock").is_ok());
    for wrong in ["", "http://a", "a/b", "u@a", "a:b", "unix://", "a b"] {
        assert!(check_address(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_target_keeps_its_phase() {
    let (targets, _) = make("scrape_interval: 10s\nstatic_configs: [{targets: ['a:1', 'b:1']}]");
    let offset = targets[0].offset("host");
    assert!(offset < Duration::from_secs(10));
    assert_ne!(offset, targets[1].offset("host"));
    assert_ne!(offset, targets[0].offset("other"));
    for now in [0_u64, 3_000_000_000, 1_800_000_004_567_890_123] {
        let first = targets[0].first("host", now);
        assert!(first < Duration::from_secs(10));
        assert_eq!((now + first.as_nanos() as u64) % 10_000_000_000, offset.as_nanos() as u64);
    }
}

#[test]
fn the_shown_url_has_no_secrets() {
    let (targets, _) = make("params: {key: [secret]}\nstatic_configs: [{targets: ['a:1']}]");
    assert_eq!(targets[0].shown_url(), "http://a:1/metrics");
}
