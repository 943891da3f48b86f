//! Where a schema's pages are: all at one address, or where its document has them.

use config::{Problem, Problems};
use pipeline::mapping::file::{Endpoint, Facade, Format, MappingFile};

/// What one exporter serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// `127.0.0.1:9464`, or `unix://model-runner.sock`.
    pub(super) endpoint: String,
    /// Before the paths of the schema's file.
    pub(super) prefix: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// One page in the text format, with these metrics, or all where none is named.
    Text { path: String, metrics: Vec<String>, empty: Option<String> },
    /// The pages in JSON, and what else is answered in JSON, that the schema has at this port, or all of them.
    Json { port: Option<u16> },
}

/// Where everything is without a facade.
const SHARED: &str = "127.0.0.1:9464";

/// The path of the page of a schema that names none.
const METRICS: &str = "/metrics";

type Environment = [(String, String)];

impl Page {
    /// What tells it from the other pages of its schema in an id.
    pub(super) fn suffix(&self) -> String {
        let place = self.endpoint.rsplit(':').next().unwrap_or_default();
        let path = match &self.kind {
            Kind::Text { path, .. } if path != METRICS => path.as_str(),
            _ => "",
        };
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let text: String = format!("{place}{path}").chars().map(word).collect();
        text.trim_matches('_').to_owned()
    }
}

/// The pages of a schema, each address and path once.
pub(super) fn pages(
    file: &MappingFile,
    is_facade: bool,
    environment: &Environment,
) -> Result<Vec<Page>, Problems> {
    let facade = file.facade.clone().unwrap_or_default();
    let has_text = !is_facade || !is_disabled(&facade, environment);
    let prefix = if is_facade { String::new() } else { format!("/{}", file.mapping) };
    let default = [Endpoint { path: METRICS.to_owned(), ..without_body() }];
    let endpoints = if file.endpoints.is_empty() { &default[..] } else { &file.endpoints };
    let mut pages: Vec<Page> = Vec::new();
    for endpoint in endpoints {
        let kind = match endpoint.format {
            Format::Prometheus if !has_text => continue,
            Format::Prometheus => Kind::Text {
                path: format!("{prefix}{}", endpoint.path),
                metrics: endpoint.metrics.clone(),
                empty: endpoint.empty.clone(),
            },
            Format::Json | Format::RuntimeConfig => {
                Kind::Json { port: endpoint.port.or(facade.port).filter(|_| is_facade) }
            }
        };
        let at =
            if is_facade { address(&file.mapping, &facade, endpoint, environment)? } else { SHARED.into() };
        add(&mut pages, Page { endpoint: at, prefix: prefix.clone(), kind });
    }
    Ok(pages)
}

/// Pages that meet at one address and path become one, with the metrics of both.
fn add(pages: &mut Vec<Page>, page: Page) {
    for other in pages.iter_mut().filter(|other| other.endpoint == page.endpoint) {
        match (&mut other.kind, &page.kind) {
            (Kind::Json { port }, Kind::Json { port: same }) if port == same => return,
            (Kind::Text { path, metrics, .. }, Kind::Text { path: same, metrics: more, .. })
                if path == same =>
            {
                if metrics.is_empty() || more.is_empty() {
                    metrics.clear();
                } else {
                    metrics.extend(more.iter().cloned());
                }
                return;
            }
            _ => {}
        }
    }
    pages.push(page);
}

/// Where the document has a page.
fn address(
    schema: &str,
    facade: &Facade,
    endpoint: &Endpoint,
    environment: &Environment,
) -> Result<String, Problems> {
    if let Some(port) = endpoint.port {
        return Ok(local(port));
    }
    if let Some((name, value)) = variable(facade.port_variable.as_ref(), environment) {
        let Ok(port) = value.parse() else {
            let message = format!("environment {name}: expected a port, a number from 0 to 65535");
            return Err(Problem::new(format!("--schema {schema}"), message).into());
        };
        return Ok(local(port));
    }
    let socket = variable(facade.socket_variable.as_ref(), environment).map(|(_, value)| value);
    if let Some(socket) = socket.or(facade.socket.as_deref()) {
        return Ok(format!("unix://{socket}"));
    }
    facade.port.map(local).ok_or_else(|| {
        let message = format!("the schema says no port for `{}`, so there is no facade of it", endpoint.path);
        Problem::new(format!("--schema {schema}"), message).into()
    })
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A variable that is set, and not to nothing.
fn variable<'a>(name: Option<&'a String>, environment: &'a Environment) -> Option<(&'a str, &'a str)> {
    let (name, value) = environment.iter().find(|(own, _)| Some(own) == name)?;
    (!value.is_empty()).then_some((name, value))
}

