//! A page that has everything on it, in the states in which it is seen now and then: nothing sticks out of the screen, and nothing
//! hinders people, by day and at night, on a narrow screen and a wide one, read from the left and from the right.

use std::fs;
use std::path::PathBuf;

use tests::{Browser, ColorScheme, JONAS, Pair, Profile, Result, wait_until};
use thirtyfour::Key;

/// Each width with each colour scheme and each direction, and each scheme with each direction.
const LOOKS: [(u32, u32, ColorScheme, &str); 4] = [
    (360, 740, ColorScheme::Light, "rtl"),
    (360, 740, ColorScheme::Dark, "ltr"),
    (1440, 900, ColorScheme::Dark, "rtl"),
    (1440, 900, ColorScheme::Light, "ltr"),
];

/// Looks at a state, which is brought about anew for each screen. Leaves pictures.
async fn look_at(
    browser: &Browser,
    name: &str,
    found: &mut Vec<String>,
    open: impl AsyncFn() -> Result<()>,
) -> Result<()> {
    for (width, height, scheme, direction) in LOOKS {
        browser
            .run(&format!("document.documentElement.dir = '{direction}'"))
            .await?;
        browser.set_viewport(width, height).await?;
        browser.prefer(scheme).await?;
        open().await?;
        browser.wait_until_still().await?;
        let place = format!("full-{name}-{width}-{direction}");
        browser.screenshot(&place).await?;
        let mut problems = browser.layout_problems(width).await?;
        problems.extend(browser.barriers().await?);
        found.extend(problems.into_iter().map(|problem| format!("{place}: {problem}")));
    }
    browser.run("document.documentElement.dir = 'ltr'").await?;
    browser.prefer(ColorScheme::Light).await?;
    browser.set_viewport(1280, 900).await
}

/// What stays as it is on each screen.
async fn still() -> Result<()> {
    Ok(())
}

/// A file of a small picture, drawn by a browser.
async fn picture(browser: &Browser, folder: &Profile) -> Result<PathBuf> {
    let drawn = browser
        .run(
            "const canvas = new OffscreenCanvas(480, 200);
             const context = canvas.getContext('2d');
             context.fillStyle = '#0b5563';
             context.fillRect(0, 0, 480, 200);
             return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];",
        )
        .await?;
    let bytes: Vec<u8> = drawn
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
        .collect();
    let file = folder.path().join("river.png");
    fs::write(&file, bytes).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Ok(file)
}

async fn insert(browser: &Browser, file: &std::path::Path, description: &str) -> Result<()> {
    browser.press("Image").await?;
    browser.find("dialog", "Image").await?;
    browser.choose_file(file).await?;
    browser.find("image", "Preview").await?;
    browser.fill("What does the picture show?", description).await?;
    browser.confirm("Insert image").await
}

/// Waits until something on the page matches a selector so often.
async fn wait_for(browser: &Browser, selector: &str, count: usize) -> Result<()> {
    let script = format!("return document.querySelectorAll({selector:?}).length");
    wait_until(&format!("{selector} is there {count} times"), async || {
        Ok(browser.run(&script).await? == count)
    })
    .await
}

