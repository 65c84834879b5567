//! What the pages of `docs/` say of tests is true: each that they name is there, and each reason to refuse has one.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 3] = ["protocol.md", "threat-model.md", "failures.md"];
/// What is before the name of a file stands for a folder.
const FOLDERS: [(&str, &str); 5] = [
    ("formats/", "protocol/tests/formats/"),
    ("replica/", "replica/tests/replica/"),
    ("relay/", "sync-server/tests/relay/"),
    ("journeys/", "tests/tests/"),
    ("simulator/", "tests/simulator/tests/"),
];
/// Where a file is that is named without a folder.
const CRATES: [&str; 4] = ["protocol", "documents", "replica", "sync-server"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// What stands between backquotes in each row of a table, and in each run of other lines.
fn quoted(page: &str) -> Vec<Vec<String>> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        if line.starts_with('|') || line.trim().is_empty() {
            blocks.push(line.to_owned());
            blocks.push(String::new());
        } else if let Some(block) = blocks.last_mut() {
            // What is long goes on in the next line.
            block.push_str(line.trim());
            block.push(' ');
        }
    }
    let quoted = |block: &String| block.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    blocks.iter().map(quoted).collect()
}

/// `of_two_roles_given_apart_the_lesser_counts`, and not `roster` or `no_std`.
fn is_test(name: &str) -> bool {
    let is_of_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    name.chars().all(is_of_name) && name.matches('_').count() >= 2
}

fn is_file(name: &str) -> bool {
    name.ends_with(".rs") && !name.contains(' ')
}

/// The files that a page may mean by this: one, if a folder stands before it.
fn files(name: &str) -> Vec<PathBuf> {
    if let Some((short, folder)) = FOLDERS.iter().find(|(short, _)| name.starts_with(short)) {
        let path = root().join(folder).join(&name[short.len()..]);
        if path.exists() {
            return vec![path];
        }
    }
    if name.contains('/') {
        return Some(root().join(name))
            .filter(|path| path.exists())
            .into_iter()
            .collect();
    }
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = CRATES.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) {
                found.push(path);
            }
        }
    }
    found
}

/// The function with this name, up to its end.
fn function<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (before, rest) = text.split_once(&format!("fn {name}("))?;
    let indent = before.rsplit('\n').next()?;
    let indent = &indent[..indent.len() - indent.trim_start().len()];
    let (function, _) = rest.split_once(&format!("\n{indent}}}\n"))?;
    Some(function)
}

fn is_there(files: &[PathBuf], test: &str) -> bool {
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.into_iter().any(|text| function(&text, test).is_some())
}

/// The files of the tests of rosters, which protocol.md names for its whole tables.
fn of_rosters() -> Vec<PathBuf> {
    let names = ["roster.rs", "rights.rs", "apart.rs", "keys.rs", "histories.rs"];
    names
        .iter()
        .flat_map(|name| files(&format!("formats/{name}")))
        .collect()
}

#[test]
fn each_test_that_the_pages_name_is_there() {
    let mut seen = 0;
    for name in PAGES {
        for block in quoted(&page(name)) {
            // A test without a file is of the one that was named last.
            let mut last = of_rosters();
            for quoted in block {
                let (file, test) = match quoted.split_once(": ") {
                    Some((file, test)) if is_file(file) => (Some(file), Some(test)),
                    _ if is_file(&quoted) => (Some(quoted.as_str()), None),
                    _ if is_test(&quoted) => (None, Some(quoted.as_str())),
                    _ => continue,
                };
                if let Some(file) = file {
                    last = files(file);
                    assert!(!last.is_empty(), "{name} names {file}, which is not there");
                }
                if let Some(test) = test {
                    assert!(
                        is_there(&last, test),
                        "{name} names {quoted}, which is not in {last:?}"
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 250, "{seen}");
}

#[test]
fn each_reason_to_refuse_has_a_test_that_the_protocol_names() {
    let code = fs::read_to_string(root().join("protocol/src/refusal.rs")).unwrap();
    let reasons = code
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.strip_suffix(',')?.split_once(" = "));
    let reasons: Vec<(&str, u16)> = reasons
        .filter_map(|(name, code)| Some((name, code.parse().ok()?)))
        .collect();
    assert!(reasons.len() >= 39, "{reasons:?}");
    let page = page("protocol.md");
    for (reason, code) in reasons {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {code} |")) && line.contains("`relay/"));
        let row = row.unwrap_or_else(|| panic!("{reason} ({code}) has no row with a test"));
        let named = row
            .split('`')
            .find(|quoted| quoted.starts_with("relay/"))
            .unwrap();
        let (file, test) = named.split_once(": ").unwrap();
        let text = fs::read_to_string(&files(file)[0]).unwrap();
        let told = function(&text, test)
            .unwrap()
            .contains(&format!("Refusal::{reason}"));
        assert!(told, "{named} says nothing of {reason}");
    }
}
