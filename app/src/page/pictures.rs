//! The pictures of an open page. Each is shown as soon as it can be had; nothing is fetched from anywhere but the relay, by the replica.

pub(crate) mod making;
pub(crate) mod words;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use documents::page::picture::{ATTACHMENT, media_type};
use js_sys::{Array, Uint8Array};
use leptos::prelude::*;
use replica::command::{Answer, Command, Problem};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, BlobPropertyBag, HtmlImageElement};

use crate::files::ObjectUrl;
use crate::link::{Link, Place};

/// What is asked for again waits so long at first, then twice as long each time, and never longer than the last, in seconds.
const FIRST_WAIT: u64 = 2;
const LONGEST_WAIT: u64 = 30;

/// The pictures that were asked for while a page is open.
pub(crate) struct Pictures {
    link: Link,
    place: Place,
    known: RefCell<HashMap<String, Known>>,
}

/// What came of asking for a picture.
enum Known {
    Awaited(Awaited),
    Here(ObjectUrl),
    /// What is there is no picture.
    Broken,
}

/// A picture that is not here yet.
struct Awaited {
    images: Vec<HtmlImageElement>,
    /// How often the answer was that it is not here.
    answers: u32,
    /// When it is asked for again; none while it is.
    again: Option<TimeoutHandle>,
}

/// How far the picture in an element has come.
#[derive(Clone, Copy)]
enum Progress {
    Awaited,
    Loading,
    Done,
    Missing,
    Broken,
}

impl Pictures {
    pub(crate) fn new(link: Link, place: Place) -> Rc<Self> {
        Rc::new(Self {
            link,
            place,
            known: RefCell::default(),
        })
    }

    /// Shows the picture of an address in an element, now or when it comes.
    pub(crate) fn show(self: &Rc<Self>, address: &str, image: &HtmlImageElement) {
        self.forget(image);
        if is_embedded(address) {
            return draw(image, address);
        }
        // Whatever is anywhere else is asked of nobody: they would learn who reads this, and when.
        if !address.starts_with(ATTACHMENT) {
            return mark(image, Progress::Broken);
        }
        let mut known = self.known.borrow_mut();
        match known.get_mut(address) {
            Some(Known::Here(url)) => draw(image, url.as_str()),
            Some(Known::Broken) => mark(image, Progress::Broken),
            Some(Known::Awaited(awaited)) => {
                mark(image, awaited.progress());
                awaited.images.push(image.clone());
            }
            None => {
                mark(image, Progress::Awaited);
                let awaited = Awaited {
                    images: vec![image.clone()],
                    answers: 0,
                    again: None,
                };
                known.insert(address.to_owned(), Known::Awaited(awaited));
                drop(known);
                self.ask(address);
            }
        }
    }

    /// There is a connection again: what is not here may come now.
    pub(crate) fn ask_again(self: &Rc<Self>) {
        let mut waiting = Vec::new();
        for (address, known) in self.known.borrow_mut().iter_mut() {
            if let Known::Awaited(awaited) = known
                && let Some(timer) = awaited.again.take()
            {
                timer.clear();
                awaited.answers = 0;
                waiting.push(address.clone());
            }
        }
        for address in waiting {
            self.ask_if_shown(&address);
        }
    }

    /// Asks for a picture that is not here, and waits for the answer. Where it is shown already, it shows.
    pub(crate) async fn fetch(self: &Rc<Self>, address: &str) {
        let is_settled = matches!(
            self.known.borrow().get(address),
            Some(Known::Here(_) | Known::Broken)
        );
        if !is_settled {
            let answer = self.link.answer(self.command(address)).await;
            if matches!(answer, Ok(_) | Err(Problem::BadAttachment)) {
                self.answered(address, answer);
            }
        }
    }

    /// What is kept of a picture; none if it can't be had now.
    pub(crate) async fn content(&self, address: &str) -> Option<Vec<u8>> {
        match self.link.answer(self.command(address)).await {
            Ok(Answer::Attachment(content)) => Some(content),
            _ => None,
        }
    }

    pub(crate) fn is_here(&self, address: &str) -> bool {
        matches!(self.known.borrow().get(address), Some(Known::Here(_)))
    }

    /// The element shows something else from now on.
    pub(crate) fn forget(&self, image: &HtmlImageElement) {
        for known in self.known.borrow_mut().values_mut() {
            if let Known::Awaited(awaited) = known {
                awaited.images.retain(|other| other != image);
            }
        }
    }

    fn ask(self: &Rc<Self>, address: &str) {
        // The page may be closed by then.
        let pictures = Rc::downgrade(self);
        let command = self.command(address);
        let address = address.to_owned();
        self.link.ask(command, move |answer| {
            if let Some(pictures) = pictures.upgrade() {
                pictures.answered(&address, answer);
            }
        });
    }

    fn command(&self, address: &str) -> Command {
        let (classroom, document) = self.place;
        Command::Attachment {
            classroom,
            document,
            address: address.to_owned(),
        }
    }

    fn answered(self: &Rc<Self>, address: &str, answer: Result<Answer, Problem>) {
        // It may have been asked for twice. The address that images show must not be taken from them.
        if self.is_here(address) {
            return;
        }
        let known = match answer {
            Ok(Answer::Attachment(content)) => picture_url(&content).map_or_else(
                |error| {
                    leptos::logging::warn!("a picture can't be shown: {error:?}");
                    Known::Broken
                },
                Known::Here,
            ),
            Err(Problem::BadAttachment) => Known::Broken,
            _ => return self.wait(address),
        };
        let before = self.known.borrow_mut().remove(address);
        if let Some(Known::Awaited(awaited)) = before {
            for image in awaited.images.iter().filter(|image| awaits(image)) {
                match &known {
                    Known::Here(url) => draw(image, url.as_str()),
                    _ => mark(image, Progress::Broken),
                }
            }
        }
        self.known.borrow_mut().insert(address.to_owned(), known);
    }

