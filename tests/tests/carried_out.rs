//! Pages go out as files of other programs, and such files come in, without a connection.

use std::{fs, io};

use tests::{Browser, CLASSROOM, Pair, Person, Profile, Result, TITLE, same_page, wait_until};
use thirtyfour::Key;

const WRITTEN: &str =
    "# Rivers\n**Long** and *wide* & <deep>\n- Tana\nAthi\n\n> Panta rhei\n\n```let depth = 4;";
const SHOWN: &str = "<h1>Rivers</h1>\
                     <p><strong>Long</strong> and <em>wide</em> &amp; &lt;deep&gt;</p>\
                     <ul><li><p>Tana</p></li><li><p>Athi</p></li></ul>\
                     <blockquote><p>Panta rhei</p></blockquote>\
                     <pre><code>let depth = 4;</code></pre>";

const GUEST: Person = Person {
    name: "Grace Njeri",
    school: "Mwangaza School",
    country: "Kenya",
};

fn plain(page: &str) -> String {
    page.replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_out_and_comes_back_in_each_format() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    amina.download_to(folder.path()).await?;
    amina.write(WRITTEN).await?;
    jonas.wait_for_page("let depth = 4;").await?;
    let page = same_page(&[amina, jonas]).await?;
    assert_eq!(page, plain(SHOWN));

    // All of it is made on the device.
    pair.journey.link(0).cut();
    let markdown = amina.export_page(folder.path(), "Markdown", "md").await?;
    let html = amina.export_page(folder.path(), "HTML", "html").await?;
    let automerge = amina.export_page(folder.path(), "Automerge", "automerge").await?;
    let text = fs::read_to_string(&markdown).map_err(|error| unread(&error))?;
    assert!(
        text.contains("**Long** and *wide* & \\<deep>") && text.contains("- Tana\n- Athi\n"),
        "{text}"
    );
    let text = fs::read_to_string(&html).map_err(|error| unread(&error))?;
    assert!(
        text.contains("<strong>Long</strong>") && text.contains("&lt;deep&gt;"),
        "{text}"
    );

    // Each of them is the same page again, twice what was there: put behind it, and taken back in one step.
    for file in [&markdown, &html] {
        amina.import_page(file, "Paragraphs, items and cells: 7").await?;
        let twice = amina.page().await?;
        assert!(twice.starts_with(&page) && twice.ends_with(&page), "{twice}");
        amina.go_to_end().await?;
        amina.control('z').await?;
        amina.wait_for_page(&page).await?;
        assert_eq!(amina.page().await?, page);
    }
    amina
        .import_page(&automerge, "nothing in this file that the page does not have")
        .await?;

    pair.journey.link(0).restore();
    jonas.wait_for_page(&page).await?;
    assert_eq!(same_page(&[amina, jonas]).await?, page);
    pair.part().await
}

/// The blocks that say their language, as `sw Mto`.
async fn languages(browser: &Browser) -> Result<serde_json::Value> {
    let said = "const blocks = document.querySelectorAll('[aria-label=Page] [lang]');
                return [...blocks].map((block) => `${block.lang} ${block.textContent}`);";
    browser.run(said).await
}

