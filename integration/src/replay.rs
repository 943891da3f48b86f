//! A runner that answers with a recorded body whose counters move: each at a rate that a test can foretell.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// In this time a counter grows by what it was when it was recorded.
pub const DOUBLING: Duration = Duration::from_secs(20);

/// A replay on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct Replay {
    pub address: String,
    _work: AbortOnDropHandle<()>,
}

/// A body, line by line.
#[derive(Debug, Clone)]
struct Recording {
    lines: Vec<Line>,
    start: Instant,
}

#[derive(Debug, Clone)]
enum Line {
    /// As it was recorded: a comment, a gauge.
    Still(String),
    /// The name with its labels, and the value that grows.
    Moving(String, f64),
    /// A bucket, with what it has beyond the one below it. Whole at any time, and so is the count: what has been
    /// counted in a bucket never leaves it.
    Bucket { series: String, own: f64, is_first: bool },
    /// The count that belongs to the buckets above it.
    Count(String),
}

impl Replay {
    /// Serves the recorded body under every path, from this moment on.
    pub async fn start(recording: &Path) -> Self {
        let text = std::fs::read_to_string(recording)
            .unwrap_or_else(|error| panic!("{}: {error}", recording.display()));
        Self::start_text(&text).await
    }

    /// As [`Self::start`], with the body itself.
    pub async fn start_text(text: &str) -> Self {
        let recording = Recording::new(text);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, recording.clone()));
            }
        });
        Self { address, _work: AbortOnDropHandle::new(work) }
    }
}

impl Recording {
    fn new(text: &str) -> Self {
        let mut growing = HashSet::new();
        for line in text.lines() {
            let mut words = line.strip_prefix("# TYPE ").unwrap_or_default().split(' ');
            let (name, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let parts: &[&str] = match kind {
                "counter" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                "summary" => &["_sum", "_count"],
                _ => &[],
            };
            growing.extend(parts.iter().map(|part| format!("{name}{part}")));
        }
        let mut below: Option<(String, f64)> = None;
        let lines = text.lines().map(|line| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let (series, value) = match line.rsplit_once(' ') {
                Some((series, value)) if growing.contains(name) => (series.to_owned(), value.parse().ok()),
                _ => return Line::Still(line.to_owned()),
            };
            let Some(value) = value else { return Line::Still(line.to_owned()) };
            if name.ends_with("_bucket") {
                let histogram = without_bound(&series);
                let before = below.take().filter(|(known, _)| *known == histogram);
                let own = value - before.as_ref().map_or(0.0, |(_, count)| *count);
                below = Some((histogram, value));
                return Line::Bucket { series, own, is_first: before.is_none() };
            }
            if name.ends_with("_count") && below.as_ref().is_some_and(|(_, count)| *count == value) {
                return Line::Count(series);
            }
            Line::Moving(series, value)
        });
        Self { lines: lines.collect(), start: Instant::now() }
    }

    /// The body after so long.
    fn body(&self, elapsed: Duration) -> String {
        let growth = 1.0 + elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
        let mut body = String::new();
        let mut counted = 0.0;
        for line in &self.lines {
            let written = match line {
                Line::Still(line) => writeln!(body, "{line}"),
                Line::Moving(series, value) => writeln!(body, "{series} {}", value * growth),
                Line::Bucket { series, own, is_first } => {
                    counted = (own * growth).floor() + if *is_first { 0.0 } else { counted };
                    writeln!(body, "{series} {counted}")
                }
                Line::Count(series) => writeln!(body, "{series} {counted}"),
            };
            written.expect("a text grows");
        }
        body
    }
}

/// A series without its `le`.
fn without_bound(series: &str) -> String {
    let Some((before, rest)) = series.split_once("le=\"") else { return series.to_owned() };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{after}")
}

async fn answer(mut stream: TcpStream, recording: Recording) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let body = recording.body(recording.start.elapsed());
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_and_gauges_stay() {
        let text = "# TYPE a counter\na 2\n# TYPE b gauge\nb 3\n# TYPE c histogram\nc_bucket{le=\"1\"} 4\n";
        let body = Recording::new(text).body(DOUBLING);
        assert!(body.contains("\na 4\n") && body.contains("\nb 3\n") && body.contains("} 8\n"), "{body}");
    }

    #[test]
    fn buckets_are_whole_and_never_lose_what_they_had() {
        let text = "# TYPE c histogram\nc_bucket{le=\"1\",m=\"a\"} 1\nc_bucket{le=\"+Inf\",m=\"a\"} 4\nc_count{m=\"a\"} 4\n\
                    c_bucket{le=\"1\",m=\"b\"} 1\n";
        let body = Recording::new(text).body(DOUBLING.mul_f64(0.5));
        let counts: Vec<_> = body.lines().filter_map(|line| line.split("} ").nth(1)).collect();
        assert_eq!(counts, ["1", "5", "5", "1"], "{body}");
    }
}
