//! Measurements against the budgets: the real app in real browsers, the real relay under load. Each measurement is printed to
//! standard output as one line of JSON, which `cargo xtask bench` makes a table of; how it goes is told on standard error.
//!
//! ```sh
//! cargo xtask bench typing rooms
//! ```

mod app;
mod burst;
mod catchup;
mod classroom;
mod client;
mod flood;
mod idle;
mod keyboard;
mod long_page;
mod newcomer;
mod opening;
mod report;
mod room;
mod rooms;
mod screen;
mod server;
mod slow;
mod soak;
mod start;
mod statistics;
mod typing;
mod wire;

use std::error::Error;
use std::process::ExitCode;

use crate::report::Measurement;

/// Everything ends the measurement and is told.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const ALL: [&str; 12] = [
    "typing", "among", "opening", "soak", "screen", "wire", "start", "idle", "rooms", "burst", "catchup",
    "flood",
];

#[tokio::main]
async fn main() -> ExitCode {
    // Cargo adds options of its own.
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let names = if named.is_empty() {
        ALL.map(str::to_owned).to_vec()
    } else {
        named
    };
    for name in names {
        eprintln!("→ measure {name}");
        match measure(&name).await {
            Ok(measurements) => {
                for measurement in measurements {
                    println!("{}", measurement.to_json());
                }
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

async fn measure(name: &str) -> Result<Vec<Measurement>> {
    match name {
        "typing" => typing::measure().await,
        "among" => typing::measure_among().await,
        "opening" => opening::measure().await,
        "soak" => soak::measure().await,
        "screen" => screen::measure().await,
        "wire" => wire::measure().await,
        "start" => start::measure().await,
        "idle" => server::beside_relay(&[], async |server| idle::measure(server).await),
        "rooms" => server::beside_relay(&[], async |server| rooms::measure(server).await),
        // As fast as it goes is faster than anybody may.
        "burst" => server::beside_relay(&["--submissions-per-second", "100000"], async |server| {
            burst::measure(server).await
        }),
        "catchup" => server::beside_relay(&catchup::OPTIONS, catchup::measure),
        "flood" => server::beside_relay(&[], async |server| flood::measure(server).await),
        other => Err(format!("there is no benchmark named {other:?}; there are {ALL:?}").into()),
    }
}
