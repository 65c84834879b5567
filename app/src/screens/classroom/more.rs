//! The menu `More`: what concerns the whole classroom.

use leptos::prelude::*;
use protocol::roster::Role;
use protocol::{ClassroomId, SpaceId};
use replica::command::{Command, Problem};
use replica::view::Classroom;

use super::make_page;
use super::manage::leave;
use crate::components::dialog::{Question, use_questions};
use crate::components::menu::{Menu, MenuItem, menu_items};
use crate::link::use_link;
use crate::messages::say;

#[component]
pub(super) fn More(id: ClassroomId, problem: RwSignal<Option<Problem>>) -> impl IntoView {
    let link = use_link();
    let questions = use_questions();
    let make_staff_page = make_page(id, Some(SpaceId::STAFF), problem);
    let items = menu_items(move || {
        let classroom = link.classrooms.with_untracked(|classrooms| {
            let read = |view: &Classroom| (view.role, view.closed, view.spaces.contains(&SpaceId::STAFF));
            classrooms.get(&id).map(read)
        });
        let Some((role, closed, staff_space)) = classroom else {
            return Vec::new();
        };
        let mut items = Vec::new();
        if staff_space && !closed {
            items.push(MenuItem::new(say().new_staff_page(), make_staff_page.clone()));
        }
        if role.is_staff() {
            items.push(MenuItem::new(say().change_keys(), move || {
                questions.ask(change_keys(id));
            }));
        }
        if role == Role::Lead {
            let name = if closed {
                say().reopen()
            } else {
                say().close_classroom()
            };
            items.push(MenuItem::new(name, move || questions.ask(close(id, !closed))));
        }
        items.push(MenuItem::new(say().leave(), move || {
            questions.ask(leave(link, id));
        }));
        items
    });
    let removed = super::part(id, |classroom| classroom.removed);
    move || (!removed.get()).then(|| view! { <Menu name=say().more() items /> })
}

fn change_keys(id: ClassroomId) -> Question {
    Question {
        text: vec![say().change_keys_text().to_owned()],
        ..Question::new(
            say().change_keys_title().to_owned(),
            say().change_keys(),
            move |_| Command::RotateKeys {
                classroom: id,
                space: None,
            },
        )
    }
}

fn close(id: ClassroomId, closed: bool) -> Question {
    let (title, text, confirm) = if closed {
        (say().close_title(), say().close_text(), say().close_classroom())
    } else {
        (say().reopen_title(), say().reopen_text(), say().reopen())
    };
    Question {
        text: vec![text.to_owned()],
        ..Question::new(title.to_owned(), confirm, move |_| Command::Close {
            classroom: id,
            closed,
        })
    }
}
