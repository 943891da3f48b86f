//! The binary: reads the command line, does what it says, and ends with an exit code.
//!
//! 0 means done, 1 means it failed while running, 2 means the command line or the configuration is
//! wrong.

mod admin;
mod cli;
mod collector;
mod commands;
mod components;
mod effective;
mod elsewhere;
mod facade;
mod health;
mod lasting;
mod located;
mod logging;
mod mappings;
mod merging;
mod plan;
mod process;
mod reload;
mod service;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

use cli::Command;

// Gives memory back after a burst, where glibc keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Huge pages would turn a few scattered kilobytes into megabytes; where they cannot be had, nothing is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let arguments = cli::Arguments::parse();
    match arguments.command.unwrap_or(Command::Run(arguments.run)) {
        Command::Run(run) => commands::run(run),
        Command::Validate(validate) => commands::validate(&validate),
        Command::PrintConfig(source) => commands::print_config(&source),
        Command::Discover(discover) => commands::discover(&discover),
        Command::Components { name } => commands::components(name.as_deref()),
        Command::Map(map) => commands::map(&map),
        Command::Schemas { name, instance } => commands::schemas(name.as_deref(), &instance),
        Command::Explain { metric, instance } => commands::explain(&metric, &instance),
        Command::DemoRunner { name } => commands::demo_runner(&name),
    }
}
