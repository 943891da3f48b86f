//! Which runners' vocabularies a page holds: a vote by the names on it.

use super::runner::{Runner, Runners};

/// What the names on a page say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) runners: Runners,
    /// Samples and descriptions that could be read.
    pub(crate) lines: usize,
}

/// Reads the names on a page, or `None` where it is no exposition. The end may be cut off.
pub(crate) fn read(body: &[u8]) -> Option<Page> {
    let text = String::from_utf8_lossy(body);
    let mut page = Page { runners: Runners::default(), lines: 0 };
    let (mut has_scopes, mut has_calls) = (false, false);
    let (mut has_request_max, mut has_gpu_cache) = (false, false);
    let mut others = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some(name) = name_of(line) else {
            others += 1;
            continue;
        };
        page.lines += 1;
        if let Some(runner) = Runner::of_metric(name) {
            page.runners.insert(runner);
        }
        has_scopes |= line.contains("otel_scope_name=");
        has_calls |= name == "api_call" || name.starts_with("api_call_");
        has_request_max |= name == "num_request_max";
        has_gpu_cache |= name == "gpu_cache_usage_perc";
    }
    if has_scopes && has_calls {
        page.runners.insert(Runner::LocalAi);
    }
    if has_request_max && has_gpu_cache && page.runners.is_empty() {
        page.runners.insert(Runner::Nim);
    }
    (page.lines > others).then_some(page)
}

/// The metric that a line is about: a sample's, or that of a `# HELP` or `# TYPE`.
fn name_of(line: &str) -> Option<&str> {
    let is_description = ["# TYPE ", "# HELP ", "# UNIT "].iter().find_map(|word| line.strip_prefix(word));
    let rest = is_description.unwrap_or(line);
    let end = rest.find(['{', ' ', '\t']).unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':'));
    if !is_name {
        return None;
    }
    if is_description.is_some() {
        return Some(name);
    }
    let value = behind.rsplit(['}', ' ', '\t']).find(|word| !word.is_empty())?;
    value.parse::<f64>().is_ok().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Option<&[Runner]>) {
        let runners = read(body.as_bytes()).map(|page| page.runners.iter().collect::<Vec<_>>());
        assert_eq!(runners.as_deref(), expected, "{body}");
    }

    #[test]
    fn names_vote() {
        check("vllm:num_requests_running{model_name=\"a b\"} 1\n", Some(&[Runner::Vllm]));
        check("# TYPE llamacpp:requests_processing gauge\n", Some(&[Runner::LlamaCpp]));
        check(
            "dynamo_component_inflight_requests 0\nvllm:x 1 1700000000\n",
            Some(&[Runner::Dynamo, Runner::Vllm]),
        );
        check("npu_cache_usage_perc 3\nnum_requests_running 1\n", Some(&[Runner::Mindie]));
        check("gpu_cache_usage_perc 0.1\nnum_request_max 9\n", Some(&[Runner::Nim]));
        check("gpu_cache_usage_perc 0.1\n", Some(&[]));
        check("api_call_count{otel_scope_name=\"github.com/mudler/LocalAI\"} 1\n", Some(&[Runner::LocalAi]));
        check("api_call_count 1\nte_x 1\nterm_x 1\n", Some(&[]));
        check("node_load1 Nan\nup +Inf\n", Some(&[]));
    }

    #[test]
    fn what_is_no_exposition_has_no_vote() {
        check("", None);
        check("<html>\n<body>vllm:x 1</body>\n", None);
        check("{\"vllm:x\": 1}", None);
        check("[{\"iterLatencyMS\": 1.5}]", None);
        check("Ollama is running", None);
        check("OK", None);
        check("\u{0}\u{1}binary \u{ffff}", None);
    }

    #[test]
    fn a_page_may_be_cut_off() {
        check("vllm:a 1\nvllm:c 1\nvllm:b{mod", Some(&[Runner::Vllm]));
    }
}
