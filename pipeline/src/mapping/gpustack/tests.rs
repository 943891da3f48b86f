//! Configurations, and the rules or the faults they lead to.

use super::document::{Document, Type};
use super::*;
use crate::mapping::compiled::{
    Condition, From, Input, Inputs, NameMatch, OutputKind, Part, Rule, Runner, Take,
};

/// The default with some text in the place of other text, which must be in it.
fn changed(from: &str, to: &str) -> String {
    assert!(DEFAULT.contains(from), "{from}");
    DEFAULT.replacen(from, to, 1)
}

#[track_caller]
fn rules(text: &str) -> Overlay {
    overlay(text.as_bytes()).unwrap().expect("it differs from the default")
}

fn inputs(rule: &Rule) -> &[Input] {
    let Inputs::Ranked(ranked) = &rule.inputs else { panic!("{rule:?}") };
    assert_eq!(ranked.len(), 1);
    &ranked[0]
}

fn metric(rule: &Rule) -> &str {
    let [Part::Text(name)] = rule.metric.as_ref().unwrap().0.as_slice() else { panic!("{rule:?}") };
    name
}

/// The metric that a series of a runner becomes, if any.
fn becomes(overlay: &Overlay, runner: &str, version: Option<&str>, series: &str) -> Vec<String> {
    let takes = |input: &&Input| {
        let From::Metric(NameMatch::Exact(name)) = &input.from else { panic!("{input:?}") };
        let range = match (&input.version, version) {
            (None, _) => true,
            (Some(range), Some(version)) => range.contains(version),
            (Some(_), None) => false,
        };
        let meets = |condition: &Condition| condition.test.present == Some(version.is_some());
        // As the engine matches counters.
        let family = |name: &str| name.strip_suffix("_total").unwrap_or(name).to_owned();
        family(name) == family(series)
            && input.runner == Some(Runner::Named(runner.to_owned()))
            && range
            && input.conditions.iter().all(meets)
    };
    let rules = overlay.rules.iter().filter(|rule| inputs(rule).iter().any(|input| takes(&input)));
    rules.map(|rule| metric(rule).to_owned()).collect()
}

#[track_caller]
fn check_faults(text: &str, expected: &[&str]) {
    let faults: Vec<_> = overlay(text.as_bytes()).unwrap_err().iter().map(Fault::to_string).collect();
    assert_eq!(faults, expected, "{text}");
}

#[test]
fn the_default_changes_nothing() {
    assert!(overlay(DEFAULT.as_bytes()).unwrap().is_none());
}

#[test]
fn the_default_in_another_order_and_spelling_changes_nothing() {
    let json: serde_json::Value = serde_json::from_str(DEFAULT).unwrap();
    let sorted = json.to_string().replace("\"vllm:prompt_tokens\"", "\"vllm:prompt_tokens_total\"");
    let respelled = sorted.replace("\"Gauge\"", "\"gauge\"").replace("<0.9.2", "< 0.9.2");
    assert_ne!(respelled, DEFAULT);
    let change = overlay(respelled.as_bytes()).unwrap();
    assert!(change.is_none(), "{:?}", change.map(|change| change.replaced));
}

#[test]
fn only_what_differs_is_replaced() {
    let overlay = rules(&changed("\"vllm:kv_cache_usage_perc\"", "\"vllm:cpu_cache_usage_perc\""));
    assert_eq!(overlay.replaced, ["gpustack:kv_cache_usage_ratio"]);
    assert_eq!(overlay.rules.len(), 1);
    assert_eq!(overlay.rules[0].kind, Some(OutputKind::Gauge));
    let ratio = ["gpustack:kv_cache_usage_ratio"];
    assert_eq!(becomes(&overlay, "vllm", Some("0.33.0"), "vllm:cpu_cache_usage_perc"), ratio);
    assert_eq!(becomes(&overlay, "vllm", None, "vllm:cpu_cache_usage_perc"), ratio);
    assert!(becomes(&overlay, "vllm", None, "vllm:kv_cache_usage_perc").is_empty());
    assert_eq!(becomes(&overlay, "sglang", Some("0.5.4"), "sglang:token_usage"), ratio);
    assert!(becomes(&overlay, "vllm", Some("0.5.4"), "sglang:token_usage").is_empty());
}

