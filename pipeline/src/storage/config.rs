//! The keys of `file_storage`.

use std::fmt;

use ::config::{ByteSize, Duration, Problem, Section};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Less would be spent on files that are made ahead.
const MAX_SIZE_MIN: u64 = 1 << 20;

/// Of how many segments a full storage consists at least, so that giving up the oldest gives up little.
const SEGMENTS_MIN: u64 = 8;

/// The keys of `file_storage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder, which is the log's alone.
    pub directory: String,
    /// Whether the folder is made where it is missing.
    pub create_directory: bool,
    /// What a folder that is made may be used by; never writable by others.
    pub directory_permissions: Mode,
    /// How long to wait for another process to let go of the folder.
    pub timeout: Duration,
    /// When what was written is made to survive a loss of power.
    pub fsync: Fsync,
    /// How often, with `fsync: interval`.
    pub fsync_interval: Duration,
    /// How much the files may take.
    pub max_size: ByteSize,
    /// Records that are older are given up; 0 for no limit.
    pub max_age: Duration,
    /// What becomes of new batches at `max_size`.
    pub when_full: WhenFull,
    /// What becomes of new batches while the disk cannot be written.
    pub when_unwritable: WhenUnwritable,
    /// What becomes of what waits for an exporter that is no longer configured.
    pub unclaimed: Unclaimed,
    /// How large a file grows before the next is begun.
    pub segment_size: ByteSize,
}

/// When what was written is made to survive a loss of power; a crash of the process it always survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Before a sender is answered.
    #[default]
    Always,
    /// Now and then.
    Interval,
    /// When the system sees fit.
    Never,
}

/// What becomes of new batches at `max_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// They are refused, and their senders told to try later.
    #[default]
    Refuse,
    /// They are taken, and the oldest given up for them.
    DropOldest,
}

/// What becomes of new batches while the disk cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnwritable {
    /// They are refused, and their senders told to try later.
    #[default]
    Refuse,
    /// They wait in memory alone.
    Memory,
}

/// What becomes of what waits for an exporter that is no longer configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unclaimed {
    /// It is kept, and the first to go when there is no room.
    #[default]
    Keep,
    /// It is given up a minute after the start.
    Drop,
}

/// Who may use a folder, in octal as `chmod` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: String::from("/var/lib/inferometer/storage"),
            create_directory: true,
            directory_permissions: Mode(0o700),
            timeout: Duration::from_secs(1),
            fsync: Fsync::default(),
            fsync_interval: Duration::from_secs(1),
            max_size: ByteSize::mib(1024),
            max_age: Duration::default(),
            when_full: WhenFull::default(),
            when_unwritable: WhenUnwritable::default(),
            unclaimed: Unclaimed::default(),
            segment_size: ByteSize::mib(16),
        }
    }
}

impl Config {
    /// What cannot be, each with its path.
    pub fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.directory.is_empty() {
            problems.push(section.problem("directory", "expected a folder"));
        }
        let mode = self.directory_permissions;
        if mode.0 & 0o022 != 0 {
            let message =
                format!("others may not write to a queue: take `2` out of the last two digits of `{mode}`");
            problems.push(section.problem("directory_permissions", message));
        }
        if mode.0 & 0o700 != 0o700 {
            let message = format!("with `{mode}` the collector could not use the folder: begin with `07`");
            problems.push(section.problem("directory_permissions", message));
        }
        if self.max_size.0 < MAX_SIZE_MIN {
            problems.push(
                section.problem("max_size", format!("expected at least `1MiB`, got `{}`", self.max_size)),
            );
        }
        if self.segment_size.0 < MAX_SIZE_MIN / SEGMENTS_MIN || self.segment_size.0 > 1 << 30 {
            let message = format!("expected `128KiB` to `1GiB`, got `{}`", self.segment_size);
            problems.push(section.problem("segment_size", message));
        }
        if self.fsync_interval.is_zero() {
            let message = "expected more than 0; `fsync: always` leaves nothing unsaved";
            problems.push(section.problem("fsync_interval", message));
        }
        problems
    }

    /// How large a segment is: never so large that few of them are a full storage.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_size.0.min(self.max_size.0 / SEGMENTS_MIN)
    }
}

