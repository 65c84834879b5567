//! What hands do on a keyboard, on a hardware one or through an input method.

use serde_json::{Value, json};
use thirtyfour::{Key, TypingData};

use crate::{Browser, Error, Result, wait_until};

/// How often Tab is pressed at most on the way to something.
const MOST_TABS: usize = 60;

impl Browser {
    /// Presses keys, one after the other, wherever the focus is.
    ///
    /// # Errors
    /// If the browser can't.
    pub async fn keys(&self, keys: impl Into<TypingData>) -> Result<()> {
        Ok(self.driver().action_chain().send_keys(keys).perform().await?)
    }

    /// Opens the list that has the focus with an arrow key, goes down so many choices in it, and takes that one.
    ///
    /// # Errors
    /// If it does not open.
    pub async fn choose_by_keys(&self, down: usize) -> Result<()> {
        self.keys(Key::Down + "").await?;
        wait_until("the list is open", async || {
            Ok(self
                .run("return document.querySelector('select:open') !== null")
                .await?
                == true)
        })
        .await?;
        for _ in 0..down {
            self.keys(Key::Down + "").await?;
        }
        self.keys(Key::Enter + "").await
    }

    /// Presses a key together with Control.
    ///
    /// # Errors
    /// If the browser can't.
    pub async fn control(&self, key: char) -> Result<()> {
        let chain = self.driver().action_chain().key_down(Key::Control);
        Ok(chain
            .send_keys(key.to_string())
            .key_up(Key::Control)
            .perform()
            .await?)
    }

    /// Presses a key together with Control and Alt.
    ///
    /// # Errors
    /// If the browser can't.
    pub async fn control_alt(&self, key: char) -> Result<()> {
        let chain = self.driver().action_chain();
        let chain = chain.key_down(Key::Control).key_down(Key::Alt);
        let chain = chain.send_keys(key.to_string());
        Ok(chain.key_up(Key::Alt).key_up(Key::Control).perform().await?)
    }

    /// Presses a key together with Control on a keyboard on which this key has another letter than `code` says.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn control_on_layout(&self, code: &str, letter: &str) -> Result<()> {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({ "type": kind, "modifiers": 2, "code": code, "key": letter });
            self.command("Input.dispatchKeyEvent", event).await?;
        }
        Ok(())
    }

    /// Types at the end of the page.
    ///
    /// # Errors
    /// If there is no page.
    pub async fn write(&self, text: &str) -> Result<()> {
        self.go_to_end().await?;
        self.keys(text).await
    }

    /// The same in a tab whose timers stand still: what is typed is not handed over before [`Browser::hand_over`].
    ///
    /// # Errors
    /// If there is no page.
    pub async fn write_and_hold_back(&self, text: &str) -> Result<()> {
        self.go_to_end().await?;
        self.run(
            "globalThis.meridianHeldBack = [];
             globalThis.meridianTimer = globalThis.setTimeout;
             globalThis.setTimeout = (then) => globalThis.meridianHeldBack.push(then);",
        )
        .await?;
        self.keys(text).await
    }

    /// Lets the timers go on.
    ///
    /// # Errors
    /// If they did not stand still.
    pub async fn hand_over(&self) -> Result<()> {
        self.run(
            "globalThis.setTimeout = globalThis.meridianTimer;
             for (const then of globalThis.meridianHeldBack) then();",
        )
        .await?;
        Ok(())
    }

    /// Enters text at the end of the page as predictive keyboards do: all of it at once.
    ///
    /// # Errors
    /// If there is no page.
    pub async fn enter(&self, text: &str) -> Result<()> {
        self.go_to_end().await?;
        self.commit_composition(text).await
    }

    /// Presses Tab until the focus is on what has this name.
    ///
    /// # Errors
    /// If it is not reached.
    pub async fn tab_to(&self, name: &str) -> Result<()> {
        self.tab_until(name, async || self.keys(Key::Tab + "").await)
            .await
    }

    /// Presses Shift and Tab until the focus is on what has this name.
    ///
    /// # Errors
    /// If it is not reached.
    pub async fn tab_back_to(&self, name: &str) -> Result<()> {
        let back = async || {
            let chain = self.driver().action_chain().key_down(Key::Shift);
            Ok(chain.send_keys(Key::Tab).key_up(Key::Shift).perform().await?)
        };
        self.tab_until(name, back).await
    }

    async fn tab_until(&self, name: &str, step: impl AsyncFn() -> Result<()>) -> Result<()> {
        let mut passed = Vec::new();
        for _ in 0..MOST_TABS {
            step().await?;
            let focused = self.focused().await?;
            if focused == name {
                return Ok(());
            }
            passed.push(focused);
        }
        Err(Error::NotReached {
            name: name.to_owned(),
            passed,
        })
    }

    /// The name of what has the focus.
    ///
    /// # Errors
    /// If the browser can't say.
    pub async fn focused(&self) -> Result<String> {
        let active = json!({ "expression": "document.activeElement" });
        let active = self.command("Runtime.evaluate", active).await?;
        let node = json!({ "objectId": active["result"]["objectId"], "fetchRelatives": false });
        let answer = self.command("Accessibility.getPartialAXTree", node).await?;
        Ok(answer["nodes"][0]["name"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Waits until the focus is on what has this in its name.
    ///
    /// # Errors
    /// If it does not come there.
    pub async fn wait_for_focus(&self, name: &str) -> Result<()> {
        let mut last = String::new();
        let waited = wait_until(&format!("{name:?} has the focus"), async || {
            last = self.focused().await?;
            Ok(last.contains(name))
        })
        .await;
        waited.map_err(|error| error.instead(&last))
    }

    /// Shows this text as what is being composed, in place of what was being composed before.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn compose(&self, text: &str) -> Result<()> {
        let end = text.encode_utf16().count();
        let composition = json!({ "text": text, "selectionStart": end, "selectionEnd": end });
        self.command("Input.imeSetComposition", composition).await?;
        Ok(())
    }

    /// Ends the composition with this text.
    ///
    /// # Errors
    /// If the browser refuses.
    pub async fn commit_composition(&self, text: &str) -> Result<()> {
        self.command("Input.insertText", json!({ "text": text })).await?;
        Ok(())
    }

    /// Writes down, from now on, when compositions begin and end.
    ///
    /// # Errors
    /// If the browser can't.
    pub async fn watch_composition(&self) -> Result<()> {
        self.run(
            "const seen = globalThis.meridianComposition = [];
             for (const name of ['compositionstart', 'compositionend'])
               document.addEventListener(name, (event) => seen.push(`${name} ${event.data}`), { capture: true });",
        )
        .await?;
        Ok(())
    }

    /// What was written down since [`Browser::watch_composition`].
    ///
    /// # Errors
    /// If nothing was.
    pub async fn watched_composition(&self) -> Result<Vec<String>> {
        let seen = self.run("return globalThis.meridianComposition").await?;
        let seen = seen.as_array().ok_or(Error::Answer { method: "execute" })?;
        Ok(seen.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}
