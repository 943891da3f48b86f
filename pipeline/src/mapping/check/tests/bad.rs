//! Mappings that are wrong, each with what is said of it.

use super::{DIALECT, SCHEMA};
use crate::mapping::check;

/// Checks a file of a head (`s` or `d`) and what follows; an expectation is `line: path: words of the message`.
#[track_caller]
fn bad(head: char, rest: &str, expected: &[(usize, &str, &str)]) {
    let head = if head == 's' { SCHEMA } else { DIALECT };
    // The head has three lines, or five.
    let first = head.lines().count();
    let problems = match check("test.yaml", &format!("{head}{rest}")) {
        Ok(_) => panic!("nothing is wrong with {rest}"),
        Err(problems) => problems.0,
    };
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), expected.len(), "{shown:#?}");
    for (problem, (line, path, words)) in problems.iter().zip(expected) {
        let location = problem.location.as_ref().unwrap();
        let found = (location.line - first, problem.path.as_str());
        assert_eq!((found, location.file.as_ref()), ((*line, *path), "test.yaml"), "{problem}");
        assert!(problem.message.contains(words), "`{problem}` should contain `{words}`");
    }
}

/// Checks a schema with one rule for the gauge `m`, of `up` unless the keys say otherwise.
#[track_caller]
fn bad_rule(keys: &str, path: &str, words: &str) {
    let mut rule = String::from("rules:\n  - {");
    for (key, value) in
        [("metric", "m"), ("type", "gauge"), ("unit", "''"), ("help", "h."), ("from", "{metric: up}")]
    {
        if !keys.starts_with(&format!("{key}:")) && !keys.contains(&format!(" {key}:")) {
            rule.extend([key, ": ", value, ", "]);
        }
    }
    bad('s', &format!("{rule}{keys}}}\n"), &[(2, &format!("rules[0]{path}"), words)]);
}

/// Checks a rule whose only input is this.
#[track_caller]
fn bad_input(keys: &str, path: &str, words: &str) {
    bad_rule(&format!("from: {{{keys}}}"), &format!(".from{path}"), words);
}

#[test]
fn a_head_that_is_wrong_says_so() {
    bad('s', "unmaped: keep\n", &[(1, "unmaped", "did you mean `unmapped`?")]);
    bad('s', "unmapped: away\n", &[(1, "unmapped", "expected one of `keep`, `drop`, got `away`")]);
    bad('s', "vocabulary: ['a*']\n", &[(1, "vocabulary", "`vocabulary` is for dialects")]);
    bad('d', "facade: {port: 1}\n", &[(1, "facade", "`facade` is for schemas")]);
    bad('d', "receivers: {otlp: {}}\n", &[(1, "receivers", "`receivers` is for schemas")]);
    bad('s', "receivers: {otlp/a: {}}\n", &[(1, "receivers.otlp/a", "expected the kind of a receiver")]);
    bad('s', "parameters: {X: {about: x.}}\n", &[(1, "parameters.X", "expected a lower_snake name")]);
    bad('s', "inputs: {x: {type: number}}\n", &[(1, "inputs.x.type", "expected one of `counter`, `updown`")]);
}

#[test]
fn a_file_needs_a_name_a_kind_and_a_purpose() {
    let problems = check("test.yaml", "mapping: other\nrules: []\n").unwrap_err().to_string();
    assert!(problems.contains("kind: must be given"), "{problems}");
    let problems = check("test.yaml", "mapping: other\nkind: schema\nabout: ' '\n").unwrap_err().to_string();
    assert!(
        problems.contains("test.yaml:1:10: mapping: expected `test`, as the file is called"),
        "{problems}"
    );
    assert!(problems.contains("about: expected a sentence"), "{problems}");
}

#[test]
fn endpoints_that_are_wrong_say_so() {
    bad(
        's',
        "endpoints: [{path: metrics}]\n",
        &[(1, "endpoints[0].path", "expected a path such as `/metrics`")],
    );
    bad('s', "endpoints: [{path: /a, format: json}]\n", &[(1, "endpoints[0].body", "must be given")]);
    bad(
        's',
        "endpoints: [{path: /a}, {path: /a}]\n",
        &[(1, "endpoints[1].path", "is there already on this port")],
    );
    bad(
        's',
        "endpoints: [{path: /a, metrics: [m]}]\n",
        &[(1, "endpoints[0].metrics[0]", "no rule makes `m`")],
    );
    bad(
        's',
        "endpoints: [{path: /a, status: 42}]\n",
        &[(1, "endpoints[0].status", "a status from 100 to 599")],
    );
}

