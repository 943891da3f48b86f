//! Whether a board is well, by what it says of itself.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method is not general enough over the lifetime of its device"
)]

use nvml_wrapper::bitmasks::device::ThrottleReasons;

use super::board::Board;
use super::fields::Field;
use super::life::Health;

const ROWS_PENDING: Field = Field::new(144);
const ROWS_FAILED: Field = Field::new(145);
/// 1 reset, 2 restart of the machine, 3 drain of its connections, 4 drain and reset, 5 IMEX.
const RECOVERY_ACTION: Field = Field::new(230);

/// What a board said last: what it does not answer is taken to be as it was. What it never has is 0.
#[derive(Debug, Default)]
pub(super) struct Signs {
    rows_pending: u64,
    rows_failed: u64,
    action: u64,
    is_slowed: bool,
}

impl Signs {
    /// Asks a board for what the groups of this round have not asked for already.
    pub(super) fn look(&mut self, board: &mut Board) -> Health {
        board.fetch([ROWS_PENDING, ROWS_FAILED, RECOVERY_ACTION]);
        let reasons = board
            .ask("nvmlDeviceGetCurrentClocksThrottleReasons", |device| device.current_throttle_reasons());
        if let Some(reasons) = reasons {
            self.is_slowed = reasons.intersects(
                ThrottleReasons::SW_THERMAL_SLOWDOWN
                    | ThrottleReasons::HW_THERMAL_SLOWDOWN
                    | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN,
            );
        }
        let keep = |sign: &mut u64, field| *sign = board.fields.unsigned(field).unwrap_or(*sign);
        keep(&mut self.rows_pending, ROWS_PENDING);
        keep(&mut self.rows_failed, ROWS_FAILED);
        keep(&mut self.action, RECOVERY_ACTION);
        Health {
            has_failed: self.rows_failed > 0 || [1, 2].contains(&self.action),
            is_failing: self.rows_pending > 0 || self.action == 4,
            is_degraded: self.is_slowed || [3, 5].contains(&self.action),
        }
    }
}
