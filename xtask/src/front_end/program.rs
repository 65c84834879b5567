//! The program as the relay serves it: slimmed, and divided in what runs until a page is edited and the rest, which is fetched
//! behind it. `app/rest/marks` says what is the rest.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::fingerprint::files_below;
use super::slim::{self, Marks, Parts};
use crate::error::{AtPath, Error, Result};
use crate::layout::Layout;
use crate::tools::hex;

/// What the program is made to.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// One file, as the compiler made it.
    Whole,
    /// What comes first, and the rest.
    Divided,
    /// One file that notes what of it runs.
    Noting,
}

/// Where the generated glue is extended, and by what.
const IMPORTS: (&str, &str) = ("const import0 = {", "rest_now: restNow,");
const START: (&str, &str) = ("wasm.__wbindgen_start();", "restBegin(wasm);");

/// Divides the program, and has its generated glue load the rest.
pub(super) fn divide(layout: &Layout, folder: &Path, glue: &Path) -> Result<()> {
    let (file, program) = read_program(folder)?;
    let linked = layout.linked_program();
    let linked = fs::read(&linked).at(&linked)?;
    let parts =
        slim::slim(&program, &linked, &read_marks(layout)?).map_err(|problem| unusable(&file, &problem))?;
    let rest = rest_name(&parts);
    fs::write(&file, &parts.first).at(&file)?;
    let beside = folder.join(&rest);
    fs::write(&beside, &parts.rest).at(&beside)?;
    let loader = source(layout, "rest.js")?;
    change(glue, |text| {
        let text = inserted(text, IMPORTS.0, IMPORTS.1, "")?;
        let text = inserted(&text, START.0, "", START.1)?;
        Some(format!("{text}\nconst REST = \"/{rest}\";\n{loader}"))
    })
}

/// Has the program note what of it runs, and its generated glue tell it.
pub(super) fn note(layout: &Layout, folder: &Path, glue: &Path) -> Result<()> {
    let (file, program) = read_program(folder)?;
    let noting = slim::slim_noting(&program).map_err(|problem| unusable(&file, &problem))?;
    fs::write(&file, &noting.program).at(&file)?;
    let table = functions(layout);
    fs::write(&table, lines(&noting.functions)).at(&table)?;
    let teller = source(layout, "noting.js")?;
    let notes = format!("{{ at: {}, count: {} }}", noting.notes_at, noting.functions.len());
    change(glue, |text| {
        Some(format!("{text}\nconst NOTES = {notes};\n{teller}"))
    })
}

fn read_program(folder: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let file = files_below(folder)?
        .into_iter()
        .find(|path| path.extension() == Some(OsStr::new("wasm")))
        .ok_or_else(|| Error::Missing("trunk made no program".to_owned()))?;
    let program = fs::read(&file).at(&file)?;
    Ok((file, program))
}

fn unusable(file: &Path, problem: &slim::Error) -> Error {
    Error::Unexpected {
        path: file.to_owned(),
        problem: problem.to_string(),
    }
}

/// Whether a file of the built front end is the rest.
pub(super) fn is_rest(file: &Path) -> bool {
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with("rest-")
}

/// Keeps as marks of the rest those of all functions that did not run, given the numbers of those that did.
pub(super) fn remember(layout: &Layout, ran: &str) -> Result<()> {
    let table = functions(layout);
    let text = fs::read_to_string(&table).at(&table)?;
    let ran: BTreeSet<usize> = ran.lines().filter_map(|line| line.parse().ok()).collect();
    let (mut first, mut all) = (BTreeSet::new(), BTreeSet::new());
    for (number, line) in text.lines().enumerate() {
        for mark in line.split(' ') {
            all.insert(mark);
            if ran.contains(&number) {
                first.insert(mark);
            }
        }
    }
    let rest: Vec<&str> = all.difference(&first).copied().collect();
    let path = marks(layout);
    fs::write(&path, rest.join("\n") + "\n").at(&path)?;
    println!("{} of {} functions are the rest", rest.len(), all.len());
    Ok(())
}

fn marks(layout: &Layout) -> PathBuf {
    layout.root().join("app/rest/marks")
}

/// The marks of each function of the noting program, one a line.
fn functions(layout: &Layout) -> PathBuf {
    layout.scratch().join("functions.txt")
}

fn read_marks(layout: &Layout) -> Result<Marks> {
    let path = marks(layout);
    let text = fs::read_to_string(&path).at(&path)?;
    text.lines()
        .map(|line| u32::from_str_radix(line, 16))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::Unexpected {
            path,
            problem: error.to_string(),
        })
}

fn lines(functions: &[Vec<u32>]) -> String {
    let mut text = String::new();
    for marks in functions {
        let marks: Vec<String> = marks.iter().map(|mark| format!("{mark:08x}")).collect();
        text.push_str(&marks.join(" "));
        text.push('\n');
    }
    text
}

/// The rest fits only the first file that it was cut from: its name tells both.
fn rest_name(parts: &Parts) -> String {
    let mut hash = Sha256::new();
    hash.update(&parts.first);
    hash.update(&parts.rest);
    format!("rest-{}.wasm", hex(&hash.finalize()[..8]))
}

fn source(layout: &Layout, name: &str) -> Result<String> {
    let path = layout.root().join("app/rest").join(name);
    fs::read_to_string(&path).at(&path)
}

fn change(glue: &Path, to: impl FnOnce(&str) -> Option<String>) -> Result<()> {
    let text = fs::read_to_string(glue).at(glue)?;
    let changed = to(&text).ok_or_else(|| Error::Unexpected {
        path: glue.to_owned(),
        problem: "it is not the glue that wasm-bindgen 0.2.129 makes".to_owned(),
    })?;
    fs::write(glue, changed).at(glue)
}

/// The text with something before or behind the one place where `mark` stands.
fn inserted(text: &str, mark: &str, behind: &str, before: &str) -> Option<String> {
    let (head, tail) = text.split_once(mark)?;
    if tail.contains(mark) {
        return None;
    }
    let mut result = String::with_capacity(text.len() + behind.len() + before.len());
    write!(result, "{head}{before}{mark}{behind}{tail}").ok()?;
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glue_is_extended_at_one_place_or_refused() {
        let glue = "const imports = {\n a, }; wasm.start();";
        assert_eq!(
            inserted(glue, "const imports = {", " b,", "").as_deref(),
            Some("const imports = { b,\n a, }; wasm.start();")
        );
        assert_eq!(
            inserted(glue, "wasm.start();", "", "begin(); ").as_deref(),
            Some("const imports = {\n a, }; begin(); wasm.start();")
        );
        assert_eq!(inserted(glue, "elsewhere", "x", ""), None);
        assert_eq!(inserted("a a", "a", "x", ""), None);
    }

    #[test]
    fn the_rest_is_named_by_both_files() {
        let parts = |first: &[u8], rest: &[u8]| Parts {
            first: first.to_vec(),
            rest: rest.to_vec(),
        };
        let name = rest_name(&parts(b"a", b"b"));
        assert!(is_rest(Path::new(&name)));
        assert_ne!(name, rest_name(&parts(b"c", b"b")));
        assert_ne!(name, rest_name(&parts(b"a", b"c")));
        assert!(!is_rest(Path::new("app-a9bafa5e70f6b5a3_bg.wasm")));
    }
}
