//! What goes with coming to another screen: the tab's title, and where the focus is.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::link::use_link;
use crate::messages::say;
use crate::paths::{self, Screen};

/// Names the tab after what it shows.
#[component]
pub(crate) fn TabTitle() -> impl IntoView {
    let link = use_link();
    let path = use_location().pathname;
    let name = Memo::new(move |_| {
        let screen = path.with(|path| paths::screen(path));
        link.classrooms.with(|classrooms| match screen {
            Screen::Page((classroom, document)) => {
                let documents = &classrooms.get(&classroom)?.documents;
                let title = &documents.iter().find(|other| other.id == document)?.title;
                Some(if title.is_empty() {
                    say().untitled().to_owned()
                } else {
                    title.clone()
                })
            }
            Screen::Classroom(id) => classrooms.get(&id).map(|classroom| classroom.name.clone()),
            Screen::Other => None,
        })
    });
    Effect::new(move || {
        let title = match name.get() {
            Some(name) => format!("{name} – {}", say().app_name()),
            None => say().app_name().to_owned(),
        };
        document().set_title(&title);
    });
    // People who hear the screen start where it begins.
    Effect::new(move |before: Option<String>| {
        let path = path.get();
        if before.is_some_and(|before| before != path) {
            focus_content();
        }
        path
    });
}

pub(crate) fn focus_content() {
    let content = document()
        .get_element_by_id("content")
        .and_then(|content| content.dyn_into::<HtmlElement>().ok());
    if let Some(Err(error)) = content.map(|content| content.focus()) {
        leptos::logging::warn!("the content was not focused: {error:?}");
    }
}
