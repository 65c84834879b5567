//! The menu `Document`: what concerns the whole page.

use leptos::prelude::*;
use protocol::roster::Role;
use replica::command::{Answer, Command, Problem, Verified};

use super::Open;
use super::files::{ImportDialog, Writing, export_items};
use super::reading::Reading;
use crate::components::dialog::{Question, use_questions};
use crate::components::menu::{Menu, MenuItem, menu_items};
use crate::link::{Place, use_link};
use crate::messages::say;
use crate::page::session::Phase;

/// `problem` is why something could not be done at once, `writing` how far exporting has come.
#[component]
pub(super) fn DocumentMenu(
    place: Place,
    open: Open,
    editable: Memo<bool>,
    problem: RwSignal<Option<Problem>>,
    writing: RwSignal<Writing>,
    reading: Reading,
) -> impl IntoView {
    let link = use_link();
    let questions = use_questions();
    let (classroom, document) = place;
    let importing = RwSignal::new(false);
    let items = menu_items(move || {
        let (role, locked, compared_by) = link.classrooms.with_untracked(|classrooms| {
            let Some(view) = classrooms.get(&classroom) else {
                return (Role::Guest, false, None);
            };
            let role = if view.removed { Role::Guest } else { view.role };
            let this = view.documents.iter().find(|other| other.id == document);
            this.map_or((role, false, None), |this| (role, this.locked, this.compared_by))
        });
        let mut items = Vec::new();
        if writing.get_untracked() != Writing::Busy {
            writing.set(Writing::Idle);
        }
        if open.with_value(|session| session.phase.get_untracked()) == Phase::Ready {
            if editable.get_untracked() {
                items.push(MenuItem::new(say().import(), move || importing.set(true)));
            }
            items.push(MenuItem::menu(say().export(), export_items(open, writing)));
        }
        if role.is_staff() {
            let name = if locked { say().unlock() } else { say().lock() };
            items.push(MenuItem::new(name, move || {
                problem.set(None);
                let command = Command::Lock {
                    classroom,
                    document,
                    locked: !locked,
                };
                link.ask(command, move |answer| {
                    problem.try_set(answer.err());
                });
            }));
        }
        items.push(MenuItem::new(say().word_count(), move || {
            reading.counting.set(true);
        }));
        items.push(MenuItem::new(say().verify_history(), move || {
            questions.ask(verify_history(place, compared_by));
        }));
        if role == Role::Lead {
            items.push(MenuItem::new(say().start_anew(), move || {
                questions.ask(start_anew(place));
            }));
        }
        items
    });
    view! {
        <Menu name=say().document() class="button button-quiet" items />
        <Show when=move || importing.get()>
            <ImportDialog open importing />
        </Show>
    }
}

/// Nothing is asked: it only looks. What a page begins with others may have compared, by `compared_by`.
fn verify_history((classroom, document): Place, compared_by: Option<u32>) -> Question {
    let mut text = vec![say().verify_text().to_owned()];
    text.extend(compared_by.map(|count| match count {
        0 => say().verify_copy_of_nobody().to_owned(),
        _ => say().verify_copy(&count.to_string()),
    }));
    Question {
        text,
        told: Box::new(|answer| {
            let Answer::Verified(verified) = answer else {
                return None;
            };
            Some(match verified {
                Verified::Matches { segments } => say().verified_matches(&segments.to_string()),
                Verified::NoSnapshot => say().verified_no_snapshot().to_owned(),
                Verified::HistoryGone => say().verified_history_gone().to_owned(),
                Verified::Unclear => say().verified_unclear().to_owned(),
                Verified::Differs => say().verified_differs().to_owned(),
            })
        }),
        ..Question::new(say().verify_history().to_owned(), "", move |_| {
            Command::VerifyHistory { classroom, document }
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
