//! Numbers as an exposition has them.

/// Appends a value: shortest form that reads back the same, integers without point.
#[inline]
pub(crate) fn push_double(buffer: &mut Vec<u8>, value: f64) {
    let integer = value as i64;
    // Up to here a double tells all integers apart; a negative zero is not one.
    if integer.unsigned_abs() < 1 << 53 && (integer as f64).to_bits() == value.to_bits() {
        push_int(buffer, integer);
    } else if value.is_finite() {
        buffer.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        buffer.extend_from_slice(b"NaN");
    } else {
        buffer.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

#[inline]
pub(crate) fn push_int<I: itoa::Integer>(buffer: &mut Vec<u8>, value: I) {
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A time in seconds, as OpenMetrics has it.
pub(crate) fn push_seconds(buffer: &mut Vec<u8>, unix_nano: u64) {
    push_int(buffer, unix_nano / 1_000_000_000);
    let fraction = unix_nano % 1_000_000_000;
    if fraction > 0 {
        let digits = format!(".{fraction:09}");
        buffer.extend_from_slice(digits.trim_end_matches('0').as_bytes());
    }
}

/// The text of `le` and `quantile`: always with a point or an exponent, the same on every way out.
pub(crate) fn canonical(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    // Where Prometheus changes to an exponent.
    if value == 0.0 || (1e-4..1e6).contains(&value.abs()) {
        let text = value.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, expected: &str) {
        let mut buffer = Vec::new();
        push_double(&mut buffer, value);
        assert_eq!(std::str::from_utf8(&buffer).unwrap(), expected);
        let again: f64 = expected.replace("Inf", "inf").parse().unwrap();
        assert!(again == value || value.is_nan());
    }

    #[test]
    fn values_are_short_and_exact() {
        check(0.0, "0");
        check(-0.0, "-0.0");
        check(17.0, "17");
        check(-17.0, "-17");
        check(0.25, "0.25");
        check(9_007_199_254_740_992.0, "9007199254740992.0");
        check(1e300, "1e+300");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
    }

    #[test]
    fn bounds_are_canonical() {
        for (value, expected) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.005, "0.005"),
            (100_000.0, "100000.0"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (1e-5, "1e-05"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(canonical(value), expected);
        }
    }

    #[test]
    fn times_have_only_the_digits_they_need() {
        let mut buffer = Vec::new();
        push_seconds(&mut buffer, 1_700_000_000_120_000_000);
        buffer.push(b' ');
        push_seconds(&mut buffer, 5_000_000_000);
        assert_eq!(buffer, b"1700000000.12 5");
    }
}
