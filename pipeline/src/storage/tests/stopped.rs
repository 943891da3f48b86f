//! The writer has died: whoever asks is told, and nobody waits for it.

use super::*;

#[tokio::test]
async fn nobody_waits_for_a_writer_that_has_died() {
    let rig = Rig::new(config());
    let ana = rig.reader("ana");
    rig.log.append(&batch(1, 0), &[&ana], None).written.await.unwrap();
    rig.disk.panic();
    let patience = Duration::from_mins(1);
    for number in 2..=4 {
        let append = rig.log.append(&batch(number, 0), &[&ana], None);
        let written = tokio::time::timeout(patience, append.written).await.expect("an answer");
        assert_eq!(written.unwrap_err().unwritable.reason, "the storage's writer has stopped");
        eventually(|| rig.log.room(1).is_err_and(|lack| lack.reason.contains("its writer has stopped")));
        let (_, caught_up) = rig.log.caught_up();
        tokio::time::timeout(patience, caught_up).await.expect("an answer");
        // There is nobody to do anything about it.
        ana.settle(append.sequence);
        assert_eq!(rig.log.shared.state().queue.len(), 0);
    }
}
