use std::net::SocketAddr;

use ::config::Section;

use super::*;

#[track_caller]
fn read(text: &str) -> Config {
    Section::from_yaml("receivers.runners", text).unwrap().read().unwrap()
}

#[track_caller]
fn check_wrong(text: &str, expected: &str) {
    let section = Section::from_yaml("receivers.runners", text).unwrap();
    let problems = match section.read::<Config>() {
        Ok(config) => config.problems(&section),
        Err(problems) => problems.0,
    };
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(shown.iter().any(|line| line.contains(expected)), "{text}: {shown:?}");
}

fn addresses(config: &Config, own: &[&str]) -> Vec<String> {
    let own: Vec<SocketAddr> = own.iter().map(|own| own.parse().unwrap()).collect();
    config.places(&own).iter().map(|place| place.address().to_owned()).collect()
}

#[test]
fn ports_are_looked_at_in_order_on_every_host() {
    let config = read("{ports: [8000, 1], hosts: [127.0.0.1, '::1', gpu], addresses: [{address: 'x:1'}]}");
    assert_eq!(
        addresses(&config, &[]),
        ["x:1", "127.0.0.1:8000", "[::1]:8000", "gpu:8000", "127.0.0.1:1", "[::1]:1", "gpu:1"]
    );
}

#[test]
fn what_is_excluded_or_our_own_is_not_looked_at() {
    let config = read("{ports: [1, 2, 3, 4], exclude: [2, '127.0.0.1:3']}");
    assert_eq!(addresses(&config, &[]), ["127.0.0.1:1", "127.0.0.1:4"]);
    let own = |own: &str| addresses(&read("{ports: [1, 2]}"), &[own]);
    assert_eq!(own("127.0.0.1:1"), ["127.0.0.1:2"]);
    assert_eq!(own("0.0.0.0:2"), ["127.0.0.1:1"]);
    assert_eq!(own("[::]:2"), ["127.0.0.1:1"]);
    assert_eq!(own("[::1]:2"), ["127.0.0.1:1"]);
    assert_eq!(own("10.0.0.1:2"), ["127.0.0.1:1", "127.0.0.1:2"]);
    let named = read("{ports: [1, 2], hosts: [localhost, '10.0.0.1']}");
    assert_eq!(addresses(&named, &["127.0.0.1:1"]), ["10.0.0.1:1", "localhost:2", "10.0.0.1:2"]);
}

#[test]
fn the_default_is_the_known_ports_of_this_machine() {
    let addresses = addresses(&read("{}"), &[]);
    assert_eq!(addresses[..3], ["127.0.0.1:8000", "127.0.0.1:30000", "127.0.0.1:8080"]);
    assert_eq!(addresses.len(), 14);
}

#[test]
fn what_is_wrong_is_said() {
    check_wrong("{ports: [0]}", "receivers.runners.ports: expected ports from 1 to 65535");
    check_wrong("{hosts: ['a:1']}", "hosts[0]: expected a host without port, got `a:1`");
    check_wrong("{hosts: ['http://a']}", "hosts[0]: expected a host without port");
    check_wrong("{sockets: [a.sock]}", "sockets[0]: expected a path such as");
    check_wrong("{exclude: [0]}", "expected a port from 1 to 65535");
    check_wrong("{exclude: [x]}", "expected a port such as `8080`, or an address");
    check_wrong("{interval: 0s}", "interval: expected more than zero");
    check_wrong(
        "{scrape_timeout: 20s}",
        "scrape_timeout: expected at most `scrape_interval`, `15s`, got `20s`",
    );
    check_wrong("{addresses: [{address: 'http://a:1'}]}", "addresses[0].address: expected `host:port`");
    check_wrong(
        "{addresses: [{address: 'a:1', authorization: {}}]}",
        "addresses[0].authorization.credentials",
    );
    check_wrong(
        "{addresses: [{address: 'a:1', headers: {host: {values: [x]}}}]}",
        "addresses[0].headers: `host`",
    );
    check_wrong("{addresses: [{address: 'a:1', tls: {cert_file: x}}]}", "addresses[0].tls");
    check_wrong("{port: [1]}", "port");
}
