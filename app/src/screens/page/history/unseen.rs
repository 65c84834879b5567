//! What others changed since this person was last here.

use documents::change::Hash;
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
    // What somebody was told of once they are not told of again.
    let dismissed = RwSignal::new(None::<Vec<Hash>>);
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
        let is_news = dismissed
            .get()
            .is_none_or(|dismissed| dismissed != unseen.version);
        (!names.is_empty() && is_news).then(|| names.join(", "))
    });
    let seen = move || unseen.with_untracked(|unseen| Some(unseen.as_ref()?.version.clone()));
    // The button that was pressed goes: who uses keys goes on in the text.
    let dismiss = move |_| {
        dismissed.set(seen());
        open.get_value().focus();
    };
    let show = move |_| {
        let version = seen();
        open.get_value().focus();
        showing.set(Some(version.clone()));
        dismissed.set(version);
    };
    move || {
        names.get().map(|names| {
            view! {
                <p class="hint read-only unseen" role="status">
                    <span dir="auto">{say().changed_since(&names)}</span>
                    <button type="button" class="button button-quiet" on:click=show>
                        {say().show_changes()}
                    </button>
                    <button type="button" class="button button-quiet" on:click=dismiss>
                        {say().dismiss()}
                    </button>
                </p>
            }
        })
    }
}
