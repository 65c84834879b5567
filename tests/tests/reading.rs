//! What those who read a page need, whether they may write or not: finding, an outline, how much there is, reading aloud.

use tests::{Browser, ColorScheme, Pair, Result, same_page, wait_until};
use thirtyfour::Key;

/// Opens the bar `Find` by its key, from wherever the focus is, and types what is looked for.
async fn find(browser: &Browser, text: &str) -> Result<()> {
    browser.control('f').await?;
    wait_until("the field has the focus", async || {
        Ok(browser.focused().await? == "Find")
    })
    .await?;
    browser.keys(text).await
}

/// Waits until a region says exactly this.
async fn wait_for_status(browser: &Browser, name: &str, told: &str) -> Result<()> {
    let mut last = String::new();
    let waited = wait_until(&format!("{name} is {told:?}"), async || {
        last = browser.text("status", name).await?.unwrap_or_default();
        Ok(last == told)
    })
    .await;
    waited.inspect_err(|_| eprintln!("{name} was {last:?}"))
}

/// Waits until the bar says this of what was found.
async fn wait_for_matches(browser: &Browser, told: &str) -> Result<()> {
    wait_for_status(browser, "Matches", told).await
}

/// What is tinted, in the order of the page; the current one between brackets.
async fn tinted(browser: &Browser) -> Result<serde_json::Value> {
    browser
        .run(
            "return [...document.querySelectorAll('[aria-label=Page] .found')].map((found) =>
               found.matches('.found-current') ? `[${found.textContent}]` : found.textContent)",
        )
        .await
}

