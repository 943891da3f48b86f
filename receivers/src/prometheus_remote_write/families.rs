//! What 1.0 says of metrics apart from their series, remembered by family.

use foldhash::HashMap;

use super::message::Told;
use crate::prometheus::text::Type;

/// What all names and texts may take together, in bytes.
const BYTES_MAX: usize = 16 << 20;

/// What a family takes besides its texts, in bytes.
const FAMILY_BYTES: usize = 128;

/// As much of a text is kept, in bytes.
pub(super) const HELP_BYTES_MAX: usize = 1024;

/// After so many sweeps without a sender that says it, a type may be replaced by another.
const CONFIRMED_SWEEPS: u32 = 3;

/// After so many sweeps without a sender that says it, a family is forgotten.
const UNUSED_SWEEPS_MAX: u32 = 60;

/// What samples may have behind the name of their family, and of which types.
const SUFFIXES: [(&str, &[Type]); 7] = [
    ("_bucket", &[Type::Histogram, Type::GaugeHistogram]),
    ("_sum", &[Type::Histogram, Type::Summary]),
    ("_count", &[Type::Histogram, Type::Summary]),
    ("_total", &[Type::Counter]),
    ("_info", &[Type::Info]),
    ("_gsum", &[Type::GaugeHistogram]),
    ("_gcount", &[Type::GaugeHistogram]),
];

/// Families by name.
#[derive(Debug, Default)]
pub(super) struct Families {
    by_name: HashMap<String, Family>,
    bytes: usize,
    generation: u32,
    sweeps: u32,
}

#[derive(Debug)]
struct Family {
    kind: Type,
    help: String,
    unit: String,
    /// The sweep before which it was said last.
    confirmed: u32,
}

impl Families {
    /// Changes whenever a series may have another type than before.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Takes in what a sender says.
    ///
    /// Senders may disagree; the one that came first is believed as long as it goes on.
    pub(super) fn tell(&mut self, name: &str, told: Told<'_>) {
        if told.kind == Type::Unknown || name.is_empty() {
            return;
        }
        let sweeps = self.sweeps;
        if let Some(family) = self.by_name.get_mut(name) {
            if family.kind == told.kind {
                family.confirmed = sweeps;
                return;
            }
            if sweeps.wrapping_sub(family.confirmed) < CONFIRMED_SWEEPS {
                return;
            }
            self.forget(name);
        }
        let help = &told.help[..told.help.floor_char_boundary(HELP_BYTES_MAX)];
        let unit = &told.unit[..told.unit.floor_char_boundary(HELP_BYTES_MAX)];
        let family =
            Family { kind: told.kind, help: help.to_owned(), unit: unit.to_owned(), confirmed: sweeps };
        let bytes = family.bytes(name);
        if self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.by_name.insert(name.to_owned(), family);
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// What is known of the family that a series of this name belongs to.
    pub(super) fn find(&self, name: &str) -> Told<'_> {
        if let Some(family) = self.by_name.get(name) {
            return family.told();
        }
        for (suffix, kinds) in SUFFIXES {
            if let Some(base) = name.strip_suffix(suffix)
                && let Some(family) = self.by_name.get(base)
                && kinds.contains(&family.kind)
            {
                return family.told();
            }
        }
        Told::default()
    }

    /// Forgets what nobody has said for an hour; called each minute.
    pub(super) fn sweep(&mut self) {
        self.sweeps = self.sweeps.wrapping_add(1);
        let (sweeps, bytes) = (self.sweeps, &mut self.bytes);
        self.by_name.retain(|name, family| {
            let keep = sweeps.wrapping_sub(family.confirmed) < UNUSED_SWEEPS_MAX;
            if !keep {
                *bytes -= family.bytes(name);
            }
            keep
        });
    }

    fn forget(&mut self, name: &str) {
        if let Some(family) = self.by_name.remove(name) {
            self.bytes -= family.bytes(name);
        }
    }
}

impl Family {
    fn told(&self) -> Told<'_> {
        Told { kind: self.kind, help: &self.help, unit: &self.unit }
    }

    fn bytes(&self, name: &str) -> usize {
        name.len() + self.help.len() + self.unit.len() + FAMILY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: Type) -> Told<'static> {
        Told { kind, help: "h", unit: "" }
    }

    #[track_caller]
    fn check(families: &Families, name: &str, kind: Type) {
        assert_eq!(families.find(name).kind, kind, "{name}");
    }

    #[test]
    fn a_sample_is_of_the_family_whose_parts_it_may_be() {
        let mut families = Families::default();
        families.tell("h", told(Type::Histogram));
        families.tell("s", told(Type::Summary));
        families.tell("c", told(Type::Counter));
        families.tell("g_sum", told(Type::Gauge));
        check(&families, "h", Type::Histogram);
        check(&families, "h_bucket", Type::Histogram);
        check(&families, "h_count", Type::Histogram);
        check(&families, "s_sum", Type::Summary);
        check(&families, "s_bucket", Type::Unknown);
        check(&families, "c_total", Type::Counter);
        check(&families, "c_sum", Type::Unknown);
        check(&families, "g_sum", Type::Gauge);
        check(&families, "other", Type::Unknown);
    }

    #[test]
    fn the_first_sender_is_believed_while_it_goes_on() {
        let mut families = Families::default();
        families.tell("m", told(Type::Counter));
        let generation = families.generation();
        for _ in 0..5 {
            families.sweep();
            families.tell("m", told(Type::Gauge));
            families.tell("m", told(Type::Counter));
        }
        check(&families, "m", Type::Counter);
        assert_eq!(families.generation(), generation);
        (0..3).for_each(|_| families.sweep());
        families.tell("m", told(Type::Gauge));
        check(&families, "m", Type::Gauge);
        assert_ne!(families.generation(), generation);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten() {
        let mut families = Families::default();
        let help = "x".repeat(HELP_BYTES_MAX);
        for index in 0..100_000 {
            families.tell(&index.to_string(), Told { kind: Type::Gauge, help: &help, unit: "" });
        }
        assert!(families.bytes <= BYTES_MAX && families.bytes > BYTES_MAX / 2);
        (0..UNUSED_SWEEPS_MAX).for_each(|_| families.sweep());
        assert_eq!((families.bytes, families.by_name.len()), (0, 0));
    }
}
