use super::*;

#[track_caller]
fn check(yaml: &str, expected: Result<(&str, u64, u64), &str>) {
    let section = Section::from_yaml("processors.batch", yaml).unwrap();
    let merge = section.read::<Config>().unwrap().merge(&section);
    let sizes = merge.map(|merge| {
        assert_eq!(merge.sizer, Some(BatchSizer::Items));
        (merge.flush_timeout.to_string(), merge.min_size, merge.max_size)
    });
    let paths = sizes.map_err(|Problems(problems)| {
        problems.iter().map(|problem| problem.path.clone()).collect::<Vec<_>>().join(" ")
    });
    let expected = expected.map(|(timeout, min, max)| (timeout.to_owned(), min, max));
    assert_eq!(paths, expected.map_err(str::to_owned), "{yaml}");
}

#[test]
fn sizes_are_those_of_the_opentelemetry_collector() {
    check("{}", Ok(("200ms", 8192, 0)));
    check("{timeout: 5s, send_batch_size: 100, send_batch_max_size: 100}", Ok(("5s", 100, 100)));
    check("{send_batch_max_size: 10000}", Ok(("200ms", 8192, 10000)));
}

#[test]
fn without_a_timeout_or_a_size_all_is_sent_at_once() {
    check("{timeout: 0s, send_batch_max_size: 9000}", Ok(("0s", 1, 9000)));
    check("{send_batch_size: 0, send_batch_max_size: 10}", Ok(("200ms", 1, 10)));
}

#[test]
fn every_value_that_cannot_work_is_a_problem() {
    check("{send_batch_max_size: 10}", Err("processors.batch.send_batch_max_size"));
}
