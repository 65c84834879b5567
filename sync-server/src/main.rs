//! The relay's command line.

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use sync_server::{Error, Settings};
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
    Serve(Serve),
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
    /// The data folder was put back from a backup: all clients fetch everything once more. Give it for the first start
    /// after that only; without it they would miss what is written from now on.
    #[arg(long)]
    restored: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let Command::Serve(arguments) = Arguments::parse().command;
    match serve(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot go on");
            ExitCode::FAILURE
        }
    }
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
