//! Says where in the file the key stands that an error of the start is about.

use std::error::Error;

use config::{Problems, Section};
use pipeline::errors::chain;

/// What a configuration's paths begin with.
const SECTIONS: [&str; 5] = ["extensions.", "receivers.", "processors.", "exporters.", "service."];

/// The error and its causes on one line, behind the place of the key that it names: in backticks, or as its beginning.
///
/// What was found while the configuration was read knows its place already.
pub(crate) fn located(root: &Section, error: &(dyn Error + 'static)) -> String {
    let text = chain(error);
    if error.is::<Problems>() {
        return text;
    }
    let begins = text.split(": ").take(1);
    let mut named = text.split('`').skip(1).step_by(2).chain(begins);
    let path = named.find(|word| SECTIONS.iter().any(|section| word.starts_with(section)));
    match path.and_then(|path| root.problem(path, "").location) {
        Some(location) => format!("{location}: {text}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
receivers:
  otlp/a.b:
    protocols:
      http:
        endpoint: 127.0.0.1:1
exporters:
  otlp_http:
    endpoint: http://a
";

    #[track_caller]
    fn check(error: &str, expected: &str) {
        let root = Section::from_text("a.yaml", FILE).unwrap();
        let error: Box<dyn Error + Send + Sync> = error.into();
        assert_eq!(located(&root, &*error), format!("{expected}{error}"));
    }

    #[test]
    fn the_place_of_the_key_stands_before_the_error() {
        check("`x` is taken; change `receivers.otlp/a.b.protocols.http.endpoint`", "a.yaml:5:19: ");
        check("exporters.otlp_http: `tls` is not there", "a.yaml:7:3: ");
        check("exporters.otlp_http: see `receivers.otlp/a.b.protocols.grpc.endpoint`", "a.yaml:3:5: ");
    }

    #[test]
    fn what_names_no_key_stays_as_it_is() {
        check("cannot start the runtime", "");
        check("see `receivers`", "");
    }

    #[test]
    fn what_has_its_place_is_not_given_another() {
        let root = Section::from_text("a.yaml", FILE).unwrap();
        let problems = Problems(vec![root.problem("exporters.otlp_http.endpoint", "see `receivers.x`")]);
        let expected = problems.to_string();
        assert_eq!(located(&root, &problems), expected);
    }
}
