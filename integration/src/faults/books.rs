//! What a collector says of itself, in points.

use std::collections::BTreeMap;

/// The sums over one life of a collector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Books {
    /// What receivers took.
    pub(super) accepted: u64,
    /// What the exporter's other side took.
    pub(super) sent: u64,
    /// What the exporter gave up, by reason.
    pub(super) failed: BTreeMap<String, u64>,
    /// In units of the queue's sizer, with what is under way.
    pub(super) queued: u64,
}

impl Books {
    /// Reads the page of the collector's own metrics; `None` where it is none.
    pub(super) fn read(page: &str, exporter: &str) -> Option<Self> {
        let mut books = Self::default();
        let mine = format!("exporter=\"{exporter}\"");
        let mut is_page = false;
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let value = value.parse::<f64>().unwrap_or_default() as u64;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            is_page |= name == "otelcol_process_uptime";
            match name {
                "otelcol_receiver_accepted_metric_points" => books.accepted += value,
                "inferometer_pipeline_dropped_metric_points" => {
                    *books.failed.entry(label(labels, "reason")).or_default() += value;
                }
                _ if !labels.contains(&mine) => {}
                "otelcol_exporter_sent_metric_points" => books.sent += value,
                "otelcol_exporter_send_failed_metric_points" => {
                    *books.failed.entry(label(labels, "error_type")).or_default() += value;
                }
                "otelcol_exporter_queue_size" => books.queued += value,
                _ => {}
            }
        }
        is_page.then_some(books)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Adds the books of another life.
    pub(super) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.sent += other.sent;
        self.queued = other.queued;
        for (reason, points) in &other.failed {
            *self.failed.entry(reason.clone()).or_default() += points;
        }
    }
}

fn label(labels: &str, name: &str) -> String {
    let rest = labels.split(&format!("{name}=\"")).nth(1).unwrap_or("unnamed");
    rest.split('"').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_from_a_page() {
        let page = "# TYPE x counter
otelcol_process_uptime 3.0
otelcol_receiver_accepted_metric_points{receiver=\"otlp\",transport=\"grpc\"} 10
otelcol_receiver_accepted_metric_points{receiver=\"otlp\",transport=\"http\"} 5
otelcol_exporter_sent_metric_points{exporter=\"a\"} 7
otelcol_exporter_sent_metric_points{exporter=\"b\"} 9
otelcol_exporter_send_failed_metric_points{error_type=\"permanent\",exporter=\"a\"} 2
otelcol_exporter_queue_size{data_type=\"metrics\",exporter=\"a\"} 6
";
        let books = Books::read(page, "a").unwrap();
        assert_eq!((books.accepted, books.sent, books.dropped(), books.queued), (15, 7, 2, 6));
        assert_eq!(Books::read("", "a"), None);
    }
}
