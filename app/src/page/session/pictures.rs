//! What a person does with the pictures of an open page.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use documents::page::edit::{Block, Value};
use leptos::prelude::*;
use replica::command::{Answer, Command, Problem};
use web_sys::{Blob, File};

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

impl Session {
    /// Asks for a description of the picture that the caret is in, or for a new picture.
    pub(crate) fn ask_for_picture(&self) {
        let placed = self
            .editor()
            .and_then(|editor| editor.picture().inspect_err(super::report_error).ok().flatten());
        let subject = placed.map_or(Subject::New(None), Subject::Placed);
        self.picturing.subject.set(Some(subject));
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
        self.picturing
            .subject
            .set(next.map(|file| Subject::New(Some(file))));
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

    /// Puts a picture where the caret is.
    pub(crate) fn insert_picture(&self, picture: &Picture) {
        if let Some(editor) = self.editor() {
            report(editor.insert_picture(picture));
            report(editor.focus());
        }
    }

    /// Makes another one of a picture that stood on the page when somebody was asked for it, or describes it. It may stand
    /// elsewhere by now; if it is gone, nothing is done.
    pub(crate) fn change_picture(self: &Rc<Self>, before: &PlacedPicture, picture: Picture) {
        self.catch_up();
        let Some(editor) = self.editor() else { return };
        let src = Value::Text(before.picture.src.clone());
        let is_it = |block: &Block| block.shape.attrs.get("src") == Some(&src);
        let block = self.with_draft(|draft| {
            let blocks = draft.blocks();
            let stayed = blocks.get(before.block).is_some_and(is_it);
            stayed
                .then_some(before.block)
                .or_else(|| blocks.iter().position(is_it))
        });
        if let Some(block) = block.flatten() {
            report(editor.set_picture(&PlacedPicture { block, picture }));
        }
        report(editor.focus());
    }
}

impl NotKept {
    pub(crate) fn unreadable(error: &wasm_bindgen::JsValue) -> Self {
        leptos::logging::warn!("this is no picture: {error:?}");
        Self::NotAPicture
    }
}
