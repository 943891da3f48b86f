//! Reads the kernel's log for the errors that the driver's events do not tell of, as when a board has fallen off the
//! bus.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use tracing::info;

use super::life::{Message, Shared, Source, XidError};
use super::pulse::Pulse;
use super::xids;

/// How often it is looked into; a thread that waited in the kernel could not be told to stop.
const INTERVAL: Duration = Duration::from_millis(500);

/// The kernel gives a record at a time, and refuses where there is less room than it needs.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Tells of errors until the receiver stops, and the pulse meanwhile that they are listened for.
pub(super) fn run(shared: &Shared, pulse: &Pulse) {
    let path = shared.plan.root.path("dev/kmsg");
    let mut file = match open(&path) {
        Ok(file) => file,
        Err(error) => {
            let (receiver, path) = (&shared.context.id, path.display());
            return info!(
                receiver, %path, %error,
                "the kernel's log cannot be read; the driver's events do not tell of every error"
            );
        }
    };
    pulse.hear(true);
    follow(shared, &mut file);
    pulse.hear(false);
}

fn follow(shared: &Shared, file: &mut File) {
    let mut rest = Vec::new();
    loop {
        let is_over = read(file, &mut rest);
        for message in lines(&mut rest) {
            let Some((bus_id, xid)) = xids::parse(&message) else { continue };
            let unix_nano = shared.context.clock.unix_nano();
            let error = XidError { bus_id, xid, unix_nano, source: Source::KernelLog };
            if shared.to_watcher.blocking_send(Message::Xid(error)).is_err() {
                return;
            }
        }
        if is_over || shared.stopped.wait(INTERVAL) {
            return;
        }
    }
}

/// Opens it at its end: what was before us has nothing to do with what we count.
fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

/// Reads what there is; says whether nothing more can ever be read.
fn read(file: &mut File, rest: &mut Vec<u8>) -> bool {
    let mut buffer = [0; RECORD_BYTES_MAX];
    // Bounded, as a log may be written faster than it is read.
    for _ in 0..1024 {
        match file.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => rest.extend_from_slice(&buffer[..count]),
            // Nothing more yet.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // The kernel has thrown away records before we came to them.
            Err(error) if [ErrorKind::BrokenPipe, ErrorKind::Interrupted].contains(&error.kind()) => {}
            Err(_) => return true,
        }
    }
    false
}

/// Takes out the lines that are whole.
fn lines(rest: &mut Vec<u8>) -> Vec<String> {
    let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let whole: Vec<_> = rest.drain(..end).collect();
    // A line without an end is none.
    if rest.len() > RECORD_BYTES_MAX {
        rest.clear();
    }
    String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_what_is_written_after_the_beginning_is_read_and_only_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        std::fs::write(&path, "old\n").unwrap();
        let mut file = open(&path).unwrap();
        let mut log = OpenOptions::new().append(true).open(&path).unwrap();
        let mut rest = Vec::new();
        assert!(!read(&mut file, &mut rest));
        assert_eq!(lines(&mut rest), [""; 0]);
        log.write_all(b"4,1,2,-;one\n4,2,3,-;tw").unwrap();
        assert!(!read(&mut file, &mut rest));
        assert_eq!(lines(&mut rest), ["4,1,2,-;one"]);
        log.write_all(b"o\n").unwrap();
        read(&mut file, &mut rest);
        assert_eq!(lines(&mut rest), ["4,2,3,-;two"]);
    }

    #[test]
    fn a_line_without_an_end_does_not_grow_for_ever() {
        let mut rest = vec![b'x'; RECORD_BYTES_MAX + 1];
        assert_eq!(lines(&mut rest), [""; 0]);
        assert!(rest.is_empty());
    }
}
