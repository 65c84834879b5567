//! The connection goes away, everybody goes on, it comes back.

use tests::{CLASSROOM, Pair, Result, TITLE, same_page};

const RELAY: &str = "On the relay";
const OFFLINE_DEVICE: &str = "Offline · On this device";

/// What was painted after the first keystroke never said that all is on the relay.
fn assert_claims_no_relay(seen: &[String]) {
    let typed = seen.iter().skip_while(|text| *text != "typed");
    let said: Vec<&String> = typed.filter(|text| *text != "typed").collect();
    assert!(!said.is_empty(), "nothing was said after typing: {seen:?}");
    assert!(said.iter().all(|text| !text.contains(RELAY)), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_the_link_is_cut_meets_afterwards() -> Result<()> {
    let mut pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    tokio::try_join!(amina.wait_until_offline_ready(), jonas.wait_until_offline_ready())?;
    amina.write("Springs. ").await?;
    jonas.wait_for_page("Springs.").await?;

    // Cut for one.
    pair.journey.link(1).cut();
    jonas.wait_for_status("Offline · On the relay").await?;
    jonas.watch_status().await?;
    tokio::try_join!(amina.write("Upstream. "), jonas.write("Downstream. "))?;
    jonas.wait_for_status(OFFLINE_DEVICE).await?;
    amina.wait_for_status(RELAY).await?;
    assert_claims_no_relay(&jonas.watched_status().await?);

    // Then for both, and the relay is gone besides.
    pair.journey.link(0).cut();
    pair.journey.relay.kill().await?;
    amina.wait_for_status("Offline · On the relay").await?;
    amina.watch_status().await?;
    tokio::try_join!(amina.write("Dam. "), jonas.write("Delta. "))?;
    tokio::try_join!(
        amina.wait_for_status(OFFLINE_DEVICE),
        jonas.wait_for_status(OFFLINE_DEVICE)
    )?;
    assert_claims_no_relay(&amina.watched_status().await?);

    // One reloads: the app starts, opens and edits with nothing but the device.
    jonas.reload().await?;
    jonas.wait_for_page("Downstream. ").await?;
    jonas.wait_for_page("Delta. ").await?;
    jonas.wait_for_status(OFFLINE_DEVICE).await?;
    jonas.write("Estuary. ").await?;
    jonas.wait_for_status(OFFLINE_DEVICE).await?;
    // The list says the same of the page.
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.wait_for_text("list", "Documents", "On this device").await?;
    jonas.wait_for_status(OFFLINE_DEVICE).await?;
    jonas.open_page(TITLE).await?;

    pair.journey.relay.start_again().await?;
    pair.journey.link(0).restore();
    pair.journey.link(1).restore();
    tokio::try_join!(amina.wait_for_status(RELAY), jonas.wait_for_status(RELAY))?;
    let page = same_page(&[amina, jonas]).await?;
    for word in [
        "Springs.",
        "Upstream.",
        "Downstream.",
        "Dam.",
        "Delta.",
        "Estuary.",
    ] {
        assert_eq!(page.matches(word).count(), 1, "{word} in {page}");
    }

    // The relay is killed while both write, and comes back.
    tokio::try_join!(amina.write("Before. "), jonas.write("Also before. "))?;
    pair.journey.relay.kill().await?;
    tokio::try_join!(amina.write("Without. "), jonas.write("Also without. "))?;
    tokio::try_join!(
        amina.wait_for_status(OFFLINE_DEVICE),
        jonas.wait_for_status(OFFLINE_DEVICE)
    )?;
    pair.journey.relay.start_again().await?;
    tokio::try_join!(amina.wait_for_status(RELAY), jonas.wait_for_status(RELAY))?;
    let page = same_page(&[amina, jonas]).await?;
    for words in ["Before.", "Also before.", "Without.", "Also without.", "Estuary."] {
        assert_eq!(page.matches(words).count(), 1, "{words} in {page}");
    }
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_relay_survives_the_relay() -> Result<()> {
    let mut pair = Pair::meet().await?;
    pair.journey.link(1).cut();
    pair.jonas.wait_for_status("Offline · On the relay").await?;
    pair.amina.watch_status().await?;
    pair.amina.write("Promised.").await?;
    pair.amina.wait_for_status(RELAY).await?;
    pair.journey.relay.kill().await?;
    // Whoever wrote it never comes back.
    pair.amina.crash().await?;
    pair.journey.relay.start_again().await?;
    pair.journey.link(1).restore();
    pair.jonas.wait_for_page("<p>Promised.</p>").await?;
    pair.jonas.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_this_device_survives_a_crash_of_the_browser() -> Result<()> {
    let mut pair = Pair::meet().await?;
    pair.amina.wait_until_offline_ready().await?;
    pair.amina.wait_for_status(RELAY).await?;
    pair.journey.link(0).cut();
    pair.journey.relay.kill().await?;
    pair.amina.write("Kept on this computer.").await?;
    pair.amina.wait_for_status(OFFLINE_DEVICE).await?;
    pair.amina.crash().await?;

    let amina = pair.journey.open(0, &pair.amina_profile).await?;
    amina.press(CLASSROOM).await?;
    amina.open_page(TITLE).await?;
    amina.wait_for_page("<p>Kept on this computer.</p>").await?;
    amina.wait_for_status(OFFLINE_DEVICE).await?;

    pair.journey.relay.start_again().await?;
    pair.journey.link(0).restore();
    amina.wait_for_status(RELAY).await?;
    pair.jonas.wait_for_page("<p>Kept on this computer.</p>").await?;
    amina.close().await?;
    pair.jonas.close().await
}
