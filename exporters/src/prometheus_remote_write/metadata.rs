//! Tells of families in requests of their own, as Remote Write 1.0 has no place for them beside samples.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pipeline::component::ExportError;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use super::memory::Memory;
use super::negotiation::Format;
use super::rendered::{Family, Part};
use super::request::{compress, headers};
use super::v1;
use crate::prometheus::escaping::is_legacy;
use crate::push::answer::Answer;
use crate::push::post::Post;

/// How often everything is told.
const PAUSE: Duration = Duration::from_mins(1);

/// Families in one request.
const FAMILIES_MAX: usize = 2000;

/// When it was last told, and what is under way.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    telling: Mutex<Telling>,
}

#[derive(Debug, Default)]
struct Telling {
    last: Option<Instant>,
    /// One task; it ends with the exporter.
    task: JoinSet<()>,
}

impl Metadata {
    /// Begins to send what there is to tell, if it is time. What fails comes again a minute later.
    ///
    /// In a task of its own: points do not hang on it, and wait neither for an answer nor for the want of one. Only the
    /// first time there is an end to wait for in front of them, as whoever is told of a type too late takes its series for gauges.
    pub(super) fn tell(&self, id: &str, post: &Arc<Post>, memory: &Memory) -> Option<oneshot::Receiver<()>> {
        let mut telling = self.lock();
        if telling.last.is_some_and(|last| last.elapsed() < PAUSE) {
            return None;
        }
        let is_first = telling.last.replace(Instant::now()).is_none();
        let (ends, end) = oneshot::channel();
        let mut families = memory.lock().living_families();
        families.retain(|family| is_legacy(family.name(Part::Whole)));
        let (id, post) = (id.to_owned(), post.clone());
        // The one before is over by now, or ends here.
        telling.task = JoinSet::new();
        telling.task.spawn(async move {
            let _ends: oneshot::Sender<()> = ends;
            let sent = tokio::time::timeout(PAUSE, Self::send(families, &post)).await;
            let reason = match sent {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {PAUSE:?}"),
            };
            debug!(exporter = id, reason, "metadata was not taken");
        });
        is_first.then_some(end)
    }

    /// Ends what is under way.
    pub(super) fn stop(&self) {
        self.lock().task = JoinSet::new();
    }

    fn lock(&self) -> MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(families: Vec<Arc<Family>>, post: &Post) -> Result<(), ExportError> {
        for families in families.chunks(FAMILIES_MAX) {
            Self::send_one(v1::metadata(families.iter().map(AsRef::as_ref)), post).await?;
        }
        Ok(())
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
}
