//! One person's work in two places at once: two tabs of a profile, and a profile that was copied.

use serde_json::Value;
use tests::{AMINA, Browser, CLASSROOM, Journey, Pair, Profile, Result, TITLE, same_page};

const RELAY: &str = "On the relay";
const OFFLINE_DEVICE: &str = "Offline · On this device";

#[tokio::test(flavor = "multi_thread")]
async fn two_tabs_write_one_page_with_no_connection() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Start. ").await?;
    jonas.wait_for_page("Start.").await?;
    amina.wait_until_offline_ready().await?;
    pair.journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    let path = amina.run("return location.pathname").await?;
    amina.open_tab(path.as_str().unwrap_or_default()).await?;
    amina.wait_for_page("Start.").await?;

    // Without waiting for the other tab to hear of it.
    let mut words = Vec::new();
    for round in 0..3 {
        for tab in [0, 1] {
            amina.turn_to_tab(tab).await?;
            let word = format!("tab{tab}round{round}");
            amina.write(&format!("{word} ")).await?;
            words.push(word);
        }
    }
    let all_words = async |browser: &Browser| -> Result<String> {
        for word in &words {
            browser.wait_for_page(word).await?;
        }
        let page = browser.page().await?;
        for word in &words {
            assert_eq!(page.matches(word.as_str()).count(), 1, "{word} in {page}");
        }
        Ok(page)
    };
    let second = all_words(amina).await?;
    amina.wait_for_status(OFFLINE_DEVICE).await?;
    amina.turn_to_tab(0).await?;
    assert_eq!(all_words(amina).await?, second);
    amina.wait_for_status(OFFLINE_DEVICE).await?;

    // What the second tab wrote reaches the others, although it is closed before there is a connection.
    amina.turn_to_tab(1).await?;
    amina.driver().close_window().await?;
    amina.turn_to_tab(0).await?;
    pair.journey.link(0).restore();
    assert_eq!(all_words(jonas).await?, second);
    amina.wait_for_status(RELAY).await?;
    assert_eq!(same_page(&[amina, jonas]).await?, second);
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_too_many_is_told_so_and_is_let_in_once_there_is_room() -> Result<()> {
    const TOO_MANY: &str = "Too many tabs or devices are connected from here.";
    let journey = Journey::start_with(1, &["--connections-per-member", "1"]).await?;
    let profile = Profile::new()?;
    let amina = journey.open(0, &profile).await?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    amina.new_page(TITLE).await?;
    amina.write("Spring. ").await?;
    amina.wait_for_status(RELAY).await?;
    let path = amina.run("return location.pathname").await?;
    amina.open_tab(path.as_str().unwrap_or_default()).await?;
    amina.wait_for_page("Spring.").await?;
    amina.wait_for_text("status", "Offline", TOO_MANY).await?;

    // Both go on.
    amina.write("Delta. ").await?;
    amina.turn_to_tab(0).await?;
    amina.wait_for_page("Delta.").await?;
    amina.write("Sea. ").await?;
    amina.wait_for_status(RELAY).await?;
    amina.driver().close_window().await?;
    amina.turn_to_tab(0).await?;
    amina.wait_for_page("Sea.").await?;
    amina.wait_for_status(RELAY).await?;
    assert_eq!(amina.text("status", "Offline").await?, None);
    amina.close().await
}

async fn open_page(journey: &Journey, profile: &Profile) -> Result<Browser> {
    let browser = journey.open(0, profile).await?;
    browser.press(CLASSROOM).await?;
    browser.open_page(TITLE).await?;
    Ok(browser)
}

/// The lanes that this browser's tabs write on.
async fn lanes(browser: &Browser) -> Result<Value> {
    browser
        .run(
            "const { held } = await navigator.locks.query();
             return held.map(({ name }) => name).filter((name) => name.startsWith('meridian lane')).sort();",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_copied_profile_keep_their_work() -> Result<()> {
    let Pair {
        journey,
        amina_profile,
        amina,
        jonas,
        ..
    } = Pair::meet().await?;
    amina.wait_until_offline_ready().await?;
    amina.write("Start. ").await?;
    jonas.wait_for_page("Start.").await?;
    amina.wait_for_status(RELAY).await?;
    amina.close().await?;

    // As when a laboratory's computers are all made from one image.
    let copied_profile = amina_profile.copy()?;
    let (first, twin) = tokio::try_join!(
        open_page(&journey, &amina_profile),
        open_page(&journey, &copied_profile)
    )?;
    let lane = lanes(&first).await?;
    // A lane is fresh at every start, whatever the copy knew.
    assert_ne!(lanes(&twin).await?, lane);

    // Both give the same place in the log to what they write: the relay can take only one of the two.
    journey.link(0).cut();
    tokio::try_join!(
        first.wait_for_status("Offline · On the relay"),
        twin.wait_for_status("Offline · On the relay")
    )?;
    tokio::try_join!(first.write("Original. "), twin.write("Copied. "))?;
    tokio::try_join!(
        first.wait_for_status(OFFLINE_DEVICE),
        twin.wait_for_status(OFFLINE_DEVICE)
    )?;
    journey.link(0).restore();
    for browser in [&first, &twin, &jonas] {
        browser.wait_for_page("Original.").await?;
        browser.wait_for_page("Copied.").await?;
        browser.wait_for_status(RELAY).await?;
    }
    // It goes on from there.
    tokio::try_join!(
        first.write("Further. "),
        twin.write("Farther. "),
        jonas.write("Also. ")
    )?;
    for words in ["Further.", "Farther.", "Also."] {
        jonas.wait_for_page(words).await?;
    }
    let page = same_page(&[&first, &twin, &jonas]).await?;
    tokio::try_join!(first.reload(), twin.reload())?;
    for browser in [&first, &twin] {
        browser.wait_for_page("Start.").await?;
    }
    assert_eq!(same_page(&[&first, &twin, &jonas]).await?, page);
    for words in ["Start.", "Original.", "Copied.", "Further.", "Farther.", "Also."] {
        assert_eq!(page.matches(words).count(), 1, "{words} in {page}");
    }
    tokio::try_join!(first.close(), twin.close(), jonas.close())?;
    Ok(())
}
