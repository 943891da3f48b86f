use config::Section;

use super::*;

#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let section = Section::from_yaml("tls", yaml).unwrap();
    let problems = match section.read::<Config>() {
        Ok(config) => config.problems(&Section::from_yaml("exporters.x", "").unwrap(), "tls"),
        Err(problems) => problems.0,
    };
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    for (text, part) in texts.iter().zip(expected) {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}

#[test]
fn a_block_that_makes_sense_has_no_problems() {
    check("", &[]);
    check("{insecure: true}", &[]);
    check("{ca_file: /ca.pem, cert_file: /a.pem, key_file: /a.key, reload_interval: 1m}", &[]);
    check("{min_version: '1.2', max_version: 1.3, server_name_override: a.example.com}", &[]);
}

#[test]
fn each_contradiction_is_a_problem_of_its_key() {
    check("{cert_file: /a.pem}", &["exporters.x.tls.key_file: expected the private key"]);
    check("{key_file: /a.key}", &["exporters.x.tls.cert_file: expected the certificate"]);
    check("{ca_pem: hunter2}", &["exporters.x.tls.ca_pem: expected a certificate in PEM"]);
    check(
        "{ca_file: /a, ca_pem: b, server_name_override: '!'}",
        &[
            "ca_pem: expected either `ca_file` or `ca_pem`, got both",
            "in PEM",
            "expected a host name such as",
        ],
    );
    check(
        "{min_version: '1.3', max_version: '1.2'}",
        &["max_version: expected at least `min_version`, `1.3`"],
    );
}

#[test]
fn what_is_not_supported_is_unknown() {
    check("{cipher_suites: [a]}", &["cipher_suites"]);
    check("{min_version: '1.1'}", &["a version of TLS, `1.2` or `1.3`"]);
}

#[test]
fn keys_do_not_print() {
    let config = Config { key_pem: Secret::new("hunter2"), ..Config::default() };
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
}
