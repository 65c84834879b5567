//! What others changed since this person was last here.

use leptos::prelude::*;
use replica::command::{Answer, Command};

use super::super::Open;
use super::Showing;
use super::authors::Authors;
use crate::link::{Place, use_link};
use crate::messages::say;

/// A line above the text, as long as there is something to say.
#[component]
pub(in super::super) fn UnseenNotice(open: Open, place: Place, showing: Showing) -> impl IntoView {
    let link = use_link();
    let (classroom, document) = place;
    let unseen = RwSignal::from(open.with_value(|session| session.unseen.clone()));
    let authors = RwSignal::new(None::<Authors>);
    let dismissed = RwSignal::new(false);
    Effect::new(move || {
        // Who it was is asked again whenever more has come.
        if unseen.with(|unseen| unseen.as_ref().is_some_and(|unseen| !unseen.actors.is_empty())) {
            link.ask(Command::Authors { classroom, document }, move |answer| {
                if let Ok(Answer::Authors(found)) = answer {
                    authors.try_set(Some(Authors::of(link, classroom, &found)));
                }
            });
        }
    });
    let names = Memo::new(move |_| {
        let (unseen, authors) = (unseen.get()?, authors.get()?);
        let others = authors
            .of_actors(&unseen.actors)
            .into_iter()
            .filter(|author| !author.me);
        let names: Vec<String> = others.map(|author| author.name).collect();
        (!names.is_empty() && !dismissed.get()).then(|| names.join(", "))
    });
    let show = move |_| {
        dismissed.set(true);
        showing.set(unseen.with_untracked(|unseen| Some(Some(unseen.as_ref()?.version.clone()))));
    };
    move || {
        names.get().map(|names| {
            view! {
                <p class="hint read-only unseen" role="status">
                    <span dir="auto">{say().changed_since(&names)}</span>
                    <button type="button" class="button button-quiet" on:click=show>
                        {say().show_changes()}
                    </button>
                    <button type="button" class="button button-quiet" on:click=move |_| dismissed.set(true)>
                        {say().dismiss()}
                    </button>
                </p>
            }
        })
    }
}
