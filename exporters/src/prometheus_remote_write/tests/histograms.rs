//! The forms of histograms in requests.

use prost::Message;

use super::bodies::{check, check2};
use super::messages::{Request2, text2};
use super::*;

const EXPONENTIAL: &str = "exponential e = count 40 sum 1.5 scale 0 zero 3 threshold 0.25 \
                           positive 3:10,0,0,20,5,2 @1000000000..2000000000";

#[test]
fn a_histogram_is_classic_with_canonical_bounds() {
    let input = "histogram wait [s] = count 10 sum 2.5 buckets 0.5:3 2:7 inf:0 @1000000000..2000000000\n\
                 histogram bare = count 4 @2000000000";
    check(
        "",
        input,
        "{__name__=\"wait_seconds_bucket\",le=\"0.5\"} 3@2000\n\
         {__name__=\"wait_seconds_bucket\",le=\"2.0\"} 10@2000\n\
         {__name__=\"wait_seconds_bucket\",le=\"+Inf\"} 10@2000\n\
         {__name__=\"wait_seconds_sum\"} 2.5@2000\n\
         {__name__=\"wait_seconds_count\"} 10@2000\n\
         {__name__=\"bare_bucket\",le=\"+Inf\"} 4@2000\n\
         {__name__=\"bare_count\"} 4@2000\n",
    );
    check2(
        "",
        input.lines().next().unwrap(),
        "{__name__=\"wait_seconds_bucket\",le=\"0.5\"} 3@1000..2000 | 3 \"\" \"seconds\"\n\
         {__name__=\"wait_seconds_bucket\",le=\"2.0\"} 10@1000..2000 | 3 \"\" \"seconds\"\n\
         {__name__=\"wait_seconds_bucket\",le=\"+Inf\"} 10@1000..2000 | 3 \"\" \"seconds\"\n\
         {__name__=\"wait_seconds_sum\"} 2.5@1000..2000 | 3 \"\" \"seconds\"\n\
         {__name__=\"wait_seconds_count\"} 10@1000..2000 | 3 \"\" \"seconds\"\n",
    );
}

#[test]
fn an_exponential_histogram_is_native_or_classic() {
    let native = "count 40 sum 1.5 schema 0 zero 3<2.5e-1 negative [] [] positive [4+1 2+3] [10, 10, -15, -3] custom []";
    check("", EXPONENTIAL, &format!("{{__name__=\"e\"}} {native}@2000\n"));
    check2("", EXPONENTIAL, &format!("{{__name__=\"e\"}} {native}@1000..2000 | 3 \"\" \"\"\n"));
    check(
        "send_native_histograms: false",
        EXPONENTIAL,
        "{__name__=\"e_bucket\",le=\"0.25\"} 3@2000\n\
         {__name__=\"e_bucket\",le=\"8.0\"} 3@2000\n\
         {__name__=\"e_bucket\",le=\"16.0\"} 13@2000\n\
         {__name__=\"e_bucket\",le=\"32.0\"} 13@2000\n\
         {__name__=\"e_bucket\",le=\"64.0\"} 13@2000\n\
         {__name__=\"e_bucket\",le=\"128.0\"} 33@2000\n\
         {__name__=\"e_bucket\",le=\"256.0\"} 38@2000\n\
         {__name__=\"e_bucket\",le=\"512.0\"} 40@2000\n\
         {__name__=\"e_bucket\",le=\"+Inf\"} 40@2000\n\
         {__name__=\"e_sum\"} 1.5@2000\n\
         {__name__=\"e_count\"} 40@2000\n",
    );
}

