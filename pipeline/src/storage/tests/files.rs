//! The log in a real folder.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::{TempDir, tempdir};

use super::super::disk::Data;
use super::*;

pub(super) fn at(directory: &Path) -> Config {
    Config { directory: directory.to_str().unwrap().to_owned(), ..config() }
}

pub(super) fn storages(config: Config) -> Storages {
    Storages::default().with(HashMap::from([(String::from("file_storage"), config)]))
}

pub(super) async fn open(storages: &Storages) -> Result<Arc<Log>, BoxError> {
    let meter = NoopMeterProvider::new().meter("test").into();
    storages.open("file_storage", &meter, &Clock::system()).await
}

async fn add(log: &Log, number: u64, reader: &Reader) {
    log.append(&batch(number, 0), &[reader], None).written.await.unwrap();
}

fn folder() -> TempDir {
    tempdir().unwrap()
}

#[track_caller]
fn refused(result: Result<Arc<Log>, BoxError>) -> String {
    chain(&*result.map(drop).unwrap_err())
}

#[tokio::test]
async fn a_folder_is_made_for_its_owner_alone_and_keeps_what_is_written() {
    let folder = folder();
    let directory = folder.path().join("a/b");
    let storages = storages(at(&directory));
    let log = open(&storages).await.unwrap();
    let (ana, _) = log.reader("otlp_http/ana").unwrap();
    for number in 1..=100 {
        add(&log, number, &ana).await;
    }
    ana.settle(1);
    assert_eq!(ana.read(0, u64::MAX).await.unwrap().len(), 99);
    drop((ana, log));
    for (name, mode) in [("", 0o700), ("readers", 0o700), ("lock", 0o600), ("readers/otlp_http%2Fana", 0o600)]
    {
        let found = fs::metadata(directory.join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    let log = open(&storages).await.unwrap();
    let (ana, backlog) = log.reader("otlp_http/ana").unwrap();
    assert_eq!(backlog.records, 99);
    assert_eq!(ana.read(0, u64::MAX).await.unwrap()[0].request, request(2, 0));
}

#[tokio::test]
async fn a_segment_is_set_aside_and_what_is_not_needed_given_back() {
    let folder = folder();
    let storages = storages(at(folder.path()));
    let log = open(&storages).await.unwrap();
    let (ana, _) = log.reader("ana").unwrap();
    add(&log, 1, &ana).await;
    let blocks = |name: &str| fs::metadata(folder.path().join(name)).map_or(0, |found| found.blocks() * 512);
    let name = "00000000000000000001.log";
    if blocks(name) < 128 << 10 {
        println!("SKIPPED: the file system of {} sets nothing aside", folder.path().display());
        return;
    }
    assert!(fs::metadata(folder.path().join(name)).unwrap().len() < 1000);
    drop((ana, log));
    assert!(blocks(name) <= 8192, "{}", blocks(name));
    assert_eq!(blocks("spare"), 0);
}

#[tokio::test]
async fn the_same_process_gets_the_same_log() {
    let folder = folder();
    let before = storages(at(folder.path()));
    let log = open(&before).await.unwrap();
    let after = before.with(HashMap::from([(
        String::from("file_storage"),
        Config { when_unwritable: WhenUnwritable::Memory, ..at(folder.path()) },
    )]));
    let again = open(&after).await.unwrap();
    assert!(Arc::ptr_eq(&log, &again));
    // Only when it is sure that the new configuration is in service.
    assert_eq!(log.when_unwritable(), WhenUnwritable::Refuse);
    after.apply().await;
    assert_eq!(log.when_unwritable(), WhenUnwritable::Memory);
    drop((log, again));
    open(&after).await.unwrap();
}

#[tokio::test]
async fn another_process_is_refused_until_this_one_is_killed() {
    let folder = folder();
    let config = Config { timeout: ::config::Duration::default(), ..at(folder.path()) };
    // The lock is the process's: another table of open logs does not know this one.
    let log = open(&storages(config.clone())).await.unwrap();
    let message = refused(open(&storages(config.clone())).await);
    let expected = format!("`{}` is in use by process {}", folder.path().display(), std::process::id());
    assert!(message.starts_with(&expected), "{message}");
    drop(log);
    let Ok(mut other) = Command::new("flock").arg(folder.path().join("lock")).args(["sleep", "1000"]).spawn()
    else {
        println!("SKIPPED: there is no `flock` here");
        return;
    };
    let start = Instant::now();
    while open(&storages(config.clone())).await.is_ok() {
        assert!(start.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // `flock` leaves the lock to the command, which is its child; both are this test's.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", other.id())).unwrap_or_default();
    for child in children.split_whitespace() {
        let _ = Command::new("kill").args(["-9", child]).status();
    }
    other.kill().unwrap();
    other.wait().unwrap();
    let patient = Config { timeout: ::config::Duration::from_secs(60), ..config };
    open(&storages(patient)).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_others_could_write_to_is_refused() {
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let message = refused(open(&storages(at(folder.path()))).await);
    assert!(message.contains("others may write to `") && message.contains("chmod go-w"), "{message}");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    open(&storages(at(folder.path()))).await.unwrap();
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_refused() {
    let folder = folder();
    if std::os::unix::fs::chown(folder.path(), Some(12345), None).is_err() {
        println!("SKIPPED: this user may not give folders away");
        return;
    }
    let message = refused(open(&storages(at(folder.path()))).await);
    assert!(message.contains("belongs to user 12345"), "{message}");
}

#[tokio::test]
async fn links_in_the_folder_are_not_followed() {
    let folder = folder();
    let outside = folder.path().join("outside");
    fs::write(&outside, "precious").unwrap();
    let directory = folder.path().join("queue");
    fs::create_dir(&directory).unwrap();
    symlink(&outside, directory.join("lock")).unwrap();
    let message = refused(open(&storages(at(&directory))).await);
    assert!(message.contains("cannot make the lock"), "{message}");
    fs::remove_file(directory.join("lock")).unwrap();
    for name in ["spare", "readers"] {
        symlink(&outside, directory.join(name)).unwrap();
    }
    let message = refused(open(&storages(at(&directory))).await);
    assert!(message.contains("`readers`"), "{message}");
    fs::remove_file(directory.join("readers")).unwrap();
    open(&storages(at(&directory))).await.unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
}

#[tokio::test]
async fn a_missing_folder_is_made_only_where_it_may_be() {
    let folder = folder();
    let config = Config { create_directory: false, ..at(&folder.path().join("missing")) };
    let message = refused(open(&storages(config)).await);
    assert!(message.contains("make it, or set `create_directory: true`"), "{message}");
    let config = at(Path::new("/proc/inferometer"));
    let message = refused(open(&storages(config)).await);
    assert!(message.starts_with("cannot make the folder `/proc/inferometer`"), "{message}");
}

#[test]
fn storages_are_known_by_their_ids() {
    let storages = Storages::default();
    assert!(storages.check("file_storage").unwrap_err().contains("name it in `service.extensions`"));
    let (a, b) = (String::from("file_storage/a"), String::from("file_storage/b"));
    let configs = HashMap::from([(a.clone(), Config::default()), (b.clone(), Config::default())]);
    let storages = storages.with(configs);
    assert!(storages.check(&a).unwrap_err().contains("have the same `directory`"));
    let message = storages.check("file_storage").unwrap_err();
    assert!(message.contains("there is `file_storage/a`, `file_storage/b`"), "{message}");
}

#[test]
fn a_folder_is_the_same_however_it_is_written() {
    let folder = folder();
    symlink(folder.path(), folder.path().join("link")).unwrap();
    let (a, b) = (String::from("file_storage/a"), String::from("file_storage/b"));
    let configs = HashMap::from([(a.clone(), at(folder.path())), (b, at(&folder.path().join("link")))]);
    let storages = Storages::default().with(configs);
    assert!(storages.check(&a).unwrap_err().contains("have the same `directory`"));
}

#[tokio::test]
async fn a_storage_that_no_exporter_uses_is_opened_where_it_holds_something() {
    let folder = folder();
    let storages = storages(at(folder.path()));
    let meter = NoopMeterProvider::new().meter("test").into();
    let clock = Clock::system();
    assert_eq!(storages.open_left(&meter, &clock).await.len(), 0);
    let log = open(&storages).await.unwrap();
    let (ana, _) = log.reader("ana").unwrap();
    log.append(&batch(1, 0), &[&ana], None).written.await.unwrap();
    drop((ana, log));
    let left = storages.open_left(&meter, &clock).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].reader("ana").unwrap().1.records, 1);
    // Nothing is made for one that was never used.
    let missing = folder.path().join("missing");
    let other = storages.with(HashMap::from([(String::from("file_storage"), at(&missing))]));
    assert_eq!(other.open_left(&meter, &clock).await.len(), 0);
    assert!(!missing.exists());
}

/// A file system of its own with an end, which needs the right to mount.
struct Mounted(TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let folder = folder();
        let options = format!("size={size},mode=0700");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("SKIPPED: this user may not mount");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_disk_that_is_really_full_refuses_and_then_goes_on() {
    let Some(mounted) = Mounted::new("1M") else { return };
    let storages = storages(Config { max_size: ByteSize::mib(64), ..at(mounted.0.path()) });
    let log = open(&storages).await.unwrap();
    let (ana, _) = log.reader("ana").unwrap();
    let mut number = 0;
    let reason = loop {
        match log.room(20_000) {
            Ok(()) => {
                number += 1;
                log.append(&batch(number, 20_000), &[&ana], None).written.await.unwrap();
                // The writer makes the next segment when it has answered.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(unwritable) => break unwritable.reason,
        }
        assert!(number < 60, "it is never full");
    };
    assert!(reason.contains("No space left on device"), "{reason}");
    // Somebody takes what is left, too.
    let rest = mounted.0.path().join("rest");
    let _ = std::io::Write::write_all(&mut File::create(&rest).unwrap(), &vec![1; 1 << 20]);
    assert_eq!(ana.backlog().records, number);
    for sequence in 1..=12 {
        ana.settle(sequence);
    }
    fs::remove_file(rest).unwrap();
    let start = Instant::now();
    while log.room(20_000).is_err() {
        assert!(start.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    log.append(&batch(99, 20_000), &[&ana], None).written.await.unwrap();
    drop((ana, log));
    let log = open(&storages).await.unwrap();
    assert_eq!(log.reader("ana").unwrap().1.records, number - 12 + 1);
}

#[tokio::test]
async fn blocks_that_were_set_aside_behind_the_end_of_a_file_are_given_back() {
    let folder = folder();
    let storages = storages(at(folder.path()));
    let log = open(&storages).await.unwrap();
    let (ana, _) = log.reader("ana").unwrap();
    add(&log, 1, &ana).await;
    drop((ana, log));
    // As a process leaves it that is killed.
    let name = folder.path().join("00000000000000000001.log");
    let file = File::options().write(true).open(&name).unwrap();
    if !file.allocate(1 << 20).unwrap() {
        println!("SKIPPED: nothing can be set aside on this file system");
        return;
    }
    let taken = || fs::metadata(&name).unwrap().blocks() * 512;
    let len = fs::metadata(&name).unwrap().len();
    assert!(taken() >= 1 << 20, "{}", taken());
    let log = open(&storages).await.unwrap();
    assert!(taken() < 64 << 10, "{}", taken());
    assert_eq!(fs::metadata(&name).unwrap().len(), len);
    assert_eq!(log.reader("ana").unwrap().1.records, 1);
}
