//! The laws of requests, for anything that may come.

use std::collections::HashMap;
use std::sync::Arc;

use pipeline::Point;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

use super::messages::{Histogram, Label, Request2, Sample, Span, WriteRequest};
use super::*;
use crate::prometheus::escaping::{is_legacy, is_legacy_label};
use crate::prometheus::strict::point as any_point;

/// The times of each series so far.
type Times = HashMap<Vec<(String, String)>, i64>;

fn check_labels(labels: &[Label], is_legacy_only: bool) {
    assert!(labels.is_sorted_by(|left, right| left.name < right.name), "{labels:?}");
    for Label { name, value } in labels {
        assert!(!name.is_empty() && !value.is_empty(), "{labels:?}");
        if is_legacy_only {
            let is_fine = if name == "__name__" { is_legacy(value) } else { is_legacy_label(name) };
            assert!(is_fine, "{labels:?}");
        }
    }
    assert!(labels.iter().any(|label| label.name == "__name__"), "{labels:?}");
}

fn check_values(labels: &[Label], samples: &[Sample], histograms: &[Histogram], times: &mut Times) {
    assert!(samples.is_empty() != histograms.is_empty(), "{labels:?}");
    let key: Vec<_> = labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    let last = times.entry(key).or_insert(i64::MIN);
    let all = samples.iter().map(|sample| (sample.timestamp, sample.start_timestamp));
    for (time, start) in all.chain(histograms.iter().map(|one| (one.timestamp, one.start_timestamp))) {
        assert!(time > *last && start <= time, "{labels:?}");
        *last = time;
    }
    for histogram in histograms {
        let total = |deltas: &[i64]| {
            let counts = deltas.iter().scan(0_i64, |count, delta| {
                *count += delta;
                Some(*count)
            });
            counts.map(|count| u64::try_from(count).unwrap()).sum::<u64>()
        };
        let lengths = |spans: &[Span]| spans.iter().map(|span| span.length as usize).sum::<usize>();
        assert!((-4..=8).contains(&histogram.schema) || histogram.schema == -53);
        assert_eq!(lengths(&histogram.positive_spans), histogram.positive_deltas.len());
        assert_eq!(lengths(&histogram.negative_spans), histogram.negative_deltas.len());
        let counted = total(&histogram.positive_deltas) + total(&histogram.negative_deltas);
        assert_eq!(histogram.count_int, Some(counted + histogram.zero_count_int.unwrap()));
    }
}

fn check1(body: &[u8], times: &mut Times) {
    let request = WriteRequest::decode(body).unwrap();
    for series in &request.timeseries {
        check_labels(&series.labels, true);
        check_values(&series.labels, &series.samples, &series.histograms, times);
        for exemplar in &series.exemplars {
            assert!(exemplar.labels.is_sorted_by(|left, right| left.name < right.name));
        }
    }
}

fn check2(body: &[u8], times: &mut Times) {
    let request = Request2::decode(body).unwrap();
    assert_eq!(request.symbols[0], "");
    let mut symbols = request.symbols.clone();
    symbols.sort_unstable();
    symbols.dedup();
    assert_eq!(symbols.len(), request.symbols.len(), "a symbol is there twice");
    for series in &request.timeseries {
        let labels = request.labels(&series.labels_refs);
        check_labels(&labels, false);
        check_values(&labels, &series.samples, &series.histograms, times);
        assert_eq!(series.reserved, None);
        for exemplar in &series.exemplars {
            assert!(exemplar.timestamp != 0);
            assert!(request.labels(&exemplar.labels_refs).is_sorted_by(|left, right| left.name < right.name));
        }
        let metadata = series.metadata.clone().unwrap_or_default();
        assert!((metadata.help_ref.max(metadata.unit_ref) as usize) < request.symbols.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_request_is_valid(
        points in vec(any_point(Arc::new(Registry::new(1_000_000))), 0..12),
        strategy in prop::sample::select(vec!["UnderscoreEscapingWithSuffixes", "NoUTF8EscapingWithSuffixes", "NoTranslation"]),
        [has_target, is_promoting, is_native, is_custom, keeps_classic] in any::<[bool; 5]>(),
    ) {
        let settings = format!(
            "protobuf_message: io.prometheus.write.v2.Request\ntranslation_strategy: {strategy}\n\
             resource_to_telemetry_conversion: {{enabled: {is_promoting}}}\nsend_native_histograms: {is_native}\n\
             convert_explicit_histograms_to_nhcb: {is_custom}\nkeep_classic_histograms: {keeps_classic}\n\
             external_labels: {{a: external, Z: external}}\nmax_batch_size_bytes: 1GiB\n",
        );
        let settings = if has_target {
            settings.replace("protobuf", "target_info: {enabled: true}\nprotobuf")
        } else {
            settings
        };
        let seconds = |point: &Point| (point.time_unix_nano + 1) * 1_000_000_000;
        let batch: Batch =
            points.iter().map(|point| Point { time_unix_nano: seconds(point), ..point.clone() }).collect();
        for format in [Format::V1, Format::V2] {
            let exporter = exporter(&settings);
            let mut times = Times::new();
            // What was sent is not sent again, whichever part of it comes.
            for batch in [&batch, &batch, &batch.iter().rev().cloned().collect()] {
                let plan = Plan::new(&exporter.memory, batch, format);
                let kept = plan.entries.len() as u64;
                prop_assert_eq!(kept + plan.receipt.unsupported + plan.receipt.out_of_order, batch.len() as u64);
                if plan.is_empty() {
                    continue;
                }
                let (body, _) = exporter.write(&plan, batch).unwrap();
                prop_assert_eq!(&body, &exporter.write(&plan, batch).unwrap().0);
                match format {
                    Format::V1 => check1(&body, &mut times),
                    Format::V2 => check2(&body, &mut times),
                }
                plan.mark_sent();
            }
        }
    }
}
