//! Remote write 1.0 as a receiver reads it: Snappy around one protobuf message.

use prost::Message;

use crate::account::Point;

/// The parts of `prometheus.WriteRequest` that tell the points; all other fields are passed over.
#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// A series of a request: its labels in the order of the request, and its samples by time in milliseconds.
pub(crate) type Written = (Vec<(String, String)>, Vec<(i64, f64)>);

/// All series in a body, or what is wrong with it.
pub(crate) fn series(body: &[u8]) -> Result<Vec<Written>, String> {
    let labels = |series: &Series| {
        series.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect()
    };
    let samples =
        |series: &Series| series.samples.iter().map(|sample| (sample.timestamp, sample.value)).collect();
    Ok(decode(body)?.series.iter().map(|series| (labels(series), samples(series))).collect())
}

fn decode(body: &[u8]) -> Result<WriteRequest, String> {
    let body = snap::raw::Decoder::new().decompress_vec(body).map_err(|error| error.to_string())?;
    WriteRequest::decode(&*body).map_err(|error| error.to_string())
}

/// The points of the load in a body, or what is wrong with it; other series are not looked at.
///
/// The marks of series that ended are NaN and no points.
pub(crate) fn points(body: &[u8]) -> Result<Vec<Point>, String> {
    let request = decode(body)?;
    let points = request.series.iter().flat_map(|series| {
        let label = |name: &str| {
            series.labels.iter().find(|label| label.name == name).map(|label| label.value.clone())
        };
        let (source, lane) = (label("src"), label("lane").unwrap_or_default());
        let samples = series.samples.iter().filter(|sample| !sample.value.is_nan());
        samples.filter_map(move |sample| {
            Some(Point { source: source.clone()?, lane: lane.clone(), number: sample.value as i64 })
        })
    });
    Ok(points.collect())
}
