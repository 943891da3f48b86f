//! `prometheus_remote_write`: takes what Prometheus, its agent or vmagent push, in remote write 1.0 and 2.0.
//!
//! ```yaml
//! receivers:
//!   prometheus_remote_write:
//!     endpoint: localhost:9090
//! ```
//!
//! A request is answered when every exporter's queue has its points; when one is full, the sender is told
//! when to try again.

mod config;
mod decoder;
#[cfg(test)]
mod encoding;
mod families;
#[doc(hidden)]
pub(crate) mod fuzz;
mod histogram;
mod http;
mod labels;
mod message;
mod reason;
mod sample;
mod symbols;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ::config::{Problems, Section};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pipeline::Output;
use pipeline::component::{BoxError, Context, Receiver, ReceiverEntry, Running};
use pipeline::net::server::{self, HttpService, Listen, Served};
use tokio_util::sync::CancellationToken;

use self::config::Config;
use self::decoder::Decoder;
use self::http::WriteService;
use crate::serving::serve;

pub(crate) const ENTRY: ReceiverEntry = ReceiverEntry {
    name: "prometheus_remote_write",
    aliases: &["prometheusremotewrite"],
    ignored: &[("", &["compression_algorithms"]), ("", server::IGNORED)],
    about: "Takes what Prometheus and vmagent push in remote write 1.0 and 2.0.",
    example: "\
endpoint: localhost:9090
",
    effective: ::config::effective::<Config>,
    build,
};

/// Where Prometheus takes pushes, and where Mimir does: senders are set up for either.
const PATHS: [&str; 2] = ["/api/v1/write", "/api/v1/push"];

struct RemoteWriteReceiver {
    config: Config,
    context: Context,
    /// Where in the file it stands, which is also who owns its address.
    path: String,
}

fn build(section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    let problems = config.problems(section, &context.net);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Box::new(RemoteWriteReceiver { config, context: context.clone(), path: section.path().to_owned() }))
}

impl Receiver for RemoteWriteReceiver {
    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        Box::pin(async move {
            let decoder = Arc::new(Decoder::new(self.context.registry.clone()));
            let service = WriteService::new(&self.context, decoder.clone(), output.clone(), &self.config)?;
            let service: Arc<dyn HttpService> = Arc::new(service);
            let mut served = Vec::new();
            for path in PATHS {
                served.push(self.context.net.serve(self.listen(path), service.clone()).await?);
            }
            let scheme = if self.config.tls.is_some() { "https" } else { "http" };
            let note = |served: &Served| format!("remote write on {}", served.address.url(scheme, PATHS[0]));
            let notes = served.first().map(note);
            let look = {
                let decoder = decoder.clone();
                move || {
                    if output.is_pressed() {
                        decoder.forget();
                    }
                }
            };
            let work = serve(served, stop, move || decoder.sweep(), look);
            Ok(Running { notes: notes.into_iter().collect(), work: work.boxed() })
        })
    }
}

impl RemoteWriteReceiver {
    fn listen(&self, path: &str) -> Listen {
        Listen {
            endpoint: self.config.endpoint.clone(),
            path: path.to_owned(),
            tls: self.config.tls.clone(),
            authenticator: self.config.auth.as_ref().map(|auth| auth.authenticator.clone()),
            owner: self.path.clone(),
            key: format!("{}.endpoint", self.path),
        }
    }
}
