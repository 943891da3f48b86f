//! What stands in requests.

use prost::Message;

use super::messages::{Request2, WriteRequest, text1, text2};
use super::*;

#[track_caller]
pub(super) fn check(settings: &str, input: &str, expected: &str) -> Receipt {
    let (body, counts, receipt) = body(&exporter(settings), &points(input), Format::V1);
    let request = WriteRequest::decode(&*body).unwrap();
    assert_eq!(text1(&request), expected);
    let samples: usize = request.timeseries.iter().map(|series| series.samples.len()).sum();
    let histograms: usize = request.timeseries.iter().map(|series| series.histograms.len()).sum();
    assert_eq!((counts.samples, counts.histograms), (samples as u64, histograms as u64));
    receipt
}

#[track_caller]
pub(super) fn check2(settings: &str, input: &str, expected: &str) -> Receipt {
    let settings = format!("protobuf_message: io.prometheus.write.v2.Request\n{settings}");
    let (body, _, receipt) = body(&exporter(&settings), &points(input), Format::V2);
    assert_eq!(text2(&Request2::decode(&*body).unwrap()), expected);
    receipt
}

const RESOURCE: &str = r#"resource {service.name="vllm",service.instance.id="i1"}"#;

#[test]
fn numbers_have_sorted_labels_and_milliseconds() {
    let input = format!(
        "{RESOURCE}\nscope \"s\"\ncounter hits{{Zone=\"z\",a.b=1,le=\"x\"}} = 17 @1000000000..2500000000\n\
         gauge heat{{}} [Cel] = -0.0 @1999999\ngauge nan = nan @1000000000"
    );
    check(
        "external_labels: {cluster.name: lab, a_b: not this}",
        &input,
        "{Zone=\"z\",__name__=\"hits_total\",a_b=\"1\",cluster_name=\"lab\",instance=\"i1\",job=\"vllm\",le=\"x\",\
         otel_scope_name=\"s\"} 17@2500\n\
         {__name__=\"heat_celsius\",a_b=\"not this\",cluster_name=\"lab\",instance=\"i1\",job=\"vllm\",\
         otel_scope_name=\"s\"} -0@1\n\
         {__name__=\"nan\",a_b=\"not this\",cluster_name=\"lab\",instance=\"i1\",job=\"vllm\",otel_scope_name=\"s\"} NaN@1000\n",
    );
}

#[test]
fn the_bytes_of_both_versions_are_these() {
    let batch = points("about \"h\"\ncounter a{b=\"c\"} = 2 @1000000000..2000000000");
    let (one, ..) = body(&exporter(""), &batch, Format::V1);
    let name = [&[0x0a, 19, 0x0a, 8][..], b"__name__", &[0x12, 7], b"a_total"].concat();
    let label = [&[0x0a, 6, 0x0a, 1][..], b"b", &[0x12, 1], b"c"].concat();
    let sample = [&[0x12, 12, 0x09][..], &2_f64.to_le_bytes(), &[0x10, 0xd0, 0x0f]].concat();
    assert_eq!(one, [&[0x0a, 43][..], &name, &label, &sample].concat());

    let (two, ..) = body(&exporter(""), &batch, Format::V2);
    let symbols = ["", "__name__", "a_total", "b", "c", "h"];
    let symbols: Vec<u8> =
        symbols.iter().flat_map(|text| [&[0x22, text.len() as u8], text.as_bytes()].concat()).collect();
    let sample =
        [&[0x12, 15, 0x09][..], &2_f64.to_le_bytes(), &[0x10, 0xd0, 0x0f, 0x18, 0xe8, 0x07]].concat();
    let series = [&[0x2a, 29, 0x0a, 4, 1, 2, 3, 4][..], &sample, &[0x2a, 4, 0x08, 1, 0x18, 5]].concat();
    assert_eq!(two, [symbols, series].concat());
}

#[test]
fn a_summary_has_a_series_a_quantile() {
    let input =
        "summary s{quantile=\"own\"} = count 10 sum 2.5 quantiles 0.5:0.1 0.99:1.5 @1000000000..2000000000";
    check2(
        "",
        input,
        "{__name__=\"s\",exported_quantile=\"own\",quantile=\"0.5\"} 0.1@1000..2000 | 5 \"\" \"\"\n\
         {__name__=\"s\",exported_quantile=\"own\",quantile=\"0.99\"} 1.5@1000..2000 | 5 \"\" \"\"\n\
         {__name__=\"s_sum\",exported_quantile=\"own\"} 2.5@1000..2000 | 5 \"\" \"\"\n\
         {__name__=\"s_count\",exported_quantile=\"own\"} 10@1000..2000 | 5 \"\" \"\"\n",
    );
}

