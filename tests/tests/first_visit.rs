//! One visit is enough: then the app starts with nothing but the device.

use tests::{Error, Journey, Profile, Result, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_app_starts_with_the_relay_gone_after_one_visit() -> Result<()> {
    let mut journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.wait_until_offline_ready().await?;
    let errors = browser.errors().await?;
    assert!(errors.is_empty(), "{errors:#?}");

    journey.link(0).cut();
    journey.relay.kill().await?;
    for path in ["/", "/somewhere/in/the/app"] {
        browser.visit(path).await?;
        browser.find("status", "Sync").await?;
    }
    browser.reload().await?;
    browser.find("status", "Sync").await?;
    browser.crash().await?;

    // Also when the browser was killed in between.
    let browser = journey.open(0, &profile).await?;
    browser.find("status", "Sync").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_before_the_app_has_started_is_not_held_up() -> Result<()> {
    // When the first page is left; its worker makes the store at some time in between.
    const MOMENTS: [&str; 5] = [
        "performance.getEntriesByType('resource').some(({ name }) => name.includes('/worker-'))",
        "document.querySelector('header') !== null",
        "performance.getEntriesByType('resource').some(({ name, responseEnd }) => name.includes('/rest-') && responseEnd > 0)",
        "performance.now() > 700",
        "performance.now() > 850",
    ];
    let journey = Journey::start(1).await?;
    for moment in MOMENTS {
        let profile = Profile::new()?;
        let browser = journey.open(0, &profile).await?;
        let script = format!("return {moment}");
        wait_until(moment, async || Ok(browser.run(&script).await? == true)).await?;
        browser.visit("/join#nothing").await?;
        browser.find("heading", "Join with an invite").await?;
        wait_until("the app has started", async || {
            let shown = browser.text("status", "Sync").await?;
            Ok(shown.is_some_and(|shown| !shown.contains("Starting")))
        })
        .await?;
        browser.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_never_answered_with_the_page() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.wait_until_offline_ready().await?;
    let status = browser
        .run("return fetch('/app-0000000000000000.js').then((answer) => answer.status)")
        .await?;
    assert_eq!(status, 404);
    let errors = browser.errors().await?;
    assert!(errors.iter().any(|error| error.contains("404")), "{errors:#?}");
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_another_host_is_refused_and_would_be_noticed() -> Result<()> {
    let journey = Journey::start(2).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.find("status", "Sync").await?;
    let elsewhere = format!("{}/health", journey.link(1).origin());
    let ask =
        format!("return fetch('{elsewhere}', {{ mode: 'no-cors' }}).then(() => 'asked', () => 'refused')");
    assert_eq!(browser.run(&ask).await?, "refused");
    let errors = browser.errors().await?;
    assert!(
        errors
            .iter()
            .any(|error| error.contains("Content Security Policy")),
        "{errors:#?}"
    );

    // What the journeys look at when they close a browser, on a page without our policy.
    browser
        .driver()
        .cdp()
        .send_raw("Page.setBypassCSP", serde_json::json!({ "enabled": true }))
        .await?;
    browser.reload().await?;
    browser.find("status", "Sync").await?;
    assert_eq!(browser.run(&ask).await?, "asked");
    match browser.close().await {
        Err(Error::Misbehaved { requests, .. }) => assert_eq!(requests, [elsewhere]),
        other => panic!("{other:?}"),
    }
    Ok(())
}
