//! Does faults to a collector under load, and tells what became of every point. `faults [NAME...] [OPTIONS]`.
//!
//! ```text
//! faults --list             what there is
//! faults                    everything, once
//! faults kill --times 20    one of them, with 20 seeds
//! faults kill --seed 7      the same moment again
//! faults --short            as short as in the tests
//! faults rivals             the same outage for this collector, Prometheus and vmagent
//! ```

use std::process::ExitCode;

use integration::faults::{self, Fault, Scale};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let all = faults::all();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("| fault | what is done | what may come of it |\n|---|---|---|");
        for fault in &all {
            println!("| `{}` | {} | {}; {} |", fault.name, fault.does, fault.loss, fault.doubles);
        }
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "rivals") {
        let is_short = arguments.iter().any(|argument| argument == "--short");
        let (table, is_good) = faults::rivals(if is_short { Scale::Short } else { Scale::Full }).await;
        println!("{table}");
        return if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match Order::read(&arguments, &all) {
        Ok(order) => order.run().await,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

struct Order {
    faults: Vec<Fault>,
    seed: u64,
    times: u64,
    scale: Scale,
}

impl Order {
    fn read(arguments: &[String], all: &[Fault]) -> Result<Self, String> {
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = clock.map_or(1, |since| since.as_secs());
        let mut order = Self { faults: Vec::new(), seed, times: 1, scale: Scale::Full };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let number = arguments.next().and_then(|text| text.parse().ok());
                number.ok_or_else(|| format!("`{argument}` needs a number"))
            };
            match argument.as_str() {
                "--seed" => order.seed = number()?,
                "--times" => order.times = number()?,
                "--short" => order.scale = Scale::Short,
                name => {
                    let named = all.iter().filter(|fault| fault.name == name || is_prefix(name, fault.name));
                    let before = order.faults.len();
                    order.faults.extend(named);
                    if order.faults.len() == before {
                        return Err(format!("no fault is called `{name}`; `--list` tells what there is"));
                    }
                }
            }
        }
        if order.faults.is_empty() {
            order.faults = all.to_vec();
        }
        Ok(order)
    }

    async fn run(self) -> ExitCode {
        let mut is_good = true;
        println!("{}", faults::heading());
        for fault in &self.faults {
            for turn in 0..self.times {
                let verdict = faults::run(*fault, self.scale, self.seed + turn).await;
                println!("{}", verdict.row(fault.name));
                is_good &= verdict.is_good();
            }
        }
        if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// `disk` stands for `disk-full` and all the others.
fn is_prefix(name: &str, fault: &str) -> bool {
    fault.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
}
