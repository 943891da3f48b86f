use std::future::pending;

use tokio::sync::oneshot;

use super::*;

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
