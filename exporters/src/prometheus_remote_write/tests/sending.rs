//! How requests go out, and what answers lead to.

use super::messages::{decode1, decode2, text1, text2};
use super::*;
use crate::testing::{AUTHENTICATOR, Reply, Scripted, Seen, batch, start};

const V2: &str = "protobuf_message: io.prometheus.write.v2.Request\n";

/// The text of the only series of a request of one point.
const ONE: &str = "{__name__=\"gpu_temperature_celsius\",gpu=\"0\",otel_scope_name=\"test\"} 0@1700000000000";

fn is_2(seen: &Seen) -> bool {
    seen.head.contains("content-type: application/x-protobuf;proto=io.prometheus.write.v2.request\r\n")
}

fn written(samples: u64) -> String {
    format!("X-Prometheus-Remote-Write-Samples-Written: {samples}\r\n")
}

async fn export(server: &Scripted, more: &str, points: usize) -> Result<Receipt, ExportError> {
    let exporter = start(&ENTRY, &format!("endpoint: {}/api/v1/write?a=b\n{more}", server.url())).await;
    exporter.export(&batch(points)).await
}

#[tokio::test]
async fn requests_of_1_0_say_what_they_are() {
    let server = Scripted::start(Reply::new(204, "", "")).await;
    let more = format!("headers: {{X-Scope-OrgID: tenant}}\nauth: {{authenticator: {AUTHENTICATOR}}}");
    assert_eq!(export(&server, &more, 1).await, Ok(Receipt::default()));
    let seen = server.last();
    assert!(seen.head.starts_with("post /api/v1/write?a=b http/1.1\r\n"), "{}", seen.head);
    for line in [
        "content-type: application/x-protobuf\r\n",
        "content-encoding: snappy\r\n",
        "x-prometheus-remote-write-version: 0.1.0\r\n",
        "user-agent: inferometer/",
        "x-scope-orgid: tenant\r\n",
        "authorization: basic dtpodw50zxiy\r\n",
    ] {
        assert!(seen.head.contains(line), "{line}: {}", seen.head);
    }
    assert_eq!(text1(&decode1(&seen.body)), format!("{ONE}\n"));
}

#[tokio::test]
async fn requests_of_2_0_say_what_they_are() {
    let server = Scripted::start(Reply::new(204, &written(1), "")).await;
    assert_eq!(export(&server, V2, 1).await, Ok(Receipt::default()));
    let seen = server.last();
    assert!(is_2(&seen), "{}", seen.head);
    assert!(seen.head.contains("x-prometheus-remote-write-version: 2.0.0\r\n"), "{}", seen.head);
    assert_eq!(text2(&decode2(&seen.body)), format!("{ONE} | 2 \"\" \"celsius\"\n"));
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_of_1_0_gets_the_same_points_at_once_and_is_asked_again_hourly() {
    for (status, is_silent) in [(415, false), (204, true)] {
        let server = Scripted::start_by(move |seen| match (is_2(seen), is_silent) {
            (true, false) => Reply::new(status, "", "unsupported"),
            _ => Reply::new(204, "", ""),
        })
        .await;
        let exporter = start(&ENTRY, &format!("endpoint: {}\n{V2}", server.url())).await;
        let first = batch(3);
        assert_eq!(exporter.export(&first).await, Ok(Receipt::default()));
        let formats = || server.seen.lock().unwrap().iter().map(is_2).collect::<Vec<_>>();
        assert_eq!(formats(), [true, false]);
        assert_eq!(decode1(&server.last().body).timeseries.len(), 3);
        // It is remembered, and the points count as sent once.
        assert_eq!(exporter.export(&first).await, Ok(Receipt { out_of_order: 3, ..Receipt::default() }));
        assert_eq!(exporter.export(&points("gauge a = 1 @1000000000")).await, Ok(Receipt::default()));
        assert_eq!(formats(), [true, false, false]);
        tokio::time::advance(Duration::from_mins(61)).await;
        assert_eq!(exporter.export(&points("gauge b = 1 @1000000000")).await, Ok(Receipt::default()));
        assert_eq!(formats(), [true, false, false, true, false]);
    }
}

#[tokio::test]
async fn what_is_refused_of_a_request_of_2_0_is_counted_and_the_rest_is_sent() {
    let server = Scripted::start(Reply::new(400, &written(2), "out of order")).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}\n{V2}", server.url())).await;
    let batch = batch(3);
    assert_eq!(exporter.export(&batch).await, Ok(Receipt { rejected: 1, ..Receipt::default() }));
    assert_eq!(exporter.export(&batch).await, Ok(Receipt { out_of_order: 3, ..Receipt::default() }));
}

