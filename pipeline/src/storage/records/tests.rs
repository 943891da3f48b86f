use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// How a record differs from the one before: sequence, offset, times; and what it has of its own.
type Step = (u64, u32, u32, u32, u32, u16, bool);

fn step() -> impl Strategy<Value = Step> {
    let rarely = |most: u32| prop_oneof![4 => Just(0), 1 => 0..most];
    (
        prop_oneof![8 => Just(1_u64), 1 => 1..1_u64 << 40],
        prop_oneof![8 => Just(48_u32), 1 => 48..100_000_u32],
        rarely(100_000),
        0..200_000_u32,
        0..5_000_u32,
        0..3_u16,
        prop_oneof![9 => Just(false), 1 => Just(true)],
    )
}

fn entries(steps: &[Step]) -> Vec<Entry> {
    let (mut sequence, mut offset, mut written) = (0, 16, 1_700_000_000);
    let entry = |(step, gap, later, length, points, group, is_damaged): &Step| {
        sequence += step;
        written += later;
        let at = offset;
        offset += gap + length;
        Entry {
            sequence,
            offset: at,
            length: *length,
            points: *points,
            written,
            group: *group,
            is_damaged: *is_damaged,
        }
    };
    steps.iter().map(entry).collect()
}

fn records(entries: &[Entry]) -> Records {
    let mut records = Records::default();
    for entry in entries {
        records.push(*entry);
    }
    records.close();
    records
}

proptest! {
    #[test]
    fn what_was_put_in_comes_out(steps in vec(step(), 0..300), at in 0..320_usize) {
        let entries = entries(&steps);
        let records = records(&entries);
        prop_assert_eq!(records.len(), entries.len());
        prop_assert_eq!(records.first(), entries.first().copied());
        prop_assert_eq!(records.newest(), entries.last().map_or(0, |last| last.written));
        prop_assert_eq!(records.get(at), entries.get(at).copied());
        let rest: Vec<Entry> = records.from(at).collect();
        prop_assert_eq!(&rest[..], entries.get(at..).unwrap_or_default());
    }

    #[test]
    fn a_record_is_found_by_its_sequence(steps in vec(step(), 0..300), at in 0..320_usize) {
        let entries = entries(&steps);
        let records = records(&entries);
        let sequence = entries.get(at).map_or(Sequence::MAX, |entry| entry.sequence);
        prop_assert_eq!(records.find(sequence), (at.min(entries.len()), entries.get(at).copied()));
        let next = entries.get(at + 1).copied().filter(|next| next.sequence == sequence + 1);
        prop_assert_eq!(records.find(sequence.saturating_add(1)), ((at + 1).min(entries.len()), next));
    }

    #[test]
    fn what_is_damaged_later_is_so_alone(steps in vec(step(), 1..200), ats in vec(0..200_usize, 0..5)) {
        let mut entries = entries(&steps);
        let mut records = records(&entries);
        for at in ats {
            let at = at % entries.len();
            entries[at].is_damaged = true;
            records.damage(at);
        }
        prop_assert_eq!(records.from(0).collect::<Vec<_>>(), entries);
    }
}

#[test]
fn numbers_that_cannot_be_do_no_harm() {
    let worst = Entry {
        sequence: Sequence::MAX,
        offset: u32::MAX,
        length: u32::MAX,
        points: u32::MAX,
        written: u32::MAX,
        group: u16::MAX,
        is_damaged: true,
    };
    let least =
        Entry { sequence: 0, offset: 0, length: 0, points: 0, written: 0, group: 0, is_damaged: false };
    let entries = [least, worst, least, worst, worst];
    assert_eq!(records(&entries).from(0).collect::<Vec<_>>(), entries);
}

/// A queue of hours is millions of records, and all of this is in memory.
#[test]
fn a_record_takes_four_bytes() {
    // As a sender's requests are: about as long as each other, ten a second.
    let steps: Vec<Step> = (0..48_000_u32)
        .map(|index| (1, 48, u32::from(index % 10 == 0), 250 + index * 7 % 100, 1, 0, false))
        .collect();
    let records = records(&entries(&steps));
    let taken = records.bytes.capacity() + records.blocks.capacity() * size_of::<Block>();
    assert!(taken <= 4 * steps.len() + steps.len() / 4, "{taken} bytes for {} records", steps.len());
}
