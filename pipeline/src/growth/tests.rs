//! Exponential histograms at different scales and with different zero buckets.

use super::exponential::{TooWide, add, fitted, grown};
use crate::point::{Buckets, ExponentialHistogram, Value};

fn histogram(scale: i32, threshold: f64, zero: u64, offset: i32, counts: &[u64]) -> ExponentialHistogram {
    ExponentialHistogram {
        count: zero + counts.iter().sum::<u64>(),
        sum: None,
        scale,
        zero_count: zero,
        zero_threshold: threshold,
        positive: Buckets { offset, counts: counts.to_vec() },
        ..ExponentialHistogram::default()
    }
}

#[test]
fn a_sum_is_the_same_whichever_is_added_to_which() {
    let left = histogram(2, 0.0, 1, -3, &[1, 0, 2, 5, 7]);
    let right = histogram(0, 1.2, 4, 0, &[3, 1]);
    let (mut one, mut other) = (left.clone(), right.clone());
    add(&mut one, &right, 160).unwrap();
    add(&mut other, &left, 160).unwrap();
    assert_eq!(one, other);
    // 1.2 lies in the bucket from 1 to 2, which is in use.
    assert_eq!((one.scale, one.zero_threshold, one.zero_count), (0, 2.0, 1 + 15 + 4 + 3));
    assert_eq!(one.positive, Buckets { offset: 1, counts: vec![1] });
}

#[test]
fn growth_is_what_must_be_added() {
    let before = histogram(3, 0.0, 1, 10, &[1, 2, 3, 4]);
    let more = histogram(1, 0.0, 2, 2, &[7, 8]);
    let mut now = before.clone();
    add(&mut now, &more, 160).unwrap();
    assert_eq!(grown(&now, &before), Some(more));
    assert_eq!(grown(&before, &now), None);
}

#[test]
fn thresholds_that_are_no_numbers_do_no_harm() {
    let mut sum = histogram(0, f64::NAN, 1, 0, &[1]);
    add(&mut sum, &histogram(0, 1.0, 1, 0, &[1]), 160).unwrap();
    assert_eq!((sum.count, sum.zero_count), (4, 2));
    let mut sum = histogram(0, f64::NAN, 1, 0, &[1]);
    add(&mut sum, &histogram(0, f64::NAN, 1, 0, &[1]), 160).unwrap();
    assert_eq!(sum.count, 4);
    let mut sum = histogram(0, f64::INFINITY, 1, 0, &[1]);
    add(&mut sum, &histogram(0, 0.0, 1, 5, &[1]), 160).unwrap();
    assert_eq!(sum.zero_count, 4);
}

#[test]
fn what_has_no_room_at_any_scale_is_refused_and_changes_nothing() {
    let mut sum = histogram(-11, 0.0, 0, i32::MIN, &[1]);
    let before = sum.clone();
    assert_eq!(add(&mut sum, &histogram(-11, 0.0, 0, i32::MAX - 1, &[1]), 160), Err(TooWide));
    assert_eq!(sum, before);
    let wide = histogram(20, 0.0, 0, i32::MAX - 3, &[1, 0, 1]);
    assert_eq!(fitted(&wide, 160), Ok(wide));
}

#[test]
fn a_value_that_is_no_number_is_not_less() {
    let double = Value::Double;
    assert!(!super::has_restarted(&double(f64::NAN), &double(1.0)));
    assert!(!super::has_restarted(&double(1.0), &double(f64::NAN)));
    assert!(super::has_restarted(&Value::Int(1), &double(1.5)));
}
