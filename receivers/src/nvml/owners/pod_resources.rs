//! What the kubelet has given to whom, by its PodResources API.
//!
//! It tells allocations, not use, and has no pod's uid: what a process is called comes from elsewhere first.

mod devices;
mod messages;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;
use tracing::{info, warn};

use self::devices::Allocations;
use self::messages::{ListPodResourcesRequest, ListPodResourcesResponse};
use super::Device;

/// Where the kubelet listens, below the host's root.
pub(crate) const SOCKET: &str = "var/lib/kubelet/pod-resources/kubelet.sock";

const LIST: &str = "/v1.PodResourcesLister/List";
/// How often the kubelet is asked.
const INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// An answer of a kubelet with many pods.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// After so many questions without an answer, what was known before is known no more.
const FAILURES_MAX: u32 = 4;

/// The last answer of the kubelet, shared with the task that asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct PodResources {
    allocations: Arc<RwLock<Arc<Allocations>>>,
}

/// A container that was given a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Holder {
    pub(super) pod: String,
    pub(super) namespace: String,
    pub(super) container: String,
}

/// How it goes with the kubelet.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Nobody has a socket there, as on machines without Kubernetes.
    Absent,
    Answers,
    Fails(String),
}

impl PodResources {
    /// Who holds a device, in order; several do where it is shared.
    pub(super) fn holders(&self, device: &Device) -> Vec<Holder> {
        self.allocations.read().unwrap_or_else(PoisonError::into_inner).holders(device)
    }

    /// Asks until told to stop, over one connection. What goes wrong is logged when it changes.
    pub(crate) async fn keep_asking(self, socket: &Path, stop: CancellationToken) {
        stop.run_until_cancelled(self.ask_for_ever(socket, INTERVAL)).await;
    }

    async fn ask_for_ever(&self, socket: &Path, interval: Duration) {
        let socket = socket.display().to_string();
        let channel = match Endpoint::from_shared(format!("unix://{socket}")) {
            Ok(endpoint) => endpoint.timeout(TIMEOUT).connect_timeout(TIMEOUT).connect_lazy(),
            Err(error) => {
                warn!(%socket, %error, "the path of the kubelet's socket cannot be used");
                return;
            }
        };
        let mut kubelet = Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let (mut failures, mut before) = (0, State::Absent);
        loop {
            let state = self.ask(&socket, &mut kubelet, &mut failures).await;
            if state != before {
                match &state {
                    State::Answers => info!(%socket, "the kubelet tells who holds GPUs"),
                    State::Absent => info!(%socket, "there is no kubelet any more"),
                    State::Fails(reason) => {
                        warn!(%socket, %reason, "the kubelet does not tell who holds GPUs");
                    }
                }
                before = state;
            }
            tokio::time::sleep(interval).await;
        }
    }

    async fn ask(&self, socket: &str, kubelet: &mut Grpc<Channel>, failures: &mut u32) -> State {
        let is_there = Path::new(socket).exists();
        let answer = if is_there {
            tokio::time::timeout(TIMEOUT, list(kubelet)).await
        } else {
            Ok(Err(String::new()))
        };
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())));
        let reason = match answer {
            Ok(answer) => {
                *failures = 0;
                self.put(Allocations::of(answer));
                return State::Answers;
            }
            Err(reason) => reason,
        };
        *failures += 1;
        if *failures == FAILURES_MAX {
            self.put(Allocations::default());
        }
        if is_there { State::Fails(reason) } else { State::Absent }
    }

    fn put(&self, allocations: Allocations) {
        *self.allocations.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(allocations);
    }
}

async fn list(kubelet: &mut Grpc<Channel>) -> Result<ListPodResourcesResponse, String> {
    kubelet.ready().await.map_err(|error| pipeline::errors::chain(&error))?;
    let request = tonic::Request::new(ListPodResourcesRequest {});
    let answer = kubelet.unary(request, PathAndQuery::from_static(LIST), ProstCodec::default()).await;
    let answer = answer.map_err(|status| format!("{}: {}", status.code(), status.message()))?;
    Ok(answer.into_inner())
}

#[cfg(test)]
mod tests;
