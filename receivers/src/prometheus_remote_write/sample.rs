//! The number that says that a series has ended.

/// The bits of a stale marker; any other NaN is a value.
const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

#[inline]
pub(super) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN
}
