//! The statistics the kernel keeps of each NFS mount.

/// One mount.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    pub(super) export: &'a str,
    pub(super) point: &'a str,
    pub(super) address: &'a str,
    pub(super) transport: &'a str,
    pub(super) age: Option<u64>,
    /// Read and written, three times: asked for through the cache, past it, and over the wire.
    pub(super) bytes: Vec<u64>,
    pub(super) operations: Vec<Operation<'a>>,
}

/// What became of one kind of operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation<'a> {
    pub(super) name: &'a str,
    pub(super) requests: u64,
    pub(super) transmissions: u64,
    pub(super) major_timeouts: u64,
    pub(super) queue_milliseconds: u64,
    pub(super) response_milliseconds: u64,
    pub(super) total_milliseconds: u64,
    /// Kernels before 5.3 do not count them.
    pub(super) errors: Option<u64>,
}

impl Operation<'_> {
    pub(super) fn is_used(&self) -> bool {
        self.requests > 0 || self.transmissions > 0 || self.major_timeouts > 0
    }
}

/// More mounts, and more operations of one, are not looked at.
const MOUNTS_MAX: usize = 512;
const OPERATIONS_MAX: usize = 128;

/// Reads the file; other file systems have a line there and nothing behind it.
pub(super) fn parse(text: &str) -> Vec<Mount<'_>> {
    let mut mounts = Vec::new();
    let mut is_nfs = false;
    for line in text.lines() {
        if line.starts_with("device ") {
            let mount = head(line).filter(|_| mounts.len() < MOUNTS_MAX);
            is_nfs = mount.is_some();
            mounts.extend(mount);
        } else if is_nfs
            && let Some(mount) = mounts.last_mut()
            && let Some((name, rest)) = line.trim_start().split_once(':')
        {
            detail(mount, name, rest.trim());
        }
    }
    mounts
}

/// Reads `device server:/export mounted on /models with fstype nfs4 statvers=1.1`.
fn head(line: &str) -> Option<Mount<'_>> {
    let (export, rest) = line.strip_prefix("device ")?.split_once(" mounted on ")?;
    let (point, rest) = rest.rsplit_once(" with fstype ")?;
    let fs_type = rest.split(' ').next()?;
    matches!(fs_type, "nfs" | "nfs4").then(|| Mount { export, point, ..Mount::default() })
}

fn detail<'a>(mount: &mut Mount<'a>, name: &'a str, rest: &'a str) {
    let numbers = || rest.split_ascii_whitespace().map_while(|word| word.parse::<u64>().ok());
    match name {
        "opts" => {
            let option = |name| rest.split(',').find_map(|option| option.strip_prefix(name));
            mount.transport = option("proto=").unwrap_or_default();
            mount.address = option("mountaddr=").or_else(|| option("addr=")).unwrap_or_default();
        }
        "age" => mount.age = numbers().next(),
        "bytes" => mount.bytes = numbers().take(6).collect(),
        // Other lines begin in small letters, and are not of operations.
        _ if name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains(' ') => {
            let numbers: Vec<_> = numbers().take(9).collect();
            if let [requests, transmissions, major_timeouts, _, _, queue, response, total, errors @ ..] =
                numbers.as_slice()
                && mount.operations.len() < OPERATIONS_MAX
            {
                mount.operations.push(Operation {
                    name,
                    requests: *requests,
                    transmissions: *transmissions,
                    major_timeouts: *major_timeouts,
                    queue_milliseconds: *queue,
                    response_milliseconds: *response,
                    total_milliseconds: *total,
                    errors: errors.first().copied(),
                });
            }
        }
        _ => {}
    }
}
