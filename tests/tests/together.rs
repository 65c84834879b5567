//! Two schools write one page together.

use tests::{
    AMINA, CLASSROOM, JONAS, Journey, Pair, Profile, Result, TITLE, files_under, files_with, same_page,
    wait_until,
};
use thirtyfour::Key;

#[tokio::test(flavor = "multi_thread")]
async fn two_schools_write_one_page_at_once() -> Result<()> {
    let mut journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;

    amina.create_classroom(CLASSROOM, AMINA).await?;
    let invite = amina.invite("Student").await?;
    jonas.join(&invite, JONAS).await?;
    jonas.find("heading", CLASSROOM).await?;

    // Who belongs, from where, and who is here now.
    for browser in [&amina, &jonas] {
        wait_until("both are in the list of members", async || {
            let list = browser.text("list", "Members").await?.unwrap_or_default();
            let named = |text: &str| list.matches(text).count() == 1;
            Ok([AMINA, JONAS]
                .iter()
                .all(|person| named(person.name) && named(person.school))
                && list.matches("here now").count() == 2)
        })
        .await?;
    }

    amina.new_page(TITLE).await?;
    amina.write("Springs at Mount Kenya. ").await?;
    jonas.wait_for_text("list", "Documents", TITLE).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page("Springs at Mount Kenya.").await?;

    // Both in one paragraph, at once.
    let (here, there) = (
        "alpha beta gamma delta epsilon zeta ",
        "eins zwei drei vier fünf sechs ",
    );
    tokio::try_join!(amina.write(here), jonas.write(there))?;
    let page = same_page(&[&amina, &jonas]).await?;
    for word in here.split_whitespace().chain(there.split_whitespace()) {
        assert_eq!(page.matches(word).count(), 1, "{word} in {page}");
    }
    for (browser, other) in [(&amina, JONAS), (&jonas, AMINA)] {
        browser.wait_for_status("On the relay").await?;
        browser.wait_for_text("list", "Here now", other.name).await?;
        wait_until("the other's caret stands in the text, with the name", async || {
            let names = "return [...document.querySelectorAll('[aria-label=Page] [data-name]')].map((e) => e.dataset.name)";
            Ok(browser.run(names).await? == serde_json::json!([other.name]))
        })
        .await?;
        let errors = browser.errors().await?;
        assert!(errors.is_empty(), "{errors:#?}");
    }

    // The relay holds something of it, and can read nothing of it: neither while it runs nor afterwards.
    let secrets = [
        CLASSROOM,
        TITLE,
        AMINA.name,
        AMINA.school,
        JONAS.name,
        JONAS.school,
        "Springs at Mount Kenya",
        "gamma",
        "fünf",
    ];
    let stored: u64 = files_under(journey.relay.data())?
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|file| file.len())
        .sum();
    assert!(stored > 1000, "{stored} bytes");
    assert!(files_with(journey.relay.data(), &secrets)?.is_empty());
    tokio::try_join!(amina.close(), jonas.close())?;
    journey.relay.stop().await?;
    assert!(files_with(journey.relay.data(), &secrets)?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn formatting_arrives_as_what_it_means() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina
        .write("Rivers\nA bold and a slanted word\nTana\nAthi\nWeser\nElbe\nEnd")
        .await?;
    amina.go_behind("Rivers").await?;
    amina.choose("Style", "Heading 1").await?;
    amina.select("bold").await?;
    amina.press("Bold").await?;
    amina.select("slanted").await?;
    amina.press("Italic").await?;
    for (list, items) in [
        ("Bulleted list", ["Tana", "Athi"]),
        ("Numbered list", ["Weser", "Elbe"]),
    ] {
        for item in items {
            amina.go_behind(item).await?;
            amina.press(list).await?;
        }
    }
    let expected = "<h1>Rivers</h1><p>A <strong>bold</strong> and a <em>slanted</em> word</p>\
                    <ul><li><p>Tana</p></li><li><p>Athi</p></li></ul>\
                    <ol><li><p>Weser</p></li><li><p>Elbe</p></li></ol><p>End</p>";
    jonas.wait_for_page(expected).await?;
    assert_eq!(same_page(&[amina, jonas]).await?, expected);

    // And away again, by the other side.
    jonas.select("bold").await?;
    jonas.press("Bold").await?;
    jonas.go_behind("Athi").await?;
    jonas.press("Bulleted list").await?;
    amina
        .wait_for_page(
            "<p>A bold and a <em>slanted</em> word</p><ul><li><p>Tana</p></li></ul><p>Athi</p><ol>",
        )
        .await?;
    pair.part().await
}

