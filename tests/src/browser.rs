use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::common::print::{PrintPage, PrintParameters};
use thirtyfour::{DesiredCapabilities, LoggingPrefsLogLevel, WebDriver, WebElement};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

use crate::driver::{Driver, browser_program};
use crate::error::Doing;
use crate::network_log::{NetworkLog, is_at};
use crate::{Error, Profile, Result, wait_until};

/// Which colours the person prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorScheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A browser with a profile, looking at the app over one link. Elements are found as a screen reader finds them: by the role
/// and the name that the browser computes.
#[derive(Debug, Clone)]
pub struct Browser {
    driver: WebDriver,
    origin: String,
    network: Arc<NetworkLog>,
}

impl Browser {
    pub(crate) async fn open(driver: &Driver, profile: &Profile, origin: String) -> Result<Self> {
        let network = Arc::new(NetworkLog::new()?);
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(&browser_program()?.to_string_lossy())?;
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--window-size=1280,900",
        ] {
            capabilities.add_arg(argument)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        capabilities.add_arg(&format!("--log-net-log={}", network.path().display()))?;
        capabilities.set_logging_prefs("browser", LoggingPrefsLogLevel::All)?;
        let driver = WebDriver::new(driver.address(), capabilities).await?;
        Ok(Self {
            driver,
            origin,
            network,
        })
    }

    /// The WebDriver session, for what has no function here.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Goes to a path of the app, such as `/`.
    ///
    /// # Errors
    /// If the browser can't load it.
    pub async fn visit(&self, path: &str) -> Result<()> {
        Ok(self.driver.goto(format!("{}{path}", self.origin)).await?)
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// If the browser can't load it.
    pub async fn reload(&self) -> Result<()> {
        Ok(self.driver.refresh().await?)
    }

    /// Opens a further tab at a path of the app and turns to it.
    ///
    /// # Errors
    /// If the browser can't load it.
    pub async fn open_tab(&self, path: &str) -> Result<()> {
        let tab = self.driver.new_tab().await?;
        self.driver.switch_to_window(tab).await?;
        self.visit(path).await
    }

    /// Turns to a tab, counted from 0 in the order of their opening.
    ///
    /// # Errors
    /// If there is none.
    pub async fn turn_to_tab(&self, index: usize) -> Result<()> {
        let tabs = self.driver.windows().await?;
        let tab = tabs.get(index).ok_or(Error::Answer { method: "windows" })?;
        Ok(self.driver.switch_to_window(tab.clone()).await?)
    }

    /// Closes the browser; its profile stays.
    ///
    /// # Errors
    /// If it does not close; if the app reported an error since [`Browser::errors`] was asked, other than that the relay
    /// can't be reached; if it asked any other host than the relay for anything.
    pub async fn close(self) -> Result<()> {
        let mut errors = self.errors().await?;
        errors.retain(|error| !is_failed_connection(error));
        self.driver.quit().await?;
        let mut requests = Vec::new();
        wait_until("the network log is complete", async || {
            match self.network.requests_of(&self.origin)? {
                Some(complete) => requests = complete,
                None => return Ok(false),
            }
            Ok(true)
        })
        .await?;
        requests.retain(|address| !is_at(&self.origin, address));
        if errors.is_empty() && requests.is_empty() {
            Ok(())
        } else {
            Err(Error::Misbehaved { errors, requests })
        }
    }

    /// Kills the browser as a crash or a power cut does (SIGKILL); its profile stays.
    ///
    /// # Errors
    /// If the system can't.
    pub async fn crash(self) -> Result<()> {
        let capabilities = self.driver.handle().capabilities();
        let process = capabilities.get("goog:processID").and_then(Value::as_i64);
        let process = process.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let debugger = capabilities
            .get("goog:chromeOptions")
            .and_then(|options| options["debuggerAddress"].as_str());
        let (Some(process), Some(debugger)) = (process, debugger) else {
            return Err(Error::Answer {
                method: "New Session",
            });
        };
        kill_process(process, Signal::KILL)
            .map_err(std::io::Error::from)
            .doing("kill the browser")?;
        wait_until("the browser is gone", async || {
            Ok(TcpStream::connect(debugger).await.is_err())
        })
        .await?;
        // The driver would only say that the browser is gone.
        self.driver.leak().map_err(|_| Error::Answer {
            method: "Delete Session",
        })
    }

    /// The element with this role and name, as soon as there is one.
    ///
    /// # Errors
    /// If none appears.
    pub async fn find(&self, role: &str, name: &str) -> Result<WebElement> {
        let mut found = None;
        wait_until(&format!("there is a {role} named {name:?}"), async || {
            found = self.look_for(role, name).await?;
            Ok(found.is_some())
        })
        .await?;
        found.ok_or(Error::Answer {
            method: "Accessibility.queryAXTree",
        })
    }

    /// The element with this role and name, if there is one now.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn look_for(&self, role: &str, name: &str) -> Result<Option<WebElement>> {
        let nodes = self
            .accessible_nodes(json!({ "role": role, "accessibleName": name }))
            .await?;
        let Some(node) = nodes.iter().find_map(|node| node["backendDOMNodeId"].as_i64()) else {
            return Ok(None);
        };
        self.element(node).await
    }

