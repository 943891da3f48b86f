//! A folder on a mount that hangs holds up whoever wants it, and nobody else.

use std::task::Poll;

use futures_util::poll;

use super::*;

#[test]
fn whatever_looks_at_a_folder_does_so_in_a_thread_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("queue");
    let config = Config { directory: directory.to_str().unwrap().to_owned(), ..Config::default() };
    let storages = Storages::default().with(HashMap::from([(String::from("q"), config)]));
    let (meter, clock) = (NoopMeterProvider::new().meter("test").into(), Clock::system());
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // The only such thread hangs.
        let (release, hang) = std::sync::mpsc::channel::<()>();
        let hanging = spawn_blocking(move || hang.recv());
        let mut opening = std::pin::pin!(storages.open("q", &meter, &clock));
        let mut applying = std::pin::pin!(storages.apply());
        let mut looking = std::pin::pin!(storages.open_left(&meter, &clock));
        assert!(matches!(poll!(&mut opening), Poll::Pending) && !directory.exists());
        assert_eq!(poll!(&mut applying), Poll::Pending);
        assert!(matches!(poll!(&mut looking), Poll::Pending));
        drop(release);
        assert!(hanging.await.unwrap().is_err());
        let log = opening.await.unwrap();
        applying.await;
        assert!(looking.await.is_empty(), "nothing was written there");
        drop(log);
    });
}
