//! Histories of several editors on one page, as many as asked for.

use std::time::Duration;

use crate::error::Result;
use crate::layout::Layout;
use crate::step::run;
use crate::{test, tools};

/// More than one takes, where nothing else runs.
const EACH: Duration = Duration::from_secs(2);

/// Runs `seeds` histories (`app/src/page/session/convergence.rs`), the first with the seed `from`.
pub(crate) fn converge(layout: &Layout, seeds: u64, from: u64) -> Result<()> {
    tools::install_browser()?;
    tools::add_wasm_target(layout)?;
    tools::install_npm_packages(layout, &layout.npm_packages())?;
    let limit = Duration::from_secs(120) + EACH * u32::try_from(seeds).unwrap_or(u32::MAX);
    run(test::wasm_test(layout, limit)?
        // They are read as the test is built: a browser has no environment.
        .env("MERIDIAN_HISTORIES", seeds.to_string())
        .env("MERIDIAN_HISTORIES_FROM", from.to_string())
        .args(["--", "--nocapture", "convergence"]))
}
