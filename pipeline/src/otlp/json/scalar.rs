//! Numbers and bytes as JSON holds them: bare, or in a string.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding or none, and whatever is in the bits that are left over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads an integer from a string: decimal, and with a fraction or an exponent if it is whole all the
/// same (`"1.5e3"`).
pub(super) fn integer(text: &str) -> Option<i128> {
    // The plain form, which nearly all have, needs no long arithmetic.
    if text.bytes().all(|digit| digit.is_ascii_digit())
        && let Ok(value) = text.parse::<u64>()
    {
        return Some(value.into());
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (is_negative, whole) = whole.strip_prefix('-').map_or((false, whole), |whole| (true, whole));
    let digits = || whole.bytes().chain(fraction.bytes());
    if whole.is_empty() || mantissa.ends_with('.') || !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let mut scale = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let mut value = 0_i128;
    for digit in digits() {
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    while scale != 0 && value != 0 {
        value = if scale > 0 { value.checked_mul(10)? } else { exact_tenth(value)? };
        scale -= scale.signum();
    }
    Some(if is_negative { -value } else { value })
}

fn exact_tenth(value: i128) -> Option<i128> {
    (value % 10 == 0).then_some(value / 10)
}

/// Takes a bare number that is whole as an integer.
pub(super) fn whole(number: f64) -> Option<i128> {
    // Beyond this a conversion would saturate; no field holds so much.
    (number.fract() == 0.0 && number.abs() < 1e30).then_some(number as i128)
}

/// Reads a double from a string.
pub(super) fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        // Rust reads words and forms that JSON does not have.
        _ if !text.starts_with(['.', '+']) && text.bytes().all(|byte| b"0123456789+-.eE".contains(&byte)) => {
            text.parse().ok().filter(|number: &f64| number.is_finite())
        }
        _ => None,
    }
}

/// Reads bytes in either alphabet: two characters differ, and never mean anything else.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let standard = |byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    BASE64.decode(text.bytes().map(standard).collect::<Vec<_>>()).ok()
}

/// Reads an id of so many bytes, or none.
pub(super) fn identifier(text: &str, length: usize) -> Option<Vec<u8>> {
    if !text.is_empty() && text.len() != 2 * length {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes()
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_exactly_or_not_at_all() {
        let check = |text: &str, expected| assert_eq!(integer(text), expected, "{text}");
        check("0", Some(0));
        check("-0", Some(0));
        check("18446744073709551615", Some(u64::MAX.into()));
        check("-9223372036854775808", Some(i64::MIN.into()));
        check("1234567890123456789e0", Some(1_234_567_890_123_456_789));
        check("1.5e3", Some(1500));
        check("1500e-2", Some(15));
        check("0e2147483647", Some(0));
        check("1.50", None);
        check("1.0", Some(1));
        check("1e2147483647", None);
        check("1e-2147483647", None);
        check("1e99999999999", None);
        check("0.1e-2147483648", None);
        for text in ["", "-", "+1", "1.", ".5", "1e", "0x1", " 1", "1_0", "--1", "1.-2", "é"] {
            check(text, None);
        }
    }

    #[test]
    fn doubles_are_read_with_their_words() {
        let check = |text: &str, expected: Option<f64>| {
            assert_eq!(double(text).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
        };
        check("NaN", Some(f64::NAN));
        check("-Infinity", Some(f64::NEG_INFINITY));
        check("-0.0", Some(-0.0));
        check("1e-3", Some(0.001));
        for text in ["", "nan", "inf", "infinity", "+1", ".5", "1e999", "0x1", " 1", "1,5"] {
            check(text, None);
        }
    }
}
