//! What the build needs and a fresh machine lacks: found, or installed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::error::{AtPath, Error, Result};
use crate::layout::Layout;
use crate::step::{cargo, output, run, step};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const TRUNK_VERSION: &str = "0.21.14";

const TRACE_CRATE: &str = "loro-internal@1.5.0";
const TRACE: &str = "loro-internal-1.5.0/benches/automerge-paper.json.gz";
const TRACE_HASH: &str = "42c0ff1720c0cad77077e190e36135c9cab9f7bbc266351c0a7fe4981c6a1546";

/// The folders in which the tools are that cargo installed; empty for those that are on the path anyway.
pub(crate) struct Tools {
    folders: Vec<PathBuf>,
}

impl Tools {
    /// Everything a build of the front end needs.
    pub(crate) fn for_front_end(layout: &Layout) -> Result<Self> {
        add_wasm_target(layout)?;
        install_npm_packages(layout, &layout.npm_packages())?;
        let trunk = find_or_install(layout, "trunk", "trunk", TRUNK_VERSION)?;
        let bindgen = find_or_install(
            layout,
            "wasm-bindgen-cli",
            "wasm-bindgen",
            &layout.locked_version("wasm-bindgen")?,
        )?;
        Ok(Self {
            folders: trunk.into_iter().chain(bindgen).collect(),
        })
    }

    /// A search path with the tools first.
    pub(crate) fn path(&self) -> Result<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::join_paths(self.folders.iter().cloned().chain(env::split_paths(&path)))
            .map_err(|error| Error::Missing(format!("the tools' folder can't be on a search path: {error}")))
    }
}

pub(crate) fn add_wasm_target(layout: &Layout) -> Result<()> {
    let sysroot = output(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(layout.root()),
    )?;
    if Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(WASM_TARGET)
        .is_dir()
    {
        return Ok(());
    }
    step("install the WASM target", || {
        run(Command::new("rustup")
            .args(["target", "add", WASM_TARGET])
            .current_dir(layout.root()))
    })
}

/// Installs npm's packages for these folders, where the lock file is another than at the last time.
pub(crate) fn install_npm_packages(layout: &Layout, folders: &[PathBuf]) -> Result<()> {
    if !is_on_path("npm") {
        return Err(Error::Missing(
            "npm is missing: install Node.js 20 or newer with npm".to_owned(),
        ));
    }
    for package in folders {
        let lock_path = package.join("package-lock.json");
        let lock = hex(&Sha256::digest(fs::read(&lock_path).at(&lock_path)?));
        let stamp = package.join("node_modules/.meridian-lock");
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
            continue;
        }
        let name = package.strip_prefix(layout.root()).unwrap_or(package).display();
        step(&format!("install npm packages for {name}"), || {
            run(Command::new("npm")
                .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(package))?;
            fs::write(&stamp, &lock).at(&stamp)
        })?;
    }
    Ok(())
}

/// Chromium and its driver, of which the distribution's versions fit each other.
pub(crate) fn install_browser() -> Result<()> {
    if is_on_path("chromedriver") && (is_on_path("chromium") || is_on_path("google-chrome")) {
        return Ok(());
    }
    let by_hand = "a browser and its driver are missing: install them with \
                   `apt-get install chromium chromium-driver` (Debian), or put `chromium` (or `google-chrome`) and a \
                   `chromedriver` of the same version on the PATH; `cargo xtask test --quick` needs none";
    if !is_on_path("apt-get") || output(Command::new("id").arg("-u"))?.trim() != "0" {
        return Err(Error::Missing(by_hand.to_owned()));
    }
    step("install chromium and chromium-driver", || {
        let apt = |arguments: &[&str]| {
            run(Command::new("apt-get")
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"))
        };
        apt(&["update", "--quiet"])?;
        apt(&[
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            "chromium",
            "chromium-driver",
        ])
    })
    .map_err(|error| Error::Missing(format!("{error}; {by_hand}")))
}

/// How a paper was typed, key by key: a file among the sources of a crate that nothing here depends on.
pub(crate) fn trace(layout: &Layout) -> Result<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    let find = || -> Option<PathBuf> {
        let registries = fs::read_dir(cargo_home.join("registry/src")).ok()?;
        registries
            .filter_map(|registry| Some(registry.ok()?.path().join(TRACE)))
            .find(|path| path.is_file())
    };
    if find().is_none() {
        // Telling about a crate fetches its sources.
        step("fetch the trace of a paper", || {
            output(cargo(layout.root()).args(["info", TRACE_CRATE])).map(drop)
        })?;
    }
    let path =
        find().ok_or_else(|| Error::Missing(format!("the sources of {TRACE_CRATE} have no {TRACE}")))?;
    if hex(&Sha256::digest(fs::read(&path).at(&path)?)) == TRACE_HASH {
        Ok(path)
    } else {
        Err(Error::Missing(format!(
            "{} is another file than it was",
            path.display()
        )))
    }
}

/// The full path of a program.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// The folder of the program, or nothing if the right version is on the path already.
fn find_or_install(layout: &Layout, package: &str, program: &str, version: &str) -> Result<Option<PathBuf>> {
    if version_on_path(program).as_deref() == Some(version) {
        return Ok(None);
    }
    let root = layout.tools().join(format!("{package}-{version}"));
    let folder = root.join("bin");
    // Cargo writes its list of what it installed last: an interrupted installation has none.
    if !(folder.join(program).is_file() && root.join(".crates.toml").is_file()) {
        step(
            &format!("install {package} {version} (takes minutes, once)"),
            || {
                run(cargo(layout.root())
                    .args(["install", package, "--version", version, "--locked", "--root"])
                    .arg(&root))
            },
        )?;
    }
    Ok(Some(folder))
}

fn version_on_path(program: &str) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .nth(1)
        .map(str::to_owned)
}
