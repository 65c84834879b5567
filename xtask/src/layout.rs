use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{AtPath, Error, Result};

/// How something is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Profile {
    /// Quickly, for a look.
    Debug,
    /// As it is shipped.
    Release,
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

impl From<bool> for Profile {
    /// From the flag `--debug`.
    fn from(debug: bool) -> Self {
        if debug { Self::Debug } else { Self::Release }
    }
}

/// Where things are in the checkout and in the person's cache.
pub(crate) struct Layout {
    root: PathBuf,
    target: PathBuf,
    tools: PathBuf,
}

impl Layout {
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().unwrap_or(manifest).to_owned();
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let cache = env::var_os("XDG_CACHE_HOME")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from)
            .or_else(|| env::home_dir().map(|home| home.join(".cache")))
            .ok_or_else(|| Error::Missing("no home folder: set XDG_CACHE_HOME".to_owned()))?;
        Ok(Self {
            root,
            target,
            tools: cache.join("meridian/tools"),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The app as the linker wrote it, before wasm-bindgen.
    pub(crate) fn linked_program(&self) -> PathBuf {
        self.target.join("wasm32-unknown-unknown/wasm-release/app.wasm")
    }

    /// Cargo's target folder.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Where installed tools are kept, one folder per tool and version.
    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }

    /// What is made on the way to the front end, and can be made again. Not under a moved target folder, because
    /// `app/index.html` names it.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("target/front-end")
    }

    /// The built front end.
    pub(crate) fn dist(&self, profile: Profile) -> PathBuf {
        self.root.join("dist").join(profile.name())
    }

    /// The npm packages that the front end is built from.
    pub(crate) fn npm_packages(&self) -> [PathBuf; 2] {
        [self.root.join("app/editor"), self.root.join("app/service-worker")]
    }

    /// The npm packages that only the browser journeys need.
    pub(crate) fn npm_packages_of_tests(&self) -> [PathBuf; 1] {
        [self.root.join("tests/axe")]
    }

    /// The npm packages with which others open what Meridian exports.
    pub(crate) fn npm_packages_of_others(&self) -> [PathBuf; 1] {
        [self.root.join("tests/interop")]
    }

    /// The version of a package in `Cargo.lock`.
    pub(crate) fn locked_version(&self, package: &str) -> Result<String> {
        let path = self.root.join("Cargo.lock");
        let lock = fs::read_to_string(&path).at(&path)?;
        version_in_lock(&lock, package).ok_or_else(|| Error::Unexpected {
            path,
            problem: format!("it has no package `{package}`"),
        })
    }
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_package_with_exactly_that_name() {
        let lock = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.9\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen").as_deref(), Some("0.2.9"));
        assert_eq!(version_in_lock(lock, "wasm"), None);
    }
}
