//! The collector's own log: to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::cli::{Log, LogFormat};
use crate::service::{LogEncoding, LogLevel, LogsConfig};

/// Starts logging; flags and environment go before the file. The error says what is wrong with the filter.
pub(crate) fn start(log: &Log, config: &LogsConfig) -> Result<(), String> {
    let filter = filter(log, config)?;
    let format = log.log_format.unwrap_or(match config.encoding {
        LogEncoding::Console => LogFormat::Text,
        LogEncoding::Json => LogFormat::Json,
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| error.to_string())
}

fn filter(log: &Log, config: &LogsConfig) -> Result<EnvFilter, String> {
    let level = match config.level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let text = log.log_level.as_deref().unwrap_or(level);
    // A bare word that is no level would be taken for the name of a target, and silence everything else.
    if let Some(word) =
        text.split(',').map(str::trim).find(|word| !word.contains(['=', '[']) && !is_level(word))
    {
        return Err(format!("cannot read log level `{word}`: {EXPECTED}"));
    }
    // What the libraries say at these levels is about their insides.
    let quiet =
        format!("{text},h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tonic=warn,opentelemetry=warn");
    let text = if text.contains('=') { text.to_owned() } else { quiet };
    EnvFilter::try_new(&text).map_err(|error| format!("cannot read log level `{text}`: {error}; {EXPECTED}"))
}

const EXPECTED: &str =
    "expected error, warn, info, debug or trace, or filters such as `info,receivers=debug`";

fn is_level(word: &str) -> bool {
    ["off", "error", "warn", "info", "debug", "trace"].iter().any(|level| level.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, is_taken: bool) {
        let log = Log { log_level: Some(text.to_owned()), log_format: None };
        assert_eq!(filter(&log, &LogsConfig::default()).is_ok(), is_taken, "{text}");
    }

    #[test]
    fn a_level_that_is_none_is_told() {
        check("debug", true);
        check("WARN", true);
        check("info,receivers=debug", true);
        check("receivers::prometheus=trace, off", true);
        check("inof", false);
        check("info,receivers", false);
        check("receivers=loud", false);
        check("", false);
    }
}
