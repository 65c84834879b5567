//! The menu `Document`: what concerns the whole page.

use leptos::prelude::*;
use protocol::roster::Role;
use replica::command::Command;

use crate::components::dialog::{Question, use_questions};
use crate::components::menu::{Menu, MenuItem, menu_items};
use crate::link::{Place, use_link};
use crate::messages::say;

#[component]
pub(super) fn DocumentMenu(place: Place) -> impl IntoView {
    let link = use_link();
    let questions = use_questions();
    let (classroom, document) = place;
    let may_lock = Memo::new(move |_| {
        link.classrooms.with(|classrooms| {
            classrooms
                .get(&classroom)
                .is_some_and(|view| view.role.is_staff() && !view.removed)
        })
    });
    let is_lead = Memo::new(move |_| {
        link.classrooms.with(|classrooms| {
            classrooms
                .get(&classroom)
                .is_some_and(|view| view.role == Role::Lead && !view.removed)
        })
    });
    let is_locked = move || {
        link.classrooms.with_untracked(|classrooms| {
            let documents = classrooms.get(&classroom).map(|view| &view.documents);
            documents
                .is_some_and(|documents| documents.iter().any(|other| other.id == document && other.locked))
        })
    };
    let items = menu_items(move || {
        let locked = is_locked();
        let name = if locked { say().unlock() } else { say().lock() };
        let mut items = vec![MenuItem::new(name, move || questions.ask(lock(place, !locked)))];
        if is_lead.get_untracked() {
            items.push(MenuItem::new(say().start_anew(), move || {
                questions.ask(start_anew(place));
            }));
        }
        items
    });
    move || {
        may_lock
            .get()
            .then(|| view! { <Menu name=say().document() class="button button-quiet" items /> })
    }
}

fn lock(place: Place, locked: bool) -> Question {
    let (classroom, document) = place;
    let (title, text, confirm) = if locked {
        (say().lock_title(), say().lock_text(), say().lock())
    } else {
        (say().unlock_title(), say().unlock_text(), say().unlock())
    };
    Question {
        text: vec![text.to_owned()],
        ..Question::new(title.to_owned(), confirm, move |_| Command::Lock {
            classroom,
            document,
            locked,
        })
    }
}

/// Who has the page open is led to the new one when the classroom says so, here as elsewhere.
fn start_anew((classroom, document): Place) -> Question {
    Question {
        text: vec![
            say().start_anew_text().to_owned(),
            say().start_anew_erased().to_owned(),
            say().start_anew_copies().to_owned(),
        ],
        ..Question::new(
            say().start_anew_title().to_owned(),
            say().start_anew(),
            move |_| Command::StartAnew { classroom, document },
        )
    }
}