    /// It is not here: it is asked for again later.
    fn wait(self: &Rc<Self>, address: &str) {
        let mut known = self.known.borrow_mut();
        let Some(Known::Awaited(awaited)) = known.get_mut(address) else {
            return;
        };
        awaited.answers += 1;
        awaited.images.retain(awaits);
        for image in &awaited.images {
            mark(image, Progress::Missing);
        }
        let pictures = Rc::downgrade(self);
        let address = address.to_owned();
        let again = move || {
            if let Some(pictures) = pictures.upgrade() {
                pictures.ask_if_shown(&address);
            }
        };
        let timer = set_timeout_with_handle(again, wait_after(awaited.answers));
        awaited.again = timer
            .inspect_err(|error| leptos::logging::error!("{error:?}"))
            .ok();
    }

    /// What is on the screen no more is asked for when it comes back there.
    fn ask_if_shown(self: &Rc<Self>, address: &str) {
        let mut known = self.known.borrow_mut();
        let Some(Known::Awaited(awaited)) = known.get_mut(address) else {
            return;
        };
        awaited.again = None;
        awaited
            .images
            .retain(|image| image.is_connected() && awaits(image));
        if awaited.images.is_empty() {
            known.remove(address);
        } else {
            drop(known);
            self.ask(address);
        }
    }
}

impl Awaited {
    fn progress(&self) -> Progress {
        if self.answers == 0 {
            Progress::Awaited
        } else {
            Progress::Missing
        }
    }
}

/// Whether an address holds the picture itself, in one of the forms that pages show.
pub(crate) fn is_embedded(address: &str) -> bool {
    let about = address.split_once([';', ',']).map(|(about, _)| about);
    let kinds = ["png", "jpeg", "gif", "webp"].map(|kind| format!("data:image/{kind}"));
    about.is_some_and(|about| kinds.iter().any(|kind| kind.eq_ignore_ascii_case(about)))
}

/// An address of this tab for a picture.
fn picture_url(content: &[u8]) -> Result<ObjectUrl, JsValue> {
    let kind = media_type(content).ok_or("its bytes are those of no picture")?;
    ObjectUrl::of(&blob(content, kind)?)
}

pub(crate) fn blob(content: &[u8], kind: &str) -> Result<Blob, JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    Blob::new_with_u8_array_sequence_and_options(&Array::of1(&Uint8Array::from(content)), &options)
}

/// How long to wait after so many answers that a picture is not here.
fn wait_after(answers: u32) -> Duration {
    let doubled = FIRST_WAIT
        .checked_shl(answers.saturating_sub(1))
        .unwrap_or(u64::MAX);
    Duration::from_secs(doubled.clamp(FIRST_WAIT, LONGEST_WAIT))
}

pub(crate) fn draw(image: &HtmlImageElement, url: &str) {
    if image.get_attribute("src").as_deref() == Some(url) {
        return;
    }
    image.set_src(url);
    mark(image, Progress::Loading);
    let image = image.clone();
    let url = url.to_owned();
    spawn_local(async move {
        let decoded = JsFuture::from(image.decode()).await;
        // It may show another one by now.
        if image.get_attribute("src").as_deref() == Some(url.as_str()) {
            mark(
                &image,
                if decoded.is_ok() {
                    Progress::Done
                } else {
                    Progress::Broken
                },
            );
        }
    });
}

/// Whether an element still awaits a picture: the editor may have given it another one since, or one that is not fetched.
fn awaits(image: &HtmlImageElement) -> bool {
    let state = image
        .closest("figure")
        .ok()
        .flatten()
        .and_then(|figure| figure.get_attribute("data-state"));
    let is_awaited = state.is_none_or(|state| state == "loading" || state == "missing");
    is_awaited && !image.has_attribute("src")
}

/// Says on the figure of a picture how far it has come.
fn mark(image: &HtmlImageElement, progress: Progress) {
    let state = match progress {
        Progress::Awaited | Progress::Loading => "loading",
        Progress::Done => "shown",
        Progress::Missing => "missing",
        Progress::Broken => "broken",
    };
    let marked = || {
        if !matches!(progress, Progress::Loading | Progress::Done) {
            image.remove_attribute("src")?;
        }
        match image.closest("figure")? {
            Some(figure) => figure.set_attribute("data-state", state),
            None => Ok(()),
        }
    };
    if let Err(error) = marked() {
        leptos::logging::error!("{error:?}");
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn only_pictures_are_shown_from_an_address_itself() {
        assert!(is_embedded("data:image/png;base64,AAAA"));
        assert!(is_embedded("data:image/webp,AAAA"));
        assert!(is_embedded("DATA:image/PNG;base64,AAAA"));
        for address in [
            "data:image/svg+xml,<svg/>",
            "data:text/html,x",
            "https://example.org/a.png",
            "data:image/",
            "data:image/png",
            "",
        ] {
            assert!(!is_embedded(address), "{address}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn who_waits_asks_less_and_less_often() {
        let waits: Vec<u64> = (1..=7).map(|answers| wait_after(answers).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(wait_after(u32::MAX).as_secs(), LONGEST_WAIT);
    }
}
