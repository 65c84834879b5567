use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{AtPath, Result};
use crate::layout::Layout;
use crate::tools::hex;

/// Everything the front end is built from.
const SOURCES: [&str; 11] = [
    ".cargo",
    "Cargo.lock",
    "Cargo.toml",
    "Trunk.toml",
    "app",
    "documents",
    "protocol",
    "public",
    "replica",
    "style",
    "xtask/src",
];

/// One hash over the names and contents of all sources. Contents rather than times, so that switching branches back and
/// forth rebuilds nothing.
pub(crate) fn of_sources(layout: &Layout) -> Result<String> {
    let mut hash = Sha256::new();
    for source in SOURCES {
        for file in files_below(&layout.root().join(source))? {
            let content = fs::read(&file).at(&file)?;
            hash.update(file.to_string_lossy().as_bytes());
            hash.update(Sha256::digest(&content));
        }
    }
    Ok(hex(&hash.finalize()))
}

/// The files below a folder in a fixed order, or the file itself. Installed npm packages are left out: their lock file is a
/// source, they are not.
pub(crate) fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).at(path)? {
        entries.push(entry.at(path)?.path());
    }
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        if entry.file_name().is_some_and(|name| name != "node_modules") {
            files.extend(files_below(&entry)?);
        }
    }
    Ok(files)
}
