//! Memory stays flat, and what is given up is counted.

use super::*;
use crate::delivery::claim::Recorded;
use crate::point::{Buckets, ExponentialHistogram, Point, Value};
use crate::{Attributes, Kind, Metric, Registry, Temporality};

#[tokio::test(start_paused = true)]
async fn a_long_queue_is_forgotten_and_comes_back_in_order() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    // A point takes 94 bytes by the estimate, so some 180 000 of these are kept.
    let (outbox, points) = long_queue(&disk, &exporter, &ledger, 100).await;
    let all = points as u64;
    {
        let state = outbox.dispatch.queue.state();
        let in_memory = state.waiting.size().points;
        assert!(in_memory * 94 <= 16 << 20, "{in_memory}");
        assert_eq!(state.counts.held.points, all);
    }
    assert_eq!(ledger.gauge("inferometer_exporter_queue_points"), Some(all));
    exporter.hold(false);
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken().len() as u64, all);
    assert!(exporter.taken().iter().copied().eq(0..points));
    assert_eq!(outbox.drain(after(60)).await, drained(all, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_the_queue_holds_for_what_is_on_disk() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let mut config = persistent();
    config.sending_queue.queue_size = 5;
    let outbox = disk.start(&exporter, config, &ledger).await;
    for value in 0..5 {
        record(&[&outbox], one(value..value + 1)).await.unwrap();
    }
    record(&[&outbox], one(5..6)).await.unwrap_err();
    assert_eq!(ledger.sum(MISSED), 1);
}

#[tokio::test(start_paused = true)]
async fn series_that_find_no_room_are_counted_when_they_are_read_back() {
    let mut disk = Disk::new();
    let (dead, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let outbox = disk.start(&dead, persistent(), &ledger).await;
    for value in 0..10 {
        let points = points(&value.to_string(), value..value + 1);
        record(&[&outbox], points.into_iter().collect()).await.unwrap();
    }
    drop(outbox);
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let context = Context { registry: Arc::new(Registry::new(4)), ..disk.context("x", &ledger) };
    let outbox = start_in(&context, &exporter, persistent(), None).await;
    until(|| failed(&ledger, "unreadable") > 0).await;
    assert_eq!((failed(&ledger, "unreadable"), held(&outbox)), (6, 4));
    check_accounts(outbox.dispatch.queue.counts(), 10, &ledger);
}

/// Adds until the storage had to have something given up; how many points were taken.
async fn fill(outbox: &Arc<Outbox>, ledger: &Ledger) -> u64 {
    let (mut accepted, mut next) = (0, 0);
    while failed(ledger, "storage_full") == 0 {
        if record(&[outbox], one(next..next + 500)).await.is_ok() {
            accepted += 500;
        } else {
            // The storage looks at its limits by a clock of its own; what it asks for is another task's to do.
            pass(5).await;
        }
        next += 500;
        assert!(next < 2_000_000, "a MiB was never full");
    }
    accepted
}

#[tokio::test(start_paused = true)]
async fn what_the_storage_wants_given_up_is_counted_and_what_is_under_way_is_not() {
    let mut disk = Disk::new();
    disk.config.max_size = ::config::ByteSize::mib(1);
    disk.config.segment_size = ::config::ByteSize(128 << 10);
    disk.config.when_full = storage::WhenFull::DropOldest;
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let mut config = persistent();
    config.timeout = ::config::Duration::default();
    exporter.hold(true);
    let outbox = disk.start(&exporter, config, &ledger).await;
    let accepted = fill(&outbox, &ledger).await;
    let given_up = failed(&ledger, "storage_full");
    check_accounts(outbox.dispatch.queue.counts(), accepted, &ledger);
    exporter.hold(false);
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken()[0], 0, "it was under way");
    assert_eq!(exporter.taken().len() as u64, accepted - failed(&ledger, "storage_full"));
    assert!(exporter.taken().is_sorted() && given_up > 0);
    check_accounts(outbox.dispatch.queue.counts(), accepted, &ledger);
}

#[tokio::test(start_paused = true)]
async fn an_heir_does_not_give_up_what_the_one_before_was_asked_for_and_kept() {
    let mut disk = Disk::new();
    disk.config.max_size = ::config::ByteSize::mib(1);
    disk.config.segment_size = ::config::ByteSize(128 << 10);
    disk.config.when_full = storage::WhenFull::DropOldest;
    disk.restart().await;
    let ledger = Ledger::default();
    let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
    let mut config = persistent();
    config.timeout = ::config::Duration::default();
    let context = disk.context("x", &ledger);
    dead.hold(true);
    let old = start_in(&context, &dead, config, None).await;
    let accepted = fill(&old, &ledger).await;
    // Until there is, the storage asks for more, and after the handover it would be the heir's to give up.
    until(|| old.spool.as_ref().is_some_and(|spool| spool.log().room(100 << 10).is_ok())).await;
    let new = start_in(&context, &exporter, persistent(), Some(&old)).await;
    dead.hold(false);
    new.take_over(&old, after(60)).await;
    until(|| held(&new) == 0).await;
    assert_eq!(exporter.taken()[0], 0, "it was under way");
    assert_eq!(exporter.taken().len() as u64, accepted - failed(&ledger, "storage_full"));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_refuses_or_leaves_it_in_memory() {
    let mut disk = Disk::new();
    disk.config.max_size = ::config::ByteSize::mib(1);
    disk.config.segment_size = ::config::ByteSize(128 << 10);
    for when_unwritable in [storage::WhenUnwritable::Refuse, storage::WhenUnwritable::Memory] {
        disk.config.directory.push('x');
        disk.config.when_unwritable = when_unwritable;
        disk.restart().await;
        let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
        let mut config = persistent();
        config.timeout = ::config::Duration::default();
        exporter.hold(true);
        let outbox = disk.start(&exporter, config, &ledger).await;
        let (mut accepted, mut next) = (0, 0);
        while ledger.sum(MISSED) == 0 {
            if record(&[&outbox], one(next..next + 500)).await.is_ok() {
                accepted += 500;
            }
            next += 500;
            assert!(next < 2_000_000, "nothing was ever refused");
        }
        let unwritten = ledger.sum("inferometer_exporter_unwritten_metric_points{x}");
        assert_eq!(unwritten > 0, when_unwritable == storage::WhenUnwritable::Memory, "{unwritten}");
        exporter.hold(false);
        until(|| held(&outbox) == 0).await;
        assert!(exporter.taken().is_sorted());
        assert!(exporter.taken().len() as u64 >= accepted);
        let counts = outbox.dispatch.queue.counts();
        assert_eq!((counts.accepted, counts.dropped), (counts.delivered, 0));
        outbox.drain(after(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_back_weighs_what_it_weighed_before() {
    let disk = Disk::new();
    let ledger = Ledger::default();
    let context = disk.context("x", &ledger);
    let mut config = persistent();
    // Two points by the estimate. Encoded, each is several times as large, for its resource and metric.
    let batch = BatchConfig { sizer: Some(BatchSizer::Bytes), ..sizes(60, 70) };
    config.sending_queue.batch = Some(batch);
    let exporter = Scripted::new([], Act::Take);
    let old = start_in(&context, &exporter, config.clone(), None).await;
    // What comes before its turn is on disk alone.
    let new = start_in(&context, &exporter, config, Some(&old)).await;
    for value in 0..60 {
        record(&[&new], one(value..value + 1)).await.unwrap();
    }
    assert_eq!(new.dispatch.queue.counts().held.bytes, 60 * 30);
    exporter.hold(true);
    new.take_over(&old, after(60)).await;
    until(|| new.dispatch.queue.has_nothing_on_disk()).await;
    assert_eq!(new.dispatch.queue.counts().held, Size { requests: 60, points: 60, bytes: 60 * 30 });
    exporter.hold(false);
    until(|| held(&new) == 0).await;
    assert!(exporter.sizes().iter().all(|size| *size <= 2), "{:?}", exporter.sizes());
    assert_eq!(exporter.taken(), (0..60).collect::<Vec<_>>());
    assert_eq!(new.drain(after(60)).await, drained(60, 0, 0));
    assert_eq!(new.dispatch.queue.counts().held, Size::default());
}

#[tokio::test(start_paused = true)]
async fn batches_whose_writes_fail_stay_in_memory_within_a_bound() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let mut config = persistent();
    config.timeout = ::config::Duration::default();
    exporter.hold(true);
    let outbox = disk.start(&exporter, config, &ledger).await;
    let queue = &outbox.dispatch.queue;
    let each = 8192;
    let mut kept = 0;
    for first in 0..40 {
        let batch = one(first * each..(first + 1) * each);
        let load = Load::new(Arc::new(batch));
        let reader = outbox.spool.as_ref().unwrap().reader().unwrap();
        let record = Recorded::new(&reader, first as u64 + 1, load.size.points);
        let size = load.size;
        queue.reserve(size).unwrap();
        assert_eq!(queue.push_recorded(load, &record, size), size);
        // One is under way and stays, and the next finds the consumer busy with its resource.
        tokio::task::yield_now().await;
        let lost = queue.lose(&record);
        assert_eq!(lost.dropped, 0);
        assert!(lost.withdrawn == 0 || lost.withdrawn == each as u64, "{lost:?}");
        kept += each as u64 - lost.withdrawn;
        let counts = queue.counts();
        assert_eq!((counts.accepted, counts.held.points), (kept, kept));
    }
    // A point takes 94 bytes by the estimate.
    let most = (16 << 20) / 94 + each as u64;
    assert!((most / 2..=most).contains(&kept), "{kept}");
    exporter.hold(false);
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken(), (0..kept as i64).collect::<Vec<_>>());
    assert_eq!(outbox.drain(after(60)).await, drained(kept, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_takes_much_more_in_memory_than_on_disk_is_read_back() {
    let mut disk = Disk::new();
    let (dead, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let outbox = disk.start(&dead, persistent(), &ledger).await;
    // Each of these buckets takes a byte on disk and eight in memory.
    let positive = Buckets { offset: 0, counts: vec![0; 5_000_000] };
    let histogram = ExponentialHistogram { positive, ..ExponentialHistogram::default() };
    let kind = Kind::ExponentialHistogram { temporality: Temporality::Delta };
    let metric = registry().metric(Metric::new("h", "", kind));
    let series = registry().series(&Arc::default(), &Arc::default(), &metric, Attributes::empty()).unwrap();
    let point = Point::new(series, 1, Value::ExponentialHistogram(Box::new(histogram)));
    record(&[&outbox], Batch::from_iter([point])).await.unwrap();
    drop(outbox);
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    until(|| held(&outbox) == 0).await;
    assert_eq!((failed(&ledger, "unreadable"), ledger.sum(SENT)), (0, 1));
}

/// A point of each of a hundred metrics, whose names are most of it.
fn named() -> Batch {
    let point = |number: i64| {
        let metric = registry().metric(Metric::new(format!("{number}_{}", "n".repeat(200)), "", Kind::Gauge));
        let series = registry().series(&Arc::default(), &Arc::default(), &metric, Attributes::empty());
        Point::new(series.unwrap(), 1, Value::Int(number))
    };
    (0..100).map(point).collect()
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_on_disk_is_in_no_queue() {
    let mut disk = Disk::new();
    disk.config.max_size = ::config::ByteSize::mib(1);
    disk.config.segment_size = ::config::ByteSize(128 << 10);
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let mut outboxes = Vec::new();
    for id in ["x", "y"] {
        outboxes.push(start_in(&disk.context(id, &ledger), &exporter, persistent(), None).await);
    }
    let (mut accepted, mut refused) = (0, 0);
    // Now and then the disk does not keep up; at the end it is full.
    while refused < 50 {
        match record(&[&outboxes[0], &outboxes[1]], named()).await {
            Ok(()) => (accepted, refused) = (accepted + 100, 0),
            Err(_) => refused += 1,
        }
        assert_eq!((held(&outboxes[0]), held(&outboxes[1])), (accepted, accepted));
        pass(2).await;
    }
    assert!(accepted > 2000, "{accepted}");
    assert_eq!(ledger.sum("inferometer_exporter_unwritten_metric_points{x}"), 0);
}