impl Serialize for Fsync {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Always => "always",
            Self::Interval => "interval",
            Self::Never => "never",
        })
    }
}

impl<'de> Deserialize<'de> for Fsync {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FsyncVisitor)
    }
}

/// The OpenTelemetry Collector has `true` and `false` here.
struct FsyncVisitor;

impl Visitor<'_> for FsyncVisitor {
    type Value = Fsync;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`always` (or `true`), `interval`, or `never` (or `false`)")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Fsync, E> {
        Ok(if value { Fsync::Always } else { Fsync::Never })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Fsync, E> {
        match value {
            "always" | "true" => Ok(Fsync::Always),
            "interval" => Ok(Fsync::Interval),
            "never" | "false" => Ok(Fsync::Never),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a text, so that `0750` without quotes is what was written and no number.
        deserializer.deserialize_str(ModeVisitor)
    }
}

struct ModeVisitor;

impl Visitor<'_> for ModeVisitor {
    type Value = Mode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permissions in octal, such as `\"0700\"`")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Mode, E> {
        let mode = u32::from_str_radix(value.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o777);
        mode.map(Mode).ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Config, String> {
        let section = Section::from_yaml("extensions.file_storage", yaml).unwrap();
        section.read().map_err(|problems: ::config::Problems| problems.to_string())
    }

    #[track_caller]
    fn check_fsync(yaml: &str, expected: Fsync) {
        assert_eq!(read(yaml).unwrap().fsync, expected, "{yaml}");
    }

    #[test]
    fn the_collectors_files_are_read() {
        check_fsync("{}", Fsync::Always);
        check_fsync("fsync: true", Fsync::Always);
        check_fsync("fsync: always", Fsync::Always);
        check_fsync("fsync: interval", Fsync::Interval);
        check_fsync("fsync: false", Fsync::Never);
        check_fsync("fsync: never", Fsync::Never);
        let yaml = "{directory: /q, timeout: 5s}";
        assert_eq!(read(yaml).unwrap().directory, "/q");
        assert_eq!(read("directory_permissions: '0750'").unwrap().directory_permissions, Mode(0o750));
        assert_eq!(read("directory_permissions: 0750").unwrap().directory_permissions, Mode(0o750));
        assert!(read("fsync: sometimes").unwrap_err().contains("`interval`"));
        assert!(read("directory_permissions: '0999'").unwrap_err().contains("octal"));
        assert!(read("directory_permissions: rwx").unwrap_err().contains("octal"));
    }

    #[track_caller]
    fn check_problem(yaml: &str, expected: &str) {
        let section = Section::from_yaml("extensions.file_storage", yaml).unwrap();
        let problems: Vec<String> =
            read(yaml).unwrap().problems(&section).iter().map(ToString::to_string).collect();
        assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:?}");
    }

    #[test]
    fn what_cannot_be_is_said_with_its_path() {
        check_problem("directory: ''", "extensions.file_storage.directory: expected a folder");
        check_problem("directory_permissions: '0770'", "directory_permissions: others may not write");
        check_problem("directory_permissions: '0500'", "directory_permissions: with `0500`");
        check_problem("max_size: 1000", "max_size: expected at least `1MiB`, got `1000`");
        check_problem("segment_size: 2GiB", "segment_size: expected `128KiB` to `1GiB`");
        check_problem("fsync_interval: 0", "fsync_interval: expected more than 0");
    }

    #[test]
    fn what_is_shown_is_read_back() {
        let config =
            Config { fsync: Fsync::Interval, directory_permissions: Mode(0o750), ..Config::default() };
        let section = Section::from_yaml("x", "{fsync: interval, directory_permissions: '0750'}").unwrap();
        let shown = ::config::effective::<Config>(&section).unwrap();
        assert_eq!(shown.deserialize::<Config>().unwrap(), config);
    }
}