#[test]
fn classic_series_are_ended_where_there_is_a_native_form_again_or_nothing_more() {
    let exporter = exporter(
        "protobuf_message: io.prometheus.write.v2.Request\nconvert_explicit_histograms_to_nhcb: true",
    );
    let registry = Registry::new(10);
    let mut held = Vec::new();
    let mut check = |input: &[String], expected: &[String]| {
        let batch = notation::parse(&input.concat(), &registry).unwrap();
        // An attempt that is made again is the same.
        for _ in 0..2 {
            let (body, ..) = body(&exporter, &batch, Format::V2);
            let text = text2(&Request2::decode(&*body).unwrap()).replace(" | 3 \"\" \"\"\n", "\n");
            let lines = text.lines().map(|line| match line.strip_prefix("{__name__=\"h\"} ") {
                Some(native) if native.contains("sum stale") => "h stale\n".to_owned(),
                Some(_) => "h\n".to_owned(),
                None => format!("{line}\n"),
            });
            assert_eq!(lines.collect::<String>(), expected.concat());
        }
        Plan::new(&exporter.memory, &batch, Format::V2).mark_sent();
        held.push(batch);
    };
    // Without a sum there is no native form.
    let classic = |time| format!("histogram h = count 3 buckets 1:1 inf:2 @{time}000000000\n");
    let native = |time| format!("histogram h = count 3 sum 1 buckets 2:1 inf:2 @{time}000000000\n");
    let marker = |time| format!("histogram h = stale @{time}000000000 flags 1\n");
    let bucket = |bound, value| format!("{{__name__=\"h_bucket\",le=\"{bound}\"}} {value}\n");
    let values = |time| {
        let count = format!("{{__name__=\"h_count\"}} 3@{time}000\n");
        [bucket("1.0", format!("1@{time}000")), bucket("+Inf", format!("3@{time}000")), count].concat()
    };
    let ended = |time| {
        let stale = format!("stale@{time}000");
        let others = ["sum", "count"].map(|part| format!("{{__name__=\"h_{part}\"}} {stale}\n"));
        bucket("1.0", stale.clone()) + &bucket("+Inf", stale) + &others.concat()
    };
    let whole = |text: &str| format!("{text}\n");
    check(&[classic(1)], &[values(1)]);
    check(&[native(2)], &[ended(2), whole("h")]);
    check(&[native(3)], &[whole("h")]);
    check(&[marker(4)], &[whole("h stale")]);
    check(&[classic(5)], &[bucket("2.0", String::from("stale@5000")), values(5)]);
    check(&[marker(6)], &[ended(6), whole("h stale")]);
    check(&[classic(7), marker(8)], &[values(7), ended(8), whole("h stale")]);
}

#[test]
fn kinds_of_histograms_under_one_name_keep_their_forms() {
    let explicit = "histogram h = count 3 sum 1 buckets 1:1 inf:2 @1000000000";
    let exponential = "exponential h = count 1 sum 1 scale 0 positive 0:1 @2000000000";
    let custom = "convert_explicit_histograms_to_nhcb: true";
    for settings in ["", "send_native_histograms: false", custom] {
        for (first, second) in [(explicit, exponential), (exponential, explicit)] {
            let settings = format!("protobuf_message: io.prometheus.write.v2.Request\n{settings}");
            let exporter = exporter(&settings);
            let request = |input: &str| {
                let (bytes, _, receipt) = body(&exporter, &points(input), Format::V2);
                assert_eq!(receipt, Receipt::default());
                let text = text2(&Request2::decode(&*bytes).unwrap());
                let mut lines: Vec<_> = text.lines().map(ToOwned::to_owned).collect();
                lines.sort();
                lines
            };
            // Together they are what each is alone.
            let together = request(&format!("{first}\n{second}"));
            let apart = [request(explicit), request(exponential)].concat();
            let values = |lines: &[String]| lines.iter().map(|line| line.matches('@').count()).sum::<usize>();
            assert_eq!(values(&together), values(&apart), "{settings}: {together:#?}");
            let has_custom = together.iter().any(|line| line.contains("-53"));
            assert_eq!(has_custom, settings.contains("nhcb"), "{together:#?}");
        }
    }
}
