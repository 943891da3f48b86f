//! The body of a fuzz target: any text may be a configuration, and none may do more than be refused.

use figment::value::Value;

use crate::{ByteSize, Document, Duration, Section, Sources, render_yaml, toml};

/// Reads text as each kind of layer: a file up to the first NUL, then flags and variables between NULs.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<_> = parts.map(str::to_owned).collect();
    let _ = (ByteSize::parse(first), Duration::parse(first), toml::parse("fuzz.toml", first));
    check_rendering(first);
    let sources = Sources {
        defaults: Some(first.to_owned()),
        generated: None,
        files: Vec::new(),
        environment: rest.iter().filter_map(|pair| pair.split_once('=')).map(owned).collect(),
        overrides: rest.clone(),
    };
    match Document::load(&sources) {
        Ok(document) => {
            for key in document.keys() {
                let _ = (document.source_of(&key), document.entries(&key).map_err(|error| error.to_string()));
            }
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// What was read and is printed reads back as the same.
fn check_rendering(text: &str) {
    let Ok(section) = Section::from_yaml("fuzz", text) else { return };
    let Ok(value) = section.read::<Value>() else { return };
    let printed = render_yaml(&value);
    let again = Section::from_yaml("fuzz", &printed).expect("what is printed can be read");
    let again = again.read::<Value>().expect("what is printed can be read");
    assert_eq!(render_yaml(&again), printed);
}
