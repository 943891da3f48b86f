//! The floors of the house: which crate may use which.

use std::collections::BTreeSet;
use std::process::Command;

/// Each crate with what it may use of ours; the root may use all but what tests it.
const FLOORS: [(&str, &[&str]); 8] = [
    ("inferometer-config", &[]),
    ("inferometer-pipeline", &["inferometer-config"]),
    // The last in tests alone: their GPUs.
    ("inferometer-receivers", &["inferometer-config", "inferometer-pipeline", "inferometer-fake-nvml"]),
    ("inferometer-exporters", &["inferometer-config", "inferometer-pipeline"]),
    (
        "inferometer",
        &[
            "inferometer-config",
            "inferometer-pipeline",
            "inferometer-receivers",
            "inferometer-exporters",
            "inferometer-demo",
        ],
    ),
    ("inferometer-integration", &["inferometer-demo", "inferometer-fake-nvml"]),
    ("inferometer-demo", &["inferometer-fake-nvml"]),
    ("inferometer-fake-nvml", &[]),
];

#[test]
fn imports_go_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(integration::root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("a workspace has packages");
    let names: BTreeSet<_> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    assert_eq!(names, FLOORS.iter().map(|(name, _)| *name).collect(), "a crate without a floor");
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let (_, allowed) = FLOORS.iter().find(|(crate_name, _)| *crate_name == name).expect("compared above");
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            assert!(
                !names.contains(used) || allowed.contains(&used),
                "`{name}` must not use `{used}`: it may use {allowed:?}"
            );
        }
    }
}
