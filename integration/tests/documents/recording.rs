//! What a recording says, read independently of the collector: values, and quantiles of its buckets.

use std::collections::BTreeMap;

use integration::{DOUBLING, root};

/// A recorded page.
#[derive(Debug)]
pub(crate) struct Recording(pub(crate) String);

/// How many are at most so large, by the bound.
pub(crate) type Buckets = Vec<(f64, f64)>;

impl Recording {
    pub(crate) fn read(name: &str) -> Self {
        let path = root().join("integration/fixtures/runners").join(name);
        Self(std::fs::read_to_string(path).unwrap())
    }

    fn samples<'a>(&'a self, name: &'a str, labels: &'a [&str]) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']))?;
            let (series, value) = rest.rsplit_once(' ')?;
            let value = value.parse().ok()?;
            labels.iter().all(|label| series.contains(label)).then_some((series, value))
        })
    }

    /// The sum of all samples of a name with these labels (`key="value"`).
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let samples: Vec<f64> = self.samples(name, labels).map(|(_, value)| value).collect();
        assert!(!samples.is_empty(), "no {name}{labels:?} was recorded");
        samples.iter().sum()
    }

    /// How much that grows in a second while the recording is replayed.
    pub(crate) fn rate(&self, name: &str, labels: &[&str]) -> f64 {
        self.sum(name, labels) / DOUBLING.as_secs_f64()
    }

    /// The buckets of a histogram, added up over its series.
    pub(crate) fn buckets(&self, name: &str, labels: &[&str]) -> Buckets {
        let mut buckets = BTreeMap::new();
        for (series, count) in self.samples(&format!("{name}_bucket"), labels) {
            let bound = series.split("le=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
            let bound: f64 = bound.parse().unwrap();
            let entry = buckets.entry(bound.to_bits()).or_insert((bound, 0.0));
            entry.1 += count;
        }
        assert!(!buckets.is_empty(), "no buckets of {name}{labels:?} were recorded");
        buckets.into_values().collect()
    }
}

/// Buckets over the bounds that all have.
pub(crate) fn merged(all: &[Buckets]) -> Buckets {
    let count = |buckets: &Buckets, bound: f64| {
        buckets.iter().find(|(known, _)| *known == bound).map(|(_, count)| *count)
    };
    let bounds = all[0].iter().map(|(bound, _)| *bound);
    bounds
        .filter_map(|bound| Some((bound, all.iter().map(|one| count(one, bound)).sum::<Option<f64>>()?)))
        .collect()
}

/// Buckets of so many observations of a size.
pub(crate) fn counted(bounds: &[f64], observed: &[(f64, f64)]) -> Buckets {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let below = |bound: f64| observed.iter().filter(|(size, _)| *size <= bound).map(|(_, count)| count).sum();
    bounds.map(|bound| (bound, below(bound))).collect()
}

/// As Prometheus defines it: straight lines within a bucket, and the last finite bound for what is beyond it.
pub(crate) fn quantile(q: f64, buckets: &Buckets) -> f64 {
    let rank = q * buckets.last().unwrap().1;
    let at = buckets.iter().position(|(_, count)| *count >= rank).unwrap();
    let (bound, count) = buckets[at];
    let (low, before) = if at == 0 { (0.0, 0.0) } else { buckets[at - 1] };
    if bound.is_infinite() {
        return low;
    }
    low + (bound - low) * (rank - before) / (count - before)
}

#[test]
fn quantiles_are_those_of_prometheus() {
    let buckets = counted(&[1.0, 2.0, 4.0], &[(0.5, 2.0), (3.0, 2.0)]);
    assert_eq!(buckets, [(1.0, 2.0), (2.0, 2.0), (4.0, 4.0), (f64::INFINITY, 4.0)]);
    assert_eq!(quantile(0.25, &buckets), 0.5);
    assert_eq!(quantile(0.75, &buckets), 3.0);
    let other = counted(&[1.0, 4.0], &[(9.0, 4.0)]);
    assert_eq!(merged(&[buckets, other.clone()]), [(1.0, 2.0), (4.0, 4.0), (f64::INFINITY, 8.0)]);
    assert_eq!(quantile(0.5, &other), 4.0);
}
