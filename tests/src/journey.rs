use crate::browser::Browser;
use crate::driver::Driver;
use crate::{Link, Profile, Relay, Result};

/// What a journey takes place in: a relay, links to it, and a driver for browsers.
#[derive(Debug)]
pub struct Journey {
    driver: Driver,
    links: Vec<Link>,
    /// The relay, to be killed and started again.
    pub relay: Relay,
}

impl Journey {
    /// Starts a relay that is reached over this many links, each an origin of its own.
    ///
    /// # Errors
    /// If the relay or the driver does not start.
    pub async fn start(links: usize) -> Result<Self> {
        Self::start_with(links, &[]).await
    }

    /// As [`Journey::start`], with further options of `sync-server serve`.
    ///
    /// # Errors
    /// As [`Journey::start`].
    pub async fn start_with(links: usize, relay_options: &[&str]) -> Result<Self> {
        let mut opened = Vec::new();
        let mut options: Vec<String> = relay_options.iter().map(|&option| option.to_owned()).collect();
        for _ in 0..links {
            let link = Link::new().await?;
            options.extend(["--origin".to_owned(), link.origin()]);
            opened.push(link);
        }
        let relay = Relay::start(&options).await?;
        for link in &opened {
            link.lead_to(relay.address());
        }
        Ok(Self {
            driver: Driver::start().await?,
            links: opened,
            relay,
        })
    }

    /// One of the links, counted from 0.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn link(&self, index: usize) -> &Link {
        &self.links[index]
    }

    /// Opens the app in a browser that reaches the relay over this link.
    ///
    /// # Errors
    /// If the browser does not start or does not get the page.
    pub async fn open(&self, link: usize, profile: &Profile) -> Result<Browser> {
        let browser = self.open_blank(link, profile).await?;
        browser.visit("/").await?;
        Ok(browser)
    }

    /// Opens a browser for this link without visiting anything yet.
    ///
    /// # Errors
    /// If the browser does not start.
    pub async fn open_blank(&self, link: usize, profile: &Profile) -> Result<Browser> {
        Browser::open(&self.driver, profile, self.link(link).origin()).await
    }
}
