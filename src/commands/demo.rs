//! `inferometer --demo`: the machine that is played, and the runners that are started as processes of their own.

use std::process::ExitCode;

use demo::Machine;
use pipeline::component::BoxError;
use tracing::{info, warn};

/// Starts the machine, whose processes are this executable.
pub(super) fn start() -> Result<Machine, BoxError> {
    Ok(Machine::start(&std::env::current_exe()?)?)
}

/// Says in the log that nothing of this is real but the host, and what can be done with it.
pub(super) fn announce(machine: &Machine) {
    warn!(
        "this is a demonstration: the GPUs and the model runners are played, and every series says demo=\"true\""
    );
    for (name, address) in machine.addresses() {
        info!("a played runner, {name}, answers at http://{address}/metrics");
    }
    info!("what the GPUs say is in {}, which may be changed meanwhile", machine.script().display());
}

/// `inferometer demo-runner NAME`: a runner of the demonstration.
pub(crate) fn demo_runner(name: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| runtime.block_on(demo::serve(name)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the played runner failed: {error}");
            ExitCode::FAILURE
        }
    }
}
