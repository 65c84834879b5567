//! Measurements against the budgets. A measurement reports; it is never a test that fails on a slow machine.

mod size;

use clap::ValueEnum;

use crate::error::Result;
use crate::layout::Layout;

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    /// Bytes of the first load, by brotli.
    Size,
}

/// Runs these benchmarks, or all of them if none is named.
pub(crate) fn bench(layout: &Layout, benchmarks: &[Benchmark]) -> Result<()> {
    let all = Benchmark::value_variants();
    for benchmark in if benchmarks.is_empty() { all } else { benchmarks } {
        match benchmark {
            Benchmark::Size => size::measure(layout)?,
        }
    }
    Ok(())
}
