//! What everybody must know, whatever screen they are on.

use leptos::prelude::*;

use crate::link::use_link;
use crate::messages::say;
use crate::service_worker::{NewVersion, reload};
use crate::{paths, reasons};

/// Seconds that a clock may be wrong before it is said.
const TOLERATED_SKEW: u64 = 5 * 60;

#[component]
pub(crate) fn Notices() -> impl IntoView {
    view! {
        <div class="notices">
            <StartFailed />
            <NotSaved />
            <Outdated />
            <TurnedAway />
            <ClockSkew />
            <PictureGivenUp />
            <CardReminder />
            <NewVersionReady />
        </div>
    }
}

#[component]
fn StartFailed() -> impl IntoView {
    let link = use_link();
    view! {
        <Show when=move || link.broken.get() && !link.outdated.get()>
            <div class="notice notice-alarm" role="alert">
                <p>
                    <strong>{say().start_failed()}</strong>
                    " "
                    {say().start_failed_hint()}
                </p>
                <button type="button" class="button" on:click=|_| reload()>
                    {say().reload()}
                </button>
            </div>
        </Show>
    }
}

#[component]
fn NotSaved() -> impl IntoView {
    let link = use_link();
    let not_saved = Memo::new(move |_| link.is_full() && !link.outdated.get());
    let sentence = move || match link.problem.get() {
        Some(problem) => say().not_saved_because(&reasons::problem(problem)),
        None => say().not_saved_storage_full().to_owned(),
    };
    view! {
        <Show when=move || not_saved.get()>
            <div class="notice notice-alarm" role="alert">
                <p>{sentence}</p>
            </div>
        </Show>
    }
}

/// Another tab runs a newer version, which this one must make way for.
#[component]
fn Outdated() -> impl IntoView {
    let link = use_link();
    let version: NewVersion = expect_context();
    let not_saved = Memo::new(move |_| link.is_full());
    view! {
        <Show when=move || link.outdated.get()>
            <div class="notice notice-alarm" role="alert">
                <p>
                    <strong>{say().new_version()}</strong>
                    " "
                    {say().outdated()}
                    {move || not_saved.get().then(|| view! { " " {say().outdated_unsaved()} })}
                </p>
                <button type="button" class="button" on:click=move |_| version.use_it()>
                    {say().reload()}
                </button>
            </div>
        </Show>
    }
}

/// Why there is no connection, if the relay says so.
#[component]
fn TurnedAway() -> impl IntoView {
    let link = use_link();
    let refused = Memo::new(move |_| link.home.with(|home| home.as_ref().and_then(|home| home.refused)));
    let notice = move || {
        let sentence = reasons::refusal(refused.get()?);
        Some(view! {
            <div class="notice" role="status" aria-label=say().offline()>
                <p>{sentence}</p>
            </div>
        })
    };
    view! { {notice} }
}

#[component]
fn ClockSkew() -> impl IntoView {
    let link = use_link();
    let dismissed = RwSignal::new(false);
    let skewed = Memo::new(move |_| {
        let skew = link
            .home
            .with(|home| home.as_ref().and_then(|home| home.clock_skew));
        skew.is_some_and(|seconds| seconds.unsigned_abs() > TOLERATED_SKEW)
    });
    view! {
        <Show when=move || skewed.get() && !dismissed.get()>
            <div class="notice" role="status" aria-label=say().clock()>
                <p>{say().clock_skew()}</p>
                <button type="button" class="button" on:click=move |_| dismissed.set(true)>
                    {say().dismiss()}
                </button>
            </div>
        </Show>
    }
}

/// What somebody chose or typed for a picture is nowhere: that must not stay unsaid.
#[component]
fn PictureGivenUp() -> impl IntoView {
    let link = use_link();
    let given_up = link.picture_given_up;
    view! {
        <Show when=move || given_up.get()>
            <div class="notice" role="alert">
                <p>{say().picture_given_up()}</p>
                <button type="button" class="button" on:click=move |_| given_up.set(false)>
                    {say().dismiss()}
                </button>
            </div>
        </Show>
    }
}

/// Quiet, until the card was printed or copied; not where one writes.
#[component]
fn CardReminder() -> impl IntoView {
    let link = use_link();
    let path = leptos_router::hooks::use_location().pathname;
    let at_home = Memo::new(move |_| path.with(|path| path == paths::HOME));
    let not_kept = Memo::new(move |_| {
        link.home.with(|home| {
            home.as_ref()
                .is_some_and(|home| home.me.is_some() && !home.card_kept)
        })
    });
    view! {
        <Show when=move || not_kept.get() && at_home.get()>
            <div class="notice">
                <p>{say().card_reminder()}</p>
                <a class="button" href=paths::CARD>
                    {say().show_card()}
                </a>
            </div>
        </Show>
    }
}

#[component]
fn NewVersionReady() -> impl IntoView {
    let link = use_link();
    let version: NewVersion = expect_context();
    view! {
        <Show when=move || version.ready.get() && !link.outdated.get()>
            <div class="notice notice-new" role="status" aria-label=say().new_version()>
                <p>{say().new_version()}</p>
                <button type="button" class="button" on:click=move |_| version.use_it()>
                    {say().use_new_version()}
                </button>
            </div>
        </Show>
    }
}
