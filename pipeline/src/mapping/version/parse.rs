//! Reads versions and the clauses of ranges.

use super::{Clause, Local, Operator, Pre, Version, VersionError};

const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("~=", Operator::Compatible),
    (">", Operator::Above),
    ("<", Operator::Below),
];

/// Longer names before those that they begin with.
const PRE: [(&str, Pre); 8] = [
    ("alpha", Pre::Alpha),
    ("a", Pre::Alpha),
    ("beta", Pre::Beta),
    ("b", Pre::Beta),
    ("preview", Pre::Candidate),
    ("pre", Pre::Candidate),
    ("rc", Pre::Candidate),
    ("c", Pre::Candidate),
];

/// No version that someone gave is as long.
const BYTES_MAX: usize = 200;

pub(super) fn version(text: &str) -> Result<Version, VersionError> {
    let error = || VersionError(format!("expected a version such as `0.9.2`, got `{}`", shown(text)));
    let lower = text.trim().to_ascii_lowercase();
    if lower.len() > BYTES_MAX {
        return Err(error());
    }
    let mut rest = Rest(lower.strip_prefix('v').unwrap_or(&lower));
    let version = rest.version().ok_or_else(error)?;
    if rest.0.is_empty() { Ok(version) } else { Err(error()) }
}

pub(super) fn clause(text: &str) -> Result<Clause, VersionError> {
    let operator = OPERATORS.iter().find_map(|(sign, operator)| Some((text.strip_prefix(sign)?, *operator)));
    let (rest, operator) = operator.unwrap_or((text, Operator::Equal));
    let rest = rest.trim();
    let (number, is_prefix) = rest.strip_suffix(".*").map_or((rest, false), |number| (number, true));
    let version = version(number).map_err(|_| {
        VersionError(format!("expected a range of versions such as `>=0.9.2,<0.11`, got `{}`", shown(text)))
    })?;
    let has_more = version.pre.is_some() || version.post.is_some() || version.dev.is_some();
    if is_prefix && !matches!(operator, Operator::Equal | Operator::Unequal) {
        return Err(VersionError(format!("`.*` goes with `==` and `!=` only, got `{text}`")));
    }
    if is_prefix && (has_more || !version.local.is_empty()) {
        return Err(VersionError(format!("`.*` stands behind numbers only, got `{text}`")));
    }
    if operator == Operator::Compatible && version.release.len() < 2 {
        return Err(VersionError(format!("`~=` needs a version of at least two numbers, got `{text}`")));
    }
    let may_be_local = matches!(operator, Operator::Equal | Operator::Unequal);
    if !version.local.is_empty() && !may_be_local {
        return Err(VersionError(format!("a local version goes with `==` and `!=` only, got `{text}`")));
    }
    Ok(Clause { operator, version, is_prefix })
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// What is not read yet.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn version(&mut self) -> Option<Version> {
        let mut first = self.number()?;
        let mut epoch = 0;
        if self.take("!") {
            epoch = first;
            first = self.number()?;
        }
        let mut release = vec![first];
        while let Some(number) = self.attempt(|rest| if rest.take(".") { rest.number() } else { None }) {
            release.push(number);
        }
        let pre = self.attempt(|rest| {
            rest.separator();
            let (name, pre) = PRE.iter().find(|(name, _)| rest.0.starts_with(name))?;
            rest.take(name);
            Some((*pre, rest.implied_number()))
        });
        let post = self.attempt(Self::post);
        let dev = self.attempt(|rest| {
            rest.separator();
            if rest.take("dev") { Some(rest.implied_number()) } else { None }
        });
        let local = if self.take("+") { self.local()? } else { Vec::new() };
        Some(Version { epoch, release, pre, post, dev, local })
    }

    /// `.post1`, `-r1`, or `-1`.
    fn post(&mut self) -> Option<u64> {
        if let Some(number) = self.attempt(|rest| if rest.take("-") { rest.number() } else { None }) {
            return Some(number);
        }
        self.separator();
        let name = ["post", "rev", "r"].into_iter().find(|name| self.0.starts_with(name))?;
        self.take(name);
        Some(self.implied_number())
    }

    fn local(&mut self) -> Option<Vec<Local>> {
        let parts = std::mem::take(&mut self.0).split(['.', '-', '_']);
        let part = |part: &str| match part.parse() {
            _ if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_alphanumeric()) => None,
            Ok(number) => Some(Local::Number(number)),
            Err(_) => Some(Local::Text(part.to_owned())),
        };
        parts.map(part).collect()
    }

    /// The number behind a name: `rc1`, `rc.1`; one that is missing is 0.
    fn implied_number(&mut self) -> u64 {
        self.attempt(|rest| {
            rest.separator();
            rest.number()
        })
        .unwrap_or(0)
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.len() - self.0.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self.0.split_at(digits);
        let number = number.parse().ok()?;
        self.0 = rest;
        Some(number)
    }

    fn separator(&mut self) {
        self.0 = self.0.strip_prefix(['.', '-', '_']).unwrap_or(self.0);
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Goes back where nothing was found.
    fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.0;
        let found = read(self);
        if found.is_none() {
            self.0 = before;
        }
        found
    }
}
