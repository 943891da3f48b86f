use pipeline::notation;

use super::super::encoding::*;
use super::super::fuzz::write_requests;
use super::*;

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Registry::new(1000)))
}

fn decoded(decoder: &Decoder, version: Version, request: &[u8]) -> Decoded {
    decoder.decode(version, request).unwrap()
}

/// Reads requests one after the other, and compares what comes of them all.
#[track_caller]
fn check_on(decoder: &Decoder, version: Version, requests: &[Vec<u8>], expected: &str) {
    let mut batch = Batch::new();
    for request in requests {
        let decoded = decoded(decoder, version, request);
        assert_eq!(decoded.failures.message(), None);
        batch.append(decoded.batch);
    }
    assert_eq!(notation::write(&batch).trim(), expected.trim());
}

#[track_caller]
fn check_v1(requests: &[Vec<u8>], expected: &str) {
    check_on(&decoder(), Version::V1, requests, expected);
}

#[track_caller]
fn check_v2(requests: &[Vec<u8>], expected: &str) {
    check_on(&decoder(), Version::V2, requests, expected);
}

#[track_caller]
fn check_failure(version: Version, request: &[u8], written: u64, failed: u64, message: &str) {
    let decoder = decoder();
    for _ in 0..2 {
        let decoded = decoded(&decoder, version, request);
        assert_eq!(decoded.failures.message().as_deref(), Some(message));
        assert_eq!((decoded.written.points(), decoded.failures.count), (written, failed));
        assert_eq!(decoded.batch.len() as u64, written);
    }
}

const UP: &str = "__name__=up instance=h:1 job=j";

