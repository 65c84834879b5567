//! What a page was: its versions, who did what, and the way back, alone and by two people at once.

use tests::{AMINA, Browser, CLASSROOM, JONAS, Pair, Result, TITLE, same_page, wait_until};
use thirtyfour::Key;

/// An hour later, by the clock of this browser: another session of work begins.
async fn an_hour_later(browser: &Browser) -> Result<()> {
    let script = "const now = Date.now; Date.now = () => now() + 3600000";
    browser.run(script).await.map(drop)
}

/// What the dialog shows: the text, with what came in `{}` and what went in `[]`.
async fn shown(browser: &Browser) -> Result<String> {
    let script = "const text = document.querySelector('dialog[open] .editor').cloneNode(true);
                  for (const came of text.querySelectorAll('ins')) came.textContent = `{${came.textContent}}`;
                  for (const went of text.querySelectorAll('del')) went.textContent = `[${went.textContent}]`;
                  return [...text.children].map((block) => block.textContent).join('|')";
    Ok(browser.run(script).await?.as_str().unwrap_or_default().to_owned())
}

async fn wait_for_shown(browser: &Browser, expected: &str) -> Result<()> {
    wait_until(&format!("the history shows {expected:?}"), async || {
        let is_open = browser
            .run("return document.querySelector('dialog[open] .editor') !== null")
            .await?;
        Ok(is_open == true && shown(browser).await? == expected)
    })
    .await
}

/// Chooses a version, the newest being 0.
async fn choose_version(browser: &Browser, index: usize) -> Result<()> {
    browser
        .run(&format!(
            "document.querySelectorAll('dialog[open] .version')[{index}].click()"
        ))
        .await
        .map(drop)
}

async fn versions(browser: &Browser) -> Result<Vec<String>> {
    let script =
        "return [...document.querySelectorAll('dialog[open] .version')].map((version) => version.innerText)";
    let found = browser.run(script).await?;
    let found = found.as_array().cloned().unwrap_or_default();
    Ok(found
        .iter()
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect())
}