    /// The element with this role and name whose description contains `part`, as soon as there is one: it tells elements of one
    /// name apart.
    ///
    /// # Errors
    /// If none appears.
    pub async fn find_described(&self, role: &str, name: &str, part: &str) -> Result<WebElement> {
        let mut found = None;
        let what = format!("there is a {role} named {name:?} that is described by {part:?}");
        wait_until(&what, async || {
            let nodes = self
                .accessible_nodes(json!({ "role": role, "accessibleName": name }))
                .await?;
            let described = |node: &&Value| {
                let description = node["description"]["value"].as_str();
                description.is_some_and(|description| description.contains(part))
            };
            let node = nodes.iter().find(described);
            found = match node.and_then(|node| node["backendDOMNodeId"].as_i64()) {
                Some(node) => self.element(node).await?,
                None => None,
            };
            Ok(found.is_some())
        })
        .await?;
        found.ok_or(Error::Answer {
            method: "Accessibility.queryAXTree",
        })
    }

    /// The names of all elements with this role, in the order of the page.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn names(&self, role: &str) -> Result<Vec<String>> {
        let nodes = self.accessible_nodes(json!({ "role": role })).await?;
        Ok(nodes
            .iter()
            .filter_map(|node| node["name"]["value"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// Waits until the text of this element contains `part`.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn wait_for_text(&self, role: &str, name: &str, part: &str) -> Result<()> {
        wait_until(
            &format!("the {role} named {name:?} contains {part:?}"),
            async || {
                Ok(self
                    .text(role, name)
                    .await?
                    .is_some_and(|text| text.contains(part)))
            },
        )
        .await
    }

    /// The text of the element with this role and name; what is typed in, for a field. Nothing if there is no such element.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn text(&self, role: &str, name: &str) -> Result<Option<String>> {
        let Some(element) = self.look_for(role, name).await? else {
            return Ok(None);
        };
        let script = "const e = arguments[0]; return 'value' in e ? e.value : e.innerText ?? e.textContent;";
        match self.driver.execute(script, vec![element.to_json()?]).await {
            Ok(answer) => Ok(answer.json().as_str().map(str::to_owned)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Runs a script in the page and returns what it returns; promises are waited for.
    ///
    /// # Errors
    /// If it throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        Ok(self.driver.execute(script, Vec::new()).await?.json().clone())
    }

    /// Waits until the app works with no connection: the service worker has everything and controls this page.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn wait_until_offline_ready(&self) -> Result<()> {
        const IS_READY: &str = "
            const { active } = await navigator.serviceWorker.getRegistration() ?? {};
            return navigator.serviceWorker.controller !== null && active?.state === 'activated'";
        const STATES: &str = "
            const { installing, waiting, active } = await navigator.serviceWorker.getRegistration() ?? {};
            const states = [navigator.serviceWorker.controller, installing, waiting, active].map((worker) => worker?.state);
            return { states, caches: await caches.keys() }";
        let is_ready = async || Ok(self.run(IS_READY).await? == true);
        let ready = wait_until("the service worker controls the page", is_ready).await;
        if ready.is_err() {
            eprintln!("service workers: {}", self.run(STATES).await?);
            for entry in self.driver.browser_log().await? {
                eprintln!("{}: {}", entry.level, entry.message);
            }
        }
        ready
    }

    /// What the page has reported as errors since the last time: exceptions, refused content, failed requests.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn errors(&self) -> Result<Vec<String>> {
        let entries = self.driver.browser_log().await?;
        Ok(entries
            .into_iter()
            .filter(|entry| entry.level == "SEVERE")
            .map(|entry| entry.message)
            .collect())
    }

    /// Lets files be downloaded into a folder.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn download_to(&self, folder: &Path) -> Result<()> {
        let behavior = json!({ "behavior": "allow", "downloadPath": folder });
        self.command("Browser.setDownloadBehavior", behavior).await?;
        Ok(())
    }

