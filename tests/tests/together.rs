//! Two schools write one page together.

use tests::{Journey, Person, Profile, Result, same_page, wait_until};

const AMINA: Person = Person {
    name: "Amina Wanjiru",
    school: "Mwangaza School",
    country: "Kenya",
};
const JONAS: Person = Person {
    name: "Jonas Petersen",
    school: "Weserschule Bremen",
    country: "Germany",
};

#[tokio::test(flavor = "multi_thread")]
async fn two_schools_write_one_page_at_once() -> Result<()> {
    let journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;

    amina.create_classroom("Rivers and water", AMINA).await?;
    let invite = amina.invite("Student").await?;
    jonas.join(&invite, JONAS).await?;
    jonas.find("heading", "Rivers and water").await?;

    // Who belongs, from where, and who is here now.
    for browser in [&amina, &jonas] {
        wait_until("both see both in the list of members", async || {
            let list = browser.text("list", "Members").await?.unwrap_or_default();
            Ok([AMINA, JONAS]
                .iter()
                .all(|person| list.contains(person.name) && list.contains(person.school))
                && list.matches("here now").count() == 2)
        })
        .await?;
    }

    amina.new_page("The Tana").await?;
    amina.write("Springs at Mount Kenya. ").await?;
    jonas.open_page("The Tana").await?;
    jonas.wait_for_page("Springs at Mount Kenya.").await?;

    // Both in one paragraph, at once.
    let (here, there) = ("alpha beta gamma delta ", "eins zwei drei vier ");
    tokio::try_join!(amina.write(here), jonas.write(there))?;
    let page = same_page(&[&amina, &jonas]).await?;
    println!("{page}");
    for word in here.split_whitespace().chain(there.split_whitespace()) {
        assert_eq!(page.matches(word).count(), 1, "{word} in {page}");
    }
    for browser in [&amina, &jonas] {
        browser.wait_for_status("On the relay").await?;
    }
    amina.close().await?;
    jonas.close().await
}
