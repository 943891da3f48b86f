//! The names of the conventions, from the file that is part of the binary.

use std::sync::LazyLock;

use config::Section;
use serde::Deserialize;

use super::builtin::CONVENTIONS;
use super::compiled::OutputKind;
use super::file::Ordered;

/// What the conventions say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    pub metrics: Ordered<CatalogueMetric>,
    /// Of points.
    pub attributes: Ordered<CatalogueAttribute>,
    /// Of resources.
    pub resource: Ordered<CatalogueAttribute>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueMetric {
    #[serde(rename = "type")]
    pub kind: OutputKind,
    pub unit: String,
    pub origin: Origin,
    pub about: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueAttribute {
    pub origin: Origin,
    pub about: String,
}

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The OpenTelemetry semantic conventions'.
    Semconv,
    /// One that the conventions lack, made by their rules.
    Ours,
    /// One that scraping gives.
    Prometheus,
}

/// The conventions.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let section = Section::from_text("conventions.yaml", CONVENTIONS);
        section.and_then(|section| section.read()).expect("a test reads the conventions")
    });
    &CATALOGUE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conventions_can_be_read() {
        assert_eq!(catalogue().metrics.get("up").unwrap().origin, Origin::Prometheus);
        assert!(catalogue().resource.get("inferometer.runner").is_some());
    }
}