#[test]
fn a_range_holds_for_its_versions_only() {
    let overlay = rules(&changed("\"vllm:kv_cache_usage_perc\"", "\"vllm:x\""));
    let old = |version| becomes(&overlay, "vllm", version, "vllm:gpu_cache_usage_perc");
    assert_eq!(old(Some("0.9.1")), ["gpustack:kv_cache_usage_ratio"]);
    for version in [Some("0.9.2"), Some("0.10.2"), Some("unreadable"), None] {
        assert!(old(version).is_empty(), "{version:?}");
    }
}

#[test]
fn the_first_range_that_has_the_source_wins_and_any_over_the_star() {
    let overlay = rules(
        r#"{
        "gpustack_metrics": {"a": {"type": "Gauge"}, "b": {"type": "Gauge"}, "c": {"type": "Gauge"}},
        "runtime_mapping": {"vLLM": {
            "*": {"vllm:x": "a", "vllm:y": "a"},
            ">=0.8,<0.10": {"vllm:x": "b"},
            ">=0.9": {"vllm:x": "c"}
        }}
    }"#,
    );
    for (version, expected) in [
        (Some("0.7"), "gpustack:a"),
        (Some("0.8"), "gpustack:b"),
        (Some("0.9.2"), "gpustack:b"),
        (Some("0.10"), "gpustack:c"),
        (Some("main"), "gpustack:a"),
        (None, "gpustack:a"),
    ] {
        assert_eq!(becomes(&overlay, "vllm", version, "vllm:x"), [expected], "{version:?}");
        assert_eq!(becomes(&overlay, "vllm", version, "vllm:y"), ["gpustack:a"], "{version:?}");
    }
}

#[test]
fn counters_have_their_ending_on_both_sides() {
    let text = r#"{
        "gpustack_metrics": {"prompt_tokens": {"type": "Counter", "description": "Tokens."}},
        "runtime_mapping": {"SGLang": {"*": {"sglang:cached_tokens_total": "prompt_tokens"}}}
    }"#;
    let overlay = rules(text);
    for series in ["sglang:cached_tokens", "sglang:cached_tokens_total"] {
        assert_eq!(becomes(&overlay, "sglang", None, series), ["gpustack:prompt_tokens_total"]);
    }
    assert_eq!(overlay.rules[0].help.as_deref(), Some("Tokens."));
    assert!(
        overlay.replaced.contains(&"gpustack:request_success_total".to_owned()),
        "what is left out is gone"
    );
}

#[test]
fn each_type_has_its_name_and_kind() {
    let text = r#"{
        "gpustack_metrics": {"i": {"type": "Info"}, "s": {"type": "Summary"}, "h": {"type": "Histogram"}},
        "runtime_mapping": {"mindie": {"*": {"x": "i", "y": "s", "z": "h"}}}
    }"#;
    let overlay = rules(text);
    let kinds: Vec<_> = overlay.rules.iter().map(|rule| (metric(rule), rule.kind.unwrap())).collect();
    assert_eq!(
        kinds,
        [
            ("gpustack:i_info", OutputKind::Gauge),
            ("gpustack:s", OutputKind::Summary),
            ("gpustack:h", OutputKind::Histogram)
        ]
    );
    assert_eq!(inputs(&overlay.rules[0])[0].take, Take::One);
    assert_eq!(becomes(&overlay, "mindie", None, "z"), ["gpustack:h"]);
}

#[test]
fn a_family_that_changes_its_type_leaves_its_old_name() {
    let overlay = rules(&changed("\"type\": \"Counter\"", "\"type\": \"Gauge\""));
    assert_eq!(overlay.replaced, ["gpustack:prefix_cache_queries", "gpustack:prefix_cache_queries_total"]);
}

#[test]
fn the_runtime_is_a_label_and_the_runners_own_are_kept() {
    let overlay = rules(&changed("\"llamacpp:requests_processing\"", "\"llamacpp:slots\""));
    let input = inputs(&overlay.rules[0])
        .iter()
        .find(|input| input.runner == Some(Runner::Named("llama_cpp".to_owned())));
    let labels = &input.unwrap().labels;
    assert_eq!(labels.labels[0].name, "runtime");
    assert_eq!(labels.labels[0].from[0].0, [Part::Text("llama.cpp".to_owned())]);
    assert!(matches!(&labels.keep[..], [NameMatch::Prefix(any)] if any.is_empty()));
}

