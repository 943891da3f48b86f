//! What a scrape says of itself: `up` and the `scrape_*` series.

use pipeline::{Batch, Point, Series, Value};

use super::family::Family;
use super::identity::Resolver;
use super::points::Counts;

/// What one scrape has to report.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) is_up: bool,
    pub(crate) counts: Counts,
    pub(crate) duration_seconds: f64,
    /// Of the decompressed body; -1 where it was too large.
    pub(crate) body_size_bytes: f64,
}

/// What `extra_scrape_metrics` reports that does not change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extra {
    pub(crate) timeout_seconds: f64,
    pub(crate) sample_limit: usize,
}

/// The reported series of one target.
///
/// They are resolved before the target is asked the first time, so that its own samples cannot take their
/// places when the bound on live series is reached: a target over the bound is still seen to be up.
#[derive(Debug)]
pub(crate) struct Reporter {
    extra: Option<Extra>,
    /// One a line of [`REPORTS`]; live as long as the target is.
    series: Vec<Option<Series>>,
}

/// Name, unit, description. The last three are those of `extra_scrape_metrics`.
const REPORTS: [(&str, &str, &str); 8] = [
    ("up", "", "Whether the scrape gave everything (1) or nothing (0)."),
    ("scrape_duration_seconds", "s", "How long the scrape took."),
    ("scrape_samples_scraped", "", "Samples the target gave."),
    ("scrape_samples_post_metric_relabeling", "", "Samples that relabelling kept."),
    ("scrape_series_added", "", "Samples whose line was not there the scrape before."),
    ("scrape_timeout_seconds", "s", "The timeout of the scrape."),
    ("scrape_sample_limit", "", "The limit on samples; 0 is none."),
    ("scrape_body_size_bytes", "By", "The size of the body; -1 where it was too large."),
];
const EXTRAS: usize = 3;

impl Reporter {
    pub(crate) fn new(extra: Option<Extra>, resolver: &mut Resolver) -> Self {
        let count = if extra.is_some() { REPORTS.len() } else { REPORTS.len() - EXTRAS };
        let mut reporter = Self { extra, series: vec![None; count] };
        reporter.resolve(resolver, |_| {});
        reporter
    }

    /// Adds the report to a batch; gives how many series of it were one too many.
    pub(crate) fn report(
        &mut self,
        report: &Report,
        resolver: &mut Resolver,
        time_unix_nano: u64,
        batch: &mut Batch,
    ) -> usize {
        self.resolve(resolver, |ended| batch.push(Point::stale(ended, time_unix_nano)));
        let values = self.values(report);
        for (series, value) in self.series.iter().zip(values) {
            if let Some(series) = series {
                batch.push(Point::new(series.clone(), time_unix_nano, Value::Double(value)));
            }
        }
        self.series.iter().filter(|series| series.is_none()).count()
    }

    /// The series as the target is called now: `target_info` may have changed its resource.
    fn resolve(&mut self, resolver: &mut Resolver, mut ended: impl FnMut(Series)) {
        for (series, (name, unit, help)) in self.series.iter_mut().zip(REPORTS) {
            let family = Family { kind: None, help: help.to_owned(), unit: unit.to_owned() };
            // Where there is no room for another, the one before stays.
            let Ok(resolved) = resolver.own_series(name, &family) else { continue };
            if let Some(before) = series.replace(resolved.clone())
                && before != resolved
            {
                ended(before);
            }
        }
    }

    fn values(&self, report: &Report) -> [f64; REPORTS.len()] {
        let Report { is_up, counts, duration_seconds, body_size_bytes } = report;
        let extra = self.extra.unwrap_or(Extra { timeout_seconds: 0.0, sample_limit: 0 });
        [
            f64::from(u8::from(*is_up)),
            *duration_seconds,
            counts.scraped as f64,
            (counts.scraped - counts.dropped) as f64,
            counts.added as f64,
            extra.timeout_seconds,
            extra.sample_limit as f64,
            *body_size_bytes,
        ]
    }

    pub(crate) fn series(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().flatten()
    }
}
