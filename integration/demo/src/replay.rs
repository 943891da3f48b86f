//! A runner that answers with a recorded body whose counters move: each at a rate that a test can foretell.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    is_up: Arc<AtomicBool>,
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
    /// A bucket or the count of a histogram, with what was counted between each two of the bounds up to it. What is
    /// between two bounds is whole at any time and never less than before.
    Counted(String, Vec<f64>),
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
        Self::start_text_as(text, true).await
    }

    /// As [`Self::start_text`], and fails until it is told to answer.
    pub async fn start_down(text: &str) -> Self {
        Self::start_text_as(text, false).await
    }

    async fn start_text_as(text: &str, is_up: bool) -> Self {
        let recording = Recording::new(text);
        let is_up = Arc::new(AtomicBool::new(is_up));
        let shared = is_up.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port is there");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let work = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, recording.clone(), shared.load(Ordering::Relaxed)));
            }
        });
        Self { address, is_up, _work: AbortOnDropHandle::new(work) }
    }

    /// Answers from now on, or fails.
    pub fn answer(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::Relaxed);
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
        let mut histograms: HashMap<String, Vec<f64>> = HashMap::new();
        let mut lines = Vec::new();
        for line in text.lines() {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let series = line.rsplit_once(' ').filter(|_| growing.contains(name));
            let Some((series, Ok(value))) = series.map(|(series, value)| (series, value.parse::<f64>()))
            else {
                lines.push(Line::Still(line.to_owned()));
                continue;
            };
            if name.ends_with("_bucket") {
                let between = histograms.entry(histogram(series)).or_default();
                between.push(value - between.iter().sum::<f64>());
                lines.push(Line::Counted(series.to_owned(), between.clone()));
            } else {
                lines.push(Line::Moving(series.to_owned(), value));
            }
        }
        // Some write the count above the buckets, so that it is known only now.
        for line in &mut lines {
            let Line::Moving(series, _) = line else { continue };
            let between = series.contains("_count").then(|| histograms.get(&histogram(series))).flatten();
            if let Some(between) = between {
                *line = Line::Counted(series.clone(), between.clone());
            }
        }
        Self { lines, start: Instant::now() }
    }

    /// The body after so long.
    fn body(&self, elapsed: Duration) -> String {
        let growth = 1.0 + elapsed.as_secs_f64() / DOUBLING.as_secs_f64();
        let mut body = String::new();
        for line in &self.lines {
            let written = match line {
                Line::Still(line) => writeln!(body, "{line}"),
                Line::Moving(series, value) => writeln!(body, "{series} {}", value * growth),
                Line::Counted(series, between) => {
                    let counted: f64 = between.iter().map(|own| (own * growth).floor()).sum();
                    writeln!(body, "{series} {counted}")
                }
            };
            written.expect("a text grows");
        }
        body
    }
}

/// The histogram that a bucket or a count belongs to.
fn histogram(series: &str) -> String {
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let name = name.trim_end_matches("_bucket").trim_end_matches("_count");
    let labels = labels.trim_end_matches('}').split("\",").map(|label| label.trim_end_matches('"'));
    let labels: Vec<_> = labels.filter(|label| !label.is_empty() && !label.starts_with("le=")).collect();
    format!("{name}{labels:?}")
}

/// What is read of a request at most; whoever sends more is answered all the same.
const HEAD_MAX: usize = 16 * 1024;

async fn answer(mut stream: TcpStream, recording: Recording, is_up: bool) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while head.len() < HEAD_MAX && !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let body = recording.body(recording.start.elapsed());
    let status = if is_up { "200 OK" } else { "503 Service Unavailable" };
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
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
        let text = "# TYPE c histogram\nc_count{m=\"a\"} 4\nc_bucket{le=\"1\",m=\"a\"} 1\nc_bucket{le=\"+Inf\",m=\"a\"} 4\n\
                    c_bucket{m=\"b\",le=\"1\"} 1\n";
        let body = Recording::new(text).body(DOUBLING.mul_f64(0.5));
        let counts: Vec<_> = body.lines().filter_map(|line| line.split("} ").nth(1)).collect();
        assert_eq!(counts, ["5", "1", "5", "1"], "{body}");
    }
}
