//! Every recorded runner through every schema, whole, like in `golden`.

use std::path::PathBuf;

use integration::root;

use crate::Page;
use crate::golden::{compare, without_moving};
use crate::platforms::NODE;

fn recordings() -> Vec<String> {
    let files = std::fs::read_dir(root().join("integration/fixtures/runners")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter_map(|name| Some(name.strip_suffix(".prom")?.to_owned())).collect();
    names.sort();
    assert!(names.len() > 30, "{names:?}");
    names
}

fn folder(schema: &str) -> PathBuf {
    root().join("integration/golden/runners").join(schema)
}

#[track_caller]
fn check(schema: &str) {
    let arguments: &[&str] = if schema == "gpustack" { &NODE } else { &[] };
    let names = recordings();
    compare(names.iter().map(|name| {
        let page = Page::with(schema, arguments, &[&format!("runners/{name}.prom")]);
        (folder(schema).join(format!("{name}.txt")), without_moving(&page.0))
    }));
    for entry in std::fs::read_dir(folder(schema)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_of_recording =
            name.strip_suffix(".txt").is_some_and(|name| names.iter().any(|own| own == name));
        assert!(is_of_recording, "{schema}/{name} belongs to no recording");
    }
}

#[test]
fn as_ainode() {
    check("ainode");
}

#[test]
fn as_offgrid() {
    check("offgrid");
}

#[test]
fn as_ai_cluster() {
    check("ai_cluster");
}

#[test]
fn as_gpustack() {
    check("gpustack");
}

#[test]
fn as_model_runner() {
    check("model_runner");
}
