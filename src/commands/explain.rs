//! `inferometer explain`: what feeds a metric of a running collector.

use std::fmt::Write as _;
use std::process::ExitCode;

use pipeline::errors::chain;

use super::instance::ask;
use super::print;
use crate::admin::{self, Explanation, Explanations};
use crate::cli::Instance;

pub(crate) fn explain(metric: &str, instance: &Instance) -> ExitCode {
    let name = percent_encoding::utf8_percent_encode(metric, percent_encoding::NON_ALPHANUMERIC);
    let answer: Explanations = match ask(instance, &format!("{}?metric={name}", admin::EXPLAIN)) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("cannot ask the collector at {}: {}", instance.endpoint, chain(&*error));
            return ExitCode::FAILURE;
        }
    };
    if answer.explanations.is_empty() {
        let instead = answer.instead.map(|instead| format!("; {instead}")).unwrap_or_default();
        eprintln!("no mapping that runs makes a metric `{metric}`{instead}");
        return ExitCode::FAILURE;
    }
    let texts: Vec<_> = answer.explanations.iter().map(describe).collect();
    print(&texts.join("\n"))
}

fn describe(explanation: &Explanation) -> String {
    let metric = &explanation.metric;
    let mut text = format!(
        "{} ({}, processor {}): {}\n",
        metric.name,
        metric.place,
        explanation.processor,
        series(metric.series)
    );
    for source in &metric.sources {
        let used = if source.is_used { "it comes from" } else { "it could come from" };
        let _ = writeln!(text, "  {used} {}: {}", source.input, series(source.live));
    }
    list(&mut text, "is fed by", &explanation.inputs);
    list(&mut text, "gives", &explanation.outputs);
    list(&mut text, "is missing", &explanation.missing);
    text
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "  {title}:");
    }
    for line in lines {
        let _ = writeln!(text, "    {line}");
    }
}

/// `no series`, `1 series`, `3 series`.
pub(super) fn series(count: usize) -> String {
    if count == 0 { String::from("no series") } else { format!("{count} series") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Metric, Source};

    #[test]
    fn an_explanation_tells_what_is_used_what_is_fed_and_what_is_missing() {
        let source = |input: &str, live, is_used| Source { input: input.to_owned(), live, is_used };
        let explanation = Explanation {
            processor: String::from("schema/a"),
            metric: Metric {
                mapping: String::from("a"),
                name: String::from("a_total"),
                place: String::from("a.yaml:3"),
                series: 1,
                sources: vec![source("x", 2, true), source("y (count)", 0, false)],
            },
            inputs: vec![String::from("x{b=\"1\"}")],
            outputs: Vec::new(),
            missing: vec![String::from("nothing says z")],
        };
        let expected = "a_total (a.yaml:3, processor schema/a): 1 series\n  it comes from x: 2 series\n  it could come from y (count): no series\n  is fed by:\n    x{b=\"1\"}\n  is missing:\n    nothing says z\n";
        assert_eq!(describe(&explanation), expected);
    }
}
