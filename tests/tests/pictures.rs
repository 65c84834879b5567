//! Pictures on a page: chosen, pasted and dropped, described, seen by the others, kept without a connection, and taken along in files.

use std::fs;
use std::path::{Path, PathBuf};

use documents::page::Page;
use documents::page::edit::Edit;
use serde_json::{Value, json};
use tests::{Browser, ColorScheme, Pair, Profile, Result, wait_until};
use thirtyfour::Key;

/// A file of a picture, drawn by a browser: half of it is blue.
async fn draw(browser: &Browser, kind: &str, width: u32, height: u32) -> Result<Vec<u8>> {
    let drawn = browser
        .run(&format!(
            "const canvas = new OffscreenCanvas({width}, {height});
             const context = canvas.getContext('2d');
             context.fillStyle = '#dd9d1d';
             context.fillRect(0, 0, {width}, {height});
             context.fillStyle = '#0b5563';
             context.fillRect(0, 0, {width} / 2, {height});
             const blob = await canvas.convertToBlob({{ type: '{kind}' }});
             return [...new Uint8Array(await blob.arrayBuffer())];"
        ))
        .await?;
    let byte = |byte: &Value| u8::try_from(byte.as_u64()?).ok();
    Ok(drawn.as_array().into_iter().flatten().filter_map(byte).collect())
}

async fn png(browser: &Browser, folder: &Profile, width: u32, height: u32) -> Result<PathBuf> {
    let file = folder.path().join(format!("{width}.png"));
    write(&file, &draw(browser, "image/png", width, height).await?);
    Ok(file)
}

/// The photo of a camera that notes what it is, where it was, and that it was held upright.
async fn photo(browser: &Browser, folder: &Profile, width: u32, height: u32) -> Result<PathBuf> {
    let jpeg = draw(browser, "image/jpeg", width, height).await?;
    let mut noted = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x03".to_vec();
    // Its name, the side that is up (to be turned by a quarter), and where the place is noted.
    noted.extend(b"\x01\x0f\0\x02\0\0\0\x09\0\0\0\x32");
    noted.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    noted.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x3c\0\0\0\0");
    noted.extend(b"Tana-Cam\0\0");
    // South of the equator.
    noted.extend(b"\0\x01\0\x01\0\x02\0\0\0\x02S\0\0\0\0\0\0\0");
    let length = u16::try_from(noted.len() + 2).unwrap_or_default();
    let bytes = [
        &jpeg[..2],
        b"\xff\xe1",
        &length.to_be_bytes()[..],
        &noted,
        &jpeg[2..],
    ]
    .concat();
    let file = folder.path().join("photo.jpg");
    write(&file, &bytes);
    Ok(file)
}

fn write(file: &Path, bytes: &[u8]) {
    if let Err(error) = fs::write(file, bytes) {
        panic!("{}: {error}", file.display());
    }
}

/// Chooses a file in the dialog, and waits until it is seen there, so wide.
async fn choose(browser: &Browser, file: &Path, width: u32) -> Result<()> {
    browser.find("dialog", "Image").await?;
    browser.choose_file(file).await?;
    wait_for_preview(browser, width).await
}

/// Waits until the dialog shows a picture so wide.
async fn wait_for_preview(browser: &Browser, width: u32) -> Result<()> {
    wait_until(&format!("the dialog shows a picture {width} wide"), async || {
        let shown = "return document.querySelector('dialog img')?.naturalWidth";
        Ok(browser.run(shown).await? == width && browser.look_for("image", "Preview").await?.is_some())
    })
    .await
}

/// Puts the picture of a file behind the block that the caret is in; it is so wide then.
async fn insert(browser: &Browser, file: &Path, width: u32, description: &str) -> Result<()> {
    browser.press("Image").await?;
    choose(browser, file, width).await?;
    browser.fill("What does the picture show?", description).await?;
    browser.confirm("Insert image").await
}

/// What the dialog says that the picture shows.
async fn described(browser: &Browser) -> Result<Option<String>> {
    browser.text("textbox", "What does the picture show?").await
}