#[test]
fn the_default_names_the_metrics_of_the_schema() {
    let schema = crate::mapping::builtin::SCHEMAS.iter().find(|(name, _)| *name == SCHEMA).unwrap().1;
    let default = Document::read(DEFAULT.as_bytes()).unwrap();
    for family in &default.families {
        let (suffix, kind) = match family.kind {
            Type::Gauge => ("", "gauge"),
            Type::Counter => ("_total", "counter"),
            Type::Histogram => ("", "histogram"),
            other => panic!("{other:?}"),
        };
        let rule = format!("metric: gpustack:{}{suffix}\n    type: {kind}\n", family.name);
        let (_, behind) = schema.split_once(&rule).unwrap_or_else(|| panic!("the schema lacks {rule}"));
        assert!(behind.lines().nth(1).unwrap().contains(&family.description), "{}", family.name);
    }
}

#[test]
fn every_fault_is_told_with_its_place_and_what_would_do() {
    check_faults("", &["expected JSON: EOF while parsing a value at line 1 column 0"]);
    check_faults("[]", &["expected an object, got a list"]);
    check_faults(
        r#"{"gpustack_metrics": {}, "runtime_maping": {}}"#,
        &[
            "runtime_maping: unknown key; did you mean `runtime_mapping`?",
            "runtime_mapping: missing; set it to an object, `{}` where there is nothing to say",
        ],
    );
    check_faults(
        r#"{"runtime_mapping": {"vLLN": {}, "SGLang": [], "MindIE": {"<0.9,": {}, "one": {}}},
            "gpustack_metrics": {"a-b": {"type": "Gauge"}, "a": {"type": "Gouge", "unit": 1}, "c": {"description": 2},
                                 "d": 7, "e": {"type": "Gauge"}, "e": {"type": "Info"}}}"#,
        &[
            "gpustack_metrics.e: is there twice; remove one of them",
            "gpustack_metrics[\"a-b\"]: expected a name of letters, digits and `_`, such as `num_requests_running`; \
             `gpustack:` is added",
            "gpustack_metrics.a.type: unknown type `Gouge`; known are `Gauge`, `Counter`, `Histogram`, `Summary`, `Info`",
            "gpustack_metrics.a.unit: unknown key; known are `type`, `description`",
            "gpustack_metrics.c.description: expected text, got a number",
            "gpustack_metrics.c.type: missing; known are `Gauge`, `Counter`, `Histogram`, `Summary`, `Info`",
            "gpustack_metrics.d: expected an object, got a number",
            "runtime_mapping.vLLN: unknown runtime; did you mean `vLLM`?",
            "runtime_mapping.SGLang: expected an object, got a list",
            "runtime_mapping.MindIE[\"<0.9,\"]: expected a range of versions such as `>=0.9.2,<0.11`, got ``; `*` is any",
            "runtime_mapping.MindIE.one: expected a range of versions such as `>=0.9.2,<0.11`, got `one`; `*` is any",
        ],
    );
    check_faults(
        r#"{"gpustack_metrics": {"running": {"type": "Gauge"}},
            "runtime_mapping": {"vLLM": {"*": {"vllm:x": "runing", "vllm:y": null, "vllm:z": "quite_another", "v llm": "running"}}}}"#,
        &[
            "runtime_mapping.vLLM[\"*\"][\"vllm:x\"]: unknown metric `runing`; did you mean `running`? Otherwise add \
             it to `gpustack_metrics`",
            "runtime_mapping.vLLM[\"*\"][\"vllm:y\"]: expected the name of one of `gpustack_metrics`, got null",
            "runtime_mapping.vLLM[\"*\"][\"vllm:z\"]: unknown metric `quite_another`; add it to `gpustack_metrics`",
            "runtime_mapping.vLLM[\"*\"][\"v llm\"]: expected the name of a metric of the runner, such as \
             `vllm:num_requests_running`",
        ],
    );
}

#[test]
fn two_spellings_of_a_runtime_are_one_too_many() {
    check_faults(
        r#"{"gpustack_metrics": {"a": {"type": "Gauge"}},
            "runtime_mapping": {"vLLM": {"*": {"vllm:x": "a"}}, "vllm": {"*": {"vllm:y": "a"}}}}"#,
        &["runtime_mapping.vllm: `vLLM` is there under another spelling; put both into one"],
    );
}

#[test]
fn too_much_is_refused() {
    let members: Vec<_> = (0..2001).map(|number| format!("\"m{number}\": {{\"type\": \"Gauge\"}}")).collect();
    let text = format!("{{\"gpustack_metrics\": {{{}}}, \"runtime_mapping\": {{}}}}", members.join(","));
    check_faults(&text, &["gpustack_metrics: has more than 2000 members; leave out what is not used"]);
    let deep = "{\"a\":".repeat(100_000);
    assert!(overlay(deep.as_bytes()).unwrap_err()[0].message.contains("recursion limit"));
}
