use std::fs;
use std::path::Path;

use super::table::Row;
use crate::error::{AtPath, Result};
use crate::front_end;
use crate::layout::{Layout, Profile};

/// Bytes for everything that is needed to edit a page, brotli.
const BUDGET: u64 = 900_000;

/// Prints the size of each file that the first load needs, as it goes over the wire, and answers with their sum.
pub(super) fn measure(layout: &Layout) -> Result<Row> {
    let dist = front_end::build(layout, Profile::Release)?;
    let mut files = Vec::new();
    for file in front_end::files_of_first_load(&dist)? {
        let name = file.strip_prefix(&dist).unwrap_or(&file).display().to_string();
        files.push((name, size(&file)?, size_on_the_wire(&file)?));
    }
    files.sort_by_key(|(_, _, on_the_wire)| std::cmp::Reverse(*on_the_wire));

    println!("\n| first load | bytes | brotli |\n| --- | ---: | ---: |");
    for (name, whole, on_the_wire) in &files {
        println!("| {name} | {whole} | {on_the_wire} |");
    }
    let whole: u64 = files.iter().map(|(_, whole, _)| whole).sum();
    let on_the_wire: u64 = files.iter().map(|(_, _, on_the_wire)| on_the_wire).sum();
    Ok(Row {
        what: "first load, everything needed to edit a page, brotli".to_owned(),
        budget: Some(format!("{} KB", BUDGET / 1000)),
        measured: format!("{:.0} KB", on_the_wire as f64 / 1000.0),
        within: Some(on_the_wire <= BUDGET),
        how: format!(
            "the compressed files of the built app that a page needs before it can be edited, {} in all; {:.0} KB before compression",
            files.len(),
            whole as f64 / 1000.0
        ),
    })
}

fn size_on_the_wire(file: &Path) -> Result<u64> {
    let compressed = front_end::brotli_copy_of(file);
    size(if compressed.is_file() { &compressed } else { file })
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).at(file)?.len())
}
