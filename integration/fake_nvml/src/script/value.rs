//! A number that may move over time.

use std::f64::consts::TAU;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Seconds;

/// What a board answers where it is asked for a number, or that it cannot say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reading(Option<Value>);

#[derive(Debug, Clone, PartialEq)]
struct Value {
    shape: Shape,
    /// Where a counter starts again from zero.
    wrap: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Still(f64),
    /// From the low end to the high one and back, in each period.
    Wave {
        ends: [f64; 2],
        every: Seconds,
    },
    /// So much a second more.
    Grow {
        from: f64,
        rate: f64,
    },
    /// One after the other, each for so long, and again from the first.
    Steps {
        values: Vec<f64>,
        every: Seconds,
    },
}

/// The keys as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    wave: Option<[f64; 2]>,
    every: Option<Seconds>,
    grow: Option<f64>,
    from: Option<f64>,
    steps: Option<Vec<f64>>,
    wrap: Option<f64>,
}

impl Reading {
    /// What a board says that has no such thing.
    pub(crate) const NONE: &'static Self = &Self(None);

    pub(crate) fn still(number: f64) -> Self {
        Self(Some(Value { shape: Shape::Still(number), wrap: None }))
    }

    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The number after so long, counted from when the driver was loaded.
    pub(crate) fn at(&self, elapsed: Duration) -> Option<f64> {
        let value = self.0.as_ref()?;
        let elapsed = elapsed.as_secs_f64();
        let number = match &value.shape {
            Shape::Still(number) => *number,
            Shape::Wave { ends: [low, high], every } => {
                let turn = elapsed / every.0.as_secs_f64() * TAU;
                low + (high - low) * (1.0 - turn.cos()) / 2.0
            }
            Shape::Grow { from, rate } => from + rate * elapsed,
            Shape::Steps { values, every } => {
                let step = (elapsed / every.0.as_secs_f64()) as usize;
                values[step % values.len()]
            }
        };
        Some(value.wrap.map_or(number, |wrap| number % wrap))
    }
}

impl TryFrom<Written> for Value {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { wave, every, grow, from, steps, wrap } = written;
        let shape = match (wave, grow, steps, every, from) {
            (Some(ends), None, None, Some(every), None) => Shape::Wave { ends, every },
            (None, Some(rate), None, None, from) => Shape::Grow { from: from.unwrap_or(0.0), rate },
            (None, None, Some(values), Some(every), None) if !values.is_empty() => {
                Shape::Steps { values, every }
            }
            _ => return Err(FORMS.to_owned()),
        };
        if every.is_some_and(|every| every.0.is_zero()) || wrap.is_some_and(|wrap| wrap <= 0.0) {
            return Err("`every` and `wrap` must be more than zero".to_owned());
        }
        Ok(Self { shape, wrap })
    }
}

/// What a moving number may look like.
const FORMS: &str = "expected a number, `{wave: [LOW, HIGH], every: 30s}`, `{grow: A_SECOND, from: START, wrap: END}` or \
                     `{steps: [1, 2], every: 1s}`";

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl<'de> Visitor<'de> for Numbers {
            type Value = Reading;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number or one that moves")
            }

            fn visit_unit<E: Error>(self) -> Result<Reading, E> {
                Ok(Reading(None))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Reading, E> {
                self.visit_f64(f64::from(u8::from(value)))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Reading, E> {
                self.visit_f64(value as f64)
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Reading, E> {
                self.visit_f64(value as f64)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Reading, E> {
                Ok(Reading::still(value))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reading, A::Error> {
                let written = Written::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Value::try_from(written).map(|value| Reading(Some(value))).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, seconds: u64, expected: Option<f64>) {
        let reading: Reading = serde_saphyr::from_str(written).unwrap();
        let found = reading.at(Duration::from_secs(seconds));
        assert!(
            match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            },
            "{written} after {seconds} s: {found:?}"
        );
    }

    #[test]
    fn numbers_move_as_they_are_told() {
        check("7", 100, Some(7.0));
        check("true", 100, Some(1.0));
        check("null", 0, None);
        check("{wave: [10, 20], every: 4s}", 0, Some(10.0));
        check("{wave: [10, 20], every: 4s}", 2, Some(20.0));
        check("{wave: [10, 20], every: 4s}", 3, Some(15.0));
        check("{grow: 3}", 5, Some(15.0));
        check("{grow: 3, from: 100}", 5, Some(115.0));
        check("{grow: 3, wrap: 10}", 5, Some(5.0));
        check("{steps: [1, 2, 3], every: 2s}", 4, Some(3.0));
        check("{steps: [1, 2, 3], every: 2s}", 6, Some(1.0));
    }

    #[test]
    fn what_is_not_a_movement_says_what_would_be() {
        for written in ["{wave: [1, 2]}", "{grow: 1, every: 1s}", "{steps: [], every: 1s}", "{from: 3}"] {
            let error = serde_saphyr::from_str::<Reading>(written).unwrap_err().to_string();
            assert!(error.contains("`{wave: [LOW, HIGH], every: 30s}`"), "{written}: {error}");
        }
        let error = serde_saphyr::from_str::<Reading>("{wave: [1, 2], every: 0s}").unwrap_err().to_string();
        assert!(error.contains("more than zero"), "{error}");
    }
}
