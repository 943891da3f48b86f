//! The messages of both versions by their field numbers, and as text; knows nothing of what writes them.

use std::fmt::Write;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
    /// In 2.0 only.
    #[prost(int64, tag = "3")]
    pub(super) start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(super) count_int: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) count_float: Option<f64>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub(super) zero_count_int: Option<u64>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(super) negative_deltas: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(int32, tag = "14")]
    pub(super) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
    /// In 2.0 only.
    #[prost(int64, tag = "17")]
    pub(super) start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Span {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(super) metric_type: i32,
    #[prost(string, tag = "2")]
    pub(super) metric_family_name: String,
    #[prost(string, tag = "4")]
    pub(super) help: String,
    #[prost(string, tag = "5")]
    pub(super) unit: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request2 {
    #[prost(string, repeated, tag = "4")]
    pub(super) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) timeseries: Vec<TimeSeries2>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeries2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(super) histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    pub(super) exemplars: Vec<Exemplar2>,
    #[prost(message, optional, tag = "5")]
    pub(super) metadata: Option<Metadata2>,
    /// What older drafts had there.
    #[prost(int64, optional, tag = "6")]
    pub(super) reserved: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Exemplar2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metadata2 {
    #[prost(int32, tag = "1")]
    pub(super) metric_type: i32,
    #[prost(uint32, tag = "3")]
    pub(super) help_ref: u32,
    #[prost(uint32, tag = "4")]
    pub(super) unit_ref: u32,
}

/// A compressed message of 1.0.
pub(super) fn decode1(body: &[u8]) -> WriteRequest {
    WriteRequest::decode(&*snap::raw::Decoder::new().decompress_vec(body).unwrap()).unwrap()
}

/// A compressed message of 2.0.
pub(super) fn decode2(body: &[u8]) -> Request2 {
    Request2::decode(&*snap::raw::Decoder::new().decompress_vec(body).unwrap()).unwrap()
}

impl Request2 {
    pub(super) fn labels(&self, refs: &[u32]) -> Vec<Label> {
        assert_eq!(refs.len() % 2, 0);
        let text = |symbol: u32| self.symbols[symbol as usize].clone();
        refs.chunks(2).map(|pair| Label { name: text(pair[0]), value: text(pair[1]) }).collect()
    }
}

/// A line a series.
pub(super) fn text1(request: &WriteRequest) -> String {
    let mut text = String::new();
    for series in &request.timeseries {
        text.push_str(&labels(&series.labels));
        push_values(&mut text, &series.samples, &series.histograms);
        for exemplar in &series.exemplars {
            push_exemplar(&mut text, &exemplar.labels, exemplar.value, exemplar.timestamp);
        }
        text.push('\n');
    }
    text
}

/// A line a series; the number of the type, help and unit behind it.
pub(super) fn text2(request: &Request2) -> String {
    let mut text = String::new();
    for series in &request.timeseries {
        text.push_str(&labels(&request.labels(&series.labels_refs)));
        push_values(&mut text, &series.samples, &series.histograms);
        for exemplar in &series.exemplars {
            push_exemplar(
                &mut text,
                &request.labels(&exemplar.labels_refs),
                exemplar.value,
                exemplar.timestamp,
            );
        }
        let metadata = series.metadata.clone().unwrap_or_default();
        let symbol = |symbol: u32| &request.symbols[symbol as usize];
        let (help, unit) = (symbol(metadata.help_ref), symbol(metadata.unit_ref));
        writeln!(text, " | {} {help:?} {unit:?}", metadata.metric_type).unwrap();
    }
    text
}

fn labels(labels: &[Label]) -> String {
    let pairs: Vec<_> = labels.iter().map(|label| format!("{}={:?}", label.name, label.value)).collect();
    format!("{{{}}}", pairs.join(","))
}

fn push_values(text: &mut String, samples: &[Sample], histograms: &[Histogram]) {
    let times = |time: i64, start: i64| {
        if start == 0 { format!("@{time}") } else { format!("@{start}..{time}") }
    };
    for sample in samples {
        let times = times(sample.timestamp, sample.start_timestamp);
        write!(text, " {}{times}", number(sample.value)).unwrap();
    }
    for histogram in histograms {
        let spans = |spans: &[Span]| {
            spans.iter().map(|span| format!("{}+{}", span.offset, span.length)).collect::<Vec<_>>().join(" ")
        };
        assert!(histogram.count_float.is_none() && histogram.reset_hint == 0);
        write!(
            text,
            " count {} sum {} schema {} zero {}<{:e} negative [{}] {:?} positive [{}] {:?} custom {:?}{}",
            histogram.count_int.unwrap(),
            number(histogram.sum),
            histogram.schema,
            histogram.zero_count_int.unwrap(),
            histogram.zero_threshold,
            spans(&histogram.negative_spans),
            histogram.negative_deltas,
            spans(&histogram.positive_spans),
            histogram.positive_deltas,
            histogram.custom_values,
            times(histogram.timestamp, histogram.start_timestamp),
        )
        .unwrap();
    }
}

fn push_exemplar(text: &mut String, pairs: &[Label], value: f64, timestamp: i64) {
    write!(text, " # {} {value}@{timestamp}", labels(pairs)).unwrap();
}

fn number(value: f64) -> String {
    if value.to_bits() == 0x7ff0_0000_0000_0002 { String::from("stale") } else { value.to_string() }
}
