//! The relay's command line.

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use protocol::ClassroomId;
use sync_server::{Error, Limits, Rate, Settings, bundle};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Meridian's relay: stores and forwards what it cannot read.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the relay until it is told to stop.
    Serve(Box<Serve>),
    /// Carries classrooms in files, which hold no more than a relay knows: nothing in them can be read.
    #[command(subcommand)]
    Bundle(Bundle),
}

#[derive(Subcommand)]
enum Bundle {
    /// Writes what a data folder holds to a file. A relay may run on the folder meanwhile. Of a damaged store everything that
    /// is whole is written, and what is not is told.
    Export {
        /// The relay's data folder.
        #[arg(long, value_name = "FOLDER", default_value = "data")]
        data: PathBuf,
        /// A classroom, by its id in hexadecimal digits; all if none is given. May be given more than once.
        #[arg(long, value_name = "ID", value_parser = classroom)]
        classroom: Vec<ClassroomId>,
        /// The file to write.
        file: PathBuf,
    },
    /// Takes what a file holds into a data folder, each item after the same checks as on the wire. No relay may run on
    /// the folder. What is there already changes nothing, and of a damaged file everything that is whole is taken. Whoever
    /// imports vouches, as a lead would, for what was written too late for the relay to tell; how many such items came in
    /// is told by reason. A file is written in an order in which one pass does; one in which everything comes before what it
    /// builds on is read once more for each 16 MB of it.
    Import {
        /// The relay's data folder; made if it is not there.
        #[arg(long, value_name = "FOLDER", default_value = "data")]
        data: PathBuf,
        /// The file to read.
        file: PathBuf,
        #[command(flatten)]
        limits: Box<LimitOptions>,
    },
    /// Tells what a file holds, and what of it is damaged.
    Inspect {
        /// The file to read.
        file: PathBuf,
    },
}

fn classroom(id: &str) -> Result<ClassroomId, &'static str> {
    ClassroomId::from_hex(id).ok_or("not 64 hexadecimal digits")
}

#[derive(Args)]
struct Serve {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The folder that holds everything; made if it is not there.
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// The folder of the built app, to be served, too.
    #[arg(long, value_name = "FOLDER")]
    app: Option<PathBuf>,
    /// An origin that browsers reach this relay at, such as https://relay.example. May be given more than once.
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// Only who knows this can found a classroom here. Better given by the environment: others on the machine can read
    /// arguments.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "MERIDIAN_FOUND_TOKEN",
        hide_env_values = true,
        value_parser = NonEmptyStringValueParser::new()
    )]
    found_token: Option<String>,
    /// A proxy that speaks for many: connections from it are not limited by address, as those from this machine are
    /// not. May be given more than once.
    #[arg(long, value_name = "ADDRESS")]
    proxy: Vec<IpAddr>,
    /// The whole machine was put back to an earlier state while the relay ran: all clients compare what they have. Give it
    /// for one start only. A data folder that was put back from a backup shows by itself.
    #[arg(long)]
    restored: bool,
    #[command(flatten)]
    limits: LimitOptions,
}

