//! Build, run, test and measure Meridian: `cargo xtask serve`, `cargo xtask test`, `cargo xtask bench`.

mod bench;
mod converge;
mod error;
mod front_end;
mod layout;
mod profile;
mod relay;
mod serve;
mod sim;
mod step;
mod test;
mod tools;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bench::Benchmark;
use crate::error::Result;
use crate::front_end::TrunkHook;
use crate::layout::Layout;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, run, test and measure Meridian.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build the app and the relay, and start the relay serving the app.
    Serve {
        /// Where the relay listens.
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
        /// The folder in which the relay keeps what it stores.
        #[arg(long, value_name = "DIR", default_value = "data")]
        data: PathBuf,
        /// Build fast instead of small and quick.
        #[arg(long)]
        debug: bool,
    },
    /// Run everything that CI runs.
    Test {
        /// Leave out everything that needs a browser.
        #[arg(long)]
        quick: bool,
        /// Fuzz every decoder and damage stores besides, each for a minute or `MERIDIAN_FUZZ_SECONDS`, and kill relays under
        /// load 50 or `MERIDIAN_KILLS` times.
        #[arg(long)]
        long: bool,
    },
    /// Run histories in the simulator.
    Sim {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, value_name = "S", default_value_t = 0)]
        from: u64,
    },
    /// Run histories of several editors on one page in a browser.
    Converge {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        seeds: u64,
        /// The first seed.
        #[arg(long, value_name = "S", default_value_t = 0)]
        from: u64,
    },
    /// Find out in a browser which functions run until a page is edited, and remember it in `app/rest/marks`: the others are
    /// loaded later. To be done when the first load has grown, or has become slow.
    Profile,
    /// Measure against the budgets.
    Bench {
        /// What to measure; everything if left out.
        #[arg(value_enum)]
        benchmarks: Vec<Benchmark>,
    },
    /// What trunk calls while it builds (see Trunk.toml).
    #[command(hide = true)]
    TrunkHook {
        #[arg(value_enum)]
        hook: TrunkHook,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let layout = Layout::find()?;
    match task {
        Task::Serve { listen, data, debug } => serve::serve(&layout, listen, &data, debug.into()),
        Task::Test { quick, long } => test::test(&layout, quick, long),
        Task::Sim { seeds, from } => sim::sim(&layout, seeds, from),
        Task::Converge { seeds, from } => converge::converge(&layout, seeds, from),
        Task::Profile => profile::profile(&layout),
        Task::Bench { benchmarks } => bench::bench(&layout, &benchmarks),
        Task::TrunkHook { hook } => front_end::trunk_hook(&layout, hook),
    }
}
