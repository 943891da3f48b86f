mod bounds;

use config::Section;
use pipeline::{Registry, notation};

use super::*;
use crate::prometheus::config::Config;
use crate::prometheus::store::{Limits, Now};

const NOW: Now = Now { received: 0, unix_nano: 1_700_000_000_000_000_000 };

fn config(settings: &str) -> Config {
    let section = Section::from_yaml("prometheus", settings).unwrap();
    Config::read(&section, &pipeline::net::Net::default()).unwrap()
}

fn store(settings: &str) -> Store {
    Store::new(config(settings).rules(), Limits { series_max: 1000, keeps_exemplars: true })
}

/// A page after these points, written in pieces of `size` bytes.
fn page_in_pieces(settings: &str, format: Format, escaping: Escaping, points: &str, size: usize) -> String {
    let config = config(settings);
    let mut store = store(settings);
    for point in &notation::parse(points, &Registry::new(1000)).unwrap() {
        store.update(point, NOW);
    }
    let options = Options { has_timestamps: config.send_timestamps, has_created: config.created_timestamps };
    let mut page = Page::new(format, escaping, options).or_say(config.empty_page.as_str().into());
    let (mut whole, mut piece) = (Vec::new(), Vec::new());
    while page.write(&mut store, &mut piece, size) {
        whole.append(&mut piece);
    }
    whole.append(&mut piece);
    String::from_utf8(whole).unwrap()
}

#[track_caller]
fn check_with(settings: &str, (format, escaping): (Format, Escaping), points: &str, expected: &str) {
    for size in [1, 100, 100_000] {
        let page = page_in_pieces(settings, format, escaping, points, size);
        assert_eq!(page, expected, "in pieces of {size}");
    }
}

const TEXT: (Format, Escaping) = (Format::Text, Escaping::Underscores);
const OPEN_METRICS: (Format, Escaping) = (Format::OpenMetrics, Escaping::AllowUtf8);

#[track_caller]
fn check_text(points: &str, expected: &str) {
    check_with("", TEXT, points, expected);
}

#[track_caller]
fn check_open_metrics(points: &str, expected: &str) {
    check_with("", OPEN_METRICS, points, &format!("{expected}# EOF\n"));
}

#[test]
fn families_stand_by_name_and_series_by_labels() {
    check_text(
        "about \"The b.\\nSecond \\\\ \\\"line\\\".\"\ngauge b{x=2} [1] = 0.5\ngauge b{x=1} [1] = 2\nabout\ncounter a = 17",
        "# TYPE a_total counter\na_total 17\n\
         # TYPE b_ratio gauge\n# HELP b_ratio The b.\\nSecond \\\\ \"line\".\nb_ratio{x=\"1\"} 2\nb_ratio{x=\"2\"} 0.5\n",
    );
}

#[test]
fn open_metrics_names_families_without_suffix_and_tells_units() {
    check_open_metrics(
        "about \"A \\\"quote\\\".\"\ncounter hw.energy [J] = 1.5\nabout\ngauge t [Cel] = 20\ngauge n [{x}] = 1\n\
         gauge r [1] = 0.5",
        "# TYPE hw_energy_joules counter\n# UNIT hw_energy_joules joules\n# HELP hw_energy_joules A \\\"quote\\\".\n\
         hw_energy_joules_total 1.5\n# TYPE n gauge\nn 1\n\
         # TYPE r_ratio gauge\n# UNIT r_ratio ratio\nr_ratio 0.5\n\
         # TYPE t_celsius gauge\n# UNIT t_celsius celsius\nt_celsius 20\n",
    );
}

#[test]
fn a_histogram_is_cumulative_with_canonical_bounds() {
    let points = "histogram h{a=1,le=5} [s] = count 10 sum 2.5 min 0 max 9 buckets 0.5:3 1:5 1000000:0 inf:2";
    let expected = "h_seconds_bucket{a=\"1\",exported_le=\"5\",le=\"0.5\"} 3\n\
                    h_seconds_bucket{a=\"1\",exported_le=\"5\",le=\"1.0\"} 8\n\
                    h_seconds_bucket{a=\"1\",exported_le=\"5\",le=\"1e+06\"} 8\n\
                    h_seconds_bucket{a=\"1\",exported_le=\"5\",le=\"+Inf\"} 10\n\
                    h_seconds_sum{a=\"1\",exported_le=\"5\"} 2.5\nh_seconds_count{a=\"1\",exported_le=\"5\"} 10\n";
    check_text(points, &format!("# TYPE h_seconds histogram\n{expected}"));
    check_open_metrics(points, &format!("# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n{expected}"));
}

