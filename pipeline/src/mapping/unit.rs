//! Converts between units, written as in UCUM.

/// How much of a base unit one of a unit is.
const TABLE: &[(&str, Base, f64)] = &[
    ("s", Base::Second, 1.0),
    ("ms", Base::Second, 1e-3),
    ("us", Base::Second, 1e-6),
    ("ns", Base::Second, 1e-9),
    ("min", Base::Second, 60.0),
    ("h", Base::Second, 3600.0),
    ("d", Base::Second, 86400.0),
    ("By", Base::Byte, 1.0),
    ("kBy", Base::Byte, 1e3),
    ("MBy", Base::Byte, 1e6),
    ("GBy", Base::Byte, 1e9),
    ("TBy", Base::Byte, 1e12),
    ("KiBy", Base::Byte, 1024.0),
    ("MiBy", Base::Byte, 1048576.0),
    ("GiBy", Base::Byte, 1073741824.0),
    ("TiBy", Base::Byte, 1099511627776.0),
    ("1", Base::One, 1.0),
    ("%", Base::One, 0.01),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Base<'a> {
    One,
    Second,
    Byte,
    /// What is counted: `{token}`.
    Counted(&'a str),
    /// One that converts into nothing: `Cel`.
    Other(&'a str),
}

/// What a value is multiplied with to be in another unit; `None` where they measure different things.
///
/// A unit that is empty says nothing, and converts into any as it is. What stands in braces is a number of
/// something: it converts into itself and from and to `1`, but not to `%`. Of `a/b` both parts convert.
pub fn factor(from: &str, to: &str) -> Option<f64> {
    if from == to || from.is_empty() || to.is_empty() {
        return Some(1.0);
    }
    let ((from, from_per), (to, to_per)) = (parts(from)?, parts(to)?);
    // Seconds a second are a share.
    if let (Some(share), "1") = (share(from, from_per), to_per) {
        return Some(share * simple("1", to)?);
    }
    // Division in this order keeps whole factors whole: seconds to milliseconds are 1000, not 999.99.
    Some(simple(from, to)? * simple(to_per, from_per)?)
}

/// The unit of an increase a second.
pub(crate) fn per_second(unit: &str) -> Option<String> {
    let (above, below) = parts(unit)?;
    (below == "1").then(|| format!("{above}/s"))
}

/// The unit of 1/x.
pub(crate) fn inverted(unit: &str) -> Option<String> {
    let (above, below) = parts(unit)?;
    Some(if above == "1" { below.to_owned() } else { format!("{below}/{above}") })
}

/// What is above the line, and what is below.
fn parts(unit: &str) -> Option<(&str, &str)> {
    let mut depth = 0_i32;
    let line = unit.char_indices().find(|(_, character)| {
        depth += i32::from(*character == '{') - i32::from(*character == '}');
        *character == '/' && depth == 0
    });
    match line {
        None => Some((unit, "1")),
        Some((at, _)) => {
            let (above, below) = (unit.get(..at)?, unit.get(at + 1..)?);
            let above = if above.is_empty() { "1" } else { above };
            (!below.is_empty()).then_some((above, below))
        }
    }
}

fn share(above: &str, below: &str) -> Option<f64> {
    let is_measured = matches!(base(above).0, Base::Second | Base::Byte);
    if is_measured { simple(above, below) } else { None }
}

fn simple(from: &str, to: &str) -> Option<f64> {
    if from == to {
        return Some(1.0);
    }
    let ((from, from_size), (to, to_size)) = (base(from), base(to));
    match (from, to) {
        (Base::Counted(_), Base::One) | (Base::One, Base::Counted(_)) => {
            (from_size == 1.0 && to_size == 1.0).then_some(1.0)
        }
        (Base::Other(_) | Base::Counted(_), _) | (_, Base::Other(_) | Base::Counted(_)) => None,
        _ if from != to => None,
        // The greater by the lesser is exact, or nearly so.
        _ if from_size >= to_size => Some((from_size / to_size).clean()),
        _ => Some(1.0 / (to_size / from_size).clean()),
    }
}

fn base(unit: &str) -> (Base<'_>, f64) {
    if unit.starts_with('{') && unit.ends_with('}') {
        return (Base::Counted(unit), 1.0);
    }
    let known = TABLE.iter().find(|(name, ..)| *name == unit);
    known.map_or((Base::Other(unit), 1.0), |(_, base, size)| (*base, *size))
}

trait Clean {
    fn clean(self) -> Self;
}

impl Clean for f64 {
    /// The whole number that a quotient is, but for its last bits.
    fn clean(self) -> Self {
        let whole = self.round();
        if (self - whole).abs() <= whole * 1e-12 { whole } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: &str, to: &str, expected: Option<f64>) {
        assert_eq!(factor(from, to), expected, "{from} to {to}");
    }

    #[test]
    fn times_sizes_and_shares_convert() {
        check("s", "ms", Some(1000.0));
        check("ms", "s", Some(0.001));
        check("us", "ms", Some(0.001));
        check("ns", "s", Some(1e-9));
        check("h", "min", Some(60.0));
        check("1", "%", Some(100.0));
        check("%", "1", Some(0.01));
        check("By", "MiBy", Some(1.0 / 1048576.0));
        check("GiBy", "By", Some(1073741824.0));
        check("MBy", "kBy", Some(1000.0));
        check("Cel", "Cel", Some(1.0));
    }

    #[test]
    fn what_is_counted_converts_into_a_plain_number_only() {
        check("{token}", "1", Some(1.0));
        check("1", "{request}", Some(1.0));
        check("{token}", "{request}", None);
        check("{token}", "%", None);
        check("{token}", "s", None);
    }

    #[test]
    fn rates_convert_above_and_below_the_line() {
        check("{token}/s", "{token}/min", Some(60.0));
        check("By/s", "MiBy/s", Some(1.0 / 1048576.0));
        check("ms/{token}", "s/{token}", Some(0.001));
        check("1/s", "{token}/s", Some(1.0));
        check("{token}/s", "{token}", None);
        check("s/s", "1", Some(1.0));
        check("s/s", "%", Some(100.0));
        check("ms/s", "1", Some(0.001));
        check("By/s", "1", None);
    }

    #[test]
    fn different_things_do_not_convert() {
        check("s", "By", None);
        check("W", "Cel", None);
        check("s", "1", None);
        check("s/", "s", None);
    }

    #[test]
    fn no_unit_says_nothing() {
        check("", "ms", Some(1.0));
        check("s", "", Some(1.0));
    }

    #[test]
    fn derived_units_are_put_together() {
        assert_eq!(per_second("{token}").as_deref(), Some("{token}/s"));
        assert_eq!(per_second("By/s"), None);
        assert_eq!(inverted("s").as_deref(), Some("1/s"));
        assert_eq!(inverted("s/{token}").as_deref(), Some("{token}/s"));
        assert_eq!(inverted("1/s").as_deref(), Some("s"));
    }
}
