//! Everything that needs a browser or a relay is measured by `tests/benches/budgets`, which prints a line of JSON for each row.

use clap::ValueEnum;
use serde_json::Value;

use super::Benchmark;
use super::table::Row;
use crate::error::{Error, Result};
use crate::layout::{Layout, Profile};
use crate::step::{cargo, output, run, step};
use crate::{front_end, relay, tools};

pub(super) fn measure(layout: &Layout, benchmarks: &[Benchmark]) -> Result<Vec<Row>> {
    tools::install_browser()?;
    let app = front_end::build(layout, Profile::Release)?;
    let program = relay::build(layout, Profile::Release)?;
    let trace = tools::trace(layout)?;
    let bench = || {
        let mut command = cargo(layout.root());
        command.args(["bench", "--locked", "--package", "tests", "--bench", "budgets"]);
        command
    };
    step("build the benchmarks", || run(bench().arg("--no-run")))?;
    // Nothing else runs while it is measured.
    let lines = step("measure", || {
        let names = benchmarks.iter().filter_map(ValueEnum::to_possible_value);
        output(
            bench()
                .arg("--quiet")
                .arg("--")
                .args(names.map(|name| name.get_name().to_owned()))
                .env("MERIDIAN_RELAY", &program)
                .env("MERIDIAN_APP", &app)
                .env("MERIDIAN_TRACE", &trace),
        )
    })?;
    lines
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(row)
        .collect()
}

pub(super) fn row(line: &str) -> Result<Row> {
    let value: Value = serde_json::from_str(line)?;
    let text = |field: &str| value[field].as_str().map(str::to_owned);
    match (text("what"), text("measured"), text("how")) {
        (Some(what), Some(measured), Some(how)) => Ok(Row {
            what,
            budget: text("budget"),
            measured,
            within: value["within"].as_bool(),
            how,
        }),
        _ => Err(Error::Missing(format!("a measurement lacks something: {line}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_needs_everything_but_a_budget() {
        let line = r#"{"what":"a cursor","budget":null,"measured":"9 B","within":null,"how":"counted"}"#;
        let row = row(line).unwrap();
        assert_eq!((row.budget, row.within), (None, None));
        assert!(super::row(r#"{"what":"a cursor"}"#).is_err());
    }
}
