//! The processes on a board or an instance, and what each of them holds and does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::{ProcessInfo, ProcessUtilizationSample};
use pipeline::AnyValue;

use super::super::board::Board;
use super::{Group, Of, Reader, memory};
use crate::recorder::{Definition, Label, Recorder};

const MEMORY: usize = 0;
const UTILIZATION: usize = 1;

const METRICS: &[Definition] = &[
    Definition::up_down(
        "hw.gpu.process.memory.usage",
        "By",
        "GPU memory of a process, by process.pid, and gen_ai.request.model where it serves one.",
    ),
    Definition::gauge(
        "hw.gpu.process.utilization",
        "1",
        "Share of time a process kept a GPU busy; without hw.gpu.task the multiprocessors, else memory, encoder, decoder.",
    ),
];

pub(super) const GROUP: Group = Group {
    name: "processes",
    about: "The processes on a board: what they hold, and how busy they keep it. Where MIG is on there is no telling \
            how busy.",
    metrics: METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TEN_SECONDS,
    of: Of::Both,
    reader: || Box::new(Processes::default()),
};

/// The processes of a board that are told; of more, those with the least memory are left out.
const PROCESSES_MAX: usize = 256;

/// The driver takes samples more often than this; who reads it more often than it does finds none, and not nobody busy.
const SAMPLED_WITHIN: Duration = Duration::from_secs(2);

/// The driver's clock is the machine's, but for the time between its reading and ours.
const AHEAD_MAX: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Processes {
    /// When the newest sample that was read was taken, in the driver's microseconds.
    last_sample: Option<u64>,
    /// What was read, and when, where samples were found.
    last: Option<(Instant, BTreeMap<u32, Busy>)>,
}

/// What a process did, as shares of the time since the last reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Busy {
    sm: f64,
    memory: f64,
    encoder: f64,
    decoder: f64,
}

type Ask = fn(&Device<'_>) -> Result<Vec<ProcessInfo>, NvmlError>;

const LISTS: [(&str, Ask); 3] = [
    ("nvmlDeviceGetComputeRunningProcesses_v3", |device| device.running_compute_processes()),
    ("nvmlDeviceGetGraphicsRunningProcesses_v3", |device| device.running_graphics_processes()),
    ("nvmlDeviceGetMPSComputeRunningProcesses_v3", |device| device.mps_running_compute_processes()),
];

impl Reader for Processes {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        let limit = memory::total(board);
        let listed = list(board, limit);
        let mut busy = if recorder.is_on(UTILIZATION) { self.busy(board) } else { None };
        let mut processes: BTreeMap<u32, Option<u64>> = listed.unwrap_or_default();
        for pid in busy.iter().flat_map(BTreeMap::keys) {
            if is_there(board, *pid) {
                processes.entry(*pid).or_insert(None);
            }
        }
        if let Some(busy) = &mut busy {
            // The driver leaves out whoever did nothing.
            for pid in processes.keys() {
                busy.entry(*pid).or_default();
            }
        }
        let mut processes: Vec<_> = processes.into_iter().collect();
        if let Some(many) = processes.len().checked_sub(PROCESSES_MAX).filter(|many| *many > 0) {
            recorder.error(many as u64, format!("more than {PROCESSES_MAX} processes on a board"));
            processes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
            processes.truncate(PROCESSES_MAX);
        }
        for (pid, bytes) in processes {
            let busy = busy.as_ref().and_then(|busy| busy.get(&pid)).copied();
            record(pid, bytes, busy, board, recorder);
        }
    }
}

impl Processes {
    fn busy(&mut self, board: &mut Board) -> Option<BTreeMap<u32, Busy>> {
        let last_sample = self.last_sample;
        let samples = board.ask("nvmlDeviceGetProcessUtilization", |device| {
            match device.process_utilization_stats(last_sample) {
                // Nobody did anything; that is no failure.
                Err(NvmlError::NotFound | NvmlError::NoData) => Ok(Vec::new()),
                samples => samples,
            }
        })?;
        let shares = self.shares(&samples);
        if shares.is_empty() && self.is_ahead(SystemTime::now()) {
            // The clock was set back: until it is there again, all samples would be old.
            self.last_sample = None;
            return None;
        }
        if !shares.is_empty() {
            self.last = Some((Instant::now(), shares.clone()));
        }
        match &self.last {
            Some((time, last)) if time.elapsed() < SAMPLED_WITHIN => Some(last.clone()),
            _ => Some(shares),
        }
    }

    /// Whether the newest sample is of a time that is not yet.
    fn is_ahead(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default() + AHEAD_MAX;
        self.last_sample.is_some_and(|last| Duration::from_micros(last) > now)
    }

    fn shares(&mut self, samples: &[ProcessUtilizationSample]) -> BTreeMap<u32, Busy> {
        let last = self.last_sample;
        let is_new = |sample: &&ProcessUtilizationSample| last.is_none_or(|last| sample.timestamp > last);
        let mut of_processes: BTreeMap<u32, Vec<&ProcessUtilizationSample>> = BTreeMap::new();
        for sample in samples.iter().filter(is_new).filter(|sample| sample.pid != 0) {
            of_processes.entry(sample.pid).or_default().push(sample);
            self.last_sample = self.last_sample.max(Some(sample.timestamp));
        }
        let shares = |(pid, mut samples): (u32, Vec<&ProcessUtilizationSample>)| {
            if last.is_none() {
                // The first time the driver gives all it has kept, most of which is from before our window.
                let newest = samples.iter().map(|sample| sample.timestamp).max();
                samples.retain(|sample| Some(sample.timestamp) == newest);
            }
            (pid, Busy::mean(&samples))
        };
        of_processes.into_iter().map(shares).collect()
    }
}

