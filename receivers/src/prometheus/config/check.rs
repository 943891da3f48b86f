//! What can be wrong with a configuration that reads well.

use std::collections::HashSet;

use ::http::{HeaderName, HeaderValue};
use config::{Problem, Section};
use pipeline::relabel::{RuleConfig, Rules};

use super::{Config, Global, Present, Protocol, Reserved, ScrapeConfig};

/// Everything that is wrong, with its path.
pub(crate) fn problems(config: &Config, section: &Section) -> Vec<Problem> {
    let mut check = Check { section, problems: Vec::new() };
    check.receiver(config);
    check.global(&config.config.global);
    if config.config.scrape_configs.is_empty() {
        check.report("config.scrape_configs", "expected at least one job");
    }
    let mut names = HashSet::new();
    for (index, job) in config.config.scrape_configs.iter().enumerate() {
        let path = format!("config.scrape_configs[{index}]");
        if !names.insert(job.job_name.as_str()) && !job.job_name.is_empty() {
            check.report(&format!("{path}.job_name"), format!("`{}` is the name of two jobs", job.job_name));
        }
        check.job(&path, job, &config.config.global);
    }
    check.problems
}

/// What is wrong with how a job's requests are sent.
pub(crate) fn http_problems(section: &Section, path: &str, job: &ScrapeConfig) -> Vec<Problem> {
    let mut check = Check { section, problems: Vec::new() };
    check.http(path, job);
    check.problems
}

/// Places in a body, and in what is remembered of it, are counted in 32 bits.
const BODY_SIZE_MAX: u64 = 1 << 30;

