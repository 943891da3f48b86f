//! What a value is multiplied with to be in another unit.

const TABLE: &[(&str, char, f64)] = &[
    ("s", 's', 1.0),
    ("ms", 's', 1e-3),
    ("us", 's', 1e-6),
    ("ns", 's', 1e-9),
    ("min", 's', 60.0),
    ("h", 's', 3600.0),
    ("By", 'b', 1.0),
    ("kBy", 'b', 1e3),
    ("MBy", 'b', 1e6),
    ("GBy", 'b', 1e9),
    ("KiBy", 'b', 1024.0),
    ("MiBy", 'b', 1_048_576.0),
    ("GiBy", 'b', 1_073_741_824.0),
    ("1", '1', 1.0),
    ("%", '1', 0.01),
];

/// `None` where the units measure different things.
pub(super) fn factor(from: &str, to: &str) -> Option<f64> {
    if from == to {
        return Some(1.0);
    }
    let find = |unit: &str| TABLE.iter().find(|(name, ..)| *name == unit);
    let ((_, from_base, from), (_, to_base, to)) = (find(from)?, find(to)?);
    // Of two numbers the larger is exact; so is a quotient of whole numbers.
    let factor = if from < to { 1.0 / (to / from) } else { from / to };
    (from_base == to_base).then_some(factor)
}
