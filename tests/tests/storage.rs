//! What the browser keeps: stores that earlier versions of the app wrote, a connection to the store that is dropped, a full disk.

use std::fs;
use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use serde_json::Value;
use tests::{
    AMINA, Browser, CLASSROOM, JONAS, Journey, Pair, Profile, Result, TITLE, files_under, wait_until,
};

/// What Amina wrote with a connection, and after it was cut.
const SENT: &str = "Springs at Mount Kenya. ";
const UNSENT: &str = "And from here.";

/// What her picture shows.
const PICTURED: &str = "A bridge";

/// What an earlier version of the app left in IndexedDB, a file for each version of the tables: `{ "version": 1, "tables": {
/// "profile": [[key, value], …], … } }`, keys and values in hexadecimal digits. They hold Amina's classroom with a page: one
/// sentence on the relay, one made offline; from version 5 on with a picture under them, made offline, too. `MERIDIAN_GOLDEN=write` writes the one of the app under test.
fn stores() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stores")
}

/// Everything in the store, in the form of those files.
async fn dump(browser: &Browser) -> Result<Value> {
    browser
        .run(
            "const digits = (bytes) =>
               [...new Uint8Array(bytes.buffer ?? bytes)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
             const answered = (request) => new Promise((done, fail) => {
               request.onsuccess = () => done(request.result);
               request.onerror = () => fail(request.error);
             });
             const database = await answered(indexedDB.open('meridian'));
             const names = [...database.objectStoreNames], tables = {};
             for (const name of names) {
               const store = database.transaction(name).objectStore(name);
               const [keys, values] = await Promise.all([answered(store.getAllKeys()), answered(store.getAll())]);
               tables[name] = keys.map((key, at) => [digits(key), digits(values[at])]);
             }
             const version = database.version;
             database.close();
             return { version, tables };",
        )
        .await
}

/// Puts such a store where the app will look for it. The browser must not show the app.
async fn restore(browser: &Browser, store: &Value) -> Result<()> {
    let script = format!(
        "const bytes = (digits) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
         const stored = {store};
         await new Promise((done, fail) => {{
           const request = indexedDB.open('meridian', stored.version);
           request.onupgradeneeded = () => {{
             for (const [name, rows] of Object.entries(stored.tables)) {{
               const table = request.result.createObjectStore(name);
               for (const [key, value] of rows) table.put(bytes(value), bytes(key));
             }}
           }};
           request.onsuccess = () => {{ request.result.close(); done(); }};
           request.onerror = () => fail(request.error);
         }});"
    );
    browser.run(&script).await?;
    Ok(())
}

/// Writes the page of the stores, the second half with no connection.
async fn write_both_halves(journey: &Journey, amina: &Browser) -> Result<()> {
    amina.create_classroom(CLASSROOM, AMINA).await?;
    amina.new_page(TITLE).await?;
    amina.write(SENT).await?;
    amina.wait_for_status("On the relay").await?;
    journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    amina.write(UNSENT).await?;
    put_picture(amina).await?;
    amina.wait_for_status("Offline · On this device").await
}

/// Puts a picture under what is written.
async fn put_picture(browser: &Browser) -> Result<()> {
    let drawn = browser
        .run(
            "const canvas = new OffscreenCanvas(30, 20);
             canvas.getContext('2d').fillRect(0, 0, 30, 20);
             return [...new Uint8Array(await (await canvas.convertToBlob()).arrayBuffer())];",
        )
        .await?;
    let bytes: Vec<u8> = serde_json::from_value(drawn).unwrap_or_default();
    let folder = Profile::new()?;
    let file = folder.path().join("bridge.png");
    fs::write(&file, bytes).map_err(|source| failed(&file, source))?;
    browser.press("Image").await?;
    browser.find("dialog", "Image").await?;
    browser.choose_file(&file).await?;
    wait_until("the dialog shows the picture", async || {
        let shown = "return document.querySelector('dialog img')?.naturalWidth";
        Ok(browser.run(shown).await? == 30)
    })
    .await?;
    browser.fill("What does the picture show?", PICTURED).await?;
    browser.confirm("Insert image").await?;
    wait_for_picture(browser).await
}

async fn wait_for_picture(browser: &Browser) -> Result<()> {
    wait_until("the picture is shown", async || {
        let shown = "const figure = document.querySelector('[aria-label=Page] figure[data-state=shown]');
                     return figure?.querySelector('img').alt ?? null";
        Ok(browser.run(shown).await? == PICTURED)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_version_stored_is_opened() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let amina = journey.open(0, &profile).await?;
    write_both_halves(&journey, &amina).await?;
    let now = dump(&amina).await?;
    amina.close().await?;
    if std::env::var_os("MERIDIAN_GOLDEN").is_some_and(|wish| wish == "write") {
        let file = stores().join(format!("{}.json", now["version"]));
        return fs::write(&file, format!("{now}\n")).map_err(|source| failed(&file, source));
    }

    let mut earlier = Vec::new();
    for file in files_under(&stores())? {
        let text = fs::read_to_string(&file).map_err(|source| failed(&file, source))?;
        let store: Value = serde_json::from_str(&text).unwrap_or_default();
        earlier.push(store);
    }
    let mut versions: Vec<u64> = earlier
        .iter()
        .map(|store| store["version"].as_u64().unwrap_or_default())
        .collect();
    versions.sort_unstable();
    let all: Vec<u64> = (1..=now["version"].as_u64().unwrap_or_default()).collect();
    assert_eq!(versions, all, "each version of the tables has its store");
    // Together: each waits a while until it gives the relay back what another tab wrote.
    try_join_all(earlier.iter().map(|store| opens(store, &now["version"]))).await?;
    Ok(())
}

fn failed(file: &Path, source: std::io::Error) -> tests::Error {
    tests::Error::Io {
        what: file.display().to_string(),
        source,
    }
}

/// Everything of this store is there, reaches a relay that knows nothing of it, and somebody who joins.
async fn opens(store: &Value, version_now: &Value) -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open_blank(0, &profile), journey.open(1, &other_profile))?;
    amina.visit("/health").await?;
    restore(&amina, store).await?;
    // That page has no icon.
    amina.errors().await?;
    amina.visit("/").await?;
    amina.press(CLASSROOM).await?;
    amina.open_page(TITLE).await?;
    amina.wait_for_page(&format!("<p>{SENT}{UNSENT}</p>")).await?;
    let has_picture = store["version"].as_u64() >= Some(5);
    if has_picture {
        wait_for_picture(&amina).await?;
    }
    amina.wait_for_status("On the relay").await?;
    assert_eq!(dump(&amina).await?["version"], *version_now);

    amina.press(&format!("Back to {CLASSROOM}")).await?;
    let invite = amina.invite("Student").await?;
    jonas.join(&invite, JONAS).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page(&format!("<p>{SENT}{UNSENT}</p>")).await?;
    if has_picture {
        wait_for_picture(&jonas).await?;
    }
    amina.open_page(TITLE).await?;
    amina.write(" Here too.").await?;
    jonas.wait_for_page(" Here too.</p>").await?;
    amina.close().await?;
    jonas.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_to_the_store_is_opened_again() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let amina = journey.open(0, &profile).await?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    amina.new_page(TITLE).await?;
    amina.write("Before. ").await?;
    amina.wait_for_status("On the relay").await?;

    // Somebody else wants a newer version of the tables, and then does not: the app makes way, and goes on.
    let outcome = amina
        .run(
            "const known = (await indexedDB.databases()).find(({ name }) => name === 'meridian');
             return new Promise((done) => {
               const request = indexedDB.open('meridian', known.version + 1);
               request.onupgradeneeded = () => request.transaction.abort();
               request.onsuccess = () => done('success');
               request.onerror = (event) => { event.preventDefault(); done(request.error.name); };
             });",
        )
        .await?;
    assert_eq!(outcome, "AbortError");
    amina.write("After. ").await?;
    amina.wait_for_status("On the relay").await?;
    journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    amina.write("Later.").await?;
    amina.wait_for_status("Offline · On this device").await?;
    amina.reload().await?;
    amina.wait_for_page("<p>Before. After. Later.</p>").await?;
    journey.link(0).restore();
    amina.wait_for_status("On the relay").await?;
    amina.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_loses_nothing() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Before. ").await?;
    jonas.wait_for_page("Before.").await?;
    amina.wait_for_status("On the relay").await?;
    amina.allow_storage(Some(1)).await?;
    // The browser notices within half a minute.
    wait_until("the app says that nothing more fits", async || {
        amina.write("x").await?;
        Ok(amina.status().await? == "Not saved")
    })
    .await?;
    amina
        .wait_for_alert("Not saved: this device’s storage is full")
        .await?;
    // What was typed stands there, and no more can be: it would be lost with the tab.
    wait_until_editable(amina, false).await?;
    let page = amina.page().await?;
    amina.write(" Nowhere.").await?;
    assert_eq!(amina.page().await?, page);
    // What is not kept here goes nowhere else.
    assert_ne!(jonas.page().await?, page);

    // What is kept can still be carried away.
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    amina.wait_for_status("Not saved").await?;
    let folder = Profile::new()?;
    amina.export_to(folder.path()).await?;

    amina.open_page(TITLE).await?;
    amina.allow_storage(None).await?;
    wait_until_editable(amina, true).await?;
    jonas.wait_for_page(&page).await?;
    amina.write(" Again.").await?;
    amina.wait_for_status("On the relay").await?;
    jonas.wait_for_page(" Again.").await?;
    assert_eq!(jonas.page().await?, amina.page().await?);
    pair.part().await
}

async fn wait_until_editable(browser: &Browser, editable: bool) -> Result<()> {
    wait_until("the page can be written on, or not", async || {
        let page = browser.find("textbox", "Page").await?;
        let toolbar = browser.look_for("toolbar", "Formatting").await?;
        let is_read_only = page.attr("aria-readonly").await?.as_deref() == Some("true");
        Ok(is_read_only != editable && toolbar.is_some() == editable)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_of_an_older_version_gives_way_and_says_so() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Before. ").await?;
    jonas.wait_for_page("Before.").await?;
    // The newest words are not stored yet when another tab brings the tables on.
    amina.write_and_hold_back("The last words. ").await?;
    let outcome = amina
        .run(
            "const known = (await indexedDB.databases()).find(({ name }) => name === 'meridian');
             return new Promise((done) => {
               const request = indexedDB.open('meridian', known.version + 1);
               request.onupgradeneeded = () => request.result.createObjectStore('of a newer version');
               request.onsuccess = () => { request.result.close(); done('success'); };
               request.onerror = () => done(request.error.name);
             });",
        )
        .await?;
    assert_eq!(outcome, "success");
    amina.wait_for_alert("A new version is ready").await?;
    amina.wait_for_alert("Reload this one to go on").await?;
    wait_until_editable(amina, false).await?;
    jonas.wait_for_page("<p>Before. The last words. </p>").await?;
    // That work is saved is told by a timer, too.
    amina.hand_over().await?;
    amina.wait_for_status("On the relay").await?;
    // This version has nothing to start from any more, and says why.
    amina.reload().await?;
    amina.wait_for_alert("Reload this one to go on").await?;
    amina.errors().await?;
    pair.part().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_deleted_under_way_keeps_nothing_and_says_so() -> Result<()> {
    let pair = Pair::meet().await?;
    let (amina, jonas) = (&pair.amina, &pair.jonas);
    amina.write("Before. ").await?;
    jonas.wait_for_page("Before.").await?;
    amina.wait_for_status("On the relay").await?;
    pair.journey.link(0).cut();
    amina.wait_for_status("Offline · On the relay").await?;
    amina.clear_storage().await?;
    amina.write("After. ").await?;
    amina.wait_for_status("Offline · Not saved").await?;
    amina
        .wait_for_alert("the browser has deleted what was kept here.")
        .await?;
    assert_eq!(amina.page().await?, "<p>Before. After. </p>");

    // What was deleted stays deleted, and this browser can begin anew.
    pair.journey.link(0).restore();
    amina.visit("/").await?;
    amina.find("link", "Create a classroom").await?;
    assert!(amina.look_for("link", CLASSROOM).await?.is_none());
    amina.create_classroom("Another one", AMINA).await?;
    amina.wait_for_status("On the relay").await?;
    assert_eq!(jonas.page().await?, "<p>Before. </p>");
    pair.part().await
}
