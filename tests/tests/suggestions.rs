//! Suggestions on a page: another text is proposed for a text, and is part of it only once somebody has accepted it.

use tests::{
    AMINA, Browser, CLASSROOM, ColorScheme, JONAS, Pair, Person, Profile, Result, TITLE, same_page,
    wait_until,
};
use thirtyfour::Key;

/// What each card in the panel says, without names, times and buttons: the text, what it was, what becomes of it, the words.
async fn cards(browser: &Browser) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('aside.comments article')].map((card) =>
        [...card.querySelectorAll('q, .proposed, .message-text')].map((part) => part.innerText.trim()).join('|'))";
    let cards = browser.run(script).await?;
    let cards = cards.as_array().cloned().unwrap_or_default();
    Ok(cards
        .iter()
        .filter_map(|card| card.as_str().map(str::to_owned))
        .collect())
}

async fn wait_for_cards(browser: &Browser, expected: &[&str]) -> Result<()> {
    let mut shown = Vec::new();
    let waited = wait_until(&format!("the cards are {expected:?}"), async || {
        shown = cards(browser).await?;
        Ok(shown == expected)
    })
    .await;
    waited.map_err(|error| error.instead(&shown.join("\n")))
}

/// The text that is struck in the page, and what stands behind it.
async fn wait_for_struck(browser: &Browser, struck: &str, proposed: &str) -> Result<()> {
    let script = "const all = (selector) => [...document.querySelectorAll('.editor ' + selector)].map((part) => part.textContent).join('');
        return all('[role=deletion]') + '→' + all('ins')";
    let expected = format!("{struck}→{proposed}");
    let mut shown = String::new();
    let waited = wait_until(&format!("{expected:?} is suggested"), async || {
        shown = browser.run(script).await?.as_str().unwrap_or_default().to_owned();
        Ok(shown == expected)
    })
    .await;
    waited.map_err(|error| error.instead(&shown))
}

