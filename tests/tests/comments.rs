//! Comments on a page: by two people, through edits around them, without a connection, by keys alone, and on small screens.

use tests::{
    AMINA, Browser, CLASSROOM, ColorScheme, JONAS, Pair, Person, Profile, Result, TITLE, same_page,
    wait_until,
};
use thirtyfour::Key;

/// The text of each thread in the panel, in order.
async fn threads(browser: &Browser) -> Result<Vec<String>> {
    let script = "return [...document.querySelectorAll('aside.comments article')].map((thread) => [
        thread.querySelector('q').innerText,
        ...[...thread.querySelectorAll('.message')].map((message) =>
          message.querySelector('.message-author').innerText + ': ' + message.querySelector('.message-text')?.innerText),
      ].join('|'))";
    let threads = browser.run(script).await?;
    let threads = threads.as_array().cloned().unwrap_or_default();
    Ok(threads
        .iter()
        .filter_map(|thread| thread.as_str().map(str::to_owned))
        .collect())
}

async fn wait_for_threads(browser: &Browser, expected: &[&str]) -> Result<()> {
    let mut shown = Vec::new();
    let waited = wait_until(&format!("the threads are {expected:?}"), async || {
        shown = threads(browser).await?;
        Ok(shown == expected)
    })
    .await;
    waited.map_err(|error| error.instead(&shown.join("\n")))
}

/// The text that is shown as commented on.
async fn commented(browser: &Browser) -> Result<String> {
    let script = "const texts = document.createTreeWalker(document.querySelector('.editor'), NodeFilter.SHOW_TEXT);
        let shown = '';
        while (texts.nextNode()) if (texts.currentNode.parentElement.closest('.comment')) shown += texts.currentNode.data;
        return shown";
    Ok(browser.run(script).await?.as_str().unwrap_or_default().to_owned())
}

async fn wait_for_commented(browser: &Browser, expected: &str) -> Result<()> {
    let mut shown = String::new();
    let waited = wait_until(&format!("{expected:?} is commented on"), async || {
        shown = commented(browser).await?;
        Ok(shown == expected)
    })
    .await;
    waited.map_err(|error| error.instead(&shown))
}

/// Comments on a word of the page.
async fn comment(browser: &Browser, word: &str, text: &str) -> Result<()> {
    browser.select(word).await?;
    browser.press("Comment").await?;
    browser
        .find("textbox", "New comment")
        .await?
        .send_keys(text)
        .await?;
    browser.press("Add comment").await
}