#[test]
fn keys_of_pages_go_with_their_format() {
    let page = |keys: &str| format!("endpoints: [{{path: /a, {keys}}}]\n");
    bad('s', &page("body: 1"), &[(1, "endpoints[0].body", "`body` is for `format: json`")]);
    bad('s', &page("when: []"), &[(1, "endpoints[0].when", "`when` is for `format: json`")]);
    bad('s', &page("format: json, body: 1, empty: x"), &[(1, "endpoints[0].empty", "`empty` is for")]);
    bad('s', &page("format: xml"), &[(1, "endpoints[0].format", "expected one of `prometheus`, `json`")]);
}

#[test]
fn inputs_must_be_known() {
    bad_input("metric: gen_ai.server.request", ".metric", "did you mean `gen_ai.server.requests`?");
    bad_input("metric: xyz", ".metric", "list it under `inputs`");
    bad_input("metric: up, prefix: x", "", "expected one of `metric`, `prefix`, `pattern`, got several");
    bad_input("take: one", "", "expected one of `metric`, `prefix`, `pattern`, got none");
    bad_input("pattern: 'a('", ".pattern", "cannot compile the pattern `a(`: unclosed group");
    bad_input("metrics: up", ".metrics", "did you mean `metric`?");
    bad(
        'd',
        "rules:\n  - {metric: m, type: gauge, unit: '', help: h., from: [{metric: 'run:x'}, {metric: other}]}\n",
        &[(2, "rules[0].from[1].metric", "`other` is outside the vocabulary")],
    );
    bad(
        'd',
        "rules:\n  - {from: {prefix: 'other:'}}\n",
        &[(2, "rules[0].from.prefix", "chooses nothing of the vocabulary")],
    );
}

#[test]
fn details_of_inputs_must_make_sense() {
    bad_input(
        "metric: up, version: '>=x'",
        ".version",
        "a range of versions such as `>=0.9.2,<0.11`, got `>=x`",
    );
    bad_input("metric: up, runner: vlm", ".runner", "did you mean `vllm`?");
    bad_input("metric: up, scale: .inf", ".scale", "expected a number");
    bad_input("metric: up, offset: .inf", ".offset", "expected a number");
    bad_input("metric: up, valid: {at_least: 2, below: 1}", ".valid", "nothing is at least 2 and below 1");
    bad_input("metric: up, take: rate", ".take", "expected one of `value`, `count`");
    bad_input("metric: up, repair: accumulated_twice", ".repair", "repairs histograms; this is a gauge");
    bad_input("metric: up, where: {'host:x': 1}", ".where.host:x", "attributes of `host` are unknown");
    bad_input("metric: up, where: {a.b: {}}", ".where.\"a.b\"", "expected a condition");
    bad_input("metric: up, where: {a: {pattern: '['}}", ".where.a.pattern", "cannot compile");
    bad_input("metric: up, where: {a: {present: false, prefix: x}}", ".where.a", "no value to be tested");
    bad_input("metric: up, where: {a: []}", ".where.a", "expected at least one value");
    bad_input("metric: up, where: {a: 1.5}", ".where.a", "put the number in quotes");
    bad_input("metric: up, all: [{metric: up}]", "", "`all` stands alone");
    bad_input("all: []", ".all", "expected at least one input");
    bad_input("all: [{all: [{metric: up}]}]", ".all[0]", "`all` cannot stand in `all`");
    bad_rule("from: []", ".from", "expected at least one input");
    bad(
        's',
        "rules:\n  - {metric: a, type: histogram, unit: s, help: A., from: {metric: gen_ai.server.request.duration, whole: true}}\n",
        &[(2, "rules[0].from.whole", "only numbers are rounded; this is a histogram")],
    );
    bad_rule("from: up", ".from", "expected an input such as `{metric: NAME}`");
}

#[test]
fn types_must_fit() {
    bad_input(
        "metric: up, take: count",
        ".take",
        "`take: count` is of a histogram or summary; `up` is a gauge",
    );
    bad_input("metric: gen_ai.server.request.duration, take: age", ".take", "a time in seconds");
    bad_input("metric: gen_ai.server.requests.running, take: age", ".take", "has the unit `{request}`");
    bad_input(
        "metric: gen_ai.server.request.duration",
        "",
        "makes a gauge, and `gen_ai.server.request.duration` gives a histogram; `take`",
    );
    bad_rule("type: histogram", ".from", "makes a histogram, and `up` gives a gauge");
    bad_rule("type: counter", ".from", "if it never falls, say `type: counter`");
    bad_rule("type: summary, from: {metric: gen_ai.server.request.duration}", ".from", "add `quantiles`");
    bad_rule("quantiles: [0.5]", ".quantiles", "`quantiles` is of a histogram; `up` gives a gauge");
    bad_rule("rate: 1m", ".rate", "`rate` is of a counter; `up` gives a gauge");
    bad_rule("invert: true", ".invert", "`invert` is of a histogram");
    bad_rule(
        "type: summary, combine: sum, from: {metric: up, type: summary}",
        ".combine",
        "summaries have no sum",
    );
    bad_rule(
        "combine: mean, from: {metric: gen_ai.server.request.duration}",
        ".combine",
        "histograms have no mean",
    );
    bad_rule(
        "from: {metric: gen_ai.server.request.duration}, states: {label: s, of: [{state: x}]}",
        ".states",
        "a histogram has no state",
    );
}

