//! What the metadata lines have said, and what a sample is by its name.

use foldhash::{HashMap, HashSet};

use super::text::{Format, Type};

/// What a family's metadata lines say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Family {
    pub(crate) kind: Option<Type>,
    pub(crate) help: String,
    /// In UCUM where the word is known.
    pub(crate) unit: String,
}

/// The families of a target, remembered from scrape to scrape.
#[derive(Debug, Default)]
pub(crate) struct Families {
    by_name: HashMap<String, Family>,
    /// Names of samples that no type was known for when their series was made.
    untyped: HashSet<String>,
    none: Family,
}

/// What a sample is to its metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A metric of its own.
    Number,
    Bucket,
    Sum,
    Count,
    Quantile,
    /// When a counter, a histogram or a summary began.
    Created,
    /// Of a gauge histogram, which OpenTelemetry has no place for.
    GaugeHistogram,
    /// Describes the target.
    TargetInfo,
}

/// A sample's family, and what the sample is in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classified<'a> {
    pub(crate) family: &'a Family,
    pub(crate) kind: Type,
    pub(crate) part: Part,
    /// What the sample's name has behind the metric's.
    pub(crate) suffix: &'static str,
}

/// What samples of a family may have behind its name.
const SUFFIXES: [&str; 6] = ["", "_bucket", "_sum", "_count", "_total", "_info"];

/// The sample that describes its target.
pub(crate) const TARGET_INFO: &str = "target_info";

const UNITS: [(&str, &str); 25] = [
    ("days", "d"),
    ("hours", "h"),
    ("minutes", "min"),
    ("seconds", "s"),
    ("milliseconds", "ms"),
    ("microseconds", "us"),
    ("nanoseconds", "ns"),
    ("bytes", "By"),
    ("kibibytes", "KiBy"),
    ("mebibytes", "MiBy"),
    ("gibibytes", "GiBy"),
    ("tebibytes", "TiBy"),
    ("kilobytes", "kBy"),
    ("megabytes", "MBy"),
    ("gigabytes", "GBy"),
    ("terabytes", "TBy"),
    ("meters", "m"),
    ("volts", "V"),
    ("amperes", "A"),
    ("joules", "J"),
    ("watts", "W"),
    ("grams", "g"),
    ("celsius", "Cel"),
    ("hertz", "Hz"),
    ("percent", "%"),
];

/// Turns the word of a `# UNIT` line into UCUM; a word that is not known stays.
pub(crate) fn ucum(word: &str) -> &str {
    UNITS.iter().find(|(name, _)| *name == word).map_or(word, |(_, unit)| unit)
}

impl Families {
    pub(crate) fn entry(&mut self, name: &str) -> &mut Family {
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.to_owned(), Family::default());
        }
        self.by_name.get_mut(name).expect("inserted above")
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
        self.untyped.clear();
    }

    /// Remembers that a sample's series was made without a type.
    pub(crate) fn note_untyped(&mut self, name: &str) {
        if !self.untyped.contains(name) {
            self.untyped.insert(name.to_owned());
        }
    }

    /// Sets a family's type, and says whether series were made under another belief.
    pub(crate) fn type_family(&mut self, name: &str, kind: Type) -> bool {
        let known = self.entry(name).kind.replace(kind);
        let was_untyped = |suffix: &&str| self.untyped.contains(&format!("{name}{suffix}"));
        match known {
            Some(known) => known != kind,
            None if self.untyped.is_empty() => false,
            None => SUFFIXES.iter().any(was_untyped),
        }
    }

    fn typed(&self, name: &str) -> Option<(&Family, Type)> {
        let family = self.by_name.get(name)?;
        Some((family, family.kind?))
    }

    /// Finds the family a sample belongs to: that of its own name before that of a part of it.
    pub(crate) fn classify(&self, name: &str, format: Format, has_quantile: bool) -> Classified<'_> {
        if name == TARGET_INFO {
            let family = self.by_name.get(name).unwrap_or(&self.none);
            return Classified { family, kind: Type::Info, part: Part::TargetInfo, suffix: "" };
        }
        if let Some((family, kind)) = self.typed(name) {
            let (kind, part) = match kind {
                Type::Summary if has_quantile => (kind, Part::Quantile),
                Type::Summary | Type::Histogram | Type::GaugeHistogram => (Type::Unknown, Part::Number),
                kind => (kind, Part::Number),
            };
            return Classified { family, kind, part, suffix: "" };
        }
        self.by_suffix(name, format).unwrap_or_else(|| Classified {
            family: self.by_name.get(name).unwrap_or(&self.none),
            kind: Type::Unknown,
            part: Part::Number,
            suffix: "",
        })
    }

    fn by_suffix(&self, name: &str, format: Format) -> Option<Classified<'_>> {
        let (base, suffix) = name.split_at(name.rfind('_')?);
        let (family, kind) = self.typed(base)?;
        let is_openmetrics = format == Format::OpenMetrics;
        let (part, suffix) = match (kind, suffix) {
            (Type::Histogram, "_bucket") => (Part::Bucket, "_bucket"),
            (Type::Histogram | Type::Summary, "_sum") => (Part::Sum, "_sum"),
            (Type::Histogram | Type::Summary, "_count") => (Part::Count, "_count"),
            (Type::Counter | Type::Histogram | Type::Summary, "_created") if is_openmetrics => {
                (Part::Created, "_created")
            }
            (Type::GaugeHistogram, "_bucket" | "_gcount" | "_gsum") => (Part::GaugeHistogram, ""),
            // The metric keeps the ending: it is the name by which everybody knows it.
            (Type::Counter, "_total") | (Type::Info, "_info") if is_openmetrics => (Part::Number, ""),
            _ => return None,
        };
        Some(Classified { family, kind, part, suffix })
    }
}
