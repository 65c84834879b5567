use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::error::Result;
use crate::front_end;
use crate::layout::{Layout, Profile};
use crate::relay;

/// Builds what changed and becomes the relay. It prints its address when it is ready.
pub(crate) fn serve(layout: &Layout, listen: SocketAddr, data: &Path, profile: Profile) -> Result<()> {
    let app = front_end::build(layout, profile)?;
    let program = relay::build(layout, profile)?;
    println!("→ start the relay: data in {}, stop with Ctrl+C", data.display());
    let mut command = Command::new(program);
    command.arg("serve").arg("--listen").arg(listen.to_string());
    command.arg("--data").arg(data).arg("--app").arg(app);
    become_program(&mut command)
}

/// Signals must reach the relay, so that it ends cleanly: where the system can, this process turns into it.
#[cfg(unix)]
fn become_program(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(crate::step::start_error(command, error))
}

#[cfg(not(unix))]
fn become_program(command: &mut Command) -> Result<()> {
    crate::step::run(command)
}
