use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::Doing;
use crate::relay::ask_to_end;
use crate::{Error, PATIENCE, Result};

/// How often a driver is started that ends before it is ready.
const ATTEMPTS: u32 = 3;

/// The program through which browsers are driven. Asked to end with this value, and with it end all its browsers.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    port: u16,
    /// Kept open, so that the driver can go on printing.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Driver {
    pub(crate) async fn start() -> Result<Self> {
        let program = find(&["chromedriver"]).ok_or(Error::NotInstalled("chromedriver"))?;
        // It takes a free port of IPv4 and ends if somebody has the same one of IPv6.
        let mut attempts_left = ATTEMPTS;
        loop {
            attempts_left -= 1;
            match Self::start_once(&program).await {
                Err(Error::NotReady { .. }) if attempts_left > 0 => {}
                started => return started,
            }
        }
    }

    async fn start_once(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .doing("start chromedriver")?;
        let output = process
            .stdout
            .take()
            .ok_or_else(|| not_ready("it has no output"))?;
        let mut output = BufReader::new(output).lines();
        let port = timeout(PATIENCE, port_from(&mut output))
            .await
            .map_err(|_| not_ready("it names no port"))??;
        Ok(Self {
            process,
            port,
            _output: output,
        })
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // A driver that is killed leaves its browsers behind; one that is asked closes them.
        if let Err(error) = ask_to_end(&self.process) {
            eprintln!("can't end chromedriver: {error}");
        }
    }
}

/// The browser that fits the driver.
pub(crate) fn browser_program() -> Result<PathBuf> {
    find(&["chromium", "google-chrome", "chromium-browser"]).ok_or(Error::NotInstalled("chromium"))
}

async fn port_from(output: &mut Lines<BufReader<ChildStdout>>) -> Result<u16> {
    let mut last = String::new();
    while let Some(line) = output.next_line().await.doing("read what chromedriver says")? {
        let port = line
            .split_once("started successfully on port ")
            .and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return Ok(port);
        }
        last = line;
    }
    Err(not_ready(&format!("it ended after {last:?}")))
}

fn not_ready(problem: &str) -> Error {
    Error::NotReady {
        program: "chromedriver",
        problem: problem.to_owned(),
    }
}

fn find(programs: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    programs
        .iter()
        .flat_map(|program| env::split_paths(&path).map(move |folder| folder.join(program)))
        .find(|candidate| candidate.is_file())
}
