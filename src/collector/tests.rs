use std::future::pending;

use tokio::sync::oneshot;

use super::*;
use crate::cli::Source;
use crate::commands::{checking_context, load};

#[tokio::test]
async fn a_receiver_that_does_not_stop_is_ended_with_all_it_holds() {
    let (held, has_gone) = oneshot::channel::<()>();
    let work = async move {
        let _held = held;
        pending::<()>().await;
    };
    let stop = CancellationToken::new();
    let receiver = RunningReceiver {
        section: Section::from_yaml("receivers.x", "{}").unwrap(),
        output: Output::new(FanOut(Vec::new())),
        term: Term::default(),
        stop: stop.clone(),
        work: tokio::spawn(watch(String::from("x"), work, stop)),
    };
    let receivers = HashMap::from([(String::from("x"), receiver)]);
    stop_receivers(receivers, Instant::now()).await;
    let has_gone = tokio::time::timeout(Duration::from_mins(1), has_gone).await;
    assert!(has_gone.expect("it goes on").is_err());
}

/// One that listens, with a storage that nobody uses.
fn with_storage(folder: &std::path::Path) -> Plan {
    let text = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}}}\n\
         exporters: {{debug: {{}}}}\n\
         extensions: {{file_storage: {{directory: '{}'}}}}\n\
         service: {{extensions: [file_storage], pipelines: {{metrics: {{receivers: [otlp], exporters: [debug]}}}}}}\n",
        folder.join("queue").display()
    );
    let file = folder.join("config.yaml");
    std::fs::write(&file, text).unwrap();
    let source =
        Source { config: vec![file], overrides: Vec::new(), schemas: Vec::new(), facade: false, demo: None };
    load(&source).map_err(|refused| refused.to_string()).unwrap()
}

#[test]
fn a_storage_that_hangs_holds_up_the_start_until_told_to_stop_and_a_reload_for_a_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // The only thread that waits for disks hangs.
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hanging = tokio::task::spawn_blocking(move || hang.recv());
        let plan = with_storage(folder.path());
        let started = Collector::start(checking_context(), plan, std::future::ready("told")).await;
        let (mut collector, told) = started.map_err(|error| error.to_string()).unwrap();
        assert_eq!(told, Some("told"));
        collector.open_storages(Duration::from_millis(1)).await;
        drop(release);
        assert!(hanging.await.unwrap().is_err());
        collector.stop(Duration::ZERO).await;
    });
}
