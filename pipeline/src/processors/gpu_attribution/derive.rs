//! What GPUs do for models, made of what is known of both at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::LIVE;
use super::machine::{Energies, Identity, Machine, Model, Process, Reading};
use super::outputs::{Key, Made, Output};
use super::runners::{Runner, Runners};
use super::window::MINUTE;
use crate::point::Value;

/// What a model has of one board or instance.
struct Holding<'a> {
    identity: &'a Identity,
    /// The board whose energy it uses.
    whole: &'a Arc<str>,
    /// Of all its processes; `None` where one's is not known.
    memory: Option<f64>,
    utilization: Option<f64>,
    runners: BTreeSet<u64>,
}

/// Who is on a board, models or not.
#[derive(Default)]
struct Tenants {
    /// How busy each model keeps it, as far as that is known.
    models: BTreeMap<Model, Option<f64>>,
    /// How busy all keep it together; `None` where one's part is not known.
    utilization: Option<f64>,
    /// Processes that serve no model we know of.
    others: bool,
}

type Holdings<'a> = BTreeMap<(Arc<str>, Model), Holding<'a>>;

/// All that can be told now.
pub(super) fn derive(machine: &mut Machine, runners: &Runners, now: u64) -> Vec<Made> {
    let serving: Vec<_> = machine.processes.keys().cloned().collect();
    let serving: Vec<_> = serving.iter().map(|key| machine.runner_of(key, runners)).collect();
    let mut energies = std::mem::take(&mut machine.energies);
    let processes = machine.processes.iter().zip(serving).filter(|((_, process), _)| process.is_there());
    let (mut holdings, mut of_parts, mut of_wholes) =
        (Holdings::new(), HashMap::<_, Tenants>::new(), HashMap::<_, Tenants>::new());
    for (((id, _), process), serves) in processes {
        let runner = serves.map(|id| (id, runners.get(id).1));
        let model = runner.and_then(|(_, runner)| model(process, runner));
        let utilization = process.utilization.map(|reading| reading.value);
        of_parts.entry(id.clone()).or_default().add(model.as_ref(), utilization);
        of_wholes.entry(process.whole.clone()).or_default().add(model.as_ref(), utilization);
        if let (Some(model), Some((runner, _))) = (model, runner) {
            hold(&mut holdings, (id.clone(), model), process, runner);
        }
    }
    share_energy(machine, &of_wholes, &mut energies, now);
    let mut made = Vec::new();
    for ((id, model), holding) in &holdings {
        let mut make =
            |output, value: Option<Value>| {
                made.extend(value.map(|value| {
                    Made::of((output, Some(id.clone()), model.clone()), holding.identity, value)
                }));
            };
        make(Output::Memory, holding.memory.map(|bytes| Value::Int(bytes as i64)));
        make(Output::Claim, claim(machine, id, holding, runners).map(Value::Double));
        let utilization = utilization(machine, id, holding, &of_parts[id]);
        make(Output::Utilization, utilization.map(Value::Double));
        let idle = idle(machine, id, holding, runners, now);
        make(Output::Idle, idle.map(|is_idle| Value::Int(i64::from(is_idle))));
    }
    for ((id, model), energy) in &energies {
        let Some(board) = machine.boards.get(id) else { continue };
        let key: Key = (Output::Energy, Some(id.clone()), model.clone());
        let of = Made::of(key, &board.identity, Value::Double(energy.joules));
        made.push(of.since(energy.started));
    }
    per_model(&holdings, runners, &energies, now, &mut made);
    for board in machine.boards.values_mut() {
        board.gained = None;
    }
    machine.energies = energies;
    made
}

fn model(process: &Process, runner: &Runner) -> Option<Model> {
    let name = runner.model()?.into();
    Some(Model { host: process.host.clone(), name, provider: runner.provider.clone() })
}

impl Tenants {
    fn add(&mut self, model: Option<&Model>, utilization: Option<f64>) {
        let is_first = self.models.is_empty() && !self.others;
        let all = if is_first { Some(0.0) } else { self.utilization };
        self.utilization = sum(all, utilization);
        match model {
            Some(model) => {
                let of_model = self.models.entry(model.clone()).or_insert(Some(0.0));
                *of_model = sum(*of_model, utilization);
            }
            None => self.others = true,
        }
    }

    /// Whether there is nobody but this one model.
    fn is_alone(&self) -> bool {
        self.models.len() == 1 && !self.others
    }

    /// The part of a model in keeping the board busy; `None` where that cannot be told.
    fn share(&self, model: &Model) -> Option<f64> {
        if self.is_alone() {
            return Some(1.0);
        }
        let (all, of_model) = (self.utilization?, (*self.models.get(model)?)?);
        // What an idle board draws is nobody's.
        Some(if all > 0.0 { of_model / all } else { 0.0 })
    }
}

