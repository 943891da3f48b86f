//! The answers to an export request: `ExportMetricsServiceResponse` and `google.rpc.Status`.
//!
//! The receiver writes them, the exporters read them; both in protobuf and in JSON. They are small and
//! rare, so they are written for being read, not for speed.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Value, json};

use super::DecodeError;
use crate::wire::{Reader, WireError, WireType, put_bytes, put_varint};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

/// What an export request that was taken says about the points that were not.
///
/// All default means full success: it encodes to no bytes, and to `{}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialSuccess {
    pub rejected_data_points: i64,
    /// Why, in English; without rejected points it is a warning.
    pub error_message: String,
}

/// Why an export request was not taken (`google.rpc.Status`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// A gRPC status code; 0 where the sender left it to HTTP's.
    pub code: i32,
    pub message: String,
    /// When to try again, as `RetryInfo` says.
    pub retry_delay: Option<Duration>,
    /// What was wrong with the request, as `BadRequest` says.
    pub field_violations: Vec<FieldViolation>,
}

/// One thing that was wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldViolation {
    pub field: String,
    pub description: String,
}

impl PartialSuccess {
    /// Whether there is nothing to say.
    pub fn is_full_success(&self) -> bool {
        *self == Self::default()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut response = Vec::new();
        if self.is_full_success() {
            return response;
        }
        let mut inner = Vec::new();
        put_integer(&mut inner, 1, self.rejected_data_points);
        put_text(&mut inner, 2, &self.error_message);
        put_bytes(&mut response, 1, &inner);
        response
    }