/// Presses a key together with Shift.
async fn shift(browser: &Browser, key: Key) -> Result<()> {
    let chain = browser.driver().action_chain().key_down(Key::Shift);
    Ok(chain.send_keys(key).key_up(Key::Shift).perform().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_gone_through_and_replaced_by_keyboard() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina
        .write("# The colour\nA **colour** here,\na Colour there.\n- colours")
        .await?;
    find(amina, "colour").await?;
    // Behind the last one comes the first.
    wait_for_matches(amina, "1 of 4").await?;
    amina.keys(Key::Enter + "").await?;
    wait_for_matches(amina, "2 of 4").await?;
    assert_eq!(
        tinted(amina).await?,
        serde_json::json!(["colour", "[colour]", "Colour", "colour"])
    );
    shift(amina, Key::Enter).await?;
    wait_for_matches(amina, "1 of 4").await?;

    // What the other writes is found, too.
    jonas.write(" and a colour of Jonas").await?;
    wait_for_matches(amina, "1 of 5").await?;
    amina.tab_to("Match case").await?;
    amina.keys(Key::Space + "").await?;
    wait_for_matches(amina, "1 of 4").await?;

    amina.tab_to("Replace with").await?;
    amina.keys("color").await?;
    amina.keys(Key::Enter + "").await?;
    jonas.wait_for_page("<h1>The color</h1>").await?;
    wait_for_matches(amina, "1 of 3").await?;
    amina.tab_to("Replace all").await?;
    amina.keys(Key::Enter + "").await?;
    wait_for_matches(amina, "Replaced: 3").await?;
    let replaced = "<h1>The color</h1><p>A <strong>color</strong> here,</p><p>a Colour there.</p>\
                    <ul><li><p>colors and a color of Jonas</p></li></ul>";
    jonas.wait_for_page(replaced).await?;

    // Escape leads back to the text; one undo takes back all three, and not the fourth, nor what the other wrote.
    amina.keys(Key::Escape + "").await?;
    wait_until("the page has the focus", async || {
        Ok(amina.focused().await? == "Page")
    })
    .await?;
    assert!(amina.look_for("search", "Find").await?.is_none());
    jonas.write("!").await?;
    amina.wait_for_page("Jonas!").await?;
    amina.control('z').await?;
    jonas
        .wait_for_page(
            "<h1>The color</h1><p>A <strong>colour</strong> here,</p><p>a Colour there.</p>\
             <ul><li><p>colours and a colour of Jonas!</p></li></ul>",
        )
        .await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn typing_goes_on_at_what_was_found() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write(&"A line of the river.\n".repeat(60)).await?;
    amina.write("The Tana is here.").await?;
    jonas.wait_for_page("Tana").await?;
    jonas.go_behind("A line of the river.").await?;
    find(jonas, "tana").await?;
    wait_for_matches(jonas, "1 of 1").await?;
    wait_until("the match is in sight", async || {
        let place = "const found = document.querySelector('.found-current')?.getBoundingClientRect();
                     const bar = document.querySelector('[role=search]').getBoundingClientRect();
                     return found !== undefined && found.top >= bar.bottom && found.bottom <= innerHeight";
        Ok(jonas.run(place).await? == true)
    })
    .await?;
    // Nobody else sees where one looks, and nothing is written by it.
    jonas.keys(Key::Escape + "").await?;
    jonas.keys("Weser").await?;
    amina.wait_for_page("The Weser is here.").await?;
    // What is selected is what is looked for.
    jonas.select("here").await?;
    jonas.control('f').await?;
    wait_for_matches(jonas, "1 of 1").await?;
    assert_eq!(jonas.text("textbox", "Find").await?.as_deref(), Some("here"));
    jonas.press("Close").await?;
    jonas.keys("there").await?;
    amina.wait_for_page("The Weser is there.").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_script_is_found_however_it_is_written() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    // Decomposed, with points, and in the dress of another case.
    amina
        .enter("Cafe\u{301} am Fluss, كِتَابٌ عن النيل, किताबें, 长江流域, ΠΟΤΑΜΟΣ, 👩‍🏫 und $")
        .await?;
    jonas.wait_for_page("👩‍🏫 und").await?;
    // On a keyboard whose keys have the letters of another script, too.
    jonas.go_to_end().await?;
    jonas.control_on_layout("KeyF", "а").await?;
    jonas.find("textbox", "Find").await?;
    for (query, told) in [
        ("café", "1 of 1"),
        ("cafe", "No matches"),
        ("كتاب", "1 of 1"),
        ("किताब", "1 of 1"),
        ("江", "1 of 1"),
        ("ποταμός", "No matches"),
        ("ποταμος", "1 of 1"),
        ("👩", "No matches"),
    ] {
        jonas
            .run(&format!(
                "const field = document.querySelector('#find-text');
                 field.value = {};
                 field.dispatchEvent(new InputEvent('input', {{ bubbles: true }}));",
                serde_json::Value::from(query)
            ))
            .await?;
        wait_for_matches(jonas, told).await?;
    }
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_finds_counts_and_goes_by_the_outline_and_replaces_nothing() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina
        .write("# Rivers\nThe Tana is long.\n\n## The Weser\nA river in Bremen.\n\n## عن النيل\nيجري النهر.")
        .await?;
    jonas.wait_for_page("يجري").await?;
    amina.choose_from_menu("Document", "Lock").await?;
    jonas.wait_for_words("This page is locked").await?;

    jonas.tab_to("Find").await?;
    jonas.keys(Key::Enter + "").await?;
    wait_until("the field has the focus", async || {
        Ok(jonas.run("return document.activeElement.id").await? == "find-text")
    })
    .await?;
    jonas.keys("river").await?;
    wait_for_matches(jonas, "1 of 2").await?;
    jonas.keys(Key::Enter + "").await?;
    wait_for_matches(jonas, "2 of 2").await?;
    assert!(jonas.look_for("textbox", "Replace with").await?.is_none());
    assert!(jonas.look_for("button", "Replace all").await?.is_none());
    jonas.keys(Key::Escape + "").await?;
    wait_until("what was found is selected in the page", async || {
        let selected = "return [document.activeElement.ariaLabel, getSelection().toString()]";
        Ok(jonas.run(selected).await? == serde_json::json!(["Page", "river"]))
    })
    .await?;

    // What is selected is counted by itself.
    jonas.choose_from_menu("Document", "Word count").await?;
    wait_until("the counts are there", async || {
        let counts = "return [...document.querySelectorAll('dialog[open] tr')].map((row) =>
                        [...row.children].map((cell) => cell.textContent).join(' '))";
        let expected = serde_json::json!([
            " Page Selection",
            "Words 15 1",
            "Characters 69 5",
            "Characters without spaces 60 5"
        ]);
        Ok(jonas.run(counts).await? == expected)
    })
    .await?;
    jonas.confirm("Close").await?;

    jonas.tab_to("Outline").await?;
    jonas.keys(Key::Enter + "").await?;
    jonas.find("navigation", "Outline").await?;
    let outline = "const told = (list) => [...list.children].map((item) =>
                     [item.firstElementChild.textContent, ...[...item.querySelectorAll(':scope > ul')].map(told)]);
                   return told(document.querySelector('nav[aria-label=Outline] > ul'))";
    assert_eq!(
        jonas.run(outline).await?,
        serde_json::json!([["Rivers", [["The Weser"], ["عن النيل"]]]])
    );
    // It follows what others write.
    amina.write("\n\n# Seas").await?;
    wait_until("the outline has the new heading", async || {
        Ok(jonas.run(outline).await?
            == serde_json::json!([["Rivers", [["The Weser"], ["عن النيل"]]], ["Seas"]]))
    })
    .await?;
    jonas.tab_to("The Weser").await?;
    jonas.keys(Key::Enter + "").await?;
    wait_until("the caret is at the heading", async || {
        let place = "const { anchorNode, anchorOffset } = getSelection();
                     return [document.activeElement.ariaLabel, anchorNode.textContent, anchorOffset]";
        Ok(jonas.run(place).await? == serde_json::json!(["Page", "The Weser", 0]))
    })
    .await?;
    pair.part().await
}

