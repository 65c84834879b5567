use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::error::Doing;

/// The files under a folder that hold any of these texts, in UTF-8 or UTF-16.
///
/// # Errors
/// If a file can't be read.
pub fn files_with(folder: &Path, texts: &[&str]) -> Result<Vec<PathBuf>> {
    let needles: Vec<Vec<u8>> = texts
        .iter()
        .flat_map(|text| {
            let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect();
            [
                text.as_bytes().to_vec(),
                utf16(u16::to_le_bytes),
                utf16(u16::to_be_bytes),
            ]
        })
        .collect();
    let mut found = Vec::new();
    for path in files_under(folder)? {
        let content = fs::read(&path).doing(format!("read {}", path.display()))?;
        let holds = |needle: &Vec<u8>| {
            content
                .windows(needle.len().max(1))
                .any(|part| part == needle.as_slice())
        };
        if needles.iter().any(holds) {
            found.push(path);
        }
    }
    Ok(found)
}

/// All files in a folder and in the folders in it.
///
/// # Errors
/// If a folder can't be read.
pub fn files_under(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("read {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).doing(reading())? {
        let path = entry.doing(reading())?.path();
        if path.is_dir() {
            files.extend(files_under(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_each_encoding_and_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        let utf16 = |bytes: fn(u16) -> [u8; 2]| "Grüße".encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let files = [
            ("plain", "…Grüße…".as_bytes().to_vec()),
            (
                "deep/little",
                [b"\0\0".to_vec(), utf16(u16::to_le_bytes)].concat(),
            ),
            ("deep/big", utf16(u16::to_be_bytes)),
            ("other", b"Gruss".to_vec()),
        ];
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let mut found = files_with(folder.path(), &["Amina", "Grüße"]).unwrap();
        found.sort();
        assert_eq!(
            found,
            ["deep/big", "deep/little", "plain"].map(|name| folder.path().join(name))
        );
    }
}
