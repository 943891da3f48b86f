//! Renders a batch by itself, as the pull endpoint would show it.

use config::{Problems, Section};
use pipeline::Batch;
use pipeline::net::Net;

use super::config::Config;
use super::escaping::Escaping;
use super::negotiation::Format;
use super::page::{Options, Page};
use super::store::{Limits, Now, Store};

/// The page in the text format 0.0.4 that an exporter with this section serves once it has taken the batch.
///
/// Families stand by name and series by labels, whatever their order in the batch.
pub fn page(batch: &Batch, section: &Section) -> Result<String, Problems> {
    let config = Config::read(section, &Net::default())?;
    let mut store =
        Store::new(config.rules(), Limits { series_max: config.max_series, keeps_exemplars: false });
    for point in batch {
        store.update(point, Now { received: 0, unix_nano: point.time_unix_nano });
    }
    let options = Options { has_timestamps: config.send_timestamps, has_created: config.created_timestamps };
    let mut text = Vec::new();
    let is_unfinished =
        Page::new(Format::Text, Escaping::Underscores, options).write(&mut store, &mut text, usize::MAX);
    debug_assert!(!is_unfinished, "there is room for all of the page");
    Ok(String::from_utf8(text).expect("names are escaped, and labels and texts were text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::{Registry, notation};

    fn render(settings: &str, points: &str) -> Result<String, Problems> {
        let batch = notation::parse(points, &Registry::new(100)).unwrap();
        page(&batch, &Section::from_yaml("prometheus", settings).unwrap())
    }

    #[test]
    fn the_order_is_that_of_names_and_labels_and_the_last_point_is_shown() {
        let points = "gauge b {x=\"2\"} = 1\ngauge b {x=\"1\"} = 1\ncounter a = 3\ncounter a = 4";
        let expected = "# TYPE a_total counter\na_total 4\n# TYPE b gauge\nb{x=\"1\"} 1\nb{x=\"2\"} 1\n";
        assert_eq!(render("", points).unwrap(), expected);
    }

    #[test]
    fn series_that_have_ended_are_not_there() {
        assert_eq!(render("", "gauge a = 1\ngauge a = stale flags 1").unwrap(), "");
    }

    #[test]
    fn the_section_is_read_as_the_exporters() {
        let points = "resource {service.name=\"a\"}\ngauge b = 1";
        let page = render("target_info: {enabled: false}\nnamespace: n", points).unwrap();
        assert_eq!(page, "# TYPE n_b gauge\nn_b{job=\"a\"} 1\n");
        assert!(render("target_infos: {}", points).is_err());
    }
}
