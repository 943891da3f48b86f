use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Insert(usize),
    Take(usize),
    Retain(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..500_usize).prop_map(Step::Insert),
        3 => (0..600_usize).prop_map(Step::Take),
        1 => (0..600_usize, 0..300_usize).prop_map(|(from, count)| Step::Retain(from, count)),
    ]
}

proptest! {
    #[test]
    fn it_is_a_map_of_numbers(steps in vec(step(), 0..200)) {
        let (mut paged, mut model) = (Paged::default(), BTreeMap::new());
        for (value, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(number) => {
                    prop_assert_eq!(paged.insert(number, value), model.insert(number, value));
                }
                Step::Take(number) => prop_assert_eq!(paged.take(number), model.remove(&number)),
                Step::Retain(from, count) => {
                    paged.retain(from, count, |value| *value % 3 == 0);
                    model.retain(|number, value| !(from..from + count).contains(number) || *value % 3 == 0);
                }
            }
            let used: BTreeSet<_> = model.keys().map(|number| number / PAGE).collect();
            prop_assert_eq!(paged.pages(), used.len());
            prop_assert_eq!(paged.end(), model.keys().last().map_or(0, |last| last + 1));
        }
        prop_assert!(paged.iter().eq(model.values()));
        prop_assert!((0..700).all(|number| paged.get(number) == model.get(&number)));
    }

    #[test]
    fn the_smallest_free_number_is_handed_out(gone in vec(0..10_000_usize, 0..200)) {
        let mut numbers = Numbers::default();
        prop_assert!((0..10_000).all(|number| numbers.take() == number));
        let gone: BTreeSet<_> = gone.into_iter().collect();
        for number in &gone {
            numbers.give_back(*number);
        }
        prop_assert!(gone.into_iter().chain(10_000..10_100).all(|number| numbers.take() == number));
    }
}
