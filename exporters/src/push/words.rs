//! The sentence in the body of an answer, whatever form it has.

use pipeline::otlp::Status;
use serde_json::Value;

/// Where JSON has its sentence; `error` may be a map that has it in turn.
const KEYS: [&str; 4] = ["message", "error", "errorMessage", "detail"];

/// What the other side says: a `google.rpc.Status`, JSON with a sentence in it, a page's title, or plain text.
pub(crate) fn said(content_type: &str, body: &[u8]) -> String {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let found = match media_type.as_str() {
        "application/x-protobuf" | "application/protobuf" | "application/octet-stream" => in_status(body),
        "text/html" => in_page(&String::from_utf8_lossy(body)),
        // JSON is often announced as text, and by some not at all.
        _ => serde_json::from_slice(body).ok().and_then(|value| in_json(&value)),
    };
    found.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}

fn in_status(body: &[u8]) -> Option<String> {
    Status::decode(body).ok().map(|status| status.message).filter(|message| !message.is_empty())
}

fn in_json(value: &Value) -> Option<String> {
    KEYS.iter().find_map(|key| match &value[key] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        inner @ Value::Object(_) => inner["message"].as_str().map(ToOwned::to_owned),
        _ => None,
    })
}

fn in_page(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = start + lower[start..].find("</title>")?;
    Some(page[start..end].trim().to_owned()).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_is_found_in_every_form() {
        let check = |content_type: &str, body: &[u8], expected: &str| {
            assert_eq!(said(content_type, body), expected, "{content_type}");
        };
        let status = Status::new(3, "bad sample");
        check("application/x-protobuf", &status.encode(), "bad sample");
        check("application/octet-stream", &status.encode(), "bad sample");
        check("application/x-protobuf", b"out of order\n", "out of order");
        check("application/json; charset=utf-8", &status.encode_json(), "bad sample");
        check("application/json", b"out of order", "out of order");
        check("application/json", br#"{"status":"error","errorType":"x","error":"bad"}"#, "bad");
        check("application/json", br#"{"error":{"message":"bad"}}"#, "bad");
        check("application/json", br#"{"what":"x"}"#, r#"{"what":"x"}"#);
        check("text/plain", br#"{"message":"","error":"bad"}"#, "bad");
        check("text/plain; charset=utf-8", b"out of order\n", "out of order");
        check("", b"", "");
        check("text/html", b"<html><head><TITLE>502 Bad Gateway</title></head><body>", "502 Bad Gateway");
        check("text/html", b"<html>", "<html>");
    }
}
