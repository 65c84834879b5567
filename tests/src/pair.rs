use crate::{Browser, Journey, Person, Profile, Result};

/// A lead in Kenya.
pub const AMINA: Person = Person {
    name: "Amina Wanjiru",
    school: "Mwangaza School",
    country: "Kenya",
};

/// A student in Germany.
pub const JONAS: Person = Person {
    name: "Jonas Petersen",
    school: "Weserschule Bremen",
    country: "Germany",
};

/// Their classroom.
pub const CLASSROOM: &str = "Rivers and water";

/// Their page.
pub const TITLE: &str = "The Tana";

/// Two people of two schools, in browsers of their own, in one classroom, on one page. Amina reaches the relay over link 0,
/// Jonas over link 1.
#[derive(Debug)]
pub struct Pair {
    /// Where it takes place.
    pub journey: Journey,
    /// What Amina's computer remembers.
    pub amina_profile: Profile,
    /// Amina's browser.
    pub amina: Browser,
    /// What Jonas' computer remembers.
    pub jonas_profile: Profile,
    /// Jonas' browser.
    pub jonas: Browser,
}

impl Pair {
    /// Amina founds the classroom and invites Jonas as a student; both open a page.
    ///
    /// # Errors
    /// If anything on the way does not work.
    pub async fn meet() -> Result<Self> {
        let journey = Journey::start(2).await?;
        let (amina_profile, jonas_profile) = (Profile::new()?, Profile::new()?);
        let (amina, jonas) = tokio::try_join!(
            async {
                let browser = journey.open(0, &amina_profile).await?;
                browser.create_classroom(CLASSROOM, AMINA).await?;
                Ok(browser)
            },
            journey.open(1, &jonas_profile)
        )?;
        let invite = amina.invite("Student").await?;
        amina.new_page(TITLE).await?;
        jonas.join(&invite, JONAS).await?;
        jonas.open_page(TITLE).await?;
        Ok(Self {
            journey,
            amina_profile,
            amina,
            jonas_profile,
            jonas,
        })
    }

    /// Closes both browsers.
    ///
    /// # Errors
    /// As [`Browser::close`].
    pub async fn part(self) -> Result<()> {
        tokio::try_join!(self.amina.close(), self.jonas.close())?;
        Ok(())
    }
}
