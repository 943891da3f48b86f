//! `otlp`: takes metrics that are pushed in OTLP, over gRPC and over HTTP.
//!
//! ```yaml
//! receivers:
//!   otlp:
//!     protocols:
//!       grpc:
//!         endpoint: localhost:4317
//!       http:
//!         endpoint: localhost:4318
//! ```
//!
//! A request is answered when every exporter's queue has its points; when one is full, the sender is told
//! when to try again.

mod config;
mod grpc;
mod http;
mod intake;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ::config::{Problems, Section};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pipeline::Output;
use pipeline::component::{BoxError, Context, Receiver, ReceiverEntry, Running};
use pipeline::net::server::{self, HttpService, Listen, Served};
use pipeline::telemetry::ReceiverMetrics;
use tokio_util::sync::CancellationToken;

use self::config::{Config, GrpcConfig, HttpConfig};
use self::grpc::GrpcService;
use self::http::OtlpHttpService;
use self::intake::Intake;
use crate::rejections::Rejections;
use crate::serving::serve;

pub(crate) const ENTRY: ReceiverEntry = ReceiverEntry {
    name: "otlp",
    aliases: &[],
    ignored: &[
        (
            "protocols.grpc",
            &[
                "max_concurrent_streams",
                "read_buffer_size",
                "write_buffer_size",
                "keepalive",
                "include_metadata",
            ],
        ),
        ("protocols.http", server::IGNORED),
    ],
    about: "Takes metrics pushed in OTLP, over gRPC and HTTP.",
    example: "\
protocols:
  grpc:
    endpoint: localhost:4317
  http:
    endpoint: localhost:4318
",
    effective: ::config::effective::<Config>,
    build,
};

struct OtlpReceiver {
    config: Config,
    context: Context,
    /// Where in the file it stands, which is also who owns its addresses.
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
    Ok(Box::new(OtlpReceiver { config, context: context.clone(), path: section.path().to_owned() }))
}

impl Receiver for OtlpReceiver {
    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        Box::pin(async move {
            let intake = Arc::new(Intake::new(&self.context, output));
            let (mut notes, mut served) = (Vec::new(), Vec::new());
            if let Some(config) = &self.config.protocols.grpc {
                let grpc = self.serve_grpc(config, &intake).await?;
                notes.push(format!("gRPC on {}", grpc.address));
                served.push(grpc);
            }
            if let Some(config) = &self.config.protocols.http {
                let http = self.serve_http(config, &intake).await?;
                let scheme = if config.tls.is_some() { "https" } else { "http" };
                notes.push(format!("HTTP on {}", http.address.url(scheme, &config.metrics_url_path)));
                served.push(http);
            }
            let look = {
                let intake = intake.clone();
                move || intake.forget_if_pressed()
            };
            let work = serve(served, stop, move || intake.sweep(), look);
            Ok(Running { notes, work: work.boxed() })
        })
    }
}

impl OtlpReceiver {
    async fn serve_grpc(&self, config: &GrpcConfig, intake: &Arc<Intake>) -> Result<Served, BoxError> {
        let service = GrpcService::new(intake.clone(), self.counted("grpc"), config.message_bytes_max());
        let listen = Listen {
            endpoint: config.endpoint.clone(),
            tls: config.tls.clone(),
            authenticator: config.auth.as_ref().map(|auth| auth.authenticator.clone()),
            ..self.listen("grpc")
        };
        self.context.net.serve(listen, Arc::new(service) as Arc<dyn HttpService>).await
    }

    async fn serve_http(&self, config: &HttpConfig, intake: &Arc<Intake>) -> Result<Served, BoxError> {
        let service = OtlpHttpService::new(intake.clone(), self.counted("http"), config)?;
        let listen = Listen {
            endpoint: config.endpoint.clone(),
            tls: config.tls.clone(),
            authenticator: config.auth.as_ref().map(|auth| auth.authenticator.clone()),
            ..self.listen("http")
        };
        self.context.net.serve(listen, Arc::new(service) as Arc<dyn HttpService>).await
    }

    /// Every path is ours: what is not known is answered in OTLP's own form.
    fn listen(&self, protocol: &str) -> Listen {
        Listen {
            owner: self.path.clone(),
            key: format!("{}.protocols.{protocol}.endpoint", self.path),
            ..Listen::default()
        }
    }

    fn counted(&self, transport: &'static str) -> (ReceiverMetrics, Rejections) {
        let metrics = ReceiverMetrics::new(&self.context.meter, &self.context.id, transport);
        (metrics.clone(), Rejections::new(&self.context.id, transport, metrics))
    }
}
