//! Tells of families in requests of their own, as Remote Write 1.0 has no place for them beside samples.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pipeline::component::ExportError;
use tokio::time::Instant;
use tracing::debug;

use super::memory::Memory;
use super::negotiation::Format;
use super::rendered::Part;
use super::{compress, headers, v1};
use crate::prometheus::escaping::is_legacy;
use crate::push::answer::Answer;
use crate::push::post::Post;

/// How often everything is told.
const PAUSE: Duration = Duration::from_mins(1);

/// Families in one request.
const FAMILIES_MAX: usize = 2000;

/// When it was last told.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    told: Mutex<Option<Instant>>,
}

impl Metadata {
    /// Sends what there is to tell, if it is time. No points hang on it: what fails comes again a minute later.
    pub(super) async fn send(&self, id: &str, post: &Post, memory: &Memory) {
        if !self.is_due() {
            return;
        }
        let mut families = memory.lock().living_families();
        families.retain(|family| is_legacy(family.name(Part::Whole)));
        for families in families.chunks(FAMILIES_MAX) {
            let body = v1::metadata(families.iter().map(AsRef::as_ref));
            if let Err(error) = Self::send_one(body, post).await {
                debug!(exporter = id, %error, "metadata was not taken");
                return;
            }
        }
    }

    async fn send_one(body: Vec<u8>, post: &Post) -> Result<(), ExportError> {
        let response = post.send(compress(body).await?, headers(Format::V1)).await?;
        let (head, text) = post.explanation(response).await;
        if head.status.is_success() {
            return Ok(());
        }
        let text = text.unwrap_or_default();
        let answer = Answer { status: head.status, headers: &head.headers, body: &text };
        Err(ExportError::Drop { reason: answer.reason() })
    }

    fn is_due(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.is_none_or(|told| told.elapsed() >= PAUSE);
        if is_due {
            *told = Some(Instant::now());
        }
        is_due
    }
}
