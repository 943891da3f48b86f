use std::collections::BTreeMap;

use serde::Deserialize;

use crate::section::Section;
use crate::values::{ByteSize, Duration, Secret};

#[derive(Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Config {
    endpoint: String,
    port: u16,
    timeout: Duration,
    size: ByteSize,
    insecure: bool,
    ratio: f64,
    shift: i8,
    limit: Option<u32>,
    compression: Compression,
    targets: Vec<Target>,
    names: Vec<String>,
    headers: BTreeMap<String, Secret>,
    ports: BTreeMap<u16, u16>,
    protocols: Protocols,
    reader: Option<Reader>,
    tagged: Option<Tagged>,
    address: Option<std::net::IpAddr>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(rename_all = "snake_case")]
enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Target {
    url: String,
    name: String,
    #[serde(default)]
    timeout: Duration,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(default, deny_unknown_fields)]
struct Protocols {
    grpc: Option<Protocol>,
    http: Option<Protocol>,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(default, deny_unknown_fields)]
struct Protocol {
    endpoint: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Reader {
    Pull(Protocol),
    Periodic { interval: Duration },
    Off,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Tagged {
    Fixed { interval: Duration, port: u16 },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "localhost".into(),
            port: 4317,
            timeout: Duration::from_secs(5),
            size: ByteSize::mib(1),
            insecure: false,
            ratio: 1.0,
            shift: 0,
            limit: Some(7),
            compression: Compression::None,
            targets: Vec::new(),
            names: Vec::new(),
            headers: BTreeMap::new(),
            ports: BTreeMap::new(),
            protocols: Protocols::default(),
            reader: None,
            tagged: None,
            address: None,
        }
    }
}

fn read(text: &str) -> Result<Config, String> {
    Section::from_yaml("x", text).unwrap().read().map_err(|problems| problems.to_string())
}

#[track_caller]
fn check(text: &str, expected: Config) {
    assert_eq!(read(text).unwrap_or_else(|problems| panic!("{problems}")), expected, "{text}");
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(read(text).unwrap_err(), expected, "{text}");
}

#[test]
fn what_is_not_given_has_its_default() {
    check("", Config::default());
    check("{}", Config::default());
    check("port:", Config::default());
    check("targets:\nheaders: ~\nprotocols:\ncompression:\ntimeout: null\n", Config::default());
}

#[test]
fn a_value_of_null_is_nothing_where_the_field_is_optional() {
    check("limit:", Config { limit: None, ..Config::default() });
    check("reader:", Config::default());
}

#[test]
fn a_protocol_without_a_value_is_there_with_its_defaults() {
    let protocols = Protocols { grpc: Some(Protocol::default()), http: None };
    check("protocols: {grpc: }", Config { protocols, ..Config::default() });
    check(
        "reader: {pull: }",
        Config { reader: Some(Reader::Pull(Protocol::default())), ..Config::default() },
    );
}

#[test]
fn a_text_field_takes_what_was_written() {
    let names = ["0123", "1.10", "no", "true", "0x1F", "1e3", "x"].map(str::to_owned).to_vec();
    check("names: [0123, 1.10, no, true, 0x1F, 1e3, x]", Config { names, ..Config::default() });
}

#[test]
fn a_text_with_commas_is_a_list() {
    check("names: a, b", Config { names: vec!["a".into(), "b".into()], ..Config::default() });
    check("names: ''", Config::default());
}

#[test]
fn enums_are_read_by_name() {
    check("compression: gzip", Config { compression: Compression::Gzip, ..Config::default() });
    check("reader: off", Config { reader: Some(Reader::Off), ..Config::default() });
    let reader = Some(Reader::Periodic { interval: Duration::from_secs(1) });
    check("reader: {periodic: {interval: 1s}}", Config { reader, ..Config::default() });
    let tagged = Some(Tagged::Fixed { interval: Duration::from_secs(1), port: 2 });
    check("tagged: {type: fixed, interval: 1s, port: 2}", Config { tagged, ..Config::default() });
}

#[test]
fn keys_may_be_numbers() {
    check("ports: {80: 8080}", Config { ports: BTreeMap::from([(80, 8080)]), ..Config::default() });
}