/// What the relay takes at most.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitOptions {
    /// Connections at once.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections)]
    connections: usize,
    /// Connections at once from one address, or one /64 network of IPv6. A whole school may share one.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections_per_address)]
    connections_per_address: usize,
    /// Connections at once of one member.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections_per_member)]
    connections_per_member: usize,
    /// Classrooms that one connection has open.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().channels)]
    channels: usize,
    /// Bytes of one message of a client.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().message)]
    message_bytes: usize,
    /// How long the head of a request may take to come.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().request_head.as_secs())]
    request_head: u64,
    /// How long a client may take to answer the challenge.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().handshake.as_secs())]
    handshake: u64,
    /// How long a `POST /sync` may take to come.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().exchange.as_secs())]
    exchange: u64,
    /// How many `POST /sync` are answered at once.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().exchanges)]
    exchanges: usize,
    /// How long others wait for their turn, or for one to bring or to get a chunk.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().exchange_turn.as_secs())]
    exchange_turn: u64,
    /// How long a connection may have no classroom open.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().unopened.as_secs())]
    unopened: u64,
    /// How long a client may say nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().idle.as_secs())]
    idle: u64,
    /// How long a chunk of an attachment may take to come, or to go.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().chunk.as_secs())]
    chunk: u64,
    /// How many chunks of attachments are brought at once: each is in memory meanwhile.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().chunks_brought)]
    chunks_brought: usize,
    /// How many of these are of one classroom.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().chunks_brought_per_classroom)]
    chunks_brought_per_classroom: usize,
    /// How many of these one member brings.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().chunks_brought_per_member)]
    chunks_brought_per_member: usize,
    /// How many chunks are given at once: each is in memory meanwhile.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().chunks_given)]
    chunks_given: usize,
    /// How many of these go to one address, or one /64 network of IPv6.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().chunks_given_per_address)]
    chunks_given_per_address: usize,
    /// How long a client may take nothing of what waits for it, or bring nothing of a chunk that is to come.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().stalled.as_secs())]
    stalled: u64,
    /// How long a client has for hearing why its connection ends.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().farewell.as_secs())]
    farewell: u64,
    /// Submissions of one connection that wait for their answer.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().unanswered)]
    unanswered: usize,
    /// Items that one member submits in a second, over all connections.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().submissions.per_second)]
    submissions_per_second: u32,
    /// Items that one member submits at once after a pause.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().submissions.at_once)]
    submissions_at_once: u32,
    /// Other requests of one connection in a second: opening, closing, inventories, fetching, pings.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().requests.per_second)]
    requests_per_second: u32,
    /// Other requests of one connection at once after a pause.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().requests.at_once)]
    requests_at_once: u32,
    /// Bytes of memory for what one connection may leave out of the segments it sends: some 200 for each log, and 32 for
    /// each roster head that the log's last segment named.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().remembered)]
    remembered_bytes: usize,
    /// Whispers that wait for one connection; of more the oldest are dropped.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().whispers)]
    whispers_waiting: usize,
    /// Whispers of one connection in a second.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().whispers_per_second)]
    whispers_per_second: u32,
    /// Bytes of all that is kept of one classroom.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().classroom_bytes)]
    classroom_bytes: u64,
    /// Documents of one classroom.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().classroom_documents)]
    classroom_documents: usize,
    /// Roster entries of one classroom.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().classroom_entries)]
    classroom_entries: usize,
    /// Bytes of the roster entries in which one member speaks of their own logs, extending or leaving; each counts for 8 KiB at
    /// least.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().member_cutoffs)]
    member_cutoffs: usize,
    /// Segments that a document may get before a member is asked for a snapshot.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().snapshot_after)]
    snapshot_after: u64,
    /// How long segments are kept that a confirmed snapshot holds; for ever if not given.
    #[arg(long, value_name = "DAYS")]
    retention: Option<u32>,
    /// How long segments are kept, beside all else and up to as many bytes again, that their author put one in the place
    /// of: somebody may find that it holds something else.
    #[arg(long, value_name = "DAYS", default_value_t = days(Limits::default().covered))]
    covered: u32,
    /// Up to how many bytes the store is written anew within ten minutes after something was erased, so that no copy of that is
    /// left between what is there. Nobody's work is stored meanwhile, for seconds, or with gigabytes for minutes; it takes three times
    /// the room for as long.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().rewritten_bytes)]
    rewritten_bytes: u64,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn days(time: Duration) -> u32 {
    u32::try_from(time.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX)
}

