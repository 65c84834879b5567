//! Who belongs, who is let in, who may do what: members, roles, invites, locks.

use tests::{AMINA, CLASSROOM, JONAS, Journey, Pair, Person, Profile, Result, TITLE, same_page, wait_until};
use thirtyfour::Key;

/// A lead of a third school.
const CHAO: Person = Person {
    name: "Chao Lin",
    school: "Suzhou Canal School",
    country: "China",
};

/// Waits until the list of members says this of somebody.
async fn wait_for_member(browser: &tests::Browser, words: &str) -> Result<()> {
    browser.wait_for_text("list", "Members", words).await
}

/// What can be chosen from a menu. It is closed again.
async fn items_of(browser: &tests::Browser, menu: &str) -> Result<Vec<String>> {
    browser.press(menu).await?;
    browser.find("menu", menu).await?;
    let items = browser.names("menuitem").await?;
    browser.keys(Key::Escape + "").await?;
    Ok(items)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_is_told_and_writes_no_more() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.write("Before. ").await?;
    amina.wait_for_page("Before.").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.manage(JONAS.name).await?;
    amina.find("menuitem", "Remove").await?.click().await?;
    amina.confirm("Remove member").await?;
    wait_until("Jonas is not in the list", async || {
        let members = amina.text("list", "Members").await?.unwrap_or_default();
        Ok(members.contains(AMINA.name) && !members.contains(JONAS.name))
    })
    .await?;

    amina
        .find("DisclosureTriangle", "Former members")
        .await?
        .click()
        .await?;
    amina.wait_for_text("list", "Former members", JONAS.name).await?;

    // His app says so; what is there stays readable, and nothing can be typed.
    jonas
        .wait_for_words("You no longer belong to this classroom.")
        .await?;
    assert!(jonas.page().await?.contains("Before."));
    let page = jonas.find("textbox", "Page").await?;
    assert_eq!(page.attr("aria-readonly").await?.as_deref(), Some("true"));

    // Hers goes on, and his work so far is in it.
    amina.open_page(TITLE).await?;
    amina.write("After. ").await?;
    amina.wait_for_status("On the relay").await?;
    assert_eq!(amina.page().await?, "<p>Before. After. </p>");
    assert!(!jonas.page().await?.contains("After."));
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_remover_had_not_seen_is_kept_aside_and_can_be_exported() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.write("Before. ").await?;
    amina.wait_for_page("Before.").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    pair.journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    jonas.write("Later. ").await?;
    jonas.wait_for_status("On the relay").await?;
    amina.manage(JONAS.name).await?;
    amina.find("menuitem", "Remove").await?.click().await?;
    amina.confirm("Remove member").await?;
    pair.journey.link(0).restore();
    jonas
        .wait_for_words("You no longer belong to this classroom.")
        .await?;

    amina.wait_for_words("Kept aside: ").await?;
    amina.open_page(TITLE).await?;
    assert_eq!(amina.page().await?, "<p>Before. </p>");
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.open_kept_aside().await?;
    amina
        .wait_for_text(
            "list",
            "Kept aside",
            "It was written after its author lost the right to write here.",
        )
        .await?;
    amina.wait_for_text("list", "Kept aside", TITLE).await?;

    let folder = Profile::new()?;
    amina.export_to(folder.path()).await?;
    // Who finds it reads nothing.
    assert!(tests::files_with(folder.path(), &["Later", TITLE, JONAS.name])?.is_empty());
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_role_changes_what_one_may_do() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    for (role, may_write) in [("Teacher", true), ("Guest", false)] {
        amina.manage(JONAS.name).await?;
        amina.find("menuitem", "Change role").await?.click().await?;
        amina.pick(role).await?;
        amina.confirm("Change role").await?;
        amina.wait_for_text("list", "Members", role).await?;
        wait_until("Jonas may do what his role permits", async || {
            let writes = jonas.look_for("toolbar", "Formatting").await?.is_some();
            Ok(writes == may_write)
        })
        .await?;
        let may = items_of(jonas, "Document").await?;
        assert_eq!(may.contains(&"Lock".to_owned()), may_write, "{may:?}");
        assert_eq!(may.last().map(String::as_str), Some("Verify history"));
    }
    let page = jonas.find("textbox", "Page").await?;
    assert_eq!(page.attr("aria-readonly").await?.as_deref(), Some("true"));
    amina.open_page(TITLE).await?;
    amina.write("For all to read.").await?;
    jonas.wait_for_page("For all to read.").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_page_is_read_until_it_is_unlocked() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.write("Before. ").await?;
    amina.wait_for_page("Before.").await?;
    amina.choose_from_menu("Document", "Lock").await?;
    amina
        .wait_for_words("This page is locked: only leads and teachers write here.")
        .await?;
    jonas
        .wait_for_words("This page is locked: you read along until a teacher unlocks it.")
        .await?;
    let page = jonas.find("textbox", "Page").await?;
    assert_eq!(page.attr("aria-readonly").await?.as_deref(), Some("true"));
    amina.write("A teacher writes. ").await?;
    jonas.wait_for_page("<p>Before. A teacher writes. </p>").await?;

    amina.choose_from_menu("Document", "Unlock").await?;
    jonas.find("toolbar", "Formatting").await?;
    jonas.write("After. ").await?;
    amina.wait_for_page("After.").await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_typed_when_the_page_was_locked_is_kept_until_it_is_unlocked() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.write("Before. ").await?;
    amina.wait_for_page("Before.").await?;
    jonas.write_and_hold_back("Too late. ").await?;
    amina.choose_from_menu("Document", "Lock").await?;
    jonas
        .wait_for_words("This page is locked: you read along until a teacher unlocks it.")
        .await?;
    jonas.hand_over().await?;
    jonas.wait_for_words("Kept aside: 1").await?;
    jonas.wait_for_status("On this device").await?;
    assert_eq!(jonas.page().await?, "<p>Before. Too late. </p>");
    assert_eq!(amina.page().await?, "<p>Before. </p>");

    jonas.press("Kept aside: 1").await?;
    for _ in 0..2 {
        for words in [JONAS.name, TITLE, "The document is locked."] {
            jonas.wait_for_text("list", "Kept aside", words).await?;
        }
        jonas.reload().await?;
    }
    jonas.press(CLASSROOM).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page("<p>Before. Too late. </p>").await?;

    amina.choose_from_menu("Document", "Unlock").await?;
    amina.wait_for_page("<p>Before. Too late. </p>").await?;
    jonas.wait_for_status("On the relay").await?;
    assert!(jonas.look_for("link", "Kept aside: 1").await?.is_none());
    jonas.write("After. ").await?;
    amina.wait_for_page("After.").await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_typed_when_the_right_went_is_taken_out_and_kept() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.write("Before. ").await?;
    amina.wait_for_page("Before.").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.write_and_hold_back("Too late. ").await?;
    amina.manage(JONAS.name).await?;
    amina.find("menuitem", "Change role").await?.click().await?;
    amina.pick("Guest").await?;
    amina.confirm("Change role").await?;
    jonas
        .wait_for_words("You are a guest: you read along and change nothing.")
        .await?;
    jonas.hand_over().await?;
    for _ in 0..2 {
        jonas.wait_for_words("Kept aside: 1").await?;
        wait_until("the page is as the others have it", async || {
            Ok(jonas.page().await? == "<p>Before. </p>")
        })
        .await?;
        jonas.reload().await?;
    }
    jonas.press("Kept aside: 1").await?;
    jonas
        .wait_for_text("list", "Kept aside", "Its author’s role did not permit it.")
        .await?;
    let folder = Profile::new()?;
    jonas.export_to(folder.path()).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_begins_with_a_snapshot_and_verifies_it() -> Result<()> {
    let journey = Journey::start_with(2, &["--snapshot-after", "3"]).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    let invite = amina.invite("Student").await?;
    amina.new_page(TITLE).await?;
    let mut page = String::new();
    for word in ["One ", "two ", "three ", "four ", "five ", "six "] {
        amina.write(word).await?;
        amina.wait_for_status("On the relay").await?;
        page.push_str(word);
    }
    // Only then there is a snapshot to begin with.
    let matches = "The page holds just what its history holds.";
    verify(&amina, matches).await?;
    jonas.join(&invite, JONAS).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page(&page).await?;
    verify(&jonas, matches).await?;
    // Who made it does not vouch for it, nor does a student.
    jonas.choose_from_menu("Document", "Verify history").await?;
    wait_until(
        "it is said that nobody is known to have compared it",
        async || {
            let text = "return document.querySelector('dialog[open]')?.innerText ?? ''";
            let said = jonas.run(text).await?;
            Ok(said
                .as_str()
                .is_some_and(|said| said.contains("No lead or teacher is known")))
        },
    )
    .await?;
    jonas.confirm("Close").await?;
    jonas.write("seven").await?;
    amina.wait_for_page(&format!("{page}seven")).await?;
    amina.close().await?;
    jonas.close().await
}

/// Chooses `Verify history` until it comes to this: as long as something is on its way, it asks for patience.
async fn verify(browser: &tests::Browser, outcome: &str) -> Result<()> {
    wait_until(&format!("the history says {outcome:?}"), async || {
        browser.choose_from_menu("Document", "Verify history").await?;
        let mut said = String::new();
        wait_until("it is compared", async || {
            let text = "const said = document.querySelector('dialog[open] form').innerText;
                 return said.includes('Working') ? '' : said";
            said = browser.run(text).await?.as_str().unwrap_or_default().to_owned();
            Ok(said.lines().any(|line| line.len() > "Cancel".len()))
        })
        .await?;
        browser.confirm("Close").await?;
        Ok(said.contains(outcome))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_where_work_was_seen() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("From Kenya. ").await?;
    amina.wait_for_status("On the relay").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    // Who goes on writing from there has seen it.
    jonas.wait_for_page("From Kenya.").await?;
    jonas.write("From Bremen. ").await?;
    let seen = format!("Seen at {}", JONAS.school);
    amina.wait_for_text("list", "Documents", &seen).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_started_anew_keeps_its_text_and_what_was_written_meanwhile() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.write("Before. ").await?;
    amina.wait_for_page("Before.").await?;
    let old = jonas.run("return location.pathname").await?;
    // Nobody but leads may.
    let items = items_of(jonas, "Document").await?;
    assert!(items.contains(&"Verify history".to_owned()), "{items:?}");
    assert!(!items.contains(&"Start anew".to_owned()), "{items:?}");
    pair.journey.link(1).cut();
    jonas.wait_for_status("Offline · On the relay").await?;
    jonas.write("Meanwhile. ").await?;
    jonas.wait_for_status("Offline · On this device").await?;
    amina.choose_from_menu("Document", "Start anew").await?;
    amina.confirm("Start anew").await?;
    let told = format!("{} started this page anew.", AMINA.name);
    amina.wait_for_words(&told).await?;
    amina.wait_for_page("<p>Before. </p>").await?;
    amina.wait_for_text("textbox", "Title", TITLE).await?;
    assert_ne!(amina.run("return location.pathname").await?, old);

    // Who had the old one open is told and led on, and what they wrote in it comes along.
    pair.journey.link(1).restore();
    jonas.wait_for_words(&told).await?;
    for browser in [amina, jonas] {
        browser.wait_for_page("Before. Meanwhile.").await?;
    }
    jonas.write("After. ").await?;
    amina.wait_for_page("Meanwhile. After.").await?;
    same_page(&[amina, jonas]).await?;
    jonas.wait_for_status("On the relay").await?;

    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    let by = format!("Started anew by {}", AMINA.name);
    jonas.wait_for_text("list", "Documents", &by).await?;
    let documents = jonas.text("list", "Documents").await?.unwrap_or_default();
    assert_eq!(documents.matches(TITLE).count(), 1, "{documents}");
    // An address from before leads on, too.
    jonas.visit(old.as_str().unwrap_or_default()).await?;
    jonas.wait_for_page("Meanwhile. After.").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_waits_and_is_let_in() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    let invite = amina.invite_who_asks_first("Student").await?;
    amina.wait_for_text("list", "Invites", "asks first").await?;
    // What was passed over on the way to it left no invite behind.
    let invites = amina.text("list", "Invites").await?.unwrap_or_default();
    assert!(!invites.contains("joins at once"), "{invites}");

    jonas.open_invite(&invite).await?;
    jonas.find("button", "Ask to join").await?;
    // The name of the classroom is for members.
    assert!(jonas.look_for("heading", CLASSROOM).await?.is_none());
    jonas.introduce(JONAS).await?;
    jonas.press("Ask to join").await?;
    jonas.press("Later").await?;
    jonas.find("heading", "Waiting to be let in").await?;
    jonas.reload().await?;
    jonas.find("heading", "Waiting to be let in").await?;

    amina.wait_for_text("list", "Asking to join", JONAS.name).await?;
    amina
        .wait_for_text("list", "Asking to join", JONAS.school)
        .await?;
    amina
        .find_described("button", "Approve", JONAS.name)
        .await?
        .click()
        .await?;
    jonas.find("heading", CLASSROOM).await?;
    wait_for_member(&amina, JONAS.name).await?;
    wait_for_member(&jonas, AMINA.name).await?;

    amina
        .find_described("button", "End invite", "asks first")
        .await?
        .click()
        .await?;
    amina.confirm("End invite").await?;
    wait_until("the invite is gone", async || {
        let invites = amina.text("list", "Invites").await?.unwrap_or_default();
        Ok(!invites.contains("asks first"))
    })
    .await?;
    amina.close().await?;
    jonas.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_first_and_is_declined_is_told() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    let invite = amina.invite_who_asks_first("Student").await?;
    jonas.open_invite(&invite).await?;
    jonas.find("button", "Ask to join").await?;
    jonas.introduce(JONAS).await?;
    jonas.press("Ask to join").await?;
    jonas.press("Later").await?;
    jonas.find("heading", "Waiting to be let in").await?;
    amina
        .find_described("button", "Decline", JONAS.name)
        .await?
        .click()
        .await?;
    jonas.find("heading", "Not let in").await?;
    jonas.reload().await?;
    jonas.find("heading", "Not let in").await?;
    wait_until("nobody asks any more", async || {
        Ok(amina.look_for("list", "Asking to join").await?.is_none())
    })
    .await?;
    let members = amina.text("list", "Members").await?.unwrap_or_default();
    assert!(!members.contains(JONAS.name), "{members}");
    amina.close().await?;
    jonas.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn both_write_on_with_new_keys() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    // Jonas hears of them only when he is back, and has written with the old ones.
    pair.journey.link(1).cut();
    jonas.write("Before. ").await?;
    jonas.wait_for_status("Offline · On this device").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.choose_from_menu("More", "Change the keys").await?;
    amina.confirm("Change the keys").await?;
    amina.wait_for_status("On the relay").await?;
    amina.open_page(TITLE).await?;
    amina.write("With new keys. ").await?;
    pair.journey.link(1).restore();
    for browser in [amina, jonas] {
        browser.wait_for_page("Before. ").await?;
        browser.wait_for_page("With new keys. ").await?;
    }
    jonas.write("So do I. ").await?;
    amina.wait_for_page("So do I. ").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_classroom_is_read_until_it_is_opened_again() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.choose_from_menu("More", "Close the classroom").await?;
    amina.confirm("Close the classroom").await?;
    for browser in [amina, jonas] {
        browser.wait_for_words("This classroom is closed").await?;
        assert!(browser.look_for("button", "New page").await?.is_none());
    }
    amina.choose_from_menu("More", "Open it again").await?;
    amina.confirm("Open it again").await?;
    jonas.find("button", "New page").await?;

    // Students see nothing of what is for staff.
    amina.choose_from_menu("More", "New page for staff").await?;
    amina.fill("Title", "Marks").await?;
    amina.wait_for_status("On the relay").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.wait_for_text("list", "Documents", "Staff only").await?;
    jonas.new_page("For all").await?;
    amina.wait_for_text("list", "Documents", "For all").await?;
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    let documents = jonas.text("list", "Documents").await?.unwrap_or_default();
    assert!(
        documents.contains("For all") && !documents.contains("Marks"),
        "{documents}"
    );

    // Who leaves alone is told so here, and is gone there.
    jonas.choose_from_menu("More", "Leave").await?;
    jonas.confirm("Leave").await?;
    jonas
        .wait_for_words("You no longer belong to this classroom.")
        .await?;
    wait_until("Jonas is gone", async || {
        let members = amina.text("list", "Members").await?.unwrap_or_default();
        Ok(members.contains(AMINA.name) && !members.contains(JONAS.name))
    })
    .await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn menus_and_questions_by_keyboard_alone() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    // One's own menu comes first: it has nothing but leaving.
    amina.find_described("button", "Manage", JONAS.name).await?;
    for name in [AMINA.name, JONAS.name] {
        tab_to_manage(amina, name).await?;
    }
    amina.keys(Key::Enter + "").await?;
    wait_for_focus(amina, "Change role").await?;
    for (key, item) in [
        (Key::Down, "Remove"),
        (Key::Down, "Change role"),
        (Key::Up, "Remove"),
        (Key::Home, "Change role"),
        (Key::End, "Remove"),
    ] {
        amina.keys(key + "").await?;
        wait_for_focus(amina, item).await?;
    }
    // Escape closes it and gives the focus back; an arrow opens it again.
    amina.keys(Key::Escape + "").await?;
    wait_for_focus(amina, "Manage").await?;
    assert!(amina.look_for("menuitem", "Remove").await?.is_none());
    amina.keys(Key::Up + "").await?;
    wait_for_focus(amina, "Remove").await?;
    // A question that can't be undone does nothing for who presses Enter too soon.
    amina.keys(Key::Enter + "").await?;
    amina.find("button", "Remove member").await?;
    wait_for_focus(amina, "Cancel").await?;
    amina.keys(Key::Enter + "").await?;
    wait_for_focus(amina, "Manage").await?;
    wait_for_member(amina, JONAS.name).await?;
    // Tab leaves the menu, and closes it.
    amina.keys(Key::Down + "").await?;
    wait_for_focus(amina, "Change role").await?;
    amina.keys(Key::Tab + "").await?;
    wait_until("the menu is closed", async || {
        Ok(amina.look_for("menu", "Manage").await?.is_none())
    })
    .await?;
    jonas.write("Still here. ").await?;
    jonas.wait_for_status("On the relay").await?;
    // Who may do nothing with somebody reads who may.
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    wait_for_member(jonas, AMINA.name).await?;
    tab_to_manage(jonas, AMINA.name).await?;
    jonas.keys(Key::Enter + "").await?;
    let who_may = "Only a lead can change this member’s role or remove them.";
    wait_for_focus(jonas, who_may).await?;
    jonas.keys(Key::Enter + "").await?;
    assert_eq!(jonas.focused().await?, who_may);
    jonas.keys(Key::Escape + "").await?;
    wait_for_focus(jonas, "Manage").await?;
    pair.part().await
}

/// Everything fits a small screen; leaves a picture.
async fn fits(browser: &tests::Browser, name: &str) -> Result<()> {
    browser.wait_until_still().await?;
    browser.screenshot(name).await?;
    let problems = browser.layout_problems(360).await?;
    assert!(problems.is_empty(), "{name}: {problems:#?}");
    Ok(())
}

/// Removes a member as a lead, or agrees to it.
async fn remove_by_keyboard(browser: &tests::Browser, member: &str) -> Result<()> {
    tab_to_manage(browser, member).await?;
    browser.keys(Key::Enter + "").await?;
    wait_for_focus(browser, "Change role").await?;
    browser.keys(Key::End + "").await?;
    wait_for_focus(browser, "Remove").await?;
    browser.keys(Key::Enter + "").await?;
    browser.find("button", "Remove member").await?;
    wait_for_focus(browser, "Cancel").await?;
    fits(browser, "remove-together-360").await?;
    browser.tab_back_to("Remove member").await?;
    browser.keys(Key::Enter + "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_two_schools_remove_a_third_ones_together_by_keyboard_on_a_small_screen() -> Result<()> {
    let journey = Journey::start(3).await?;
    let profiles = [Profile::new()?, Profile::new()?, Profile::new()?];
    let (amina, jonas, chao) = tokio::try_join!(
        journey.open(0, &profiles[0]),
        journey.open(1, &profiles[1]),
        journey.open(2, &profiles[2])
    )?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    for (browser, person) in [(&jonas, JONAS), (&chao, CHAO)] {
        let invite = amina.invite("Lead").await?;
        browser.join(&invite, person).await?;
    }
    for browser in [&amina, &jonas] {
        wait_for_member(browser, JONAS.name).await?;
        wait_for_member(browser, CHAO.name).await?;
        browser.set_viewport(360, 640).await?;
    }

    remove_by_keyboard(&amina, CHAO.name).await?;
    amina
        .wait_for_text("status", "Outcome", "Schools that agree: 1 of 2.")
        .await?;
    fits(&amina, "agreed-360").await?;
    amina.tab_to("Close").await?;
    amina.keys(Key::Enter + "").await?;
    // Nothing has happened yet, and everybody sees who wants it.
    let proposal = format!(
        "Removal or less power proposed. Schools that agree: {}",
        AMINA.school
    );
    for browser in [&amina, &jonas, &chao] {
        wait_for_member(browser, &proposal).await?;
        wait_for_member(browser, CHAO.name).await?;
    }
    fits(&jonas, "proposed-360").await?;

    remove_by_keyboard(&jonas, CHAO.name).await?;
    for browser in [&amina, &jonas] {
        wait_until("Chao is gone", async || {
            let members = browser.text("list", "Members").await?.unwrap_or_default();
            Ok(members.contains(JONAS.name) && !members.contains(CHAO.name))
        })
        .await?;
        browser.find("DisclosureTriangle", "Former members").await?;
    }
    chao.wait_for_words("You no longer belong to this classroom.")
        .await?;

    // A school can leave without asking anybody.
    jonas.tab_to("More").await?;
    jonas.keys(Key::Up + "").await?;
    wait_for_focus(&jonas, "Leave").await?;
    jonas.keys(Key::Enter + "").await?;
    wait_for_focus(&jonas, "Only I").await?;
    jonas.keys(Key::Down + "").await?;
    wait_for_focus(&jonas, "My whole school").await?;
    fits(&jonas, "leave-together-360").await?;
    jonas.tab_to("Leave").await?;
    jonas.keys(Key::Enter + "").await?;
    jonas
        .wait_for_words("You no longer belong to this classroom.")
        .await?;
    wait_until("Jonas' school is gone", async || {
        let members = amina.text("list", "Members").await?.unwrap_or_default();
        Ok(members.contains(AMINA.name) && !members.contains(JONAS.name))
    })
    .await?;
    tokio::try_join!(amina.close(), jonas.close(), chao.close())?;
    Ok(())
}

async fn wait_for_focus(browser: &tests::Browser, name: &str) -> Result<()> {
    wait_until(&format!("the focus is on {name:?}"), async || {
        Ok(browser.focused().await? == name)
    })
    .await
}

/// Presses Tab until the focus is on the button `Manage` of this member.
async fn tab_to_manage(browser: &tests::Browser, member: &str) -> Result<()> {
    let described = "const id = document.activeElement.getAttribute('aria-describedby');
         return document.getElementById(id)?.innerText ?? ''";
    for _ in 0..10 {
        browser.tab_to("Manage").await?;
        let words = browser.run(described).await?;
        if words.as_str().is_some_and(|words| words.contains(member)) {
            return Ok(());
        }
    }
    Err(tests::Error::NotReached {
        name: format!("Manage of {member}"),
        passed: Vec::new(),
    })
}
