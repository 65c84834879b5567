//! Suggestions in the panel: how one is written, and what its card says of it.

use documents::Error;
use documents::page::comments::{Present, Suggestion};
use leptos::html::Textarea;
use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::Comments;
use super::message_field::MessageField;
use crate::messages::say;
use crate::page::session::comments::{Field, Unsent};

/// The most that can be typed, in UTF-16 units.
const LONGEST: &str = "4000";

/// The text as it is to be, and a message if there is something to say.
#[component]
pub(super) fn NewSuggestion(comments: Comments) -> impl IntoView {
    let field = NodeRef::<Textarea>::new();
    let quote = move || comments.begun_quote();
    let present = move || untrack(quote);
    let inserts = Memo::new(move |_| quote().is_empty());
    let about = move || {
        if inserts.get() {
            view! { <p class="hint">{say().new_text()}</p> }.into_any()
        } else {
            view! {
                <p class="quote quote-struck">
                    <q dir="auto">{quote}</q>
                </p>
            }
            .into_any()
        }
    };
    let unsent = comments
        .unsent
        .with_untracked(|unsent| unsent.get(&Field::Proposal).map(|unsent| unsent.text.clone()));
    let shown = unsent.unwrap_or_else(present);
    // Other text may be chosen while this is open.
    Effect::new(move |before: Option<()>| {
        let is_begun = comments.begun.with(Option::is_some);
        let Some(field) = field.get().filter(|_| is_begun) else {
            return;
        };
        let is_kept = comments
            .unsent
            .with_untracked(|unsent| unsent.contains_key(&Field::Proposal));
        if before.is_some() && !is_kept {
            field.set_value(&present());
        }
        field.select();
        if let Err(error) = field.focus() {
            leptos::logging::warn!("the field was not focused: {error:?}");
        }
    });
    let typed = move || {
        field
            .get_untracked()
            .map(|field| field.value())
            .unwrap_or_default()
    };
    let keep = move |_| {
        let text = typed();
        comments.unsent.update(|unsent| {
            if text == present() {
                unsent.remove(&Field::Proposal);
            } else {
                let mentioned = Vec::new();
                unsent.insert(Field::Proposal, Unsent { text, mentioned });
            }
        });
    };
    let cancel = move || {
        comments.open.get_value().cancel_comment();
        comments.leave(None);
    };
    // What is proposed stays: Escape in the other field only leads away from it.
    let cancel_unwritten = move || {
        if typed() == present() {
            cancel();
        } else {
            comments.leave(None);
        }
    };
    let send = move |text: String| {
        let me = comments.me.get_untracked();
        let session = comments.open.get_value();
        let sent = me.map_or(Ok(()), |me| session.suggest(me, &typed(), &text));
        sent.map_err(|error| problem(&error))?;
        comments.leave(comments.active.get_untracked());
        Ok(())
    };
    let on_key = move |event: KeyboardEvent| {
        if event.is_composing() {
            return;
        }
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            let form = field.get_untracked().and_then(|field| field.form());
            if let Some(Err(error)) = form.map(|form| form.request_submit()) {
                leptos::logging::warn!("the suggestion was not sent: {error:?}");
            }
        } else if event.key() == "Escape" && typed() == present() {
            // What was written stays: Escape only leads away from it.
            event.prevent_default();
            cancel();
        }
    };
    view! {
        <div class="thread thread-new active">
            {about}
            <MessageField
                comments
                of=Field::New
                label=say().suggestion_reason()
                done=say().suggest()
                text=String::new()
                focused=false
                on_done=send
                on_cancel=cancel_unwritten
                may_be_empty=true
            >
                <label class="proposed-label" for="proposed-text">
                    {say().proposed_text()}
                </label>
                <textarea
                    id="proposed-text"
                    dir="auto"
                    rows="2"
                    maxlength=LONGEST
                    aria-describedby="proposed-hint"
                    node_ref=field
                    on:input=keep
                    on:keydown=on_key
                >
                    {shown}
                </textarea>
                <p class="hint" id="proposed-hint">
                    {move || if inserts.get() { say().inserted_text_hint() } else { say().proposed_text_hint() }}
                </p>
            </MessageField>
        </div>
    }
}

/// What a suggestion makes of its text, and whether that is still what it was made for.
#[component]
pub(super) fn Proposed(suggestion: Memo<Option<Suggestion>>, is_resolved: Memo<bool>) -> impl IntoView {
    move || {
        let Suggestion {
            author,
            replaces,
            proposes,
            present,
            accepted,
            ..
        } = suggestion.get()?;
        let becoming = if replaces.is_empty() {
            say().suggestion_adds()
        } else {
            say().suggestion_becomes()
        };
        let becomes = if proposes.is_empty() {
            view! { <span class="proposed-label">{say().suggestion_deletes()}</span> }.into_any()
        } else {
            view! {
                <span class="proposed-label">{becoming}</span>
                " "
                <ins class=format!("suggested cursor-{}", author[0] % 12) dir="auto">
                    {proposes}
                </ins>
            }
            .into_any()
        };
        let said = match present {
            Present::Same if accepted => Some(say().suggestion_taken_back()),
            _ if is_resolved.get() => None,
            Present::Same => None,
            Present::Changed(_) => Some(say().suggestion_changed()),
            Present::Done => Some(say().suggestion_done()),
            Present::Gone => Some(say().suggestion_gone()),
        };
        let has_changed = matches!(present, Present::Changed(_) | Present::Done);
        let was = (has_changed && !replaces.is_empty()).then(|| {
            view! {
                <p class="proposed">
                    <span class="proposed-label">{say().suggestion_was()}</span>
                    " "
                    <del dir="auto">{replaces}</del>
                </p>
            }
        });
        Some(view! {
            {was}
            <p class="proposed">{becomes}</p>
            {said.map(|said| view! { <p class="hint">{said}</p> })}
        })
    }
}

/// Why something could not be suggested, or accepted.
pub(super) fn problem(error: &Error) -> String {
    match error {
        Error::Form(_) => say().suggestion_same().to_owned(),
        Error::Place(_) => say().suggestion_divided().to_owned(),
        Error::Length { .. } => say().suggestion_too_long().to_owned(),
        Error::Unfitting(reason) => {
            leptos::logging::error!("a change was not taken: {reason}");
            say().suggestion_not_taken().to_owned()
        }
        other => super::problem(other),
    }
}
