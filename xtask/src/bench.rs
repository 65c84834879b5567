//! Measurements against the budgets. A measurement reports; it is never a test that fails on a slow machine.

mod budgets;
mod history;
mod size;
mod table;

use clap::ValueEnum;

use crate::error::Result;
use crate::layout::Layout;

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// Bytes of the first load, by brotli.
    Size,
    /// Starting from what the device has kept.
    Start,
    /// Keystroke to paint on a long page.
    Typing,
    /// Keystroke to paint on a long page with a long history, in which three others type.
    Among,
    /// Opening pages with a long history, one of them the paper that such editors are measured with.
    Opening,
    /// Memory over an hour of typing.
    Soak,
    /// Keystroke to the other screen.
    Screen,
    /// Bytes of a keystroke on the wire.
    Wire,
    /// The relay's memory per idle connection.
    Idle,
    /// The relay with ten rooms in which some type.
    Rooms,
    /// The relay with one room, as fast as it goes.
    Burst,
    /// Coming back after others wrote, before and after their logs were folded.
    Catchup,
    /// Opening a page with 50,000 segments of history, with and without a snapshot.
    History,
    /// One room beside ten thousand idle connections, and beside a member who floods it.
    Flood,
}

/// Runs these benchmarks, or all of them if none is named, and prints one table in Markdown.
pub(crate) fn bench(layout: &Layout, benchmarks: &[Benchmark]) -> Result<()> {
    let all = Benchmark::value_variants();
    let chosen = if benchmarks.is_empty() { all } else { benchmarks };
    let mut rows = Vec::new();
    if chosen.contains(&Benchmark::Size) {
        rows.push(size::measure(layout)?);
    }
    if chosen.contains(&Benchmark::History) {
        rows.push(history::measure(layout)?);
    }
    let others: Vec<Benchmark> = chosen
        .iter()
        .copied()
        .filter(|benchmark| !matches!(benchmark, Benchmark::Size | Benchmark::History))
        .collect();
    if !others.is_empty() {
        rows.extend(budgets::measure(layout, &others)?);
    }
    table::print(layout, &rows)
}
