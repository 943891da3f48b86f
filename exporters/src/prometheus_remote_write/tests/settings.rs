//! What is read from the file, and what is wrong with it.

use pipeline::delivery::{Config as DeliveryConfig, QueueConfig, RetryConfig};

use super::*;
use crate::testing::problems;

fn delivery(yaml: &str) -> DeliveryConfig {
    let section = Section::from_yaml("exporters.test", &format!("endpoint: http://a/b\n{yaml}")).unwrap();
    match (ENTRY.build)(&section, &context(&ENTRY)).unwrap().delivery {
        Delivery::Queued(delivery) => delivery,
        Delivery::Direct => panic!("it is queued"),
    }
}

#[test]
fn the_queue_and_the_first_wait_are_those_of_the_collector() {
    let delivery = delivery("");
    let queue = QueueConfig { queue_size: 10_000, num_consumers: 5, ..QueueConfig::default() };
    assert_eq!(delivery.sending_queue, queue);
    let retry =
        RetryConfig { initial_interval: ::config::Duration::from_millis(50), ..RetryConfig::default() };
    assert_eq!(delivery.retry_on_failure, retry);
    assert_eq!(delivery.timeout, ::config::Duration::from_secs(5));
}

#[test]
fn either_queue_is_read_and_the_fuller_one_wins() {
    let queue = delivery("remote_write_queue: {queue_size: 7, num_consumers: 2}").sending_queue;
    assert_eq!((queue.queue_size, queue.num_consumers), (7, 2));
    let queue = delivery("remote_write_queue: {queue_size: 7}\nsending_queue: {batch: {}}").sending_queue;
    assert_eq!((queue.queue_size, queue.num_consumers, queue.batch.is_some()), (1000, 10, true));
    assert!(!delivery("remote_write_queue: {enabled: false}").sending_queue.enabled);
}

#[test]
fn the_keys_of_the_connection_may_stand_under_http() {
    let delivery = delivery("timeout: 1s\nhttp: {endpoint: 'http://c/d', timeout: 9s}");
    assert_eq!(delivery.timeout, ::config::Duration::from_secs(9));
    assert_eq!(problems(&ENTRY, "http: {endpoint: 'http://c/d'}"), Vec::<String>::new());
}

#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|problem| format!("exporters.test.{problem}")).collect();
    assert_eq!(problems(&ENTRY, yaml), expected, "{yaml}");
}

#[test]
fn what_cannot_work_is_a_problem() {
    let url = "expected a URL such as `http://prometheus:9090/api/v1/write`";
    check("", &[&format!("endpoint: is required: {url}")]);
    check("http: {endpoint: prometheus}", &[&format!("http.endpoint: {url}, got `prometheus`")]);
    let reserved = "this header is written by the exporter and cannot be replaced";
    for header in [
        "User-Agent",
        "Content-Type",
        "content-encoding",
        "X-Prometheus-Remote-Write-Version",
        "Retry-Attempt",
    ] {
        check(
            &format!("{{endpoint: 'http://a', headers: {{{header}: x}}}}"),
            &[&format!("headers.{header}: {reserved}")],
        );
    }
    check(
        "{endpoint: 'http://a', translation_strategy: NoTranslation}",
        &["translation_strategy: Remote Write 1.0 has no UTF-8 names: set `protobuf_message: \
           io.prometheus.write.v2.Request`, or choose another strategy"],
    );
    check(
        "{endpoint: 'http://a', wal: {directory: /x}}",
        &[
            "wal: this log does not exist here: write `sending_queue: {storage: file_storage/queue, queue_size: 10000}` in \
           its place and in that of `remote_write_queue`, configure that extension with this `directory`, and name it \
           in `service.extensions`",
        ],
    );
    check(
        "{endpoint: 'http://a', remote_write_queue: {num_consumers: 0, queue_size: 0}}",
        &[
            "remote_write_queue.num_consumers: expected 1 to 1024, got `0`",
            "remote_write_queue.queue_size: expected more than `0`",
        ],
    );
    check(
        "{endpoint: 'http://a', external_labels: {__x: a, b: ''}, max_batch_size_bytes: 0, max_samples_per_send: 0}",
        &[
            "external_labels.__x: expected the name of a label that does not start with `__`",
            "external_labels.b: expected a value that is not empty",
            "max_batch_size_bytes: expected more than `0`, such as `3000000`",
            "max_samples_per_send: expected at least `1`, such as `2000`",
        ],
    );
    check(
        "{endpoint: 'http://a', external_labels: {le: a, quantile: b, a.b: c, a_b: d}, retry_statuses: [200]}",
        &[
            "external_labels.le: `le` is the label of buckets or quantiles: choose another name",
            "external_labels.quantile: `quantile` is the label of buckets or quantiles: choose another name",
            "external_labels.a_b: is written as `a_b`, and so is `a.b`: choose another name",
            "retry_statuses[0]: expected a status from 400 to 599, got `200`",
        ],
    );
    check(
        "{endpoint: 'http://a', proxy_url: 'http://p'}",
        &["proxy_url: proxies are not supported; remove it if the endpoint may be reached without one"],
    );
}