/// Whether the document's variable turns the text pages off: what Go takes for true; other words are ignored.
fn is_disabled(facade: &Facade, environment: &Environment) -> bool {
    const TRUE: [&str; 6] = ["1", "t", "T", "true", "TRUE", "True"];
    variable(facade.disable_variable.as_ref(), environment).is_some_and(|(_, value)| TRUE.contains(&value))
}

fn without_body() -> Endpoint {
    Endpoint {
        path: String::new(),
        format: Format::Prometheus,
        port: None,
        metrics: Vec::new(),
        status: 200,
        empty: None,
        body: None,
        when: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pages as `endpoint path-or-json [metrics]`.
    fn shown(head: &str, is_facade: bool, environment: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let text = format!("mapping: a\nkind: schema\nabout: A test.\n{head}");
        let file = config::Section::from_yaml("", &text).unwrap().read().unwrap();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let pages = pages(&file, is_facade, &environment).map_err(|problems| problems.to_string())?;
        let show = |page: &Page| match &page.kind {
            Kind::Text { path, metrics, .. } => format!("{} {path} {metrics:?}", page.endpoint),
            Kind::Json { port } => format!("{} json {}{port:?}", page.endpoint, page.prefix),
        };
        Ok(pages.iter().map(show).collect())
    }

    #[track_caller]
    fn check(head: &str, is_facade: bool, environment: &[(&str, &str)], expected: &[&str]) {
        assert_eq!(shown(head, is_facade, environment).unwrap(), expected);
    }

    const TWO: &str = "facade: {port: 3000}
endpoints:
  - {path: /metrics, port: 8000, metrics: [a_*]}
  - {path: /metrics, metrics: [b]}
  - {path: /api/a, format: json, body: {}}
  - {path: /api/b, format: json, body: {}}
";

    const RUNNER: &str =
        "facade: {port: 1, port_variable: PORT, socket: a.sock, socket_variable: SOCK, disable_variable: OFF}
endpoints:
  - {path: /metrics}
  - {path: /api, format: json, body: {}}
";

    #[test]
    fn a_schema_without_pages_has_one() {
        check("", false, &[], &["127.0.0.1:9464 /a/metrics []"]);
        assert!(shown("", true, &[]).unwrap_err().contains("the schema says no port for `/metrics`"));
    }

    #[test]
    fn without_a_facade_everything_is_under_the_schemas_name() {
        check(TWO, false, &[], &[r#"127.0.0.1:9464 /a/metrics ["a_*", "b"]"#, "127.0.0.1:9464 json /aNone"]);
        check(
            RUNNER,
            false,
            &[("OFF", "1"), ("PORT", "7")],
            &["127.0.0.1:9464 /a/metrics []", "127.0.0.1:9464 json /aNone"],
        );
    }

    #[test]
    fn with_a_facade_each_page_is_where_the_document_has_it() {
        let expected = [
            r#"127.0.0.1:8000 /metrics ["a_*"]"#,
            r#"127.0.0.1:3000 /metrics ["b"]"#,
            "127.0.0.1:3000 json Some(3000)",
        ];
        check(TWO, true, &[], &expected);
    }

    #[test]
    fn variables_choose_the_port_or_the_socket() {
        check(RUNNER, true, &[], &["unix://a.sock /metrics []", "unix://a.sock json Some(1)"]);
        check(RUNNER, true, &[("SOCK", "b")], &["unix://b /metrics []", "unix://b json Some(1)"]);
        check(
            RUNNER,
            true,
            &[("SOCK", "b"), ("PORT", "7")],
            &["127.0.0.1:7 /metrics []", "127.0.0.1:7 json Some(1)"],
        );
        check(RUNNER, true, &[("PORT", "")], &["unix://a.sock /metrics []", "unix://a.sock json Some(1)"]);
        assert!(
            shown(RUNNER, true, &[("PORT", "x")]).unwrap_err().contains("environment PORT: expected a port")
        );
    }

    #[test]
    fn the_variable_that_disables_is_read_as_go_does() {
        for value in ["1", "t", "T", "true", "TRUE", "True"] {
            check(RUNNER, true, &[("OFF", value)], &["unix://a.sock json Some(1)"]);
        }
        for value in ["0", "yes", "tRUE", ""] {
            check(
                RUNNER,
                true,
                &[("OFF", value)],
                &["unix://a.sock /metrics []", "unix://a.sock json Some(1)"],
            );
        }
    }
}
