use std::fs;

use crate::error::{AtPath, Result};
use crate::layout::{Layout, Profile};
use crate::step::{cargo, run, step};
use crate::tools;
use crate::{front_end, relay};

/// What runs depends on chance too: how often it is looked at.
const TIMES: u32 = 3;

/// Runs the journey of the first load with an app that notes what runs, and remembers that.
pub(crate) fn profile(layout: &Layout) -> Result<()> {
    tools::install_browser()?;
    let app = front_end::build_noting(layout)?;
    let program = relay::build(layout, Profile::Debug)?;
    let ran = layout.scratch().join("ran.txt");
    fs::write(&ran, "").at(&ran)?;
    for time in 1..=TIMES {
        step(
            &format!("the journey of the first load, {time} of {TIMES}"),
            || {
                run(cargo(layout.root())
                    .args(["test", "--locked", "--package", "tests", "--test", "first_load"])
                    .arg("a_page_is_edited_by_who_founds_and_by_who_joins")
                    .env("MERIDIAN_RELAY", &program)
                    .env("MERIDIAN_APP", &app)
                    .env("MERIDIAN_PROFILE", &ran))
            },
        )?;
    }
    front_end::remember(layout, &fs::read_to_string(&ran).at(&ran)?)
}