/// Suggests another text for one of the page.
async fn suggest(browser: &Browser, text: &str, proposed: &str, why: &str) -> Result<()> {
    browser.select(text).await?;
    browser.press("Suggest a change").await?;
    let field = browser.find("textbox", "Proposed text").await?;
    field.clear().await?;
    field.send_keys(proposed).await?;
    let message = browser.find("textbox", "Comment (if you like)").await?;
    message.send_keys(why).await?;
    browser.press("Suggest").await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_suggests_and_the_other_decides() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The cold river flows.").await?;
    amina.select("cold").await?;
    amina.control('b').await?;
    jonas.wait_for_page("flows.").await?;
    suggest(jonas, "cold", "chilly", "It is March").await?;
    let card = "cold|Change to: chilly|It is March";
    for browser in [amina, jonas] {
        wait_for_cards(browser, &[card]).await?;
        wait_for_struck(browser, "cold", "chilly").await?;
    }
    amina.find("article", "Suggestion for “cold”").await?;
    amina.find("button", "Comments: 1 open").await?;
    // Beside the text, and not in it.
    assert_eq!(
        same_page(&[amina, jonas]).await?,
        "<p>The <strong>cold</strong><ins>chilly</ins> river flows.</p>"
    );
    amina.press("Accept").await?;
    let accepted = "<p>The <strong>chilly</strong> river flows.</p>";
    jonas.wait_for_page(accepted).await?;
    assert_eq!(same_page(&[amina, jonas]).await?, accepted);
    for browser in [amina, jonas] {
        wait_for_cards(browser, &[]).await?;
        wait_for_struck(browser, "", "").await?;
    }
    // One step back, and forth.
    amina.wait_for_focus("Page").await?;
    amina.control('z').await?;
    jonas.wait_for_page("<strong>cold</strong>").await?;
    amina.control('y').await?;
    jonas.wait_for_page(accepted).await?;
    jonas.find("switch", "Show resolved").await?.click().await?;
    jonas
        .wait_for_words(&format!("Accepted by {}", AMINA.name))
        .await?;

    // Rejected: nothing becomes of the text. Opened again: it is suggested again.
    suggest(amina, "river", "", "").await?;
    let deletion = "river|Delete the text";
    wait_for_cards(amina, &[deletion]).await?;
    wait_for_struck(jonas, "river", "").await?;
    amina.press("Reject").await?;
    wait_for_cards(amina, &[]).await?;
    wait_for_struck(jonas, "", "").await?;
    jonas
        .wait_for_words(&format!("Rejected by {}", AMINA.name))
        .await?;
    assert_eq!(same_page(&[amina, jonas]).await?, accepted);
    amina.find("switch", "Show resolved").await?.click().await?;
    let script = "[...document.querySelectorAll('aside.comments article')].find((card) => card.innerText.includes('Delete')).querySelector('.thread-resolve button').click()";
    amina.run(script).await?;
    wait_for_struck(jonas, "river", "").await?;
    // Nothing moves below the mouse, also where the panel ends within the button.
    let script = "const panel = document.querySelector('aside.comments');
        const accept = [...panel.querySelectorAll('button')].find((button) => button.innerText === 'Accept');
        panel.style.blockSize = `${accept.getBoundingClientRect().bottom - panel.getBoundingClientRect().top - 10}px`";
    jonas.run(script).await?;
    jonas.press("Accept").await?;
    amina
        .wait_for_page("<p>The <strong>chilly</strong>  flows.</p>")
        .await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_was_changed_since_says_so() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The cold river flows.").await?;
    jonas.wait_for_page("flows.").await?;
    suggest(jonas, "cold river", "brook", "").await?;
    wait_for_struck(amina, "cold river", "brook").await?;
    amina.select("cold").await?;
    amina.keys("very cold").await?;
    wait_for_struck(jonas, "very cold river", "brook").await?;
    let changed = "very cold river|The text was: cold river|Change to: brook";
    for browser in [amina, jonas] {
        wait_for_cards(browser, &[changed]).await?;
        browser.wait_for_words("The text was changed since.").await?;
    }
    amina.press("Accept").await?;
    jonas.wait_for_page("<p>The brook flows.</p>").await?;

    // The text is gone: there is nothing to accept, until it comes back.
    suggest(jonas, "flows", "runs", "").await?;
    wait_for_struck(amina, "flows", "runs").await?;
    amina.select("flows").await?;
    amina.keys(Key::Delete + "").await?;
    jonas.wait_for_words("The text is gone:").await?;
    jonas.wait_for_words("There is nothing left to change.").await?;
    wait_for_struck(jonas, "", "").await?;
    assert!(jonas.look_for("button", "Accept").await?.is_none());
    assert!(jonas.look_for("button", "Reject").await?.is_some());
    amina.control('z').await?;
    wait_for_struck(jonas, "flows", "runs").await?;
    jonas.press("Accept").await?;
    amina.wait_for_page("<p>The brook runs.</p>").await?;
    assert_eq!(same_page(&[amina, jonas]).await?, "<p>The brook runs.</p>");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_suggest_and_accept_without_a_connection_meets() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("one two three four").await?;
    jonas.wait_for_page("four").await?;
    suggest(amina, "two", "zwei", "").await?;
    wait_for_struck(jonas, "two", "zwei").await?;
    pair.journey.link(0).cut();
    pair.journey.link(1).cut();
    // Both accept the same, and each suggests something of their own.
    amina.press("Accept").await?;
    amina.wait_for_page("one zwei three").await?;
    jonas.press("Accept").await?;
    jonas.wait_for_page("one zwei three").await?;
    suggest(amina, "three", "drei", "").await?;
    suggest(jonas, "one", "eins", "").await?;
    jonas.go_behind("four").await?;
    jonas.keys(" five").await?;
    wait_for_struck(jonas, "one", "eins").await?;
    amina.wait_for_status("Offline · On this device").await?;
    amina.reload().await?;
    wait_for_struck(amina, "three", "drei").await?;
    pair.journey.link(0).restore();
    pair.journey.link(1).restore();
    for browser in [amina, jonas] {
        wait_for_struck(browser, "onethree", "einsdrei").await?;
        wait_for_cards(browser, &["one|Change to: eins", "three|Change to: drei"]).await?;
        // What both accepted stands there once.
        let settled = "return document.querySelector('.editor').innerText.split('zwei').length - 1";
        wait_until("it stands there once", async || {
            Ok(browser.run(settled).await?.as_u64() == Some(1))
        })
        .await?;
    }
    // Also on the relay, and for whoever comes back.
    amina.wait_for_status("On the relay").await?;
    jonas.wait_for_status("On the relay").await?;
    amina.reload().await?;
    wait_for_struck(amina, "onethree", "einsdrei").await?;
    jonas
        .find("button", "Go to the text “one”")
        .await?
        .click()
        .await?;
    for browser in [jonas, amina] {
        browser.press("Accept").await?;
        let left = if std::ptr::eq(browser, jonas) { 1 } else { 0 };
        wait_until("it is accepted everywhere", async || {
            Ok(cards(amina).await?.len() == left && cards(jonas).await?.len() == left)
        })
        .await?;
    }
    assert_eq!(
        same_page(&[amina, jonas]).await?,
        "<p>eins zwei drei four five</p>"
    );
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn by_keys_alone() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The colour fades").await?;
    // The word that the caret is in; nothing where there is none.
    amina.select("col").await?;
    amina.keys(Key::Right + "").await?;
    amina.control_alt('s').await?;
    amina.wait_for_focus("Proposed text").await?;
    amina.control(Key::Enter.value()).await?;
    amina.wait_for_alert("This is the text as it is.").await?;
    amina.keys(Key::Escape + "").await?;
    amina.wait_for_focus("Page").await?;
    amina.control_alt('s').await?;
    amina.wait_for_focus("Proposed text").await?;
    amina.keys("hue").await?;
    amina.tab_to("Comment (if you like)").await?;
    amina.keys("Shorter, @jo").await?;
    amina.find("option", JONAS.name).await?;
    amina.keys(Key::Enter + "").await?;
    amina.control(Key::Enter.value()).await?;
    let card = format!("colour|Change to: hue|Shorter, @{}", JONAS.name);
    wait_for_cards(jonas, &[&card]).await?;
    jonas.find("button", "Comments: 1 open, 1 mention you").await?;
    jonas.select("colo").await?;
    jonas.keys(Key::Right + "").await?;
    jonas.control_alt('m').await?;
    jonas.wait_for_focus("Suggestion for “colour”").await?;
    jonas.tab_to("Accept").await?;
    jonas.keys(Key::Enter + "").await?;
    jonas.wait_for_focus("Page").await?;
    amina.wait_for_page("<p>The hue fades</p>").await?;
    pair.part().await
}

