//! What goes wrong on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Answer, Code, Scene, World};
use crate::script::Fault;

/// How often a call that hangs looks whether it still should.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A fault, and the calls it has met.
#[derive(Debug)]
pub(super) struct Counted {
    fault: Fault,
    met: Arc<AtomicU64>,
}

impl Counted {
    /// A fault that stays in the script goes on counting.
    pub(super) fn all(faults: &[Fault], before: &[Self]) -> Vec<Self> {
        let counted = faults.iter().map(|fault| {
            let same = before.iter().find(|counted| counted.fault == *fault);
            Self { fault: fault.clone(), met: same.map(|same| same.met.clone()).unwrap_or_default() }
        });
        counted.collect()
    }

    /// Whether this call is one that goes wrong.
    fn strikes(&self, call: &str, gpu: Option<usize>) -> bool {
        let fault = &self.fault;
        let is_meant = if fault.call == "*" { gpu.is_some() } else { fault.call == call };
        let is_there = fault.gpu.is_none_or(|index| gpu == Some(index as usize));
        if !is_meant || !is_there {
            return false;
        }
        let met = self.met.fetch_add(1, Ordering::Relaxed);
        met >= fault.after && fault.times.is_none_or(|times| met - fault.after < times)
    }
}

impl World {
    /// Fails or hangs as the script has it; else gives the script that is in force after that.
    pub(super) fn suffer(&self, call: &str, gpu: Option<usize>, scene: Arc<Scene>) -> Answer<Arc<Scene>> {
        // Each fault counts its calls, so all are asked before the first one strikes.
        let struck: Vec<_> = scene.faults.iter().filter(|counted| counted.strikes(call, gpu)).collect();
        let Some(Counted { fault, .. }) = struck.first() else { return Ok(scene) };
        let scene = match fault.delay {
            Some(delay) => self.hang(fault, delay.0)?,
            None => scene.clone(),
        };
        match fault.code {
            // A script that no longer has the fault has ended it.
            Some(code) if scene.faults.iter().any(|counted| counted.fault == *fault) => Err(Code(code)),
            _ => Ok(scene),
        }
    }

    fn hang(&self, fault: &Fault, delay: Duration) -> Answer<Arc<Scene>> {
        let end = Instant::now() + delay;
        loop {
            let scene = self.scene()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || !scene.faults.iter().any(|counted| counted.fault == *fault) {
                return Ok(scene);
            }
            std::thread::sleep(left.min(LOOK_INTERVAL));
        }
    }
}
