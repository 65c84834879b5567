use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;
use crate::error::Doing;

/// A browser's profile folder: what one person's computer remembers. Removed with this value.
#[derive(Debug)]
pub struct Profile {
    folder: TempDir,
}

impl Profile {
    /// An empty one.
    ///
    /// # Errors
    /// If no temporary folder can be made.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("meridian-profile-").tempdir();
        Ok(Self {
            folder: folder.doing("make a profile folder")?,
        })
    }

    /// A second one with the same content, as cloning a computer's disk makes it. The browser must be closed.
    ///
    /// # Errors
    /// If a file can't be copied.
    pub fn copy(&self) -> Result<Self> {
        let copy = Self::new()?;
        copy_folder(self.path(), copy.path())?;
        Ok(copy)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let reading = || format!("read {}", from.display());
    for entry in fs::read_dir(from).doing(reading())? {
        let entry = entry.doing(reading())?;
        let (source, target): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().doing(reading())?;
        if kind.is_dir() {
            fs::create_dir_all(&target).doing(format!("make {}", target.display()))?;
            copy_folder(&source, &target)?;
        } else if kind.is_file() {
            // Chromium's own locks are symbolic links and sockets: they say which process has the profile open.
            fs::copy(&source, &target).doing(format!("copy {}", source.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_the_files_but_not_the_locks() {
        let profile = Profile::new().unwrap();
        fs::create_dir(profile.path().join("Default")).unwrap();
        fs::write(profile.path().join("Default/Preferences"), "{}").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("somewhere", profile.path().join("SingletonLock")).unwrap();
        let copy = profile.copy().unwrap();
        assert_eq!(
            fs::read_to_string(copy.path().join("Default/Preferences")).unwrap(),
            "{}"
        );
        assert!(!copy.path().join("SingletonLock").is_symlink());
    }
}