#[test]
fn open_metrics_has_sum_and_count_together_or_not_at_all() {
    let without_sum = "histogram h = count 3 buckets 1:1 inf:2";
    check_text(
        without_sum,
        "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_count 3\n",
    );
    check_open_metrics(without_sum, "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 3\n");
    check_open_metrics(
        "histogram h = count 3 sum -4 buckets -1:1 inf:2",
        "# TYPE h histogram\nh_bucket{le=\"-1.0\"} 1\nh_bucket{le=\"+Inf\"} 3\n",
    );
    check_open_metrics(
        "histogram h = count 3 sum 1",
        "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 3\nh_sum 1\nh_count 3\n",
    );
}

#[test]
fn an_exponential_histogram_gets_classic_buckets() {
    check_text(
        "exponential e = count 10 sum 20 zero 1 positive 0:4,5",
        "# TYPE e histogram\ne_bucket{le=\"0.0\"} 1\ne_bucket{le=\"1.0\"} 1\ne_bucket{le=\"2.0\"} 5\n\
         e_bucket{le=\"4.0\"} 10\ne_bucket{le=\"+Inf\"} 10\ne_sum 20\ne_count 10\n",
    );
}

#[test]
fn a_summary_has_quantiles() {
    check_text(
        "summary s = count 3 sum 6 quantiles 0.5:1 0.99:nan 1:3 2:4",
        "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.99\"} NaN\ns{quantile=\"1.0\"} 3\ns_sum 6\ns_count 3\n",
    );
}

#[test]
fn hints_from_where_a_point_was_scraped_are_heeded() {
    let hinted = |hint: &str, point: &str| format!("about {{prometheus.type=\"{hint}\"}}\n{point}");
    let info = hinted("info", "updown build{v=\"1\"} = 1");
    check_text(&info, "# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n");
    check_open_metrics(&info, "# TYPE build info\nbuild_info{v=\"1\"} 1\n");
    let set = hinted("stateset", "updown s{s=\"on\"} = 1\nupdown s{s=\"off\"} = 0");
    check_text(&set, "# TYPE s gauge\ns{s=\"off\"} 0\ns{s=\"on\"} 1\n");
    check_open_metrics(&set, "# TYPE s stateset\ns{s=\"off\"} 0\ns{s=\"on\"} 1\n");
    check_open_metrics(&hinted("stateset", "updown s{t=\"on\"} = 1"), "# TYPE s gauge\ns{t=\"on\"} 1\n");
    let unknown = hinted("unknown", "gauge u = nan");
    check_text(&unknown, "# TYPE u untyped\nu NaN\n");
    check_open_metrics(&unknown, "# TYPE u unknown\nu NaN\n");
    check_text(&hinted("unkown", "gauge u = -inf"), "# TYPE u untyped\nu -Inf\n");
}

#[test]
fn what_one_source_calls_a_gauge_and_another_does_not_is_one_family() {
    let unknown = "about {prometheus.type=\"unknown\"}\ngauge u{x=1} = 1\n";
    let known = "resource {service.name=\"n\"}\nabout\ngauge u{x=2} = 2\n";
    let expected = "# TYPE u gauge\nu{job=\"n\",x=\"2\"} 2\nu{x=\"1\"} 1\n";
    for points in [format!("{unknown}{known}"), format!("{known}resource {{}}\n{unknown}")] {
        check_text(&points, expected);
        check_open_metrics(&points, expected);
    }
}

