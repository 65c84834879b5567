//! An hour of typing, as fast as the page takes it: what it does to memory.

use std::fs;

use serde_json::json;
use tests::{Journey, Profile};
use tokio::time::Duration;

use crate::app::ADA;
use crate::keyboard::{Rhythm, press_key, type_letter};
use crate::report::Measurement;
use crate::slow::page_processes;
use crate::{Result, app};

/// What somebody types in an hour who never stops to think: five letters a second.
const LETTERS: usize = 18_000;
/// How often memory is looked at.
const LOOKS: usize = 6;
const PAGE: usize = 100_000;
/// In megabytes: what a history that has grown by so much may take.
const BUDGET: f64 = 10.0;

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.create_classroom("Rivers", ADA).await?;
    browser.new_page("Our river").await?;
    app::paste_text(&browser, PAGE).await?;
    browser.wait_for_status("On the relay").await?;
    app::go_to_the_middle(&browser).await?;
    let mut memory = Vec::new();
    let mut rhythm = Rhythm::new(Duration::from_millis(25), Duration::from_millis(35));
    for letter in 0..LETTERS {
        if letter % (LETTERS / LOOKS) == 0 {
            memory.push(resident(&browser, &profile).await?);
        }
        rhythm.beat().await;
        // The page stays as long as it is.
        if letter % 100 < 50 {
            type_letter(&browser, char::from(b"etaoinshr"[letter % 9])).await?;
        } else {
            press_key(&browser, "Backspace", 8).await?;
        }
    }
    browser.wait_for_status("On the relay").await?;
    memory.push(resident(&browser, &profile).await?);
    browser.close().await?;
    // In the first part the browser compiles, and fills what it keeps at hand.
    let grown = memory[memory.len() - 1] - memory[1];
    let all: Vec<String> = memory.iter().map(|megabytes| format!("{megabytes:.0}")).collect();
    Ok(vec![Measurement {
        what: "memory over an hour of typing, 100 KB page",
        budget: Some("no growth"),
        measured: format!("{grown:+.1} MB from the first sixth on ({} MB)", all.join(", ")),
        within: Some(grown <= BUDGET),
        how: format!(
            "{LETTERS} keys, as many as somebody presses in an hour at five a second, 25 to 35 ms apart, half of them deleting what the \
             others wrote; the memory of the browser's page processes that is theirs alone (the tab and its worker), each time after \
             garbage was collected in both"
        ),
    }])
}

/// The private memory of the pages and workers, in megabytes, after garbage was collected in all of them.
async fn resident(browser: &tests::Browser, profile: &Profile) -> Result<f64> {
    let cdp = browser.driver().cdp();
    // `HeapProfiler.collectGarbage` reaches the tab only. A dump that is to be deterministic collects what the worker left, too.
    let tracing = json!({
        "transferMode": "ReturnAsStream",
        "traceConfig": {
            "includedCategories": ["disabled-by-default-memory-infra"],
            "excludedCategories": ["*"],
            "memoryDumpConfig": { "triggers": [] },
        },
    });
    cdp.send_raw("Tracing.start", tracing).await?;
    let dump = json!({ "deterministic": true, "levelOfDetail": "background" });
    let dumped = cdp.send_raw("Tracing.requestMemoryDump", dump).await?;
    cdp.send_raw("Tracing.end", json!({})).await?;
    if dumped["success"] != true {
        return Err("the browser collected no garbage".into());
    }
    private(profile)
}

/// The memory that is the pages' and workers' alone, in megabytes.
fn private(profile: &Profile) -> Result<f64> {
    let mut kilobytes = 0.0;
    for process in page_processes(profile)? {
        let path = format!("/proc/{}/smaps_rollup", process.as_raw_nonzero());
        // It may have ended since.
        let rollup = fs::read_to_string(path).unwrap_or_default();
        for line in rollup.lines().filter(|line| line.starts_with("Private_")) {
            let number = line
                .split_whitespace()
                .nth(1)
                .and_then(|number| number.parse::<f64>().ok());
            kilobytes += number.unwrap_or_default();
        }
    }
    Ok(kilobytes / 1000.0)
}
