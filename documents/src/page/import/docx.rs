//! Word's documents (`.docx`, Office Open XML): text, headings, lists, tables, links and the usual marks.

mod body;
mod parts;
mod xml;

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};
use std::io::Read;

use super::{Imported, LARGEST_FILE};
use crate::Error;

/// Reads a `.docx`. Images, footnotes, comments and formulas are counted and left out; what somebody deleted with changes
/// tracked is deleted.
///
/// # Errors
/// [`Error::File`] if it is none, [`Error::TooMuch`] beyond what is taken, inflated or not.
pub fn docx(bytes: &[u8]) -> Result<Imported, Error> {
    if bytes.len() > LARGEST_FILE {
        return Err(Error::TooMuch);
    }
    let document = part(bytes, "word/document.xml")?.ok_or(Error::File("docx"))?;
    let optional = |name| Ok::<_, Error>(part(bytes, name)?.unwrap_or_default());
    let links = parts::links(&optional("word/_rels/document.xml.rels")?)?;
    let styles = parts::styles(&optional("word/styles.xml")?)?;
    let lists = parts::lists(&optional("word/numbering.xml")?)?;
    body::read(&document, &links, &styles, &lists)?.within_limits()
}

/// How many files of an archive are looked at.
const MOST_FILES: usize = 10_000;

/// One part of the archive as text; none if it is not there. It is as long as it turns out to be, whatever the archive says.
fn part(bytes: &[u8], name: &str) -> Result<Option<String>, Error> {
    let broken = |_: rawzip::Error| Error::File("docx");
    let archive = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut entries = archive.entries();
    for _ in 0..MOST_FILES {
        let Some(entry) = entries.next_entry().map_err(broken)? else {
            return Ok(None);
        };
        if entry.file_path().as_ref() != name.as_bytes() {
            continue;
        }
        let method = entry.compression_method();
        let data = archive.get_entry(entry.wayfinder()).map_err(broken)?;
        let data = data.data();
        let mut text = Vec::new();
        let limit = LARGEST_FILE as u64 + 1;
        let read = match method {
            CompressionMethod::STORE => data.take(limit).read_to_end(&mut text),
            CompressionMethod::DEFLATE => DeflateDecoder::new(data).take(limit).read_to_end(&mut text),
            _ => return Err(Error::File("docx")),
        };
        read.map_err(|_| Error::File("docx"))?;
        if text.len() > LARGEST_FILE {
            return Err(Error::TooMuch);
        }
        return super::text_of(&text).map(Some);
    }
    Err(Error::TooMuch)
}