#[test]
fn exemplars_are_in_open_metrics_on_counters_and_buckets() {
    let points = "counter c = 1 exemplar 0.5 @1500000000 trace 0x0102\ngauge g = 1 exemplar 0.5\n\
                  histogram h = count 2 sum 3 buckets 1:1 inf:1 exemplar 0.7 exemplar 2.5 {a=1}";
    check_open_metrics(
        points,
        "# TYPE c counter\nc_total 1 # {trace_id=\"0102\"} 0.5 1.5\n# TYPE g gauge\ng 1\n\
         # TYPE h histogram\nh_bucket{le=\"1.0\"} 1 # {} 0.7\nh_bucket{le=\"+Inf\"} 2 # {a=\"1\"} 2.5\nh_sum 3\nh_count 2\n",
    );
    check_text("counter c = 1 exemplar 0.5", "# TYPE c_total counter\nc_total 1\n");
}

#[test]
fn what_open_metrics_does_not_allow_is_left_out_there() {
    let points = "counter c{a=1} = -1\ncounter c{a=2} = nan\ncounter c{a=3} = 1";
    check_text(
        points,
        "# TYPE c_total counter\nc_total{a=\"1\"} -1\nc_total{a=\"2\"} NaN\nc_total{a=\"3\"} 1\n",
    );
    check_open_metrics(points, "# TYPE c counter\nc_total{a=\"3\"} 1\n");
}

#[test]
fn resources_are_told_by_target_info() {
    let points = "resource {service.name=\"n\",host.name=\"h\"}\nscope \"s\"\ngauge a = 1\n\
                  resource {service.name=\"m\"}\ngauge a = 2";
    let series = "# TYPE a gauge\na{job=\"m\"} 2\na{job=\"n\",otel_scope_name=\"s\"} 1\n";
    check_text(
        points,
        &format!(
            "# TYPE target_info gauge\n# HELP target_info Target metadata\ntarget_info{{host_name=\"h\",job=\"n\"}} 1\n{series}"
        ),
    );
    check_open_metrics(
        points,
        &format!(
            "# TYPE target info\n# HELP target Target metadata\ntarget_info{{host_name=\"h\",job=\"n\"}} 1\n{series}"
        ),
    );
    check_with("target_info: {enabled: false}", TEXT, points, series);
    check_with(
        "without_scope_info: true\nconst_labels: {z: w}\ntarget_info: {enabled: false}\n\
         resource_to_telemetry_conversion: {enabled: true, exclude_service_attributes: true}",
        TEXT,
        points,
        "# TYPE a gauge\na{host_name=\"h\",job=\"n\",z=\"w\"} 1\na{job=\"m\",z=\"w\"} 2\n",
    );
}

#[test]
fn a_later_family_of_another_type_is_hidden_but_not_one_with_another_help() {
    check_text(
        "about \"One.\"\ngauge a.b{x=1} = 1\nabout \"Two.\"\ngauge a_b{x=2} = 2\nupdown a.b{x=3} = 3\n\
         histogram a.b = count 1 sum 1\nabout\nsummary t = count 1\ngauge t.count = 5",
        "# TYPE a_b gauge\n# HELP a_b One.\na_b{x=\"1\"} 1\na_b{x=\"2\"} 2\na_b{x=\"3\"} 3\n\
         # TYPE t summary\nt_sum 0\nt_count 1\n",
    );
    check_text("gauge target_info{x=1} = 1\ngauge target = 2", "# TYPE target gauge\ntarget 2\n");
    check_open_metrics("gauge target_info{x=1} = 1\ngauge target = 2", "");
}

#[test]
fn names_that_clash_only_in_open_metrics_lose_their_type_not_their_series() {
    let points = "gauge a = 1\ncounter a = 2\ncounter target = 3";
    check_text(
        points,
        "# TYPE a gauge\na 1\n# TYPE a_total counter\na_total 2\n# TYPE target_total counter\ntarget_total 3\n",
    );
    check_with(
        "target_info: {enabled: false}",
        OPEN_METRICS,
        points,
        "# TYPE a gauge\na 1\n# TYPE a_total unknown\na_total 2\n# TYPE target counter\ntarget_total 3\n# EOF\n",
    );
}

