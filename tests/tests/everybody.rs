//! For people without a mouse, with a small screen, with a screen reader, at night, and from right to left.

use tests::{AMINA, Browser, CLASSROOM, ColorScheme, JONAS, Journey, Pair, Person, Profile, Result, TITLE};
use thirtyfour::Key;

/// A teacher at Jonas' school.
const CARLA: Person = Person {
    name: "Carla Thiessen-Oldenburg",
    school: JONAS.school,
    country: JONAS.country,
};

#[tokio::test(flavor = "multi_thread")]
async fn from_home_to_a_written_page_by_keyboard_alone() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open(0, &profile).await?;
    browser.find("link", "Create a classroom").await?;
    browser.tab_to("Create a classroom").await?;
    browser.keys(Key::Enter + "").await?;

    browser.find("textbox", "Classroom name").await?;
    browser.tab_to("Classroom name").await?;
    browser.keys(CLASSROOM).await?;
    browser.tab_to("Your name").await?;
    browser.keys(AMINA.name).await?;
    browser.tab_to("Your school").await?;
    browser.keys(AMINA.school).await?;
    browser.tab_to("Country").await?;
    browser.keys(AMINA.country).await?;
    browser.tab_to("Create").await?;
    browser.keys(Key::Enter + "").await?;

    browser.find("button", "Later").await?;
    browser.tab_to("Later").await?;
    browser.keys(Key::Enter + "").await?;

    // A dialog takes the focus and gives it back.
    browser.find("button", "Invite").await?;
    browser.tab_to("Invite").await?;
    browser.keys(Key::Enter + "").await?;
    browser.find("textbox", "Invite link").await?;
    browser.tab_to("Copy").await?;
    browser.keys(Key::Escape + "").await?;
    tests::wait_until("the focus is back", async || {
        Ok(browser.focused().await? == "Invite")
    })
    .await?;

    browser.visit("/").await?;
    browser.find("link", CLASSROOM).await?;
    browser.tab_to(CLASSROOM).await?;
    browser.keys(Key::Enter + "").await?;
    browser.find("button", "New page").await?;
    browser.tab_to("New page").await?;
    browser.keys(Key::Enter + "").await?;

    browser.find("textbox", "Title").await?;
    browser.tab_to("Title").await?;
    browser.keys(TITLE).await?;
    browser.keys(Key::Enter + "").await?;
    tests::wait_until("Enter leads from the title into the page", async || {
        Ok(browser.focused().await? == "Page")
    })
    .await?;
    browser.keys("Plain ").await?;
    browser.control('b').await?;
    browser.keys("bold").await?;
    browser.control('b').await?;
    browser.keys(Key::Enter + "One").await?;

    // The toolbar is one stop; arrows go on inside it.
    browser.tab_back_to("Style").await?;
    for _ in 0..20 {
        if browser.focused().await? == "Numbered list" {
            break;
        }
        browser.keys(Key::Right + "").await?;
    }
    assert_eq!(browser.focused().await?, "Numbered list");
    browser.keys(Key::Space + "").await?;
    browser
        .wait_for_page("<p>Plain <strong>bold</strong></p><ol><li><p>One</p></li></ol>")
        .await?;
    browser.wait_for_text("textbox", "Title", TITLE).await?;
    browser.wait_for_status("On the relay").await?;
    browser.close().await
}

/// Looks at a screen small and large, light and dark: nothing sticks out, the status can be read, axe-core has no
/// serious complaint. Leaves pictures.
async fn look_at(browser: &Browser, name: &str, found: &mut Vec<String>) -> Result<()> {
    look_at_opened(browser, name, found, async || Ok(())).await
}