/// Answers in the only thread.
async fn reply(browser: &Browser, text: &str) -> Result<()> {
    browser.find("textbox", "Reply").await?.send_keys(text).await?;
    browser.press("Send").await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_talk_about_text_that_both_change() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The cold river flows.").await?;
    jonas.wait_for_page("flows.").await?;
    assert_eq!(
        jonas.look_for("complementary", "Comments").await?.map(|_| ()),
        None
    );
    comment(amina, "cold river", "How cold?").await?;
    let asked = format!("cold river|{}: How cold?", AMINA.name);
    wait_for_threads(amina, &[&asked]).await?;
    // Where there is room, whoever comes to it sees it at once.
    jonas.find("complementary", "Comments").await?;
    wait_for_threads(jonas, &[&asked]).await?;
    wait_for_commented(jonas, "cold river").await?;

    reply(jonas, "Four degrees.").await?;
    let answered = format!("{asked}|{}: Four degrees.", JONAS.name);
    wait_for_threads(amina, &[&answered]).await?;

    // Around it, at its edges, and in it.
    jonas.go_behind("flows.").await?;
    jonas.keys(" Slowly.").await?;
    jonas.select("The ").await?;
    jonas.keys("Our very ").await?;
    wait_for_commented(amina, "cold river").await?;
    amina.select("river").await?;
    amina.control('b').await?;
    jonas.wait_for_page("cold <strong>river</strong>").await?;
    assert_eq!(
        same_page(&[amina, jonas]).await?,
        "<p>Our very cold <strong>river</strong> flows. Slowly.</p>"
    );

    // Somebody deletes the text; the other still reads what was said, and it comes back with the text.
    jonas.select("cold ").await?;
    jonas.keys(Key::Delete + "").await?;
    wait_for_commented(amina, "river").await?;
    jonas.select("river").await?;
    jonas.keys(Key::Delete + "").await?;
    amina.wait_for_words("The text is gone:").await?;
    wait_for_threads(amina, &[&answered]).await?;
    jonas.control('z').await?;
    jonas.control('z').await?;
    wait_for_commented(amina, "cold river").await?;

    // Their own words people change and take away.
    jonas.choose_from_menu("More", "Edit").await?;
    let field = jonas.find("textbox", "Message").await?;
    field.clear().await?;
    field.send_keys("Five degrees.").await?;
    jonas.press("Save").await?;
    let changed = format!("{asked}|{}: Five degrees.", JONAS.name);
    wait_for_threads(amina, &[&changed]).await?;
    amina.wait_for_words("Edited").await?;
    jonas.choose_from_menu("More", "Delete").await?;
    jonas.press("Delete").await?;
    wait_for_threads(amina, &[&asked]).await?;

    // What is done with goes out of sight, and comes back.
    jonas.press("Resolve").await?;
    wait_for_threads(amina, &[]).await?;
    wait_for_commented(amina, "").await?;
    amina.find("switch", "Show resolved").await?.click().await?;
    wait_for_threads(amina, &[&asked]).await?;
    amina
        .wait_for_words(&format!("Resolved by {}", JONAS.name))
        .await?;
    amina.press("Reopen").await?;
    wait_for_threads(jonas, &[&asked]).await?;

    // It was all kept.
    amina.wait_for_status("On the relay").await?;
    amina.reload().await?;
    wait_for_threads(amina, &[&asked]).await?;
    wait_for_commented(amina, "cold river").await?;
    pair.part().await
}

