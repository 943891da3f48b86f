//! What can be set, and the pages that follow from it.

use std::path::{Path, PathBuf};

use config::{Duration, Problem, Problems, Section};
use pipeline::mapping::builtin;
use pipeline::net::server::check_endpoint;
use pipeline::net::{Net, auth, server_tls};
use serde::{Deserialize, Serialize};

use super::pages::{Format, Pages, Source, Written};
use super::tree::Tree;

/// The section of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "a key of the file ends with `config`")]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) endpoint: String,
    /// Put in front of every path.
    pub(crate) prefix: String,
    pub(crate) tls: Option<server_tls::Config>,
    pub(crate) auth: Option<auth::Config>,
    /// A built-in schema, of which the pages are served.
    pub(crate) schema: Option<String>,
    /// The same from a file.
    pub(crate) file: Option<String>,
    /// Of the schema, only the pages that belong to this port; without it all.
    pub(crate) port: Option<u16>,
    /// Pages besides.
    pub(crate) pages: Vec<PageConfig>,
    /// GPUStack's API for its mapping, where the schema has it.
    pub(crate) runtime_config: RuntimeConfig,
    /// A series not heard of for so long is forgotten; 0 is never.
    pub(crate) metric_expiration: Duration,
    /// How many series are held; further ones are left out.
    pub(crate) max_series: usize,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuntimeConfig {
    /// Where a posted mapping is kept; without it none can be posted.
    pub(crate) file: Option<PathBuf>,
    /// Who may use it, instead of those who may ask for the other pages.
    pub(crate) auth: Option<auth::Config>,
}

/// A page as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PageConfig {
    pub(crate) path: String,
    pub(crate) body: Tree,
    /// Other answers; the first that holds is given.
    pub(crate) when: Vec<Tree>,
    pub(crate) status: u16,
}

/// What of a schema's file is for this exporter; the rest is checked where the schema is used.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Schema {
    endpoints: Vec<Endpoint>,
    facade: Option<Facade>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Facade {
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
struct Endpoint {
    path: String,
    format: Format,
    port: Option<u16>,
    body: Tree,
    when: Vec<Tree>,
    status: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:9464".to_owned(),
            prefix: String::new(),
            tls: None,
            auth: None,
            schema: None,
            file: None,
            port: None,
            pages: Vec::new(),
            runtime_config: RuntimeConfig::default(),
            metric_expiration: Duration::from_secs(300),
            max_series: 100_000,
        }
    }
}

impl Default for PageConfig {
    fn default() -> Self {
        Self { path: String::new(), body: Tree::Null, when: Vec::new(), status: 200 }
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        let PageConfig { path, body, when, status } = PageConfig::default();
        Self { path, format: Format::Prometheus, port: None, body, when, status }
    }
}

impl Config {
    /// Reads the section, and says everything that is wrong with it and with the pages.
    pub(crate) fn read(section: &Section, net: &Net) -> Result<(Self, Pages), Problems> {
        section.build(|config: Self| {
            let mut problems = config.problems(section, net);
            match config.pages(section) {
                Ok(pages) if problems.is_empty() => Ok((config, pages)),
                Ok(_) => Err(Problems(problems)),
                Err(Problems(more)) => {
                    problems.extend(more);
                    Err(Problems(problems))
                }
            }
        })
    }

    fn problems(&self, section: &Section, net: &Net) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(reason) = check_endpoint(&self.endpoint) {
            problems.push(section.problem("endpoint", reason));
        }
        if !self.prefix.is_empty() && (!self.prefix.starts_with('/') || self.prefix.ends_with('/')) {
            let message = format!("expected the beginning of paths such as `/node`, got `{}`", self.prefix);
            problems.push(section.problem("prefix", message));
        }
        for (key, message) in self.tls.iter().flat_map(server_tls::Config::check) {
            problems.push(section.problem(&format!("tls.{key}"), message));
        }
        if let Err(message) = auth::Config::find(self.auth.as_ref(), net) {
            problems.push(section.problem("auth.authenticator", message));
        }
        if let Err(message) = auth::Config::find(self.runtime_config.auth.as_ref(), net) {
            problems.push(section.problem("runtime_config.auth.authenticator", message));
        }
        if self.max_series == 0 {
            problems.push(section.problem("max_series", "expected at least 1"));
        }
        problems
    }

    fn pages(&self, section: &Section) -> Result<Pages, Problems> {
        let of_schema = self.schema_section(section)?;
        let mut written = Vec::new();
        if let Some(schema) = &of_schema {
            written.extend(self.of_schema(schema)?);
        }
        let own = self.pages.iter().enumerate();
        written.extend(own.map(|(at, page)| Written {
            source: Source { section, key: format!("pages[{at}]") },
            format: Format::Json,
            page: page.clone(),
        }));
        if written.is_empty() {
            let message = match self.port {
                Some(port) => format!("no page belongs to port {port}"),
                None => String::from("there is no page; set `schema`, `file` or `pages`"),
            };
            return Err(section.problem("", message).into());
        }
        Pages::compile(&written)
    }

    /// Who may use GPUStack's API for its mapping.
    pub(crate) fn api_auth(&self) -> Option<&auth::Config> {
        self.runtime_config.auth.as_ref().or(self.auth.as_ref())
    }

    fn schema_section(&self, section: &Section) -> Result<Option<Section>, Problems> {
        match (&self.schema, &self.file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => {
                Err(section.problem("file", "either `schema` or `file` gives the pages").into())
            }
            (Some(schema), None) => {
                let Some(text) = builtin::schema(schema) else {
                    let names: Vec<_> = builtin::all_schemas().collect();
                    let instead = config::instead(schema, &names).unwrap_or_default();
                    let message = format!("no schema is called `{schema}`; {instead}");
                    return Err(section.problem("schema", message).into());
                };
                Section::from_text(&format!("{schema}.yaml"), text).map(Some)
            }
            (None, Some(file)) => Section::open(Path::new(file))
                .map_err(|error| section.problem("file", format!("cannot read `{file}`: {error}")))?
                .map(Some),
        }
    }

    /// The pages of a schema that are this exporter's.
    fn of_schema<'a>(&self, section: &'a Section) -> Result<Vec<Written<'a>>, Problems> {
        let schema: Schema = section.read()?;
        let facade = schema.facade.and_then(|facade| facade.port);
        let endpoints = schema.endpoints.into_iter().enumerate();
        let wanted = endpoints.filter(|(_, endpoint)| {
            let is_ours = endpoint.format != Format::Prometheus;
            is_ours && (self.port.is_none() || self.port == endpoint.port.or(facade))
        });
        let written = wanted.map(|(at, Endpoint { path, format, body, when, status, .. })| Written {
            source: Source { section, key: format!("endpoints[{at}]") },
            format,
            page: PageConfig { path, body, when, status },
        });
        Ok(written.collect())
    }
}
