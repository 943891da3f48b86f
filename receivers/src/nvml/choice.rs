//! Which GPUs are read.

use regex::Regex;

use super::identity::Identity;

/// All that is included, or everything where nothing is, without what is excluded.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub(super) include: Vec<Pattern>,
    pub(super) exclude: Vec<Pattern>,
}

#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Uuid(String),
    Index(u32),
    /// In small letters.
    BusId(String),
    Name(Regex),
}

impl Choice {
    pub(super) fn allows(&self, identity: &Identity) -> bool {
        let is_in = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(identity));
        (self.include.is_empty() || is_in(&self.include)) && !is_in(&self.exclude)
    }
}

impl Pattern {
    fn fits(&self, identity: &Identity) -> bool {
        match self {
            Self::Uuid(uuid) => identity.uuid == *uuid,
            Self::Index(index) => identity.index == *index,
            // The kernel's form has four digits less at the beginning than the driver's.
            Self::BusId(bus_id) => identity.bus_id.to_ascii_lowercase().ends_with(bus_id),
            Self::Name(regex) => regex.is_match(&identity.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(include: &[Pattern], exclude: &[Pattern], expected: bool) {
        let identity = Identity {
            uuid: "GPU-1".to_owned(),
            name: "NVIDIA H100 80GB HBM3".to_owned(),
            index: 3,
            bus_id: "00000000:1B:00.0".to_owned(),
            ..Identity::default()
        };
        let choice = Choice { include: include.to_vec(), exclude: exclude.to_vec() };
        assert_eq!(choice.allows(&identity), expected);
    }

    #[test]
    fn a_gpu_is_chosen_by_any_of_its_names() {
        let name = |text: &str| Pattern::Name(Regex::new(text).unwrap());
        check(&[], &[], true);
        check(&[Pattern::Index(3)], &[], true);
        check(&[Pattern::Index(4)], &[], false);
        check(&[Pattern::Uuid("GPU-1".to_owned())], &[], true);
        check(&[Pattern::Uuid("GPU-11".to_owned())], &[], false);
        check(&[Pattern::BusId("0000:1b:00.0".to_owned())], &[], true);
        check(&[Pattern::BusId("0000:1c:00.0".to_owned())], &[], false);
        check(&[], &[name("^NVIDIA H")], false);
        check(&[name("H100")], &[Pattern::Index(3)], false);
    }
}
