//! What the editor asks of its owner for the pictures of a page.

use std::rc::Rc;

use js_sys::{Array, Object, Promise, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{Blob, HtmlImageElement};

use super::super::pictures::words::picture_words;
use super::{Listener, to_js};

/// A picture of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Picture {
    /// Where it is kept.
    pub(crate) src: String,
    /// What it shows, in words; nothing if it is there for decoration only, `None` if nobody has said it yet.
    pub(crate) alt: Option<String>,
    /// In pixels, if it is known.
    pub(crate) width: Option<u32>,
    pub(crate) height: Option<u32>,
}

impl Picture {
    /// The one that a block says.
    pub(crate) fn of(said: documents::page::picture::Picture) -> Self {
        Self {
            src: said.src.to_owned(),
            alt: said.alt.map(str::to_owned),
            width: said.width,
            height: said.height,
        }
    }
}

/// A picture that stands on the page, and its block.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PlacedPicture {
    pub(crate) block: usize,
    pub(crate) picture: Picture,
}

/// What the editor calls for pictures.
pub(super) struct PictureListeners {
    show: Closure<Show>,
    describe: Closure<dyn Fn()>,
    files: Closure<dyn Fn(Array)>,
    attach: Closure<Attach>,
}

/// Shows the picture of an address in an element.
type Show = dyn Fn(String, HtmlImageElement);

/// Promises a picture, or null.
type Attach = dyn Fn(Blob) -> Promise;

impl PictureListeners {
    /// Weak, for the listener keeps the editor.
    pub(super) fn of<L: Listener + 'static>(listener: &Rc<L>) -> Self {
        let [shows, asks, takes, attaches] = [(); 4].map(|()| Rc::downgrade(listener));
        Self {
            show: Closure::new(move |address: String, image: HtmlImageElement| {
                if let Some(listener) = shows.upgrade() {
                    listener.show_picture(&address, &image);
                }
            }),
            describe: Closure::new(move || {
                if let Some(listener) = asks.upgrade() {
                    listener.ask_for_picture();
                }
            }),
            files: Closure::new(move |files: Array| {
                if let Some(listener) = takes.upgrade() {
                    listener.files(files.iter().filter_map(|file| file.dyn_into().ok()).collect());
                }
            }),
            attach: Closure::new(move |picture: Blob| {
                let listener = attaches.upgrade();
                future_to_promise(async move {
                    match listener {
                        Some(listener) => to_js(&listener.attach(picture).await),
                        None => Ok(JsValue::NULL),
                    }
                })
            }),
        }
    }

    pub(super) fn put_into(&self, options: &Object) -> Result<(), JsValue> {
        Reflect::set(options, &"pictures".into(), &to_js(&picture_words())?)?;
        for (name, closure) in [
            ("showPicture", self.show.as_ref()),
            ("onDescribe", self.describe.as_ref()),
            ("onFiles", self.files.as_ref()),
            ("attach", self.attach.as_ref()),
        ] {
            Reflect::set(options, &name.into(), closure)?;
        }
        Ok(())
    }
}
