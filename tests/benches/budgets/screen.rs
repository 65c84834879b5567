//! Keystroke to the other screen.

use std::time::Duration;

use serde::Deserialize;
use tests::{Browser, Journey, Profile, wait_until};
use tokio::time::sleep;

use crate::app::{ADA, KOFI};
use crate::keyboard::{Rhythm, type_letter};
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::{Result, app};

const KEYSTROKES: usize = 120;
const BUDGET: f64 = 150.0;
/// In none of the page's words.
const LETTER: char = 'x';
/// How far the two browsers' clocks may be apart, in milliseconds, for their times to be compared.
const CLOCKS_APART: f64 = 5.0;

/// So many letters were on the screen at this time.
#[derive(Deserialize)]
struct Shown {
    letters: usize,
    at: f64,
}

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let journey = Journey::start(1).await?;
    let (here, there) = (Profile::new()?, Profile::new()?);
    let writer = journey.open(0, &here).await?;
    writer.create_classroom("Rivers", ADA).await?;
    let invite = writer.invite("Student").await?;
    let reader = journey.open_blank(0, &there).await?;
    reader.join(&invite, KOFI).await?;
    writer.new_page("Our river").await?;
    app::paste_text(&writer, 5_000).await?;
    writer.wait_for_status("On the relay").await?;
    let page = app::path(&writer).await?;
    reader.visit(&page).await?;
    reader.wait_for_text("textbox", "Page", "remember").await?;
    app::go_to_the_middle(&writer).await?;
    sleep(Duration::from_secs(2)).await;

    let apart = (clock_offset(&writer).await? - clock_offset(&reader).await?).abs();
    if apart > CLOCKS_APART {
        return Err(format!("the browsers' clocks are {apart:.1} ms apart").into());
    }
    writer.run(OBSERVE_KEYS).await?;
    reader.run(OBSERVE_LETTERS).await?;
    let mut rhythm = Rhythm::new(Duration::from_millis(120), Duration::from_millis(300));
    for _ in 0..KEYSTROKES {
        rhythm.beat().await;
        type_letter(&writer, LETTER).await?;
    }
    let mut shown: Vec<Shown> = Vec::new();
    wait_until("the other screen shows all letters", async || {
        shown = serde_json::from_value(reader.run("return meridianShown").await?).unwrap_or_default();
        Ok(shown.last().is_some_and(|last| last.letters == KEYSTROKES))
    })
    .await?;
    let keys: Vec<f64> = serde_json::from_value(writer.run("return meridianKeys").await?)?;
    writer.close().await?;
    reader.close().await?;

    let times = keys.iter().enumerate().map(|(index, key)| {
        let first = shown.iter().find(|shown| shown.letters > index);
        first.map(|shown| shown.at - key)
    });
    let times: Vec<f64> = times.collect::<Option<_>>().ok_or("a letter was never shown")?;
    let times = Samples::new(times)?;
    if times.count() != KEYSTROKES {
        return Err(format!("{} of {KEYSTROKES} keys were seen", times.count()).into());
    }
    Ok(vec![Measurement {
        what: "keystroke to the other screen, same relay, loopback",
        budget: Some("150 ms p95"),
        measured: format!(
            "{:.0} ms p95 (p50 {:.0}, max {:.0})",
            times.percentile(95),
            times.median(),
            times.max()
        ),
        within: Some(times.percentile(95) <= BUDGET),
        how: format!(
            "two browsers, {KEYSTROKES} keys 120 to 300 ms apart; from the key event's time in one to the first task after the frame \
             that shows the letter in the other; includes the 80 ms that edits are collected for"
        ),
    }])
}

/// What the page's fine clock is ahead of the system's, in milliseconds.
async fn clock_offset(browser: &Browser) -> Result<f64> {
    // The system's clock as a page reads it has whole milliseconds: right after it changed it is exact.
    let script = "
        const start = Date.now();
        while (Date.now() === start) {}
        return performance.timeOrigin + performance.now() - Date.now();
    ";
    let offset = browser.run(script).await?.as_f64();
    Ok(offset.ok_or("the browser has no clock")?)
}

const OBSERVE_KEYS: &str = "
    const keys = globalThis.meridianKeys = [];
    addEventListener('keydown', (event) => void keys.push(performance.timeOrigin + event.timeStamp), true);
";

const OBSERVE_LETTERS: &str = "
    const shown = globalThis.meridianShown = [];
    const page = document.querySelector('[role=textbox][aria-multiline]');
    const count = () => page.textContent.split('x').length - 1;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }) => void shown.push({ letters: data, at: performance.timeOrigin + performance.now() });
    let waiting = false;
    new MutationObserver(() => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => {
            waiting = false;
            port2.postMessage(count());
        });
    }).observe(page, { childList: true, characterData: true, subtree: true });
";
