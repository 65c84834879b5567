//! The app's screens, as a person goes through them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use thirtyfour::components::SelectElement;
use thirtyfour::{By, WebElement};

use crate::browser::is_gone;
use crate::{Browser, Error, Result, files_under, wait_until};

/// Who somebody says they are.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// As the others see it.
    pub name: &'a str,
    /// Where this person learns or teaches.
    pub school: &'a str,
    /// As the list of countries calls it.
    pub country: &'a str,
}

impl Browser {
    /// Founds a classroom, from the home screen on, and leaves the login card for later.
    ///
    /// # Errors
    /// If a screen has not what it should have.
    pub async fn create_classroom(&self, name: &str, person: Person<'_>) -> Result<()> {
        self.visit("/").await?;
        self.press("Create a classroom").await?;
        self.fill("Classroom name", name).await?;
        self.introduce(person).await?;
        self.press("Create").await?;
        self.press("Later").await?;
        self.find("heading", name).await?;
        Ok(())
    }

    /// Makes an invite link, on the classroom's screen, and returns all of it.
    ///
    /// # Errors
    /// If a screen has not what it should have.
    pub async fn invite(&self, role: &str) -> Result<String> {
        self.press("Invite").await?;
        self.choose("Role", role).await?;
        let link = self.made_invite().await?;
        self.press("Close").await?;
        Ok(link)
    }

    /// The same for an invite by which people ask to be let in.
    ///
    /// # Errors
    /// If a screen has not what it should have.
    pub async fn invite_who_asks_first(&self, role: &str) -> Result<String> {
        self.press("Invite").await?;
        self.choose("Role", role).await?;
        self.find("checkbox", "Ask first").await?.click().await?;
        let link = self.made_invite().await?;
        self.press("Close").await?;
        Ok(link)
    }

    /// The link in the dialog, once there is one for what is chosen.
    async fn made_invite(&self) -> Result<String> {
        let mut link = String::new();
        wait_until("there is an invite link", async || {
            link = self.text("textbox", "Invite link").await?.unwrap_or_default();
            Ok(link.contains('#'))
        })
        .await?;
        Ok(link)
    }

    /// Follows an invite link and leaves the login card for later.
    ///
    /// # Errors
    /// If a screen has not what it should have.
    pub async fn join(&self, invite: &str, person: Person<'_>) -> Result<()> {
        self.open_invite(invite).await?;
        self.introduce(person).await?;
        self.press("Join").await?;
        self.press("Later").await?;
        self.find("list", "Members").await?;
        Ok(())
    }

    /// Goes where an invite link leads, over this browser's own link to the relay.
    ///
    /// # Errors
    /// If the browser can't load it.
    pub async fn open_invite(&self, invite: &str) -> Result<()> {
        let (_, secret) = invite.split_once('#').unwrap_or_default();
        self.visit(&format!("/join#{secret}")).await
    }

    /// Fills in who somebody is. The time zone is guessed.
    ///
    /// # Errors
    /// If a field is missing, or the time zone not guessed.
    pub async fn introduce(&self, person: Person<'_>) -> Result<()> {
        self.fill("Your name", person.name).await?;
        self.fill("Your school", person.school).await?;
        self.choose("Country", person.country).await?;
        wait_until("the time zone is guessed", async || {
            let zone = self.text("combobox", "Time zone").await?;
            Ok(zone.is_some_and(|zone| !zone.is_empty()))
        })
        .await
    }

    /// Makes a page, on the classroom's screen, and gives it a title.
    ///
    /// # Errors
    /// If a screen has not what it should have.
    pub async fn new_page(&self, title: &str) -> Result<()> {
        self.press("New page").await?;
        self.find("textbox", "Page").await?;
        self.fill("Title", title).await
    }

    /// Goes from the classroom's screen to a page.
    ///
    /// # Errors
    /// If it is not listed, or does not open.
    pub async fn open_page(&self, title: &str) -> Result<()> {
        self.press(title).await?;
        self.wait_for_text("textbox", "Title", title).await?;
        self.find("textbox", "Page").await?;
        Ok(())
    }

