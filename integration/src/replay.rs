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
}

impl Replay {
    /// Serves the recorded body under every path, from this moment on.
    pub async fn start(recording: &Path) -> Self {
        let text = std::fs::read_to_string(recording)
            .unwrap_or_else(|error| panic!("{}: {error}", recording.display()));
        let recording = Recording::new(&text);
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
        let lines = text.lines().map(|line| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            match line.rsplit_once(' ') {
                Some((series, value)) if growing.contains(name) => match value.parse() {
                    Ok(value) => Line::Moving(series.to_owned(), value),
                    Err(_) => Line::Still(line.to_owned()),
                },
                _ => Line::Still(line.to_owned()),
            }
        });
        Self { lines: lines.collect(), start: Instant::now() }
    }

    /// The body after so long.
    fn body(&self, elapsed: Duration) -> String {
        let growth = 1.0 + elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
        let mut body = String::new();
        for line in &self.lines {
            let written = match line {
                Line::Still(line) => writeln!(body, "{line}"),
                Line::Moving(series, value) => writeln!(body, "{series} {}", value * growth),
            };
            written.expect("a text grows");
        }
        body
    }
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
}