#[test]
fn everything_wrong_is_reported_at_once_and_in_order() {
    check_error(
        "
endpiont: x
headers: {a: {b: c}}
port: 70000
timeout: 5
compression: gz
zzz: 1
targets:
  - {url: a, name: b, timeout: 1x}
  - {url: a}
  - {}
  - [a, b]
insecure: 'true'
shift: -200
ratio: x
limit: -1
size: 64xB
protocols: {grcp: {}}
reader: {pull: {endpont: x}}
address: 1.2.3
ports: {a: 1}
",
        "x:2:1: x.endpiont: unknown key; did you mean `endpoint`?
x:3:14: x.headers.a: expected text, got a map
x:4:7: x.port: expected a whole number from 0 to 65535, got `70000`
x:5:10: x.timeout: expected a duration such as `15s` or `1m30s`, got `5`
x:6:14: x.compression: expected one of `none`, `gzip`, `zstd`, got `gz`
x:7:1: x.zzz: unknown key; known are `endpoint`, `port`, `timeout`, `size`, `insecure`, `ratio`, `shift`, \
`limit`, `compression`, `targets`, `names`, `headers`, `ports`, `protocols`, `reader`, `tagged`, `address`
x:9:32: x.targets[0].timeout: expected a duration such as `15s` or `1m30s`, got `1x`
x:10:5: x.targets[1].name: must be given, it has no default
x:11:5: x.targets[2].url: must be given, it has no default
x:11:5: x.targets[2].name: must be given, it has no default
x:12:5: x.targets[3]: expected a map, got a list
x:13:11: x.insecure: expected `true` or `false`, got the text `true`
x:14:8: x.shift: expected a whole number from -128 to 127, got `-200`
x:15:8: x.ratio: expected a number, got the text `x`
x:16:8: x.limit: expected a whole number from 0 to 4294967295, got `-1`
x:17:7: x.size: expected a size such as `64MiB`, got `64xB`
x:18:13: x.protocols.grcp: unknown key; did you mean `grpc`?
x:19:17: x.reader.pull.endpont: unknown key; did you mean `endpoint`?
x:20:10: x.address: invalid IP address syntax, got `1.2.3`
x:21:9: x.ports.a: expected a whole number as the key",
    );
}

#[test]
fn an_enum_with_a_tag_within_is_placed_where_the_fault_is() {
    check_error(
        "tagged: {type: fixed, interval: 5, port: x}",
        "x:1:33: x.tagged.interval: expected a duration such as `15s` or `1m30s`, got `5`
x:1:42: x.tagged.port: expected a whole number, got the text `x`",
    );
    check_error("tagged: {type: fixd}", "x:1:16: x.tagged.type: expected `fixed`, got `fixd`");
    check_error(
        "tagged: {type: fixed, interval: 5s, port: 1, prot: 1}",
        "x:1:46: x.tagged.prot: unknown key; did you mean `port`?",
    );
}

#[test]
fn what_a_wrong_value_causes_elsewhere_is_not_reported() {
    check_error("targets: [{url: {}, name: x}]", "x:1:17: x.targets[0].url: expected text, got a map");
    check_error(
        "tagged: {type: fixed, interval: 1x}",
        "x:1:1: x.tagged.port: must be given, it has no default
x:1:33: x.tagged.interval: expected a duration such as `15s` or `1m30s`, got `1x`",
    );
}

#[test]
fn containers_of_the_wrong_kind_do_not_print_the_text_that_is_there() {
    check_error("headers: hunter2", "x:1:10: x.headers: expected a map, got a single value");
    check_error("reader: {pull: hunter2}", "x:1:16: x.reader.pull: expected a map, got a single value");
    check_error("targets: 5", "x:1:10: x.targets: expected a list, got a single value");
    check_error(
        "reader: {pull: {}, off: }",
        "x:1:9: x.reader: expected one key, one of `pull`, `periodic`, `off`, got 2 keys",
    );
}

#[test]
fn a_section_of_the_wrong_kind_is_a_problem_of_its_own() {
    check_error("[a]", "x:1:1: x: expected a map, got a list");
    check_error("a", "x:1:1: x: expected a map, got a single value");
}

#[test]
fn very_many_problems_end() {
    let text = (0..1_500).fold(String::new(), |text, index| text + &format!("k{index}: 1\n"));
    assert_eq!(read(&text).unwrap_err().lines().count(), 100);
    let text = (0..1_500).fold(String::new(), |text, index| text + &format!("k{index}: \n"));
    assert!(read(&format!("headers:\n{}", text.replace('k', "  k"))).unwrap_err().contains("too many"));
}

/// Reads, and checks that what is left of the text reads as `expected` does.
#[track_caller]
fn check_rest(text: &str, problems: usize, expected: &str) {
    let (value, found) = Section::from_yaml("x", text).unwrap().read_all::<Config>();
    assert_eq!(found.0.len(), problems, "{found}");
    assert_eq!(value, Some(read(expected).unwrap()), "{text}");
}

#[test]
fn what_is_right_is_there_beside_what_is_wrong() {
    check_rest("{timeout: 5, port: 1}", 1, "port: 1");
    check_rest(
        "{timeout: 5, shift: x, protocols: {grpc: {endpoint: a, b: c}}}",
        3,
        "protocols: {grpc: {endpoint: a}}",
    );
    check_rest("{headers: {a: b, c: {}}, endpoint: a}", 1, "{headers: {a: b}, endpoint: a}");
    check_rest("endpoint: a", 0, "endpoint: a");
}

#[test]
fn a_list_with_a_wrong_element_is_left_out_so_that_no_other_has_its_number() {
    check_rest("{names: [{}, b], port: 1}", 1, "port: 1");
    check_rest("targets: [{url: a, name: b, timeout: 5}]", 1, "targets: [{url: a, name: b}]");
}

#[test]
fn of_a_section_of_the_wrong_kind_nothing_is_left() {
    let (value, problems) = Section::from_yaml("x", "[a]").unwrap().read_all::<Config>();
    assert_eq!((value, problems.0.len()), (None, 1));
}