impl LimitOptions {
    fn limits(&self) -> Limits {
        Limits {
            connections: self.connections,
            connections_per_address: self.connections_per_address,
            connections_per_member: self.connections_per_member,
            channels: self.channels,
            message: self.message_bytes,
            request_head: Duration::from_secs(self.request_head),
            handshake: Duration::from_secs(self.handshake),
            exchange: Duration::from_secs(self.exchange),
            exchanges: self.exchanges,
            exchange_turn: Duration::from_secs(self.exchange_turn),
            unopened: Duration::from_secs(self.unopened),
            idle: Duration::from_secs(self.idle),
            chunk: Duration::from_secs(self.chunk),
            chunks_brought: self.chunks_brought,
            chunks_brought_per_classroom: self.chunks_brought_per_classroom,
            chunks_brought_per_member: self.chunks_brought_per_member,
            chunks_given: self.chunks_given,
            chunks_given_per_address: self.chunks_given_per_address,
            stalled: Duration::from_secs(self.stalled),
            farewell: Duration::from_secs(self.farewell),
            unanswered: self.unanswered,
            submissions: Rate {
                per_second: self.submissions_per_second,
                at_once: self.submissions_at_once,
            },
            requests: Rate {
                per_second: self.requests_per_second,
                at_once: self.requests_at_once,
            },
            remembered: self.remembered_bytes,
            whispers: self.whispers_waiting,
            whispers_per_second: self.whispers_per_second,
            classroom_bytes: self.classroom_bytes,
            classroom_documents: self.classroom_documents,
            classroom_entries: self.classroom_entries,
            member_cutoffs: self.member_cutoffs,
            snapshot_after: self.snapshot_after,
            retention: self.retention.map(|days| DAY * days),
            covered: DAY * self.covered,
            rewritten_bytes: self.rewritten_bytes,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = match Arguments::parse().command {
        Command::Serve(arguments) => serve(*arguments).await.map(|()| ExitCode::SUCCESS),
        Command::Bundle(command) => tokio::task::spawn_blocking(|| carry(command))
            .await
            .unwrap_or(Err(Error::Ended("carrying a bundle"))),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot go on");
            ExitCode::FAILURE
        }
    }
}

/// What a script is told about a file or a store that was read, but is not whole.
const NOT_WHOLE: u8 = 3;

fn carry(command: Bundle) -> Result<ExitCode, Error> {
    let (report, is_whole) = match command {
        Bundle::Export {
            data,
            classroom,
            file,
        } => {
            let exported = bundle::export(&data, &classroom, &file)?;
            (exported.to_string(), exported.damaged == 0)
        }
        Bundle::Import { data, file, limits } => {
            let imported = bundle::import(&data, limits.limits(), &file)?;
            (imported.to_string(), imported.complete)
        }
        Bundle::Inspect { file } => {
            let inspected = bundle::inspect(&file)?;
            (inspected.to_string(), inspected.summary.complete)
        }
    };
    writeln!(std::io::stdout(), "{report}").map_err(|source| Error::Io {
        doing: "tell what was done",
        source,
    })?;
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(NOT_WHOLE)
    })
}

async fn serve(arguments: Serve) -> Result<(), Error> {
    let io = |doing| move |source| Error::Io { doing, source };
    let mut terminate = signal(SignalKind::terminate()).map_err(io("wait for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("wait for signals"))?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(io("listen"))?;
    let mut settings = Settings {
        restored: arguments.restored,
        app: arguments.app,
        origins: arguments.origin,
        found_token: arguments.found_token,
        limits: arguments.limits.limits(),
        ..Settings::new(arguments.data)
    };
    settings.proxies.extend(arguments.proxy);
    let relay = sync_server::start(listener, settings).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", relay.origin())
        .and_then(|()| stdout.flush())
        .map_err(io("say where it listens"))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    relay.shut_down().await
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};
    use sync_server::Limits;

    use super::{Arguments, Command};

    fn limits(options: &[&str]) -> Limits {
        let arguments = ["sync-server", "serve"].iter().chain(options);
        match Arguments::try_parse_from(arguments).unwrap().command {
            Command::Serve(serve) => serve.limits.limits(),
            Command::Bundle(_) => unreachable!("asked to serve"),
        }
    }

    /// That each limit has an option the compiler sees to: `limits` takes none from the defaults.
    #[test]
    fn each_option_sets_a_limit_and_without_them_all_are_as_stated() {
        assert_eq!(limits(&[]), Limits::default());
        let command = Arguments::command();
        let serve = command.find_subcommand("serve").unwrap();
        let options: Vec<_> = serve
            .get_arguments()
            .filter(|option| option.get_help_heading() == Some("Limits"))
            .map(|option| format!("--{}", option.get_long().unwrap()))
            .collect();
        let mut seen = vec![Limits::default()];
        for option in &options {
            let set = limits(&[option, "7"]);
            assert!(!seen.contains(&set), "{option}");
            seen.push(set);
        }
        assert!(options.contains(&"--exchange-turn".to_owned()), "{options:?}");
    }
}