/// Each picture of the page: how far it has come, its size, its description and its caption.
async fn pictures(browser: &Browser) -> Result<Value> {
    browser
        .run(
            "const figures = document.querySelectorAll('[aria-label=Page] figure');
             return [...figures].map((figure) => {
               const image = figure.querySelector('img');
               return [figure.dataset.state, image.naturalWidth, image.naturalHeight, image.getAttribute('alt'),
                 figure.querySelector('figcaption').textContent];
             });",
        )
        .await
}

async fn wait_for_pictures(browser: &Browser, expected: Value) -> Result<()> {
    let mut shown = Value::Null;
    let came = wait_until(&format!("the page shows {expected}"), async || {
        shown = pictures(browser).await?;
        Ok(shown == expected)
    })
    .await;
    came.map_err(|error| error.instead(&shown.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_described_and_everybody_sees_it() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    let file = png(amina, &folder, 300, 200).await?;
    amina.write("At the river").await?;
    insert(amina, &file, 300, "A bridge over\nthe Tana").await?;
    // The caret is under it.
    amina.keys("Garissa").await?;
    let seen = json!([["shown", 300, 200, "A bridge over the Tana", "Garissa"]]);
    for browser in [amina, jonas] {
        wait_for_pictures(browser, seen.clone()).await?;
        browser.find("image", "A bridge over the Tana").await?;
    }

    // The caption, then the picture, and back.
    amina.control('z').await?;
    wait_for_pictures(jonas, json!([["shown", 300, 200, "A bridge over the Tana", ""]])).await?;
    amina.control('z').await?;
    wait_for_pictures(jonas, json!([])).await?;
    assert_eq!(jonas.page().await?, "<p>At the river</p>");
    amina.control('y').await?;
    amina.control('y').await?;
    wait_for_pictures(jonas, seen.clone()).await?;

    // Who is in it changes what is said of it, and takes another file.
    jonas.go_behind("Garissa").await?;
    jonas.press("Image").await?;
    wait_for_preview(jonas, 300).await?;
    assert_eq!(described(jonas).await?.as_deref(), Some("A bridge over the Tana"));
    jonas.fill("What does the picture show?", "The bridge").await?;
    jonas.confirm("Save").await?;
    wait_for_pictures(amina, json!([["shown", 300, 200, "The bridge", "Garissa"]])).await?;
    jonas.press("Image").await?;
    let other = png(jonas, &folder, 120, 80).await?;
    choose(jonas, &other, 120).await?;
    jonas.confirm("Save").await?;
    let seen = json!([["shown", 120, 80, "The bridge", "Garissa"]]);
    wait_for_pictures(amina, seen.clone()).await?;

    // What another says of it meanwhile stays.
    amina.go_behind("Garissa").await?;
    wait_until("its style is that of a picture", async || {
        let style = "return document.querySelector('[aria-label=Style]').selectedOptions[0].textContent";
        Ok(amina.run(style).await? == "Image")
    })
    .await?;
    amina.press("Image").await?;
    wait_for_preview(amina, 120).await?;
    jonas.press("Image").await?;
    jonas
        .fill("What does the picture show?", "The old bridge")
        .await?;
    jonas.confirm("Save").await?;
    wait_for_pictures(amina, json!([["shown", 120, 80, "The old bridge", "Garissa"]])).await?;
    choose(amina, &file, 300).await?;
    amina.confirm("Save").await?;
    let seen = json!([["shown", 300, 200, "The old bridge", "Garissa"]]);
    wait_for_pictures(jonas, seen.clone()).await?;

    // One that is gone is not described, and that is said.
    amina.press("Image").await?;
    amina
        .fill("What does the picture show?", "The new bridge")
        .await?;
    jonas.control('a').await?;
    jonas.keys(Key::Delete + "").await?;
    wait_for_pictures(amina, json!([])).await?;
    amina.press("Save").await?;
    amina
        .wait_for_alert("This picture is not on the page any more")
        .await?;
    amina.confirm("Cancel").await?;
    jonas.control('z').await?;
    wait_for_pictures(amina, seen.clone()).await?;

    for browser in [amina, jonas] {
        browser.wait_for_status("On the relay").await?;
        browser.reload().await?;
        wait_for_pictures(browser, seen.clone()).await?;
    }
    pair.part().await
}

/// Scrolls to the picture.
async fn come_near(browser: &Browser) -> Result<()> {
    wait_until("there is a picture to scroll to", async || {
        let script = "const figure = document.querySelector('[aria-label=Page] figure');
                      figure?.scrollIntoView();
                      return figure !== null";
        Ok(browser.run(script).await? == true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_waits_for_a_connection() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    let file = png(amina, &folder, 300, 200).await?;
    amina.wait_until_offline_ready().await?;
    pair.journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    amina.write(&"\n".repeat(70)).await?;
    insert(amina, &file, 300, "A bridge").await?;
    let seen = json!([["shown", 300, 200, "A bridge", ""]]);
    wait_for_pictures(amina, seen.clone()).await?;
    amina.wait_for_status("Offline · On this device").await?;
    amina.reload().await?;
    come_near(amina).await?;
    wait_for_pictures(amina, seen.clone()).await?;
    pair.journey.link(0).restore();
    amina.wait_for_status("On the relay").await?;

    // He has the page, and has not come near the picture yet.
    let expected = json!([["loading", 0, 0, "A bridge", ""]]);
    wait_for_pictures(jonas, expected).await?;
    pair.journey.link(1).cut();
    jonas.wait_for_status("Offline · On the relay").await?;
    come_near(jonas).await?;
    wait_for_pictures(jonas, json!([["missing", 0, 0, "A bridge", ""]])).await?;
    jonas
        .wait_for_words(
            "This picture is not on this device yet. It comes with a connection, once the relay has it.",
        )
        .await?;
    let told = folder.path().join("told");
    fs::create_dir(&told).unwrap();
    jonas.download_to(&told).await?;
    let html = jonas.export_page(&told, "HTML", "html").await?;
    jonas
        .wait_for_text(
            "status",
            "Export",
            "Pictures that are not on this device, and were left out: 1",
        )
        .await?;
    let text = fs::read_to_string(html).unwrap();
    assert!(
        text.contains("A bridge") && !text.contains("attachment:"),
        "{text}"
    );
    pair.journey.link(1).restore();
    wait_for_pictures(jonas, seen.clone()).await?;

    // From then on it is on his device, too.
    jonas.wait_for_status("On the relay").await?;
    pair.journey.link(1).cut();
    jonas.wait_for_status("Offline · On the relay").await?;
    jonas.reload().await?;
    come_near(jonas).await?;
    wait_for_pictures(jonas, seen).await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn paper_waits_for_the_pictures() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    let file = png(amina, &folder, 300, 200).await?;
    amina.write(&"\n".repeat(70)).await?;
    insert(amina, &file, 300, "A bridge").await?;
    amina.wait_for_status("On the relay").await?;
    wait_for_pictures(jonas, json!([["loading", 0, 0, "A bridge", ""]])).await?;
    // What the browser would print.
    jonas
        .run(
            "globalThis.print = () => {
               const images = [...document.querySelectorAll('[aria-label=Page] figure .picture-image')];
               globalThis.meridianPrinted = images.map(({ complete, naturalWidth }) => complete && naturalWidth);
             };",
        )
        .await?;
    jonas.choose_from_menu("Document", "Export").await?;
    jonas.find("menuitem", "PDF").await?.click().await?;
    wait_until("it is printed with its picture", async || {
        let printed = jonas.run("return globalThis.meridianPrinted ?? null").await?;
        assert!(printed.is_null() || printed == json!([300]), "{printed}");
        Ok(!printed.is_null())
    })
    .await?;
    pair.part().await
}

/// Files as a browser hands them over with an event, each a picture so wide.
fn files(widths: &[u32]) -> String {
    format!(
        "const data = new DataTransfer();
         for (const width of {widths:?}) {{
           const canvas = new OffscreenCanvas(width, 30);
           canvas.getContext('2d').fillRect(0, 0, width, 30);
           data.items.add(new File([await canvas.convertToBlob()], `${{width}}.png`, {{ type: 'image/png' }}));
         }}
         const page = document.querySelector('[aria-label=Page]');"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_pasted_or_dropped_are_asked_about_one_by_one() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Above\nBelow").await?;
    amina.go_behind("Above").await?;
    amina
        .run(&format!(
            "{} page.dispatchEvent(new ClipboardEvent('paste', {{ clipboardData: data, bubbles: true, cancelable: true }}));",
            files(&[41, 42, 43])
        ))
        .await?;
    wait_for_preview(amina, 41).await?;
    amina.fill("What does the picture show?", "The first").await?;
    amina.press("Insert image").await?;
    wait_for_pictures(jonas, json!([["shown", 41, 30, "The first", ""]])).await?;
    // The second is not wanted; of the third there is nothing to say.
    wait_for_preview(amina, 42).await?;
    assert_eq!(described(amina).await?.as_deref(), Some(""));
    amina.fill("What does the picture show?", "Not wanted").await?;
    amina.press("Cancel").await?;
    wait_for_preview(amina, 43).await?;
    assert_eq!(described(amina).await?.as_deref(), Some(""));
    amina
        .find("checkbox", "Only decoration: there is nothing to describe")
        .await?
        .click()
        .await?;
    amina.confirm("Insert image").await?;
    let both = [
        json!(["shown", 41, 30, "The first", ""]),
        json!(["shown", 43, 30, "", ""]),
    ];
    wait_for_pictures(jonas, json!(both)).await?;

    amina
        .run(&format!(
            "{} const paragraph = [...page.querySelectorAll('p')].find(({{ textContent }}) => textContent === 'Below');
             const {{ left, top }} = paragraph.getBoundingClientRect();
             const place = {{ clientX: left + 5, clientY: top + 5 }};
             page.dispatchEvent(new DragEvent('drop', {{ dataTransfer: data, bubbles: true, cancelable: true, ...place }}));",
            files(&[44])
        ))
        .await?;
    wait_for_preview(amina, 44).await?;
    amina.confirm("Insert image").await?;
    let [first, second] = both;
    let undescribed = json!(["shown", 44, 30, null, ""]);
    wait_for_pictures(jonas, json!([first, second, undescribed])).await?;
    let page = jonas.page().await?;
    assert!(
        page.starts_with("<p>Above</p><figure>") && page.contains("<p>Below</p><figure>"),
        "{page}"
    );

    // Whoever comes by may say what it shows, without a mouse.
    jonas.find("image", "Picture without a description").await?;
    jonas.go_behind("Below").await?;
    jonas.keys(Key::Escape + "").await?;
    jonas.tab_to("Describe this picture").await?;
    jonas.keys(Key::Enter + "").await?;
    wait_for_preview(jonas, 44).await?;
    assert_eq!(jonas.focused().await?, "What does the picture show?");
    jonas.keys("The fourth").await?;
    jonas.confirm("Save").await?;
    let described = json!(["shown", 44, 30, "The fourth", ""]);
    wait_for_pictures(amina, json!([first, second, described])).await?;
    assert!(amina.look_for("button", "Describe this picture").await?.is_none());

    // The slash leads to one as well.
    amina.go_behind("Below").await?;
    amina.keys(" /image").await?;
    amina.keys(Key::Enter + "").await?;
    amina.find("dialog", "Image").await?;
    amina.confirm("Cancel").await?;
    assert_eq!(amina.focused().await?, "Page");
    amina.keys("!").await?;
    jonas.wait_for_page("<p>Below !</p>").await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_goes_along_in_files_and_does_not_say_where_it_was_taken() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    amina.download_to(folder.path()).await?;
    let file = photo(amina, &folder, 1500, 3000).await?;
    let taken = fs::read(&file).unwrap();
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(&taken, b"Exif") && holds(&taken, b"Tana-Cam"));
    insert(amina, &file, 2048, "The sky & the sand").await?;
    amina.keys("At noon").await?;
    // Upright, and no larger than it needs to be.
    let seen = json!(["shown", 2048, 1024, "The sky & the sand", "At noon"]);
    wait_for_pictures(jonas, json!([seen])).await?;

    let html = amina.export_page(folder.path(), "HTML", "html").await?;
    let text = fs::read_to_string(&html).unwrap();
    assert!(
        text.contains("alt=\"The sky &amp; the sand\"") && !text.contains("attachment:"),
        "{text}"
    );
    let (_, data) = text.split_once("src=\"data:image/webp;base64,").unwrap();
    let (data, _) = data.split_once('"').unwrap();
    let kept = amina.run(&format!("return atob('{data}')")).await?;
    let kept: Vec<u8> = kept
        .as_str()
        .unwrap()
        .chars()
        .map(|letter| u8::try_from(u32::from(letter)).unwrap())
        .collect();
    assert!(kept.starts_with(b"RIFF"), "{:?}", &kept[..16]);
    for part in ["Exif", "EXIF", "XMP ", "Tana-Cam"] {
        assert!(!holds(&kept, part.as_bytes()), "it keeps {part}");
    }
    let markdown = amina.export_page(folder.path(), "Markdown", "md").await?;
    let text = fs::read_to_string(markdown).unwrap();
    assert!(
        text.contains("](data:image/webp;base64,") && !text.contains("attachment:"),
        "{text}"
    );

    // What comes in from a file is an attachment as well.
    amina.import_page(&html, "Paragraphs, items and cells: ").await?;
    wait_for_pictures(jonas, json!([seen, seen])).await?;
    let shown =
        "return [...document.querySelectorAll('[aria-label=Page] img')].map(({ src }) => src.slice(0, 5))";
    assert_eq!(jonas.run(shown).await?, json!(["blob:", "blob:"]));

    // A version shows its pictures.
    amina.wait_for_status("On the relay").await?;
    amina.press("History").await?;
    wait_until("the version has its pictures", async || {
        let script = "const figures = [...document.querySelectorAll('dialog figure')];
                      figures.find(({ dataset }) => dataset.state !== 'shown')?.scrollIntoView();
                      return figures.map(({ dataset }) => dataset.state)";
        Ok(amina.run(script).await? == json!(["shown", "shown"]))
    })
    .await?;
    pair.part().await
}

/// A picture in its address, as other programs write it.
async fn address_of(browser: &Browser, kind: &str, bytes: &[u8]) -> Result<String> {
    let written = browser
        .run(&format!("return btoa(String.fromCharCode(...{bytes:?}))"))
        .await?;
    Ok(format!(
        "data:{kind};base64,{}",
        written.as_str().unwrap_or_default()
    ))
}

/// A page with pictures at these addresses behind what it holds, as a program writes it that knows nothing of attachments.
fn with_pictures(mut page: Page, addresses: &[(&str, &str)]) -> Option<Vec<u8>> {
    let block = |(address, alt): &(&str, &str)| {
        let attrs = json!({ "src": address, "alt": alt });
        let shape = json!({ "type": "image", "isEmbed": true, "attrs": attrs });
        serde_json::from_value(json!({ "shape": shape, "runs": [] })).ok()
    };
    let edit = Edit::Blocks {
        from: page.blocks().len(),
        count: 0,
        blocks: addresses.iter().map(block).collect::<Option<_>>()?,
    };
    page.apply(&[edit]).ok()?;
    page.commit(0)?;
    page.save().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_in_a_file_of_another_program_is_drawn_anew() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    let told = folder.path().join("told");
    fs::create_dir(&told).unwrap();
    amina.download_to(&told).await?;
    amina.write("At the river").await?;
    let taken = fs::read(photo(amina, &folder, 40, 20).await?).unwrap();
    let taken = address_of(amina, "image/jpeg", &taken).await?;
    let broken = address_of(amina, "image/png", b"no picture").await?;

    // Another page, and a copy of this one that was changed.
    let other = folder.path().join("other.automerge");
    let pictures = [(taken.as_str(), "The sky"), (broken.as_str(), "The sand")];
    let page = Page::new([8; 16]).unwrap();
    write(&other, &with_pictures(page, &pictures).unwrap());
    amina
        .import_page(&other, "Pictures that could not be taken along: 1")
        .await?;
    let one = json!(["shown", 20, 40, "The sky", ""]);
    wait_for_pictures(jonas, json!([one])).await?;
    jonas.wait_for_page("<p>The sand</p>").await?;
    let copy = amina.export_page(&told, "Automerge", "automerge").await?;
    let page = Page::load(&fs::read(&copy).unwrap(), [9; 16]).unwrap();
    let changed = folder.path().join("changed.automerge");
    write(&changed, &with_pictures(page, &pictures).unwrap());
    amina
        .import_page(&changed, "Pictures that could not be taken along: 1")
        .await?;
    wait_for_pictures(jonas, json!([one, one])).await?;
    let shown =
        "return [...document.querySelectorAll('[aria-label=Page] img')].map(({ src }) => src.slice(0, 5))";
    assert_eq!(jonas.run(shown).await?, json!(["blob:", "blob:"]));
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_that_goes_with_the_right_to_write_says_so_and_stays_away() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    let file = png(jonas, &folder, 300, 200).await?;
    jonas.write("At the river. ").await?;
    amina.wait_for_page("At the river.").await?;
    jonas.press("Image").await?;
    choose(jonas, &file, 300).await?;
    amina.choose_from_menu("Document", "Lock").await?;
    jonas
        .wait_for_alert(
            "The dialog for an image was closed, for the page was left or can’t be written on now.",
        )
        .await?;
    assert!(jonas.look_for("dialog", "Image").await?.is_none());
    jonas.press("Dismiss").await?;
    amina.choose_from_menu("Document", "Unlock").await?;
    jonas.find("toolbar", "Formatting").await?;
    jonas.write("After. ").await?;
    amina.wait_for_page("After.").await?;
    assert!(jonas.look_for("dialog", "Image").await?.is_none());
    wait_for_pictures(jonas, json!([])).await?;
    pair.part().await
}

/// What sticks out or hinders people, on a narrow screen and a wide one, by day and by night.
async fn problems(browser: &Browser, name: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
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
    browser.set_viewport(1280, 900).await?;
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_serve_everybody() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    let folder = Profile::new()?;
    let file = png(amina, &folder, 900, 500).await?;
    let broken = folder.path().join("broken.png");
    fs::write(&broken, b"\x89PNG\r\n\x1a\n no picture").unwrap();
    let mut found = Vec::new();
    amina.write("At the river").await?;

    // By keyboard alone: the toolbar is one stop.
    amina.tab_back_to("Style").await?;
    for _ in 0..40 {
        if amina.focused().await? == "Image" {
            break;
        }
        amina.keys(Key::Right + "").await?;
    }
    amina.keys(Key::Enter + "").await?;
    amina.find("dialog", "Image").await?;
    assert_eq!(amina.focused().await?, "Image file");
    amina.press("Insert image").await?;
    amina.wait_for_alert("Choose an image file first.").await?;
    amina.choose_file(&broken).await?;
    amina
        .wait_for_alert("This browser can’t read this file as a picture.")
        .await?;
    found.extend(problems(amina, "picture-broken").await?);
    choose(amina, &file, 900).await?;
    found.extend(problems(amina, "picture-dialog").await?);
    amina.tab_to("What does the picture show?").await?;
    amina.keys("A bridge").await?;
    amina.tab_to("Insert image").await?;
    amina.keys(Key::Enter + "").await?;
    amina.wait_for_focus("Page").await?;
    amina.keys("Garissa").await?;
    wait_for_pictures(jonas, json!([["shown", 900, 500, "A bridge", "Garissa"]])).await?;

    amina.go_to_end().await?;
    insert(amina, &file, 900, "").await?;
    amina.wait_for_words("Describe this picture").await?;
    found.extend(problems(amina, "picture-page").await?);
    amina.run("document.documentElement.dir = 'rtl'").await?;
    found.extend(problems(amina, "picture-page-right-to-left").await?);
    amina.press("Image").await?;
    wait_for_preview(amina, 900).await?;
    found.extend(problems(amina, "picture-dialog-right-to-left").await?);
    assert!(found.is_empty(), "{found:#?}");
    pair.part().await
}
