//! Random work against a model of what a log is.

use proptest::collection::vec;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use super::super::fuzz;
use super::super::fuzz::model::{Step, run};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..8_u8, prop_oneof![Just(0), Just(100), Just(30_000)])
            .prop_map(|(readers, padding)| Step::Add { readers, padding }),
        8 => (0..3_usize, 0..4_usize).prop_map(|(reader, index)| Step::Settle { reader, index }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => any::<u64>().prop_map(Step::LosePower),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(file, bit)| Step::Flip { file, bit }),
        1 => Just(Step::Fail),
        2 => (0..3_usize, 0..60_u64, 0..100_000_u64)
            .prop_map(|(reader, from, bytes_max)| Step::Read { reader, from, bytes_max }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_log_holds_what_was_added_until_it_is_settled(steps in vec(step(), 1..60)) {
        run(&steps);
    }
}

#[test]
fn any_bytes_behind_a_zero_are_work_on_a_log() {
    for seed in 0..50 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = [0; 150];
        random.fill(&mut bytes[1..]);
        fuzz::storage(&bytes);
    }
}