impl Busy {
    fn mean(samples: &[&ProcessUtilizationSample]) -> Self {
        let mean = |percent: fn(&ProcessUtilizationSample) -> u32| {
            // Some drivers leave memory of before in what they hand out.
            let sum: u32 = samples.iter().map(|sample| percent(sample).min(100)).sum();
            f64::from(sum) / (samples.len() as f64 * 100.0)
        };
        Self {
            sm: mean(|sample| sample.sm_util),
            memory: mean(|sample| sample.mem_util),
            encoder: mean(|sample| sample.enc_util),
            decoder: mean(|sample| sample.dec_util),
        }
    }
}

/// What all processes on the board hold together; `None` where they cannot be listed, or that of one is not known.
pub(super) fn memory_of_all(board: &mut Board, limit: u64) -> Option<u64> {
    let mut bytes = list(board, Some(limit))?.into_values();
    bytes.try_fold(0_u64, |sum, bytes| Some(sum.saturating_add(bytes?)))
}

/// The processes, and what each of them holds; `None` where a list failed, as who is on it is not known then, or none
/// can be had.
fn list(board: &mut Board, limit: Option<u64>) -> Option<BTreeMap<u32, Option<u64>>> {
    let mut processes: Option<BTreeMap<u32, Option<u64>>> = None;
    for (call, ask) in LISTS {
        // Between the question how many there are and the list itself one more may have come.
        let again = |device: &Device<'_>| match ask(device) {
            Err(NvmlError::InsufficientSize(_)) => ask(device),
            list => list,
        };
        let list = match board.ask(call, again) {
            Some(list) => list,
            None if board.is_unsupported(call) => continue,
            None => return None,
        };
        let processes = processes.get_or_insert_default();
        for process in list {
            // A divided board lists the processes of its instances, which they do themselves.
            let is_of_instance = board.instance().is_none() && process.gpu_instance_id.is_some();
            if process.pid == 0 || is_of_instance || !is_there(board, process.pid) {
                continue;
            }
            let bytes = match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            };
            // Drivers have been seen to fill the list in another layout than they say.
            let bytes = bytes.filter(|bytes| limit.is_none_or(|limit| *bytes <= limit));
            let known = processes.entry(process.pid).or_default();
            *known = (*known).max(bytes);
        }
    }
    processes
}

/// Whether the process is there, as far as that can be told.
fn is_there(board: &Board, pid: u32) -> bool {
    board.machine().owners.is_alive(pid) != Some(false)
}

fn record(pid: u32, bytes: Option<u64>, busy: Option<Busy>, board: &Board, recorder: &mut Recorder) {
    let machine = board.machine();
    let attributes = machine.owners.attributes_on(pid, Some(board.device()));
    let mut labels = vec![("process.pid", Label::Int(pid.into()))];
    labels.extend(attributes.iter().filter_map(|(key, value)| {
        let label = match value {
            AnyValue::String(text) => Label::Text(text),
            AnyValue::Int(number) => Label::Int(*number),
            _ => return None,
        };
        Some((*key, label))
    }));
    if let Some(bytes) = bytes {
        recorder.int(MEMORY, &labels, bytes);
    }
    let Some(busy) = busy else { return };
    recorder.double(UTILIZATION, &labels, busy.sm);
    for (task, share) in [("memory", busy.memory), ("encoder", busy.encoder), ("decoder", busy.decoder)] {
        labels.push(("hw.gpu.task", Label::Text(task)));
        recorder.double(UTILIZATION, &labels, share);
        labels.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pid: u32, timestamp: u64, sm_util: u32) -> ProcessUtilizationSample {
        ProcessUtilizationSample {
            pid,
            timestamp,
            sm_util,
            mem_util: 10,
            enc_util: 0,
            dec_util: 4_000_000_000,
        }
    }

    #[test]
    fn shares_are_means_since_the_last_reading() {
        let mut processes = Processes::default();
        let first = processes.shares(&[sample(7, 10, 100), sample(7, 20, 50), sample(0, 99, 1)]);
        assert_eq!(first[&7], Busy { sm: 0.5, memory: 0.1, encoder: 0.0, decoder: 1.0 });
        assert_eq!(first.len(), 1);
        let second =
            processes.shares(&[sample(7, 20, 0), sample(7, 30, 20), sample(7, 40, 60), sample(8, 40, 5)]);
        assert_eq!(second[&7].sm, 0.4);
        assert_eq!(second[&8].sm, 0.05);
        assert!(processes.shares(&[]).is_empty());
    }

    #[test]
    fn a_sample_of_a_time_to_come_is_known_for_one() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let mut processes = Processes::default();
        assert!(!processes.is_ahead(at(0)));
        processes.shares(&[sample(7, 1_000_000_000, 5)]);
        assert!(!processes.is_ahead(at(998)));
        assert!(processes.is_ahead(at(997)));
    }
}