#[test]
fn strategies_and_escapings_name_as_the_specification_says() {
    let points = "counter foo.bar{a.b=1} [By] = 1";
    let named = |strategy: &str, escaping, expected: &str| {
        let settings = format!("translation_strategy: {strategy}");
        check_with(&settings, (Format::EscapedText, escaping), points, expected);
    };
    let (utf8, underscores) = (Escaping::AllowUtf8, Escaping::Underscores);
    let full = "# TYPE foo_bar_bytes_total counter\nfoo_bar_bytes_total{a_b=\"1\"} 1\n";
    let bare = "# TYPE foo_bar counter\nfoo_bar{a_b=\"1\"} 1\n";
    named("UnderscoreEscapingWithSuffixes", utf8, full);
    named("UnderscoreEscapingWithSuffixes", underscores, full);
    named("UnderscoreEscapingWithoutSuffixes", utf8, bare);
    named("NoUTF8EscapingWithSuffixes", underscores, full);
    named("NoTranslation", underscores, bare);
    named(
        "NoUTF8EscapingWithSuffixes",
        utf8,
        "# TYPE \"foo.bar_bytes_total\" counter\n{\"foo.bar_bytes_total\",\"a.b\"=\"1\"} 1\n",
    );
    named("NoTranslation", utf8, "# TYPE \"foo.bar\" counter\n{\"foo.bar\",\"a.b\"=\"1\"} 1\n");
    named(
        "NoTranslation",
        Escaping::Values,
        "# TYPE U__foo_2e_bar counter\nU__foo_2e_bar{U__a_2e_b=\"1\"} 1\n",
    );
    named(
        "UnderscoreEscapingWithSuffixes",
        Escaping::Dots,
        "# TYPE foo__bar__bytes__total counter\nfoo__bar__bytes__total{a__b=\"1\"} 1\n",
    );
    check_with(
        "translation_strategy: NoTranslation",
        OPEN_METRICS,
        "histogram h.x = count 1 sum 1\ngauge g.x = 1\ncounter foo.bar = 1",
        "# TYPE \"foo.bar\" unknown\n{\"foo.bar\"} 1\n# TYPE \"g.x\" gauge\n{\"g.x\"} 1\n\
         # TYPE \"h.x\" histogram\n{\"h.x_bucket\",le=\"+Inf\"} 1\n{\"h.x_sum\"} 1\n{\"h.x_count\"} 1\n# EOF\n",
    );
}

#[test]
fn names_that_escaping_makes_equal_are_one_series() {
    check_with(
        "translation_strategy: NoTranslation",
        TEXT,
        "gauge a.b{x.y=1} = 1 @1\ngauge a_b{x_y=1} = 2 @2\ngauge a_b{x_y=2} = 3",
        "# TYPE a_b gauge\na_b{x_y=\"1\"} 2\na_b{x_y=\"2\"} 3\n",
    );
}

#[test]
fn times_are_written_when_asked_for() {
    let points = "counter a = 1 @1600000000000000000..1700000000250000000\ngauge b = 1";
    check_with(
        "send_timestamps: true",
        TEXT,
        points,
        "# TYPE a_total counter\na_total 1 1700000000250\n# TYPE b gauge\nb 1 1700000000000\n",
    );
    check_with(
        "send_timestamps: true\ncreated_timestamps: true",
        OPEN_METRICS,
        points,
        "# TYPE a counter\na_total 1 1700000000.25\na_created 1600000000 1700000000.25\n\
         # TYPE b gauge\nb 1 1700000000\n# EOF\n",
    );
}

#[test]
fn an_empty_page_is_valid() {
    check_text("", "");
    check_open_metrics("", "");
}

/// A resource and a scope that would show, and a metric whose name is literal.
const LITERAL: &str =
    "resource {service.name=\"n\",host.name=\"h\"}\nscope \"s\"\nabout \"Text.\" {prometheus.literal=true}\n";

#[test]
fn literal_names_are_exposed_as_they_are() {
    check_with(
        "{namespace: node, const_labels: {site: lab}, resource_to_telemetry_conversion: {enabled: true}}",
        TEXT,
        &format!(
            "{LITERAL}counter ainode_requests{{model=\"m\"}} [{{request}}] = 3\n\
             gauge ratio [1] = 0.5\nupdown gpustack:slots{{job=\"mine\",le=\"5\"}} [By] = 2\n\
             histogram seconds_bucket{{le=\"5\"}} [s] = count 2 sum 1 buckets 1:2 inf:0"
        ),
        "# TYPE ainode_requests counter\n# HELP ainode_requests Text.\nainode_requests{model=\"m\",site=\"lab\"} 3\n\
         # TYPE gpustack:slots gauge\n# HELP gpustack:slots Text.\n\
         gpustack:slots{job=\"mine\",le=\"5\",site=\"lab\"} 2\n\
         # TYPE ratio gauge\n# HELP ratio Text.\nratio{site=\"lab\"} 0.5\n\
         # TYPE seconds_bucket histogram\n# HELP seconds_bucket Text.\n\
         seconds_bucket_bucket{exported_le=\"5\",site=\"lab\",le=\"1.0\"} 2\n\
         seconds_bucket_bucket{exported_le=\"5\",site=\"lab\",le=\"+Inf\"} 2\n\
         seconds_bucket_sum{exported_le=\"5\",site=\"lab\"} 1\nseconds_bucket_count{exported_le=\"5\",site=\"lab\"} 2\n",
    );
}

