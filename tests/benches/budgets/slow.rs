//! A slower device: all of a browser's page processes get only a part of the time.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tests::Profile;

/// For how long the processes run before they are stopped again.
const RUN: Duration = Duration::from_millis(1);

/// How often new processes are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Slows the browser of a profile down for as long as it lives. DevTools' own slowdown spares workers, and in those is half of
/// the app.
pub(crate) struct Slowed {
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Slowed {
    /// `factor` 4 makes everything take four times as long.
    pub(crate) fn start(profile: &Profile, factor: u32) -> Self {
        let option = option(profile);
        let ending = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ending);
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let pages = processes_with(&option).unwrap_or_default();
                let looked = Instant::now();
                while looked.elapsed() < LOOK && !ends.load(Ordering::Relaxed) {
                    let running = Instant::now();
                    sleep(RUN);
                    let ran = running.elapsed();
                    signal(&pages, Signal::STOP);
                    sleep(ran * (factor - 1));
                    signal(&pages, Signal::CONT);
                }
            }
        });
        Self {
            ending,
            thread: Some(thread),
        }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            eprintln!("the browser may be stopped for good");
        }
    }
}

/// The processes in which the browser of a profile runs pages and workers.
pub(crate) fn page_processes(profile: &Profile) -> io::Result<Vec<Pid>> {
    processes_with(&option(profile))
}

/// The option by which the processes of a profile's browser are known.
fn option(profile: &Profile) -> String {
    format!("--user-data-dir={}", profile.path().display())
}

fn processes_with(option: &str) -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(process) = id.and_then(Pid::from_raw) else {
            continue;
        };
        // It may have ended since.
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let has = |wanted: &str| {
            words
                .split(|byte| matches!(byte, 0 | b' '))
                .any(|word| word == wanted.as_bytes())
        };
        if has("--type=renderer") && has(option) {
            found.push(process);
        }
    }
    Ok(found)
}

fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        // One that has ended in between needs none.
        kill_process(*process, signal).ok();
    }
}
