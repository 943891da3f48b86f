//! What writing leaves behind when it is broken off: space set aside, records nobody was answered for, files that stay.

use super::faults::fill;
use super::*;

#[test]
fn a_disk_on_which_nothing_can_be_set_aside_is_found_full_before_a_batch_is_taken() {
    let disk = SimDisk::default();
    disk.set_nothing_aside();
    disk.limit(Some(400_000));
    let rig = Rig::on(disk, config());
    let ana = rig.reader("ana");
    let number = fill(&rig, &ana);
    assert!(number >= 5, "{number}");
    for _ in 0..3 {
        rig.pass(2);
        assert!(rig.log.room(20_000).is_err());
    }
    rig.disk.limit(None);
    rig.pass(2);
    eventually(|| rig.log.room(20_000).is_ok());
    assert!(rig.add_large(99, 20_000, &[&ana]).is_ok());
}
