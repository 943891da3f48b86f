//! Writes a value as block YAML, for `print-config`.

use std::fmt::Write;

use figment::value::{Dict, Empty, Num, Value};

/// The value as YAML: two spaces an indent, keys sorted, what needs quotes in quotes.
///
/// Reading the text gives the same value again.
pub fn render_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Dict(_, dict) if !dict.is_empty() => members(dict, 0, &mut out),
        Value::Array(_, list) if !list.is_empty() => elements(list, 0, &mut out),
        _ => {
            scalar(value, &mut out);
            out.push('\n');
        }
    }
    out
}

fn members(dict: &Dict, depth: usize, out: &mut String) {
    for (index, (key, value)) in dict.iter().enumerate() {
        if index > 0 {
            indent(depth, out);
        }
        text(key, out);
        out.push(':');
        below(value, depth, out);
    }
}

fn elements(list: &[Value], depth: usize, out: &mut String) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            indent(depth, out);
        }
        out.push('-');
        match value {
            Value::Dict(_, dict) if !dict.is_empty() => {
                out.push(' ');
                members(dict, depth + 1, out);
            }
            Value::Array(_, list) if !list.is_empty() => {
                out.push(' ');
                elements(list, depth + 1, out);
            }
            _ => below(value, depth, out),
        }
    }
}

/// What follows the colon of a key.
fn below(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Dict(_, dict) if !dict.is_empty() => {
            out.push('\n');
            indent(depth + 1, out);
            members(dict, depth + 1, out);
        }
        Value::Array(_, list) if !list.is_empty() => {
            out.push('\n');
            indent(depth + 1, out);
            elements(list, depth + 1, out);
        }
        _ => {
            out.push(' ');
            scalar(value, out);
            out.push('\n');
        }
    }
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(_, string) => text(string, out),
        Value::Char(_, character) => text(&character.to_string(), out),
        Value::Bool(_, bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Num(_, number) => out.push_str(&self::number(*number)),
        Value::Empty(_, Empty::None | Empty::Unit) => out.push_str("null"),
        Value::Dict(..) => out.push_str("{}"),
        Value::Array(..) => out.push_str("[]"),
    }
}

fn number(number: Num) -> String {
    if let Some(whole) = number.to_i128() {
        return whole.to_string();
    }
    if let Some(whole) = number.to_u128() {
        return whole.to_string();
    }
    match number.to_f64() {
        Some(float) if float.is_nan() => ".nan".to_owned(),
        Some(float) if float.is_infinite() => if float > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        // Keeps the point, so that it is read as the same kind of number.
        Some(float) => format!("{float:?}"),
        None => "null".to_owned(),
    }
}

/// Without quotes where that reads as the same text everywhere, also by the rules of YAML 1.1.
fn text(text: &str, out: &mut String) {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-./$<>()%+*=@".contains(c);
    let inner = |c: char| word(c) || " :,{}[]".contains(c);
    let starts = |c: char| c.is_ascii_alphabetic() || "_/$<(".contains(c);
    let plain = (text.starts_with(starts) || is_quantity(text))
        && text.chars().all(|c| if text.contains(['{', '[', ',']) { word(c) } else { inner(c) })
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !is_keyword(text);
    if plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || ('\u{2028}'..='\u{2029}').contains(&c) || c == '\u{feff}' => {
                // Infallible for a `String`.
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `15s`, `64MiB`, `0.0.0.0:4317`: begins as a number, but is none, and no date.
fn is_quantity(text: &str) -> bool {
    let radix = ["0x", "0o", "0b"].iter().any(|prefix| text.to_ascii_lowercase().starts_with(prefix));
    let has_letter = text.contains(|c: char| c.is_ascii_alphabetic() && !c.eq_ignore_ascii_case(&'e'));
    let is_address = text.matches('.').count() > 2;
    text.starts_with(|c: char| c.is_ascii_digit())
        && (has_letter || is_address)
        && !radix
        && !text.contains('-')
}

fn is_keyword(text: &str) -> bool {
    ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "<<"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests;