/// Does what Control-X, Control-C and Control-V do. The clipboard is one of the test's own: a browser without a screen may have none.
async fn with_clipboard(
    browser: &Browser,
    event: &str,
    html: &serde_json::Value,
) -> Result<serde_json::Value> {
    let script = format!(
        "const clipboardData = new DataTransfer();
         clipboardData.setData('text/html', {html});
         document.querySelector('[aria-label=Page]')
           .dispatchEvent(new ClipboardEvent('{event}', {{ clipboardData, bubbles: true, cancelable: true }}));
         return clipboardData.getData('text/html');"
    );
    browser.run(&script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_goes_along_with_text_that_is_moved_and_not_with_a_copy() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("The cold river flows.\nSlowly.").await?;
    comment(amina, "cold river", "How cold?").await?;
    let asked = format!("cold river|{}: How cold?", AMINA.name);
    wait_for_threads(jonas, &[&asked]).await?;

    let nothing = serde_json::json!("");
    jonas.select("cold river").await?;
    let copied = with_clipboard(jonas, "copy", &nothing).await?;
    jonas.go_behind("flows.").await?;
    with_clipboard(jonas, "paste", &copied).await?;
    amina
        .wait_for_page("<p>The cold river flows.cold river</p>")
        .await?;
    wait_for_commented(amina, "cold river").await?;
    jonas.control('z').await?;
    amina.wait_for_page("<p>The cold river flows.</p>").await?;

    jonas.select("cold river").await?;
    let cut = with_clipboard(jonas, "cut", &nothing).await?;
    amina.wait_for_words("The text is gone:").await?;
    // Others write on meanwhile.
    amina.go_behind("Slowly.").await?;
    amina.keys(" Or not.").await?;
    jonas.wait_for_page("Or not.").await?;
    jonas.go_behind("Slowly. Or not.").await?;
    with_clipboard(jonas, "paste", &cut).await?;
    amina.wait_for_page("<p>Slowly. Or not.cold river</p>").await?;
    for browser in [amina, jonas] {
        wait_for_commented(browser, "cold river").await?;
        wait_for_threads(browser, &[&asked]).await?;
    }
    // Only once.
    with_clipboard(jonas, "paste", &cut).await?;
    amina.wait_for_page("cold rivercold river").await?;
    wait_for_commented(amina, "cold river").await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

/// What a field holds.
async fn written_in(browser: &Browser, name: &str) -> Result<String> {
    let script = format!(
        "return document.querySelector('aside.comments textarea[aria-label=\"{name}\"]')?.value ?? '(none)'"
    );
    Ok(browser
        .run(&script)
        .await?
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_written_stays_whatever_others_do() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("one two three").await?;
    jonas.wait_for_page("three").await?;
    comment(amina, "two", "A").await?;
    let said = format!("two|{}: A", AMINA.name);
    wait_for_threads(jonas, &[&said]).await?;

    // A message is edited, and she goes on in the text, while the classroom is shown anew by what another does.
    amina.choose_from_menu("More", "Edit").await?;
    let field = amina.find("textbox", "Message").await?;
    field.clear().await?;
    field.send_keys("A and B").await?;
    amina.go_behind("three").await?;
    amina.wait_for_focus("Page").await?;
    amina
        .run("document.querySelector('aside.comments .message-field').dataset.before = 'yes'")
        .await?;
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.open_page(TITLE).await?;
    jonas.fill("Title", "Our river").await?;
    amina.wait_for_text("textbox", "Title", "Our river").await?;
    amina.keys(" four").await?;
    jonas.wait_for_page("three four").await?;
    assert_eq!(written_in(amina, "Message").await?, "A and B");
    let same = "return document.querySelector('aside.comments .message-field').dataset.before ?? ''";
    assert_eq!(amina.run(same).await?, "yes");

    // The panel closes and opens; the other says that it is done with meanwhile.
    jonas.find("textbox", "Reply").await?.send_keys("Not yet").await?;
    jonas.press("Close comments").await?;
    amina.press("Cancel").await?;
    amina.press("Resolve").await?;
    wait_for_threads(amina, &[]).await?;
    jonas.press("Comments").await?;
    jonas
        .wait_for_words(&format!("Resolved by {}", AMINA.name))
        .await?;
    assert_eq!(written_in(jonas, "Reply").await?, "Not yet");
    jonas.press("Send").await?;
    let answered = format!("{said}|{}: Not yet", JONAS.name);
    wait_for_threads(amina, &[&answered]).await?;

    // And what is begun: it is there again with the panel.
    jonas.select("one").await?;
    jonas.press("Comment").await?;
    jonas.find("textbox", "New comment").await?.send_keys("C").await?;
    jonas.press("Close comments").await?;
    jonas.press("Comments: 1 open").await?;
    assert_eq!(written_in(jonas, "New comment").await?, "C");
    jonas.press("Add comment").await?;
    wait_for_threads(amina, &[&format!("one|{}: C", JONAS.name), &answered]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_say_without_a_connection_meets() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("one two three four").await?;
    comment(amina, "two three", "A").await?;
    wait_for_threads(jonas, &[&format!("two three|{}: A", AMINA.name)]).await?;
    pair.journey.link(0).cut();
    pair.journey.link(1).cut();
    amina.press("Resolve").await?;
    wait_for_threads(amina, &[]).await?;
    comment(amina, "three", "C").await?;
    reply(jonas, "B").await?;
    jonas.select("one ").await?;
    jonas.keys("zero ").await?;
    wait_for_commented(amina, "three").await?;
    amina.wait_for_status("Offline · On this device").await?;
    amina.reload().await?;
    wait_for_threads(amina, &[&format!("three|{}: C", AMINA.name)]).await?;
    pair.journey.link(0).restore();
    pair.journey.link(1).restore();
    // A reply that she had not seen when she resolved it opens it again.
    let both = [
        format!("two three|{}: A|{}: B", AMINA.name, JONAS.name),
        format!("three|{}: C", AMINA.name),
    ];
    let both: Vec<&str> = both.iter().map(String::as_str).collect();
    wait_for_threads(amina, &both).await?;
    wait_for_threads(jonas, &both).await?;
    wait_for_commented(amina, "two three").await?;
    wait_for_commented(jonas, "two three").await?;
    assert_eq!(same_page(&[amina, jonas]).await?, "<p>zero two three four</p>");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_mentioned_sees_it_until_they_have_looked() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("one two three").await?;
    // By keys alone: the member is chosen from those that are offered.
    amina.select("two").await?;
    amina.control_alt('m').await?;
    amina.wait_for_focus("New comment").await?;
    amina.keys("Ask @jo").await?;
    amina.find("option", JONAS.name).await?;
    amina.keys(Key::Enter + "").await?;
    amina.keys("please").await?;
    amina.control(Key::Enter.value()).await?;
    let said = format!("two|{}: Ask @{} please", AMINA.name, JONAS.name);
    wait_for_threads(jonas, &[&said]).await?;
    jonas.find("button", "Comments: 1 open, 1 mention you").await?;
    jonas.wait_for_words("New: you are mentioned").await?;
    jonas
        .find("button", "Go to the text “two”")
        .await?
        .click()
        .await?;
    jonas.find("button", "Comments: 1 open").await?;
    jonas.wait_for_focus("Page").await?;
    jonas.reload().await?;
    jonas.find("button", "Comments: 1 open").await?;

    // In the classroom's list, too, also after a new start without a connection.
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.wait_for_text("list", "Documents", TITLE).await?;
    assert!(
        !jonas
            .text("list", "Documents")
            .await?
            .unwrap_or_default()
            .contains("Mentions you")
    );
    amina.find("textbox", "Reply").await?.send_keys("@jon").await?;
    amina.find("option", JONAS.name).await?.click().await?;
    amina.press("Send").await?;
    jonas.wait_for_text("list", "Documents", "Mentions you").await?;
    jonas.wait_for_status("On the relay").await?;
    pair.journey.link(1).cut();
    jonas.reload().await?;
    jonas.wait_for_text("list", "Documents", "Mentions you").await?;
    pair.journey.link(1).restore();
    jonas.open_page(TITLE).await?;
    jonas.find("button", "Comments: 1 open, 1 mention you").await?;
    assert!(amina.look_for("button", "Comments: 1 open").await?.is_some());

    // From the text to its thread and back, by keys.
    jonas.select("tw").await?;
    jonas.keys(Key::Left + "").await?;
    jonas.control_alt('m').await?;
    jonas.wait_for_focus("Comment on “two”").await?;
    jonas.keys(Key::Escape + "").await?;
    jonas.wait_for_focus("Page").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_read_what_is_said_on_any_screen() -> Result<()> {
    let pair = Pair::meet().await?;
    let amina = &pair.amina;
    amina.write("one two three").await?;
    comment(amina, "two", "Hello").await?;
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
    wait_for_threads(&guest, &[&format!("two|{}: Hello", AMINA.name)]).await?;
    for (role, name) in [
        ("textbox", "Reply"),
        ("button", "Resolve"),
        ("button", "Comment"),
        ("button", "More"),
    ] {
        assert!(guest.look_for(role, name).await?.is_none(), "{name}");
    }
    guest.close().await?;

    // On small and large screens, light and dark, read from the left and from the right.
    let found = &mut Vec::new();
    let jonas = &pair.jonas;
    jonas.find("complementary", "Comments").await?;
    jonas.select("three").await?;
    jonas.press("Comment").await?;
    jonas
        .find("textbox", "New comment")
        .await?
        .send_keys("نص @am")
        .await?;
    jonas.find("option", AMINA.name).await?;
    for direction in ["ltr", "rtl"] {
        jonas
            .run(&format!("document.documentElement.dir = '{direction}'"))
            .await?;
        for (width, height) in [(360, 740), (1440, 900)] {
            jonas.set_viewport(width, height).await?;
            for (scheme, name) in [(ColorScheme::Light, "light"), (ColorScheme::Dark, "dark")] {
                jonas.prefer(scheme).await?;
                jonas.wait_until_still().await?;
                let place = format!("comments-{direction}-{width}-{name}");
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