#[test]
fn explicit_bounds_become_custom_ones_in_2_0_where_that_is_wanted() {
    let input = "histogram h = count 37 sum 1 buckets -2:10 -1:0 0:0 1:20 2:5 inf:2 @2000000000";
    let native = "{__name__=\"h\"} count 37 sum 1 schema -53 zero 0<0e0 negative [] [] positive [0+1 2+3] \
                  [10, 10, -15, -3] custom [-2.0, -1.0, 0.0, 1.0, 2.0]@2000 | 3 \"\" \"\"\n";
    check2("convert_explicit_histograms_to_nhcb: true", input, native);
    let input = "histogram h = count 3 sum 1 buckets 1:1 inf:2 @2000000000";
    let classic = "{__name__=\"h_bucket\",le=\"1.0\"} 1@2000\n{__name__=\"h_bucket\",le=\"+Inf\"} 3@2000\n\
                   {__name__=\"h_sum\"} 1@2000\n{__name__=\"h_count\"} 3@2000\n";
    // 1.0 has no form for them.
    check("convert_explicit_histograms_to_nhcb: true", input, classic);
    let both = format!(
        "{{__name__=\"h\"}} count 3 sum 1 schema -53 zero 0<0e0 negative [] [] positive [0+2] [1, 1] custom [1.0]@2000 | 3 \"\" \"\"\n{}",
        classic.replace('\n', " | 3 \"\" \"\"\n")
    );
    check2("convert_explicit_histograms_to_nhcb: true\nkeep_classic_histograms: true", input, &both);
    // Without a sum there is no native form.
    let input = "histogram h = count 3 buckets 1:1 inf:2 @2000000000";
    let classic = classic.replace("{__name__=\"h_sum\"} 1@2000\n", "").replace('\n', " | 3 \"\" \"\"\n");
    check2("convert_explicit_histograms_to_nhcb: true", input, &classic);
}

#[test]
fn a_stale_marker_ends_every_series_of_its_metric() {
    let input = "gauge g = 1 @1000000000\n\
                 gauge g = stale @2000000000 flags 1\n\
                 histogram h = count 3 sum 1 buckets 1:1 inf:2 @1000000000\n\
                 histogram h = stale @2000000000 flags 1\n\
                 summary s = count 3 sum 1 quantiles 0.5:1 @1000000000\n\
                 summary s = stale @2000000000 flags 1\n\
                 exponential e = count 1 sum 1 scale 0 positive 0:1 @1000000000\n\
                 exponential e = stale @2000000000 flags 1\n";
    check(
        "",
        input,
        "{__name__=\"g\"} 1@1000 stale@2000\n\
         {__name__=\"h_bucket\",le=\"1.0\"} 1@1000 stale@2000\n\
         {__name__=\"h_bucket\",le=\"+Inf\"} 3@1000 stale@2000\n\
         {__name__=\"h_sum\"} 1@1000 stale@2000\n\
         {__name__=\"h_count\"} 3@1000 stale@2000\n\
         {__name__=\"s\",quantile=\"0.5\"} 1@1000 stale@2000\n\
         {__name__=\"s_sum\"} 1@1000 stale@2000\n\
         {__name__=\"s_count\"} 3@1000 stale@2000\n\
         {__name__=\"e\"} count 1 sum 1 schema 0 zero 0<1e-128 negative [] [] positive [1+1] [1] custom []@1000 \
         count 0 sum stale schema 0 zero 0<0e0 negative [] [] positive [] [] custom []@2000\n",
    );
}

#[test]
fn a_marker_in_a_later_batch_ends_the_buckets_that_were_there() {
    let registry = Registry::new(10);
    let exporter = exporter("");
    let first =
        notation::parse("histogram h = count 3 sum 1 buckets 1:1 inf:2 @1000000000", &registry).unwrap();
    Plan::new(&exporter.memory, &first, Format::V1).mark_sent();
    let second = notation::parse("histogram h = stale @2000000000 flags 1", &registry).unwrap();
    let second: Batch = second
        .iter()
        .map(|point| pipeline::Point { series: first.as_slice()[0].series.clone(), ..point.clone() })
        .collect();
    let (body, ..) = body(&exporter, &second, Format::V1);
    assert_eq!(
        text1(&WriteRequest::decode(&*body).unwrap()),
        "{__name__=\"h_bucket\",le=\"1.0\"} stale@2000\n{__name__=\"h_bucket\",le=\"+Inf\"} stale@2000\n\
         {__name__=\"h_sum\"} stale@2000\n{__name__=\"h_count\"} stale@2000\n"
    );
}

