//! Runs many histories on all cores; tells the first that breaks a rule, made short, and fails.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use simulator::{Failure, Kind, Mischief, Rule, seed_of};

#[derive(Parser)]
#[command(about = "Runs histories under a seeded scheduler, and fails if one breaks a rule.")]
struct Arguments {
    /// How many histories.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,
    /// Only histories of this kind; if left out, all kinds take turns.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Go on after a failure, and tell all of them, not made short; in the end, how many of which kind broke which promise.
    #[arg(long)]
    all: bool,
    /// Tell everything that happens, as it happens.
    #[arg(long)]
    trace: bool,
    /// Print the hash of each history.
    #[arg(long)]
    hashes: bool,
    /// Break a rule on purpose.
    #[arg(long, value_enum)]
    mischief: Option<Mischief>,
    /// Threads; as many as there are cores if left out.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    simulator::catch_panics();
    if arguments.trace {
        simulator::trace();
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(cores).max(1);
    let start = Instant::now();
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    let failures: Mutex<Vec<Box<Failure>>> = Mutex::new(Vec::new());
    let work = || {
        while !is_over.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= arguments.seeds {
                return;
            }
            let number = arguments.from + at;
            let seed = arguments
                .kind
                .map_or_else(|| seed_of(number), |kind| kind.seed(number));
            let outcome = if arguments.all {
                simulator::run(&seed, arguments.mischief).map_err(|broken| {
                    Box::new(Failure {
                        seed: seed.clone(),
                        broken,
                        acts: Vec::new(),
                    })
                })
            } else {
                simulator::run_and_shorten(&seed, arguments.mischief)
            };
            match outcome {
                Ok(story) if arguments.hashes => println!("{seed} {}", hex(&story)),
                Ok(_) => {}
                Err(failure) => {
                    tell(&failure);
                    is_over.store(!arguments.all, Ordering::Relaxed);
                    if let Ok(mut failures) = failures.lock() {
                        failures.push(failure);
                    }
                }
            }
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(1000) {
                progress(done, start);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    progress(done.load(Ordering::Relaxed), start);
    match failures.lock() {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) if arguments.all => {
            count(&failures);
            ExitCode::FAILURE
        }
        _ => ExitCode::FAILURE,
    }
}

/// Which seeds of which kind broke which promise.
fn count(failures: &[Box<Failure>]) {
    let mut seeds: BTreeMap<(Kind, Rule), Vec<&str>> = BTreeMap::new();
    for failure in failures {
        let key = (Kind::of(&failure.seed), failure.broken.rule);
        seeds.entry(key).or_default().push(&failure.seed);
    }
    for ((kind, rule), seeds) in seeds {
        let (count, seeds) = (seeds.len(), seeds.join(", "));
        println!("{kind:?} {rule:?} {count}: {seeds}");
    }
}

fn progress(done: u64, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let rate = done as f64 / seconds;
    println!("{done} histories in {seconds:.0} s: {rate:.1} a second");
}

fn tell(failure: &Failure) {
    println!("\nseed {}: {}", failure.seed, failure.broken);
    for act in &failure.acts {
        println!("  {act:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