#[test]
fn what_is_not_marked_as_literal_is_named_as_ever() {
    let unmarked = LITERAL.replace("=true", "=\"true\"");
    check_with(
        "{namespace: node, target_info: {enabled: false}}",
        TEXT,
        &format!("{unmarked}counter c = 3"),
        "# TYPE node_c_total counter\n# HELP node_c_total Text.\nnode_c_total{job=\"n\",otel_scope_name=\"s\"} 3\n",
    );
}

#[test]
fn a_literal_counter_without_total_is_unknown_in_open_metrics() {
    check_open_metrics(
        &format!(
            "{LITERAL}counter ainode_requests = 3\ncounter b_seconds_total [s] = 1\ngauge up_seconds [s] = 2"
        ),
        "# TYPE ainode_requests unknown\n# HELP ainode_requests Text.\nainode_requests 3\n\
         # TYPE b_seconds counter\n# UNIT b_seconds seconds\n# HELP b_seconds Text.\nb_seconds_total 1\n\
         # TYPE up_seconds gauge\n# UNIT up_seconds seconds\n# HELP up_seconds Text.\nup_seconds 2\n",
    );
}

#[test]
fn literal_names_beyond_the_old_set_are_escaped_as_the_scraper_asks() {
    let points = format!("{LITERAL}gauge a.b{{c.d=\"1\",__name__=\"x\"}} = 1");
    check_with(
        "",
        OPEN_METRICS,
        &points,
        "# TYPE \"a.b\" gauge\n# HELP \"a.b\" Text.\n{\"a.b\",\"c.d\"=\"1\",key__name__=\"x\"} 1\n# EOF\n",
    );
    check_with("", TEXT, &points, "# TYPE a_b gauge\n# HELP a_b Text.\na_b{c_d=\"1\",key__name__=\"x\"} 1\n");
}

#[test]
fn a_page_has_the_metrics_that_it_is_to_have() {
    let points = "resource {service.name=\"n\",x=\"1\"}\ncounter a = 1\nresource {service.name=\"m\",x=\"1\"}\n\
                  counter a.b = 2\ngauge b [s] = 3\nhistogram h = count 1";
    check_with(
        "{metrics: {included: ['a_*_total', b_seconds, h]}, without_scope_info: true, target_info: {enabled: false}}",
        TEXT,
        points,
        "# TYPE a_b_total counter\na_b_total{job=\"m\"} 2\n# TYPE b_seconds gauge\nb_seconds{job=\"m\"} 3\n\
         # TYPE h histogram\nh_bucket{job=\"m\",le=\"+Inf\"} 1\nh_count{job=\"m\"} 1\n",
    );
    // Nothing tells of a resource whose series are not there.
    check_with(
        "metrics: {excluded: ['a*', h]}",
        TEXT,
        points,
        "# TYPE target_info gauge\n# HELP target_info Target metadata\ntarget_info{job=\"m\",x=\"1\"} 1\n\
         # TYPE b_seconds gauge\nb_seconds{job=\"m\"} 3\n",
    );
}

#[test]
fn a_page_without_series_can_say_so() {
    let settings = "empty_page: \"# No active runners\\n# yet\"";
    check_with(settings, TEXT, "", "# No active runners\n# yet\n");
    check_with(settings, TEXT, "gauge a = 1", "# TYPE a gauge\na 1\n");
    // OpenMetrics has no such lines.
    check_with(settings, OPEN_METRICS, "", "# EOF\n");
}
