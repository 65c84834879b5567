use std::fs;
use std::path::Path;

use crate::error::{AtPath, Result};
use crate::front_end;
use crate::layout::{Layout, Profile};

/// Bytes for everything that is needed to edit a page, brotli.
const BUDGET: u64 = 900_000;

/// Prints the size of each file that the first load needs, as it goes over the wire.
pub(crate) fn measure(layout: &Layout) -> Result<()> {
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
    println!("| **everything needed to edit a page** | {whole} | {on_the_wire} |");
    let verdict = if on_the_wire <= BUDGET { "within" } else { "OVER" };
    println!(
        "\n{verdict} the budget of {BUDGET} bytes: {:.0} % used",
        on_the_wire as f64 * 100.0 / BUDGET as f64
    );
    Ok(())
}

fn size_on_the_wire(file: &Path) -> Result<u64> {
    let compressed = front_end::brotli_copy_of(file);
    size(if compressed.is_file() { &compressed } else { file })
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).at(file)?.len())
}
