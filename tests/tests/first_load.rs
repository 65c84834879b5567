//! The program comes in two files: what runs until somebody edits a page, and the rest, which is loaded behind it.
//!
//! With an app that notes which functions run (`cargo xtask profile`), the numbers of those that ran until somebody edited a page
//! are added to the file that `MERIDIAN_PROFILE` names.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};
use tests::{AMINA, Browser, CLASSROOM, JONAS, Journey, Profile, Result, TITLE};

const WORDS: &str = "Springs at Mount Kenya.";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_edited_by_who_founds_and_by_who_joins() -> Result<()> {
    let journey = Journey::start(2).await?;
    let profiles = (Profile::new()?, Profile::new()?, Profile::new()?);
    let (founding, inviting, joining) = tokio::try_join!(
        journey.open(0, &profiles.0),
        journey.open(0, &profiles.1),
        journey.open(1, &profiles.2)
    )?;
    founding.create_classroom(CLASSROOM, AMINA).await?;
    founding.new_page(TITLE).await?;

    inviting.create_classroom(CLASSROOM, AMINA).await?;
    let invite = inviting.invite("Student").await?;
    inviting.new_page(TITLE).await?;
    inviting.write(WORDS).await?;
    joining.join(&invite, JONAS).await?;
    joining.open_page(TITLE).await?;
    joining.wait_for_page(WORDS).await?;

    let mut ran = Vec::new();
    for browser in [&founding, &joining] {
        edit(browser).await?;
        ran.extend(noted(browser).await?);
        // The next start is from what is on the device.
        browser.reload().await?;
        edit(browser).await?;
        ran.extend(noted(browser).await?);
    }
    if let Some(path) = env::var_os("MERIDIAN_PROFILE") {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        for number in ran {
            writeln!(file, "{number}").unwrap();
        }
    }
    inviting.wait_for_page("And the sea.").await?;
    tokio::try_join!(founding.close(), inviting.close(), joining.close())?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_needed_before_the_rest_has_come_is_waited_for() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open_blank(0, &profile).await?;
    // In this tab it never comes by itself.
    let script = "WebAssembly.compileStreaming = () => new Promise(() => {})";
    let never = json!({ "source": script });
    let cdp = browser.driver().cdp();
    cdp.send_raw("Page.addScriptToEvaluateOnNewDocument", never)
        .await?;
    browser.visit("/").await?;
    browser.create_classroom(CLASSROOM, AMINA).await?;
    assert!(browser.invite("Student").await?.contains('#'));
    let waited = "return performance.getEntriesByName('meridian-rest-now').length";
    assert_eq!(browser.run(waited).await?, 1);
    browser.new_page(TITLE).await?;
    edit(&browser).await?;
    browser.close().await
}

async fn edit(browser: &Browser) -> Result<()> {
    browser.write("\nThe Tana. ").await?;
    browser.control('b').await?;
    browser.write("And the sea.").await?;
    browser.wait_for_page("And the sea.").await?;
    browser.wait_for_status("On the relay").await
}

/// What ran in this browser, if that is wanted.
async fn noted(browser: &Browser) -> Result<Vec<Value>> {
    if env::var_os("MERIDIAN_PROFILE").is_none() {
        return Ok(Vec::new());
    }
    // What runs when the tab is left ran last, and nobody can be asked then.
    let leave = "for (const name of ['offline', 'online', 'visibilitychange', 'pagehide', 'beforeunload'])
                     dispatchEvent(new Event(name, { cancelable: true }))";
    browser.run(leave).await?;
    let ran = browser.run("return globalThis.meridianRan()").await?;
    Ok(ran.as_array().cloned().unwrap_or_default())
}
