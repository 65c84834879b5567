//! Undoing what one person did in a span of time.

use leptos::html::Select;
use leptos::prelude::*;
use web_sys::SubmitEvent;

use super::super::Open;
use super::Version;
use super::authors::{Author, Authors};
use crate::messages::say;

#[component]
pub(super) fn UndoWork(
    open: Open,
    versions: Memo<Vec<Version>>,
    authors: RwSignal<Authors>,
    chosen: RwSignal<usize>,
    outcome: RwSignal<Option<&'static str>>,
    look_again: impl Fn() + Copy + 'static,
) -> impl IntoView {
    let (who, from, until) = (
        NodeRef::<Select>::new(),
        NodeRef::<Select>::new(),
        NodeRef::<Select>::new(),
    );
    let people = Memo::new(move |_| {
        let actors: Vec<Vec<u8>> = versions.with(|versions| {
            versions
                .iter()
                .flat_map(|version| version.actors.clone())
                .collect()
        });
        authors.with(|authors| authors.with_actors(&actors))
    });
    let sessions = Memo::new(move |_| {
        let mut sessions = versions.get();
        sessions.retain(|version| !version.actors.is_empty());
        sessions
    });
    let undo = move |event: SubmitEvent| {
        event.prevent_default();
        let at = |select: NodeRef<Select>| {
            let select = select.get_untracked()?;
            usize::try_from(select.selected_index()).ok()
        };
        let span = at(from).zip(at(until)).and_then(|(from, until)| {
            // The newest comes first in the list.
            let (newest, oldest) = (from.min(until), from.max(until));
            sessions.with_untracked(|sessions| {
                Some((
                    sessions.get(oldest)?.before.clone(),
                    sessions.get(newest)?.heads.clone(),
                ))
            })
        });
        let actors = at(who).and_then(|at| people.with_untracked(|people| Some(people.get(at)?.1.clone())));
        let Some(((before, after), actors)) = span.zip(actors) else {
            return;
        };
        let is_undone = open
            .get_value()
            .undo_work(&actors.into_iter().collect(), &before, &after);
        look_again();
        outcome.set(Some(if is_undone {
            say().work_undone()
        } else {
            say().nothing_to_undo()
        }));
    };
    let person = |(author, _): (Author, Vec<Vec<u8>>)| view! { <option>{author.name}</option> };
    let session_options = move || {
        let shown = chosen.get();
        let heads = versions.with(|versions| versions.get(shown).map(|version| version.heads.clone()));
        let option = |version: &Version| {
            let is_shown = Some(&version.heads) == heads.as_ref();
            view! { <option selected=is_shown>{version.label()}</option> }
        };
        sessions.with(|sessions| sessions.iter().map(option).collect_view())
    };
    view! {
        <details class="history-undo">
            <summary>{say().undo_work()}</summary>
            <p class="hint">{say().undo_work_hint()}</p>
            <form on:submit=undo>
                <label class="field">
                    <span>{say().undo_whose()}</span>
                    <select node_ref=who>{move || people.get().into_iter().map(person).collect_view()}</select>
                </label>
                <label class="field">
                    <span>{say().undo_from()}</span>
                    <select node_ref=from>{session_options}</select>
                </label>
                <label class="field">
                    <span>{say().undo_until()}</span>
                    <select node_ref=until>{session_options}</select>
                </label>
                <button type="submit" class="button">
                    {say().undo_this_work()}
                </button>
            </form>
        </details>
    }
}
