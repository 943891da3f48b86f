//! Values and timestamps.

use super::Format;

/// Reads a number at the start of `bytes` and says how long it is.
///
/// Takes what Go's `ParseFloat` takes in decimal. A number too large for a double is refused, as there:
/// an infinity nobody wrote would be made up.
#[inline]
pub(crate) fn parse_value_prefix(bytes: &[u8]) -> Option<(f64, usize)> {
    if let Some(integer) = parse_short_integer(bytes) {
        return Some(integer);
    }
    let (value, length) = fast_float2::parse_partial::<f64, _>(bytes).ok()?;
    if value.is_finite() || is_word(&bytes[..length], value) { Some((value, length)) } else { None }
}

/// Most values are small counts, and need no general reader.
#[inline]
fn parse_short_integer(bytes: &[u8]) -> Option<(f64, usize)> {
    // Below 10^15 every integer is a double.
    const DIGITS_MAX: usize = 15;
    let mut integer = 0_u64;
    let mut length = 0;
    while let Some(digit) = bytes.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
    {
        if length == DIGITS_MAX {
            return None;
        }
        integer = integer * 10 + u64::from(digit);
        length += 1;
    }
    if length == 0 {
        return None;
    }
    match &bytes[length..] {
        [] | [b'\n' | b' ', ..] => Some((integer as f64, length)),
        [b'.', b'0'] | [b'.', b'0', b'\n' | b' ', ..] => Some((integer as f64, length + 2)),
        _ => None,
    }
}

/// Whether an infinity or a NaN was written as one; a NaN has no sign.
fn is_word(token: &[u8], value: f64) -> bool {
    let first = token.first().copied().unwrap_or_default();
    if value.is_nan() {
        return first.eq_ignore_ascii_case(&b'n');
    }
    token.iter().any(u8::is_ascii_alphabetic) && !token.iter().any(u8::is_ascii_digit)
}

/// Reads a whole token as a value.
pub(super) fn parse_value(token: &str) -> Option<f64> {
    let (value, length) = parse_value_prefix(token.as_bytes())?;
    (length == token.len()).then_some(value)
}

/// Reads a timestamp into nanoseconds since 1970: milliseconds in the text format, seconds with a
/// fraction in OpenMetrics.
pub(super) fn parse_timestamp(token: &str, format: Format) -> Option<i128> {
    match format {
        Format::Text => {
            let digits = token.strip_prefix('-').unwrap_or(token);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            token.parse::<i64>().ok().map(|milliseconds| i128::from(milliseconds) * 1_000_000)
        }
        Format::OpenMetrics => parse_seconds(token),
    }
}

/// Exact where the number is written without an exponent: a double would be off by some 200 ns.
pub(crate) fn parse_seconds(token: &str) -> Option<i128> {
    let (sign, digits) = match token.as_bytes().first()? {
        b'-' => (-1, &token[1..]),
        b'+' => (1, &token[1..]),
        _ => (1, token),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(whole) || !is_plain(fraction) || digits.len() == usize::from(digits.contains('.')) {
        let seconds = parse_value(token).filter(|seconds| seconds.is_finite())?;
        return Some((seconds * 1e9) as i128);
    }
    let mut nanoseconds = if whole.is_empty() { 0 } else { whole.parse::<i128>().ok()? * 1_000_000_000 };
    let mut scale = 100_000_000;
    for digit in fraction.bytes() {
        nanoseconds += i128::from(digit - b'0') * scale;
        scale /= 10;
    }
    Some(sign * nanoseconds)
}