    pub fn decode(response: &[u8]) -> Result<Self, DecodeError> {
        let mut partial_success = Self::default();
        each_field(response, |number, field| match (number, field) {
            (1, Field::Bytes(inner)) => each_field(inner, |number, field| {
                match (number, field) {
                    (1, Field::Integer(count)) => partial_success.rejected_data_points = count,
                    (2, Field::Bytes(text)) => partial_success.error_message = utf8(text)?,
                    _ => {}
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        Ok(partial_success)
    }

    pub fn encode_json(&self) -> Vec<u8> {
        if self.is_full_success() {
            return b"{}".to_vec();
        }
        let mut inner = serde_json::Map::new();
        if self.rejected_data_points != 0 {
            inner.insert("rejectedDataPoints".to_owned(), json!(self.rejected_data_points.to_string()));
        }
        if !self.error_message.is_empty() {
            inner.insert("errorMessage".to_owned(), json!(self.error_message));
        }
        json!({ "partialSuccess": inner }).to_string().into_bytes()
    }

    pub fn decode_json(response: &[u8]) -> Result<Self, DecodeError> {
        let response = object(response)?;
        let inner = &response["partialSuccess"];
        Ok(Self {
            rejected_data_points: integer(&inner["rejectedDataPoints"])?,
            error_message: text(&inner["errorMessage"])?,
        })
    }
}

impl Status {
    /// A status with a code and a message, and no details.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), ..Self::default() }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut status = Vec::new();
        put_integer(&mut status, 1, i64::from(self.code));
        put_text(&mut status, 2, &self.message);
        if let Some(delay) = self.retry_delay {
            let (mut duration, mut retry_info) = (Vec::new(), Vec::new());
            put_integer(&mut duration, 1, i64::try_from(delay.as_secs()).unwrap_or(i64::MAX));
            put_integer(&mut duration, 2, i64::from(delay.subsec_nanos()));
            put_bytes(&mut retry_info, 1, &duration);
            put_any(&mut status, RETRY_INFO, &retry_info);
        }
        if !self.field_violations.is_empty() {
            let mut bad_request = Vec::new();
            for violation in &self.field_violations {
                let mut inner = Vec::new();
                put_text(&mut inner, 1, &violation.field);
                put_text(&mut inner, 2, &violation.description);
                put_bytes(&mut bad_request, 1, &inner);
            }
            put_any(&mut status, BAD_REQUEST, &bad_request);
        }
        status
    }

    pub fn decode(status: &[u8]) -> Result<Self, DecodeError> {
        let mut decoded = Self::default();
        each_field(status, |number, field| {
            match (number, field) {
                (1, Field::Integer(code)) => decoded.code = code as i32,
                (2, Field::Bytes(message)) => decoded.message = utf8(message)?,
                (3, Field::Bytes(any)) => decoded.read_detail(any)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(decoded)
    }

    fn read_detail(&mut self, any: &[u8]) -> Result<(), WireError> {
        let (mut kind, mut detail): (&[u8], &[u8]) = (&[], &[]);
        each_field(any, |number, field| {
            match (number, field) {
                (1, Field::Bytes(url)) => kind = url,
                (2, Field::Bytes(value)) => detail = value,
                _ => {}
            }
            Ok(())
        })?;
        // Only what follows the last slash names the type; the host before it may be anything.
        match kind.rsplit(|byte| *byte == b'/').next() {
            Some(b"google.rpc.RetryInfo") => self.retry_delay = read_retry_info(detail)?,
            Some(b"google.rpc.BadRequest") => each_field(detail, |number, field| {
                if let (1, Field::Bytes(violation)) = (number, field) {
                    self.field_violations.push(read_violation(violation)?);
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }

    pub fn encode_json(&self) -> Vec<u8> {
        let mut details = Vec::new();
        if let Some(delay) = self.retry_delay {
            details.push(json!({ "@type": RETRY_INFO, "retryDelay": duration_text(delay) }));
        }
        if !self.field_violations.is_empty() {
            let violations: Vec<_> = self
                .field_violations
                .iter()
                .map(|violation| json!({ "field": violation.field, "description": violation.description }))
                .collect();
            details.push(json!({ "@type": BAD_REQUEST, "fieldViolations": violations }));
        }
        let mut status = json!({ "code": self.code, "message": self.message });
        if !details.is_empty() {
            status["details"] = Value::Array(details);
        }
        status.to_string().into_bytes()
    }

    pub fn decode_json(status: &[u8]) -> Result<Self, DecodeError> {
        let status = object(status)?;
        let mut decoded = Self::new(integer(&status["code"])? as i32, text(&status["message"])?);
        for detail in status["details"].as_array().into_iter().flatten() {
            match detail["@type"].as_str().and_then(|kind| kind.rsplit('/').next()) {
                Some("google.rpc.RetryInfo") => {
                    decoded.retry_delay = detail["retryDelay"].as_str().and_then(read_duration_text);
                }
                Some("google.rpc.BadRequest") => {
                    for violation in detail["fieldViolations"].as_array().into_iter().flatten() {
                        decoded.field_violations.push(FieldViolation {
                            field: text(&violation["field"])?,
                            description: text(&violation["description"])?,
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(decoded)
    }
}

/// A field of a small message, reduced to what these messages hold.
enum Field<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
}

fn each_field<'a>(
    message: &'a [u8],
    mut take: impl FnMut(u32, Field<'a>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.tag()? {
        match wire {
            WireType::Varint => take(number, Field::Integer(reader.varint()? as i64))?,
            WireType::Bytes => take(number, Field::Bytes(reader.bytes()?))?,
            _ => reader.skip(wire)?,
        }
    }
    Ok(())
}

fn utf8(bytes: &[u8]) -> Result<String, WireError> {
    Ok(std::str::from_utf8(bytes).map_err(|_| WireError::InvalidUtf8)?.to_owned())
}

fn put_integer(buffer: &mut Vec<u8>, field: u32, value: i64) {
    if value != 0 {
        put_varint(buffer, u64::from(field << 3));
        put_varint(buffer, value as u64);
    }
}

fn put_text(buffer: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(buffer, field, text.as_bytes());
    }
}

fn put_any(status: &mut Vec<u8>, kind: &str, detail: &[u8]) {
    let mut any = Vec::new();
    put_text(&mut any, 1, kind);
    put_bytes(&mut any, 2, detail);
    put_bytes(status, 3, &any);
}

fn read_retry_info(detail: &[u8]) -> Result<Option<Duration>, WireError> {
    let (mut seconds, mut nanos, mut is_set) = (0, 0, false);
    each_field(detail, |number, field| match (number, field) {
        (1, Field::Bytes(duration)) => {
            is_set = true;
            each_field(duration, |number, field| {
                match (number, field) {
                    (1, Field::Integer(value)) => seconds = value,
                    (2, Field::Integer(value)) => nanos = value,
                    _ => {}
                }
                Ok(())
            })
        }
        _ => Ok(()),
    })?;
    // A negative delay says nothing that could be kept to.
    Ok(match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) if is_set && nanos < 1_000_000_000 => Some(Duration::new(seconds, nanos)),
        _ => None,
    })
}

fn read_violation(message: &[u8]) -> Result<FieldViolation, WireError> {
    let mut violation = FieldViolation::default();
    each_field(message, |number, field| {
        match (number, field) {
            (1, Field::Bytes(text)) => violation.field = utf8(text)?,
            (2, Field::Bytes(text)) => violation.description = utf8(text)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(violation)
}

fn object(text: &[u8]) -> Result<Value, DecodeError> {
    match serde_json::from_slice(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(DecodeError::new("expected a JSON object")),
        Err(error) => Err(DecodeError::new(error.to_string())),
    }
}

/// Reads an integer, which JSON may hold as a number or as a string; absent is zero.
fn integer(value: &Value) -> Result<i64, DecodeError> {
    let number = match value {
        Value::Null => Some(0),
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    };
    number.ok_or_else(|| DecodeError::new("expected an integer"))
}

fn text(value: &Value) -> Result<String, DecodeError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(DecodeError::new("expected a string")),
    }
}

/// Writes a duration the way proto3 JSON does: seconds with an `s`.
fn duration_text(duration: Duration) -> String {
    let fraction = format!("{:09}", duration.subsec_nanos());
    match fraction.trim_end_matches('0') {
        "" => format!("{}s", duration.as_secs()),
        fraction => format!("{}.{fraction}s", duration.as_secs()),
    }
}

fn read_duration_text(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Duration::new(seconds.parse().ok()?, format!("{fraction:0<9}").parse().ok()?))
}
