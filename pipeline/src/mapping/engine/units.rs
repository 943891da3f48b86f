//! What a value is multiplied with to be in another unit.

// In the smallest unit of each kind, so that most factors are whole or the inverse of a whole.
const TABLE: &[(&str, char, f64)] = &[
    ("ns", 's', 1.0),
    ("us", 's', 1e3),
    ("ms", 's', 1e6),
    ("s", 's', 1e9),
    ("min", 's', 60e9),
    ("h", 's', 3600e9),
    ("By", 'b', 1.0),
    ("kBy", 'b', 1e3),
    ("MBy", 'b', 1e6),
    ("GBy", 'b', 1e9),
    ("KiBy", 'b', 1024.0),
    ("MiBy", 'b', 1_048_576.0),
    ("GiBy", 'b', 1_073_741_824.0),
    ("%", '1', 1.0),
    ("1", '1', 100.0),
];

/// `None` where the units measure different things.
pub(super) fn factor(from: &str, to: &str) -> Option<f64> {
    if from == to {
        return Some(1.0);
    }
    let find = |unit: &str| TABLE.iter().find(|(name, ..)| *name == unit);
    let ((_, from_base, from), (_, to_base, to)) = (find(from)?, find(to)?);
    (from_base == to_base).then_some(from / to)
}