/// Begins a suggestion where the caret is.
async fn insert(browser: &Browser, text: &str) -> Result<()> {
    browser.control_alt('s').await?;
    browser.wait_for_focus("Proposed text").await?;
    browser.keys(text).await?;
    browser.control(Key::Enter.value()).await?;
    browser.wait_for_focus("Page").await
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_suggested_where_none_is() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The river  flows.\n").await?;
    jonas.wait_for_page("flows.").await?;
    // Between two spaces, in a line of its own, and in place of spaces.
    amina.select("river").await?;
    amina.keys(Key::Right + Key::Right).await?;
    insert(amina, "slowly").await?;
    for browser in [amina, jonas] {
        wait_for_cards(browser, &["Add: slowly"]).await?;
        wait_for_struck(browser, "", "slowly").await?;
    }
    amina.go_behind("flows.").await?;
    amina.keys(Key::Down + "").await?;
    insert(amina, "It is long.").await?;
    wait_for_struck(jonas, "", "slowlyIt is long.").await?;
    jonas.find("article", "Suggestion to add “It is long.”").await?;
    // It stays where it is while others write there, and the caret leads to it.
    jonas.select("The").await?;
    jonas.keys(Key::Right + " wide").await?;
    wait_for_struck(amina, "", "slowlyIt is long.").await?;
    jonas.press("Go to the place of the new text").await?;
    jonas.wait_for_focus("Page").await?;
    jonas.press("Accept").await?;
    amina.wait_for_page("<p>The wide river slowly flows.</p>").await?;
    jonas.press("Accept").await?;
    let accepted = "<p>The wide river slowly flows.</p><p>It is long.</p>";
    amina.wait_for_page(accepted).await?;
    assert_eq!(same_page(&[amina, jonas]).await?, accepted);
    // One step back: it is suggested no more, and nothing is there.
    jonas.wait_for_focus("Page").await?;
    jonas.control('z').await?;
    amina.wait_for_page("<p>The wide river slowly flows.</p>").await?;
    jonas.control('y').await?;
    amina.wait_for_page(accepted).await?;

    amina.write(" x   y").await?;
    amina.select("   ").await?;
    amina.press("Suggest a change").await?;
    amina.wait_for_focus("Proposed text").await?;
    amina.keys(" and ").await?;
    amina.control(Key::Enter.value()).await?;
    wait_for_struck(jonas, "   ", " and ").await?;
    jonas.press("Accept").await?;
    amina.wait_for_page("x and y").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_suggestion_is_told_to_who_hears_the_page() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The cold river flows.").await?;
    jonas.wait_for_page("flows.").await?;
    for browser in [amina, jonas] {
        browser
            .run(
                "const region = document.querySelector('[role=status][aria-label=\"What others do\"]');
                 globalThis.meridianTold = '';
                 new MutationObserver(() => globalThis.meridianTold += region.textContent + '|')
                   .observe(region, { childList: true, characterData: true, subtree: true });",
            )
            .await?;
    }
    let wait_for_told = async |sentence: &str| {
        for browser in [amina, jonas] {
            let mut told = String::new();
            let waited = wait_until(&format!("{sentence:?} is told"), async || {
                told = browser.run("return globalThis.meridianTold").await?.to_string();
                Ok(told.contains(sentence))
            })
            .await;
            waited.map_err(|error| error.instead(&told))?;
        }
        Ok::<(), tests::Error>(())
    };
    suggest(jonas, "cold", "chilly", "").await?;
    wait_for_struck(amina, "cold", "chilly").await?;
    amina.press("Accept").await?;
    wait_for_told(&format!("{} accepted the suggestion “chilly”", AMINA.name)).await?;
    suggest(amina, "river", "", "").await?;
    wait_for_struck(jonas, "river", "").await?;
    jonas.press("Reject").await?;
    wait_for_told(&format!("{} rejected that “river” goes", JONAS.name)).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_read_what_is_suggested_on_any_screen() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("one two three four").await?;
    suggest(amina, "two", "zwei", "Auf Deutsch").await?;
    suggest(jonas, "three", "", "").await?;
    wait_for_struck(amina, "twothree", "zwei").await?;
    jonas.find("complementary", "Comments").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    let invite = amina.invite("Guest").await?;
    let profile = Profile::new()?;
    let guest = pair.journey.open(1, &profile).await?;
    let person = Person {
        name: "Ida",
        school: "Weserschule Bremen",
        country: "Germany",
    };
    guest.join(&invite, person).await?;
    guest.open_page(TITLE).await?;
    wait_for_struck(&guest, "twothree", "zwei").await?;
    wait_for_cards(
        &guest,
        &["two|Change to: zwei|Auf Deutsch", "three|Delete the text"],
    )
    .await?;
    for name in ["Accept", "Reject", "Suggest a change"] {
        assert!(guest.look_for("button", name).await?.is_none(), "{name}");
    }
    guest.close().await?;

    // On small and large screens, light and dark, read from the left and from the right.
    let found = &mut Vec::new();
    jonas.select("four").await?;
    jonas.press("Suggest a change").await?;
    jonas
        .find("textbox", "Proposed text")
        .await?
        .send_keys("أربعة")
        .await?;
    for direction in ["ltr", "rtl"] {
        jonas
            .run(&format!("document.documentElement.dir = '{direction}'"))
            .await?;
        for (width, height) in [(360, 740), (1440, 900)] {
            jonas.set_viewport(width, height).await?;
            for (scheme, name) in [(ColorScheme::Light, "light"), (ColorScheme::Dark, "dark")] {
                jonas.prefer(scheme).await?;
                jonas.wait_until_still().await?;
                let place = format!("suggestions-{direction}-{width}-{name}");
                jonas.screenshot(&place).await?;
                let mut problems = jonas.layout_problems(width).await?;
                problems.extend(jonas.barriers().await?);
                found.extend(problems.into_iter().map(|problem| format!("{place}: {problem}")));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    pair.part().await
}
