//! How a relay runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use protocol::frame::MAX_MESSAGE;

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the store lives; created if it is not there.
    pub data: PathBuf,
    /// The machine was put back to an earlier state while the relay ran, so that positions may have been given out twice:
    /// all clients compare once. A store that was put back between two starts shows by itself.
    pub restored: bool,
    /// The built app, to be served as static files.
    pub app: Option<PathBuf>,
    /// The origins that browsers reach this relay at, such as `https://relay.example`. If empty, they follow from
    /// the address it listens on.
    pub origins: Vec<String>,
    /// If set, only who knows it can found a classroom here.
    pub found_token: Option<String>,
    /// Addresses of proxies: each speaks for many, so connections from it are not counted by address.
    pub proxies: Vec<IpAddr>,
    pub limits: Limits,
}

impl Settings {
    /// A relay on `data` that serves no app, lets anybody found classrooms, and takes this machine for a proxy.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            restored: false,
            app: None,
            origins: Vec::new(),
            found_token: None,
            proxies: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            limits: Limits::default(),
        }
    }
}

/// How many of something in a second, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub at_once: u32,
}

/// What one relay takes at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub connections: usize,
    /// Connections from one address, or one /64 network of IPv6. A whole school may share one.
    pub connections_per_address: usize,
    /// Connections of one member.
    pub connections_per_member: usize,
    /// Classrooms that one connection has open.
    pub channels: usize,
    /// Bytes of one message of a client.
    pub message: usize,
    /// For the head of a request to come, from when the connection begins or the answer before it was given.
    pub request_head: Duration,
    /// From connecting to the answered challenge.
    pub handshake: Duration,
    /// For a whole `POST /sync` to come.
    pub exchange: Duration,
    /// Of those, how many are answered at once: each holds its answer in memory.
    pub exchanges: usize,
    /// How long others wait for their turn, or for one to bring or to get a chunk.
    pub exchange_turn: Duration,
    /// Without an open classroom, however much the client says: anybody can answer the challenge.
    pub unopened: Duration,
    /// Without any message of the client. One that is well whispers every 15 s, and pings when it has heard nothing
    /// for as long; in a tab in the background a browser may hold both back for a minute.
    pub idle: Duration,
    /// For a whole chunk of an attachment to come, or to go. Over a slow link that takes minutes.
    pub chunk: Duration,
    /// Chunks that are brought at once: in all, of one classroom, and by one member. Each is in memory meanwhile.
    pub chunks_brought: usize,
    pub chunks_brought_per_classroom: usize,
    pub chunks_brought_per_member: usize,
    /// Chunks that are given at once: in all, and to one address.
    pub chunks_given: usize,
    pub chunks_given_per_address: usize,
    /// Without the socket taking a single byte although some wait, or without a byte of a chunk that is to come.
    pub stalled: Duration,
    /// For hearing why the connection ends.
    pub farewell: Duration,
    /// Submissions of one connection that wait for their answer; more are not read from the socket.
    pub unanswered: usize,
    /// Items that one member submits, over all connections; more are refused. A class that comes back from a week
    /// without a connection, or brings back what a relay lost, has room in what may come at once.
    pub submissions: Rate,
    /// What one connection asks besides: opening, closing, inventories, fetching, pings. More end it.
    pub requests: Rate,
    /// Bytes of memory for what one connection may leave out of the segments it sends, over all its channels: some 200
    /// for each log, and 32 for each roster head that the log's last segment named.
    pub remembered: usize,
    /// Bytes of all that is kept of one classroom.
    pub classroom_bytes: u64,
    /// Documents of one classroom.
    pub classroom_documents: usize,
    /// Roster entries of one classroom.
    pub classroom_entries: usize,
    /// Bytes of roster entries in which one member says where their own logs end.
    pub member_cutoffs: usize,
    /// Segments that a document may get before a member is asked for a snapshot.
    pub snapshot_after: u64,
    /// How long segments are kept that a confirmed snapshot holds; for ever if not stated.
    pub retention: Option<Duration>,
    /// How long segments are kept that a fold took the place of, in case that it holds something else.
    pub covered: Duration,
    /// Up to how many bytes the store is written anew after something was erased, so that nothing of that is left between what is
    /// there: nobody's work is stored meanwhile.
    pub rewritten_bytes: u64,
    /// Whispers that wait for one connection; the oldest are dropped.
    pub whispers: usize,
    /// Whispers that one connection may send in a second; a burst may be twice that. More are dropped.
    pub whispers_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1024,
            connections_per_member: 256,
            channels: 64,
            message: MAX_MESSAGE,
            request_head: Duration::from_secs(15),
            handshake: Duration::from_secs(15),
            exchange: Duration::from_secs(120),
            exchanges: 64,
            exchange_turn: Duration::from_secs(15),
            unopened: Duration::from_secs(60),
            idle: Duration::from_secs(65),
            chunk: Duration::from_secs(15 * 60),
            chunks_brought: 128,
            chunks_brought_per_classroom: 32,
            chunks_brought_per_member: 8,
            chunks_given: 256,
            chunks_given_per_address: 64,
            stalled: Duration::from_secs(30),
            farewell: Duration::from_secs(5),
            unanswered: 4096,
            submissions: Rate {
                per_second: 200,
                at_once: 4000,
            },
            requests: Rate {
                per_second: 50,
                at_once: 1000,
            },
            remembered: 1024 * 1024,
            classroom_bytes: 4 * 1024 * 1024 * 1024,
            classroom_documents: 20_000,
            classroom_entries: 20_000,
            member_cutoffs: 512 * 1024,
            snapshot_after: 4096,
            retention: None,
            covered: Duration::from_secs(30 * 24 * 60 * 60),
            rewritten_bytes: 256 * 1024 * 1024,
            whispers: 64,
            whispers_per_second: 40,
        }
    }
}
