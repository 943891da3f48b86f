//! What a small batch can make of a request.

use prost::Message;

use super::messages::WriteRequest;
use super::*;
use crate::testing::{histogram_with_exemplars, in_time};

/// A histogram of so many buckets, with an attribute of so many bytes.
fn histogram(bounds: usize, attribute: usize) -> Batch {
    let buckets: Vec<_> = (0..bounds).map(|bound| format!("{bound}:1")).collect();
    let text = format!(
        "histogram h{{a=\"{}\"}} = count {} sum 1 buckets {} inf:1 @2000000000",
        "x".repeat(attribute),
        bounds + 1,
        buckets.join(" ")
    );
    points(&text)
}

#[test]
fn a_request_that_is_too_large_is_not_written_to_its_end() {
    const SIZE_MAX: usize = 50_000;
    let exporter = exporter("max_batch_size_bytes: 50kB");
    // Each bucket repeats the attribute: 10 MB.
    let batch = histogram(2000, 5_000);
    let plan = Plan::new(&exporter.memory, &batch, Format::V1);
    let mut request = v1::Request::new(1, SIZE_MAX);
    assert!(message::write(&plan, exporter.memory.forms, &batch, &mut request).is_err());
    assert!(request.finish().len() <= 2 * SIZE_MAX);
    assert!(matches!(exporter.write(&plan, &batch), Err(ExportError::Split { .. })));
    let plan = Plan::new(&exporter.memory, &batch, Format::V2);
    let mut request = v2::Request::new(1, SIZE_MAX);
    assert!(message::write(&plan, exporter.memory.forms, &batch, &mut request).is_err());
    assert!(request.finish().len() <= 2 * SIZE_MAX);
    assert!(matches!(exporter.write(&plan, &batch), Err(ExportError::Split { .. })));
    // What fits is whole.
    let (body, ..) = body(&exporter, &histogram(5, 5_000), Format::V1);
    assert_eq!(WriteRequest::decode(&*body).unwrap().timeseries.len(), 8);
}

#[test]
fn exemplars_are_sorted_into_buckets_once() {
    const BOUNDS: usize = 300_000;
    let exemplars = in_time(|| {
        let exporter = exporter("max_batch_size_bytes: 1GiB");
        let (body, ..) = body(&exporter, &histogram_with_exemplars(BOUNDS), Format::V1);
        let request = WriteRequest::decode(&*body).unwrap();
        request.timeseries.iter().map(|series| series.exemplars.len()).collect::<Vec<_>>()
    });
    assert_eq!(exemplars, [vec![1; BOUNDS + 1], vec![0; 2]].concat());
}
