//! The keys of the limiter, as in the OpenTelemetry Collector, and the limits they come to.

use ::config::{Duration, Problem, Problems, Section};
use serde::{Deserialize, Serialize};

/// Of a limit without a spike limit, what is kept free for what is on its way when nothing more is taken.
const SPIKE_PERCENT: u64 = 20;

/// One of `limit_mib` and `limit_percentage` is needed, and `check_interval`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    /// How old a measurement may be; above a tenth of a second it is a tenth of a second. Above 0.
    pub(super) check_interval: Duration,
    /// What the process is to stay below; wins over `limit_percentage`.
    limit_mib: u64,
    /// So much below that, nothing is taken any more; a fifth of it if not given. Below `limit_mib`.
    spike_limit_mib: u64,
    /// The same in hundredths of what there is.
    limit_percentage: u64,
    /// The same in hundredths of what there is; a fifth of `limit_percentage` if not given.
    spike_limit_percentage: u64,
}

/// What the keys come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Above so much in use nothing is taken.
    pub(super) taken_bytes: u64,
    /// What there is beyond that, for what is on its way.
    pub(super) room_bytes: u64,
}

impl Config {
    /// The limits, or all that is wrong; `total_bytes` says how much memory there is.
    pub(super) fn limits(
        &self,
        section: &Section,
        total_bytes: impl FnOnce() -> Option<u64>,
    ) -> Result<Limits, Problems> {
        let problems = self.problems(section);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let (most_bytes, spike_bytes) = if self.limit_mib > 0 {
            (self.limit_mib << 20, self.spike_limit_mib << 20)
        } else {
            let total = total_bytes().ok_or_else(|| {
                let text = "cannot tell how much memory there is here; write `limit_mib` instead";
                Problems(vec![section.problem("limit_percentage", text)])
            })?;
            let part = |percent: u64| (u128::from(total) * u128::from(percent) / 100) as u64;
            (part(self.limit_percentage), part(self.spike_limit_percentage))
        };
        let spike_bytes = if spike_bytes == 0 { most_bytes / 100 * SPIKE_PERCENT } else { spike_bytes };
        Ok(Limits { taken_bytes: most_bytes - spike_bytes, room_bytes: spike_bytes })
    }

    fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |key: &str, text: String| problems.push(section.problem(key, text));
        if self.check_interval.is_zero() {
            report("check_interval", "expected more than `0s`; write `check_interval: 1s`".to_owned());
        }
        if self.limit_mib == 0 && self.limit_percentage == 0 {
            let text =
                "a limit is needed: write `limit_percentage: 80`, of the memory there is, or `limit_mib`";
            report("limit_percentage", text.to_owned());
        }
        for (key, mebibytes) in [("limit_mib", self.limit_mib), ("spike_limit_mib", self.spike_limit_mib)] {
            if mebibytes > MIB_MAX {
                report(key, format!("expected a number of MiB up to `{MIB_MAX}`, got `{mebibytes}`"));
            }
        }
        for (key, percentage) in [
            ("limit_percentage", self.limit_percentage),
            ("spike_limit_percentage", self.spike_limit_percentage),
        ] {
            if percentage > 100 {
                report(key, format!("expected a number from 1 to 100, got `{percentage}`"));
            }
        }
        if self.limit_mib > 0 && self.spike_limit_mib >= self.limit_mib {
            let text = below("limit_mib", self.limit_mib, self.spike_limit_mib);
            report("spike_limit_mib", text);
        }
        let percentage = self.limit_percentage;
        if percentage > 0 && self.spike_limit_percentage >= percentage {
            let text = below("limit_percentage", percentage, self.spike_limit_percentage);
            report("spike_limit_percentage", text);
        }
        problems
    }
}

/// As large as the collector's own type for it.
const MIB_MAX: u64 = u32::MAX as u64;

fn below(key: &str, limit: u64, got: u64) -> String {
    format!("expected less than `{key}`, which is `{limit}`, got `{got}`")
}
