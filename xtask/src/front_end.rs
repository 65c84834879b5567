//! The front end: trunk compiles the app and puts the pieces together; before and after, it calls back here.

mod bundle;
mod compress;
mod fingerprint;
mod finish;
mod program;
mod slim;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::error::{AtPath, Error, Result};
use crate::layout::{Layout, Profile};
use crate::step::{run, step};
use crate::tools::Tools;

/// Set in the build whose program notes what of it runs.
const NOTING: &str = "MERIDIAN_NOTING";

/// A point in trunk's build at which it calls back.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TrunkHook {
    /// Before: bundle the editor and the styles.
    Bundle,
    /// After: make trunk's output what the relay serves.
    Finish,
}

/// Builds the front end, unless it is already built from exactly these sources, and returns its folder.
pub(crate) fn build(layout: &Layout, profile: Profile) -> Result<PathBuf> {
    let tools = Tools::for_front_end(layout)?;
    let dist = layout.dist(profile);
    let stamp = layout.scratch().join(format!("{}.stamp", profile.name()));
    let sources = fingerprint::of_sources(layout)?;
    if dist.join("index.html").is_file() && fs::read_to_string(&stamp).is_ok_and(|built| built == sources) {
        println!("✓ the app ({}) is up to date", profile.name());
        return Ok(dist);
    }
    step(&format!("build the app ({})", profile.name()), || {
        let mut command = trunk(layout, &tools, &dist)?;
        if profile == Profile::Release {
            command.arg("--release");
        }
        run(&mut command)
    })?;
    fs::write(&stamp, sources).at(&stamp)?;
    Ok(dist)
}

/// Builds the front end as it is shipped, but so that it notes which of its functions run, and returns its folder.
pub(crate) fn build_noting(layout: &Layout) -> Result<PathBuf> {
    let tools = Tools::for_front_end(layout)?;
    let dist = layout.scratch().join("noting");
    step("build the app, noting what runs", || {
        run(trunk(layout, &tools, &dist)?.arg("--release").env(NOTING, "1"))
    })?;
    Ok(dist)
}

/// Remembers what ran of the app that [`build_noting`] built: the rest of the program is what did not. `ran` lists the numbers of
/// functions.
pub(crate) fn remember(layout: &Layout, ran: &str) -> Result<()> {
    program::remember(layout, ran)
}

fn trunk(layout: &Layout, tools: &Tools, dist: &Path) -> Result<Command> {
    let mut command = Command::new("trunk");
    command
        .args(["--skip-version-check", "--log=warn", "build", "--dist"])
        .arg(dist)
        .current_dir(layout.root())
        .env("PATH", tools.path()?)
        // Trunk takes NO_COLOR for a flag of its own and refuses the value that everybody gives it.
        .env_remove("NO_COLOR");
    Ok(command)
}

/// The files of a built front end that a person must have received before they can edit a page.
pub(crate) fn files_of_first_load(dist: &Path) -> Result<Vec<PathBuf>> {
    let mut files = fingerprint::files_below(dist)?;
    // Icons, the manifest, the service worker and the rest of the program come later, in the background.
    files.retain(|file| {
        let extension = file.extension().and_then(OsStr::to_str).unwrap_or_default();
        ["html", "css", "js", "wasm"].contains(&extension)
            && !file.ends_with(finish::SERVICE_WORKER)
            && !program::is_rest(file)
    });
    Ok(files)
}

/// Where the brotli copy of a file is, if it has one.
pub(crate) fn brotli_copy_of(file: &Path) -> PathBuf {
    compress::with_extension_added(file, "br")
}

/// What trunk calls; it says in the environment what it is doing.
pub(crate) fn trunk_hook(layout: &Layout, hook: TrunkHook) -> Result<()> {
    let profile = if variable("TRUNK_PROFILE")? == "release" {
        Profile::Release
    } else {
        Profile::Debug
    };
    let program = match profile {
        Profile::Debug => program::Form::Whole,
        Profile::Release if env::var_os(NOTING).is_some() => program::Form::Noting,
        Profile::Release => program::Form::Divided,
    };
    match hook {
        TrunkHook::Bundle => bundle::bundle(layout, profile),
        TrunkHook::Finish => finish::finish(
            layout,
            profile,
            program,
            &PathBuf::from(variable("TRUNK_STAGING_DIR")?),
        ),
    }
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|_| Error::Missing(format!("{name} is not set: trunk calls this, see Trunk.toml")))
}
