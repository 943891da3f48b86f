//! How types, units and helps go out beside points.

use super::messages::decode1;
use super::*;
use crate::testing::{Reply, Scripted, Seen, start};

fn about(time: u64) -> Batch {
    points(&format!("about \"Helps.\"\ncounter x [By] = 1 @{time}000000000"))
}

fn is_metadata(seen: &Seen) -> bool {
    !decode1(&seen.body).metadata.is_empty()
}

/// Waits until so many requests with metadata have come; says how many there were of all.
async fn told(server: &Scripted, expected: usize) -> usize {
    let counted = async {
        loop {
            let seen = server.seen.lock().unwrap().clone();
            if seen.iter().filter(|seen| is_metadata(seen)).count() >= expected {
                return seen.len();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), counted).await.expect("metadata")
}

#[tokio::test]
async fn families_are_told_in_requests_of_their_own_each_minute() {
    let server = Scripted::start(Reply::new(204, "", "")).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}\nsend_metadata: true", server.url())).await;
    // The series live on.
    let (first, second) = (about(1), about(2));
    exporter.export(&first).await.unwrap();
    exporter.export(&second).await.unwrap();
    assert_eq!(told(&server, 1).await, 3);
    let seen = server.seen.lock().unwrap().clone();
    assert!(is_metadata(&seen[0]), "types come before the first series that have them");
    let request = decode1(&seen.iter().find(|seen| is_metadata(seen)).unwrap().body);
    assert_eq!((request.timeseries.len(), request.metadata.len()), (0, 1));
    let family = &request.metadata[0];
    assert_eq!((family.metric_type, family.metric_family_name.as_str()), (1, "x_bytes_total"));
    assert_eq!((family.help.as_str(), family.unit.as_str()), ("Helps.", "bytes"));
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    tokio::time::resume();
    exporter.export(&about(3)).await.unwrap();
    assert_eq!(told(&server, 2).await, 5);
}

#[tokio::test]
async fn points_do_not_wait_for_metadata_that_is_not_answered_and_it_ends_with_the_exporter() {
    let server = Scripted::start_by(|seen| {
        if is_metadata(seen) { Reply::Stuck(Vec::new()) } else { Reply::new(204, "", "") }
    })
    .await;
    let yaml = format!("endpoint: {}\nsend_metadata: true", server.url());
    let section = Section::from_yaml("exporters.test", &yaml).unwrap();
    let (exporter, _) = made_of(&section.read().unwrap(), &section, &context(&ENTRY)).unwrap();
    exporter.start().await.unwrap();
    let (first, second) = (about(1), about(2));
    for batch in [&first, &second] {
        let taken = tokio::time::timeout(Duration::from_secs(30), exporter.export(batch)).await;
        assert_eq!(taken.expect("an end of the attempt"), Ok(Receipt::default()));
    }
    assert_eq!(told(&server, 1).await, 3);
    // The task holds it, too.
    assert_eq!(Arc::strong_count(&exporter.post), 2);
    exporter.stop().await;
    let ended = async {
        while Arc::strong_count(&exporter.post) > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("an end of the task");
}
