use super::Strategy::*;
use super::Suffix::{None as Plain, RatioOfOne, Total};
use super::*;

#[track_caller]
fn check(name: &str, unit: &str, suffix: Suffix, expected: &str) {
    assert_eq!(Naming::default().translate(name, unit, suffix).as_deref(), Some(expected));
}

#[track_caller]
fn check_strategy(strategy: Strategy, (name, unit, suffix): (&str, &str, Suffix), expected: &str) {
    let naming = Naming { strategy, ..Naming::default() };
    assert_eq!(naming.translate(name, unit, suffix).as_deref(), Some(expected));
}

#[track_caller]
fn check_specification(name: &str, unit: &str, suffix: Suffix, expected: &str) {
    let naming = Naming { translation: Translation::Specification, ..Naming::default() };
    assert_eq!(naming.translate(name, unit, suffix).as_deref(), Some(expected));
}

#[test]
fn names_of_our_domain_are_those_on_dashboards() {
    check("hw.gpu.utilization", "1", RatioOfOne, "hw_gpu_utilization_ratio");
    check("hw.energy", "J", Total, "hw_energy_joules_total");
    check("hw.temperature", "Cel", RatioOfOne, "hw_temperature_celsius");
    check("hw.gpu.memory.usage", "By", Plain, "hw_gpu_memory_usage_bytes");
    check("hw.gpu.io", "By", Total, "hw_gpu_io_bytes_total");
    check("hw.power", "W", RatioOfOne, "hw_power_watts");
    check("gen_ai.client.token.usage", "{token}", Plain, "gen_ai_client_token_usage");
    check("gen_ai.server.time_to_first_token", "s", Plain, "gen_ai_server_time_to_first_token_seconds");
    check("vllm:num_requests_running", "", RatioOfOne, "vllm:num_requests_running");
    check("http.server.request.duration", "s", Plain, "http_server_request_duration_seconds");
    check("db.client.connection.count", "{connection}", Plain, "db_client_connection_count");
    check("cpu.clock", "Hz", RatioOfOne, "cpu_clock_hertz");
    check("net.rate", "By/s", RatioOfOne, "net_rate_bytes_per_second");
}

#[test]
fn units_become_words() {
    check("a", "m/s", Plain, "a_meters_per_second");
    check("a", "By/min", Plain, "a_bytes_per_minute");
    check("a", "By/m", Plain, "a_bytes_per_minute");
    check("a", "{request}/s", Plain, "a_per_second");
    check("a", "MHz", Plain, "a_MHz");
    check("a", "1", Plain, "a");
    check("a", "%", RatioOfOne, "a_percent");
    check("a.seconds", "s", Total, "a_seconds_total");
    check("a.ratio.b", "1", RatioOfOne, "a_b_ratio");
}

#[test]
fn illegal_characters_become_one_underscore_and_nothing_is_refused() {
    check("a..b--c", "", Plain, "a_b_c");
    check("1st", "", Plain, "_1st");
    check("é.ü", "s", Plain, "seconds");
    assert_eq!(Naming::default().translate("...", "", Plain), None);
    assert_eq!(Naming::default().translate("", "", Plain), None);
}

#[test]
fn slips_of_the_reference_are_not_repeated() {
    check("a", "TiBy", Plain, "a_tebibytes");
    check("a", "kBy", Plain, "a_kilobytes");
    check("total.requests", "", Total, "requests_total");
    check("bytes.read.size", "By", Plain, "bytes_read_size");
    check("cache.subtotal", "", Total, "cache_subtotal_total");
    check_specification("total.requests", "", Total, "total_requests_total");
    check_specification("bytes.read.size", "By", Plain, "bytes_read_size_bytes");
    check_specification("a.bytes", "By", Total, "a_bytes_total");
    check_specification("a", "1", RatioOfOne, "a");
    check_strategy(NoUTF8EscapingWithSuffixes, ("cache.subtotal", "", Total), "cache.subtotal_total");
    check_strategy(NoUTF8EscapingWithSuffixes, ("x.milliseconds", "s", Plain), "x.milliseconds_seconds");
    check_strategy(NoUTF8EscapingWithSuffixes, ("foo.total", "", Total), "foo_total");
}

#[test]
fn each_strategy_names_a_counter_of_bytes() {
    let counter = ("foo.bar", "By", Total);
    check_strategy(UnderscoreEscapingWithSuffixes, counter, "foo_bar_bytes_total");
    check_strategy(UnderscoreEscapingWithoutSuffixes, counter, "foo_bar");
    check_strategy(NoUTF8EscapingWithSuffixes, counter, "foo.bar_bytes_total");
    check_strategy(NoTranslation, counter, "foo.bar");
    check_strategy(UnderscoreEscapingWithoutSuffixes, ("a__b.c", "", Plain), "a__b_c");
}

#[test]
fn a_namespace_stands_in_front() {
    for (strategy, expected) in [
        (UnderscoreEscapingWithSuffixes, "my_ns_foo_bar_bytes_total"),
        (UnderscoreEscapingWithoutSuffixes, "my_ns_foo_bar"),
        (NoUTF8EscapingWithSuffixes, "my.ns_foo.bar_bytes_total"),
        (NoTranslation, "my.ns_foo.bar"),
    ] {
        let naming = Naming { strategy, namespace: "my.ns".to_owned(), ..Naming::default() };
        assert_eq!(naming.translate("foo.bar", "By", Total).as_deref(), Some(expected));
    }
}
