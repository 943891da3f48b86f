//! Targets that lie, never end, lead astray or cannot be found: they are down, and nobody else is.

use std::time::Duration;

use integration::{Collector, Peer, Reply, Target, get_with, gzip_bomb, job, scraping, wait_until};
use tokio::net::TcpListener;
use tokio::time::sleep;

const TEXT: &str = "Content-Type: text/plain; version=0.0.4\r\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n";

async fn wait_until_down(collector: &Collector, name: &str) {
    collector.wait_for_sample("up", &[&format!("job=\"{name}\"")], 0.0).await;
}

/// The one line of the log that speaks of this job.
#[track_caller]
fn only_line(log: &str, name: &str) -> String {
    let mut lines = log
        .lines()
        .filter(|line| line.contains(&format!("job={name} ")) || line.contains(&format!("job=\"{name}\"")));
    let line = lines.next().unwrap_or_else(|| panic!("no line with {name} in:\n{log}"));
    assert_eq!(lines.next(), None, "{name} is said twice in:\n{log}");
    line.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_targets_are_down_and_said_once_while_a_good_one_goes_on() {
    let gzip = format!("{TEXT}Content-Encoding: gzip\r\n");
    let many = |labels: usize| -> Vec<u8> {
        let labels: String = (0..labels).map(|index| format!("l{index}=\"x\",")).collect();
        format!("a{{{labels}}} 1\n").into_bytes()
    };
    let openmetrics = "Content-Type: application/openmetrics-text; version=1.0.0\r\n";
    // A name for the job, the headers, the body, and what the log must say.
    let cases: Vec<(&str, &str, Vec<u8>, &str)> = vec![
        ("garbage", TEXT, b"\x00\x01\xff garbage\n".to_vec(), "line 1"),
        ("html", "Content-Type: text/html\r\n", b"<html>sorry</html>".to_vec(), "text/html"),
        ("no_type", "", b"a 1\n".to_vec(), "content type"),
        ("truncated_gzip", &gzip, b"\x1f\x8b\x08\x00".to_vec(), "gzip"),
        ("no_eof", openmetrics, b"a 1\n".to_vec(), "EOF"),
        ("invalid_utf8", TEXT, b"a{b=\"\xff\"} 1\n".to_vec(), "line 1"),
        ("nul", TEXT, vec![0; 1 << 20], "line 1"),
        ("limited_labels", TEXT, many(100_000), "label"),
        ("million_labels", TEXT, many(1_000_000), "label"),
        ("second_line", TEXT, b"a 1\nb{ 2\n".to_vec(), "line 2"),
        ("error", "", Vec::new(), "500"),
    ];
    let good = Target::start("good 1\n").await;
    let mut targets = Vec::new();
    let mut jobs = vec![job("good", &good.address, "")];
    for (name, headers, body, says) in cases {
        let target = Target::start("").await;
        target.serve(if name == "error" { 500 } else { 200 }, headers, body);
        let more = if name == "limited_labels" { ", label_limit: 100" } else { "" };
        jobs.push(job(name, &target.address, more));
        targets.push((name, says, target));
    }
    let collector = Collector::start(&scraping(&jobs)).await;
    for (name, _, target) in &targets {
        wait_until_down(&collector, name).await;
        let again = || async { target.scrapes() >= 2 };
        wait_until("a second scrape", again, || collector.log()).await;
    }
    collector.wait_for_sample("good", &[], 1.0).await;
    let log = collector.log();
    for (name, says, _) in &targets {
        let line = only_line(&log, name);
        assert!(line.contains(says), "`{says}` is not in: {line}");
    }
    assert!(!log.contains(" job=good"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn storms_of_nan_and_infinity_are_values_like_others() {
    let storm: String = (0..3_000)
        .map(|index| format!("a{{i=\"{index}\"}} NaN\nb{{i=\"{index}\"}} +Inf\nc{{i=\"{index}\"}} -Inf\n"))
        .collect();
    let target = Target::start(&storm).await;
    let collector = Collector::start(&scraping(&[job("storm", &target.address, "")])).await;
    collector.wait_for_sample("scrape_samples_scraped", &["job=\"storm\""], 9_000.0).await;
    let page = collector.page().await;
    assert!(page.lines().any(|line| line.starts_with("a{") && line.ends_with(" NaN")));
    assert_eq!(page.lines().filter(|line| line.starts_with("b{") && line.ends_with(" +Inf")).count(), 3_000);
    assert_eq!(page.lines().filter(|line| line.starts_with("c{") && line.ends_with(" -Inf")).count(), 3_000);
    collector.wait_for_sample("up", &["job=\"storm\""], 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_are_cut_and_memory_stays_bounded() {
    let endless = |head: &[u8], piece: Vec<u8>, pause| {
        Peer::saying(Reply::Endless { head: head.to_vec(), piece, pause })
    };
    let second = Duration::from_secs(1);
    let bomb = Target::start("").await;
    bomb.serve(200, &format!("{TEXT}Content-Encoding: gzip\r\n"), gzip_bomb(1024));
    let peers = [
        ("comments", endless(HEAD, vec![b'#'; 1 << 14], Duration::ZERO).await),
        ("lines", endless(HEAD, b"a 1\n".repeat(1 << 12), Duration::ZERO).await),
        ("value", endless(&[HEAD, b"a{b=\""].concat(), vec![b'x'; 1 << 14], Duration::ZERO).await),
        ("dribble", endless(HEAD, b"a".to_vec(), second).await),
        ("header", endless(b"HTTP/1.1 200 OK\r\nA: ", vec![b'x'; 1 << 14], Duration::ZERO).await),
        ("headers", endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n".to_vec(), Duration::ZERO).await),
        ("slow_header", endless(b"HTTP/1.1 200 OK\r\nA: ", b"x".to_vec(), second).await),
        ("silence", endless(b"", b"".to_vec(), second).await),
    ];
    let good = Target::start("good 1\n").await;
    let limit = ", body_size_limit: 8MB, extra_scrape_metrics: true";
    let mut jobs = vec![job("good", &good.address, ""), job("bomb", &bomb.address, limit)];
    jobs.extend(peers.iter().map(|(name, peer)| job(name, &peer.address, limit)));
    let collector = Collector::start(&scraping(&jobs)).await;
    let (_, base) = collector.memory_kib();
    wait_until_down(&collector, "bomb").await;
    for (name, _) in &peers {
        wait_until_down(&collector, name).await;
    }
    collector.wait_for_sample("up", &["job=\"good\""], 1.0).await;
    for name in ["bomb", "comments", "lines", "value"] {
        collector.wait_for_sample("scrape_body_size_bytes", &[&format!("job=\"{name}\"")], -1.0).await;
    }
    let (peak, _) = collector.memory_kib();
    // Four of the answers reach the limit at the same time.
    assert!(peak < base + (4 * 8 + 32) * 1024, "from {base} KiB to {peak} KiB");
    let log = collector.log();
    for name in ["bomb", "comments", "lines", "value"] {
        assert!(only_line(&log, name).contains("limit"), "{log}");
    }
    assert!(only_line(&log, "silence").contains("2s"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_100_mib_is_cut_at_the_default_limit() {
    let target = Target::start(vec![b'x'; 100 << 20]).await;
    let collector = Collector::start(&scraping(&[job("long", &target.address, "")])).await;
    let (_, base) = collector.memory_kib();
    wait_until_down(&collector, "long").await;
    let (peak, _) = collector.memory_kib();
    assert!(peak < base + (64 + 32) * 1024, "from {base} KiB to {peak} KiB");
    assert!(only_line(&collector.log(), "long").contains("64"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_the_targets_hanging_does_not_delay_the_others() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let good = Target::start("good 1\n").await;
    let mut jobs = Vec::new();
    for index in 0..50 {
        jobs.push(job(&format!("hang{index}"), &silent_address, ""));
        jobs.push(job(&format!("good{index}"), &good.address, ""));
    }
    let collector = Collector::start(&scraping(&jobs)).await;
    sleep(Duration::from_secs(7)).await;
    // Fifty targets, each at least three times in seven seconds at an interval of two.
    assert!(good.scrapes() >= 150, "{} scrapes", good.scrapes());
    assert!(get_with(&collector.address("pull endpoint at http://"), "/metrics", &[]).await.status == 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let other = Peer::saying(Reply::page("x 1\n")).await;
    let port = other.address.rsplit_once(':').unwrap().1;
    let target = Peer::saying(Reply::redirect(&format!("http://localhost:{port}/metrics"))).await;
    let secrets = [
        ("basic", ", basic_auth: {username: u, password: canary}"),
        ("bearer", ", authorization: {credentials: canary}"),
        ("header", ", http_headers: {X-Key: {secrets: [canary]}}"),
    ];
    let jobs: Vec<_> = secrets.iter().map(|(name, more)| job(name, &target.address, more)).collect();
    let collector = Collector::start(&scraping(&jobs)).await;
    for (name, _) in secrets {
        collector.wait_for_sample("up", &[&format!("job=\"{name}\"")], 1.0).await;
    }
    // All three were shown to the one they are for.
    let shown: String = target.seen().iter().map(|seen| seen.head.clone()).collect();
    assert!(
        shown.contains("authorization: basic") && shown.contains("authorization: bearer canary"),
        "{shown}"
    );
    assert!(shown.contains("x-key: canary"), "{shown}");
    for seen in other.seen() {
        let head = seen.head;
        assert!(
            !head.contains("authorization") && !head.contains("canary") && !head.contains("x-key"),
            "{head}"
        );
    }
    assert!(!collector.log().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_that_lead_nowhere_end_with_a_clear_error() {
    let around = Peer::saying(Reply::redirect("/metrics")).await;
    // Each time to another place.
    let onward = Peer::start(|seen| {
        let hop = seen.head.split(' ').nth(1).map_or(0, str::len);
        Reply::redirect(&format!("/{}", "x".repeat(hop)))
    })
    .await;
    let cases = [
        ("file", "file:///etc/passwd", "neither `http` nor `https`"),
        ("other_scheme", "gopher://127.0.0.1/metrics", "neither `http` nor `https`"),
        ("tls", "https://127.0.0.1:9/metrics", "127.0.0.1:9"),
        ("nothing", "http://", ""),
    ];
    let mut jobs = vec![job("around", &around.address, ""), job("onward", &onward.address, "")];
    let mut peers = Vec::new();
    for (name, location, _) in cases {
        let peer = Peer::saying(Reply::redirect(location)).await;
        jobs.push(job(name, &peer.address, ""));
        peers.push(peer);
    }
    let collector = Collector::start(&scraping(&jobs)).await;
    wait_until_down(&collector, "around").await;
    wait_until_down(&collector, "onward").await;
    assert!(only_line(&collector.log(), "around").contains("redirect loop"), "{}", collector.log());
    assert!(only_line(&collector.log(), "onward").contains("more than 10 redirects"), "{}", collector.log());
    for (name, _, says) in cases {
        wait_until_down(&collector, name).await;
        let line = only_line(&collector.log(), name);
        assert!(line.contains(says), "`{says}` is not in: {line}");
    }
    assert!(!collector.page().await.contains("root:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_is_down_alone() {
    let good = Target::start("good 1\n").await;
    let jobs = [job("nowhere", "no-such-host.invalid:80", ""), job("good", &good.address, "")];
    let collector = Collector::start(&scraping(&jobs)).await;
    wait_until_down(&collector, "nowhere").await;
    collector.wait_for_sample("up", &["job=\"good\""], 1.0).await;
    let going = || async { good.scrapes() >= 2 };
    wait_until("the good target to be scraped on", going, || collector.log()).await;
    assert!(only_line(&collector.log(), "nowhere").contains("no-such-host.invalid"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_that_others_backtrack_on_takes_no_time() {
    let value = "a".repeat(100_000);
    let target = Target::start(format!("x{{v=\"{value}\"}} 1\ny 1\n")).await;
    let rule = ", metric_relabel_configs: [{source_labels: [v], regex: '(a+)+(a+)+b', action: drop}]";
    let collector = Collector::start(&scraping(&[job("t", &target.address, rule)])).await;
    collector.wait_for_sample("up", &["job=\"t\""], 1.0).await;
    assert!(collector.sample("scrape_duration_seconds", &[]).await.unwrap() < 1.5);
    assert_eq!(collector.sample("scrape_samples_post_metric_relabeling", &[]).await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_series_past_the_bound_are_refused_and_counted() {
    let lines: String = (0..1_000).map(|index| format!("a{{i=\"{index}\"}} 1\n")).collect();
    let target = Target::start(&lines).await;
    let text = scraping(&[job("t", &target.address, "")]) + "  limits: {live_series_max: 500}\n";
    let collector = Collector::start(&text).await;
    let refused = || async {
        collector.own_sample("inferometer_series_refused", &[]).await.is_some_and(|refused| refused >= 500.0)
    };
    wait_until("500 refused series", refused, || collector.log()).await;
    let live = collector.own_sample("inferometer_series_live", &[]).await.unwrap();
    assert!(live <= 500.0, "{live} live");
    let by_source = ["receiver=\"prometheus\""];
    let points = collector.own_sample("otelcol_receiver_refused_metric_points", &by_source).await;
    assert!(points.is_some_and(|points| points >= 500.0), "{points:?} refused points");
    // What tells how the scrape went is there all the same.
    collector.wait_for_sample("up", &[], 1.0).await;
    assert_eq!(collector.sample("scrape_samples_scraped", &[]).await, Some(1_000.0));
}
