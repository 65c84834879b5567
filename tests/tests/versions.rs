//! A newer build of the app comes, over good networks and bad ones.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::json;
use tests::{AMINA, Browser, CLASSROOM, Condition, Journey, Profile, Result, TITLE, wait_until};

/// A file that only the newer build has.
const NEW_FILE: &str = "/new-0123456789abcdef.js";

/// Makes a newer build of one: a file more for the service worker to keep.
fn newer(build: &Path, folder: PathBuf) -> io::Result<PathBuf> {
    copy(build, &folder)?;
    let worker = folder.join("service-worker.js");
    let script = fs::read_to_string(&worker)?;
    let (page, new) = (
        r#"url:"/index.html"}"#,
        format!(r#",{{revision:null,url:"{NEW_FILE}"}}"#),
    );
    assert!(script.contains(page));
    fs::write(&worker, script.replace(page, &format!("{page}{new}")))?;
    for compressed in ["service-worker.js.br", "service-worker.js.gz"] {
        fs::remove_file(folder.join(compressed))?;
    }
    fs::write(folder.join(&NEW_FILE[1..]), "// New.")?;
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// As when somebody comes back to the tab.
async fn come_back(browser: &Browser) -> Result<()> {
    browser
        .run("document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
        .await?;
    Ok(())
}

async fn keeps_new_file(browser: &Browser) -> Result<bool> {
    let kept = format!("return caches.match('{NEW_FILE}').then((found) => found !== undefined)");
    Ok(browser.run(&kept).await? == true)
}

/// Whether a version is there that waits to take over.
async fn waits(browser: &Browser) -> Result<bool> {
    let waits = "return navigator.serviceWorker.getRegistration().then(({ waiting }) => waiting !== null)";
    Ok(browser.run(waits).await? == true)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_waits_for_the_persons_word_and_finds_their_work() -> Result<()> {
    let mut journey = Journey::start(1).await?;
    let (profile, folder) = (Profile::new()?, Profile::new()?);
    let browser = journey.open(0, &profile).await?;
    browser.wait_until_offline_ready().await?;
    browser.create_classroom(CLASSROOM, AMINA).await?;
    browser.new_page(TITLE).await?;
    browser.write("Before. ").await?;
    browser.wait_for_status("On the relay").await?;

    let build = newer(journey.relay.app(), folder.path().join("app")).unwrap();
    journey.relay.stop().await?;
    journey.relay.serve(build);
    journey.relay.start_again().await?;
    come_back(&browser).await?;
    browser.find("status", "A new version is ready").await?;
    assert!(waits(&browser).await?);

    // Until then all goes on as before, also after a reload.
    browser.write("Meanwhile. ").await?;
    browser.wait_for_status("On the relay").await?;
    browser.reload().await?;
    browser.wait_for_page("Before. Meanwhile.").await?;
    assert!(waits(&browser).await?);

    browser.press("Reload").await?;
    wait_until("the newer version is the one", async || {
        // The page is left in between.
        Ok(waits(&browser).await.is_ok_and(|waits| !waits))
    })
    .await?;
    browser.wait_for_page("Before. Meanwhile.").await?;
    browser.write("After. ").await?;
    browser.wait_for_status("On the relay").await?;
    assert!(keeps_new_file(&browser).await?);
    assert!(
        browser
            .look_for("status", "A new version is ready")
            .await?
            .is_none()
    );

    journey.link(0).cut();
    browser.reload().await?;
    browser.wait_for_page("Before. Meanwhile. After.").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_page_in_the_place_of_a_script_is_never_kept() -> Result<()> {
    let mut journey = Journey::start(1).await?;
    let (profile, folder) = (Profile::new()?, Profile::new()?);
    let browser = journey.open(0, &profile).await?;
    browser.wait_until_offline_ready().await?;
    let build = newer(journey.relay.app(), folder.path().join("app")).unwrap();
    journey.relay.stop().await?;
    journey.relay.serve(build);
    journey.relay.start_again().await?;

    journey.link(0).set(Condition::SignIn("/service-worker.js"));
    let failed = "return navigator.serviceWorker.getRegistration().then(async (registration) => {
                      const { installing } = await registration.update();
                      if (installing === null) return 'nothing newer';
                      if (installing.state === 'installing') {
                          await new Promise((then) => installing.addEventListener('statechange', then, { once: true }));
                      }
                      return installing.state;
                  })";
    assert_eq!(browser.run(failed).await?, "redundant");
    assert!(!keeps_new_file(&browser).await?);
    for path in ["/", "/somewhere/in/the/app"] {
        browser.visit(path).await?;
        browser.find("status", "Sync").await?;
    }

    journey.link(0).restore();
    come_back(&browser).await?;
    browser.find("status", "A new version is ready").await?;
    browser.press("Reload").await?;
    wait_until("the newer version is kept", async || {
        Ok(keeps_new_file(&browser).await.is_ok_and(|kept| kept))
    })
    .await?;
    browser.find("status", "Sync").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_come_at_the_first_visit_is_fetched_again_by_itself() -> Result<()> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let browser = journey.open_blank(0, &profile).await?;
    // In this tab nothing is kept before the test says so.
    let script = "const register = ServiceWorkerContainer.prototype.register;
                  const go = new Promise((then) => { globalThis.meridianGo = then });
                  ServiceWorkerContainer.prototype.register = function (...all) {
                      return go.then(() => register.apply(this, all)).then((registration) => {
                          globalThis.meridianRegistered = true;
                          return registration;
                      });
                  }";
    let cdp = browser.driver().cdp();
    cdp.send_raw(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": script }),
    )
    .await?;
    browser.visit("/").await?;
    browser.find("status", "Sync").await?;

    journey.link(0).set(Condition::SignIn("/service-worker.js"));
    browser.run("meridianGo()").await?;
    let spoiled = "return navigator.serviceWorker.getRegistration()
                       .then((registration) => globalThis.meridianRegistered === true && registration === undefined)";
    wait_until("the network spoiled it", async || {
        Ok(browser.run(spoiled).await? == true)
    })
    .await?;
    journey.link(0).restore();
    browser.wait_until_offline_ready().await?;
    journey.link(0).cut();
    browser.reload().await?;
    browser.find("status", "Sync").await?;
    browser.close().await
}
