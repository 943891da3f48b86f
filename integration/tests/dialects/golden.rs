//! Everything that is made of each fixture, as it was when somebody last looked at it.
//!
//! When a dialect changes, `INFEROMETER_UPDATE=1 cargo test -p inferometer-integration --test dialects` writes the
//! files anew; what then differs is to be read.

use std::path::PathBuf;
use std::process::Command;

use integration::{binary, root};

use crate::{file_name, fixtures, without_time};

fn folder() -> PathBuf {
    root().join("integration/golden/dialects")
}

/// Whether the files are to be written instead of compared.
fn is_updating() -> bool {
    std::env::var_os("INFEROMETER_UPDATE").is_some()
}

/// What is made of a fixture. Times, and what is counted from now, are left out; the series of a metric are sorted, as
/// nothing is said of their order.
fn mapped(path: &std::path::Path) -> String {
    let output = Command::new(binary())
        .args(["map", "--output", "notation", file_name(path)])
        .current_dir(path.parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(lasting).collect();
    for points in lines.chunk_by_mut(|_, next| !next.starts_with("about ")) {
        if let Some(first) = points.iter().position(|line| !is_head(line)) {
            points[first..].sort();
        }
    }
    lines.concat()
}

fn is_head(line: &str) -> bool {
    ["resource ", "scope ", "about "].iter().any(|head| line.starts_with(head))
}

/// A line without what differs from run to run.
fn lasting(line: &str) -> String {
    let line = without_time(line);
    match line.split_once(" = ") {
        Some((series, _)) if series.contains(" gen_ai.server.uptime{") => {
            format!("{series} = (now - start)\n")
        }
        _ => line + "\n",
    }
}

#[test]
fn everything_that_is_made_of_a_page_is_as_it_was() {
    let mut differing = Vec::new();
    for path in fixtures() {
        let name = file_name(&path).trim_end_matches(".prom").to_owned() + ".txt";
        let golden = folder().join(&name);
        let mapped = mapped(&path);
        if is_updating() {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&golden, mapped).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != mapped {
            differing.push(name);
        }
    }
    assert_eq!(differing, [""; 0], "look at what changed, and update (see the top of this file)");
}

#[test]
fn every_file_belongs_to_a_fixture() {
    let names: Vec<_> =
        fixtures().iter().map(|path| file_name(path).trim_end_matches(".prom").to_owned() + ".txt").collect();
    for entry in std::fs::read_dir(folder()).into_iter().flatten() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "{name} belongs to no fixture");
    }
}
