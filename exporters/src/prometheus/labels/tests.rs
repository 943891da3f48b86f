use pipeline::{Registry, notation};

use super::*;

fn rules() -> LabelRules {
    LabelRules {
        keeps_utf8: false,
        preserve_multiple_underscores: true,
        has_target: true,
        has_scope: true,
        constant: Vec::new(),
        promoted: Selection::default(),
    }
}

fn series(text: &str) -> Series {
    let batch = notation::parse(text, &Registry::new(10)).unwrap();
    batch.iter().next().unwrap().series.clone()
}

#[track_caller]
fn check_with(rules: &LabelRules, text: &str, expected: &str) {
    let labels = rules.of_series(&series(text), Escaping::Underscores, Some("le"));
    assert_eq!(render(&labels), expected);
}

#[track_caller]
fn check(text: &str, expected: &str) {
    check_with(&rules(), text, expected);
}

#[test]
fn keys_become_legal_names() {
    check(r#"gauge a{a.b="1",b:c="2","0"="3"} = 1"#, r#"a_b="1",b_c="2",key_0="3""#);
    check(r#"gauge a{"a..b"="1","é"="2",""="3"} = 1"#, r#"_="3;2",a__b="1""#);
    check_with(
        &LabelRules { preserve_multiple_underscores: false, ..rules() },
        r#"gauge a{"a..b"="1",c__d="2"} = 1"#,
        r#"a_b="1",c_d="2""#,
    );
    check_with(
        &LabelRules { keeps_utf8: true, ..rules() },
        r#"gauge a{a.b="1",__name__="2"} = 1"#,
        r#"a_b="1",key__name__="2""#,
    );
}

#[test]
fn keys_that_become_one_name_have_their_values_joined() {
    check(r#"gauge a{a.b="1",a_b="2","a b"="3"} = 1"#, r#"a_b="3;1;2""#);
}

#[test]
fn values_are_escaped_and_empty_ones_are_no_labels() {
    check(r#"gauge a{a="\\\"\nx",b="",c=null,d=true,e=1.5} = 1"#, r#"a="\\\"\nx",d="true",e="1.5""#);
}

#[test]
fn the_resource_gives_job_and_instance() {
    let resource = r#"resource {service.name="n",service.namespace="s",service.instance.id="i",x="y"}"#;
    check(&format!("{resource}\ngauge a = 1"), r#"instance="i",job="s/n""#);
    check("resource {service.namespace=\"s\"}\ngauge a = 1", "");
}

#[test]
fn no_attribute_takes_the_place_of_what_is_generated() {
    check(
        "resource {service.name=\"n\"}\nscope \"s\"\n\
         gauge a{__name__=\"evil\",job=\"j\",exported_job=\"k\",instance=\"free\",le=\"1\",otel_scope_name=\"x\"} = 1",
        r#"exported_exported_job="j",exported_job="k",exported_le="1",exported_otel_scope_name="x",instance="free",job="n",key__name__="evil",otel_scope_name="s""#,
    );
    check_with(
        &LabelRules { constant: vec![("env".to_owned(), "prod".to_owned())], ..rules() },
        r#"gauge a{env="test"} = 1"#,
        r#"env="prod",exported_env="test""#,
    );
}

#[test]
fn the_scope_gives_labels_unless_switched_off() {
    let text = "scope \"s\" \"1\" {name=\"no\",b.c=1} schema \"u\"\ngauge a = 1";
    check(text, r#"otel_scope_b_c="1",otel_scope_name="s",otel_scope_schema_url="u",otel_scope_version="1""#);
    check_with(&LabelRules { has_scope: false, ..rules() }, text, "");
    check("scope {name=\"no\"}\ngauge a = 1", "");
}

#[test]
fn chosen_attributes_of_the_resource_become_labels() {
    let promoted = Selection { included: vec!["host.*".to_owned()], excluded: vec!["*.id".to_owned()] };
    check_with(
        &LabelRules { promoted, ..rules() },
        "resource {host.name=\"h\",host.id=\"x\",os=\"linux\"}\ngauge a{host_name=\"mine\"} = 1",
        r#"exported_host_name="mine",host_name="h""#,
    );
}

#[test]
fn target_info_says_what_else_is_known_of_a_resource() {
    let of = |text: &str| {
        let labels = rules().of_target(series(text).resource(), Escaping::Underscores);
        labels.map(|labels| render(&labels))
    };
    let resource = "resource {service.name=\"n\",job=\"x\",host.name=\"h\"}\ngauge a = 1";
    assert_eq!(of(resource).as_deref(), Some(r#"exported_job="x",host_name="h",job="n""#));
    assert_eq!(of("resource {service.name=\"n\"}\ngauge a = 1"), None);
    assert_eq!(of("resource {host.name=\"n\"}\ngauge a = 1"), None);
}
