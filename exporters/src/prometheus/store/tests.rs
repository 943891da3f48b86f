use pipeline::{Batch, Registry, notation};

use super::*;
use crate::prometheus::config::Config;
use crate::prometheus::negotiation::Format;
use crate::prometheus::page::{Options, Page};

struct Fixture {
    registry: Registry,
    store: Store,
}

impl Fixture {
    fn new(series_max: usize) -> Self {
        let limits = Limits { series_max, keeps_exemplars: true };
        Self { registry: Registry::new(1000), store: Store::new(Config::default().rules(), limits) }
    }

    fn points(&self, text: &str) -> Batch {
        notation::parse(text, &self.registry).unwrap()
    }

    fn update(&mut self, text: &str) -> &mut Self {
        self.update_at(text, 0)
    }

    fn update_at(&mut self, text: &str, received: Received) -> &mut Self {
        for point in &self.points(text) {
            self.store.update(point, Now { received, unix_nano: 1 });
        }
        self
    }

    /// The samples on the page, without what starts with `#`.
    fn samples(&mut self) -> String {
        let mut page = Page::new(Format::Text, Escaping::Underscores, Options::default());
        let mut buffer = Vec::new();
        while page.write(&mut self.store, &mut buffer, usize::MAX) {}
        let text = String::from_utf8(buffer).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("|")
    }

    #[track_caller]
    fn check(&mut self, samples: &str, dropped: &[(Reason, u64)]) {
        assert_eq!(self.samples(), samples);
        let total: u64 = dropped.iter().map(|(_, count)| count).sum();
        assert_eq!(self.store.drops.total(), total, "{:?}", self.store.drops);
        for (reason, count) in dropped {
            assert_eq!(self.store.drops.get(*reason), *count, "{reason:?}");
        }
    }
}

#[track_caller]
fn check(points: &str, samples: &str, dropped: &[(Reason, u64)]) {
    Fixture::new(1000).update(points).check(samples, dropped);
}

#[test]
fn the_newest_point_is_shown() {
    check("gauge a = 1 @5\ngauge a = 2 @6\ngauge a = 3 @5", "a 2", &[(Reason::OutOfOrder, 1)]);
    check("gauge a = 1 @5\ngauge a = 2 @5", "a 2", &[]);
    // Of a schema, what comes late is no loss.
    let of_schema = "about {prometheus.literal=true}\ngauge a = 2 @6\ngauge a = 3 @5";
    check(of_schema, "a 2", &[]);
}

#[test]
fn points_find_their_series_in_any_order() {
    let mut fixture = Fixture::new(1000);
    fixture.update("gauge a = 1\ngauge b = 1\ngauge c = 1").check("a 1|b 1|c 1", &[]);
    fixture.update("gauge a = 2\ngauge b = 2\ngauge c = 2").check("a 2|b 2|c 2", &[]);
    fixture
        .update("gauge c = 3\ngauge a = 4\ngauge c = 5\ngauge c = 6\ngauge b = 7")
        .check("a 4|b 7|c 6", &[]);
    // One ends where the next point is looked for, and another takes its place.
    fixture.update("gauge a = 8\ngauge b = stale\ngauge d = 9\ngauge c = 10").check("a 8|c 10|d 9", &[]);
    fixture.update("gauge a = 11\ngauge d = 12\ngauge b = 13\ngauge c = 14");
    fixture.check("a 11|b 13|c 14|d 12", &[]);
}