#[tokio::test]
async fn a_request_that_is_tried_again_is_the_same() {
    let server = Scripted::start(Reply::new(503, "Retry-After: 7\r\n", "busy")).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    let batch = points("resource {service.name=\"a\",host.name=\"b\"}\ngauge x = 1 @1000000000");
    let reason = String::from("503 Service Unavailable: busy");
    let expected = Err(ExportError::Retry { after: Some(Duration::from_secs(7)), reason });
    assert_eq!(exporter.export(&batch).await, expected);
    assert_eq!(exporter.export(&batch).await, expected);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[0].body, seen[1].body);
    assert!(!seen[0].head.contains("retry-attempt") && seen[1].head.contains("retry-attempt: 1\r\n"));
    assert_eq!(decode1(&seen[0].body).timeseries.len(), 2);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let fail = async |status, headers: &str| {
        let server = Scripted::start(Reply::new(status, headers, "why\n")).await;
        export(&server, "", 1).await.unwrap_err()
    };
    assert!(matches!(fail(400, "").await, ExportError::Bad { reason } if reason == "400 Bad Request: why"));
    assert!(matches!(fail(429, "").await, ExportError::Retry { after: None, .. }));
    assert!(
        matches!(fail(401, "").await, ExportError::Denied { reason } if reason.starts_with("401 Unauthorized: why"))
    );
    let moved = fail(307, "Location: http://elsewhere/x?token=hunter2\r\n").await;
    assert!(
        matches!(moved, ExportError::Denied { reason } if reason.contains("`elsewhere`, which is not followed"))
    );
    let server = Scripted::start(Reply::Close).await;
    assert!(matches!(export(&server, "", 1).await, Err(ExportError::Retry { after: None, .. })));
    let server = Scripted::start(Reply::new(413, "", "")).await;
    assert!(matches!(export(&server, "when_too_large: split", 1).await, Err(ExportError::Split { .. })));
}

#[tokio::test]
async fn a_search_for_bad_points_does_not_stumble_over_what_is_told_of_resources() {
    let server = Scripted::start(Reply::new(400, "", "bad")).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    let batch = points("resource {service.name=\"a\",host.name=\"b\"}\ngauge x = 1 @1000000000");
    for _ in 0..2 {
        assert!(matches!(exporter.export(&batch).await, Err(ExportError::Bad { .. })));
    }
    let seen = server.seen.lock().unwrap();
    // The second is what is told alone, which may be what is bad: the third goes without it.
    let series: Vec<_> = seen.iter().map(|seen| decode1(&seen.body).timeseries.len()).collect();
    assert_eq!(series, [2, 1, 1]);
    assert!(text1(&decode1(&seen[1].body)).starts_with("{__name__=\"target_info\""));
    assert!(text1(&decode1(&seen[2].body)).starts_with("{__name__=\"x\""));
}

#[tokio::test]
async fn resources_are_told_though_every_request_has_a_bad_point() {
    let server = Scripted::start_by(|seen| {
        let is_bad = text1(&decode1(&seen.body)).contains("\"bad\"");
        Reply::new(if is_bad { 400 } else { 204 }, "", "")
    })
    .await;
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    let registry = Registry::new(10);
    let batch = |time: u64| {
        let resource = "resource {service.name=\"a\",host.name=\"b\"}";
        let text = format!("{resource}\ngauge bad = 1 @{time}000000000\ngauge x = 1 @{time}000000000");
        notation::parse(&text, &registry).unwrap()
    };
    let told = || {
        let seen = server.seen.lock().unwrap();
        let texts = seen.iter().map(|seen| text1(&decode1(&seen.body)));
        texts.filter(|text| text.contains("target_info") && !text.contains("\"bad\"")).count()
    };
    let first = batch(100);
    for (time, expected) in [(100, 1), (110, 1), (160, 2)] {
        assert!(matches!(exporter.export(&batch(time)).await, Err(ExportError::Bad { .. })));
        assert_eq!(told(), expected, "{time}");
    }
    drop(first);
}

