//! In which order points go out, which do not, and when resources are told.

use prost::Message;

use super::bodies::check;
use super::messages::{WriteRequest, text1};
use super::plan::Reason;
use super::*;
use crate::testing::{Reply, Scripted, Seen, start};

#[test]
fn points_of_a_series_are_sent_in_the_order_of_their_times() {
    let input = "gauge a = 3 @3000000000\ngauge b = 1 @1000000000\ngauge a = 1 @1000000000\ngauge a = 2 @2000000000\n\
                 gauge a = 9 @2000000000";
    let receipt = check("", input, "{__name__=\"a\"} 1@1000 2@2000 3@3000\n{__name__=\"b\"} 1@1000\n");
    assert_eq!(receipt, Receipt { out_of_order: 1, ..Receipt::default() });
}

#[test]
fn what_is_not_newer_than_what_was_sent_is_left_out() {
    let exporter = exporter("");
    let batch = points("gauge a = 1 @1000000000\ngauge b = 1 @1000000000");
    let (first, ..) = body(&exporter, &batch, Format::V1);
    // An attempt that failed is the same again.
    let (again, _, receipt) = body(&exporter, &batch, Format::V1);
    assert_eq!((first, receipt), (again, Receipt::default()));
    assert_eq!(Plan::new(&exporter.memory, &batch, Format::V1).mark_sent(), Receipt::default());
    let plan = Plan::new(&exporter.memory, &batch, Format::V1);
    assert!(plan.is_empty());
    assert_eq!(plan.mark_sent(), Receipt { out_of_order: 2, ..Receipt::default() });
    // Also in the other format, as it is the same series.
    assert!(Plan::new(&exporter.memory, &batch, Format::V2).is_empty());
    let newer: Batch = batch
        .iter()
        .map(|point| pipeline::Point { time_unix_nano: point.time_unix_nano + 1_000_000, ..point.clone() })
        .collect();
    assert_eq!(Plan::new(&exporter.memory, &newer, Format::V1).entries.len(), 2);
}

