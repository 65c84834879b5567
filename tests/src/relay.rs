use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::Doing;
use crate::{Error, PATIENCE, Result};

const NAME: &str = "the relay";

/// A relay: the real program, with a data folder of its own that outlives its restarts.
#[derive(Debug)]
pub struct Relay {
    program: PathBuf,
    app: PathBuf,
    data: TempDir,
    options: Vec<String>,
    address: SocketAddr,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    /// Kept open, so that the relay can go on printing.
    _output: BufReader<ChildStdout>,
}

impl Relay {
    /// Starts one on a free port. `options` are further ones of `sync-server serve`, for example `--origin`.
    ///
    /// # Errors
    /// If it is not built, or does not say that it listens.
    pub async fn start(options: &[String]) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("meridian-relay-").tempdir();
        let mut relay = Self {
            program: built("MERIDIAN_RELAY", "target/release/sync-server")?,
            app: built("MERIDIAN_APP", "dist/release")?,
            data: data.doing("make a data folder")?,
            options: options.to_vec(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            running: None,
        };
        relay.start_again().await?;
        Ok(relay)
    }

    /// Starts it again where it was before, after [`Relay::kill`] or [`Relay::stop`].
    ///
    /// # Errors
    /// If it does not say that it listens.
    pub async fn start_again(&mut self) -> Result<()> {
        let mut process = Command::new(&self.program)
            .arg("serve")
            .args(["--listen", &self.address.to_string()])
            .arg("--data")
            .arg(self.data.path())
            .arg("--app")
            .arg(&self.app)
            .args(&self.options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .doing("start the relay")?;
        let output = process
            .stdout
            .take()
            .ok_or_else(|| not_ready("it has no output"))?;
        let mut output = BufReader::new(output);
        self.address = listening_address(&mut output).await?;
        self.running = Some(Running {
            process,
            _output: output,
        });
        Ok(())
    }

    /// The folder of the app that it serves.
    pub fn app(&self) -> &Path {
        &self.app
    }

    /// Serves the app in another folder from the next start on.
    pub fn serve(&mut self, app: PathBuf) {
        self.app = app;
    }

    /// Gives one of its options another value from the next start on.
    pub fn change(&mut self, option: &str, value: &str) {
        if let Some(given) = self.options.iter().position(|given| given == option)
            && let Some(before) = self.options.get_mut(given + 1)
        {
            value.clone_into(before);
        }
    }

    /// Ends it as a power cut does (SIGKILL).
    ///
    /// # Errors
    /// If the system can't.
    pub async fn kill(&mut self) -> Result<()> {
        match self.running.take() {
            Some(mut running) => running.process.kill().await.doing("kill the relay"),
            None => Ok(()),
        }
    }

    /// Asks it to end (SIGTERM) and waits until it did.
    ///
    /// # Errors
    /// If it does not, or not with success.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        ask_to_end(&running.process).doing("stop the relay")?;
        let ended = timeout(PATIENCE, running.process.wait()).await;
        let status = ended
            .map_err(|_| Error::Waited {
                what: "the relay ends when asked".to_owned(),
                waited: PATIENCE,
            })?
            .doing("wait for the relay")?;
        if status.success() {
            Ok(())
        } else {
            Err(not_ready(&format!("it ended with {status}")))
        }
    }

    /// Runs `sync-server bundle` with this act, `export` or `import`, on its data folder and this file.
    ///
    /// # Errors
    /// If the program does not end with success.
    pub async fn bundle(&self, act: &str, file: &Path) -> Result<()> {
        let mut command = Command::new(&self.program);
        command
            .args(["bundle", act, "--data"])
            .arg(self.data.path())
            .arg(file);
        let output = command.output().await.doing("carry a bundle")?;
        if output.status.success() {
            Ok(())
        } else {
            Err(not_ready(&String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// Where it listens: the same port for its whole life.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, for measurements; nothing if it does not run.
    pub fn process_id(&self) -> Option<u32> {
        self.running.as_ref()?.process.id()
    }

    /// The folder with everything it stores.
    pub fn data(&self) -> &Path {
        self.data.path()
    }
}

/// Sends SIGTERM, if the process still runs.
pub(crate) fn ask_to_end(process: &Child) -> std::io::Result<()> {
    let id = process
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    id.map_or(Ok(()), |id| Ok(kill_process(id, Signal::TERM)?))
}

async fn listening_address(output: &mut BufReader<ChildStdout>) -> Result<SocketAddr> {
    let mut line = String::new();
    timeout(PATIENCE, output.read_line(&mut line))
        .await
        .map_err(|_| not_ready("it says nothing"))?
        .doing("read what the relay says")?;
    line.trim()
        .strip_prefix("listening on http://")
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| not_ready(&format!("its first line is {line:?}")))
}

fn not_ready(problem: &str) -> Error {
    Error::NotReady {
        program: NAME,
        problem: problem.to_owned(),
    }
}

/// What the environment names, or what `cargo xtask serve` leaves in the checkout.
fn built(variable: &str, default: &str) -> Result<PathBuf> {
    let path = env::var_os(variable).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(default),
        PathBuf::from,
    );
    if path.exists() {
        Ok(path)
    } else {
        Err(Error::NotBuilt(path))
    }
}
