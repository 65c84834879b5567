//! Starting from what the device has kept, to a page that can be edited.

use std::time::Duration;

use serde_json::json;
use tests::{Browser, Journey, Profile, wait_until};
use tokio::time::sleep;

use crate::app::ADA;
use crate::keyboard::type_letter;
use crate::report::Measurement;
use crate::slow::Slowed;
use crate::statistics::Samples;
use crate::{Result, app};

const STARTS: usize = 7;
const SLOWDOWN: u32 = 4;
const LETTERS: usize = 5_000;
/// In seconds.
const BUDGET: f64 = 1.5;

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.create_classroom("Rivers", ADA).await?;
    browser.new_page("Our river").await?;
    app::paste_text(&browser, LETTERS).await?;
    browser.wait_for_status("On the relay").await?;
    browser.wait_until_offline_ready().await?;
    let page = app::path(&browser).await?;
    // Browsers keep compiled code from the second use on.
    browser.reload().await?;
    browser.wait_for_text("textbox", "Page", "remember").await?;
    sleep(Duration::from_secs(2)).await;
    browser.close().await?;

    let slow = starts(&journey, &profile, &page, SLOWDOWN).await?;
    let fast = starts(&journey, &profile, &page, 1).await?;
    Ok(vec![Measurement {
        what: "start from cache, mid-range phone (4× CPU slowdown)",
        budget: Some("1.5 s"),
        measured: format!(
            "{:.2} s median of {STARTS} (max {:.2}); again in the same browser {:.2} s; without slowdown {:.2} and {:.2} s",
            slow.first.median(),
            slow.first.max(),
            slow.again.median(),
            fast.first.median(),
            fast.again.median()
        ),
        within: Some(slow.first.median() <= BUDGET),
        how: "a browser newly started on the profile goes to a page of 5 KB, with the service worker and the relay there; from the \
              start of the navigation to the first task after the frame in which the editor shows the text. The browser's page \
              processes, with the app's worker and the service worker, run a quarter of the time"
            .to_owned(),
    }])
}

/// In seconds, one for each of several browsers.
struct Starts {
    /// In a browser that was only just started.
    first: Samples,
    /// In the same browser, once more.
    again: Samples,
}

async fn starts(journey: &Journey, profile: &Profile, page: &str, slowdown: u32) -> Result<Starts> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let browser = journey.open_blank(0, profile).await?;
        let source = json!({ "source": OBSERVE });
        let cdp = browser.driver().cdp();
        cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", source)
            .await?;
        // The browser itself is started by now.
        sleep(Duration::from_secs(1)).await;
        let slowed = (slowdown > 1).then(|| Slowed::start(profile, slowdown));
        first.push(start(&browser, page).await?);
        browser.driver().goto("about:blank").await?;
        again.push(start(&browser, page).await?);
        drop(slowed);
        check_it_takes_keys(&browser).await?;
        browser.close().await?;
    }
    Ok(Starts {
        first: Samples::new(first)?,
        again: Samples::new(again)?,
    })
}

async fn start(browser: &Browser, page: &str) -> Result<f64> {
    let source = json!({ "source": OBSERVE });
    let cdp = browser.driver().cdp();
    cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", source)
        .await?;
    browser.visit(page).await?;
    // Asking takes the page's time, too.
    sleep(Duration::from_secs(2)).await;
    let mut ready = None;
    wait_until("the page can be edited", async || {
        ready = browser
            .run("return globalThis.meridianReady ?? null")
            .await?
            .as_f64();
        Ok(ready.is_some())
    })
    .await?;
    if browser
        .run("return navigator.serviceWorker.controller === null")
        .await?
        == true
    {
        return Err("the page did not come from the service worker".into());
    }
    Ok(ready.ok_or("the page was never ready")? / 1000.0)
}

/// The editor was not only shown.
async fn check_it_takes_keys(browser: &Browser) -> Result<()> {
    app::go_to_the_middle(browser).await?;
    for letter in "xyx".chars() {
        type_letter(browser, letter).await?;
    }
    browser.wait_for_text("textbox", "Page", "xyx").await?;
    Ok(browser.wait_for_status("On the relay").await?)
}

/// A block, because a first document may hand its names on to the next.
const OBSERVE: &str = "{
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => { globalThis.meridianReady = performance.now(); };
    const observer = new MutationObserver(() => {
        const page = document.querySelector('[role=textbox][aria-multiline][contenteditable=true]');
        if (!page?.textContent.includes('remember')) return;
        observer.disconnect();
        requestAnimationFrame(() => port2.postMessage(null));
    });
    observer.observe(document, { childList: true, characterData: true, subtree: true });
}";