#[test]
fn units_must_convert() {
    bad_rule("unit: s, from: {metric: hw.power}", ".from", "comes in `W`, which does not convert into `s`");
    bad_rule(
        "unit: '{token}', from: {metric: gen_ai.server.requests.running}",
        ".from",
        "comes in `{request}`",
    );
    bad_rule(
        "unit: By, rate: 1m, from: {metric: gen_ai.server.requests}",
        ".from",
        "`{request}/s`".trim_start_matches('`').trim_end_matches('`'),
    );
    bad(
        's',
        "rules:\n  - {metric: a, type: gauge, unit: s, help: h., constant: 1}\n  - {metric: b, type: gauge, unit: ms, help: h., difference: {of: a, less: a}}\n",
        &[
            (3, "rules[1].difference.of", "`a` is in `s`, and the difference in `ms`"),
            (3, "rules[1].difference.less", "`a` is in `s`"),
        ],
    );
}

#[test]
fn derived_metrics_must_make_sense() {
    let histogram = "from: {metric: gen_ai.server.request.duration}, type: summary";
    bad_rule(&format!("{histogram}, quantiles: [0.5, 1.5]"), ".quantiles[1]", "from 0 to 1, got `1.5`");
    bad_rule(&format!("{histogram}, quantiles: [0.9, 0.5]"), ".quantiles", "expected rising numbers");
    bad_rule(&format!("{histogram}, quantiles: []"), ".quantiles", "at least one quantile");
    bad_rule(&format!("{histogram}, quantiles: [0.9], window: 0s"), ".window", "got `0s`");
    bad_rule(
        &format!("{histogram}, quantiles: [0.9], invert: true"),
        ".invert",
        "only one of `quantiles` and `invert`",
    );
    bad_rule("window: 5m", ".window", "`window` is of `quantiles`");
    bad_rule("rate: 5, from: {metric: gen_ai.server.requests}", ".rate", "expected a duration such as `15s`");
    bad_rule("states: {label: s, of: []}", ".states.of", "at least one state");
    bad_rule("states: {label: s, of: [{state: a}, {state: b}]}", ".states.of[0]", "always holds");
    bad_rule(
        "states: {label: s, of: [{state: a, silent: 1s, value: {below: 1}}]}",
        ".states.of[0]",
        "got both",
    );
    bad_rule(
        "states: {label: s, of: [{state: a}]}, labels: {s: x}",
        ".states.label",
        "among the labels already",
    );
    bad_rule(
        "zero: [{status: x}], labels: {stats: y}",
        ".zero[0]",
        "no label `status`; did you mean `stats`?",
    );
    bad_rule("zero: true, labels: {status: y}", ".zero", "list label sets such as `[{status: x}]`");
    bad_rule("zero: 1", ".zero", "expected `true`, or a list of label sets");
}

#[test]
fn rules_must_be_whole_and_no_more() {
    bad(
        's',
        "rules:\n  - {from: {metric: up}}\n",
        &[
            (2, "rules[0].metric", "must be given"),
            (2, "rules[0].type", "must be given"),
            (2, "rules[0].unit", "must be given"),
            (2, "rules[0].help", "must be given"),
        ],
    );
    bad_rule(
        "constant: 1",
        "",
        "expected one of `from`, `ratio`, `difference`, `constant`, `drop`, got `from`, `constant`",
    );
    bad('s', "rules:\n  - {drop: {metric: up}, metric: m}\n", &[(2, "rules[0].metric", "makes nothing")]);
    bad(
        's',
        "rules:\n  - {metric: m, type: gauge, unit: '', help: h., constant: 1, combine: sum}\n",
        &[(2, "rules[0].combine", "a constant has no inputs")],
    );
    bad_rule("rest: true", ".rest", "`rest` needs inputs by `prefix` or `pattern`");
    bad_rule("rest: true, from: {prefix: x}", ".rest", "what is left cannot all be `m`");
    bad_rule("metric: m.x", ".metric", "`m.x` is no name of a metric");
    bad_rule("metric: '${1}'", ".metric", "not every input has one");
    bad_rule("metric: 'a_${2}', from: {pattern: 'x(.)'}", ".metric", "the pattern has 1 groups");
    bad_rule("metric: 'a_${x}', from: {prefix: x}", ".metric", "`${x}` cannot stand here");
    bad(
        'd',
        "rules:\n  - {metric: up, type: counter, unit: s, help: h., from: {metric: 'run:x'}}\n",
        &[(2, "rules[0].type", "is a gauge in the conventions"), (2, "rules[0].unit", "has the unit `1`")],
    );
}

