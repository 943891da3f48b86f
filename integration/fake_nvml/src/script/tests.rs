use super::*;

#[track_caller]
fn refused(text: &str, reason: &str) {
    let error = Script::parse(text).unwrap_err();
    assert!(error.contains(reason), "{text}: {error}");
}

#[test]
fn a_number_of_gpus_is_as_many_of_the_base() {
    let script = Script::parse("base: {power: {usage: 5}}\ngpus: 3\n").unwrap();
    let uuids: Vec<_> = script.gpus.iter().filter_map(|gpu| gpu.uuid.as_deref()).collect();
    assert_eq!(uuids.len(), 3);
    assert!(uuids[2].starts_with("GPU-00000002-"), "{uuids:?}");
    assert_eq!(script.gpus[1].power.usage.at(Duration::ZERO), Some(5.0));
    assert_eq!(script.gpus[1].pci.as_deref(), Some("00000000:0B:00.0"));
}

#[test]
fn what_is_written_of_one_gpu_lies_over_the_base() {
    let text =
        "base: {power: {usage: {grow: 5}, energy: 7}, modes: {ecc: }}\n".replace(", modes: {ecc: }", "");
    let text =
        format!("{text}gpus: [{{power: {{usage: 3}}}}, {{power: {{usage: {{wave: [1, 3], every: 2s}}}}}}]");
    let script = Script::parse(&text).unwrap();
    assert_eq!(script.gpus[0].power.usage.at(Duration::from_secs(9)), Some(3.0));
    assert_eq!(script.gpus[0].power.energy.at(Duration::ZERO), Some(7.0));
    assert_eq!(script.gpus[1].power.usage.at(Duration::from_secs(1)), Some(3.0));
}

#[test]
fn an_empty_script_is_a_machine_without_gpus() {
    let script = Script::parse("").unwrap();
    assert!(script.gpus.is_empty() && script.init == 0 && script.generation == 1);
}

#[test]
fn the_process_itself_can_be_on_a_gpu() {
    let script = Script::parse("gpus: [{processes: {compute: [{pid: self}, {pid: 7}]}}]").unwrap();
    let pids: Vec<_> =
        script.gpus[0].processes.iter().flat_map(|all| &all.compute).map(|one| one.pid.0).collect();
    assert_eq!(pids, [std::process::id(), 7]);
}

#[test]
fn a_wrong_key_is_named_with_its_place() {
    refused("gpu: 2", "unknown field `gpu`");
    refused("gpus: [{}, {powr: {}}]", "gpus[1]: unknown field `powr`");
    refused("gpus: [{power: {usage: high}}]", "gpus[0]: invalid type: string \"high\"");
    refused("gpus: 1000", "up to 255");
    refused("gpus: many", "expected a list or a number");
    refused("faults: [{call: a, delay: 5}]", "invalid type");
    refused("faults: [{call: a, delay: 5 years}]", "expected a time such as `30s`");
    refused("gpus: [{processes: {compute: [{pid: me}]}}]", "or `self`");
    refused("gpus: [", "");
}

#[test]
fn what_the_readme_shows_is_a_script() {
    let readme = include_str!("../../README.md");
    let blocks: Vec<_> =
        readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [script, gpu] = blocks[..] else { panic!("{} examples", blocks.len()) };
    Script::parse(&script.replace("base: {...}", "base: {}")).unwrap();
    let indented: String = gpu.lines().map(|line| format!("  {line}\n")).collect();
    let script = Script::parse(&format!("base:\n{indented}gpus: 1\n")).unwrap();
    assert_eq!(script.gpus[0].instances().len(), 1);
}
