//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use config::Sources;

/// An OpenTelemetry-native metrics collector for machines that serve models.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Collect until told to stop (what happens without a command).
    Run(Run),
    /// Check a configuration, or an exposition on standard input, and list everything that is wrong.
    Validate(Validate),
    /// Print the configuration that would run, defaults filled in and secrets hidden.
    PrintConfig(Source),
    /// Look for model runners once, as the receiver `runners` does, and print what is where.
    Discover(Discover),
    /// List receivers, processors, exporters and extensions, or show one with an example and all its keys.
    Components {
        /// The component to show, such as `otlp_http`.
        name: Option<String>,
    },
    /// Map recorded metrics through dialects and a schema, and print what comes of them.
    Map(Map),
    /// List the schemas, or show what one has and where it comes from.
    Schemas {
        /// The schema to show, such as `ainode`.
        name: Option<String>,
        #[command(flatten)]
        instance: Instance,
    },
    /// Say what feeds a metric of a running collector, or what is missing for it to exist.
    Explain {
        /// The name of the metric, such as `ainode_requests_total`.
        metric: String,
        #[command(flatten)]
        instance: Instance,
    },
    /// Be a runner of `--demo`, until standard input ends.
    #[command(hide = true)]
    DemoRunner { name: String },
}

/// A collector that runs.
#[derive(Debug, Clone, Args)]
pub(crate) struct Instance {
    /// Ask the collector whose own metrics are served here.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8888")]
    pub(crate) endpoint: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Map {
    /// Read these files, each as one target; `-`, or no file, is standard input.
    pub(crate) files: Vec<PathBuf>,
    /// Take each target for a runner that speaks one of these dialects: `auto` finds out which of all, `none` is none.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "auto")]
    pub(crate) dialect: Vec<String>,
    /// Make the metrics of this schema: its name, or the path of its file.
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) schema: Option<String>,
    /// Set a parameter of the schema.
    #[arg(long = "parameter", value_name = "KEY=VALUE", value_parser = parse_pair, requires = "schema")]
    pub(crate) parameters: Vec<(String, String)>,
    /// Set an attribute of every target's resource, such as `service.version=0.11`.
    #[arg(long = "resource", value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) resource: Vec<(String, String)>,
    /// Keep what was mapped beside what was made of it.
    #[arg(long)]
    pub(crate) originals: bool,
    /// Print like this.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Rendering,
    /// Read the files as this.
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) input: Recording,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rendering {
    /// Prometheus text 0.0.4, as the pull endpoint shows it.
    Text,
    /// OTLP in JSON.
    OtlpJson,
    /// The notation, a line a point.
    Notation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recording {
    /// By what stands in the file.
    Auto,
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    Openmetrics,
    /// OTLP in JSON.
    OtlpJson,
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// Read these files, YAML, or TOML or JSON by extension; later ones win. Without any, the built-in
    /// default runs: `inferometer print-config` shows it.
    #[arg(long, short, value_name = "FILE", num_args = 1.., action = clap::ArgAction::Append)]
    pub(crate) config: Vec<PathBuf>,
    /// Set one value, over files and environment: `--set service.telemetry.logs.level=debug`.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Serve this schema besides, under its name: `--schema ainode` at `127.0.0.1:9464/ainode/metrics`.
    #[arg(long = "schema", value_name = "NAME|PATH", action = clap::ArgAction::Append)]
    pub(crate) schemas: Vec<String>,
    /// Serve the schemas at the ports and paths that their documents have.
    #[arg(long, requires = "schemas")]
    pub(crate) facade: bool,
    /// What is under the files instead of the built-in default: a demonstration's.
    #[arg(skip)]
    pub(crate) demo: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Show a machine that is played: four GPUs, and three model runners under load. Files change what of it they name.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Deliver what is queued for at most this long after being told to stop.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub(crate) shutdown_timeout: Duration,
    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Log {
    /// Log from this level on: error, warn, info, debug, trace, or filters such as `info,receivers=debug`.
    /// Without it, `service.telemetry.logs.level` holds.
    #[arg(long, value_name = "LEVEL", env = "INFEROMETER_LOG_LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Write the log like this. Without it, `service.telemetry.logs.encoding` holds.
    #[arg(long, value_name = "FORMAT", env = "INFEROMETER_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Discover {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Check an exposition on standard input instead, strictly.
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["config", "overrides", "schemas"])]
    pub(crate) exposition: Option<Exposition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exposition {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    Openmetrics,
}

impl Source {
    /// The layers to load: the built-in default only where no file is named, a demonstration's always.
    pub(crate) fn layers(&self) -> Sources {
        let built_in = || self.config.is_empty().then(|| include_str!("default.yaml").to_owned());
        let defaults = self.demo.clone().or_else(built_in);
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources {
            defaults,
            files: self.config.clone(),
            environment,
            overrides: self.overrides.clone(),
            ..Sources::default()
        }
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    config::Duration::parse(text)
        .map(|duration| duration.0)
        .ok_or_else(|| format!("expected a duration such as `10s` or `1m30s`, got `{text}`"))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("expected `KEY=VALUE`, got `{text}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn run_is_what_happens_without_a_command() {
        let bare = Arguments::try_parse_from(["inferometer", "--config", "a.yaml", "b.yaml"]).unwrap();
        assert_eq!(bare.run.source.config.len(), 2);
        let named = Arguments::try_parse_from(["inferometer", "run", "--config", "a.yaml"]).unwrap();
        assert!(matches!(named.command, Some(Command::Run(run)) if run.source.config.len() == 1));
    }

    #[test]
    fn a_flag_that_needs_another_says_so() {
        for arguments in
            [["inferometer", "--facade"].as_slice(), &["inferometer", "map", "--parameter", "a=b"]]
        {
            let error = Arguments::try_parse_from(arguments).unwrap_err();
            assert!(error.to_string().contains("--schema"), "{error}");
        }
        let error = Arguments::try_parse_from(["inferometer", "map", "--resource", "x"]).unwrap_err();
        assert!(error.to_string().contains("expected `KEY=VALUE`, got `x`"), "{error}");
    }

    #[test]
    fn a_wrong_duration_says_what_would_do() {
        let error = Arguments::try_parse_from(["inferometer", "--shutdown-timeout", "5"]).unwrap_err();
        assert!(error.to_string().contains("expected a duration such as `10s`"), "{error}");
    }
}