struct Check<'a> {
    section: &'a Section,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn report(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(self.section.problem(key, message));
    }

    fn refuse(&mut self, path: &str, keys: &[(&str, Present)], reason: &str) {
        for (key, present) in keys {
            if present.0 {
                let key = if path.is_empty() { (*key).to_owned() } else { format!("{path}.{key}") };
                self.report(&key, reason);
            }
        }
    }

    fn receiver(&mut self, config: &Config) {
        let not_yet = "not available yet";
        self.refuse(
            "",
            &[
                ("target_allocator", config.target_allocator),
                ("api_server", config.api_server),
                ("trim_metric_suffixes", config.trim_metric_suffixes),
            ],
            not_yet,
        );
        self.refuse(
            "",
            &[
                ("use_start_time_metric", config.use_start_time_metric),
                ("start_time_metric_regex", config.start_time_metric_regex),
            ],
            "start times are not guessed; remove the key",
        );
        let prometheus = &config.config;
        self.refuse("config", &[("scrape_config_files", prometheus.scrape_config_files)], not_yet);
        self.refuse(
            "config",
            &[
                ("remote_write", prometheus.remote_write),
                ("remote_read", prometheus.remote_read),
                ("rule_files", prometheus.rule_files),
                ("alerting", prometheus.alerting),
                ("storage", prometheus.storage),
                ("tracing", prometheus.tracing),
                ("otlp", prometheus.otlp),
            ],
            "does not belong here: a receiver only scrapes; exporters send what was scraped",
        );
    }

    fn global(&mut self, global: &Global) {
        if global.scrape_interval.is_zero() {
            self.report("config.global.scrape_interval", "expected more than zero");
        }
        if global.scrape_timeout > global.scrape_interval {
            self.report(
                "config.global.scrape_timeout",
                format!(
                    "expected at most `scrape_interval`, `{}`, got `{}`",
                    global.scrape_interval, global.scrape_timeout
                ),
            );
        }
        self.protocols("config.global.scrape_protocols", &global.scrape_protocols);
        if global.scrape_native_histograms {
            self.report("config.global.scrape_native_histograms", "not available yet");
        }
    }

    fn job(&mut self, path: &str, job: &ScrapeConfig, global: &Global) {
        let at = |key: &str| format!("{path}.{key}");
        if job.job_name.is_empty() {
            self.report(&at("job_name"), "expected a name");
        }
        let (interval, timeout) = (job.interval(global), job.timeout(global));
        if interval.is_zero() {
            self.report(&at("scrape_interval"), "expected more than zero");
        }
        if timeout > interval {
            let message = format!("expected at most `scrape_interval`, `{interval}`, got `{timeout}`");
            self.report(&at("scrape_timeout"), message);
        }
        if timeout.is_zero() && !interval.is_zero() {
            self.report(&at("scrape_timeout"), "expected more than zero");
        }
        if !(1..BODY_SIZE_MAX).contains(&job.body_size_limit(global).0) {
            self.report(&at("body_size_limit"), "expected more than zero and less than `1GiB`");
        }
        if let Some(protocols) = &job.scrape_protocols {
            self.protocols(&at("scrape_protocols"), protocols);
        }
        if job.fallback_scrape_protocol == Some(Protocol::PrometheusProto) {
            self.report(&at("fallback_scrape_protocol"), "`PrometheusProto` is not available yet");
        }
        if job.scrape_native_histograms == Some(true) {
            self.report(&at("scrape_native_histograms"), "not available yet");
        }
        self.rules(&at("relabel_configs"), &job.relabel_configs);
        self.rules(&at("metric_relabel_configs"), &job.metric_relabel_configs);
        self.not_available(path, job);
        self.http(path, job);
        for (index, group) in job.static_configs.iter().enumerate() {
            for (target_index, target) in group.targets.iter().enumerate() {
                if let Err(message) = crate::prometheus::target::check_address(target) {
                    self.report(&at(&format!("static_configs[{index}].targets[{target_index}]")), message);
                }
            }
        }
    }

    fn protocols(&mut self, path: &str, protocols: &[Protocol]) {
        for (index, protocol) in protocols.iter().enumerate() {
            let at = format!("{path}[{index}]");
            if *protocol == Protocol::PrometheusProto {
                self.report(&at, "`PrometheusProto` is not available yet");
            }
            if protocols[..index].contains(protocol) {
                self.report(&at, "a protocol that is there already");
            }
        }
        if protocols.is_empty() {
            self.report(path, "expected at least one protocol");
        }
    }

    fn rules(&mut self, path: &str, rules: &[RuleConfig]) {
        for (index, message) in Rules::compile(rules).err().into_iter().flatten() {
            self.report(&format!("{path}[{index}]"), message);
        }
    }

    fn not_available(&mut self, path: &str, job: &ScrapeConfig) {
        let keys = [
            ("file_sd_configs", job.file_sd_configs),
            ("http_sd_configs", job.http_sd_configs),
            ("dns_sd_configs", job.dns_sd_configs),
            ("kubernetes_sd_configs", job.kubernetes_sd_configs),
            ("consul_sd_configs", job.consul_sd_configs),
            ("docker_sd_configs", job.docker_sd_configs),
            ("ec2_sd_configs", job.ec2_sd_configs),
        ];
        self.refuse(path, &keys, "not available yet: list the targets in `static_configs`");
        let keys = [
            ("oauth2", job.oauth2),
            ("proxy_url", job.proxy_url),
            ("proxy_from_environment", job.proxy_from_environment),
            ("always_scrape_classic_histograms", job.always_scrape_classic_histograms),
            ("convert_classic_histograms_to_nhcb", job.convert_classic_histograms_to_nhcb),
            ("metric_name_validation_scheme", job.metric_name_validation_scheme),
            ("metric_name_escaping_scheme", job.metric_name_escaping_scheme),
        ];
        self.refuse(path, &keys, "not available yet");
    }

    fn http(&mut self, path: &str, job: &ScrapeConfig) {
        let at = |key: &str| format!("{path}.{key}");
        let has_token = !job.bearer_token.is_empty() || !job.bearer_token_file.is_empty();
        let ways = [job.basic_auth.is_some(), job.authorization.is_some(), has_token];
        if ways.iter().filter(|is_used| **is_used).count() > 1 {
            let message = "expected one of `basic_auth`, `authorization` and `bearer_token`, got several";
            self.report(&at("authorization"), message);
        }
        if let Some(basic) = &job.basic_auth {
            let has_one = basic.username.is_empty() != basic.username_file.is_empty();
            if !has_one {
                self.report(&at("basic_auth.username"), "expected either `username` or `username_file`");
            }
            if !basic.password.is_empty() && !basic.password_file.is_empty() {
                self.report(&at("basic_auth.password_file"), "expected either this or `password`, got both");
            }
        }
        if let Some(authorization) = &job.authorization {
            if authorization.credentials.is_empty() == authorization.credentials_file.is_empty() {
                let message = "expected either `credentials` or `credentials_file`";
                self.report(&at("authorization.credentials"), message);
            }
            if authorization.scheme.trim().eq_ignore_ascii_case("basic") {
                self.report(&at("authorization.type"), "for `Basic` use `basic_auth`");
            }
        }
        if !job.bearer_token.is_empty() && !job.bearer_token_file.is_empty() {
            self.report(&at("bearer_token_file"), "expected either this or `bearer_token`, got both");
        }
        for (name, header) in &job.http_headers {
            if HeaderName::try_from(name).is_err() {
                self.report(&at("http_headers"), format!("`{name}` is no header name"));
            } else if Reserved::has(name) {
                self.report(&at("http_headers"), format!("`{name}` is set by the scrape itself"));
            }
            if header.all().any(|value| HeaderValue::try_from(value).is_err()) {
                self.report(
                    &at("http_headers"),
                    format!("a value of `{name}` has characters no header may have"),
                );
            }
        }
        let tls = super::HttpConfig::new(job).client.tls;
        self.problems.extend(tls.problems(self.section, &at("tls_config")).into_iter().map(|mut problem| {
            // The names Prometheus has for the same keys.
            problem.path = problem.path.replace("_pem", "").replace("server_name_override", "server_name");
            problem
        }));
    }
}
