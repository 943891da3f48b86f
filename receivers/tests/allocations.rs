//! A line whose series is known costs no allocation, however many there are.
#![expect(unsafe_code, reason = "counting allocations takes an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;

use receivers::prometheus::{Format, ReaderBench};

struct Counting;

thread_local! {
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = LIVE_BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size() as isize));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = LIVE_BYTES.try_with(|bytes| bytes.set(bytes.get() - layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn gauges(lines: usize) -> String {
    let mut body = "# TYPE vllm:usage gauge\n".to_owned();
    for line in 0..lines {
        let _ = writeln!(body, "vllm:usage{{engine=\"{line}\"}} {}", line as f64 / 7.0);
    }
    body
}

fn histogram(buckets: usize) -> String {
    let mut body = "# TYPE h histogram\n".to_owned();
    for bucket in 0..buckets {
        let _ = writeln!(body, "h_bucket{{le=\"{bucket}\"}} {bucket}");
    }
    body + &format!("h_bucket{{le=\"+Inf\"}} {buckets}\nh_sum 1.5\nh_count {buckets}\n")
}

/// Allocations of a body that has been read before.
fn steady(body: &str) -> usize {
    let mut reader = ReaderBench::new();
    for _ in 0..3 {
        assert!(reader.read(body.as_bytes(), Format::Text).is_some());
    }
    let before = ALLOCATIONS.with(Cell::get);
    reader.read(body.as_bytes(), Format::Text);
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn a_known_number_line_allocates_nothing() {
    let (few, many) = (steady(&gauges(10)), steady(&gauges(10_000)));
    assert_eq!(few, many);
    // The batch itself.
    assert!(many <= 4, "{many}");
}

#[test]
fn a_known_bucket_line_allocates_nothing() {
    assert_eq!(steady(&histogram(10)), steady(&histogram(1_000)));
}

#[test]
fn a_series_takes_less_than_600_bytes() {
    const LINES: usize = 20_000;
    let mut body = String::new();
    for line in 0..LINES {
        let _ = writeln!(
            body,
            "vllm:usage{{engine=\"{line}\",model_name=\"meta-llama/Llama-3.1-70B-Instruct\",node=\"gpu-node-17\"}} 1"
        );
    }
    let before = LIVE_BYTES.with(Cell::get);
    let mut reader = ReaderBench::new();
    for _ in 0..2 {
        assert_eq!(reader.read(body.as_bytes(), Format::Text), Some(LINES));
    }
    let bytes = (LIVE_BYTES.with(Cell::get) - before) / LINES as isize;
    assert!(bytes < 600, "{bytes} bytes a series");
}
