//! Body of a fuzz target: any bytes may be on the disk, and any work may have led there.
//!
//! The target is one line that calls this; tests call it with random and with damaged files.

mod folder;
pub(super) mod model;

use super::Sequence;
use super::format::PRELUDE;
use super::place;
use super::scan::scan;

/// Takes the bytes for work on a log where they begin with a zero, and else for files.
pub fn storage(bytes: &[u8]) {
    if let Some((0, steps)) = bytes.split_first() {
        model::run(&model::steps(steps));
    } else {
        files(bytes);
        folder::open(bytes);
    }
}

/// Reads the bytes as a segment and as a reader's place.
pub(super) fn files(bytes: &[u8]) {
    segment(bytes, true);
    segment(bytes, false);
    place(bytes);
}

/// Records lie in order, within the bytes, apart from each other and from what is damaged; and they are found again in what
/// is kept of the file.
fn segment(bytes: &[u8], is_last: bool) {
    let Ok(found) = scan(bytes, 1..Sequence::MAX, is_last) else { return };
    assert!(found.end + found.torn <= bytes.len());
    let mut stretches: Vec<_> = found
        .records
        .iter()
        .map(|record| record.offset..record.offset + record.head.record_len())
        .chain(found.damages.iter().cloned())
        .collect();
    stretches.sort_by_key(|stretch| stretch.start);
    let mut end = PRELUDE.min(bytes.len());
    for stretch in stretches {
        assert!(stretch.start == end && stretch.end > end);
        end = stretch.end;
    }
    assert_eq!(end, found.end);
    assert!(found.records.windows(2).all(|pair| pair[0].head.sequence < pair[1].head.sequence));
    // How far is sought behind damage depends on how much there is.
    if found.damages.is_empty() {
        let again =
            scan(&bytes[..found.end], 1..Sequence::MAX, is_last).map(|again| (again.records, again.torn));
        assert_eq!(again, Ok((found.records, 0)));
    }
}

fn place(bytes: &[u8]) {
    let Ok(found) = place::parse(bytes) else { return };
    let again = place::parse(&place::encode(&found.settled)).map(|again| (again.settled, again.damaged));
    assert_eq!(again, Ok((found.settled, 0)));
}
