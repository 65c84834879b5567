use std::path::PathBuf;

use crate::error::Result;
use crate::layout::{Layout, Profile};
use crate::step::{cargo, run, step};

/// Builds the relay and returns the path of its program.
pub(crate) fn build(layout: &Layout, profile: Profile) -> Result<PathBuf> {
    step(&format!("build the relay ({})", profile.name()), || {
        let mut command = cargo(layout.root());
        command.args(["build", "--package", "sync-server", "--locked"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        run(&mut command)
    })?;
    let name = format!("sync-server{}", std::env::consts::EXE_SUFFIX);
    Ok(layout.target().join(profile.name()).join(name))
}