async fn wait_for_languages(browser: &Browser, expected: &[&str]) -> Result<()> {
    let mut shown = serde_json::Value::Null;
    let came = wait_until("the blocks say their languages", async || {
        shown = languages(browser).await?;
        Ok(shown == serde_json::json!(expected))
    })
    .await;
    came.map_err(|error| error.instead(&shown.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_says_its_language_to_others_and_in_files() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    amina.download_to(folder.path()).await?;
    amina.write("# Rivers\nMto ni mrefu").await?;
    jonas.wait_for_page("Mto ni mrefu").await?;

    // By keyboard alone. What they write where the schools are is in the list.
    amina.tab_back_to("Style").await?;
    amina.keys(Key::Right + "").await?;
    for said in ["en Mto ni mrefu", "de Mto ni mrefu", "sw Mto ni mrefu"] {
        assert_eq!(amina.focused().await?, "Language");
        amina.choose_by_keys(1).await?;
        wait_for_languages(jonas, &[said]).await?;
        assert_eq!(amina.focused().await?, "Page");
        amina.tab_back_to("Language").await?;
    }
    amina.go_behind("Mto ni mrefu").await?;
    let hyphens = "return getComputedStyle(document.querySelector('[aria-label=Page] [lang]')).hyphens";
    assert_eq!(jonas.run(hyphens).await?, "auto");
    let chosen = "return document.querySelector('[aria-label=Language]').selectedOptions[0].textContent";
    assert_eq!(amina.run(chosen).await?, "Swahili");

    // The next one goes on in it, until it says another.
    amina.keys(Key::Enter + "obrigada").await?;
    wait_for_languages(jonas, &["sw Mto ni mrefu", "sw obrigada"]).await?;
    amina.choose("Language", "Another language…").await?;
    amina.fill("Language", "Klingonese").await?;
    amina.keys(Key::Enter).await?;
    amina.wait_for_words("No language has this name").await?;
    amina.fill("Language", "portuguese").await?;
    amina.keys(Key::Enter).await?;
    wait_for_languages(jonas, &["sw Mto ni mrefu", "pt obrigada"]).await?;
    amina.control('z').await?;
    wait_for_languages(jonas, &["sw Mto ni mrefu", "sw obrigada"]).await?;
    amina.control('y').await?;
    wait_for_languages(jonas, &["sw Mto ni mrefu", "pt obrigada"]).await?;
    amina.choose("Language", "Automatic language").await?;
    wait_for_languages(jonas, &["sw Mto ni mrefu"]).await?;

    // A file says it, and so does the page that is made of the file.
    let html = amina.export_page(folder.path(), "HTML", "html").await?;
    let text = fs::read_to_string(&html).map_err(|error| unread(&error))?;
    assert!(
        text.contains("<p dir=\"auto\" lang=\"sw\">Mto ni mrefu</p>"),
        "{text}"
    );
    amina.import_page(&html, "Paragraphs, items and cells: 4").await?;
    wait_for_languages(jonas, &["sw Mto ni mrefu", "sw Mto ni mrefu"]).await?;

    // What is pasted keeps what it says, if that is a language.
    amina.go_to_end().await?;
    amina
        .run(
            "const clipboardData = new DataTransfer();
             clipboardData.setData('text/html', `<p>!</p><p lang=\"de\">Fluss</p><p lang=\"no language\">?</p>
               <div lang=\"fr\"><h2>Rive</h2></div>`);
             document.querySelector('[aria-label=Page]')
               .dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));",
        )
        .await?;
    let said = ["sw Mto ni mrefu", "sw Mto ni mrefu", "de Fluss", "fr Rive"];
    wait_for_languages(jonas, &said).await?;
    same_page(&[amina, jonas]).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_t_be_read_says_so_and_changes_nothing() -> Result<()> {
    let pair = Pair::meet().await?;
    let amina = &pair.amina;
    amina.write("As it was").await?;
    let folder = Profile::new()?;
    for (name, bytes, sentence) in [
        (
            "broken.docx",
            &b"PK\x03\x04 not an archive"[..],
            "This file can’t be read",
        ),
        (
            "broken.automerge",
            b"\x85\x6f\x4a\x83 no",
            "This file can’t be read",
        ),
        ("picture.png", b"\x89PNG", "can’t read files of this kind"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).map_err(|error| unread(&error))?;
        amina.choose_page_to_import(&file).await?;
        amina.wait_for_alert(sentence).await?;
        for (width, height) in [(360, 740), (1440, 900)] {
            amina.set_viewport(width, height).await?;
            amina.wait_until_still().await?;
            let mut problems = amina.layout_problems(width).await?;
            problems.extend(amina.barriers().await?);
            assert!(problems.is_empty(), "{problems:#?}");
        }
        amina.press("Close").await?;
    }
    assert_eq!(amina.page().await?, "<p>As it was</p>");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_exports_and_does_not_import() -> Result<()> {
    let pair = Pair::meet().await?;
    let amina = &pair.amina;
    amina.write("To be read").await?;
    amina.wait_for_status("On the relay").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    let invite = amina.invite("Guest").await?;
    let profile = Profile::new()?;
    let guest = pair.journey.open(1, &profile).await?;
    guest.join(&invite, GUEST).await?;
    guest.open_page(TITLE).await?;
    guest.wait_for_page("To be read").await?;
    let folder = Profile::new()?;
    guest.download_to(folder.path()).await?;
    let file = guest.export_page(folder.path(), "Markdown", "md").await?;
    let text = fs::read_to_string(file).map_err(|error| unread(&error))?;
    assert!(text.ends_with("\nTo be read\n"), "{text}");
    guest.find("button", "Document").await?.click().await?;
    assert_eq!(
        guest.names("menuitem").await?,
        ["Export", "Word count", "Verify history"]
    );
    guest.close().await?;
    pair.part().await
}

fn unread(error: &io::Error) -> tests::Error {
    panic!("{error}")
}
