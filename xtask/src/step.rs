use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// Does one thing, saying what it is and how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("→ {name}");
    let start = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "✓" } else { "✗" };
    println!("{verdict} {name} ({})", Seconds(start.elapsed()));
    result
}

/// Runs a command to its end; what it prints goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|source| start_error(command, source))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: show(command),
            status,
        })
    }
}

/// Runs a command and returns what it wrote to standard output; its errors go to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| start_error(command, source))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Failed {
            command: show(command),
            status: output.status,
        })
    }
}

/// The cargo that runs this, in the root of the checkout.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// A duration as a person reads it.
pub(crate) struct Seconds(pub(crate) Duration);

impl Display for Seconds {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 60.0 {
            write!(formatter, "{seconds:.1} s")
        } else {
            write!(
                formatter,
                "{:.0} min {:02.0} s",
                (seconds / 60.0).floor(),
                seconds % 60.0
            )
        }
    }
}

pub(crate) fn start_error(command: &Command, source: std::io::Error) -> Error {
    Error::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_arguments() {
        let error = run(Command::new("cargo").arg("no-such-command").stderr(Stdio::null())).unwrap_err();
        assert!(
            error.to_string().contains("`cargo no-such-command` failed"),
            "{error}"
        );
    }

    #[test]
    fn minutes_are_shown_as_minutes() {
        assert_eq!(Seconds(Duration::from_millis(1250)).to_string(), "1.2 s");
        assert_eq!(Seconds(Duration::from_secs(125)).to_string(), "2 min 05 s");
    }
}
