//! A classroom is carried in a file to where there is no connection.

use serde_json::json;
use tests::{AMINA, CLASSROOM, JONAS, Journey, Profile, Result, TITLE, files_with, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_an_invite_are_enough_without_a_connection() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    jonas.wait_until_offline_ready().await?;
    journey.link(1).cut();

    amina.create_classroom(CLASSROOM, AMINA).await?;
    let invite = amina.invite("Student").await?;
    amina.new_page(TITLE).await?;
    amina.write("Springs at Mount Kenya.").await?;
    amina.wait_for_status("On the relay").await?;
    amina.press(&format!("Back to {CLASSROOM}")).await?;
    let stick = Profile::new()?;
    let bundle = amina.export_to(stick.path()).await?;
    // Who finds the stick learns nothing, not even from the file's name.
    let secrets = [CLASSROOM, TITLE, AMINA.name, AMINA.school, "Springs"];
    assert!(files_with(stick.path(), &secrets)?.is_empty());
    let name = bundle
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    assert!(name.starts_with("meridian-2"), "{name}");

    jonas
        .import_from(&bundle, "Classrooms in it that you need an invite for: 1")
        .await?;
    // The file is gone with its stick: what it brought shows until there is an invite, and can be deleted.
    jonas.reload().await?;
    let waiting = "Waiting for an invite: 1";
    jonas.find("DisclosureTriangle", waiting).await?.click().await?;
    jonas
        .wait_for_text("list", "Waiting for an invite", "Classroom ")
        .await?;
    for (width, height) in [(360, 740), (1440, 900)] {
        jonas.set_viewport(width, height).await?;
        jonas.wait_until_still().await?;
        jonas.screenshot(&format!("unopened-{width}")).await?;
        let mut problems = jonas.layout_problems(width).await?;
        problems.extend(jonas.barriers().await?);
        assert!(problems.is_empty(), "{problems:#?}");
    }
    jonas
        .find_described("button", "Delete", "Classroom ")
        .await?
        .click()
        .await?;
    jonas.confirm("Delete").await?;
    wait_until("nothing waits", async || {
        Ok(jonas.look_for("DisclosureTriangle", waiting).await?.is_none())
    })
    .await?;
    jonas
        .import_from(&bundle, "Classrooms in it that you need an invite for: 1")
        .await?;
    jonas.find("DisclosureTriangle", waiting).await?;
    jonas.join(&invite, JONAS).await?;
    jonas.visit("/").await?;
    jonas.find("link", CLASSROOM).await?;
    assert!(jonas.look_for("DisclosureTriangle", waiting).await?.is_none());
    jonas.press(CLASSROOM).await?;
    jonas.find("heading", CLASSROOM).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page("Springs at Mount Kenya.").await?;
    jonas.write(" And from here.").await?;
    jonas.wait_for_status("Offline · On this device").await?;

    // Once more brings nothing new.
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.import_from(&bundle, "New here: 0").await?;

    // What was done meanwhile goes where it belongs as soon as there is a connection.
    journey.link(1).restore();
    amina.wait_for_text("list", "Members", JONAS.name).await?;
    amina.open_page(TITLE).await?;
    amina
        .wait_for_page("Springs at Mount Kenya. And from here.")
        .await?;
    amina.close().await?;
    jonas.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_classrooms_are_carried_in_one_file_to_another_profile() -> Result<()> {
    const OTHER: &str = "Rivers of two lands";
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    jonas.wait_until_offline_ready().await?;
    journey.link(1).cut();
    // There is nothing to carry yet.
    amina.find("button", "Import from file").await?;
    assert!(amina.look_for("button", "Export to file").await?.is_none());

    let mut invites = Vec::new();
    for (classroom, words) in [(CLASSROOM, "Springs at Mount Kenya."), (OTHER, "The Tana.")] {
        amina.visit("/").await?;
        amina.create_classroom(classroom, AMINA).await?;
        invites.push(amina.invite("Student").await?);
        amina.new_page(TITLE).await?;
        amina.write(words).await?;
        amina.wait_for_status("On the relay").await?;
    }
    amina.visit("/").await?;
    const DEVICE: &str = "This device";
    amina
        .wait_for_text("region", DEVICE, "Room for Meridian on this device: ")
        .await?;
    amina
        .wait_for_text("region", DEVICE, "Not yet written to a file")
        .await?;
    let stick = Profile::new()?;
    let bundle = amina.export_to(stick.path()).await?;
    amina
        .wait_for_text("region", DEVICE, "last written to a file: ")
        .await?;
    // It is known after a start, too; and that there is little room.
    let little = json!({ "source": "StorageManager.prototype.estimate = async () => ({ quota: 151e6, usage: 1e6 });" });
    amina
        .driver()
        .cdp()
        .send_raw("Page.addScriptToEvaluateOnNewDocument", little)
        .await?;
    amina.reload().await?;
    amina
        .wait_for_text("region", DEVICE, "last written to a file: ")
        .await?;
    amina.wait_for_text("region", DEVICE, "150 MB").await?;
    amina
        .wait_for_text("region", DEVICE, "Little room is left")
        .await?;
    for (width, height) in [(360, 740), (1440, 900)] {
        amina.set_viewport(width, height).await?;
        amina.wait_until_still().await?;
        amina.screenshot(&format!("device-{width}")).await?;
        let mut problems = amina.layout_problems(width).await?;
        problems.extend(amina.barriers().await?);
        assert!(problems.is_empty(), "{problems:#?}");
    }

    jonas
        .import_from(&bundle, "Classrooms in it that you need an invite for: 2")
        .await?;
    for (invite, classroom, words) in [
        (&invites[0], CLASSROOM, "Springs at Mount Kenya."),
        (&invites[1], OTHER, "The Tana."),
    ] {
        jonas.join(invite, JONAS).await?;
        jonas.find("heading", classroom).await?;
        jonas.open_page(TITLE).await?;
        jonas.wait_for_page(words).await?;
    }
    // Their own file has both as well.
    jonas.visit("/").await?;
    let other_stick = Profile::new()?;
    let bundle = jonas.export_to(other_stick.path()).await?;
    amina.import_from(&bundle, "New here: ").await?;
    for classroom in [CLASSROOM, OTHER] {
        amina.press(classroom).await?;
        amina.wait_for_text("list", "Members", JONAS.name).await?;
        amina.visit("/").await?;
    }
    amina.close().await?;
    jonas.close().await
}
