use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::fingerprint::files_below;
use crate::error::{AtPath, Result};
use crate::tools::hex;

/// Images other than SVG are compressed already.
const COMPRESSIBLE: [&str; 8] = ["css", "html", "js", "json", "svg", "txt", "wasm", "webmanifest"];

type Compressor = fn(&[u8]) -> std::io::Result<Vec<u8>>;
const FORMATS: [(&str, Compressor); 2] = [("br", brotli), ("gz", gzip)];

/// Puts `name.br` and `name.gz` beside each file of `folder` that gains by it. `cache` keeps them by content, since the best
/// brotli takes seconds for a large file; what no file needs any more is removed from it.
pub(crate) fn compress(folder: &Path, cache: &Path) -> Result<()> {
    fs::create_dir_all(cache).at(cache)?;
    let mut used = HashSet::new();
    for file in files_below(folder)? {
        if !is_compressible(&file) {
            continue;
        }
        let content = fs::read(&file).at(&file)?;
        let hash = hex(&Sha256::digest(&content));
        for (extension, compressor) in FORMATS {
            let kept = cache.join(format!("{hash}.{extension}"));
            if !kept.is_file() {
                write_whole(&kept, &compressor(&content).at(&file)?)?;
            }
            if fs::metadata(&kept).at(&kept)?.len() < content.len() as u64 {
                let beside = with_extension_added(&file, extension);
                fs::copy(&kept, &beside).at(&beside)?;
            }
            used.insert(kept);
        }
    }
    for kept in files_below(cache)? {
        if !used.contains(&kept) {
            fs::remove_file(&kept).at(&kept)?;
        }
    }
    Ok(())
}

/// `name.js` → `name.js.br`.
pub(crate) fn with_extension_added(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn is_compressible(file: &Path) -> bool {
    file.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| COMPRESSIBLE.contains(&extension))
}

fn brotli(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let parameters = BrotliEncoderParams {
        quality: 11,
        lgwin: 24,
        size_hint: content.len(),
        ..BrotliEncoderParams::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut Cursor::new(content), &mut compressed, &parameters)?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

/// Written beside and renamed, so that an interrupted run leaves no half file in the cache.
fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, content).at(&partial)?;
    fs::rename(&partial, path).at(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn both_formats_give_the_content_back() {
        let content = "meridian ".repeat(5_000).into_bytes();
        let mut unpacked = Vec::new();
        brotli::Decompressor::new(&brotli(&content).unwrap()[..], 4096)
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, content);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&gzip(&content).unwrap()[..])
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, content);
    }

    #[test]
    fn what_does_not_get_smaller_gets_no_copy_and_the_cache_forgets_what_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("long.js"), "meridian ".repeat(100)).unwrap();
        fs::write(folder.path().join("tiny.js"), "x").unwrap();
        fs::write(folder.path().join("picture.png"), "meridian ".repeat(100)).unwrap();
        compress(folder.path(), cache.path()).unwrap();
        let names: Vec<_> = files_below(folder.path()).unwrap();
        let names: Vec<_> = names
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .collect();
        assert_eq!(
            names,
            ["long.js", "long.js.br", "long.js.gz", "picture.png", "tiny.js"]
        );

        fs::remove_file(folder.path().join("long.js")).unwrap();
        compress(folder.path(), cache.path()).unwrap();
        assert_eq!(files_below(cache.path()).unwrap().len(), 2);
    }
}
