//! What a person does with the pictures of an open page.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use documents::page::edit::{Block, Value};
use documents::page::export::Pictures;
use leptos::prelude::*;
use replica::command::{Answer, Command, Problem};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Event, File, HtmlImageElement};

use super::super::editor::{Picture, PlacedPicture};
use super::super::pictures::making::{Made, make};
use super::{Session, report};

/// What the dialog for a picture is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Subject {
    /// One that comes to the page, and its file if that is chosen already.
    New(Option<File>),
    /// One that stands there.
    Placed(PlacedPicture),
}

/// The dialog for a picture; several files have it one after the other.
#[derive(Default)]
pub(crate) struct Picturing {
    pub(crate) subject: ArcRwSignal<Option<Subject>>,
    /// Whether something was chosen or typed for it.
    pub(crate) is_begun: Cell<bool>,
    waiting: RefCell<VecDeque<File>>,
}

/// Why a picture is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKept {
    /// The browser does not take the file for a picture.
    NotAPicture,
    TooLarge,
    Because(Problem),
}

impl Picturing {
    fn ask(&self, subject: Option<Subject>) {
        self.is_begun.set(matches!(subject, Some(Subject::New(Some(_)))));
        self.subject.set(subject);
    }
}

impl Session {
    /// Asks for a description of the picture that the caret is in, or for a new picture.
    pub(crate) fn ask_for_picture(&self) {
        let placed = self
            .editor()
            .and_then(|editor| editor.picture().inspect_err(super::report_error).ok().flatten());
        let subject = placed.map_or(Subject::New(None), Subject::Placed);
        self.picturing.ask(Some(subject));
    }

    /// Asks for a description of each of these pictures, and puts them on the page.
    pub(super) fn ask_for_files(&self, files: Vec<File>) {
        self.picturing.waiting.borrow_mut().extend(files);
        if self.picturing.subject.with_untracked(Option::is_none) {
            self.ask_for_next();
        }
    }

    /// The dialog is closed: the next file has its turn, if there is one.
    pub(crate) fn ask_for_next(&self) {
        let next = self.picturing.waiting.borrow_mut().pop_front();
        let is_last = next.is_none();
        self.picturing.ask(next.map(|file| Subject::New(Some(file))));
        // The browser gives the text the focus back, not its caret.
        if is_last && is_in_text() {
            self.focus();
        }
    }

    /// The dialog went away, and nobody closed it: it does not come back by itself. What is lost by that is said.
    pub(crate) fn give_up_pictures(&self) {
        let waited = !self.picturing.waiting.take().is_empty();
        let was_open = self.picturing.subject.with_untracked(Option::is_some);
        if waited || (was_open && self.picturing.is_begun.get()) {
            self.link.picture_given_up.set(true);
        }
        if was_open {
            self.picturing.ask(None);
        }
    }

    /// Keeps a picture on this device, for the page to refer to. Nobody has described it yet.
    pub(crate) async fn keep(&self, made: &Made) -> Result<Picture, NotKept> {
        let (classroom, document) = self.place;
        let content = made
            .content()
            .await
            .map_err(|error| NotKept::unreadable(&error))?;
        let command = Command::Attach {
            classroom,
            document,
            content,
        };
        match self.link.answer(command).await {
            Ok(Answer::Attached(src)) => Ok(Picture {
                src,
                alt: None,
                width: Some(made.width),
                height: Some(made.height),
            }),
            Ok(_) => Err(NotKept::Because(Problem::Internal)),
            Err(Problem::TooLarge) => Err(NotKept::TooLarge),
            Err(problem) => Err(NotKept::Because(problem)),
        }
    }

    /// Makes a picture of a file, and keeps it.
    pub(super) async fn keep_file(&self, file: &Blob) -> Result<Picture, NotKept> {
        let made = make(file).await.map_err(|error| NotKept::unreadable(&error))?;
        self.keep(&made).await
    }

    /// Prints the page when its pictures are shown. → how many of them can't be had now. Fails if the browser does not print.
    pub(crate) async fn print(self: &Rc<Self>) -> Result<usize, ()> {
        let addresses = self.pictures_of_page();
        for address in &addresses {
            self.pictures.fetch(address).await;
        }
        let printed = async {
            // Each figure asks for its picture now, wherever it stands.
            window().dispatch_event(&Event::new("beforeprint")?)?;
            let images = document().query_selector_all(".page-screen figure img[src]")?;
            for image in (0..images.length()).filter_map(|index| images.item(index)) {
                // What can't be shown is told by its figure.
                drop(JsFuture::from(image.unchecked_into::<HtmlImageElement>().decode()).await);
            }
            window().print()
        };
        printed
            .await
            .inspect_err(|error| leptos::logging::error!("nothing is printed: {error:?}"))
            .map_err(drop)?;
        let left_out = addresses.iter().filter(|address| !self.pictures.is_here(address));
        Ok(left_out.count())
    }

    /// What is kept of the page's pictures, by their addresses, and how many of them can't be had now.
    pub(super) async fn contents_of_pictures(&self) -> (Pictures, usize) {
        let mut contents = Pictures::new();
        let mut left_out = 0;
        for address in self.pictures_of_page() {
            match self.pictures.content(&address).await {
                Some(content) => {
                    contents.insert(address, content);
                }
                None => left_out += 1,
            }
        }
        (contents, left_out)
    }

    /// The addresses of the attachments that the page shows, each once.
    fn pictures_of_page(&self) -> BTreeSet<String> {
        let addresses = self.with_draft(|draft| {
            let addresses = draft.page().attachments().into_iter();
            addresses.map(str::to_owned).collect()
        });
        addresses.unwrap_or_default()
    }

    /// Puts a picture where the caret is.
    pub(crate) fn insert_picture(&self, picture: &Picture) {
        if let Some(editor) = self.editor() {
            report(editor.insert_picture(picture));
            report(editor.focus());
        }
    }

    /// Changes a picture that stood on the page when somebody was asked about it. It may stand elsewhere by now, and others may have
    /// described it meanwhile. False if it is gone.
    pub(crate) fn change_picture(&self, before: &PlacedPicture, change: impl FnOnce(&mut Picture)) -> bool {
        self.catch_up();
        let Some(editor) = self.editor() else {
            return false;
        };
        let src = Value::Text(before.picture.src.clone());
        let is_it = |block: &Block| block.shape.attrs.get("src") == Some(&src);
        let placed = self.with_draft(|draft| {
            let blocks = draft.blocks();
            let stayed = blocks.get(before.block).is_some_and(is_it);
            let block = stayed
                .then_some(before.block)
                .or_else(|| blocks.iter().position(is_it))?;
            let picture = Picture::of(blocks.get(block)?.shape.picture()?);
            Some(PlacedPicture { block, picture })
        });
        let Some(mut placed) = placed.flatten() else {
            return false;
        };
        change(&mut placed.picture);
        report(editor.set_picture(&placed));
        true
    }
}

fn is_in_text() -> bool {
    let focused = document().active_element();
    focused.is_some_and(|element| matches!(element.closest(".editor"), Ok(Some(_))))
}

impl NotKept {
    pub(crate) fn unreadable(error: &wasm_bindgen::JsValue) -> Self {
        leptos::logging::warn!("this is no picture: {error:?}");
        Self::NotAPicture
    }
}