fn hold<'a>(holdings: &mut Holdings<'a>, key: (Arc<str>, Model), process: &'a Process, runner: u64) {
    let value = |reading: Option<Reading>| reading.map(|reading| reading.value);
    let holding = holdings.entry(key).or_insert_with(|| Holding {
        identity: &process.identity,
        whole: &process.whole,
        memory: Some(0.0),
        utilization: Some(0.0),
        runners: BTreeSet::new(),
    });
    holding.memory = sum(holding.memory, value(process.memory));
    holding.utilization = sum(holding.utilization, value(process.utilization));
    holding.runners.insert(runner);
}

/// Gives what each board has used since the last time to those who used it. What cannot be told ends, and begins
/// anew when it can.
fn share_energy(machine: &Machine, tenants: &HashMap<Arc<str>, Tenants>, energies: &mut Energies, now: u64) {
    for energy in energies.values_mut() {
        energy.is_current = false;
    }
    for (id, tenants) in tenants {
        let Some(board) = machine.boards.get(id).filter(|board| board.energy_seen.is_some()) else {
            continue;
        };
        for model in tenants.models.keys() {
            let Some(share) = tenants.share(model) else { continue };
            let key = (id.clone(), model.clone());
            let is_new = !energies.contains_key(&key);
            let energy = energies.entry(key).or_default();
            energy.is_current = true;
            if is_new {
                energy.started = now;
            }
            if let Some((joules, at)) = board.gained {
                // What was used before is not counted, but is where the first minute starts.
                let joules = if is_new { 0.0 } else { joules * share };
                energy.joules += joules;
                energy.window.add(at, joules);
            }
        }
    }
    energies.retain(|_, energy| energy.is_current);
}

/// The memory that the runners claim of a GPU; each claims its share of every one that it is on.
fn claim(machine: &Machine, id: &str, holding: &Holding<'_>, runners: &Runners) -> Option<f64> {
    let limit = machine.boards.get(id)?.limit?.value;
    let shares = holding.runners.iter().map(|id| runners.get(*id).1.claim.map(|claim| claim.value));
    shares.sum::<Option<f64>>().map(|share| share * limit)
}

fn utilization(machine: &Machine, id: &str, holding: &Holding<'_>, tenants: &Tenants) -> Option<f64> {
    let of_board = || {
        let board = machine.boards.get(id).filter(|_| tenants.is_alone())?;
        board.utilization.map(|reading| reading.value)
    };
    // Samples of several processes are not of the very same time.
    holding.utilization.map(|share| share.min(1.0)).or_else(of_board)
}

/// Whether neither the GPU nor the model's runners had anything to do for a minute. Both are looked at, as a runner
/// that hangs may say that nothing is running.
fn idle(machine: &Machine, id: &str, holding: &Holding<'_>, runners: &Runners, now: u64) -> Option<bool> {
    let board = machine.boards.get(id).filter(|board| board.utilization.is_some())?;
    let (mut busy, mut known) = (board.busy?, board.utilization?.seen);
    for id in &holding.runners {
        let (_, runner) = runners.get(*id);
        let (seen, _) = runner.work_seen.filter(|(seen, _)| seen.saturating_add(LIVE) >= now)?;
        (busy, known) = (busy.max(runner.busy), known.min(seen));
    }
    // What came after the last readings is not known: silence is no rest.
    Some(busy.saturating_add(MINUTE) <= known)
}

/// What is told of a model over all GPUs that it holds.
fn per_model(
    holdings: &Holdings<'_>,
    runners: &Runners,
    energies: &Energies,
    now: u64,
    made: &mut Vec<Made>,
) {
    let mut models: BTreeMap<&Model, Vec<&Holding<'_>>> = BTreeMap::new();
    for ((_, model), holding) in holdings {
        models.entry(model).or_default().push(holding);
    }
    for (model, holdings) in models {
        let all: BTreeSet<_> = holdings.iter().flat_map(|holding| &holding.runners).collect();
        let tokens = all.iter().map(|id| runners.get(**id).1.tokens.rate(now)).sum::<Option<f64>>();
        let Some(tokens) = tokens else { continue };
        let identity = Identity { attributes: Vec::new(), ..holdings[0].identity.clone() };
        let mut make = |output, value| {
            made.push(Made::of((output, None, model.clone()), &identity, Value::Double(value)));
        };
        make(Output::GenerationRate, tokens / holdings.len() as f64);
        let wholes: BTreeSet<_> = holdings.iter().map(|holding| holding.whole).collect();
        let power = wholes.iter().map(|id| {
            let energy = energies.get(&((*id).clone(), model.clone()))?;
            energy.window.rate(now)
        });
        match power.sum::<Option<f64>>() {
            Some(power) if power > 0.0 && tokens > 0.0 => make(Output::EnergyPerToken, power / tokens),
            Some(_) | None => {}
        }
    }
}

fn sum(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    Some(left? + right?)
}