/// Writes a page of everything, each having done some of it.
async fn write(amina: &Browser, jonas: &Browser, folder: &Profile) -> Result<()> {
    let file = picture(amina, folder).await?;
    amina
        .write(
            "# From the mountain to the sea\nThe **Tana** rises in the *Aberdare* Range; its flow is $v = \\frac{Q}{A}$ on the way.\n\
             يجري النهر من الجنوب إلى الشمال.\n- Garissa\nHola\n\n[] measure\ndraw\n\n> Rivers join.\n\n```depth = 4\n\n\
             $$ \\sum_{i=1}^n q_i\n\nand a $\\frac{1$ that is wrong.\nThe cold river flows to the sea.\nWhat we ask the Weser school\n",
        )
        .await?;
    amina.press("Table").await?;
    amina.keys("Place\tDepth\tWidth").await?;
    amina.go_behind("Aberdare").await?;
    insert(amina, &file, "A bridge over the Tana").await?;
    amina.keys("At Garissa").await?;
    amina.go_behind("What we ask").await?;
    insert(amina, &file, "").await?;
    jonas.wait_for_page("<p>Width</p>").await?;
    jonas.select("Weser").await?;
    jonas.press("Comment").await?;
    jonas
        .find("textbox", "New comment")
        .await?
        .send_keys("Which one?")
        .await?;
    jonas.control(Key::Enter.value()).await?;
    jonas.select("cold").await?;
    jonas.press("Suggest a change").await?;
    let field = jonas.find("textbox", "Proposed text").await?;
    field.clear().await?;
    field.send_keys("chilly").await?;
    jonas.press("Suggest").await?;
    wait_for(amina, ".editor [role=deletion]", 1).await?;
    jonas.select("Hola").await?;
    amina.wait_for_text("list", "Here now", JONAS.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_everything_serves_everybody_in_every_state() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let (folder, found) = (Profile::new()?, &mut Vec::new());
    write(amina, jonas, &folder).await?;
    look_at(amina, "page", found, still).await?;

    // Formulas that one is in: as they should be, and not.
    look_at(amina, "formula", found, async || {
        amina.go_behind("Rivers join").await?;
        amina
            .run(
                "document.querySelector('.editor div.math-shown').dispatchEvent(
                   new MouseEvent('mousedown', { bubbles: true, cancelable: true, clientX: 10000 }))",
            )
            .await
            .map(drop)
    })
    .await?;
    look_at(amina, "formula-wrong", found, async || {
        amina.select("frac{1").await
    })
    .await?;
    amina.go_behind("What we ask").await?;
    look_at(amina, "export", found, async || {
        amina.keys(Key::Escape + Key::Escape).await?;
        // What stays at the top of the screen would cover it.
        amina.run("scrollTo(0, 0)").await?;
        amina.choose_from_menu("Document", "Export").await?;
        amina.find("menuitem", "Markdown").await.map(drop)
    })
    .await?;
    amina.keys(Key::Escape + Key::Escape).await?;
    amina.choose("Language", "Another language…").await?;
    amina.fill("Language", "Klingonese").await?;
    amina.keys(Key::Enter + "").await?;
    amina.wait_for_words("No language has this name").await?;
    look_at(amina, "language", found, still).await?;
    amina.keys(Key::Escape + "").await?;
    amina.control('f').await?;
    amina.find("textbox", "Find").await?;
    amina.keys("the").await?;
    wait_for(amina, ".editor .found-current", 1).await?;
    look_at(amina, "find", found, still).await?;
    amina.keys(Key::Escape + "").await?;
    assert!(found.is_empty(), "{found:#?}");
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_are_not_here_serve_everybody() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let (folder, found) = (Profile::new()?, &mut Vec::new());
    let file = picture(amina, &folder).await?;
    // Far from where Jonas is: his device has nothing of them yet.
    amina.write(&"\n".repeat(70)).await?;
    insert(amina, &file, "A bridge over the Tana").await?;
    amina.keys(Key::Enter + "Below").await?;
    insert(amina, &file, "").await?;
    amina.wait_for_status("On the relay").await?;
    wait_for(jonas, ".editor figure[data-state=loading]", 2).await?;
    pair.journey.link(1).cut();
    jonas.wait_for_status("Offline · On the relay").await?;
    jonas
        .run("document.querySelector('.editor figure:last-of-type').scrollIntoView()")
        .await?;
    wait_for(jonas, ".editor figure[data-state=missing]", 2).await?;
    look_at(jonas, "pictures-missing", found, still).await?;
    assert!(found.is_empty(), "{found:#?}");
    pair.part().await
}
