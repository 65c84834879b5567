use leptos::prelude::*;
use protocol::{ClassroomId, Refusal};
use replica::command::{Command, Problem};
use web_sys::SubmitEvent;

use crate::link::use_link;
use crate::messages::say;
use crate::reasons;
use crate::screens::create::ProblemLine;

/// What keeps the classroom, or something in it, from the relay, and what one can do about it.
#[component]
pub(super) fn Refused(id: ClassroomId, refusal: Refusal, all: bool) -> impl IntoView {
    let title = if all {
        say().refused_title()
    } else {
        say().refused_items_title()
    };
    view! {
        <div class="notice notice-alarm notice-inline" role="alert">
            <div>
                <p>
                    <strong>{title}</strong>
                </p>
                {if refusal == Refusal::FoundToken {
                    view! { <TokenForm id /> }.into_any()
                } else {
                    view! { <p>{reasons::refusal(refusal)} " " {say().stays_here()}</p> }.into_any()
                }}
            </div>
        </div>
    }
}

#[component]
fn TokenForm(id: ClassroomId) -> impl IntoView {
    let link = use_link();
    let token = RwSignal::new(String::new());
    let problem = RwSignal::new(None::<Problem>);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        problem.set(None);
        let token = token.get_untracked().trim().to_owned();
        link.ask(Command::FoundToken { classroom: id, token }, move |answer| {
            problem.try_set(answer.err());
        });
    };
    view! {
        <p>{say().found_token_text()}</p>
        <form class="inline-form" on:submit=submit>
            <div class="field">
                <label for="found-token">{say().found_token()}</label>
                <input
                    id="found-token"
                    type="text"
                    dir="ltr"
                    required
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    on:input=move |event| token.set(event_target_value(&event))
                />
            </div>
            <button type="submit" class="button">
                {say().found_token_send()}
            </button>
        </form>
        <ProblemLine problem />
    }
}
