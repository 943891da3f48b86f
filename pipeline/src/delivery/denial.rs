//! What becomes of a batch that is turned away for the credentials, the path or the form.

use crate::component::ExportError;

/// After so many refusals of one batch, with others taken before each, it is the batch that is refused.
const DENIALS_MAX: u32 = 3;

/// The refusals of one batch.
#[derive(Debug, Default)]
pub(super) struct Denials {
    /// How many requests had been taken before the last.
    taken: Option<u64>,
    /// Between how many of them others were taken.
    count: u32,
}

impl Denials {
    /// What is safe on disk waits for better settings; for what is not there is nothing to be done.
    ///
    /// `taken` is how many requests the other side had taken when the attempt began. A backend that takes others and goes
    /// on refusing this one, such as a gateway that does not like its content, would hold up its series for ever.
    pub(super) fn judge(&mut self, error: ExportError, is_on_disk: bool, taken: u64) -> ExportError {
        let ExportError::Denied { reason } = error else { return error };
        self.count += u32::from(self.taken.is_some_and(|before| before < taken));
        self.taken = Some(taken);
        if is_on_disk && self.count < DENIALS_MAX {
            ExportError::Retry { after: None, reason }
        } else {
            ExportError::Drop { reason }
        }
    }
}
