use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use crate::error::Result;
use crate::layout::Layout;
use crate::step::output;

/// One measurement.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) budget: Option<String>,
    pub(super) measured: String,
    /// Whether it keeps to the budget.
    pub(super) within: Option<bool>,
    pub(super) how: String,
}

/// Prints the table in Markdown, with when, where and of what it is.
pub(super) fn print(layout: &Layout, rows: &[Row]) -> Result<()> {
    let date = output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let commit = output(
        Command::new("git")
            .args(["describe", "--always", "--dirty", "--exclude=*"])
            .current_dir(layout.root()),
    )?;
    println!("\n| what | budget | measured | |\n| --- | --- | --- | --- |");
    for row in rows {
        let verdict = match row.within {
            Some(true) => "within",
            Some(false) => "**over**",
            None => "",
        };
        println!(
            "| {} | {} | {} | {verdict} |",
            row.what,
            row.budget.as_deref().unwrap_or("none"),
            row.measured
        );
    }
    println!(
        "\nMeasured on {} at commit {} on {}.\n",
        date.trim(),
        commit.trim(),
        machine()
    );
    for row in rows {
        println!("- *{}*: {}.", row.what, row.how);
    }
    Ok(())
}

/// The processor and how many cores of it there are.
fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| model(&text))
        .unwrap_or_else(|| format!("an unnamed {} processor", std::env::consts::ARCH));
    let cores = available_parallelism().map_or(1, usize::from);
    format!("{processor}, {cores} core(s), {}", std::env::consts::OS)
}

fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_it_names_itself() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\n\nprocessor\t: 1\n";
        assert_eq!(model(cpuinfo).as_deref(), Some("Some CPU @ 2.0GHz"));
        assert_eq!(model("Hardware\t: a board\n"), None);
    }
}
