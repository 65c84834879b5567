//! Opening pages with a long history, from the classroom's screen.

use std::time::Duration;

use tests::{Browser, Journey, Profile, wait_until};
use tokio::time::sleep;

use crate::app::ADA;
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::{Result, app, long_page};

const TIMES: usize = 5;
/// In milliseconds.
const BUDGET: f64 = 500.0;
const PAPER_BUDGET: f64 = 1000.0;

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let journey = Journey::start_with(1, &["--submissions-per-second", "100000"]).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.create_classroom("Rivers", ADA).await?;
    let invite = browser.invite("Student").await?;
    let classroom = app::path(&browser).await?;
    browser.new_page("Our river").await?;
    long_page::write(&journey, &browser, &invite).await?;
    let long = open(&browser, &classroom, "Our river").await?;
    browser.new_page("The paper").await?;
    let edits = long_page::write_paper(&journey, &browser, &invite).await?;
    let paper = open(&browser, &classroom, "The paper").await?;
    browser.close().await?;

    let how = "from the click on its name on the classroom's screen to the first task after the frame in which the editor shows \
               it, ready to type; the app was started anew before each";
    Ok(vec![
        Measurement {
            what: "opening a page of 100 KB with 20,000 changes",
            budget: Some("500 ms"),
            measured: told(&long),
            within: Some(long.median() <= BUDGET),
            how: format!("three members wrote it in {} changes; {how}", long_page::CHANGES),
        },
        Measurement {
            what: "opening the paper, automerge-paper",
            budget: Some("1 s"),
            measured: told(&paper),
            within: Some(paper.median() <= PAPER_BUDGET),
            how: format!("{edits} edits, ten to a change, each line a paragraph; {how}"),
        },
    ])
}

fn told(times: &Samples) -> String {
    format!(
        "{:.0} ms median of {} (max {:.0})",
        times.median(),
        times.count(),
        times.max()
    )
}

/// How long the page took to open, several times. Ends on the classroom's screen.
async fn open(browser: &Browser, classroom: &str, title: &str) -> Result<Samples> {
    let mut times = Vec::new();
    // What the worker does with what came just now is not measured.
    sleep(Duration::from_secs(40)).await;
    for _ in 0..TIMES {
        browser.visit(classroom).await?;
        browser.find("link", title).await?;
        sleep(Duration::from_secs(3)).await;
        browser.run(OBSERVE).await?;
        browser.press(title).await?;
        let mut taken = None;
        wait_until("the page is open", async || {
            taken = browser
                .run("return globalThis.meridianOpened ?? null")
                .await?
                .as_f64();
            Ok(taken.is_some())
        })
        .await?;
        times.extend(taken);
    }
    browser.visit(classroom).await?;
    Samples::new(times)
}

const OBSERVE: &str = "
    let pressed = null;
    addEventListener('click', (event) => { pressed ??= event.timeStamp; }, true);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { globalThis.meridianOpened = performance.now() - pressed; };
    const observer = new MutationObserver(() => {
        const page = document.querySelector('[role=textbox][aria-multiline][contenteditable=true]');
        if (pressed === null || !(page?.textContent.length > 1000)) return;
        observer.disconnect();
        requestAnimationFrame(() => port2.postMessage(null));
    });
    observer.observe(document, { childList: true, characterData: true, subtree: true, attributes: true });
";
