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

/// What is made of a fixture. Times, and what is counted from now, are left out.
fn mapped(path: &std::path::Path) -> String {
    let output = Command::new(binary())
        .args(["map", "--output", "notation", file_name(path)])
        .current_dir(path.parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let line = without_time(line);
        match line.split_once(" = ") {
            Some((series, _)) if series.contains(" gen_ai.server.uptime{") && !series.contains("dynamo") => {
                format!("{series} = (now - start)\n")
            }
            _ => line + "\n",
        }
    });
    lines.collect()
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
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "{name} belongs to no fixture");
    }
}
