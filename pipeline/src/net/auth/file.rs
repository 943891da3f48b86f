//! Secrets that stand in the configuration or in a file that may change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use config::Secret;
use tokio::time::Instant;
use tracing::warn;

use crate::component::BoxError;
use crate::errors::chain;
use crate::quiet::Quiet;

/// How often a file is looked at, at most.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The least time between two lines about one file.
const COMPLAINT_PAUSE: Duration = Duration::from_mins(1);

/// No file of secrets is larger than this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a secret comes from.
#[derive(Debug)]
pub enum Source {
    Text(Secret),
    /// Read when first needed, and again when it has changed.
    File(File),
}

/// A file that is read again when it has changed.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    state: Mutex<State>,
    /// Requests come as often as others like.
    complaints: Quiet,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    /// When it was written last, and how long it is.
    version: Option<(SystemTime, u64)>,
    text: Option<Arc<Secret>>,
}

impl Source {
    /// A secret that stands in the configuration.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Secret::new(text))
    }

    /// A secret in a file, read when it is first needed.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(File {
            path: path.into(),
            state: Mutex::default(),
            complaints: Quiet::new(COMPLAINT_PAUSE),
        })
    }

    /// Says now and then that the file is of no use, and that whom it names is denied.
    pub(super) fn complain(&self, error: &BoxError) {
        if let Self::File(file) = self
            && let Some(unsaid) = file.complaints.speak()
        {
            let error = chain(&**error);
            warn!(path = %file.path.display(), error, unsaid, "cannot read credentials; who has them is denied");
        }
    }

    /// The secret as it is now, without the line end that editors add.
    pub(super) fn read(&self) -> Result<Arc<Secret>, BoxError> {
        match self {
            Self::Text(secret) => Ok(Arc::new(secret.clone())),
            Self::File(file) => file.read(),
        }
    }
}

impl File {
    fn read(&self) -> Result<Arc<Secret>, BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = state.looked.is_none_or(|looked| looked.elapsed() >= LOOK_INTERVAL);
        if let (false, Some(text)) = (is_due, &state.text) {
            return Ok(text.clone());
        }
        state.looked = Some(Instant::now());
        match (read(&self.path, state.version), &state.text) {
            (Ok(None), Some(text)) => Ok(text.clone()),
            (Ok(Some((version, secret))), _) => {
                let secret = Arc::new(secret);
                state.version = Some(version);
                state.text = Some(secret.clone());
                Ok(secret)
            }
            (Err(error), Some(text)) => {
                if let Some(unsaid) = self.complaints.speak() {
                    let path = self.path.display();
                    warn!(%path, %error, unsaid, "cannot read credentials anew; using the last ones");
                }
                Ok(text.clone())
            }
            (Err(error), None) => Err(format!("cannot read `{}`: {error}", self.path.display()).into()),
            (Ok(None), None) => Err(format!("cannot read `{}`", self.path.display()).into()),
        }
    }
}

type Version = (SystemTime, u64);

/// The file's text, or nothing where it has not changed.
fn read(path: &Path, known: Option<Version>) -> Result<Option<(Version, Secret)>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    let version = (metadata.modified().map_err(|error| error.to_string())?, metadata.len());
    if known == Some(version) {
        return Ok(None);
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(format!("it is larger than {FILE_BYTES_MAX} bytes"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(String::from("it is empty"));
    }
    Ok(Some((version, Secret::new(text))))
}
