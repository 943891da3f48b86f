//! Versions and ranges of versions, as PEP 440 has them.

mod parse;

use std::cmp::Ordering;
use std::fmt;

/// A version such as `0.9.2`, `1!2.0rc1.post2.dev3+cu121`.
#[derive(Debug, Clone)]
pub struct Version {
    epoch: u64,
    /// Invariant: not empty.
    release: Vec<u64>,
    pre: Option<(Pre, u64)>,
    post: Option<u64>,
    dev: Option<u64>,
    local: Vec<Local>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pre {
    Alpha,
    Beta,
    Candidate,
}

/// A part of what stands behind the plus; text is before numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Local {
    Text(String),
    Number(u64),
}

/// A range such as `>=0.9.2,<0.11`.
#[derive(Debug, Clone)]
pub struct Range {
    /// All of them hold.
    clauses: Vec<Clause>,
    /// What is not in it although the clauses hold.
    except: Vec<Range>,
}

#[derive(Debug, Clone)]
struct Clause {
    operator: Operator,
    version: Version,
    /// `==0.9.*`
    is_prefix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    AtLeast,
    AtMost,
    Above,
    Below,
    Equal,
    Unequal,
    Compatible,
}

/// Why text is no version, or no range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError(String);

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for VersionError {}

impl Version {
    /// Reads a version; a `v` before it and another case are allowed, as in PEP 440.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        parse::version(text)
    }

    /// The same without what is local: `0.9.2` of `0.9.2+cu121`.
    fn public(&self) -> Self {
        Self { local: Vec::new(), ..self.clone() }
    }

    /// Where it stands among those of one release: `1.dev1 < 1a1.dev1 < 1a1 < 1 < 1.post1.dev1 < 1.post1`.
    fn phase(&self) -> (u8, Option<(Pre, u64)>) {
        match (self.pre, self.post, self.dev) {
            (None, None, Some(_)) => (0, None),
            (Some(pre), ..) => (1, Some(pre)),
            (None, ..) => (2, None),
        }
    }

    /// A missing post is before any; a missing dev is behind any.
    fn suffix(&self) -> (Option<u64>, u64, u64) {
        let dev = self.dev.map_or((1, 0), |number| (0, number));
        (self.post, dev.0, dev.1)
    }

    fn release_part(&self, at: usize) -> u64 {
        self.release.get(at).copied().unwrap_or(0)
    }

    fn has_prefix(&self, prefix: &Self) -> bool {
        self.epoch == prefix.epoch
            && prefix.release.iter().enumerate().all(|(at, part)| self.release_part(at) == *part)
    }

    fn is_same_release(&self, other: &Self) -> bool {
        self.epoch == other.epoch && compare_releases(self, other).is_eq()
    }
}

fn compare_releases(one: &Version, other: &Version) -> Ordering {
    let length = one.release.len().max(other.release.len());
    let parts = |version: &Version| (0..length).map(|at| version.release_part(at)).collect::<Vec<_>>();
    parts(one).cmp(&parts(other))
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_releases(self, other))
            .then_with(|| self.phase().cmp(&other.phase()))
            .then_with(|| self.suffix().cmp(&other.suffix()))
            .then_with(|| self.local.cmp(&other.local))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

impl Range {
    /// Reads a list of clauses with commas between them; a bare version is that version, `*` is any.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        if text.trim() == "*" {
            return Ok(Self { clauses: Vec::new(), except: Vec::new() });
        }
        let clauses = text.split(',').map(|clause| parse::clause(clause.trim())).collect::<Result<_, _>>()?;
        Ok(Self { clauses, except: Vec::new() })
    }

    /// The range without those of others; without clauses of its own it also has what cannot be read, as what is left.
    pub fn except(self, ranges: Vec<Self>) -> Self {
        Self { except: ranges, ..self }
    }

    /// Whether the version lies in the range; one that cannot be read lies in none.
    pub fn contains(&self, version: &str) -> bool {
        let Ok(parsed) = Version::parse(version) else {
            return self.clauses.is_empty() && !self.except.is_empty();
        };
        self.clauses.iter().all(|clause| clause.contains(&parsed))
            && !self.except.iter().any(|range| range.contains(version))
    }
}

impl Clause {
    fn contains(&self, version: &Version) -> bool {
        let wanted = &self.version;
        let public = version.public();
        match self.operator {
            Operator::AtLeast => public >= *wanted,
            Operator::AtMost => public <= *wanted,
            Operator::Equal => self.equals(version),
            Operator::Unequal => !self.equals(version),
            // What comes after the release proper, `1.0.post1`, is not above `1.0`.
            Operator::Above => {
                public > *wanted
                    && (wanted.post.is_some() || version.post.is_none() || !version.is_same_release(wanted))
            }
            // What leads up to it, `1.0rc1`, is not below `1.0`.
            Operator::Below => {
                let is_before = |version: &Version| version.pre.is_some() || version.dev.is_some();
                public < *wanted
                    && (is_before(wanted) || !is_before(version) || !version.is_same_release(wanted))
            }
            Operator::Compatible => {
                let mut series = wanted.clone();
                series.release.pop();
                public >= *wanted && version.has_prefix(&series)
            }
        }
    }

    fn equals(&self, version: &Version) -> bool {
        match (self.is_prefix, self.version.local.is_empty()) {
            (true, _) => version.has_prefix(&self.version),
            (false, true) => version.public() == self.version,
            (false, false) => *version == self.version,
        }
    }
}

#[cfg(test)]
mod tests;
