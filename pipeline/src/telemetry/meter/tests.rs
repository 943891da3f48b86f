use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::telemetry::ledger::Ledger;

const LEVEL: &str = "tank_level{a}";
const SIZE: &str = "tank_size{a}";

struct Tank {
    level: AtomicU64,
    attributes: [KeyValue; 1],
}

impl Observed for Tank {
    const GAUGES: &'static [Gauge<Self>] = &[
        Gauge {
            name: "tank_level",
            unit: "",
            about: "What is in it, where there is any.",
            read: |tank| Some(tank.level.load(Ordering::Relaxed)).filter(|level| *level > 0),
        },
        Gauge { name: "tank_size", unit: "", about: "What goes into it.", read: |_| Some(10) },
    ];

    fn attributes(&self) -> &[KeyValue] {
        &self.attributes
    }
}

fn tank(meter: &Meter, id: &str, level: u64) -> Arc<Tank> {
    let attributes = [KeyValue::new("tank", id.to_owned())];
    let tank = Arc::new(Tank { level: AtomicU64::new(level), attributes });
    meter.observe(&tank);
    tank
}

fn held(meter: &Meter) -> usize {
    lock(&meter.living::<Tank>()).len()
}

#[test]
fn however_often_components_are_replaced_nothing_of_them_stays() {
    let ledger = Ledger::default();
    let meter = ledger.meter();
    let mut tanks = [tank(&meter, "a", 1), tank(&meter, "b", 1)];
    for turn in 2..200 {
        // Components are given a clone of the context each.
        tanks[0] = tank(&meter.clone(), "a", turn);
        assert_eq!((ledger.callbacks(), held(&meter)), (2, 3), "though nobody looks");
        assert_eq!(ledger.gauge(LEVEL), Some(turn));
        assert_eq!(held(&meter), 2);
    }
    assert_eq!(ledger.gauge("tank_level{b}"), Some(1));
    let [a, b] = tanks;
    drop(a);
    assert_eq!((ledger.gauge(LEVEL), ledger.gauge(SIZE)), (None, None));
    assert_eq!(ledger.gauge("tank_level{b}"), Some(1));
    drop(b);
    assert_eq!((ledger.gauge("tank"), ledger.callbacks(), held(&meter)), (None, 2, 0));
}

#[test]
fn of_two_with_the_same_name_the_later_is_shown_until_it_ends() {
    let ledger = Ledger::default();
    let meter = ledger.meter();
    let old = tank(&meter, "a", 1);
    let new = tank(&meter, "a", 2);
    old.level.store(3, Ordering::Relaxed);
    assert_eq!(ledger.gauge(LEVEL), Some(2));
    // As where a reload fails, and the old one goes on.
    drop(new);
    assert_eq!(ledger.gauge(LEVEL), Some(3));
}

#[test]
fn what_is_not_known_is_not_shown() {
    let ledger = Ledger::default();
    let meter = ledger.meter();
    let tank = tank(&meter, "a", 0);
    assert_eq!((ledger.gauge(LEVEL), ledger.gauge(SIZE)), (None, Some(10)));
    tank.level.store(4, Ordering::Relaxed);
    assert_eq!(ledger.gauge(LEVEL), Some(4));
}