    /// Lets the app store no more than so many bytes, as on a full disk; with `None`, as many as the disk takes.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn allow_storage(&self, bytes: Option<u64>) -> Result<()> {
        let mut quota = json!({ "origin": self.origin });
        if let Some(bytes) = bytes {
            quota["quotaSize"] = bytes.into();
        }
        self.command("Storage.overrideQuotaForOrigin", quota).await?;
        Ok(())
    }

    /// Throws away what the app has stored, while it runs, as browsers do when the disk is full or the person tells them to.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn clear_storage(&self) -> Result<()> {
        let cleared = json!({ "origin": self.origin, "storageTypes": "indexeddb" });
        self.command("Storage.clearDataForOrigin", cleared).await?;
        Ok(())
    }

    /// Shows the page as on a screen of this many CSS pixels.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn set_viewport(&self, width: u32, height: u32) -> Result<()> {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.command("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        Ok(())
    }

    /// Shows the page as to a person who prefers these colours.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn prefer(&self, scheme: ColorScheme) -> Result<()> {
        let value = match scheme {
            ColorScheme::Light => "light",
            ColorScheme::Dark => "dark",
        };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.command("Emulation.setEmulatedMedia", features).await?;
        Ok(())
    }

    /// Saves what is on the screen under `target/screenshots` and returns the path.
    ///
    /// # Errors
    /// If the picture can't be taken or written.
    pub async fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        fs::create_dir_all(&folder).doing("make the folder for screenshots")?;
        let path = folder.join(format!("{name}.png"));
        self.driver.screenshot(&path).await?;
        Ok(path)
    }

    /// Prints what is there on A4, backgrounds included, and saves that beside the screenshots.
    ///
    /// # Errors
    /// If it can't be printed or written.
    pub async fn print_to_pdf(&self, name: &str) -> Result<Vec<u8>> {
        let page = PrintPage {
            width: 21.0,
            height: 29.7,
        };
        let parameters = PrintParameters {
            background: true,
            page,
            ..PrintParameters::default()
        };
        let pdf = self.driver.print_page(parameters).await?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        fs::create_dir_all(&folder).doing("make the folder for screenshots")?;
        fs::write(folder.join(format!("{name}.pdf")), &pdf).doing("write what was printed")?;
        Ok(pdf)
    }

    async fn accessible_nodes(&self, mut query: Value) -> Result<Vec<Value>> {
        let document = self.command("DOM.getDocument", json!({ "depth": 0 })).await?;
        query["nodeId"] = document["root"]["nodeId"].clone();
        let answer = match self
            .driver
            .cdp()
            .send_raw("Accessibility.queryAXTree", query)
            .await
        {
            Ok(answer) => answer,
            // The page was replaced between the two commands.
            Err(error) if is_gone(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let nodes = answer["nodes"].as_array().ok_or(Error::Answer {
            method: "Accessibility.queryAXTree",
        })?;
        Ok(nodes
            .iter()
            .filter(|node| node["ignored"] != true)
            .cloned()
            .collect())
    }

    /// The element of a DOM node. DevTools and WebDriver name elements differently: it is handed over inside the page.
    async fn element(&self, backend_node: i64) -> Result<Option<WebElement>> {
        let hand_over = async {
            let resolved = self
                .driver
                .cdp()
                .send_raw("DOM.resolveNode", json!({ "backendNodeId": backend_node }))
                .await?;
            let call = json!({
                "objectId": resolved["object"]["objectId"],
                "functionDeclaration": "function () { globalThis[Symbol.for('meridian-test')] = this; }",
            });
            self.driver.cdp().send_raw("Runtime.callFunctionOn", call).await?;
            let script = "return globalThis[Symbol.for('meridian-test')]";
            self.driver.execute(script, Vec::new()).await?.element()
        };
        match hand_over.await {
            Ok(element) => Ok(Some(element)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn command(&self, method: &'static str, parameters: Value) -> Result<Value> {
        Ok(self.driver.cdp().send_raw(method, parameters).await?)
    }
}

/// Whether an error only says that nobody answers at the relay's address.
fn is_failed_connection(error: &str) -> bool {
    ["net::ERR_", "WebSocket connection to"]
        .iter()
        .any(|sign| error.contains(sign))
}

/// Whether an element vanished while it was looked at, because the page drew itself anew.
pub(crate) fn is_gone(error: &thirtyfour::error::WebDriverError) -> bool {
    let text = error.to_string();
    [
        "stale element",
        "Could not find node",
        "No node",
        "does not belong to the document",
        "Cannot find context",
    ]
    .iter()
    .any(|sign| text.contains(sign))
}
