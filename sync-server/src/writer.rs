//! The one thread that writes: takes whatever has queued up as one batch, and commits it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::Error;
use crate::clock::seconds;
use crate::core::Shared;
use crate::core::batch::{Batch, Job};

/// Jobs that may wait; whoever has another one waits with it.
const QUEUE: usize = 1024;

/// What the thread is told.
enum Call {
    Take(Job),
    /// Only wakes it.
    Wake,
}

/// Hands jobs to the writer.
#[derive(Clone)]
pub(crate) struct Queue {
    calls: mpsc::Sender<Call>,
    /// Whether the last commit failed.
    failing: Arc<AtomicBool>,
}

impl Queue {
    /// Waits until there is room. Gives the job back if the writer is gone.
    pub(crate) async fn put(&self, job: Job) -> Result<(), Job> {
        match self.calls.send(Call::Take(job)).await {
            Err(mpsc::error::SendError(Call::Take(job))) => Err(job),
            Ok(()) | Err(mpsc::error::SendError(Call::Wake)) => Ok(()),
        }
    }

    /// Whether the writer runs and its last commit worked.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.calls.is_closed() && !self.failing.load(Ordering::Relaxed)
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Writer {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
    calls: mpsc::Sender<Call>,
}

impl Writer {
    /// Starts the thread. Must be called in a runtime, which it wakes connections in.
    pub(crate) fn start(shared: Arc<Shared>) -> Result<(Self, Queue), Error> {
        let (calls, receiver) = mpsc::channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let failing = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn({
                let (stop, failing) = (Arc::clone(&stop), Arc::clone(&failing));
                let runtime = Handle::current();
                move || run(&shared, receiver, &runtime, &stop, &failing)
            })
            .map_err(|source| Error::Io {
                doing: "start the writer",
                source,
            })?;
        Ok((
            Self {
                thread,
                stop,
                calls: calls.clone(),
            },
            Queue { calls, failing },
        ))
    }

    /// Waits until all jobs are done; every [`Queue`] must be gone. Blocks.
    pub(crate) fn finish(self) -> Result<(), Error> {
        drop(self.calls);
        self.thread.join().map_err(|_| Error::Ended("the writer"))
    }

    /// Stops after the commit that runs now, as a crash would.
    pub(crate) fn stop(self) -> Result<(), Error> {
        self.stop.store(true, Ordering::Relaxed);
        // If the queue is full or closed, the writer is awake or gone already.
        drop(self.calls.try_send(Call::Wake));
        self.finish()
    }
}

fn run(
    shared: &Shared,
    mut calls: mpsc::Receiver<Call>,
    runtime: &Handle,
    stop: &AtomicBool,
    failing: &AtomicBool,
) {
    // What had to wait for the commit before.
    let mut left = None;
    while let Some(first) = left.take().or_else(|| calls.blocking_recv()) {
        let mut batch = Batch::new(shared, seconds());
        let mut next = Some(first);
        while let Some(call) = next {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if let Call::Take(job) = call {
                left = batch.take(job).map(Call::Take);
            }
            next = if left.is_some() || batch.is_full() {
                None
            } else {
                calls.try_recv().ok()
            };
        }
        let (to_wake, committed) = batch.commit();
        // One call into the runtime instead of one for each: waking a task from outside is dear.
        runtime.spawn(async move {
            for inbox in to_wake {
                inbox.wake();
            }
        });
        match committed {
            Ok(()) => failing.store(false, Ordering::Relaxed),
            Err(error) => {
                failing.store(true, Ordering::Relaxed);
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
            }
        }
    }
}
