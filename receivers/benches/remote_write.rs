//! What a pushed sample costs from the bytes to the point: series known, one sample each.

use divan::counter::ItemsCount;
use pipeline::wire::{put_bytes, put_varint};
use receivers::RemoteWriteBench;

const SERIES: usize = 2000;

/// The labels of a series, as a scrape of a runner has them.
fn labels(index: usize) -> Vec<(String, String)> {
    let pairs = [
        ("__name__", "vllm:request_success_total"),
        ("cluster", "prod-eu-1"),
        ("engine", "0"),
        ("finished_reason", "stop"),
        ("instance", "10.0.13.37:8000"),
        ("job", "runners/vllm"),
        ("model_name", "meta-llama/Llama-3.3-70B-Instruct"),
    ];
    let mut labels: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    labels.push((String::from("shard"), index.to_string()));
    labels
}

fn sample(time: u64) -> Vec<u8> {
    let mut message = vec![0x09];
    message.extend_from_slice(&1234.5_f64.to_bits().to_le_bytes());
    message.push(0x10);
    put_varint(&mut message, time);
    message
}

fn request_v1(time: u64) -> Vec<u8> {
    let mut request = Vec::new();
    for index in 0..SERIES {
        let mut series = Vec::new();
        for (name, value) in labels(index) {
            let mut label = Vec::new();
            put_bytes(&mut label, 1, name.as_bytes());
            put_bytes(&mut label, 2, value.as_bytes());
            put_bytes(&mut series, 1, &label);
        }
        put_bytes(&mut series, 2, &sample(time));
        put_bytes(&mut request, 1, &series);
    }
    request
}

fn request_v2(time: u64) -> Vec<u8> {
    let mut symbols = vec![String::new()];
    let mut series = Vec::new();
    for index in 0..SERIES {
        let mut references = Vec::new();
        for text in labels(index).into_iter().flat_map(|(name, value)| [name, value]) {
            let place = symbols.iter().position(|symbol| *symbol == text).unwrap_or_else(|| {
                symbols.push(text);
                symbols.len() - 1
            });
            put_varint(&mut references, place as u64);
        }
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &references);
        put_bytes(&mut message, 2, &sample(time));
        put_bytes(&mut message, 5, &[0x08, 1]);
        series.push(message);
    }
    let mut request = Vec::new();
    for symbol in &symbols {
        put_bytes(&mut request, 4, symbol.as_bytes());
    }
    for message in &series {
        put_bytes(&mut request, 5, message);
    }
    request
}

fn steady(bencher: divan::Bencher<'_, '_>, is_v2: bool, request: &[u8]) {
    let bench = RemoteWriteBench::new();
    assert_eq!(bench.read(is_v2, request), SERIES);
    bencher.counter(ItemsCount::new(SERIES)).bench_local(|| bench.read(is_v2, request));
}

#[divan::bench]
fn v1(bencher: divan::Bencher<'_, '_>) {
    steady(bencher, false, &request_v1(1_700_000_000_000));
}

#[divan::bench]
fn v2(bencher: divan::Bencher<'_, '_>) {
    steady(bencher, true, &request_v2(1_700_000_000_000));
}

fn main() {
    divan::main();
}