/// What the menu of a slash offers.
async fn offered(browser: &Browser) -> Result<serde_json::Value> {
    browser
        .run("return [...document.querySelectorAll('[role=listbox] > [role=option]')].map((option) => option.textContent)")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_of_a_slash_puts_in_blocks_by_name() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("/head").await?;
    let list = amina.find("listbox", "Insert").await?;
    assert!(list.is_displayed().await?);
    assert_eq!(
        offered(amina).await?,
        serde_json::json!(["Heading 1", "Heading 2", "Heading 3"])
    );
    amina.keys(Key::Down + "").await?;
    let active = "const page = document.querySelector('[aria-label=Page]');
                  return [document.activeElement === page,
                          document.getElementById(page.getAttribute('aria-activedescendant'))?.textContent,
                          document.getElementById(page.getAttribute('aria-controls'))?.role]";
    assert_eq!(
        amina.run(active).await?,
        serde_json::json!([true, "Heading 2", "listbox"])
    );
    amina.keys(Key::Enter + "The Tana").await?;
    jonas.wait_for_page("<h2>The Tana</h2>").await?;
    amina.keys(Key::Enter + "One /list").await?;
    amina.find("option", "Bulleted list").await?.click().await?;
    amina.keys("two").await?;
    jonas.wait_for_page("<ul><li><p>One two</p></li></ul>").await?;

    // One undo gives back what was typed; what is in the menu's way is closed by Escape.
    amina.press("Undo").await?;
    amina.press("Undo").await?;
    jonas.wait_for_page("<p>One /list</p>").await?;
    assert!(amina.look_for("listbox", "Insert").await?.is_none());
    amina.write(" and /ta").await?;
    amina.find("option", "Table").await?;
    amina.keys(Key::Escape + "").await?;
    wait_until("the menu is closed", async || {
        Ok(amina.look_for("listbox", "Insert").await?.is_none())
    })
    .await?;
    amina.keys(Key::Enter + "below").await?;
    jonas
        .wait_for_page("<p>One /list and /ta</p><p>below</p>")
        .await?;

    // It stands where the line begins, and stays on the screen.
    amina.set_viewport(360, 640).await?;
    for (text, right_to_left) in [("\nعن النيل /", true), ("\nRivers /", false)] {
        amina.write(text).await?;
        amina.find("listbox", "Insert").await?;
        let place = "const box = document.querySelector('.block-menu').getBoundingClientRect();
                     const line = getSelection().getRangeAt(0).getClientRects()[0] ?? getSelection().anchorNode.getBoundingClientRect();
                     return { inside: box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight,
                              beside: box.bottom <= line.top + 8 || box.top >= line.bottom - 8,
                              direction: getComputedStyle(document.querySelector('.block-menu')).direction }";
        assert_eq!(
            amina.run(place).await?,
            serde_json::json!({
                "inside": true,
                "beside": true,
                "direction": if right_to_left { "rtl" } else { "ltr" },
            })
        );
        amina.keys(Key::Escape + "").await?;
    }
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_of_a_slash_serves_those_who_compose_each_word() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let wait_for_offer = async |expected: serde_json::Value| {
        wait_until("this is offered", async || Ok(offered(amina).await? == expected)).await
    };
    amina.write("/").await?;
    amina.find("listbox", "Insert").await?;
    for part in ["h", "he", "head"] {
        amina.compose(part).await?;
    }
    wait_for_offer(serde_json::json!(["Heading 1", "Heading 2", "Heading 3"])).await?;
    amina.commit_composition("heading").await?;
    amina.keys(Key::Down + Key::Enter).await?;
    amina.compose("the").await?;
    amina.commit_composition("The Tana").await?;
    jonas.wait_for_page("<h2>The Tana</h2>").await?;

    // What was being composed goes when something is chosen by a finger.
    amina.keys(Key::Enter + "/").await?;
    amina.compose("quo").await?;
    wait_for_offer(serde_json::json!(["Quote"])).await?;
    amina.find("option", "Quote").await?.click().await?;
    amina.keys("a river").await?;
    jonas
        .wait_for_page("<blockquote><p>a river</p></blockquote>")
        .await?;

    // The wide slash is one, and what stands for other letters meanwhile closes nothing.
    amina.keys(Key::Enter + Key::Enter).await?;
    amina.compose("／").await?;
    amina.commit_composition("／").await?;
    amina.find("listbox", "Insert").await?;
    amina.compose("ひょう ").await?;
    assert!(amina.look_for("listbox", "Insert").await?.is_some());
    amina.commit_composition("表").await?;
    wait_until("nothing has that name", async || {
        Ok(amina.look_for("listbox", "Insert").await?.is_none())
    })
    .await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn backspace_and_delete_take_what_a_reader_calls_a_letter() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.enter("a👩‍👩‍👧‍👦🇰🇪क्षिe\u{301}👍🏽ก็").await?;
    jonas.wait_for_page("ก็").await?;
    for rest in [
        "a👩‍👩‍👧‍👦🇰🇪क्षिe\u{301}👍🏽",
        "a👩‍👩‍👧‍👦🇰🇪क्षिe\u{301}",
        "a👩‍👩‍👧‍👦🇰🇪क्षि",
        "a👩‍👩‍👧‍👦🇰🇪",
        "a👩‍👩‍👧‍👦",
        "a",
    ] {
        amina.keys(Key::Backspace + "").await?;
        assert_eq!(amina.page().await?, format!("<p>{rest}</p>"));
    }
    amina.keys(Key::Backspace + "").await?;
    // Beside a box, and beside a formula.
    amina.keys("[] ").await?;
    amina.enter("🇩🇪नि$x$").await?;
    amina.keys(Key::Home + Key::Delete).await?;
    jonas.wait_for_page("☐नि").await?;
    amina.keys(Key::Delete + "").await?;
    wait_until("only the formula is left", async || {
        let text = "return document.querySelector('[aria-label=Page] li').textContent";
        let text = jonas.run(text).await?;
        Ok(text
            .as_str()
            .is_some_and(|text| text.contains('x') && !text.contains('न')))
    })
    .await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_see_the_page_is_told_who_writes_in_it_and_where() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("# Rivers\nThe Tana").await?;
    jonas.wait_for_page("The Tana").await?;
    jonas
        .run(
            "const region = document.querySelector('[role=status][aria-label=\"What others do\"]');
             const told = globalThis.meridianTold = [];
             new MutationObserver(() => region.textContent && told.push([performance.now(), region.textContent]))
               .observe(region, { childList: true, characterData: true, subtree: true });",
        )
        .await?;
    amina.write(" is long. ").await?;
    let told = "return globalThis.meridianTold.map(([, text]) => text)";
    let sentence = format!("Editing under “Rivers”: {}", tests::AMINA.name);
    wait_until("it is told", async || Ok(jonas.run(told).await?[0] == sentence)).await?;
    // Not at each key.
    for word in ["It ", "is ", "wide. "] {
        amina.write(word).await?;
        jonas.wait_for_page(word.trim()).await?;
    }
    amina.write("\n\n# Seas\nThe ocean").await?;
    wait_until("the next place is told", async || {
        let told = jonas.run(told).await?;
        Ok(told.as_array().and_then(|told| told.last().cloned())
            == Some(format!("Editing under “Seas”: {}", tests::AMINA.name).into()))
    })
    .await?;
    let apart = "return globalThis.meridianTold.slice(1).every(([time], index) => time - globalThis.meridianTold[index][0] > 5000)";
    assert_eq!(jonas.run(apart).await?, true);

    // Each comment is told, in the same words if need be, and no mark in the text is taken for writing.
    let commented = format!("{} commented", tests::AMINA.name);
    for (word, count) in [("Tana", 1), ("ocean", 2)] {
        amina.select(word).await?;
        amina.press("Comment").await?;
        let field = amina.find("textbox", "New comment").await?;
        field.send_keys("Which one?").await?;
        amina.press("Add comment").await?;
        wait_until("the comment is told", async || {
            let told = jonas.run(told).await?;
            let told = told.as_array().into_iter().flatten();
            Ok(told.filter(|told| **told == commented.as_str()).count() == count)
        })
        .await?;
    }
    pair.part().await
}

