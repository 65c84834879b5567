//! Makes the message catalogue: each file `locales/LANGUAGE.json` becomes a language, each key a method of `Language`.
//!
//! A message that is missing in a language, or there twice, or takes other values than in English, stops the build; one that nothing uses is
//! a warning of the compiler. The text ends up as constants in the program: nothing is parsed when it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The language that decides which messages there are.
const SOURCE: &str = "en";

type Messages = BTreeMap<String, String>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=locales");
    // What of the program's data only the rest of it uses is told by what refers to what: `cargo xtask trunk-hook finish` reads that.
    if env::var("PROFILE")? == "release" && env::var("CARGO_CFG_TARGET_ARCH")? == "wasm32" {
        println!("cargo:rustc-link-arg-bins=--emit-relocs");
    }
    let languages = read_languages(Path::new("locales"))?;
    let output = PathBuf::from(env::var("OUT_DIR")?).join("messages.rs");
    fs::write(output, catalogue(&languages)?)?;
    Ok(())
}

fn read_languages(folder: &Path) -> Result<BTreeMap<String, Messages>, Box<dyn Error>> {
    let mut languages = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(tag) = path.file_stem().and_then(|stem| stem.to_str()) else {
            continue;
        };
        let text = fs::read_to_string(&path)?;
        let messages: Messages =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        // Of two messages with one key the second would be said for both. Each stands on a line of its own.
        let lines = text.lines().filter(|line| line.trim_start().starts_with('"'));
        if lines.count() != messages.len() {
            return Err(format!("{}: a key is there twice", path.display()).into());
        }
        languages.insert(tag.to_owned(), messages);
    }
    Ok(languages)
}

fn catalogue(languages: &BTreeMap<String, Messages>) -> Result<String, Box<dyn Error>> {
    let source = languages.get(SOURCE).ok_or("there is no locales/en.json")?;
    for (tag, messages) in languages {
        check(tag, messages, source)?;
    }

    let mut code = String::new();
    writeln!(
        code,
        "#[derive(Clone, Copy, Debug, PartialEq, Eq)]\npub(crate) enum Language {{"
    )?;
    for tag in languages.keys() {
        writeln!(code, "    {},", variant(tag))?;
    }
    writeln!(code, "}}\n\nimpl Language {{")?;
    let variants: Vec<String> = languages
        .keys()
        .map(|tag| format!("Self::{}", variant(tag)))
        .collect();
    writeln!(code, "    /// Every language there is a file for.")?;
    writeln!(
        code,
        "    pub(crate) const ALL: &[Self] = &[{}];",
        variants.join(", ")
    )?;
    writeln!(code, "    /// The one that is complete by definition.")?;
    writeln!(
        code,
        "    pub(crate) const SOURCE: Self = Self::{};",
        variant(SOURCE)
    )?;
    writeln!(code, "    /// Its BCP 47 tag.")?;
    writeln!(
        code,
        "    pub(crate) const fn tag(self) -> &'static str {{ match self {{"
    )?;
    for tag in languages.keys() {
        writeln!(code, "        Self::{} => {tag:?},", variant(tag))?;
    }
    writeln!(code, "    }} }}")?;
    for (key, text) in source {
        write_message(&mut code, key, &placeholders(text), languages)?;
    }
    writeln!(code, "}}")?;
    Ok(code)
}

fn write_message(
    code: &mut String,
    key: &str,
    values: &BTreeSet<&str>,
    languages: &BTreeMap<String, Messages>,
) -> Result<(), Box<dyn Error>> {
    let parameters: String = values.iter().map(|value| format!(", {value}: &str")).collect();
    let result = if values.is_empty() {
        "&'static str"
    } else {
        "String"
    };
    let constant = if values.is_empty() { "const " } else { "" };
    writeln!(
        code,
        "    pub(crate) {constant}fn {key}(self{parameters}) -> {result} {{ match self {{"
    )?;
    for (tag, messages) in languages {
        let text = &messages[key];
        if values.is_empty() {
            writeln!(code, "        Self::{} => {text:?},", variant(tag))?;
        } else {
            writeln!(code, "        Self::{} => format!({text:?}),", variant(tag))?;
        }
    }
    writeln!(code, "    }} }}")?;
    Ok(())
}

fn check(tag: &str, messages: &Messages, source: &Messages) -> Result<(), Box<dyn Error>> {
    for (key, text) in source {
        let translated = messages
            .get(key)
            .ok_or_else(|| format!("locales/{tag}.json has no `{key}`"))?;
        if placeholders(translated) != placeholders(text) {
            return Err(format!("locales/{tag}.json: `{key}` takes other values than in {SOURCE}").into());
        }
    }
    match messages.keys().find(|key| !source.contains_key(*key)) {
        Some(key) => Err(format!("locales/{tag}.json: {SOURCE} has no `{key}`").into()),
        None => Ok(()),
    }
}

/// The names in braces.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

/// `pt-BR` as the name of an enum's variant.
fn variant(tag: &str) -> String {
    tag.split('-')
        .map(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect::<String>())
                .unwrap_or_default()
        })
        .collect()
}
