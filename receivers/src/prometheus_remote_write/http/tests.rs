use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::output::{Intake, Sink};
use pipeline::{Batch, Registry};

use super::super::encoding::{metadata, samples, series};
use super::*;

/// Takes nothing, and never says so.
struct Silent;

impl Intake for Silent {
    fn send(&self, _: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(std::future::pending())
    }

    fn offer(&self, _: Batch) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

fn shared(output: Output) -> Arc<Shared> {
    let metrics = ReceiverMetrics::new(&NoopMeterProvider::new().meter("test").into(), "test", "http");
    Arc::new(Shared {
        decoder: Arc::new(Decoder::new(Arc::new(Registry::new(100_000)))),
        output,
        budget: Budget::default(),
        rejections: Rejections::new("test", "http", metrics.clone()),
        metrics,
        body_bytes_max: 1 << 20,
        decoded_bytes_max: 1 << 20,
        extras: Extras::new(&std::collections::BTreeMap::default(), None).unwrap(),
    })
}

fn total(time: i64) -> Bytes {
    Bytes::from(series("__name__=c_total", samples(&[(1.0, time)])))
}

#[tokio::test]
async fn a_marker_of_a_sender_that_went_away_comes_with_the_next_request() {
    let sink = Sink::new();
    let shared = shared(sink.output());
    shared.store(Version::V1, total(1)).await.unwrap();
    shared.store(Version::V1, Bytes::from(metadata(1, "c", "Help."))).await.unwrap();
    assert_eq!(sink.take().len(), 1);
    shared.output.redirect(Silent);
    {
        let mut storing = Box::pin(shared.store(Version::V1, total(10)));
        assert!(futures_util::poll!(&mut storing).is_pending());
    }
    shared.output.redirect(sink.clone());
    shared.store(Version::V1, total(10)).await.unwrap();
    let stale = |batch: &Batch| batch.iter().filter(|point| point.is_stale()).count();
    assert_eq!(sink.take().iter().map(stale).sum::<usize>(), 1);
    // Once it is sent it is done.
    shared.store(Version::V1, total(20)).await.unwrap();
    assert_eq!(sink.take().iter().map(stale).sum::<usize>(), 0);
}

#[test]
fn others_run_while_a_request_waits_to_be_read() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sink = Sink::new();
    let shared = shared(sink.output());
    let large: Vec<u8> = total(1).repeat(10_000);
    assert!(large.len() > INLINE_BYTES_MAX);
    let store = |request: Bytes| {
        let shared = shared.clone();
        runtime.spawn(async move { shared.store(Version::V1, request).await.unwrap() })
    };
    // The one thread that there is goes on, though nothing can be read.
    let tasks = shared.decoder.while_locked(|| {
        let tasks = [store(total(1)), store(Bytes::from(large))];
        runtime.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        assert!(tasks.iter().all(|task| !task.is_finished()));
        tasks
    });
    for task in tasks {
        runtime.block_on(task).unwrap();
    }
    assert_eq!(sink.take().iter().map(Batch::len).sum::<usize>(), 10_001);
}
