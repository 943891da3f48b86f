//! Whether a board is well, by what it says of itself.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method is not general enough over the lifetime of its device"
)]

use nvml_wrapper::bitmasks::device::ThrottleReasons;

use super::board::Board;
use super::fields::{Field, FieldValue};
use super::life::Health;

const ROWS_PENDING: Field = Field::new(144);
const ROWS_FAILED: Field = Field::new(145);
/// 1 reset, 2 restart of the machine, 3 drain of its connections, 4 drain and reset, 5 IMEX.
const RECOVERY_ACTION: Field = Field::new(230);

/// Asks a board for what the groups of this round have not asked for already.
pub(super) fn of(board: &mut Board) -> Health {
    board.fetch([ROWS_PENDING, ROWS_FAILED, RECOVERY_ACTION]);
    let is_slowed = board
        .ask("nvmlDeviceGetCurrentClocksThrottleReasons", |device| device.current_throttle_reasons())
        .is_some_and(|reasons| {
            reasons.intersects(
                ThrottleReasons::SW_THERMAL_SLOWDOWN
                    | ThrottleReasons::HW_THERMAL_SLOWDOWN
                    | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN,
            )
        });
    let value = |field: Field| board.fields.get(field).and_then(FieldValue::unsigned).unwrap_or(0);
    let action = value(RECOVERY_ACTION);
    Health {
        has_failed: value(ROWS_FAILED) > 0 || [1, 2].contains(&action),
        is_failing: value(ROWS_PENDING) > 0 || action == 4,
        is_degraded: is_slowed || [3, 5].contains(&action),
    }
}