/// Amina writes; an hour later Jonas changes it.
async fn two_sessions() -> Result<Pair> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The Nile is long").await?;
    jonas.wait_for_page("The Nile is long").await?;
    an_hour_later(amina).await?;
    an_hour_later(jonas).await?;
    jonas.select("Nile").await?;
    jonas.keys("Tana").await?;
    amina.wait_for_page("<p>The Tana is long</p>").await?;
    Ok(pair)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_looked_at_and_restored_and_so_is_the_one_before() -> Result<()> {
    let pair = two_sessions().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    // Without a connection, too.
    amina.wait_for_status("On the relay").await?;
    pair.journey.link(0).cut();
    amina.press("History").await?;
    wait_for_shown(amina, "The [Nile]{Tana} is long").await?;
    let listed = versions(amina).await?;
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(
        listed[0].contains("Now") && listed[0].contains(JONAS.name),
        "{listed:?}"
    );
    assert!(
        !listed[0].contains(AMINA.name) && listed[1].contains(AMINA.name),
        "{listed:?}"
    );
    let who = amina
        .run("return document.querySelector('dialog[open] ins').title")
        .await?;
    assert_eq!(who, format!("Added by {}", JONAS.name));

    choose_version(amina, 1).await?;
    wait_for_shown(amina, "{The Nile is long}").await?;
    amina.press("Restore this version").await?;
    amina
        .wait_for_text("status", "Outcome", "stays in the list")
        .await?;
    amina.keys(Key::Escape + "").await?;
    amina.wait_for_page("<p>The Nile is long</p>").await?;
    pair.journey.link(0).restore();
    jonas.wait_for_page("<p>The Nile is long</p>").await?;

    // What it was before that is in the list, and leads on.
    jonas.press("History").await?;
    wait_until("the restoring is a version", async || {
        Ok(!versions(jonas).await?.is_empty())
    })
    .await?;
    choose_version(jonas, 0).await?;
    wait_for_shown(jonas, "The [Nile]{Nile} is long").await?;
    jonas.keys(Key::Escape + "").await?;
    assert_eq!(same_page(&[amina, jonas]).await?, "<p>The Nile is long</p>");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_persons_work_is_undone_and_what_others_did_since_stays() -> Result<()> {
    let pair = two_sessions().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.go_to_end().await?;
    amina.keys(" and deep").await?;
    jonas.wait_for_page("<p>The Tana is long and deep</p>").await?;
    amina.press("History").await?;
    amina.find("button", "Restore this version").await?;
    amina
        .run("document.querySelector('dialog[open] details').open = true")
        .await?;
    amina.choose("Whose work", JONAS.name).await?;
    amina.press("Undo this work").await?;
    amina.wait_for_text("status", "Outcome", "Undone").await?;
    jonas.wait_for_page("<p>The Nile is long and deep</p>").await?;
    // A second time there is nothing to undo.
    amina.choose("Whose work", JONAS.name).await?;
    amina.press("Undo this work").await?;
    amina
        .wait_for_text("status", "Outcome", "Nothing is left")
        .await?;
    amina.keys(Key::Escape + "").await?;
    assert_eq!(
        same_page(&[amina, jonas]).await?,
        "<p>The Nile is long and deep</p>"
    );
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_has_a_name_for_everybody() -> Result<()> {
    let pair = two_sessions().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.press("History").await?;
    amina.fill("Name of this version", "Before the visit").await?;
    amina.press("Save name").await?;
    wait_until("it is in the list", async || {
        Ok(versions(amina)
            .await?
            .iter()
            .any(|version| version.contains("Before the visit")))
    })
    .await?;
    amina.keys(Key::Escape + "").await?;
    amina.go_to_end().await?;
    amina.keys("!").await?;
    jonas.wait_for_page("is long!").await?;
    wait_until("the name has come", async || {
        jonas.press("History").await?;
        let named = versions(jonas)
            .await?
            .iter()
            .any(|version| version.contains("Before the visit"));
        jonas.keys(Key::Escape + "").await?;
        Ok(named)
    })
    .await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_told_what_changed() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The Nile").await?;
    jonas.wait_for_page("The Nile").await?;
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.find("button", "New page").await?;
    amina.keys(" is long").await?;
    amina.wait_for_status("On the relay").await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_words("Changed since you were last here").await?;
    jonas.press("Show changes").await?;
    wait_for_shown(jonas, "The Nile{ is long}").await?;
    jonas.keys(Key::Escape + "").await?;
    // What was looked at is not told of again, nor is one's own.
    jonas.go_to_end().await?;
    jonas.keys(".").await?;
    amina.wait_for_page("is long.").await?;
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page("is long.").await?;
    let notices = jonas
        .run("return document.querySelectorAll('.unseen').length")
        .await?;
    assert_eq!(notices, 0);
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_serves_everybody() -> Result<()> {
    let pair = two_sessions().await?;
    let amina = &pair.amina;
    // By keys alone.
    amina.tab_back_to("History").await?;
    amina.keys(Key::Enter + "").await?;
    wait_for_shown(amina, "The [Nile]{Tana} is long").await?;
    amina.keys(Key::Tab + "").await?;
    amina.keys(Key::Enter + "").await?;
    wait_for_shown(amina, "{The Nile is long}").await?;
    for (width, direction) in [(360, "ltr"), (1440, "ltr"), (360, "rtl"), (1440, "rtl")] {
        amina
            .run(&format!("document.documentElement.dir = '{direction}'"))
            .await?;
        amina.set_viewport(width, 800).await?;
        let mut problems = amina.layout_problems(width).await?;
        problems.extend(amina.barriers().await?);
        amina.screenshot(&format!("history-{width}-{direction}")).await?;
        assert!(problems.is_empty(), "{width} {direction}: {problems:#?}");
    }
    amina.keys(Key::Escape + "").await?;
    wait_until("the focus is back", async || {
        Ok(amina.focused().await? == "History")
    })
    .await?;

    // Where one may not write, one may look.
    amina.choose_from_menu("Document", "Lock").await?;
    let jonas = &pair.jonas;
    jonas.wait_for_words("This page is locked").await?;
    jonas.press("History").await?;
    wait_for_shown(jonas, "The [Nile]{Tana} is long").await?;
    assert!(jonas.look_for("button", "Restore this version").await?.is_none());
    pair.part().await
}
