//! What a small batch can make of a page.

use super::*;
use crate::testing::{histogram_with_exemplars, in_time};

#[test]
fn a_point_whose_lines_are_too_long_is_left_out_and_counted() {
    let label = "x".repeat(100_000);
    let bounds: Vec<_> = (0..200).map(|bound| format!("{bound}:1")).collect();
    let quantiles: Vec<_> = (0..200).map(|quantile| format!("{}:1", f64::from(quantile) / 200.0)).collect();
    let counts = ["1"; 200].join(",");
    // Each would be 5 MB or more.
    let points = format!(
        "gauge a{{l=\"{label}\"}} = 1\n\
         histogram h{{l=\"{label}\"}} = count 201 sum 1 buckets {} inf:1\n\
         exponential e{{l=\"{label}\"}} = count 200 sum 1 scale 0 positive 0:{counts}\n\
         summary s{{l=\"{label}\"}} = count 1 sum 1 quantiles {}\n\
         histogram small = count 2 sum 1 buckets 1:1 inf:1",
        bounds.join(" "),
        quantiles.join(" "),
    );
    let mut store = store("");
    for point in &notation::parse(&points, &Registry::new(1000)).unwrap() {
        store.update(point, NOW);
    }
    for (format, escaping) in [TEXT, OPEN_METRICS] {
        let mut page = Vec::new();
        assert!(!Page::new(format, escaping, Options::default()).write(&mut store, &mut page, usize::MAX));
        assert!(page.len() < 200_000, "{}", page.len());
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(&label) && page.contains("small_count 2\n"));
    }
    // Three on each page.
    assert_eq!(store.drops.get(Reason::TooLarge), 6);
}

#[test]
fn a_page_goes_through_the_exemplars_of_a_point_once() {
    const BOUNDS: usize = 45_000;
    let pages = in_time(|| {
        let mut store = store("");
        store.update(&histogram_with_exemplars(BOUNDS).as_slice()[0], NOW);
        let (format, escaping) = OPEN_METRICS;
        let page = |_| {
            let mut page = Vec::new();
            Page::new(format, escaping, Options::default()).write(&mut store, &mut page, usize::MAX);
            page
        };
        (0..20).map(page).collect::<Vec<_>>()
    });
    let page = String::from_utf8(pages[19].clone()).unwrap();
    assert!(page.contains("h_bucket{le=\"7.0\"} 8 # {} 6.5 1\n"));
    assert_eq!(page.matches(" # {}").count(), BOUNDS + 1);
}
