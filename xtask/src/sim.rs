//! Histories under the simulator's seeded scheduler, as many as asked for.

use crate::error::Result;
use crate::layout::Layout;
use crate::step::{cargo, run};

/// Runs `seeds` histories on all cores, the first with the seed `from`. Fails at the first that breaks a rule, and shows it.
pub(crate) fn sim(layout: &Layout, seeds: u64, from: u64) -> Result<()> {
    run(cargo(layout.root())
        .args([
            "run",
            "--locked",
            "--profile",
            "simulation",
            "--package",
            "simulator",
            "--",
        ])
        .args(["--seeds", &seeds.to_string(), "--from", &from.to_string()]))
}
