//! Values with a unit or a secret, as they stand in the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

/// A span of time: `15s`, `1m30s`, `500ms`, `1d`; a bare `0` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(pub std::time::Duration);

/// A number of bytes: `64MiB`, `1GB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(pub u64);

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(String);

/// What stands in the place of a secret.
const REDACTED: &str = "<redacted>";

const DURATION_UNITS: [(&str, u64); 10] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
    ("w", 7 * 86_400 * 1_000_000_000),
    ("y", 365 * 86_400 * 1_000_000_000),
];

const SIZE_UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    // As in Prometheus, whose `body_size_limit: 64MB` means binary megabytes.
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("tb", 1 << 40),
];

impl Duration {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }

    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(std::time::Duration::from_millis(milliseconds))
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Reads the text form; `None` where it is none, or more than about 584 years.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let mut rest = text;
        let mut nanoseconds = 0_u64;
        while !rest.is_empty() {
            let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
            let (number, tail) = rest.split_at(number);
            let unit = tail.len() - tail.trim_start_matches(char::is_alphabetic).len();
            let (unit, tail) = tail.split_at(unit);
            let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
            nanoseconds = nanoseconds.checked_add(scaled(number, *factor)?)?;
            rest = tail;
        }
        (!text.is_empty()).then(|| Self(std::time::Duration::from_nanos(nanoseconds)))
    }
}

/// A decimal number times `factor`, without the error of a float; what is below one is dropped.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let (mut below, mut scale) = (0_u128, 1_u128);
    // What more digits than these could add is less than a nanosecond of a year.
    for digit in fraction.chars().take(18) {
        below = below * 10 + u128::from(digit.to_digit(10)?);
        scale *= 10;
    }
    let below = u64::try_from(below * u128::from(factor) / scale).ok()?;
    whole.checked_mul(factor)?.checked_add(below)
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, factor) in [("h", 6), ("m", 5), ("s", 4), ("ms", 3), ("us", 1), ("ns", 0)]
            .map(|(unit, index)| (unit, u128::from(DURATION_UNITS[index].1)))
        {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl ByteSize {
    /// Of binary megabytes.
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// Reads the text form; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (digits, unit) = text.split_at(digits);
        let unit = unit.trim().to_ascii_lowercase();
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
        digits.parse::<u64>().ok()?.checked_mul(*factor).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        match units.iter().find(|(_, shift)| self.0 > 0 && self.0.is_multiple_of(1 << shift)) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; keep it out of logs, errors and dumps.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is no text, which for most keys means that none was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { REDACTED })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `15s` or `1m30s`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                Duration::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Duration, E> {
                if number == 0 {
                    Ok(Duration::default())
                } else {
                    Err(E::invalid_type(Unexpected::Unsigned(number), &self))
                }
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
                if number == 0 {
                    Ok(Duration::default())
                } else {
                    Err(E::invalid_type(Unexpected::Signed(number), &self))
                }
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `64MiB`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(number))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<ByteSize, E> {
                u64::try_from(number)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_duration(text: &str, expected: Option<u64>) {
        let parsed = Duration::parse(text).map(|duration| duration.0.as_millis() as u64);
        assert_eq!(parsed, expected, "{text}");
    }

    #[test]
    fn durations_are_read_as_go_and_prometheus_write_them() {
        check_duration("0", Some(0));
        check_duration("15s", Some(15_000));
        check_duration("1m30s", Some(90_000));
        check_duration("1.5h", Some(5_400_000));
        check_duration("200ms", Some(200));
        check_duration("1d", Some(86_400_000));
        check_duration("5", None);
        check_duration("s", None);
        check_duration("", None);
        check_duration("1x", None);
        check_duration("-1s", None);
        check_duration("0.1s", Some(100));
        check_duration(".5s", Some(500));
        check_duration("1.s", Some(1_000));
        check_duration("584y", Some(584 * 365 * 86_400_000));
        check_duration("0.000000000000000000000000000000001y", Some(0));
        check_duration("9.00000000000000000000000000000000001h", Some(9 * 3_600_000));
        for text in
            ["585y", "300y300y", "99999999999999999999s", "inf", "infs", "nans", "1e3s", ".s", "1.2.3s"]
        {
            check_duration(text, None);
        }
        check_duration("1s 2s", None);
        check_duration("1 s", None);
        check_duration("١s", None);
        check_duration(&"9".repeat(1 << 20), None);
    }

    #[test]
    fn durations_and_sizes_print_what_they_read() {
        assert_eq!(Duration::from_millis(90_500).to_string(), "1m30s500ms");
        assert_eq!(ByteSize::parse("64MiB"), Some(ByteSize::mib(64)));
        assert_eq!(ByteSize::parse("64MB"), Some(ByteSize::mib(64)));
        assert_eq!(ByteSize::mib(64).to_string(), "64MiB");
        assert_eq!(ByteSize(1000).to_string(), "1000");
        assert_eq!(Duration(std::time::Duration::from_secs(u64::MAX)).to_string(), "5124095576030431h15s");
        for text in ["x", "", "-1", "1.5MiB", "inf", "99999999999999999999", "18014398509481984TiB", "1 2"] {
            assert_eq!(ByteSize::parse(text), None, "{text}");
        }
        assert_eq!(ByteSize::parse("64 MiB"), Some(ByteSize::mib(64)));
        assert_eq!(ByteSize::parse("16777215TiB"), Some(ByteSize(16_777_215 << 40)));
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<redacted>");
        assert_eq!(serde_json::to_string(&Secret::new("hunter2")).unwrap(), r#""<redacted>""#);
    }
}