#[tokio::test]
async fn a_bad_request_is_called_bad_though_what_is_told_of_resources_is_not_answered() {
    let server = Scripted::start_by(|seen| {
        let has_points = text1(&decode1(&seen.body)).contains("\"x\"");
        if has_points { Reply::new(400, "", "bad") } else { Reply::Stuck(Vec::new()) }
    })
    .await;
    let exporter = start(&ENTRY, &format!("endpoint: {}\ntimeout: 1s", server.url())).await;
    let registry = Registry::new(10);
    let batch = |time: u64| {
        let text = format!("resource {{service.name=\"a\",host.name=\"b\"}}\ngauge x = 1 @{time}000000000");
        notation::parse(&text, &registry).unwrap()
    };
    let (first, second) = (batch(100), batch(200));
    for batch in [&first, &first, &second] {
        let export = exporter.export(batch);
        let outcome = tokio::time::timeout(Duration::from_secs(30), export).await.expect("a verdict");
        assert!(matches!(outcome, Err(ExportError::Bad { .. })));
    }
    // The parts of the first go without it, and what comes later has it again.
    let seen = server.seen.lock().unwrap();
    let series: Vec<_> = seen.iter().map(|seen| decode1(&seen.body).timeseries.len()).collect();
    assert_eq!(series, [2, 1, 1, 2, 1]);
}

#[tokio::test]
async fn nothing_is_sent_where_nothing_is_left() {
    let server = Scripted::start(Reply::new(500, "", "")).await;
    assert_eq!(export(&server, "", 0).await, Ok(Receipt::default()));
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    let deltas = points("delta counter a = 1 @1000000000\ndelta counter b = 1 @1000000000");
    assert_eq!(exporter.export(&deltas).await, Ok(Receipt { unsupported: 2, ..Receipt::default() }));
    assert_eq!(*server.connections.lock().unwrap(), 0);
}

#[tokio::test]
async fn bodies_are_bounded_and_batches_divided_by_what_points_take() {
    let server = Scripted::start(Reply::new(204, "", "")).await;
    let error = export(&server, "max_batch_size_bytes: 100", 2).await.unwrap_err();
    assert!(matches!(error, ExportError::Split { reason } if reason.contains("`max_batch_size_bytes`")));
    let exporter = start(&ENTRY, &format!("endpoint: {}\nmax_batch_size_bytes: 100kB", server.url())).await;
    let parts = |points| exporter.parts(points);
    assert_eq!([0, 1, 2000, 2001, 4001, 1_000_000].map(parts), [1, 1, 1, 2, 3, 5]);
    // A point takes some 80 bytes, so 600 of them half of the largest size.
    assert_eq!(exporter.export(&batch(100)).await, Ok(Receipt::default()));
    assert_eq!((parts(100), parts(700), parts(1_000_000)), (1, 2, 5));
}

#[tokio::test]
async fn a_long_body_is_compressed_as_a_short_one() {
    let server = Scripted::start(Reply::new(204, "", "")).await;
    assert_eq!(export(&server, "", 5000).await, Ok(Receipt::default()));
    assert_eq!(decode1(&server.last().body).timeseries.len(), 5000);
}

#[tokio::test]
async fn a_backend_that_stores_the_rest_is_not_sent_the_rest_again() {
    let text = "the sample has been rejected (err-mimir-sample-out-of-order)";
    let server = Scripted::start(Reply::new(400, "", text)).await;
    assert_eq!(export(&server, "preset: mimir", 3).await, Ok(Receipt { rejected: 1, ..Receipt::default() }));
    assert!(matches!(export(&server, "preset: prometheus", 3).await, Err(ExportError::Bad { .. })));
}

#[tokio::test]
async fn statuses_to_try_again_can_be_chosen() {
    let server = Scripted::start(Reply::new(404, "", "")).await;
    let retried = export(&server, "retry_statuses: [404]", 1).await;
    assert!(matches!(retried, Err(ExportError::Retry { .. })));
    let server = Scripted::start(Reply::new(503, "", "")).await;
    let dropped = export(&server, "retry_statuses: [404]", 1).await;
    assert!(matches!(dropped, Err(ExportError::Drop { .. })));
}

#[tokio::test]
async fn series_that_are_one_there_are_in_one_part() {
    let server = Scripted::start(Reply::new(204, "", "")).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    // Only `pid` tells the resources apart, and it is no label.
    let batch = points(
        "resource {service.name=\"a\",pid=1}\ngauge x = 1 @1000000000\ngauge y = 1 @1000000000\n\
         resource {service.name=\"a\",pid=2}\ngauge x = 2 @2000000000\ngauge y = 2 @2000000000",
    );
    let streams = exporter.streams(&batch).unwrap();
    assert_eq!((streams[0], streams[1]), (streams[2], streams[3]));
    assert_ne!(streams[0], streams[1]);
    let many = exporter.streams(&crate::testing::batch(1000)).unwrap();
    let even = many.iter().filter(|stream| *stream % 2 == 0).count();
    assert!((300..700).contains(&even), "{even}");
}