#[test]
fn labels_must_make_sense() {
    bad_rule("labels: {a.b: x}", ".labels.\"a.b\"", "`a.b` is no name of a label");
    bad_rule("labels: {a: {}}", ".labels.a", "expected one of `from`, `value`, `parameter`, `template`");
    bad_rule("labels: {a: {from: y, value: x}}", ".labels.a", "expected one of `from`");
    bad_rule("labels: {a: 'resorce:x'}", ".labels.a", "did you mean `resource`?");
    bad_rule("labels: {a: {parameter: x}}", ".labels.a.parameter", "it has none, add it under `parameters`");
    bad_rule("labels: {a: {template: '${x'}}", ".labels.a.template", "expected `${...}`");
    bad_rule("labels: {a: {template: '${1}'}}", ".labels.a.template", "not every input has one");
    bad_rule("labels: {a: [x]}", ".labels.a", "expected the name of an attribute, a map");
    bad_rule("labels: {a: {value: x, translat: {}}}", ".labels.a.translat", "did you mean `translate`?");
    bad_rule("labels: {a: x}, keep: [a]", ".keep[0]", "`a` is among the labels already");
    bad('s', "rules: [{labels: {a: x, a: y}}]\n", &[(1, "", "`a` is there already")]);
    bad_rule(
        "type: histogram, labels: {le: x}, from: {metric: gen_ai.server.request.duration}",
        ".labels.le",
        "what the series themselves use",
    );
    bad(
        's',
        "rules:\n  - {metric: m, type: gauge, unit: '', help: h., constant: 1, labels: {a: x}}\n",
        &[(2, "rules[0].labels.a", "a constant has no attributes")],
    );
}

#[test]
fn rules_must_not_meet() {
    let rule =
        |name: &str, from: &str| format!("  - {{metric: {name}, type: gauge, unit: '', help: h., {from}}}\n");
    let two = |one: String, other: String| format!("rules:\n{one}{other}");
    bad(
        's',
        &two(rule("m", "constant: 1"), rule("m", "constant: 2")),
        &[(3, "rules[1].metric", "`m` is made by rules[0] already")],
    );
    bad(
        's',
        &two(rule("a", "from: {metric: b}"), rule("b", "ratio: {of: a, to: a}")),
        &[(2, "rules[0]", "leads back to itself: a -> b -> a")],
    );
    bad('s', &format!("rules:\n{}", rule("a", "from: {metric: a}")), &[(2, "rules[0]", "a -> a")]);
    bad(
        's',
        &two(rule("abc", "constant: 1"), rule("b", "ratio: {of: abd, to: abc}")),
        &[(3, "rules[1].ratio.of", "no rule makes `abd`; did you mean `abc`?")],
    );
    bad(
        's',
        &two(rule("abc", "constant: 1"), "  - {drop: {metric: abc}}\n".to_owned()),
        &[(3, "rules[1].drop", "only series that come in can be dropped")],
    );
    bad(
        's',
        "rules:\n  - {metric: h, type: histogram, unit: s, hidden: true, from: {metric: gen_ai.server.request.duration}}\n  - {metric: r, type: gauge, unit: s, help: h., ratio: {of: h, to: h}}\n",
        &[
            (3, "rules[1].ratio.of", "expected a number, and `h` is a histogram"),
            (3, "rules[1].ratio.to", "expected a number"),
        ],
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    bad(
        's',
        "labels: {a.b: x}\nrules:\n  - {metric: m, type: gauge, unit: '', help: h., from: {metric: nothing}}\n  - {metric: n, type: gauge, unit: W, help: h., from: {metric: up, version: x}}\n",
        &[
            (1, "labels.\"a.b\"", "no name of a label"),
            (3, "rules[0].from.metric", "no metric is called `nothing`"),
            (4, "rules[1].from", "does not convert into `W`"),
            (4, "rules[1].from.version", "expected a range"),
        ],
    );
}

#[test]
fn a_dialect_has_nothing_that_no_series_brings() {
    let rule = |keys: &str| format!("rules:\n  - {{metric: x, type: gauge, unit: '1', help: h., {keys}}}\n");
    let words = "a dialect's metrics belong to targets";
    bad('d', &rule("constant: 1"), &[(2, "rules[0].constant", words)]);
    bad('d', &rule("from: {metric: 'run:x'}, zero: true"), &[(2, "rules[0].zero", words)]);
}
