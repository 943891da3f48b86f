//! What the dialects make of the pages of real runners, through `inferometer map`.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod golden;
mod labels;
mod meanings;
mod names;
mod types;
mod values;
mod vocabularies;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use integration::{binary, outside, root};

/// What was made of a page: the points in the notation, without their times.
struct Mapped(Vec<String>);

impl Mapped {
    /// Maps a page that a runner could have served.
    #[track_caller]
    fn of(text: &str) -> Self {
        Self::with(&[], text)
    }

    /// Maps it with further arguments.
    #[track_caller]
    fn with(arguments: &[&str], text: &str) -> Self {
        let mut command = Command::new(binary());
        command.args(["map", "--output", "notation"]).args(arguments);
        let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(String::from_utf8(output.stdout).unwrap().lines().map(without_time).collect())
    }

    /// Maps a fixture by the beginning of its name.
    #[track_caller]
    fn fixture(name: &str) -> Self {
        let found: Vec<_> = fixtures().into_iter().filter(|path| file_name(path).starts_with(name)).collect();
        assert_eq!(found.len(), 1, "one fixture is called {name}...");
        Self::of(&std::fs::read_to_string(&found[0]).unwrap())
    }

    /// Maps a page that is not part of the repository, where it is there.
    fn elsewhere(name: &str) -> Option<Self> {
        let path = outside(&format!("../shared/fixtures/runners/{name}"))?;
        Some(Self::of(&std::fs::read_to_string(path).unwrap()))
    }

    /// The points of a metric, from the name on.
    fn points(&self, metric: &str) -> Vec<&str> {
        let points = self.0.iter().filter_map(|line| {
            let (kind, rest) = line.split_once(' ')?;
            let is_point = !matches!(kind, "resource" | "scope" | "about");
            let behind = rest.strip_prefix(metric)?.chars().next();
            (is_point && matches!(behind, Some('{' | ' '))).then_some(rest)
        });
        points.collect()
    }

    /// The kinds of its points: `counter`, `gauge`, `histogram`.
    fn kinds(&self, metric: &str) -> Vec<&str> {
        let of_metric = |line: &&String| {
            line.split(' ').nth(1).is_some_and(|name| name.split('{').next() == Some(metric))
        };
        let mut kinds: Vec<_> =
            self.0.iter().filter(of_metric).filter_map(|line| line.split(' ').next()).collect();
        kinds.dedup();
        kinds
    }

    /// The one point of a metric is this, labels left aside: `[s] = 1.5`.
    #[track_caller]
    fn check(&self, metric: &str, expected: &str) {
        let points: Vec<_> = self.points(metric).into_iter().map(without_labels).collect();
        assert_eq!(points, [expected], "{metric} in:\n{}", self.0.join("\n"));
    }

    /// Nothing has this name.
    #[track_caller]
    fn check_absent(&self, metric: &str) {
        assert_eq!(self.points(metric), [""; 0], "{metric}");
    }

    /// The points of all names, as they are.
    fn all(&self) -> impl Iterator<Item = &str> {
        let is_point = |line: &&String| !line.starts_with("resource ") && !line.starts_with("about ");
        self.0.iter().filter(is_point).map(String::as_str)
    }
}

/// The recorded and constructed pages of runners.
fn fixtures() -> Vec<PathBuf> {
    let folder = root().join("integration/fixtures/runners");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "prom"));
    paths.sort();
    paths
}

fn file_name(path: &std::path::Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A line of the notation without the time of its point.
fn without_time(line: &str) -> String {
    match line.rsplit_once(" @") {
        Some((point, time)) if time.chars().all(|c| c.is_ascii_digit() || c == '.') => point.to_owned(),
        _ => line.to_owned(),
    }
}

/// What stands behind the labels: unit and value.
fn without_labels(point: &str) -> &str {
    match point.rfind("} [").or_else(|| point.rfind("} =")) {
        Some(end) if point.contains('{') => &point[end + 2..],
        _ => point.split_once(' ').unwrap().1,
    }
}
