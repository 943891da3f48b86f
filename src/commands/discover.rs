//! `inferometer discover`: looks for model runners once, and prints what is where.

use std::fmt::Write as _;
use std::process::ExitCode;

use receivers::runners::{self, Config, Discovered};

use super::{EXIT_USAGE, Refused, load, print};
use crate::cli::{Discover, Source};

pub(crate) fn discover(arguments: &Discover) -> ExitCode {
    let configs = match configs(&arguments.source) {
        Ok(configs) => configs,
        Err(refused) => {
            eprintln!("{refused}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let discovered = runtime.block_on(async {
        let mut discovered = Vec::new();
        for config in &configs {
            discovered.extend(runners::discover(config).await);
        }
        discovered
    });
    if arguments.json {
        print(&format!("{}\n", runners::to_json(&discovered)))
    } else {
        print(&list(&discovered))
    }
}

/// The receivers that are configured; the default settings where there are none.
fn configs(source: &Source) -> Result<Vec<Config>, Refused> {
    let plan = load(source)?;
    let parts = plan.receivers.iter().filter(|part| part.entry.name == runners::ENTRY.name);
    let mut configs = Vec::new();
    for part in parts {
        configs.push(part.section.read()?);
    }
    if configs.is_empty() {
        configs.push(Config::default());
    }
    Ok(configs)
}

fn list(discovered: &[Discovered]) -> String {
    if discovered.is_empty() {
        return "nothing listens where runners do\n".to_owned();
    }
    let width = discovered.iter().map(|found| found.address.len()).max().unwrap_or_default();
    let mut text = String::new();
    for found in discovered {
        let _ = writeln!(text, "{:<width$}  {}", found.address, describe(found));
    }
    text
}

fn describe(found: &Discovered) -> String {
    if found.runner.is_empty() {
        return format!("no runner: {}", found.reason);
    }
    let mut text = found.runner.clone();
    if !found.version.is_empty() {
        let _ = write!(text, " {}", found.version);
    }
    if let [_, others @ ..] = &found.dialects[..]
        && !others.is_empty()
    {
        let _ = write!(text, " (and {})", others.join(", "));
    }
    if !found.models.is_empty() {
        let _ = write!(text, ", serves {}", found.models.join(", "));
    }
    if found.reason.is_empty() {
        let _ = write!(text, ", metrics at {}", found.paths.join(", "));
    } else {
        let _ = write!(text, ", cannot be scraped: {}", found.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_a_line() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let worker = Discovered {
            address: "127.0.0.1:8081".to_owned(),
            runner: "dynamo".to_owned(),
            version: "1.6".to_owned(),
            models: words(&["m"]),
            dialects: words(&["dynamo", "vllm"]),
            paths: words(&["/metrics"]),
            reason: String::new(),
        };
        let ollama = Discovered {
            address: "unix:///run/ollama.sock".to_owned(),
            runner: "ollama".to_owned(),
            dialects: words(&["ollama"]),
            reason: "Ollama has no metrics".to_owned(),
            ..Discovered::default()
        };
        let other = Discovered { address: "a:1".to_owned(), reason: "x".to_owned(), ..Discovered::default() };
        assert_eq!(
            list(&[worker, ollama, other]),
            "127.0.0.1:8081           dynamo 1.6 (and vllm), serves m, metrics at /metrics\n\
             unix:///run/ollama.sock  ollama, cannot be scraped: Ollama has no metrics\n\
             a:1                      no runner: x\n"
        );
        assert_eq!(list(&[]), "nothing listens where runners do\n");
    }
}