    /// Exports to a file, on a screen that has the button, and returns where it is. The folder has no other.
    ///
    /// # Errors
    /// If it is not written.
    pub async fn export_to(&self, folder: &Path) -> Result<PathBuf> {
        self.download_to(folder).await?;
        self.press("Export to file").await?;
        self.wait_for_text("status", "Files", "The file is written. Items in it: ")
            .await?;
        let mut bundle = None;
        wait_until("the file is there", async || {
            let is_bundle = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "bundle");
            bundle = files_under(folder)?.into_iter().find(is_bundle);
            Ok(bundle.is_some())
        })
        .await?;
        bundle.ok_or(Error::Answer {
            method: "Browser.setDownloadBehavior",
        })
    }

    /// Chooses a file to import, on a screen that has the button, and waits until this is told of it.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn import_from(&self, file: &Path, told: &str) -> Result<()> {
        self.find("button", "Import from file").await?;
        let field = self.driver().find(By::Css("input[type=file]")).await?;
        field.send_keys(file.to_string_lossy().into_owned()).await?;
        self.wait_for_text("status", "Files", told).await
    }

    /// Follows the link to what was kept aside, as soon as there is one: how many items it tells depends on how many segments
    /// the words went in.
    ///
    /// # Errors
    /// If there is none.
    pub async fn open_kept_aside(&self) -> Result<()> {
        let mut name = String::new();
        wait_until("there is a link to what is kept aside", async || {
            let links = self.names("link").await?;
            name = links
                .into_iter()
                .find(|name| name.starts_with("Kept aside: "))
                .unwrap_or_default();
            Ok(!name.is_empty())
        })
        .await?;
        self.press(&name).await?;
        self.find("list", "Kept aside").await?;
        Ok(())
    }

    /// Presses the button or link of this name, as soon as there is one that can be pressed.
    ///
    /// # Errors
    /// If there is none.
    pub async fn press(&self, name: &str) -> Result<()> {
        wait_until(&format!("{name:?} can be pressed"), async || {
            for role in ["button", "link"] {
                if let Some(element) = self.look_for(role, name).await? {
                    return match element.click().await {
                        Ok(()) => Ok(true),
                        Err(error) if is_gone(&error) => Ok(false),
                        Err(error) => Err(error.into()),
                    };
                }
            }
            Ok(false)
        })
        .await
    }

    /// Chooses from the menu that the button of this name opens.
    ///
    /// # Errors
    /// If there is no such menu, or nothing of this name in it.
    pub async fn choose_from_menu(&self, menu: &str, item: &str) -> Result<()> {
        self.find("button", menu).await?.click().await?;
        self.find("menuitem", item).await?.click().await?;
        Ok(())
    }

    /// Opens the menu `Manage` of a member, on the classroom's screen.
    ///
    /// # Errors
    /// If they are not in the list, or there is nothing that one may do.
    pub async fn manage(&self, member: &str) -> Result<()> {
        let button = self.find_described("button", "Manage", member).await?;
        Ok(button.click().await?)
    }

    /// Presses a button of the dialog that is open, and waits until it is done: the dialog closes.
    ///
    /// # Errors
    /// If there is no such button, or the dialog stays.
    pub async fn confirm(&self, name: &str) -> Result<()> {
        self.press(name).await?;
        // Closed, it stays until the app hears of that, and gives the text its caret back.
        wait_until("the dialog closes", async || {
            Ok(self.run("return !document.querySelector('dialog')").await? == true)
        })
        .await
    }

    /// Chooses one of a group of radio buttons.
    ///
    /// # Errors
    /// If there is none of this name.
    pub async fn pick(&self, name: &str) -> Result<()> {
        Ok(self.find("radio", name).await?.click().await?)
    }

    /// Types into the field of this name, in place of what was there.
    ///
    /// # Errors
    /// If there is none.
    pub async fn fill(&self, name: &str, text: &str) -> Result<()> {
        let field = self.find_field(name).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Chooses from the list of this name.
    ///
    /// # Errors
    /// If there is no such list or choice.
    pub async fn choose(&self, name: &str, choice: &str) -> Result<()> {
        let list = self.find("combobox", name).await?;
        let list = SelectElement::new(&list).await?;
        Ok(list.select_by_visible_text(choice).await?)
    }

    /// A text field; browsers call one with suggestions a combobox.
    async fn find_field(&self, name: &str) -> Result<WebElement> {
        let mut found = None;
        wait_until(&format!("there is a field {name:?}"), async || {
            for role in ["textbox", "combobox"] {
                if found.is_none() {
                    found = self.look_for(role, name).await?;
                }
            }
            Ok(found.is_some())
        })
        .await?;
        found.ok_or(Error::Answer {
            method: "Accessibility.queryAXTree",
        })
    }

    /// Goes with the caret to the end of the page's text.
    ///
    /// # Errors
    /// If there is no page.
    pub async fn go_to_end(&self) -> Result<()> {
        self.put_caret("range.selectNodeContents(page); range.collapse(false);")
            .await
    }

    /// Goes with the caret to the end of the block that has this text.
    ///
    /// # Errors
    /// If there is no such block.
    pub async fn go_behind(&self, text: &str) -> Result<()> {
        let text = Value::from(text);
        self.put_caret(&format!(
            "range.selectNodeContents(blockOf({text})); range.collapse(false);"
        ))
        .await
    }

    /// Selects a word of the page.
    ///
    /// # Errors
    /// If it does not stand there in one piece.
    pub async fn select(&self, word: &str) -> Result<()> {
        let word = Value::from(word);
        self.put_caret(&format!(
            "const text = textWith({word}), at = text.data.indexOf({word});
             range.setStart(text, at); range.setEnd(text, at + {word}.length);"
        ))
        .await
    }

    /// Focuses the page and sets the selection with a script that knows `page` and `range`.
    async fn put_caret(&self, script: &str) -> Result<()> {
        let page = self.find("textbox", "Page").await?;
        let script = format!(
            "const page = arguments[0], range = document.createRange();
             const textWith = (part) => {{
               const texts = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
               while (texts.nextNode()) if (texts.currentNode.data.includes(part)) return texts.currentNode;
               throw new Error('the page has no ' + part);
             }};
             const blockOf = (part) => textWith(part).parentElement.closest('p, h1, h2, h3, h4, h5, h6, pre, .under, figcaption, li');
             page.focus();
             {script}
             getSelection().removeAllRanges();
             getSelection().addRange(range);
             // Where frames are late the browser tells the editor of it too late: an editor that was just focused sets the
             // selection, a little later, to what it knows of.
             document.dispatchEvent(new Event('selectionchange'));
             return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));"
        );
        self.driver().execute(script, vec![page.to_json()?]).await?;
        Ok(())
    }

    /// What stands on the page, as plain elements: `<h1>…</h1><p>… <strong>…</strong></p>`. Others' carets are left out; a box of a
    /// check list is `☑` or `☐`; of a picture there is the line under it.
    ///
    /// # Errors
    /// If there is no page.
    pub async fn page(&self) -> Result<String> {
        let script = "
            const plain = (node) => {
              if (node.nodeType === Node.TEXT_NODE) return node.data;
              const inside = [...node.childNodes].map(plain).join('');
              if (node.tagName === 'INPUT') return node.checked ? '☑' : '☐';
              if (node.ariaHidden === 'true' || node.matches('br, img, figure > :not(figcaption)')) return '';
              const tag = node.tagName.toLowerCase();
              return tag === 'span' ? inside : `<${tag}>${inside}</${tag}>`;
            };
            return [...arguments[0].childNodes].map(plain).join('');";
        let mut content = None;
        wait_until("there is a page", async || {
            let page = self.find("textbox", "Page").await?;
            match self.driver().execute(script, vec![page.to_json()?]).await {
                Ok(answer) => content = answer.json().as_str().map(str::to_owned),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(content.is_some())
        })
        .await?;
        content.ok_or(Error::Answer { method: "execute" })
    }

    /// Waits until the page holds this, which may be a part of what [`Browser::page`] returns.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn wait_for_page(&self, part: &str) -> Result<()> {
        let mut shown = String::new();
        let waited = wait_until(&format!("the page holds {part:?}"), async || {
            shown = self.page().await?;
            Ok(shown.contains(part))
        })
        .await;
        waited.map_err(|error| error.instead(&shown))
    }

    /// Waits until something says this at once, as to somebody who hears the screen.
    ///
    /// # Errors
    /// If nothing does.
    pub async fn wait_for_alert(&self, sentence: &str) -> Result<()> {
        let script =
            "return [...document.querySelectorAll('[role=alert]')].map((alert) => alert.innerText).join(' ')";
        let mut said = String::new();
        let waited = wait_until(&format!("an alert says {sentence:?}"), async || {
            said = self.run(script).await?.as_str().unwrap_or_default().to_owned();
            Ok(said.contains(sentence))
        })
        .await;
        waited.map_err(|error| error.instead(&said))
    }

    /// Waits until this stands somewhere on the screen.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn wait_for_words(&self, words: &str) -> Result<()> {
        let mut shown = String::new();
        let waited = wait_until(&format!("the screen says {words:?}"), async || {
            let text = self
                .run("return document.querySelector('main')?.innerText ?? ''")
                .await?;
            shown = text.as_str().unwrap_or_default().to_owned();
            Ok(shown.contains(words))
        })
        .await;
        waited.map_err(|error| error.instead(&shown))
    }

    /// What the region `Sync` says.
    ///
    /// # Errors
    /// If there is none.
    pub async fn status(&self) -> Result<String> {
        self.find("status", "Sync").await?;
        Ok(self.text("status", "Sync").await?.unwrap_or_default())
    }

    /// Waits until the region `Sync` says exactly this.
    ///
    /// # Errors
    /// If it does not come to that.
    pub async fn wait_for_status(&self, text: &str) -> Result<()> {
        let mut last = String::new();
        let waited = wait_until(&format!("the status is {text:?}"), async || {
            last = self.status().await?;
            Ok(last == text)
        })
        .await;
        waited.map_err(|error| error.instead(&last))
    }

    /// Writes down, from now on and until the page is left, what the region `Sync` says at each frame that is painted.
    ///
    /// # Errors
    /// If the browser can't.
    pub async fn watch_status(&self) -> Result<()> {
        self.run(
            "const seen = globalThis.meridianStatus = [];
             const look = () => {
               if (globalThis.meridianStatus !== seen) return;
               const text = document.querySelector('[role=status][aria-label=Sync]')?.textContent ?? '';
               if (seen.at(-1) !== text) seen.push(text);
               requestAnimationFrame(look);
             };
             requestAnimationFrame(look);
             document.addEventListener('input', () => seen.push('typed'), { capture: true });",
        )
        .await?;
        Ok(())
    }

    /// What was written down since [`Browser::watch_status`], in order, with `typed` where something was typed.
    ///
    /// # Errors
    /// If nothing was.
    pub async fn watched_status(&self) -> Result<Vec<String>> {
        let seen = self.run("return globalThis.meridianStatus").await?;
        let seen = seen.as_array().ok_or(Error::Answer { method: "execute" })?;
        Ok(seen.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

/// Waits until all these browsers show the same page, and returns it.
///
/// # Errors
/// If it does not come to that.
pub async fn same_page(browsers: &[&Browser]) -> Result<String> {
    let mut pages = Vec::new();
    let waited = wait_until("all show the same page", async || {
        pages.clear();
        for browser in browsers {
            pages.push(browser.page().await?);
        }
        Ok(pages.windows(2).all(|pair| pair[0] == pair[1]))
    })
    .await;
    waited.map_err(|error| error.instead(&pages.join("\n")))?;
    pages.pop().ok_or(Error::Answer { method: "same_page" })
}
