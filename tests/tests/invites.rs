//! Who gets in, as what, and what those are told who don't.

use tests::{AMINA, CLASSROOM, JONAS, Journey, Pair, Person, Profile, Result, TITLE};

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reads_and_changes_nothing() -> Result<()> {
    let pair = Pair::meet().await?;
    let amina = &pair.amina;
    amina.write("For all to read. ").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    let invite = amina.invite("Guest").await?;
    amina.open_page(TITLE).await?;

    let profile = Profile::new()?;
    let guest = pair.journey.open(1, &profile).await?;
    guest
        .join(
            &invite,
            Person {
                name: "Grace Hopper",
                ..JONAS
            },
        )
        .await?;
    guest.wait_for_text("list", "Members", "Guest").await?;
    guest.wait_for_text("list", "Documents", TITLE).await?;
    for forbidden in ["New page", "Invite"] {
        assert!(
            guest.look_for("button", forbidden).await?.is_none(),
            "{forbidden}"
        );
    }
    guest.open_page(TITLE).await?;
    guest.wait_for_page("For all to read.").await?;
    assert!(guest.look_for("toolbar", "Formatting").await?.is_none());
    let page = guest.find("textbox", "Page").await?;
    assert_eq!(page.attr("aria-readonly").await?.as_deref(), Some("true"));
    let title = guest.find("textbox", "Title").await?;
    assert_eq!(title.prop("readOnly").await?.as_deref(), Some("true"));

    page.click().await?;
    guest.keys("Scribble").await?;
    title.click().await?;
    guest.keys("Scribble").await?;
    // A sign that came later: what the guest typed would be there by now.
    amina.write("Also for the guest.").await?;
    let expected = "<p>For all to read. Also for the guest.</p>";
    for browser in [&guest, amina, &pair.jonas] {
        browser.wait_for_page(expected).await?;
        assert_eq!(browser.page().await?, expected);
        assert_eq!(browser.text("textbox", "Title").await?.as_deref(), Some(TITLE));
    }
    guest.wait_for_status("On the relay").await?;
    guest.close().await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_leads_nowhere_says_why() -> Result<()> {
    let journey = Journey::start(1).await?;
    let elsewhere = Journey::start(1).await?;
    let (profile, foreign_profile) = (Profile::new()?, Profile::new()?);
    let foreigner = elsewhere.open(0, &foreign_profile).await?;
    foreigner.create_classroom(CLASSROOM, AMINA).await?;
    let foreign = foreigner.invite("Student").await?;

    let newcomer = journey.open(0, &profile).await?;
    let cut_short = &foreign[..foreign.len() - 20];
    let not_an_invite = "This is no invite link. Copy the whole link, with everything behind the #.";
    for (link, sentence) in [
        ("http://127.0.0.1/join#nonsense", not_an_invite),
        ("#%00\u{1f30d}<script>", not_an_invite),
        (cut_short, not_an_invite),
        (
            &foreign,
            "The relay does not know this classroom yet. Ask whoever invited you to go online once, then try again.",
        ),
    ] {
        // Opened, and pasted.
        newcomer.visit("/").await?;
        newcomer.open_invite(link).await?;
        newcomer.find("heading", "Join with an invite").await?;
        newcomer.wait_for_alert(sentence).await?;
        newcomer.visit("/").await?;
        newcomer.press("Join with an invite").await?;
        newcomer.fill("Invite link", link).await?;
        newcomer.press("Open the invite").await?;
        newcomer.wait_for_alert(sentence).await?;
        // There is a way on.
        newcomer.press("Use another link").await?;
        newcomer.find("textbox", "Invite link").await?;
    }
    newcomer.close().await?;
    foreigner.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_opened_with_no_connection_opens_when_there_is_one() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (founder, newcomer) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    founder.create_classroom(CLASSROOM, AMINA).await?;
    let invite = founder.invite("Student").await?;
    newcomer.wait_until_offline_ready().await?;

    journey.link(1).cut();
    newcomer.open_invite(&invite).await?;
    newcomer
        .wait_for_alert("This needs a connection, and there is none right now.")
        .await?;
    journey.link(1).restore();
    newcomer.find("heading", CLASSROOM).await?;
    newcomer.find("button", "Join").await?;
    founder.close().await?;
    newcomer.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_a_busy_relay_did_not_open_opens_by_itself() -> Result<()> {
    // One classroom at a time: who has one gets no other.
    let mut journey = Journey::start_with(2, &["--channels", "1"]).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (founder, newcomer) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    founder.create_classroom(CLASSROOM, AMINA).await?;
    let invite = founder.invite("Student").await?;
    newcomer.create_classroom("Of my own", JONAS).await?;
    newcomer.wait_for_status("On the relay").await?;
    newcomer.open_invite(&invite).await?;
    newcomer
        .wait_for_alert("The relay is busy. Meridian tries again by itself.")
        .await?;

    journey.relay.stop().await?;
    journey.relay.change("--channels", "1000");
    journey.relay.start_again().await?;
    newcomer.find("heading", CLASSROOM).await?;
    newcomer.find("button", "Join").await?;
    founder.close().await?;
    newcomer.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_only_names() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (founder, joiner) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;

    // Nothing but spaces is no name, and what was typed stays.
    founder.press("Create a classroom").await?;
    founder.fill("Classroom name", "   ").await?;
    founder.introduce(AMINA).await?;
    founder.press("Create").await?;
    founder.wait_for_alert("A name is empty or too long.").await?;
    assert_eq!(
        founder.text("textbox", "Your name").await?.as_deref(),
        Some(AMINA.name)
    );

    let classroom = "<img src=x onerror=alert(1)> & \u{202e}مياه";
    let odd = Person {
        name: "ليلى \u{1f469}\u{200d}\u{1f680} </li><b>",
        school: "'; DROP TABLE schools; --",
        country: "Egypt",
    };
    founder.create_classroom(classroom, odd).await?;
    let invite = founder.invite("Teacher").await?;
    founder.new_page("{{ title }} <script>").await?;
    joiner.open_invite(&invite).await?;
    joiner.find("heading", classroom).await?;
    let longest = "ß".repeat(80);
    joiner
        .join(
            &invite,
            Person {
                name: &longest,
                ..JONAS
            },
        )
        .await?;
    for name in [odd.name, odd.school, &longest] {
        joiner.wait_for_text("list", "Members", name).await?;
    }
    joiner.open_page("{{ title }} <script>").await?;
    founder.wait_for_text("list", "Here now", &longest).await?;
    for browser in [founder, joiner] {
        let errors = browser.errors().await?;
        assert!(errors.is_empty(), "{errors:#?}");
        browser.close().await?;
    }
    Ok(())
}