/// With an editor of its own, for what others do has to come before the browser tells of the selection.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_just_selected_stays_so_whatever_others_do() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let amina = journey.open(0, &profile).await?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    amina.new_page(TITLE).await?;
    let selected = amina
        .run(
            "const block = (text) => ({ shape: { type: 'paragraph', parents: [], attrs: {}, isEmbed: false }, runs: [{ text, marks: {} }] });
             const host = document.body.appendChild(document.createElement('div'));
             const told = [];
             const editor = meridianEditor.mount(host, {
               label: 'Beside it', blocks: [block('River'), block('Lake')], editable: true,
               onEdits() {}, onSelection: (selection) => told.push(selection), onState() {}, onComposition() {},
             });
             const here = { block: 1, offset: 2 };
             const others = [
               () => editor.setCursors([{ id: '1', name: 'Jonas', color: 3, anchor: here, head: here }]),
               () => editor.apply([{ op: 'text', block: 1, offset: 4, delete: 0, insert: [{ text: 's', marks: {} }] }]),
               () => editor.reset([block('River'), block('Sea')]),
             ];
             const seen = others.map((act) => {
               host.firstChild.focus();
               getSelection().collapse(host.querySelector('p').firstChild, 0);
               document.dispatchEvent(new Event('selectionchange'));
               const text = host.querySelector('p').firstChild;
               getSelection().setBaseAndExtent(text, 1, text, 4);
               editor.catchUp();
               act();
               return [getSelection().toString(), told.at(-1)];
             });
             const blocks = editor.blocks().map((block) => block.runs.map((run) => run.text).join(''));
             editor.destroy();
             host.remove();
             return { seen, blocks };",
        )
        .await?;
    let river = serde_json::json!([
        "ive",
        { "anchor": { "block": 0, "offset": 1 }, "head": { "block": 0, "offset": 4 } }
    ]);
    assert_eq!(
        selected,
        serde_json::json!({ "seen": [river, river, river], "blocks": ["River", "Sea"] })
    );
    amina.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_undoes_only_what_oneself_did() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    // What is typed slowly is undone in several steps.
    amina.enter("Mine. ").await?;
    jonas.wait_for_page("Mine.").await?;
    jonas.enter("Yours. ").await?;
    amina.wait_for_page("Yours.").await?;

    amina.control('z').await?;
    jonas.wait_for_page("<p>Yours. </p>").await?;
    amina.control('y').await?;
    jonas.wait_for_page("<p>Mine. Yours. </p>").await?;
    jonas.press("Undo").await?;
    amina.wait_for_page("<p>Mine. </p>").await?;
    jonas.press("Redo").await?;
    amina.wait_for_page("<p>Mine. Yours. </p>").await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_leaves_what_others_put_into_what_oneself_did() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.enter("Mine is long.").await?;
    jonas.wait_for_page("Mine is long.").await?;
    jonas.select(" is").await?;
    jonas.keys(Key::Right + ", like yours,").await?;
    amina.wait_for_page("<p>Mine is, like yours, long.</p>").await?;
    amina.control('z').await?;
    jonas.wait_for_page("<p>, like yours,</p>").await?;
    amina.control('y').await?;
    jonas.wait_for_page("<p>Mine is, like yours, long.</p>").await?;

    // A heading, to which the other adds a line, and a quote of that.
    amina.choose("Style", "Heading 1").await?;
    jonas.wait_for_page("<h1>Mine is, like yours, long.</h1>").await?;
    jonas.go_behind("Mine is, like yours, long.").await?;
    jonas.keys(Key::Enter + "Yours.").await?;
    jonas.press("Quote").await?;
    amina
        .wait_for_page("<h1>Mine is, like yours, long.</h1><blockquote><p>Yours.</p></blockquote>")
        .await?;
    amina.control('z').await?;
    jonas
        .wait_for_page("<p>Mine is, like yours, long.</p><blockquote><p>Yours.</p></blockquote>")
        .await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_method_is_not_interrupted_by_the_other_side() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Nihon no kawa").await?;
    jonas.wait_for_page("Nihon no kawa").await?;

    jonas.go_behind("kawa").await?;
    jonas.watch_composition().await?;
    jonas.compose("に").await?;
    jonas.compose("にほ").await?;
    // In the same paragraph, before it and behind it; then she leaves, by which one sees that all of it arrived.
    amina.go_behind("kawa").await?;
    amina.keys(" (kare)").await?;
    amina.keys(thirtyfour::Key::Home + "Sore wa: ").await?;
    amina.wait_for_status("On the relay").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    wait_until("Amina is seen to leave", async || {
        let here = jonas.text("list", "Here now").await?.unwrap_or_default();
        Ok(!here.contains(AMINA.name))
    })
    .await?;
    jonas.compose("にほん").await?;
    jonas.wait_for_page("にほん").await?;
    assert_eq!(jonas.watched_composition().await?, ["compositionstart "]);
    jonas.commit_composition("日本").await?;
    amina.open_page(TITLE).await?;

    let page = same_page(&[amina, jonas]).await?;
    assert!(page.contains("Sore wa: Nihon no kawa"), "{page}");
    assert_eq!(page.matches("日本").count(), 1, "{page}");
    assert_eq!(page.matches("(kare)").count(), 1, "{page}");
    assert!(!page.contains("にほ"), "{page}");
    assert_eq!(
        jonas.watched_composition().await?,
        ["compositionstart ", "compositionend 日本"]
    );
    pair.part().await
}
