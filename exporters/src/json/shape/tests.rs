//! What is told of shapes that make no sense.

use config::{Problems, Section};
use pipeline::net::Net;

use crate::json::config::Config;

fn problems(settings: &str) -> Vec<String> {
    let section = Section::from_yaml("j", settings).unwrap();
    let Problems(problems) = Config::read(&section, &Net::default()).map(|_| ()).unwrap_err();
    let place = |problem: &config::Problem| problem.location.as_ref().map_or(0, |location| location.line);
    problems
        .iter()
        .map(|problem| {
            let path = problem.path.replace("j.pages[0].body", "").replace("j.pages[0]", "page");
            format!("{}:{path}: {}", place(problem), problem.message)
        })
        .collect()
}

#[track_caller]
fn check(body: &str, expected: &[&str]) {
    let settings = format!("pages:\n- path: /x\n  body: {body}\n- {{path: /other, body: 1}}\n");
    let expected: Vec<_> = expected.iter().map(|expected| format!("3:{expected}")).collect();
    assert_eq!(problems(&settings), expected, "{body}");
}

#[test]
fn unknown_words_are_told_with_the_nearest() {
    check("{$metrik: a}", &[".$metrik: no value is made in this way; did you mean `$metric`?"]);
    check("{a: {$metric: x, combin: sum}}", &[".a.combin: unknown key; did you mean `combine`?"]);
    check("[1, {$page: /other, round: 1}]", &["[1].round: unknown key; known are `$page`"]);
    check(
        "{$metric: x, take: bytes}",
        &[".take: expected one of `value`, `count`, `sum`, `mean`, got `bytes`"],
    );
    check("{$metric: x, combine: 5}", &[".combine: expected one of `sum`, `max`, `min`, `mean`, got `5`"]);
    check("{$time: unix}", &[".$time: expected one of `unix_ms`, `unix_s`, got `unix`"]);
    check("{$page: /othr}", &[".$page: there is no page `/othr`; did you mean `/other`?"]);
    check("{$metric: x, $time: unix_s}", &[".$time: a value is made in one way, and this is a second"]);
}

#[test]
fn values_of_the_wrong_kind_are_told() {
    check("{$metric: x, scale: big}", &[".scale: expected a number, got `big`"]);
    check("{$metric: 5}", &[".$metric: expected a text, got `5`"]);
    check("{$metric: x, omit: 1}", &[".omit: expected `true` or `false`, got `1`"]);
    for round in ["-1", "0.5", "16"] {
        let message = ".round: expected how many digits there are behind the point, 0 to 15";
        check(&format!("{{$metric: x, round: {round}}}"), &[message]);
    }
    check("{$metric: x, quantile: 95}", &[".quantile: expected a quantile from 0 to 1, got `95`"]);
    check("{$metric: x, quantile: 0.5, take: sum}", &[".take: either this or `quantile` is taken"]);
    check(
        "{$metric: x, where: status}",
        &[".where: expected a map of labels to values, such as `{status: error}`, got `status`"],
    );
    check(
        "{$metric: x, where: {a.b: {c: d}}}",
        &[".where.\"a.b\": expected a value, or a list of values of which one fits"],
    );
    check("{$metric: x, default: [1]}", &[".default: expected a single value"]);
    check("{$metric: x, default: 1, omit: true}", &[".omit: with a `default` there is always a value"]);
    check("{$each: x}", &[".by: needs `by`"]);
}

#[test]
fn labels_are_only_within_items() {
    let message = "labels are those of an item, and this is not within the `item` of a `$list`";
    check("{a: {$label: x}}", &[&format!(".a.$label: {message}")]);
    check("{$text: 'a ${b}'}", &[&format!(".$text: {message}")]);
    check(
        "{$metric: x, with: [y]}",
        &[".with: goes by the labels of an item, and this is not within the `item` of a `$list`"],
    );
    check("{$list: x}", &[".$list: needs `item`, the shape of an element"]);
    check(
        "{$list: x, item: {$text: 'a ${b'}}",
        &[".item.$text: expected a label such as `${node_id}` in `a ${b`"],
    );
    let message = ".with: expected the name of a label, or a list of them, got `a list or a map`";
    check("{$list: x, item: {$metric: y, with: [[a]]}}", &[&format!(".item{message}")]);
}

#[test]
fn pages_that_lead_to_themselves_are_told() {
    let told = problems(
        "pages:\n- path: /a\n  body: {x: {$page: /b}}\n- path: /b\n  body: [{$page: /c}]\n\
         - path: /c\n  body: 1\n  when: [{metric: m, below: 1, body: {$page: /a}}]\n",
    );
    assert_eq!(
        told,
        [
            "3:: leads back to itself: `/a` -> `/b` -> `/c` -> `/a`",
            "5:j.pages[1].body: leads back to itself: `/b` -> `/c` -> `/a` -> `/b`",
            "7:j.pages[2].body: leads back to itself: `/c` -> `/a` -> `/b` -> `/c`",
        ]
    );
}

#[test]
fn other_answers_are_checked() {
    let told = problems(
        "pages:\n- path: /a\n  body: 1\n  when:\n  - {metric: m}\n  - {below: 1, status: 99}\n  - text\n\
         \x20 - {metric: m, absent: true, below: 1}\n  - {metric: m, below: 1, bdy: 1}\n",
    );
    assert_eq!(
        told,
        [
            "5:page.when[0]: needs what has to hold: `absent: true`, `below` or `at_least`",
            "6:page.when[1].metric: needs `metric`",
            "6:page.when[1].status: expected a status from 200 to 599, got `99`",
            "7:page.when[2]: expected a map such as `{metric: NAME, below: 1, status: 503}`",
            "8:page.when[3].absent: what is absent has no value to be compared",
            "9:page.when[4].bdy: unknown key; did you mean `body`?",
        ]
    );
}

#[test]
fn what_is_wrong_around_the_pages_is_told() {
    let told = problems(
        "endpoint: x\nprefix: api\nmax_series: 0\npages:\n- {path: x}\n- {path: /a, status: 99}\n- {path: /a}\n",
    );
    let expected = [
        "1:j.endpoint: expected an address such as `127.0.0.1:4318`, got `x`",
        "2:j.prefix: expected the beginning of paths such as `/node`, got `api`",
        "3:j.max_series: expected at least 1",
        "5:page.path: expected a path such as `/api/metrics`, got `x`",
        "6:j.pages[1].status: expected a status from 200 to 599, got `99`",
        "7:j.pages[2].path: `/a` is there twice; `port` chooses those of a schema that belong to one port",
    ];
    assert_eq!(told, expected);
    assert_eq!(problems("{}"), ["1:j: there is no page; set `schema`, `file` or `pages`"]);
    assert_eq!(
        problems("schema: offgird"),
        ["1:j.schema: no schema is called `offgird`; did you mean `offgrid`?"]
    );
    assert_eq!(problems("schema: offgrid\nfile: x"), ["2:j.file: either `schema` or `file` gives the pages"]);
    let told = problems("file: /none.yaml").remove(0);
    assert!(told.starts_with("1:j.file: cannot read `/none.yaml`: "), "{told}");
}
