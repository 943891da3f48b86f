//! Tables of rules and label sets, and the laws every rule keeps.

use proptest::prelude::*;

use super::*;

/// Labels as `name=value` words.
fn labels(text: &str) -> Labels {
    text.split_whitespace().map(|pair| pair.split_once('=').unwrap()).collect()
}

fn text(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

fn rules(json: &str) -> Rules {
    Rules::compile(&serde_json::from_str::<Vec<RuleConfig>>(json).unwrap()).unwrap()
}

/// Rules as JSON without the outer brackets; `DROPPED` where the set is dropped.
#[track_caller]
fn check(json: &str, before: &str, after: &str) {
    let mut labels = labels(before);
    let kept = rules(&format!("[{json}]")).apply(&mut labels);
    assert_eq!(if kept { text(&labels) } else { "DROPPED".to_owned() }, after, "{json} on {before}");
}

#[test]
fn replace_writes_what_the_pattern_captured() {
    check(r#"{"source_labels":["a"],"target_label":"b"}"#, "a=1", "a=1 b=1");
    check(
        r#"{"source_labels":["a"],"regex":"x(.*)","target_label":"b","replacement":"<$1>"}"#,
        "a=xy",
        "a=xy b=<y>",
    );
    check(r#"{"source_labels":["a"],"regex":"x","target_label":"b"}"#, "a=xy", "a=xy");
    check(
        r#"{"source_labels":["a"],"regex":"(?P<left>.)(?P<right>.)","target_label":"b","replacement":"${right}${left}$$"}"#,
        "a=xy",
        "a=xy b=yx$",
    );
    check(
        r#"{"source_labels":["a","b"],"regex":"(.);(.)","target_label":"c","replacement":"$2$1"}"#,
        "a=1 b=2",
        "a=1 b=2 c=21",
    );
    check(
        r#"{"source_labels":["a","b"],"separator":"","regex":"(.)(.)","target_label":"c","replacement":"$2$1"}"#,
        "a=1 b=2",
        "a=1 b=2 c=21",
    );
    check(r#"{"target_label":"c","replacement":"fixed"}"#, "a=1", "a=1 c=fixed");
    check(r#"{"source_labels":["none"],"target_label":"c","replacement":"fixed"}"#, "a=1", "a=1 c=fixed");
}

#[test]
fn an_empty_result_deletes_the_target() {
    check(r#"{"source_labels":["none"],"target_label":"a"}"#, "a=1 b=2", "b=2");
    check(r#"{"target_label":"a","replacement":""}"#, "a=1 b=2", "b=2");
}

#[test]
fn the_target_may_refer_to_groups_and_must_not_come_out_empty() {
    check(
        r#"{"source_labels":["a"],"regex":"(.*)=(.*)","target_label":"x_$1","replacement":"$2"}"#,
        "a=k=v",
        "a=k=v x_k=v",
    );
    check(
        r#"{"source_labels":["a"],"regex":"(.*)=(.*)","target_label":"$1","replacement":"$2"}"#,
        "a==v",
        "a==v",
    );
    check(r#"{"source_labels":["a"],"target_label":"$nosuch"}"#, "a=1", "a=1");
}

#[test]
fn keep_and_drop_go_by_the_whole_value() {
    check(r#"{"source_labels":["a"],"regex":"x|yy","action":"keep"}"#, "a=x", "a=x");
    check(r#"{"source_labels":["a"],"regex":"x|yy","action":"keep"}"#, "a=yyy", "DROPPED");
    check(r#"{"source_labels":["a"],"regex":"x|yy","action":"drop"}"#, "a=yyy", "a=yyy");
    check(r#"{"source_labels":["a"],"regex":"x|yy","action":"drop"}"#, "a=yy", "DROPPED");
    check(r#"{"source_labels":["none"],"regex":"","action":"drop"}"#, "a=1", "DROPPED");
    check(r#"{"source_labels":["a","b"],"regex":"1;2","action":"keep"}"#, "a=1 b=2", "a=1 b=2");
}

#[test]
fn equality_compares_with_the_target() {
    check(r#"{"source_labels":["a"],"target_label":"b","action":"keepequal"}"#, "a=1 b=1", "a=1 b=1");
    check(r#"{"source_labels":["a"],"target_label":"b","action":"keepequal"}"#, "a=1 b=2", "DROPPED");
    check(r#"{"source_labels":["a"],"target_label":"b","action":"dropequal"}"#, "a=1 b=1", "DROPPED");
    check(r#"{"source_labels":["a"],"target_label":"b","action":"dropequal"}"#, "a=1 b=2", "a=1 b=2");
    check(r#"{"source_labels":["x"],"target_label":"y","action":"keepequal"}"#, "a=1", "a=1");
}

#[test]
fn hashmod_takes_the_last_eight_bytes_of_md5() {
    // Expected values computed with another implementation of MD5.
    check(
        r#"{"source_labels":["none"],"target_label":"h","modulus":18446744073709551615,"action":"hashmod"}"#,
        "a=1",
        "a=1 h=16825458760271544958",
    );
    check(
        r#"{"source_labels":["a"],"target_label":"h","modulus":1000,"action":"hashmod"}"#,
        "a=gpu-7",
        "a=gpu-7 h=248",
    );
    check(
        r#"{"source_labels":["a","b"],"target_label":"h","modulus":8,"action":"HashMod"}"#,
        "a=x b=y",
        "a=x b=y h=6",
    );
    check(r#"{"source_labels":["a"],"target_label":"h","modulus":1,"action":"hashmod"}"#, "a=x", "a=x h=0");
}

#[test]
fn actions_on_names_look_at_every_label() {
    check(
        r#"{"regex":"meta_(.+)","action":"labelmap"}"#,
        "meta_a=1 meta_b=2 c=3",
        "a=1 b=2 c=3 meta_a=1 meta_b=2",
    );
    check(
        r#"{"regex":"meta_(.+)","replacement":"new_${1}_x","action":"labelmap"}"#,
        "meta_a=1",
        "meta_a=1 new_a_x=1",
    );
    check(r#"{"regex":"(.).*","action":"labelmap"}"#, "ab=1 ac=2", "a=2 ab=1 ac=2");
    check(r#"{"regex":"(x?).*","action":"labelmap"}"#, "ab=1", "ab=1");
    check(r#"{"regex":"a.*","action":"labeldrop"}"#, "a=1 ab=2 ba=3", "ba=3");
    check(r#"{"regex":"a.*","action":"labelkeep"}"#, "a=1 ab=2 ba=3", "a=1 ab=2");
}

#[test]
fn case_changes_are_for_all_of_unicode() {
    check(
        r#"{"source_labels":["a"],"target_label":"b","action":"uppercase"}"#,
        "a=straße",
        "a=straße b=STRASSE",
    );
    check(r#"{"source_labels":["a"],"target_label":"a","action":"LOWERCASE"}"#, "a=ÀB", "a=àb");
    check(r#"{"source_labels":["none"],"target_label":"a","action":"lowercase"}"#, "a=1", "");
}

#[test]
fn later_rules_see_what_earlier_ones_did() {
    check(
        r#"{"source_labels":["a"],"target_label":"__tmp_x"},{"source_labels":["__tmp_x"],"target_label":"b"},{"regex":"__tmp.*","action":"labeldrop"}"#,
        "a=1",
        "a=1 b=1",
    );
    check(
        r#"{"target_label":"a","replacement":""},{"source_labels":["a"],"regex":"","action":"keep"}"#,
        "a=1",
        "",
    );
}

#[track_caller]
fn check_problems(json: &str, expected: &[(usize, &str)]) {
    let configs: Vec<RuleConfig> = serde_json::from_str(&format!("[{json}]")).unwrap();
    let problems = Rules::compile(&configs).unwrap_err();
    let problems: Vec<_> = problems.iter().map(|(index, text)| (*index, text.as_str())).collect();
    assert_eq!(problems, expected, "{json}");
}

#[test]
fn every_problem_of_every_rule_is_reported() {
    check_problems(
        r#"{"source_labels":["a"]},{"target_label":"b"},{"action":"hashmod","regex":"("}"#,
        &[
            (0, "the action `replace` needs a `target_label`"),
            (2, "the action `hashmod` needs a `target_label`"),
            (2, "the action `hashmod` needs a `modulus` above 0"),
            (2, "cannot compile the pattern `(`: unclosed group"),
        ],
    );
}

#[test]
fn what_would_have_no_effect_is_a_problem() {
    let ignored =
        |key: &str, action: &str| format!("`{key}` means nothing for the action `{action}`; remove it");
    check_problems(
        r#"{"action":"keepequal","target_label":"t","regex":"x","replacement":"y","modulus":1,"separator":","}"#,
        &[
            (0, &ignored("regex", "keepequal")),
            (0, &ignored("modulus", "keepequal")),
            (0, &ignored("separator", "keepequal")),
            (0, &ignored("replacement", "keepequal")),
        ],
    );
    check_problems(
        r#"{"action":"labeldrop","source_labels":["a"],"target_label":"t","regex":"x"}"#,
        &[(0, &ignored("source_labels", "labeldrop")), (0, &ignored("target_label", "labeldrop"))],
    );
    check_problems(
        r#"{"action":"lowercase","target_label":"t","replacement":"x"}"#,
        &[(0, &ignored("replacement", "lowercase"))],
    );
    check_problems(
        r#"{"action":"labelmap","replacement":""}"#,
        &[(0, "the action `labelmap` needs a `replacement` that gives a label name")],
    );
}

#[test]
fn an_unknown_action_is_told_what_would_do() {
    #[track_caller]
    fn check(action: &str, expected: &str) {
        let rule = format!(r#"{{"action":"{action}"}}"#);
        let error = serde_json::from_str::<RuleConfig>(&rule).unwrap_err().to_string();
        assert!(error.contains(&format!("unknown relabel action `{action}`; {expected}")), "{error}");
    }
    check("replce", "did you mean `replace`?");
    check("x", "known are `replace`, `keep`");
}

#[test]
fn a_rule_writes_back_what_it_read() {
    let config: RuleConfig = serde_json::from_str(r#"{"action":"LabelDrop","regex":"x"}"#).unwrap();
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains(r#""action":"labeldrop""#), "{json}");
    assert_eq!(serde_json::from_str::<RuleConfig>(&json).unwrap(), config);
}

fn any_rule() -> impl Strategy<Value = RuleConfig> {
    let name = "[ab$1{}]{0,3}";
    let pattern = prop::sample::select(vec!["(.*)", "a(.*)", "(?P<n>.)(.*)", "[ab]+", ""]);
    let action = prop::sample::select(Action::ALL.to_vec());
    (prop::collection::vec("[ab]{1,2}", 0..3), pattern, name, name, action).prop_map(
        |(source_labels, regex, target_label, replacement, (_, action))| {
            let config = RuleConfig { source_labels, action, ..RuleConfig::default() };
            match action {
                Action::LabelDrop | Action::LabelKeep => {
                    RuleConfig { source_labels: Vec::new(), regex: regex.to_owned(), ..config }
                }
                Action::KeepEqual | Action::DropEqual | Action::Lowercase | Action::Uppercase => {
                    RuleConfig { target_label: "a".to_owned(), ..config }
                }
                _ => RuleConfig {
                    regex: regex.to_owned(),
                    modulus: 7,
                    target_label: format!("x{target_label}"),
                    replacement: format!("{replacement}y"),
                    ..config
                },
            }
        },
    )
}

proptest! {
    #[test]
    fn labels_stay_sorted_unique_and_without_empty_values(
        configs in prop::collection::vec(any_rule(), 0..6),
        pairs in prop::collection::vec(("[abx]{1,2}", "[ab]{0,3}"), 0..6),
    ) {
        let rules = Rules::compile(&configs).unwrap();
        let mut labels: Labels = pairs.into_iter().collect();
        let before = labels.clone();
        let kept = rules.apply(&mut labels);
        let pairs: Vec<_> = labels.iter().collect();
        prop_assert!(pairs.is_sorted_by(|(left, _), (right, _)| left < right));
        prop_assert!(pairs.iter().all(|(_, value)| !value.is_empty()));
        // The same rules on the same labels give the same answer.
        let mut again = before;
        prop_assert_eq!(rules.apply(&mut again), kept);
        prop_assert_eq!(again, labels);
    }

    #[test]
    fn no_pattern_panics(pattern in r"[\\\[\](){}^$a-dQE&~:|*+?.-]{0,16}", text in "[a-d]{0,4}") {
        if let Ok(regex) = anchored(&pattern) {
            let template = template::Template::new(&pattern, &regex);
            if let Some(captures) = regex.captures(&text) {
                template.expand(&captures);
            }
        }
    }
}