#[test]
fn every_stale_marker_removes_its_series_at_once() {
    let mut fixture = Fixture::new(1000);
    fixture.update("gauge a{x=1} = 1\ngauge a{x=2} = 1\ngauge b = 1\ngauge b = stale\ngauge c = stale");
    fixture.check(r#"a{x="1"} 1|a{x="2"} 1"#, &[]);
    fixture.update("gauge a{x=1} = stale\ngauge a{x=2} = stale").check("", &[]);
    assert_eq!(fixture.store.len(), 0);
    // Nothing keeps the dead series.
    assert_eq!(fixture.registry.live(), 0);
    fixture.update("gauge a{x=2} = 5").check(r#"a{x="2"} 5"#, &[]);
}

#[test]
fn series_not_heard_of_go_by_the_time_they_were_received() {
    let mut fixture = Fixture::new(1000);
    fixture.update_at("gauge a = 1 @99\ngauge b = 1 @99", 10).update_at("gauge b = 2 @99", 20);
    assert_eq!(fixture.store.expire(0, 1, 15), Some(1));
    assert_eq!(fixture.store.expire(1, 1, 15), None);
    fixture.check("b 2", &[]);
}

#[test]
fn a_burst_of_series_leaves_no_room_behind() {
    let mut fixture = Fixture::new(1000);
    let burst: Vec<_> = (0..500).map(|number| format!("gauge a{{x={number}}} = 1 @99")).collect();
    // One that stays comes last.
    fixture.update_at(&burst.join("\n"), 10).update_at("gauge b = 1 @99", 20);
    assert_eq!(fixture.store.expire(0, 1000, 15), None);
    assert_eq!(fixture.store.entries.pages(), 1);
    fixture.check("b 1", &[]);
    fixture.update_at("gauge a{x=1} = 2 @100", 21).check(r#"a{x="1"} 2|b 1"#, &[]);
}

#[test]
fn deltas_add_up_while_they_follow_each_other() {
    check("delta counter a = 5 @10..20\ndelta counter a = 6 @20..30", "a_total 11", &[]);
    check("delta counter a = 5 @20\ndelta counter a = 0.5 @30", "a_total 5.5", &[]);
    check("delta updown a = 5 @20\ndelta updown a = -7 @30", "a -2", &[]);
    // After a gap, counting starts again.
    check("delta counter a = 5 @10..20\ndelta counter a = 6 @25..30", "a_total 6", &[]);
    check(
        "delta counter a = 5 @10..20\ndelta counter a = 6 @15..30\ndelta counter a = 6 @10..20",
        "a_total 5",
        &[(Reason::Misaligned, 1), (Reason::OutOfOrder, 1)],
    );
    let max = i64::MAX;
    check(&format!("delta counter a = {max} @20\ndelta counter a = 3 @30"), "a_total 3", &[]);
    check(
        "delta histogram h = count 3 sum 1 buckets 1:1 inf:2 @10\ndelta histogram h = count 1 sum 2 buckets 1:1 inf:0 @20",
        r#"h_bucket{le="1.0"} 2|h_bucket{le="+Inf"} 4|h_sum 3|h_count 4"#,
        &[],
    );
    check(
        "delta histogram h = count 3 sum 1 buckets 1:1 inf:2 @10\ndelta histogram h = count 1 sum 2 buckets 2:1 inf:0 @20",
        r#"h_bucket{le="2.0"} 1|h_bucket{le="+Inf"} 1|h_sum 2|h_count 1"#,
        &[],
    );
    check(
        "delta exponential e = count 1 sum 1 positive 0:1 @10\ndelta exponential e = count 1 sum 2 positive 0:1 @20",
        r#"e_bucket{le="1.0"} 0|e_bucket{le="2.0"} 2|e_bucket{le="+Inf"} 2|e_sum 3|e_count 2"#,
        &[],
    );
}

#[test]
fn of_series_with_equal_labels_the_newest_is_shown_and_the_page_stays_whole() {
    let one = "resource {service.name=\"n\",pid=1}\n";
    let two = "resource {service.name=\"n\",pid=2}\n";
    let mut fixture = Fixture::new(1000);
    fixture.update(&format!("{one}gauge a = 1 @10\n{two}gauge a = 2 @20"));
    let dropped = [(Reason::Collision, 1), (Reason::TargetConflict, 1)];
    fixture.check(r#"target_info{job="n",pid="2"} 1|a{job="n"} 2"#, &dropped);
    fixture.update(&format!("{one}gauge a = 3 @15"));
    fixture.check(
        r#"target_info{job="n",pid="2"} 1|a{job="n"} 2"#,
        &[(Reason::Collision, 2), (Reason::TargetConflict, 1)],
    );
    // When the one that is shown goes, the other has its place.
    fixture.update(&format!("{two}gauge a = stale\n{one}gauge a = 4 @16"));
    fixture.check(
        r#"target_info{job="n",pid="1"} 1|a{job="n"} 4"#,
        &[(Reason::Collision, 2), (Reason::TargetConflict, 1)],
    );
}

#[test]
fn a_hidden_family_is_shown_when_its_name_is_free() {
    let mut fixture = Fixture::new(1000);
    fixture.update("gauge a = 1\nsummary a = count 1");
    fixture.check("a 1", &[(Reason::TypeConflict, 1)]);
    fixture.update("summary a = count 2\ngauge a = stale");
    fixture.check("a_sum 0|a_count 2", &[(Reason::TypeConflict, 2)]);
    fixture.update("summary a = count 3").check("a_sum 0|a_count 3", &[(Reason::TypeConflict, 2)]);
}

#[test]
fn no_more_series_are_held_than_allowed() {
    let mut fixture = Fixture::new(2);
    fixture.update("gauge a{x=1} = 1\ngauge a{x=2} = 1\ngauge a{x=3} = 1\ngauge a{x=1} = 2");
    fixture.check(r#"a{x="1"} 2|a{x="2"} 1"#, &[(Reason::TooManySeries, 1)]);
    fixture.update("gauge a{x=1} = stale\ngauge a{x=3} = 1");
    fixture.check(r#"a{x="2"} 1|a{x="3"} 1"#, &[(Reason::TooManySeries, 1)]);
}

#[test]
fn points_that_make_no_sense_are_counted_and_harm_nobody() {
    check(
        "gauge a = empty\ngauge \"...\" = 1\ngauge \"...\" = 2\ngauge b = 1\ngauge b = empty\n\
         histogram h = count 1 bounds 2 1 counts 1 2 3\nhistogram h = count 1 bounds 1 counts 1\n\
         histogram h = count 1 bounds nan counts 1 0",
        "b 1",
        &[(Reason::InvalidPoint, 5), (Reason::InvalidName, 2)],
    );
}

#[test]
fn the_names_of_a_scheme_are_forgotten_when_nobody_asks_for_it() {
    let mut fixture = Fixture::new(1000);
    fixture.update("gauge a = 1");
    assert_eq!(fixture.store.view(Escaping::AllowUtf8), 0);
    assert_eq!(fixture.store.view(Escaping::Dots), 1);
    (1..IDLE_MAX).for_each(|_| assert_eq!(fixture.store.expire(0, 10, 0), None));
    assert_eq!(fixture.store.view(Escaping::Dots), 1);
    (0..IDLE_MAX).for_each(|_| assert_eq!(fixture.store.expire(0, 10, 0), None));
    assert_eq!(fixture.store.views.len(), 1);
    fixture.check("a 1", &[]);
}

#[test]
fn series_that_the_page_is_not_to_have_are_neither_held_nor_missed() {
    let mut fixture = Fixture::new(1);
    fixture.store.rules.metrics.excluded.push(String::from("b*"));
    fixture.update("gauge b{x=1} = 1\ngauge b{x=2} = 1\ngauge a = 1\ngauge b{x=1} = 2\ngauge b{x=1} = stale");
    fixture.check("a 1", &[]);
    assert_eq!(fixture.store.len(), 1);
}
