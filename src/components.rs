//! The lists of components, joined; the only place that knows them all.

use exporters::EXPORTERS;
use pipeline::component::Entry;
use pipeline::extensions::EXTENSIONS;
use pipeline::processors::PROCESSORS;
use receivers::RECEIVERS;

/// A line of any list, without what it builds.
pub(crate) struct Listed {
    /// The section of the file it belongs to: `receivers`.
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    #[cfg(test)]
    ignored: Vec<String>,
    pub(crate) about: &'static str,
    pub(crate) example: &'static str,
    pub(crate) effective: fn(&config::Section) -> Result<config::Value, config::Problems>,
}

/// Everything there is.
pub(crate) fn all() -> Vec<Listed> {
    let mut listed = Vec::new();
    listed.extend(RECEIVERS.iter().map(|entry| list("receivers", entry)));
    listed.extend(PROCESSORS.iter().map(|entry| list("processors", entry)));
    listed.extend(EXPORTERS.iter().map(|entry| list("exporters", entry)));
    listed.extend(EXTENSIONS.iter().map(|entry| list("extensions", entry)));
    listed
}

fn list<T>(section: &'static str, entry: &Entry<T>) -> Listed {
    Listed {
        section,
        name: entry.name,
        aliases: entry.aliases,
        #[cfg(test)]
        ignored: entry.ignored_paths().collect(),
        about: entry.about,
        example: entry.example,
        effective: entry.effective,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use config::Section;

    #[test]
    fn every_example_is_read_and_its_defaults_are_filled_in() {
        for component in all() {
            let path = format!("{}.{}", component.section, component.name);
            let section = Section::from_yaml(&path, component.example).unwrap();
            (component.effective)(&section).unwrap_or_else(|problems| panic!("{path}: {problems}"));
        }
    }

    #[test]
    fn names_are_lower_snake_and_unique_within_a_section() {
        let mut seen = HashSet::new();
        for component in all() {
            for name in std::iter::once(&component.name).chain(component.aliases) {
                assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
                assert!(seen.insert((component.section, *name)), "{name} is there twice");
            }
            assert!(!component.about.is_empty() && component.about.ends_with('.'), "{}", component.name);
        }
    }

    #[test]
    fn keys_without_effect_are_keys_of_nothing() {
        for component in all() {
            for key in &component.ignored {
                let path = format!("{}.{}", component.section, component.name);
                let yaml = key.rsplit('.').fold(String::from("1"), |yaml, key| format!("{{{key}: {yaml}}}"));
                let section = Section::from_yaml(&path, &yaml).unwrap();
                let problems = (component.effective)(&section).unwrap_err().to_string();
                assert!(problems.contains(&format!("{path}.{key}: unknown key")), "{problems}");
            }
        }
    }

    /// The examples in YAML of a page.
    fn examples(page: &str) -> impl Iterator<Item = &str> {
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
    }

    /// A whole file around an example that names a component or two, without pipelines.
    fn problems(example: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("example.yaml");
        std::fs::write(&path, example).unwrap();
        let variables = example.split("${env:").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
        let environment = variables.map(|name| (name.to_owned(), String::from("set"))).collect();
        let sources = config::Sources { files: vec![path], environment, ..config::Sources::default() };
        let document =
            config::Document::load(&sources).unwrap_or_else(|problems| panic!("{problems}\n{example}"));
        let (plan, _) = crate::plan::Plan::of_everything(&document);
        let context = crate::commands::checking_context();
        let context = crate::collector::with_extensions(&context, &plan)
            .unwrap_or_else(|problems| panic!("{problems}\n{example}"));
        plan.check(&context).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_examples_of_the_other_pages_work() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in ["README.md", "docs/delivery.md", "docs/telemetry.md", "docs/schemas/README.md"] {
            let page = std::fs::read_to_string(root.join(path)).unwrap();
            assert!(examples(&page).next().is_some(), "{path}");
            for example in examples(&page) {
                assert_eq!(problems(example), Vec::<String>::new(), "{path}: {example}");
            }
        }
    }

    #[test]
    fn every_component_has_a_page_whose_examples_work_and_that_names_every_key() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        for component in all() {
            let path = docs.join(component.section).join(format!("{}.md", component.name));
            let page =
                std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(examples(&page).next().is_some(), "{} has no example", path.display());
            for example in examples(&page) {
                assert_eq!(problems(example), Vec::<String>::new(), "{}: {example}", path.display());
            }
            let section = Section::from_yaml("", component.example).unwrap();
            let effective = (component.effective)(&section).unwrap();
            let ignored = component.ignored.iter().filter_map(|path| path.rsplit('.').next());
            for key in effective.as_dict().unwrap().keys().map(String::as_str).chain(ignored) {
                let is_there = page.contains(&format!("`{key}`")) || page.contains(&format!("`{key}."));
                assert!(is_there, "{} does not name `{key}`", path.display());
            }
        }
    }
}
