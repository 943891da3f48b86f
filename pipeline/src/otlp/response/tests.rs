use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message;

use super::*;

#[track_caller]
fn check_partial_success(rejected_data_points: i64, error_message: &str) {
    let ours = PartialSuccess { rejected_data_points, error_message: error_message.to_owned() };
    let theirs = ExportMetricsServiceResponse {
        partial_success: (!ours.is_full_success()).then(|| ExportMetricsPartialSuccess {
            rejected_data_points,
            error_message: error_message.to_owned(),
        }),
    };
    assert_eq!(ours.encode(), theirs.encode_to_vec());
    assert_eq!(PartialSuccess::decode(&ours.encode()), Ok(ours.clone()));
    assert_eq!(PartialSuccess::decode_json(&ours.encode_json()), Ok(ours));
}

#[test]
fn partial_success_is_what_the_reference_types_write() {
    check_partial_success(0, "");
    check_partial_success(3, "no time");
    check_partial_success(i64::MAX, "");
    check_partial_success(0, "only a \"warning\"");
}

#[test]
fn full_success_is_empty() {
    assert!(PartialSuccess::default().encode().is_empty());
    assert_eq!(PartialSuccess::default().encode_json(), b"{}");
    let empty_object = PartialSuccess::decode_json(b"{\"partialSuccess\":{}}");
    assert_eq!(empty_object, Ok(PartialSuccess::default()));
}

#[track_caller]
fn check_status(status: Status, json: &str) {
    assert_eq!(Status::decode(&status.encode()), Ok(status.clone()));
    assert_eq!(String::from_utf8(status.encode_json()).unwrap(), json);
    assert_eq!(Status::decode_json(json.as_bytes()), Ok(status));
}

#[test]
fn a_status_round_trips_with_its_details() {
    check_status(Status::new(3, "no"), r#"{"code":3,"message":"no"}"#);
    check_status(
        Status { retry_delay: Some(Duration::from_millis(1_500)), ..Status::new(14, "full") },
        r#"{"code":14,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}],"message":"full"}"#,
    );
    let field_violations =
        vec![FieldViolation { field: "metrics[0]".to_owned(), description: "no name".to_owned() }];
    check_status(
        Status { field_violations, ..Status::new(3, "bad") },
        r#"{"code":3,"details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"description":"no name","field":"metrics[0]"}]}],"message":"bad"}"#,
    );
}

#[test]
fn a_delay_that_makes_no_sense_is_no_delay() {
    for text in ["-1s", "1", "1.s9", "1.1234567890s", "s", "1e3s"] {
        assert_eq!(read_duration_text(text), None, "{text}");
    }
    let mut duration = Vec::new();
    put_integer(&mut duration, 1, -1);
    let mut retry_info = Vec::new();
    put_bytes(&mut retry_info, 1, &duration);
    assert_eq!(read_retry_info(&retry_info), Ok(None));
}

#[test]
fn bytes_that_are_no_response_are_an_error() {
    assert!(PartialSuccess::decode(&[0x0a, 5]).is_err());
    assert!(PartialSuccess::decode_json(b"[]").is_err());
    assert!(PartialSuccess::decode_json(b"").is_err());
    assert!(Status::decode(&[0x12, 1, 0xff]).is_err());
    assert!(Status::decode_json(b"<html>").is_err());
}