#[test]
fn two_series_of_one_name_are_one_and_types_do_not_mix() {
    // Both are `a_b`, so the second point is not newer.
    let receipt =
        check("", "gauge a.b = 1 @1000000000\ngauge a_b = 2 @1000000000", "{__name__=\"a_b\"} 1@1000\n");
    assert_eq!(receipt, Receipt { out_of_order: 1, ..Receipt::default() });
    let receipt = check(
        "",
        "gauge h_count = 1 @1000000000\nhistogram h = count 3 @1000000000\nhistogram h{a=\"b\"} = count 3 @1000000000",
        "{__name__=\"h_count\"} 1@1000\n{__name__=\"h_bucket\",a=\"b\",le=\"+Inf\"} 3@1000\n\
         {__name__=\"h_count\",a=\"b\"} 3@1000\n",
    );
    assert_eq!(receipt, Receipt { unsupported: 1, ..Receipt::default() });
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_was_left_out_for_another_comes_when_that_has_ended() {
    let exporter = exporter("");
    let registry = Registry::new(10);
    let parse = |text: &str| notation::parse(text, &registry).unwrap();
    let unsupported = |batch: &Batch| Plan::new(&exporter.memory, batch, Format::V1).mark_sent().unsupported;
    let gauge = parse("gauge h_count = 1 @1000000000");
    let histogram = |time: u64| parse(&format!("histogram h = count 3 @{time}000000000"));
    let first = histogram(1);
    assert_eq!([unsupported(&gauge), unsupported(&first)], [0, 1]);
    drop(gauge);
    tokio::time::advance(Duration::from_mins(1)).await;
    // This plan finds the gauge gone.
    unsupported(&histogram(2));
    assert_eq!(unsupported(&histogram(3)), 0);
}

#[test]
fn a_series_of_another_type_follows_at_once_on_one_that_has_ended() {
    let exporter = exporter("");
    let registry = Registry::new(10);
    let parse = |text: &str| notation::parse(text, &registry).unwrap();
    let sent = |batch: &Batch| {
        let (bytes, _, receipt) = body(&exporter, batch, Format::V1);
        assert_eq!(receipt.unsupported, 0);
        text1(&WriteRequest::decode(&*bytes).unwrap())
    };
    let gauge = parse("gauge a_total = 1 @1000000000");
    Plan::new(&exporter.memory, &gauge, Format::V1).mark_sent();
    // As remote write 1.0 is received, when the type is told late.
    let both = parse("gauge a_total = stale @1999000000 flags 1\ncounter a_total = 2 @2000000000");
    // They are one to the other side, so no two requests may have them at once.
    let streams = exporter.streams(&both).unwrap();
    assert_eq!(streams[0], streams[1]);
    let expected = "{__name__=\"a_total\"} stale@1999\n{__name__=\"a_total\"} 2@2000\n";
    assert_eq!(sent(&both), expected);
    // An attempt of before that is made again does not wake up the gauge.
    sent(&parse("gauge a_total = 1 @1500000000"));
    assert_eq!(sent(&both), expected);
    Plan::new(&exporter.memory, &both, Format::V1).mark_sent();
    assert_eq!(Plan::new(&exporter.memory, &both, Format::V1).receipt.out_of_order, 2);
}

#[test]
fn a_series_that_comes_back_after_its_marker_keeps_its_name_from_others() {
    let exporter = exporter("");
    let registry = Registry::new(10);
    let parse = |text: &str| notation::parse(text, &registry).unwrap();
    let gauge = parse(
        "gauge a_total = 1 @1000000000\ngauge a_total = stale @2000000000 flags 1\ngauge a_total = 1 @3000000000",
    );
    Plan::new(&exporter.memory, &gauge, Format::V1).mark_sent();
    let counter = parse("counter a_total = 2 @4000000000");
    assert_eq!(Plan::new(&exporter.memory, &counter, Format::V1).receipt.unsupported, 1);
}

#[test]
fn a_resource_is_told_once_a_minute_and_in_one_request_at_a_time() {
    let exporter = exporter("target_info: {enabled: true}\nexternal_labels: {cluster: lab}");
    let batch = |seconds: u64| {
        points(&format!(
            "resource {{service.name=\"vllm\",host.name=\"h\"}}\ngauge a = 1 @{0}000000000\ngauge b = 1 @{1}000000000",
            seconds - 1,
            seconds
        ))
    };
    let told =
        |plan: &Plan| plan.targets.told.iter().map(|told| (told.time_ms, told.is_stale)).collect::<Vec<_>>();
    let first = batch(100);
    let (body, ..) = body(&exporter, &first, Format::V1);
    let text = text1(&WriteRequest::decode(&*body).unwrap());
    let info = "{__name__=\"target_info\",cluster=\"lab\",host_name=\"h\",job=\"vllm\"} 1@100000\n";
    assert!(text.ends_with(info), "{text}");
    // It failed, so it is told again; and not by two requests at once.
    let plan = Plan::new(&exporter.memory, &first, Format::V1);
    assert_eq!(told(&plan), [(100_000, false)]);
    assert_eq!(told(&Plan::new(&exporter.memory, &batch(101), Format::V1)), []);
    plan.mark_sent();
    assert_eq!(told(&Plan::new(&exporter.memory, &batch(159), Format::V1)), []);
    assert_eq!(told(&Plan::new(&exporter.memory, &batch(160), Format::V1)), [(160_000, false)]);
    // Never back in time, even where nothing is known of an attempt.
    assert_eq!(told(&Plan::new(&exporter.memory, &batch(159), Format::V1)), []);
}

#[test]
fn of_two_resources_of_one_target_the_newer_is_told_and_the_other_ended() {
    let exporter = exporter("target_info: {enabled: true}");
    let registry = Registry::new(10);
    let batch = |version: &str, seconds: u64| {
        let text = format!(
            "resource {{service.name=\"a\",service.version=\"{version}\"}}\ngauge a = 1 @{seconds}000000000"
        );
        notation::parse(&text, &registry).unwrap()
    };
    let told = |batch: &Batch| {
        let plan = Plan::new(&exporter.memory, batch, Format::V1);
        let told: Vec<_> = plan.targets.told.iter().map(|told| (told.time_ms, told.is_stale)).collect();
        plan.mark_sent();
        told
    };
    let (one, two) = (batch("1", 100), batch("2", 110));
    let at = |batch: &Batch, seconds: u64| -> Batch {
        batch
            .iter()
            .map(|point| pipeline::Point { time_unix_nano: seconds * 1_000_000_000, ..point.clone() })
            .collect()
    };
    assert_eq!(told(&one), [(100_000, false)]);
    assert_eq!(told(&two), [(110_000, true), (110_000, false)]);
    assert_eq!(told(&at(&one, 200)), []);
    assert_eq!(told(&at(&two, 201)), [(201_000, false)]);
    assert_eq!(told(&at(&one, 502)), [(502_000, true), (502_000, false)]);
}

#[test]
fn a_resource_that_comes_while_its_target_is_told_is_told_next() {
    let exporter = exporter("target_info: {enabled: true}");
    let registry = Registry::new(10);
    let batch = |version: &str, seconds: u64| {
        let text = format!(
            "resource {{service.name=\"a\",service.version=\"{version}\"}}\ngauge a{version} = 1 @{seconds}000000000"
        );
        notation::parse(&text, &registry).unwrap()
    };
    let plan = |batch: &Batch| Plan::new(&exporter.memory, batch, Format::V1);
    let (one, two) = (batch("1", 100), batch("2", 101));
    let first = plan(&one);
    assert_eq!((first.targets.told.len(), plan(&two).targets.told.len()), (1, 0));
    first.mark_sent();
    // The other is ended, and this one told.
    let second = plan(&two);
    let told: Vec<_> = second.targets.told.iter().map(|told| (told.time_ms, told.is_stale)).collect();
    assert_eq!(told, [(101_000, true), (101_000, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_target_info_that_is_relayed_goes_on_where_none_is_made_here() {
    let exporter = exporter("target_info: {enabled: true}");
    let registry = Registry::new(10);
    let sent = |text: &str| {
        let batch = notation::parse(text, &registry).unwrap();
        let plan = Plan::new(&exporter.memory, &batch, Format::V1);
        let reasons = plan.first_unsupported.as_ref().map(|(reason, _)| *reason);
        let sent = (plan.entries.len(), reasons);
        plan.mark_sent();
        sent
    };
    let info = "about {prometheus.type=\"info\"}\nupdown target_info{version=\"1\"} = 1";
    let relayed = format!("resource {{service.name=\"a\"}}\n{info} @1000000000");
    assert_eq!(sent(&relayed), (1, None));
    // The resource says more, so a series is made of it.
    let own = format!("resource {{service.name=\"b\",host.name=\"h\"}}\n{info} @1000000000");
    assert_eq!(sent(&own), (0, Some(Reason::TargetTold)));
    let known = "resource {service.name=\"b\",host.name=\"h\"}\ngauge x = 1 @2000000000";
    let held = notation::parse(known, &registry).unwrap();
    assert_eq!(sent(known), (1, None));
    let late = format!("resource {{service.name=\"b\"}}\n{info} @3000000000");
    assert_eq!(sent(&late), (0, Some(Reason::TargetTold)));
    drop(held);
}

#[tokio::test]
async fn a_point_from_the_future_does_not_silence_those_that_follow() {
    for (status, more) in [(204, ""), (400, "protobuf_message: io.prometheus.write.v2.Request\n")] {
        let written = "X-Prometheus-Remote-Write-Samples-Written: 1\r\n";
        let server = Scripted::start(Reply::new(status, written, "out of bounds")).await;
        let settings = format!("endpoint: {}\ntarget_info: {{enabled: true}}\n{more}", server.url());
        let exporter = start(&ENTRY, &settings).await;
        let registry = Registry::new(10);
        let now = pipeline::Clock::system().unix_nano() / 1_000_000_000;
        let resource = "resource {service.name=\"a\",host.name=\"h\"}";
        let batch = |seconds: u64| {
            notation::parse(&format!("{resource}\ngauge x = 1 @{seconds}000000000"), &registry).unwrap()
        };
        // Held, so that it stays one series.
        let future = batch(now + 3600);
        exporter.export(&future).await.unwrap();
        assert_eq!(exporter.export(&batch(now)).await.unwrap().out_of_order, 0);
        assert_eq!(exporter.export(&batch(now)).await.unwrap().out_of_order, 1);
        let has_target = |seen: &Seen| {
            let message = snap::raw::Decoder::new().decompress_vec(&seen.body).unwrap();
            String::from_utf8_lossy(&message).contains("target_info")
        };
        let seen = server.seen.lock().unwrap();
        assert_eq!(seen.iter().map(has_target).collect::<Vec<_>>(), [false, true]);
    }
}