/// A browser's voices, as far as the page can tell: what it is to speak is written down, and spoken when the test says so.
const VOICES: &str = "
    globalThis.meridianSpoken = [];
    const voice = (lang, localService) => ({ lang, localService, default: false, name: lang });
    let now = null;
    class Utterance { constructor(text) { this.text = text; } }
    const synthesis = {
      getVoices: () => [voice('en-GB', true), voice('ar', true), voice('hi', false)],
      addEventListener() {}, removeEventListener() {},
      speak(utterance) { now = utterance; meridianSpoken.push([utterance.lang.slice(0, 2), utterance.voice.lang, utterance.text]); },
      cancel() { const ended = now; now = null; if (ended) { meridianSpoken.push('silent'); ended.onerror?.(); } },
    };
    globalThis.meridianFinish = () => { const ended = now; now = null; ended.onend(); };
    Object.defineProperty(globalThis, 'speechSynthesis', { value: synthesis, configurable: true });
    globalThis.SpeechSynthesisUtterance = Utterance;";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_read_aloud_from_the_caret_on_by_voices_of_this_device() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.enter("Not this. From here on.").await?;
    amina.keys(Key::Enter + "").await?;
    amina.enter("गंगा नदी").await?;
    amina.keys(Key::Enter + "").await?;
    amina.enter("يجري النهر").await?;
    jonas.wait_for_page("يجري النهر").await?;
    jonas.run(VOICES).await?;
    jonas.select("From here on.").await?;
    jonas.tab_back_to("Read aloud").await?;
    jonas.keys(Key::Enter + "").await?;
    jonas.find("button", "Stop reading").await?;
    let spoken = async |expected: serde_json::Value| {
        wait_until("this is spoken", async || {
            Ok(jonas.run("return meridianSpoken").await? == expected)
        })
        .await
    };
    let first = serde_json::json!(["en", "en-GB", "From here on."]);
    spoken(serde_json::json!([first])).await?;
    let marked = "return [...document.querySelectorAll('.being-read')].map((block) => block.textContent)";
    assert_eq!(
        jonas.run(marked).await?,
        serde_json::json!(["Not this. From here on."])
    );
    // Somebody writes above it meanwhile: it goes on behind what it has read.
    amina.go_behind("Not this").await?;
    amina.keys(Key::Home + "A title\n").await?;
    jonas.wait_for_page("<p>A title</p>").await?;
    jonas.run("meridianFinish()").await?;
    // What only a voice elsewhere could read is not sent there, and that is said.
    let last = serde_json::json!(["ar", "ar", "يجري النهر"]);
    spoken(serde_json::json!([first, last])).await?;
    jonas
        .wait_for_text("status", "Reading aloud", "This device has no voice for: Hindi")
        .await?;
    jonas.run("meridianFinish()").await?;
    jonas.find("button", "Read aloud").await?;
    assert_eq!(jonas.run(marked).await?, serde_json::json!([]));

    jonas.select("From here on.").await?;
    jonas.press("Read aloud").await?;
    jonas.press("Stop reading").await?;
    jonas.find("button", "Read aloud").await?;
    wait_until("it is silent", async || {
        Ok(jonas.run("return meridianSpoken.at(-1)").await? == "silent")
    })
    .await?;
    // This browser has no voices of its own.
    amina.press("Read aloud").await?;
    amina
        .wait_for_text("status", "Reading aloud", "This device has no voice of its own")
        .await?;
    amina.find("button", "Read aloud").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_serves_everybody() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina
        .write("# Rivers\nThe Tana is a long river.\n\n## The Weser, which flows through Bremen to the North Sea\nA river.\n\n")
        .await?;
    jonas.wait_for_page("A river.").await?;
    let found = &mut Vec::new();
    for direction in ["ltr", "rtl"] {
        for browser in [amina, jonas] {
            browser
                .run(&format!("document.documentElement.dir = '{direction}'"))
                .await?;
        }
        amina.press("Find").await?;
        amina.fill("Find", "river").await?;
        wait_for_matches(amina, "1 of 3").await?;
        look_at(amina, &format!("find-{direction}"), found).await?;
        amina.press("Close").await?;
        amina.press("Outline").await?;
        amina.find("navigation", "Outline").await?;
        look_at(amina, &format!("outline-{direction}"), found).await?;
        amina.press("Outline").await?;
        amina.choose_from_menu("Document", "Word count").await?;
        look_at(amina, &format!("word-count-{direction}"), found).await?;
        amina.confirm("Close").await?;
        amina.write("/").await?;
        amina.find("listbox", "Insert").await?;
        look_at(amina, &format!("block-menu-{direction}"), found).await?;
        amina.keys(Key::Escape + Key::Backspace).await?;

        jonas.run(VOICES).await?;
        jonas.press("Read aloud").await?;
        jonas.find("button", "Stop reading").await?;
        look_at(jonas, &format!("read-aloud-{direction}"), found).await?;
        jonas.press("Stop reading").await?;
    }
    amina.choose_from_menu("Document", "Lock").await?;
    jonas.wait_for_words("This page is locked").await?;
    jonas.press("Find").await?;
    jonas.fill("Find", "nothing like it").await?;
    wait_for_matches(jonas, "No matches").await?;
    jonas.press("Outline").await?;
    look_at(jonas, "find-read-only", found).await?;
    assert!(found.is_empty(), "{found:#?}");
    pair.part().await
}

/// Looks at a screen small and large, light and dark: nothing sticks out, and axe-core has no serious complaint. Leaves pictures.
async fn look_at(browser: &Browser, name: &str, found: &mut Vec<String>) -> Result<()> {
    for (width, height) in [(360, 740), (1440, 900)] {
        browser.set_viewport(width, height).await?;
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
    browser.prefer(ColorScheme::Light).await?;
    browser.set_viewport(1280, 900).await
}
