//! A socket that counts the bytes it took, so that a slow reader can be told from one that stands still; and that ends if
//! it takes none for too long, or takes what has its time for longer than that, or than others can wait.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::turns::Work;

/// How many bytes a socket has taken so far, and until when it may wait with more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    taken: AtomicU64,
    times: Mutex<Times>,
    /// Who waits for the socket to take more.
    writing: AtomicWaker,
}

/// Until when what is being written has to be taken: one answer may be behind another.
#[derive(Debug, Default)]
struct Times {
    next: u64,
    /// By number; without end if it reaches further than the clock.
    until: Vec<(u64, Option<Instant>)>,
}

/// The time for what is being written, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hurry {
    progress: Progress,
    number: u64,
    /// What the socket had taken before.
    before: u64,
}

impl Progress {
    pub(crate) fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// Gives so much time for what is written from now on, however steadily it goes.
    pub(crate) fn hurry(&self, time: Duration) -> Hurry {
        let mut times = self.0.times.lock();
        let number = times.next;
        times.next += 1;
        times.until.push((number, Instant::now().checked_add(time)));
        Hurry {
            progress: self.clone(),
            number,
            before: self.taken(),
        }
    }

    /// How long a write may wait from now on.
    fn patience(&self, patience: Duration) -> Duration {
        let times = self.0.times.lock();
        let until = times.until.iter().filter_map(|(_, until)| *until).min();
        until.map_or(patience, |until| {
            patience.min(until.saturating_duration_since(Instant::now()))
        })
    }

    fn add(&self, bytes: usize) {
        self.0.taken.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Work for Hurry {
    fn done(&self) -> u64 {
        self.progress.taken().saturating_sub(self.before)
    }

    /// What is not taken by now ends the connection.
    fn end(&self) {
        let mut times = self.progress.0.times.lock();
        let own = times.until.iter_mut().find(|(number, _)| *number == self.number);
        if let Some((_, until)) = own {
            *until = Some(Instant::now());
        }
        drop(times);
        self.progress.0.writing.wake();
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        let mut times = self.progress.0.times.lock();
        times.until.retain(|(number, _)| *number != self.number);
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Counted {
    stream: TcpStream,
    progress: Progress,
    /// How long a write may wait.
    patience: Duration,
    /// When the patience with the write that waits is over.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Counted {
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> (Self, Progress) {
        let progress = Progress::default();
        let counted = Self {
            stream,
            progress: progress.clone(),
            patience,
            waiting: None,
        };
        (counted, progress)
    }

    /// What a write came to; an error if it has waited for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.waiting = None;
            self.progress.add(*written.as_ref().unwrap_or(&0));
            return Poll::Ready(written);
        }
        self.progress.0.writing.register(context.waker());
        let patience = self.progress.patience(self.patience);
        if patience.is_zero() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        waiting
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
