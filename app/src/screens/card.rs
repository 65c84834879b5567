//! The login card: the twelve words that are the only way back in.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_params_map};
use protocol::ClassroomId;
use replica::command::{Answer, Command, Problem};

use super::create::ProblemLine;
use crate::components::copy_button::CopyButton;
use crate::components::icon::Mark;
use crate::components::qr_code::QrCode;
use crate::link::{Link, use_link};
use crate::messages::say;
use crate::paths;

/// The way into a classroom just founded or joined: past the card, until it is kept.
pub(crate) fn path_into(link: Link, classroom: ClassroomId) -> String {
    let kept = link
        .home
        .with_untracked(|home| home.as_ref().is_some_and(|home| home.card_kept));
    if kept {
        paths::classroom(classroom)
    } else {
        paths::card_then(classroom)
    }
}

#[component]
pub(crate) fn CardScreen() -> impl IntoView {
    let link = use_link();
    let navigate = use_navigate();
    let next = use_params_map()
        .with_untracked(|params| params.get("id").and_then(|id| ClassroomId::from_hex(&id)))
        .map_or(paths::HOME.to_owned(), paths::classroom);
    let words = RwSignal::new(None::<String>);
    let kept = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    link.ask(Command::Card, move |answer| match answer {
        Ok(Answer::Card(card)) => words.set(Some(card)),
        Ok(_) => problem.set(Some(Problem::Internal)),
        Err(reason) => problem.set(Some(reason)),
    });

    let keep = move || {
        kept.set(true);
        link.tell(Command::CardKept);
    };
    let print = move |_| match window().print() {
        Ok(()) => keep(),
        Err(error) => leptos::logging::error!("not printed: {error:?}"),
    };
    let leave = move |_| {
        navigate(
            &next,
            NavigateOptions {
                replace: true,
                ..Default::default()
            },
        );
    };

    view! {
        <section class="screen screen-narrow">
            <h1>{say().card_title()}</h1>
            <p class="lead">{say().card_only_way()}</p>
            <p class="no-print">{say().card_how()}</p>
            <ProblemLine problem />
            {move || words.get().map(|words| view! { <LoginCard words /> })}
            <div class="form-foot no-print">
                <button type="button" class="button button-main" on:click=print>
                    {say().print()}
                </button>
                <CopyButton text=move || words.get_untracked().unwrap_or_default() on_copied=keep />
                <button type="button" class="button button-quiet" on:click=leave>
                    {move || if kept.get() { say().done() } else { say().later() }}
                </button>
            </div>
        </section>
    }
}

#[component]
fn LoginCard(words: String) -> impl IntoView {
    let list = words
        .split_whitespace()
        .map(|word| view! { <li translate="no">{word.to_owned()}</li> })
        .collect_view();
    view! {
        <div class="login-card">
            <div class="login-card-head">
                <Mark />
                <span>{say().app_name()}</span>
            </div>
            <ol class="words" aria-label=say().card_words()>
                {list}
            </ol>
            <QrCode text=words label=say().card_qr() />
        </div>
    }
}
