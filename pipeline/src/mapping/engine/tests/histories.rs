//! A law over random histories: a sum of counters never falls.

use proptest::prelude::*;

use super::builder::*;
use crate::mapping::compiled::Combine;
use crate::mapping::compiled::Rule;

fn total(lines: &[String]) -> Option<f64> {
    lines.iter().find_map(|line| line.strip_prefix("counter b = ")?.parse().ok())
}

proptest! {
    #[test]
    fn a_sum_never_falls_whatever_its_members_do(
        steps in prop::collection::vec((0..4_u8, prop::bool::ANY, 0..50_i64, 0..120_u64), 1..60),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let ranked = rule("b", vec![vec![input("first")], vec![input("second")]]);
            let mut bench = Bench::new(vec![schema(vec![Rule { combine: Some(Combine::Sum), ..ranked }])]);
            let mut before = 0.0;
            for (host, is_first, value, seconds) in steps {
                let name = if is_first { "first" } else { "second" };
                let value = if value == 0 { "stale".to_owned() } else { value.to_string() };
                let made = bench.map(&format!("counter {name}{{host={host}}} = {value}"));
                let ticked = bench.tick();
                for now in [total(&made), total(&ticked)].into_iter().flatten() {
                    assert!(now >= before, "{now} after {before}");
                    before = now;
                }
                after(seconds).await;
            }
        });
    }
}
