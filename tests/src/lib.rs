//! The harness of the browser journeys: a real relay, real browsers, and between them a link that can be slowed and cut.
//!
//! ```no_run
//! # async fn journey() -> Result<(), tests::Error> {
//! use tests::{Journey, Profile};
//!
//! let journey = Journey::start(1).await?;
//! let profile = Profile::new()?;
//! let browser = journey.open(0, &profile).await?;
//! browser.find("button", "Create a classroom").await?.click().await?;
//! journey.link(0).cut();
//! # Ok(())
//! # }
//! ```

mod axe;
mod browser;
mod driver;
mod error;
mod journey;
mod keyboard;
mod layout;
mod link;
mod network_log;
mod page_files;
mod pair;
mod plaintext;
mod profile;
mod relay;
mod screens;
mod wait;

pub use browser::{Browser, ColorScheme};
pub use error::{Error, Result};
pub use journey::Journey;
pub use link::{Carried, Condition, Link};
pub use pair::{AMINA, CLASSROOM, JONAS, Pair, TITLE};
pub use plaintext::{files_under, files_with};
pub use profile::Profile;
pub use relay::Relay;
pub use screens::{Person, same_page};
pub use wait::{PATIENCE, wait_until, wait_until_within};
