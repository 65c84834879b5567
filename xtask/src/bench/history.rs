//! A page with a long history, opened by a newcomer: measured by a test of the replica, which prints a line of JSON.

use super::budgets::row;
use super::table::Row;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::step::{cargo, output, run, step};

const SEGMENTS: &str = "50000";

pub(super) fn measure(layout: &Layout) -> Result<Row> {
    let test = || {
        let mut command = cargo(layout.root());
        command.args([
            "test",
            "--release",
            "--locked",
            "--package",
            "replica",
            "--test",
            "replica",
        ]);
        command
    };
    step("build the replica's tests", || run(test().arg("--no-run")))?;
    let lines = step("measure", || {
        output(
            test()
                .args(["long::", "--", "--nocapture"])
                .env("MERIDIAN_HISTORY", SEGMENTS),
        )
    })?;
    let line = lines.lines().find(|line| line.starts_with('{'));
    row(line.ok_or_else(|| Error::Missing("the test printed no measurement".to_owned()))?)
}
