//! The app as a person uses it, as far as measuring needs it.

use std::time::Duration;

use serde_json::json;
use tests::{Browser, Person, wait_until_within};

use crate::Result;

pub(crate) const ADA: Person<'static> = Person {
    name: "Ada",
    school: "North School",
    country: "Norway",
};

pub(crate) const KOFI: Person<'static> = Person {
    name: "Kofi",
    school: "South School",
    country: "Ghana",
};

/// The path of the screen that is shown.
pub(crate) async fn path(browser: &Browser) -> Result<String> {
    let path = browser.run("return location.pathname").await?;
    Ok(path.as_str().ok_or("the screen has no path")?.to_owned())
}

/// Pastes paragraphs of words into the page, in several pieces, until it has `length` letters or a little more.
pub(crate) async fn paste_text(browser: &Browser, length: usize) -> Result<()> {
    const PIECE: usize = 10_000;
    let mut words = WORDS.iter().cycle();
    let mut pasted = 0;
    while pasted < length {
        let mut piece = String::new();
        while piece.len() < PIECE.min(length - pasted) {
            let paragraph: Vec<&str> = words.by_ref().take(61).copied().collect();
            piece.push_str(&paragraph.join(" "));
            piece.push_str(".\n\n");
        }
        pasted += piece.len();
        browser.driver().execute(PASTE, vec![json!(piece)]).await?;
    }
    let long_enough = async || Ok(letters(browser).await? >= length as u64 * 9 / 10);
    wait_until_within(
        Duration::from_secs(60),
        "the page has the pasted text",
        long_enough,
    )
    .await?;
    Ok(())
}

/// Puts the caret into the middle of the paragraph in the middle of the page, and shows it.
pub(crate) async fn go_to_the_middle(browser: &Browser) -> Result<()> {
    browser.run(GO_TO_THE_MIDDLE).await?;
    Ok(())
}

/// How much text the page has.
async fn letters(browser: &Browser) -> std::result::Result<u64, tests::Error> {
    let script = "return document.querySelector('[role=textbox][aria-multiline]').textContent.length";
    Ok(browser.run(script).await?.as_u64().unwrap_or_default())
}

const PASTE: &str = "
    const page = document.querySelector('[role=textbox][aria-multiline]');
    page.focus();
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', arguments[0]);
    page.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
";

const GO_TO_THE_MIDDLE: &str = "
    const page = document.querySelector('[role=textbox][aria-multiline]');
    const paragraphs = [...page.querySelectorAll('p')].filter((one) => one.firstChild?.nodeType === Node.TEXT_NODE);
    const text = paragraphs[Math.floor(paragraphs.length / 2)].firstChild;
    text.parentElement.scrollIntoView({ block: 'center' });
    page.focus();
    getSelection().collapse(text, Math.floor(text.length / 2));
";

const WORDS: [&str; 47] = [
    "the",
    "river",
    "begins",
    "as",
    "a",
    "spring",
    "under",
    "stones",
    "and",
    "grows",
    "with",
    "every",
    "brook",
    "that",
    "joins",
    "it",
    "on",
    "its",
    "way",
    "through",
    "our",
    "two",
    "countries",
    "we",
    "measured",
    "how",
    "warm",
    "water",
    "is",
    "in",
    "May",
    "counted",
    "fish",
    "near",
    "bridge",
    "asked",
    "old",
    "people",
    "what",
    "they",
    "remember",
    "of",
    "floods",
    "drew",
    "maps",
    "for",
    "you",
];