/// The same for what has to be opened on each screen.
async fn look_at_opened(
    browser: &Browser,
    name: &str,
    found: &mut Vec<String>,
    open: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    for (width, height) in [(360, 740), (1440, 900)] {
        browser.set_viewport(width, height).await?;
        open().await?;
        for (scheme, scheme_name) in [(ColorScheme::Light, "light"), (ColorScheme::Dark, "dark")] {
            browser.prefer(scheme).await?;
            browser.wait_until_still().await?;
            let place = format!("{name}-{width}-{scheme_name}");
            browser.screenshot(&place).await?;
            let mut problems = browser.layout_problems(width).await?;
            problems.extend(browser.barriers().await?);
            found.extend(problems.into_iter().map(|problem| format!("{place}: {problem}")));
        }
    }
    browser.set_viewport(1280, 900).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_serves_everybody() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    let found = &mut Vec::new();

    amina.find("link", "Create a classroom").await?;
    look_at(&amina, "welcome", found).await?;
    amina.press("Create a classroom").await?;
    amina.find("button", "Create").await?;
    look_at(&amina, "create", found).await?;
    amina.fill("Classroom name", CLASSROOM).await?;
    amina.introduce(AMINA).await?;
    amina.press("Create").await?;
    amina.find("button", "Later").await?;
    look_at(&amina, "login-card", found).await?;
    amina.press("Later").await?;
    amina.find("heading", CLASSROOM).await?;
    look_at(&amina, "classroom-empty", found).await?;
    let invite = amina.invite("Student").await?;
    amina.press("Invite").await?;
    amina.find("textbox", "Invite link").await?;
    look_at(&amina, "invite", found).await?;
    amina.press("Close").await?;

    jonas.press("Join with an invite").await?;
    jonas.find("textbox", "Invite link").await?;
    look_at(&jonas, "join", found).await?;
    jonas.open_invite("#nonsense").await?;
    jonas.wait_for_alert("This is no invite link.").await?;
    look_at(&jonas, "join-refused", found).await?;
    jonas.open_invite(&invite).await?;
    jonas.find("button", "Join").await?;
    look_at(&jonas, "join-invited", found).await?;
    jonas.join(&invite, JONAS).await?;

    amina.new_page(TITLE).await?;
    amina
        .write(
            "From the mountain to the sea\nThe Tana rises in the Aberdare Range and flows over a thousand kilometres to \
             the Indian Ocean. We measured it at four places.\nGaritheni\nGarissa\nHola\nWhat we ask the Weser school",
        )
        .await?;
    amina.go_behind("From the mountain").await?;
    amina.choose("Style", "Heading 1").await?;
    amina.select("four places").await?;
    amina.press("Bold").await?;
    for item in ["Garitheni", "Garissa", "Hola"] {
        amina.go_behind(item).await?;
        amina.press("Numbered list").await?;
    }
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page("<li><p>Hola</p></li>").await?;
    jonas.select("Indian Ocean").await?;
    amina.wait_for_text("list", "Here now", JONAS.name).await?;
    look_at(&amina, "page", found).await?;
    journey.link(1).cut();
    jonas.write(" about their river.").await?;
    jonas.wait_for_status("Offline · On this device").await?;
    look_at(&jonas, "page-offline", found).await?;
    journey.link(1).restore();
    jonas.wait_for_status("On the relay").await?;

    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.new_page("What we found").await?;
    amina
        .write("## Words\n**bold** *slanted* `code` ~~gone~~ ==seen== \n[] measure\ndraw\n\n> Rivers join.\n\n```depth = 4\n\n\n---Below the rule\n")
        .await?;
    amina.choose("Style", "Callout").await?;
    amina.keys("Bring boots.").await?;
    amina.go_behind("Below the rule").await?;
    amina.press("Table").await?;
    amina
        .keys("Place\tDepth in metres\tWidth in metres at the place where we stood")
        .await?;
    amina.find("toolbar", "Table tools").await?;
    look_at(&amina, "page-of-every-kind", found).await?;
    amina.press("Link").await?;
    amina.find("textbox", "Address").await?;
    look_at(&amina, "page-link", found).await?;
    amina.press("Cancel").await?;

    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.new_page("مياه النيل").await?;
    amina.write("يجري النهر من الجنوب إلى الشمال.").await?;
    amina.run("document.documentElement.dir = 'rtl'").await?;
    look_at(&amina, "page-right-to-left", found).await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.find("list", "Members").await?;
    look_at(&amina, "classroom-right-to-left", found).await?;
    amina.run("document.documentElement.dir = 'ltr'").await?;
    look_at(&amina, "classroom", found).await?;
    amina.visit("/").await?;
    amina.find("link", CLASSROOM).await?;
    look_at(&amina, "home", found).await?;
    amina.visit("/nowhere").await?;
    amina.find("heading", "There is nothing at this address.").await?;
    look_at(&amina, "not-found", found).await?;

    assert!(found.is_empty(), "{found:#?}");
    tokio::try_join!(amina.close(), jonas.close())?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_menu_and_question_serves_everybody() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let found = &mut Vec::new();

    look_at_opened(amina, "document-menu", found, async || {
        amina.keys(Key::Escape + "").await?;
        amina.press("Document").await?;
        amina.find("menuitem", "Lock").await?;
        Ok(())
    })
    .await?;
    amina.find("menuitem", "Lock").await?.click().await?;
    jonas
        .wait_for_words("This page is locked: you read along until a teacher unlocks it.")
        .await?;
    look_at(jonas, "page-locked", found).await?;
    amina.choose_from_menu("Document", "Unlock").await?;
    jonas.find("toolbar", "Formatting").await?;
    amina.choose_from_menu("Document", "Start anew").await?;
    amina.find("button", "Start anew").await?;
    look_at(amina, "start-anew", found).await?;
    amina.press("Cancel").await?;
    amina.choose_from_menu("Document", "Verify history").await?;
    amina.wait_for_text("status", "Outcome", "to compare").await?;
    look_at(amina, "verify-history", found).await?;
    amina.confirm("Close").await?;
    amina.choose_from_menu("Document", "Start anew").await?;
    amina.confirm("Start anew").await?;
    jonas.wait_for_words("started this page anew.").await?;
    look_at(jonas, "page-started-anew", found).await?;

    amina.press(&format!("Back to {CLASSROOM}")).await?;
    let invite = amina.invite_who_asks_first("Teacher").await?;
    let profile = Profile::new()?;
    let carla = pair.journey.open(1, &profile).await?;
    carla.open_invite(&invite).await?;
    carla.find("button", "Ask to join").await?;
    look_at(&carla, "ask-to-join", found).await?;
    carla.introduce(CARLA).await?;
    carla.press("Ask to join").await?;
    carla.press("Later").await?;
    carla.find("heading", "Waiting to be let in").await?;
    look_at(&carla, "waiting", found).await?;
    amina.wait_for_text("list", "Asking to join", CARLA.name).await?;
    look_at(amina, "classroom-asked", found).await?;
    let manage = async || {
        amina.keys(Key::Escape + "").await?;
        amina.manage(JONAS.name).await?;
        amina.find("menuitem", "Change role").await?;
        Ok(())
    };
    amina.run("document.documentElement.dir = 'rtl'").await?;
    look_at_opened(amina, "member-menu-right-to-left", found, manage).await?;
    amina.run("document.documentElement.dir = 'ltr'").await?;
    look_at_opened(amina, "member-menu", found, manage).await?;
    amina.find("menuitem", "Change role").await?.click().await?;
    amina.find("radio", "Teacher").await?;
    look_at(amina, "change-role", found).await?;
    amina.press("Cancel").await?;
    amina.choose_from_menu("More", "Leave").await?;
    amina.find("radio", "My whole school").await?;
    look_at(amina, "leave", found).await?;
    amina.press("Cancel").await?;
    look_at_opened(amina, "classroom-menu", found, async || {
        amina.keys(Key::Escape + "").await?;
        amina.press("More").await?;
        amina.find("menuitem", "Change the keys").await?;
        Ok(())
    })
    .await?;
    amina.keys(Key::Escape + "").await?;

    let folder = Profile::new()?;
    let bundle = amina.export_to(folder.path()).await?;
    amina.import_from(&bundle, "New here: 0").await?;
    look_at(amina, "imported", found).await?;

    // Removed by somebody who had not seen their last words.
    pair.journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    jonas.write("Later. ").await?;
    jonas.wait_for_status("On the relay").await?;
    amina.manage(JONAS.name).await?;
    amina.find("menuitem", "Remove").await?.click().await?;
    amina.find("button", "Remove member").await?;
    look_at(amina, "remove", found).await?;
    amina.confirm("Remove member").await?;
    pair.journey.link(0).restore();
    jonas
        .wait_for_words("You no longer belong to this classroom.")
        .await?;
    look_at(jonas, "page-removed", found).await?;
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.find("list", "Members").await?;
    look_at(jonas, "classroom-removed", found).await?;
    amina.open_kept_aside().await?;
    look_at(amina, "kept-aside", found).await?;
    assert!(found.is_empty(), "{found:#?}");
    carla.close().await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_screen_is_enough_to_write_together() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.set_viewport(360, 640).await?;
    // One long word, as in a link: it breaks, the screen does not grow.
    amina
        .write(&format!("Short {}", "Donaudampfschifffahrt".repeat(8)))
        .await?;
    jonas.wait_for_page("Short Donau").await?;
    jonas.write(" end").await?;
    amina.wait_for_page(" end").await?;
    amina.wait_for_status("On the relay").await?;
    let problems = amina.layout_problems(360).await?;
    assert!(problems.is_empty(), "{problems:#?}");
    pair.part().await
}
