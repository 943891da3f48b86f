//! In steady state a point costs the pull endpoint no allocation, neither taken nor served; and a series
//! costs a bounded number of bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::component::Context;
use pipeline::{Clock, Registry, notation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Bytes in use.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: everything is handed to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises that the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        IN_USE.fetch_add(size.wrapping_sub(layout.size()), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SERIES: usize = 20_000;

/// Everything that belongs to a series: its identity, its last value, its rendered labels.
const SERIES_SIZE_MAX: usize = 600;

#[tokio::test]
async fn a_point_is_taken_and_served_without_an_allocation() {
    let context = Context {
        id: "prometheus".to_owned(),
        registry: Arc::new(Registry::new(2 * SERIES)),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("test").into(),
        net: Arc::default(),
        mappings: Arc::default(),
        storages: Arc::default(),
    };
    let entry = exporters::EXPORTERS.iter().find(|entry| entry.name == "prometheus").unwrap();
    let section = config::Section::from_yaml("exporters.prometheus", "endpoint: 127.0.0.1:0").unwrap();
    let exporter = (entry.build)(&section, &context).unwrap().exporter;
    let note = exporter.start().await.unwrap().remove(0);
    let address = note.split('/').nth(2).unwrap();
    let before = IN_USE.load(Ordering::Relaxed);
    let labels = r#"model_name="meta-llama/Llama-3.1-8B-Instruct",engine="0""#;
    let point = |index| format!("gauge gen_ai.server.running{{{labels},index={index}}} [s] = {index}.5\n");
    let mut text = "resource {service.name=\"vllm\",service.instance.id=\"127.0.0.1:8000\"}\n\
                    scope \"receiver/prometheus\"\n"
        .to_owned();
    (0..SERIES).for_each(|index| text += &point(index));
    let batch = notation::parse(&text, &context.registry).unwrap();
    exporter.export(&batch).await.unwrap();
    drop((batch, text));
    let size = (IN_USE.load(Ordering::Relaxed) - before) / SERIES;
    println!("{size} bytes a series");
    assert!(size < SERIES_SIZE_MAX, "{size} bytes a series");

    let line =
        |index| format!("gauge a{}{{x={index}}} = {index}.5\ndelta counter b{{x={index}}} = 1\n", index % 50);
    let text: String = (0..SERIES / 2).map(line).collect();
    let mut batch = notation::parse(&text, &context.registry).unwrap();
    exporter.export(&batch).await.unwrap();
    for point in &mut batch {
        // One behind the other, as deltas must be.
        point.time_unix_nano = u64::MAX / 2;
    }

    let before = COUNT.load(Ordering::Relaxed);
    assert_eq!(exporter.export(&batch).await.unwrap().rejected, 0);
    let update = COUNT.load(Ordering::Relaxed) - before;
    assert!(update < 20, "{update} allocations for {SERIES} points");

    let mut page = Vec::with_capacity(4 << 20);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let before = COUNT.load(Ordering::Relaxed);
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    stream.read_to_end(&mut page).await.unwrap();
    let scrape = COUNT.load(Ordering::Relaxed) - before;
    let lines = String::from_utf8(page).unwrap().lines().count();
    assert!(lines >= SERIES, "{lines} lines");
    // A handful for each family and each piece of the page, and those of the connection.
    assert!(scrape < lines / 10, "{scrape} allocations for {lines} lines");
    exporter.stop().await;
}
