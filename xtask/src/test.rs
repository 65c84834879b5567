//! Everything CI runs, in the order in which it fails soonest.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::layout::{Layout, Profile};
use crate::step::{Seconds, cargo, run, step};
use crate::tools::{self, Tools};
use crate::{front_end, relay};

const WASM: [&str; 2] = ["--target", "wasm32-unknown-unknown"];

/// All checks: `quick` leaves out those that need a browser, `long` adds fuzzing and damaged stores, and kills relays more often.
pub(crate) fn test(layout: &Layout, quick: bool, long: bool) -> Result<()> {
    let start = Instant::now();
    without_browser(layout)?;
    if long {
        fuzz(layout)?;
        kill_relays(layout)?;
    }
    if quick {
        println!(
            "\nAll tests passed in {}; those in a browser were left out.",
            Seconds(start.elapsed())
        );
        return Ok(());
    }
    tools::install_browser()?;
    tools::install_npm_packages(layout, &layout.npm_packages_of_tests())?;
    wasm_tests(layout)?;
    let app = front_end::build(layout, Profile::Release)?;
    let program = relay::build(layout, Profile::Release)?;
    // One after the other: each starts several browsers.
    step("browser journeys", || {
        run(cargo(layout.root())
            .args(["test", "--locked", "--package", "tests", "--", "--test-threads=1"])
            .env("MERIDIAN_RELAY", &program)
            .env("MERIDIAN_APP", &app))
    })?;
    println!("\nAll tests passed in {}.", Seconds(start.elapsed()));
    Ok(())
}

fn without_browser(layout: &Layout) -> Result<()> {
    let cargo = || cargo(layout.root());
    step("format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    step("clippy", || {
        run(cargo()
            .args([
                "clippy",
                "--locked",
                "--workspace",
                "--exclude",
                "app",
                "--all-targets",
            ])
            .args(["--", "--deny", "warnings"]))
    })?;
    tools::add_wasm_target(layout)?;
    step("clippy for the app", || {
        run(cargo()
            .args(["clippy", "--locked", "--package", "app", "--all-targets"])
            .args(WASM)
            .args(["--", "--deny", "warnings"]))
    })?;
    step("unit, property and doc tests", || {
        run(cargo().args([
            "test",
            "--locked",
            "--workspace",
            "--exclude",
            "app",
            "--exclude",
            "tests",
            "--exclude",
            "simulator",
        ]))
    })?;
    // Unoptimised, its histories take minutes.
    step("histories in the simulator", || {
        run(cargo().args([
            "test",
            "--locked",
            "--profile",
            "simulation",
            "--package",
            "simulator",
        ]))
    })?;
    step("tests of the test harness", || {
        run(cargo().args(["test", "--locked", "--package", "tests", "--lib"]))
    })?;
    tools::install_npm_packages(layout, &layout.npm_packages())?;
    for package in layout.npm_packages() {
        let name = package
            .strip_prefix(layout.root())
            .unwrap_or(&package)
            .display()
            .to_string();
        step(&format!("types and tests of {name}"), || {
            let npm = |arguments: &[&str]| run(Command::new("npm").args(arguments).current_dir(&package));
            npm(&["exec", "--no", "--", "tsc", "--noEmit"])?;
            npm(&["run", "--silent", "--if-present", "test"])
        })?;
    }
    tools::install_npm_packages(layout, &layout.npm_packages_of_others())?;
    step("pages in other programs on Automerge", || {
        run(cargo().args([
            "test",
            "--locked",
            "--package",
            "documents",
            "--test",
            "files",
            "interop",
            "--",
            "--ignored",
        ]))
    })
}

/// Hostile bytes for every decoder (`protocol/tests/formats/fuzz.rs`, `documents/tests/fuzz.rs`), and damaged stores
/// (`replica/tests/replica/hostile.rs`, `sync-server/tests/relay/damage.rs`).
fn fuzz(layout: &Layout) -> Result<()> {
    let seconds = std::env::var_os("MERIDIAN_FUZZ_SECONDS").unwrap_or_else(|| "60".into());
    for (package, test) in [
        ("protocol", "formats"),
        ("documents", "fuzz"),
        ("replica", "replica"),
        ("sync-server", "relay"),
    ] {
        step(&format!("fuzzing of {package}"), || {
            run(cargo(layout.root())
                .args(["test", "--locked", "--package", package, "--test", test, "fuzz"])
                .args(["--", "--ignored", "--nocapture"])
                .env("MERIDIAN_FUZZ_SECONDS", &seconds))
        })?;
    }
    Ok(())
}

/// Relays that are killed under load (`sync-server/tests/relay/kills.rs`, `durability.rs`), many more times than otherwise.
fn kill_relays(layout: &Layout) -> Result<()> {
    let kills = std::env::var_os("MERIDIAN_KILLS").unwrap_or_else(|| "50".into());
    step("relays that are killed", || {
        run(cargo(layout.root())
            .args([
                "test",
                "--locked",
                "--package",
                "sync-server",
                "--test",
                "relay",
                "kill",
            ])
            .env("MERIDIAN_KILLS", kills))
    })
}

/// How long the app's own tests may take.
const WASM_TESTS: Duration = Duration::from_secs(180);

fn wasm_tests(layout: &Layout) -> Result<()> {
    step("WASM tests in the browser", || {
        run(&mut wasm_test(layout, WASM_TESTS)?)
    })
}

/// The app's own tests, compiled to WASM and run in a browser (`app/webdriver.json` says how it is started). npm's packages must
/// be there.
pub(crate) fn wasm_test(layout: &Layout, limit: Duration) -> Result<Command> {
    let tools = Tools::for_front_end(layout)?;
    let driver: PathBuf = tools::find_on_path("chromedriver")
        .ok_or_else(|| Error::Missing("chromedriver is not on the PATH".to_owned()))?;
    // What people's hands do to the editor (`app/editor/test/hands.ts`), where the browser finds it.
    run(Command::new("npm")
        .args(["run", "--silent", "build:hands"])
        .current_dir(layout.root().join("app/editor")))?;
    let mut test = cargo(layout.root());
    test.args(["test", "--locked", "--package", "app"])
        .args(WASM)
        .env("PATH", tools.path()?)
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            "wasm-bindgen-test-runner",
        )
        .env("CHROMEDRIVER", driver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", limit.as_secs().to_string());
    Ok(test)
}
