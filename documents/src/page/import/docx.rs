//! Word's documents (`.docx`, Office Open XML): text, headings, lists, tables, links and the usual marks.

mod body;
mod parts;
mod xml;

use flate2::bufread::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive};
use std::io::Read;

use super::{Imported, LARGEST_FILE};
use crate::Error;

/// Reads a `.docx`. Footnotes, comments and formulas are counted and left out, as are drawings and pictures that are not in the
/// file; what somebody deleted with changes tracked is deleted.
///
/// # Errors
/// [`Error::File`] if it is none, [`Error::TooMuch`] beyond what is taken, inflated or not.
pub fn docx(bytes: &[u8]) -> Result<Imported, Error> {
    if bytes.len() > LARGEST_FILE {
        return Err(Error::TooMuch);
    }
    let document = part(bytes, "word/document.xml")?.ok_or(Error::File("docx"))?;
    let optional = |name| Ok::<_, Error>(part(bytes, name)?.unwrap_or_default());
    let targets = parts::targets(&optional("word/_rels/document.xml.rels")?)?;
    let styles = parts::styles(&optional("word/styles.xml")?)?;
    let lists = parts::lists(&optional("word/numbering.xml")?)?;
    // A part that can't be read is no reason to refuse the text.
    let picture = |name: &str, most: usize| inflated(bytes, name, most.min(LARGEST_FILE)).ok().flatten();
    body::read(&document, &targets, (&styles, &lists), &picture)?.within_limits()
}

/// How many files of an archive are looked at.
const MOST_FILES: usize = 10_000;

/// One part of the archive as text; none if it is not there.
fn part(bytes: &[u8], name: &str) -> Result<Option<String>, Error> {
    let part = inflated(bytes, name, LARGEST_FILE)?;
    part.map(|part| super::text_of(&part)).transpose()
}

/// One part of the archive; none if it is not there. It is as long as it turns out to be, whatever the archive says.
fn inflated(bytes: &[u8], name: &str, most: usize) -> Result<Option<Vec<u8>>, Error> {
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
        let mut part = Vec::new();
        let limit = most as u64 + 1;
        let read = match method {
            CompressionMethod::STORE => data.take(limit).read_to_end(&mut part),
            CompressionMethod::DEFLATE => DeflateDecoder::new(data).take(limit).read_to_end(&mut part),
            _ => return Err(Error::File("docx")),
        };
        read.map_err(|_| Error::File("docx"))?;
        if part.len() > most {
            return Err(Error::TooMuch);
        }
        return Ok(Some(part));
    }
    Err(Error::TooMuch)
}
