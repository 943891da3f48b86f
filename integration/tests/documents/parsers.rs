//! Every page is read by the parser of the stock Prometheus client and by promtool.

use integration::{get, promtool};
use serde_json::Value;

use crate::world::{World, python};

pub(crate) async fn check(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let pages = world.pages();
    let urls = pages.iter().map(|page| format!("http://{page}/metrics"));
    let output = python("read.py").args(urls).output().await.unwrap();
    let read = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        faults.push(format!("the stock client: {}", String::from_utf8_lossy(&output.stderr)));
    }
    for line in read.lines() {
        let page: Value = serde_json::from_str(line).unwrap();
        if page["samples"].as_u64().unwrap_or_default() < 10 {
            faults.push(format!("hardly anything on {}: {line}", page["url"]));
        }
    }
    if read.lines().count() != pages.len() {
        faults.push(format!("the stock client read {} of {} pages", read.lines().count(), pages.len()));
    }
    for page in pages {
        let answer = get(&page, "/metrics").await;
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        if !kind.starts_with("text/plain; version=0.0.4") {
            faults.push(format!("{page} is {kind}"));
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &answer.body).unwrap();
        let (code, verdict) = promtool(&["check", "metrics"], Some(file.path())).await;
        // It exits with 3 where it would have chosen other names than the documents have.
        if !matches!(code, Some(0 | 3)) {
            faults.push(format!("promtool refuses {page}: {verdict}"));
        }
    }
    faults
}
