//! How a relay runs.

use std::path::PathBuf;
use std::time::Duration;

use protocol::frame::MAX_MESSAGE;

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the store lives; created if it is not there.
    pub data: PathBuf,
    /// The built app, to be served as static files.
    pub app: Option<PathBuf>,
    /// The origins that browsers reach this relay at, such as `https://relay.example`. If empty, they follow from
    /// the address it listens on.
    pub origins: Vec<String>,
    /// If set, only who knows it can found a classroom here.
    pub found_token: Option<String>,
    pub limits: Limits,
}

impl Settings {
    /// A relay on `data` that serves no app and lets anybody found classrooms.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            app: None,
            origins: Vec::new(),
            found_token: None,
            limits: Limits::default(),
        }
    }
}

/// What one relay takes at most.
#[derive(Debug, Clone)]
pub struct Limits {
    pub connections: usize,
    /// Classrooms that one connection has open.
    pub channels: usize,
    /// Bytes of one message of a client.
    pub message: usize,
    /// From connecting to the answered challenge.
    pub handshake: Duration,
    /// Without any message of the client; it pings every 20 s or so.
    pub idle: Duration,
    /// Without the socket taking a single byte although some wait.
    pub stalled: Duration,
    /// Submissions of one connection that wait for their answer; more are not read from the socket.
    pub unanswered: usize,
    /// Whispers that wait for one connection; the oldest are dropped.
    pub whispers: usize,
    /// Whispers that one connection may send in a second; a burst may be twice that. More are dropped.
    pub whispers_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 8192,
            channels: 64,
            message: MAX_MESSAGE,
            handshake: Duration::from_secs(15),
            idle: Duration::from_secs(65),
            stalled: Duration::from_secs(30),
            unanswered: 4096,
            whispers: 64,
            whispers_per_second: 40,
        }
    }
}
