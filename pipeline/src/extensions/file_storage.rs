//! `file_storage`: a folder that queues are kept in, so that they outlive the process.
//!
//! ```yaml
//! extensions:
//!   file_storage:
//!     directory: /var/lib/inferometer/storage
//! ```

use config::{Problems, Section};

use super::Extension;
use crate::component::{Context, Entry};
use crate::storage::Config;

pub(super) const ENTRY: Entry<Extension> = Entry {
    name: "file_storage",
    aliases: &["filestorage"],
    ignored: &[("", &["compaction", "recreate"])],
    about: "A folder for queues that outlive the process.",
    example: "\
directory: /var/lib/inferometer/storage
max_size: 4GiB
max_age: 7d
when_full: drop_oldest
",
    effective: config::effective::<Config>,
    build,
};

fn build(section: &Section, _context: &Context) -> Result<Extension, Problems> {
    section.build(|config: Config| {
        let problems = config.problems(section);
        if problems.is_empty() { Ok(Extension::Storage(config)) } else { Err(Problems(problems)) }
    })
}
