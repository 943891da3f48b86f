//! Writes down what was found, in `docs/schemas/node_exporter-agreement*.md`: run with `INFEROMETER_UPDATE=1`.
//!
//! Which families there are depends on the machine, so that the page is not compared.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use integration::root;

use crate::agreement::Found;
use crate::differences::{LABELS, ZEROS};
use crate::facts;

pub(crate) const HEAD: &str = "# The schema `node_exporter` beside node_exporter

What a test found on one machine (a virtual one with two processors, Debian 12) where both ran at the same time: Debian's
prometheus-node-exporter 1.5.0, with the collectors on that the usual dashboard needs, and `inferometer --schema node_exporter`.
Our page was read between two of theirs. *Agreed* is a family of which name, type and series are the same and every value lies
between the two, for a gauge that moves by itself within a stated tolerance. The test writes this page.
";

/// Writes a page of this name.
pub(crate) fn update(name: &str, head: &str, found: &Found) {
    if std::env::var_os("INFEROMETER_UPDATE").is_some() {
        std::fs::write(root().join(format!("docs/schemas/{name}.md")), page(head, found)).unwrap();
    }
}

fn page(head: &str, found: &Found) -> String {
    let mut text = head.to_owned();
    write!(
        text,
        "\n{} families agree. Of {} more the names and types agree. {} are only there, {} only here.\n",
        found.agreed.len(),
        found.otherwise.len(),
        found.only_theirs.len(),
        found.only_ours.len()
    )
    .unwrap();
    text.push_str("\n## Agreed\n\n| family | type | series | example | before, there | here | after, there |\n|---|---|---|---|---|---|---|\n");
    for (name, example) in &found.agreed {
        let labels =
            if example.labels.is_empty() { String::new() } else { format!("`{{{}}}`", example.labels) };
        writeln!(
            text,
            "| `{name}` | {} | {} | {} | {} | {} | {} |",
            example.kind,
            example.series,
            labels.replace('|', "\\|"),
            example.before,
            example.ours,
            example.after
        )
        .unwrap();
    }
    list(&mut text, "Name and type agree", &found.otherwise);
    list(&mut text, "Only in node_exporter", &found.only_theirs);
    list(&mut text, "Only here", &found.only_ours);
    if head == HEAD {
        of_all_machines(&mut text, found);
    }
    text
}

fn list<T: AsRef<str>>(text: &mut String, title: &str, families: &BTreeMap<String, T>) {
    write!(text, "\n## {title}\n\n| family | why |\n|---|---|\n").unwrap();
    for (name, reason) in families {
        writeln!(text, "| `{name}` | {} |", reason.as_ref()).unwrap();
    }
}

/// What does not depend on the machine, and what this one does not have.
fn of_all_machines(text: &mut String, found: &Found) {
    text.push_str("\n## Labels of only one\n\n| family | label | why |\n|---|---|---|\n");
    for (family, label, reason) in LABELS {
        writeln!(text, "| `{family}` | `{label}` | {reason} |").unwrap();
    }
    text.push_str("\n## Series at zero that may be absent here\n\n| family | why |\n|---|---|\n");
    for (family, reason) in ZEROS {
        writeln!(text, "| `{family}` | {reason} |").unwrap();
    }
    let absent = facts::absent();
    list(text, "Asked for by the dashboard or usual alerts, and not made", &absent);
    let seen = |name: &String| {
        let is_in = |names: &BTreeMap<String, &'static str>| names.contains_key(name);
        found.agreed.contains_key(name) || is_in(&found.only_ours) || is_in(&found.otherwise)
    };
    let unseen = facts::wanted().into_iter().filter(|name| !seen(name) && !absent.contains_key(name));
    let unseen: Vec<_> = unseen.map(|name| format!("`{name}`")).collect();
    write!(
        text,
        "\n## Made, but neither has any on this machine\n\nFor want of the hardware, the file or the module; many of them are in \
         [node_exporter-agreement-hardware.md](node_exporter-agreement-hardware.md): {}.\n",
        unseen.join(", ")
    )
    .unwrap();
}