#[test]
fn a_sample_of_unknown_type_is_a_gauge_of_its_job_and_instance() {
    let text = "
resource {service.instance.id=\"h:1\",service.name=\"j\"}
about {prometheus.type=\"unknown\"}
gauge up = 1.0 @1000000000
gauge up = 0.0 @2000000000";
    check_v1(&[series(UP, samples(&[(1.0, 1000), (0.0, 2000)]))], text);
    check_v1(&[series(UP, samples(&[(1.0, 1000)])), series(UP, samples(&[(0.0, 2000)]))], text);
    check_v2(&[Request2::new().series(UP, 0, samples(&[(1.0, 1000), (0.0, 2000)])).bytes()], text);
}

#[test]
fn labels_become_resource_scope_and_attributes() {
    let labels = "__name__=m job=ns/name le=0.5 otel_scope_name=s otel_scope_version=1 otel_scope_x=y";
    check_v1(
        &[series(labels, samples(&[(1.0, 1)]))],
        "
resource {service.name=\"name\",service.namespace=\"ns\"}
scope \"s\" \"1\" {x=\"y\"}
about {prometheus.type=\"unknown\"}
gauge m{le=\"0.5\"} = 1.0 @1000000",
    );
    // In no order, and one without a value.
    check_v1(
        &[series("b=2 a=1 empty= job=/x __name__=m", samples(&[(1.0, 1)]))],
        "
resource {service.name=\"/x\"}
about {prometheus.type=\"unknown\"}
gauge m{a=\"1\",b=\"2\"} = 1.0 @1000000",
    );
}

#[test]
fn types_of_2_0_make_sums_with_their_start_and_leave_the_parts_of_histograms_as_they_are() {
    let counter = Message::new().bytes(2, Message::new().double(1, 5.0).varint(2, 9).varint(3, 4).0);
    let late = Message::new().bytes(2, Message::new().double(1, 5.0).varint(2, 9).varint(3, 10).0);
    let request = Request2::new()
        .described("__name__=c_seconds_total", (1, "Help.", "seconds"), counter)
        .described("__name__=d_total", (1, "", "bytes"), late)
        .series("__name__=h_bucket le=1.0", 3, samples(&[(1.0, 9)]))
        .series("__name__=s quantile=0.5", 5, samples(&[(1.0, 9)]))
        .series("__name__=target_info x=y", 6, samples(&[(1.0, 9)]))
        .series("__name__=g", 2, samples(&[(1.0, 9)]));
    check_v2(
        &[request.bytes()],
        "
about \"Help.\" {prometheus.type=\"counter\"}
counter c_seconds_total [s] = 5.0 @4000000..9000000
about {prometheus.type=\"counter\"}
counter d_total = 5.0 @9000000
about {prometheus.type=\"histogram\"}
updown h_bucket{le=\"1.0\"} = 1.0 @9000000
about {prometheus.type=\"summary\"}
gauge s{quantile=\"0.5\"} = 1.0 @9000000
about {prometheus.type=\"info\"}
updown target_info{x=\"y\"} = 1.0 @9000000
about {prometheus.type=\"gauge\"}
gauge g = 1.0 @9000000",
    );
}

#[test]
fn types_of_1_0_come_apart_and_end_what_was_called_otherwise() {
    let total = |time| series("__name__=c_total", samples(&[(1.0, time)]));
    let text = "
about {prometheus.type=\"unknown\"}
gauge c_total = 1.0 @1000000
gauge c_total = stale @9000000
about \"Help.\" {prometheus.type=\"counter\"}
counter c_total = 1.0 @10000000
counter c_total = 1.0 @20000000";
    check_v1(&[total(1), metadata(1, "c", "Help."), total(10), total(20)], text);
    // Known before its first sample, it is never called otherwise.
    check_v1(
        &[metadata(1, "c_total", "Help."), total(10)],
        "
about \"Help.\" {prometheus.type=\"counter\"}
counter c_total = 1.0 @10000000",
    );
}

#[test]
fn the_series_of_a_family_end_together_before_any_of_them_goes_on() {
    let both = |time| {
        let of = |label| series(&format!("__name__=c l={label}"), samples(&[(1.0, time), (2.0, time + 1)]));
        [of("a"), of("b")].concat()
    };
    let decoder = decoder();
    decoded(&decoder, Version::V1, &both(1));
    let request = [metadata(1, "c", ""), both(10)].concat();
    check_on(
        &decoder,
        Version::V1,
        &[request],
        "
about {prometheus.type=\"unknown\"}
gauge c{l=\"a\"} = stale @9000000
gauge c{l=\"b\"} = stale @9000000
about {prometheus.type=\"counter\"}
counter c{l=\"a\"} = 1.0 @10000000
counter c{l=\"a\"} = 2.0 @11000000
counter c{l=\"b\"} = 1.0 @10000000
counter c{l=\"b\"} = 2.0 @11000000",
    );
    // One that had a point in the same request ends behind it.
    let at = |kind, time| (kind, samples(&[(1.0, time)]));
    let [(unknown, first), (counter, second)] = [at(0, 1), at(1, 5)];
    let request = Request2::new().series("__name__=d", unknown, first).series("__name__=d", counter, second);
    check_on(
        &decoder,
        Version::V2,
        &[request.bytes()],
        "
about {prometheus.type=\"unknown\"}
gauge d = 1.0 @1000000
gauge d = stale @4000000
about {prometheus.type=\"counter\"}
counter d = 1.0 @5000000",
    );
}

#[test]
fn a_type_that_is_not_said_again_stays() {
    let request = |kind, time| Request2::new().series("__name__=c", kind, samples(&[(1.0, time)])).bytes();
    check_v2(
        &[request(1, 1), request(0, 2)],
        "
about {prometheus.type=\"counter\"}
counter c = 1.0 @1000000
counter c = 1.0 @2000000",
    );
}

#[test]
fn both_versions_mean_the_same_series() {
    let decoder = decoder();
    let first = decoded(&decoder, Version::V1, &series(UP, samples(&[(1.0, 1)])));
    let second = decoded(&decoder, Version::V2, &Request2::new().series(UP, 0, samples(&[(1.0, 2)])).bytes());
    assert_eq!(first.batch.as_slice()[0].series, second.batch.as_slice()[0].series);
}

#[test]
fn a_stale_marker_ends_whatever_the_series_had() {
    check_v1(
        &[series("__name__=m", samples(&[(STALE, 1)]))],
        "
about {prometheus.type=\"unknown\"}
gauge m = stale @1000000",
    );
    let histogram = Message::new().bytes(4, native(0).0);
    check_v1(
        &[series("__name__=h", histogram), series("__name__=h", samples(&[(STALE, 9)]))],
        "
about {prometheus.type=\"histogram\"}
exponential h = count 6 sum 2.5 zero 1 threshold 0.001 positive -1:2,0,3 @5000000
exponential h = stale @9000000",
    );
}

/// One at zero, two in the bucket of index 0 and three in that of index 2.
fn native(schema: i64) -> Message {
    Message::new()
        .varint(1, 6)
        .double(3, 2.5)
        .signed(4, schema)
        .double(5, 0.001)
        .varint(6, 1)
        .span(11, 0, 1)
        .span(11, 1, 1)
        .deltas(12, &[2, 1])
        .varint(15, 5)
}

fn custom(bounds: &[f64]) -> Message {
    Message::new()
        .varint(1, 6)
        .double(3, 2.5)
        .signed(4, -53)
        .span(11, 0, 1)
        .span(11, 1, 1)
        .deltas(12, &[2, 2])
        .varint(15, 5)
        .doubles(16, bounds)
}

#[test]
fn native_histograms_become_those_of_opentelemetry() {
    let request = |message: Message| {
        Request2::new().series("__name__=h", 3, Message::new().bytes(3, message.0)).bytes()
    };
    let check = |message: Message, expected: &str| {
        let expected = format!("about {{prometheus.type=\"histogram\"}}\n{expected}");
        check_v2(&[request(message)], &expected);
    };
    check(
        native(3).varint(17, 2),
        "exponential h = count 6 sum 2.5 scale 3 zero 1 threshold 0.001 positive -1:2,0,3 @2000000..5000000",
    );
    check(
        native(0).span(8, -3, 2).deltas(9, &[4, -4]),
        "exponential h = count 10 sum 2.5 zero 1 threshold 0.001 positive -1:2,0,3 negative -4:4 @5000000",
    );
    check(custom(&[1.0, 2.0]), "histogram h = count 6 sum 2.5 buckets 1.0:2 2.0:0 inf:4 @5000000");
    check(
        custom(&[1.0, 2.0, f64::INFINITY]),
        "histogram h = count 6 sum 2.5 buckets 1.0:2 2.0:0 inf:4 @5000000",
    );
    // What is above all doubles is no bucket.
    check(
        Message::new().span(11, 1024, 2).deltas(12, &[1, 1]).varint(15, 5),
        "exponential h = count 1 sum 0.0 positive 1023:1 @5000000",
    );
    let floats = Message::new().double(2, 3.0).span(11, 2, 2).doubles(13, &[1.0, 2.0]).varint(15, 5);
    check(floats, "exponential h = count 3 sum 0.0 positive 1:1,2 @5000000");
    check(Message::new().double(3, STALE).varint(15, 5), "exponential h = stale @5000000");
}

#[test]
fn a_histogram_without_a_form_here_is_refused_and_the_others_stored() {
    let check = |message: Message, reason: &str| {
        let request = Request2::new().series("__name__=m", 2, samples(&[(1.0, 1)])).series(
            "__name__=h",
            3,
            Message::new().bytes(3, message.varint(15, 5).0),
        );
        check_failure(Version::V2, &request.bytes(), 1, 1, &format!("timeseries[1]: {reason}"));
    };
    check(native(0).varint(14, 3), "gauge histograms are not supported");
    check(native(9), "the schema of a histogram is not -4 to 8 or -53");
    check(native(0).deltas(12, &[1]), "the spans of a histogram do not match its buckets");
    check(native(0).span(11, 0, 1), "the spans of a histogram do not match its buckets");
    check(Message::new().span(11, 0, 1).deltas(12, &[-1]), "a histogram has a negative count");
    let far = Message::new().span(11, 0, 1).span(11, 20_000, 1).deltas(12, &[1, 0]);
    check(far.signed(4, 8), "a histogram spans more than 10000 buckets");
    let many = Message::new().span(11, 0, 20_000).deltas(12, &vec![0; 20_000]);
    check(many, "a histogram spans more than 10000 buckets");
    let huge = Message::new().span(11, 0, 2).deltas(12, &[i64::MAX, 0]).varint(6, 2);
    check(huge, "the counts of a histogram are too large");
    check(custom(&[2.0, 1.0]), "the custom values of a histogram are not increasing");
    check(custom(&[]), "the spans of a histogram do not match its buckets");
    let half = Message::new().double(2, 0.5).span(11, 0, 1).doubles(13, &[0.5]);
    check(half, "float histograms with fractions are not supported");
    let negative = Message::new().double(2, 0.5).span(11, 0, 1).doubles(13, &[-1.0]);
    check(negative, "a histogram has a negative count");
}

#[test]
fn a_series_that_is_none_is_refused_with_its_place_and_the_others_stored() {
    let check = |bad: &str, reason: &str| {
        let request =
            [series("__name__=m", samples(&[(1.0, 1)])), series(bad, samples(&[(1.0, 1), (1.0, 2)]))];
        check_failure(Version::V1, &request.concat(), 1, 2, &format!("timeseries[1]: {reason}"));
    };
    check("job=j", "there is no label `__name__`");
    check("__name__=", "there is no label `__name__`");
    check("__name__=m a=1 b=2 a=1", "a label comes twice");
    check("__name__=m =x", "a label has no name");
    let broken =
        Message::new().bytes(1, [&[0x0a, 5, 0x0a, 1, 0xff, 0x12, 0][..], &labels("__name__=m")].concat());
    let sampled = series("__name__=m", samples(&[(1.0, 0), (1.0, -1), (1.0, i64::MAX), (1.0, 1)]));
    check_failure(Version::V1, &broken.0, 0, 0, "timeseries[0]: a label is not UTF-8");
    let reason = "timeseries[0]: a timestamp is not between 1970 and 2554; and more";
    check_failure(Version::V1, &sampled, 1, 3, reason);
}

#[test]
fn references_of_2_0_are_checked() {
    let check = |bad: Message, failed: u64, reason: &str| {
        // The symbols are ``, `__name__`, `m`.
        let request = Request2::new().series("__name__=m", 0, samples(&[(1.0, 1)])).raw(bad);
        check_failure(Version::V2, &request.bytes(), 1, failed, &format!("timeseries[1]: {reason}"));
    };
    let values = samples(&[(1.0, 1)]);
    check(values.clone().packed(1, [1, 3]), 1, "a reference is beyond the symbols");
    check(values.clone().packed(1, [1, u64::MAX]), 1, "a reference is beyond the symbols");
    check(values.clone().packed(1, [1, 2, 1]), 1, "`labels_refs` has an odd number of items");
    check(values.clone().packed(1, [1, 2, 1, 2]), 1, "a label comes twice");
    check(values.clone().packed(1, [2, 2, 1, 2]), 1, "labels are not sorted by name");
    check(values.clone().packed(1, [2, 2]), 1, "there is no label `__name__`");
    check(values.clone(), 1, "there is no label `__name__`");
    check(values.clone().packed(1, vec![1; 9000]), 1, "there are more than 4096 labels");
    let metadata = Message::new().varint(1, 1).varint(3, 7).0;
    check(values.clone().packed(1, [1, 2]).bytes(5, metadata), 1, "a reference is beyond the symbols");
    let mixed = values.bytes(3, native(0).0).packed(1, [1, 2]);
    check(mixed, 2, "it has samples and histograms");
    check(Message::new().packed(1, [1, 2]), 0, "it has neither samples nor histograms");
    let exemplar = Message::new().packed(1, [7, 8]).double(2, 1.0).varint(3, 1).0;
    check(Message::new().packed(1, [1, 2]).bytes(4, exemplar), 0, "a reference is beyond the symbols");
}

fn exemplar(trace: &str, time: i64) -> Vec<u8> {
    Message(labels(&format!("trace_id={trace} a=b"))).double(2, 0.5).varint(3, time).0
}

#[test]
fn exemplars_find_the_point_of_their_series() {
    let trace = "0102030405060708090a0b0c0d0e0f10";
    let point = series("__name__=m", samples(&[(1.0, 9)]));
    let apart = series("__name__=m", Message::new().bytes(3, exemplar(trace, 8)));
    let text = format!(
        "
about {{prometheus.type=\"unknown\"}}
gauge m = 1.0 @9000000 exemplar 0.5 @8000000 {{a=\"b\"}} trace 0x{trace}"
    );
    check_v1(&[[point.clone(), apart.clone()].concat()], &text);
    check_v1(&[[apart.clone(), point.clone()].concat()], &text);
    check_v1(&[apart.clone(), point.clone()], &text);
    let both = series("__name__=m", samples(&[(1.0, 9)]).bytes(3, exemplar(trace, 8)));
    check_v1(&[both], &text);
    // Of two that wait the later is kept, and the other counted.
    let decoder = decoder();
    decoded(&decoder, Version::V1, &apart);
    assert_eq!(decoded(&decoder, Version::V1, &apart).vain_exemplars, 1);
    let decoded = decoded(&decoder, Version::V1, &point);
    assert_eq!((decoded.waited_exemplars, decoded.dropped_exemplars), (1, 0));
}

#[test]
fn exemplars_that_wait_are_bounded_and_counted_when_forgotten() {
    let decoder = Decoder::new(Arc::new(Registry::new(1_000_000)));
    let apart =
        |index: usize| series(&format!("__name__=m i={index}"), Message::new().bytes(3, exemplar("x", 8)));
    let request: Vec<u8> = (0..PENDING_MAX + 5).flat_map(apart).collect();
    let first = decoded(&decoder, Version::V1, &request);
    assert_eq!((first.written.exemplars, first.dropped_exemplars), (PENDING_MAX as u64, 5));
    (0..6).for_each(|_| decoder.sweep());
    assert_eq!(decoded(&decoder, Version::V1, &[]).vain_exemplars, PENDING_MAX as u64);
    assert_eq!(decoded(&decoder, Version::V1, &request).dropped_exemplars, 5);
    (0..6).for_each(|_| decoder.sweep());
    let broken = decoder.decode(Version::V1, &[0xff]).unwrap_err();
    assert_eq!(broken.lost_exemplars, PENDING_MAX as u64, "also where the request that would tell is lost");
}

#[test]
fn series_beyond_the_bound_are_refused() {
    let decoder = Decoder::new(Arc::new(Registry::new(1)));
    let request =
        [series("__name__=a", samples(&[(1.0, 1)])), series("__name__=b", samples(&[(1.0, 1)]))].concat();
    let decoded = decoded(&decoder, Version::V1, &request);
    assert_eq!(decoded.batch.len(), 1);
    let message = decoded.failures.message().unwrap();
    assert_eq!(message, "timeseries[1]: the limit of 1 live series is reached");
}

#[test]
fn what_finds_no_room_is_read_anew_each_time() {
    let decoder = Decoder::new(Arc::new(Registry::new(1000)));
    let long = "x".repeat(200_000);
    for time in 1..4 {
        let request: Vec<u8> = ["a", "b", "c", "d", "e", "f", "g"]
            .iter()
            .flat_map(|name| series(&format!("__name__={name} l={long}"), samples(&[(1.0, time)])))
            .collect();
        assert_eq!(decoded(&decoder, Version::V1, &request).batch.len(), 7);
    }
    assert!(decoder.memory.lock().unwrap().room.used_bytes() <= BYTES_MIN);
}

#[test]
fn a_marker_that_was_not_taken_comes_with_the_next_request() {
    let decoder = decoder();
    let total = |time| series("__name__=c_total", samples(&[(1.0, time)]));
    decoded(&decoder, Version::V1, &total(1));
    decoded(&decoder, Version::V1, &metadata(1, "c", ""));
    let changed = decoded(&decoder, Version::V1, &total(10));
    assert_eq!((changed.batch.len(), changed.written.samples, changed.markers.len()), (2, 1, 1));
    assert_eq!(decoder.owe(changed.markers), 0);
    // A request that cannot be read changes nothing of that.
    let broken = [total(10), vec![0x0a, 9]].concat();
    assert_eq!(decoder.decode(Version::V1, &broken).unwrap_err().error, WireError::Truncated);
    let again = decoded(&decoder, Version::V1, &total(10));
    assert!(again.batch.as_slice()[0].is_stale());
    assert_eq!((again.batch.len(), again.written.samples), (2, 1));
}

#[test]
fn a_request_that_would_grow_beyond_measure_is_refused_as_a_whole() {
    let decoder = decoder();
    let empty = [0x12, 0].repeat(4 << 20);
    let request = Message::new().bytes(1, [labels("__name__=m"), empty].concat()).0;
    assert_eq!(decoded(&decoder, Version::V1, &request).failures.count, 4 << 20);
    let smallest = Message::new().bytes(2, Message::new().varint(2, 1).0).0;
    let request = Message::new().bytes(1, [labels("__name__=m"), smallest.repeat(2 << 20)].concat()).0;
    assert_eq!(decoder.decode(Version::V1, &request).unwrap_err().error, WireError::TooLarge);
    let symbols = [0x22, 0].repeat(4 << 20);
    assert_eq!(decoder.decode(Version::V2, &symbols).unwrap_err().error, WireError::TooLarge);
}

#[test]
fn a_long_symbol_referred_to_again_and_again_is_bounded() {
    let long = "v".repeat(1 << 20);
    let mut request = Request2::new();
    let mut references = request.references(&format!("__name__=m a0={long}"));
    // What it would be written out: 4 GiB, from a request of little more than the symbol.
    for index in 1..4095 {
        references.extend([request.symbol(&format!("b{index:04}")), references[3]]);
    }
    let message = Message::new().packed(1, references).bytes(2, sample(1.0, 1));
    let request = request.raw(message).bytes();
    check_failure(Version::V2, &request, 0, 1, "timeseries[0]: its labels take more than 256 KiB");
    // 1.0 says all of it itself.
    let request = series(&format!("__name__=m a={long}"), samples(&[(1.0, 1)]));
    check_failure(Version::V1, &request, 0, 1, "timeseries[0]: its labels take more than 256 KiB");
}

#[test]
fn what_many_series_refer_to_is_bounded_together() {
    let long = "v".repeat(200 << 10);
    let request = |count: usize, is_new: bool| {
        let mut request = Request2::new();
        let long = request.symbol(&long);
        for index in 0..count {
            let mut references = request.references("__name__=m");
            let value = if is_new { index.to_string() } else { String::from("0") };
            references.extend([request.symbol("a"), long, request.symbol("b"), request.symbol(&value)]);
            request = request.raw(Message::new().packed(1, references).bytes(2, sample(1.0, 1)));
        }
        request
    };
    let decoder = decoder();
    let error = decoder.decode(Version::V2, &request(400, true).bytes()).unwrap_err().error;
    assert_eq!(error, WireError::TooLarge);
    // One that is known is not kept again, but read.
    assert_eq!(decoded(&decoder, Version::V2, &request(400, false).bytes()).batch.len(), 400);
    let error = decoder.decode(Version::V2, &request(2000, false).bytes()).unwrap_err().error;
    assert_eq!(error, WireError::TooLarge);
}

#[test]
fn what_exemplars_that_fail_refer_to_is_bounded_together() {
    let request = |count: usize| {
        let mut request = Request2::new();
        let long = request.symbol(&"v".repeat(200 << 10));
        let references = request.references("__name__=m");
        // A name that is empty, which is found behind the value.
        let exemplar = Message::new().packed(1, [0, long]).double(2, 1.0).varint(3, 1).0;
        let message = Message::new().packed(1, references).bytes(2, sample(1.0, 1));
        let message = (0..count).fold(message, |message, _| message.bytes(4, exemplar.clone()));
        request.raw(message).bytes()
    };
    assert_eq!(decoded(&decoder(), Version::V2, &request(400)).dropped_exemplars, 400);
    let error = decoder().decode(Version::V2, &request(2000)).unwrap_err().error;
    assert_eq!(error, WireError::TooLarge);
}

#[test]
fn long_texts_of_2_0_are_cut_as_those_of_1_0() {
    let help = "é".repeat(1 << 20);
    let request = Request2::new().described("__name__=m", (2, &format!("x{help}"), ""), samples(&[(1.0, 1)]));
    let decoded = decoded(&decoder(), Version::V2, &request.bytes());
    assert_eq!(decoded.failures.message(), None);
    let description = decoded.batch.iter().next().unwrap().series.metric().description.clone();
    assert_eq!(description.len(), 1023);
}

/// A request that both versions find something in.
fn everything() -> Vec<u8> {
    [
        series(UP, samples(&[(1.0, 1), (STALE, 2)]).bytes(3, exemplar("x", 1)).bytes(4, native(3).0)),
        metadata(1, "up", "h"),
        Request2::new().series(UP, 3, Message::new().bytes(3, custom(&[1.0, 2.0]).0)).bytes(),
    ]
    .concat()
}

#[test]
fn any_byte_may_be_another() {
    let good = everything();
    for at in 0..good.len() {
        write_requests(&good[..at]);
        for byte in [0, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = byte;
            write_requests(&bad);
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_parts_may_be_missing_or_elsewhere(
        changes in proptest::collection::vec((0_usize..2000, 0_usize..2000, 0_usize..40, proptest::num::u8::ANY), 1..8),
    ) {
        let mut request = everything();
        for (from, to, length, byte) in changes {
            let (from, to) = (from % (request.len() + 1), to % (request.len() + 1));
            let part: Vec<u8> = request[from..].iter().copied().take(length).collect();
            request.splice(to..(to + length / 2).min(request.len()), part);
            if let Some(place) = request.get_mut(from) {
                *place = byte;
            }
        }
        write_requests(&request);
    }
}