#[test]
fn bounds_that_are_there_no_more_are_ended() {
    let exporter = exporter("");
    let registry = Registry::new(10);
    let parse = |text: &str| notation::parse(text, &registry).unwrap();
    let text = |batch: &Batch| {
        let (bytes, counts, _) = body(&exporter, batch, Format::V1);
        let request = WriteRequest::decode(&*bytes).unwrap();
        let samples: usize = request.timeseries.iter().map(|series| series.samples.len()).sum();
        assert_eq!(counts.samples, samples as u64);
        let text = text1(&request);
        text.lines()
            .filter(|line| !line.contains("_sum") && !line.contains("_count"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let first = parse(
        "histogram h = count 3 sum 1 buckets 1:1 2:1 inf:1 @1000000000\nsummary s = count 3 sum 1 quantiles 0.5:1 0.9:2 @1000000000",
    );
    let second = parse(
        "histogram h = count 3 sum 1 buckets 2:1 4:1 inf:1 @2000000000\nsummary s = count 3 sum 1 quantiles 0.9:2 @2000000000",
    );
    let both: Batch = first.iter().chain(second.iter()).cloned().collect();
    let of_first = "{__name__=\"h_bucket\",le=\"1.0\"} 1@1000\n{__name__=\"h_bucket\",le=\"2.0\"} 2@1000\n\
                    {__name__=\"h_bucket\",le=\"+Inf\"} 3@1000";
    let of_second = "{__name__=\"h_bucket\",le=\"1.0\"} stale@2000\n{__name__=\"h_bucket\",le=\"2.0\"} 1@2000\n\
                     {__name__=\"h_bucket\",le=\"4.0\"} 2@2000\n{__name__=\"h_bucket\",le=\"+Inf\"} 3@2000";
    let (of_s, of_s2) = (
        "{__name__=\"s\",quantile=\"0.5\"} 1@1000\n{__name__=\"s\",quantile=\"0.9\"} 2@1000",
        "{__name__=\"s\",quantile=\"0.5\"} stale@2000\n{__name__=\"s\",quantile=\"0.9\"} 2@2000",
    );
    assert_eq!(text(&both), format!("{of_first}\n{of_second}\n{of_s}\n{of_s2}"));
    // What was not sent is not ended, and an attempt that is made again is the same.
    assert!(!text(&second).contains("stale"));
    Plan::new(&exporter.memory, &first, Format::V1).mark_sent();
    for _ in 0..2 {
        assert_eq!(text(&second), format!("{of_second}\n{of_s2}"));
    }
    Plan::new(&exporter.memory, &second, Format::V1).mark_sent();
    assert!(!text(&parse("histogram h = count 3 sum 1 buckets 2:1 4:1 inf:1 @3000000000")).contains("stale"));
}

#[test]
fn exemplars_are_with_their_bucket_and_have_a_time() {
    let input = "counter c = 1 @2000000000 exemplar 0.5 @1000000000 {z=\"1\",b=\"2\",e=\"\"} trace 0x0102 exemplar 1\n\
                 gauge g = 1 @2000000000 exemplar 1\n\
                 histogram h = count 2 sum 1 buckets 1:1 inf:1 @2000000000 exemplar 9.0 exemplar 1.0 @1000000000\n\
                 exponential e = count 1 sum 1 scale 0 positive 0:1 @2000000000 exemplar 2";
    let expected = "{__name__=\"c_total\"} 1@2000 # {b=\"2\",trace_id=\"0102\",z=\"1\"} 0.5@1000 # {} 1@2000\n\
                    {__name__=\"g\"} 1@2000\n\
                    {__name__=\"h_bucket\",le=\"1.0\"} 1@2000 # {} 1@1000\n\
                    {__name__=\"h_bucket\",le=\"+Inf\"} 2@2000 # {} 9@2000\n\
                    {__name__=\"h_sum\"} 1@2000\n\
                    {__name__=\"h_count\"} 2@2000\n\
                    {__name__=\"e\"} count 1 sum 1 schema 0 zero 0<1e-128 negative [] [] positive [1+1] [1] custom []@2000";
    check("", input, &format!("{expected} # {{}} 2@2000\n"));
    let without: Vec<_> =
        expected.lines().map(|line| line.split(" # ").next().unwrap().to_owned() + "\n").collect();
    check("send_exemplars: false", input, &without.concat());
    check2(
        "",
        input.lines().next().unwrap(),
        "{__name__=\"c_total\"} 1@2000 # {b=\"2\",trace_id=\"0102\",z=\"1\"} 0.5@1000 # {} 1@2000 | 1 \"\" \"\"\n",
    );
}

#[test]
fn start_times_are_those_of_counters_and_never_after_the_sample() {
    let input = "counter a = 1 @5000000000..2000000000\ncounter b = 1 @1..2000000000\ncounter c = 1 @2000000000\n\
                 gauge d = 1 @1000000000..2000000000\nupdown e = 1 @1000000000..2000000000";
    check2(
        "",
        input,
        "{__name__=\"a_total\"} 1@2000 | 1 \"\" \"\"\n{__name__=\"b_total\"} 1@1..2000 | 1 \"\" \"\"\n\
         {__name__=\"c_total\"} 1@2000 | 1 \"\" \"\"\n{__name__=\"d\"} 1@2000 | 2 \"\" \"\"\n\
         {__name__=\"e\"} 1@2000 | 2 \"\" \"\"\n",
    );
}

#[test]
fn every_type_has_its_number() {
    let input = "about \"Help.\" {prometheus.type=\"unknown\"}\ngauge u = 1 @1000000000\n\
                 about {prometheus.type=\"info\"}\ngauge i = 1 @1000000000\n\
                 about {prometheus.type=\"stateset\"}\ngauge s{s=\"on\"} = 1 @1000000000";
    check2(
        "",
        input,
        "{__name__=\"u\"} 1@1000 | 0 \"Help.\" \"\"\n{__name__=\"i_info\"} 1@1000 | 6 \"\" \"\"\n\
         {__name__=\"s\",s=\"on\"} 1@1000 | 7 \"\" \"\"\n",
    );
}

#[test]
fn what_has_no_form_is_left_out_and_counted() {
    let input = "delta counter a = 1 @1000000000\ndelta histogram b = count 1 sum 1 @1000000000\n\
                 delta exponential c = count 1 sum 1 scale 0 positive 0:1 @1000000000\ngauge d = 1\n\
                 gauge e = empty @1000000000\nhistogram f = count 1 bounds 1.0 counts 1 2 3 @1000000000\n\
                 exponential g = count 1 scale 0 positive 0:1 @1000000000\n\
                 exponential h = count 1 sum 1 scale -5 positive 0:1 @1000000000\n\
                 summary i = count 1 sum 1 quantiles 0.9:1 0.5:1 @1000000000\ngauge _ = 1 @1000000000\n\
                 gauge ok = 1 @1000000000";
    let receipt = check("", input, "{__name__=\"ok\"} 1@1000\n");
    assert_eq!(receipt, Receipt { unsupported: 10, ..Receipt::default() });
}

#[test]
fn names_keep_their_characters_in_2_0_alone() {
    let settings = "translation_strategy: NoTranslation";
    let batch = points("gauge gpu.heat{a.b=\"é\"} = 1 @1000000000");
    let exporter = exporter(&format!("protobuf_message: io.prometheus.write.v2.Request\n{settings}"));
    let (two, ..) = body(&exporter, &batch, Format::V2);
    assert_eq!(
        text2(&Request2::decode(&*two).unwrap()),
        "{__name__=\"gpu.heat\",a.b=\"é\"} 1@1000 | 2 \"\" \"\"\n"
    );
    let (one, ..) = body(&exporter, &batch, Format::V1);
    assert_eq!(text1(&WriteRequest::decode(&*one).unwrap()), "{__name__=\"gpu_heat\",a_b=\"é\"} 1@1000\n");
}

#[test]
fn the_same_labels_stand_in_the_pull_endpoint() {
    let input = format!(
        "{RESOURCE}\nscope \"s\" \"1\" {{x=1}}\ncounter total.requests{{job=\"mine\",a.b=true}} [By/s] = 1 @1000000000\n\
         histogram h{{le=\"mine\"}} [s] = count 1 sum 1 buckets 1:1 inf:0 @1000000000"
    );
    let batch = points(&input);
    let (body, ..) = body(&exporter(""), &batch, Format::V1);
    let request = WriteRequest::decode(&*body).unwrap();
    let mut pushed: Vec<String> = Vec::new();
    for series in &request.timeseries {
        let (name, labels): (Vec<_>, Vec<_>) =
            series.labels.iter().partition(|label| label.name == "__name__");
        let labels: Vec<_> = labels.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
        pushed.push(format!("{}{{{}}} {}", name[0].value, labels.join(","), series.samples[0].value));
    }
    let section = Section::from_yaml("p", "target_info: {enabled: false}").unwrap();
    let page = crate::prometheus_page(&batch, &section).unwrap();
    // The page has `le` behind all other labels.
    let sorted = |line: &str| {
        let (head, rest) = line.split_once('{').unwrap();
        let (labels, value) = rest.split_once("} ").unwrap();
        let mut labels: Vec<_> = labels.split(',').collect();
        labels.sort_unstable();
        format!("{head}{{{}}} {value}", labels.join(","))
    };
    let mut pulled: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).map(sorted).collect();
    pulled.sort();
    pushed.sort();
    assert_eq!(pushed, pulled);
}
