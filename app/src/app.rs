//! The tab: what is there on every screen, and which screen is at which address.

use leptos::mount::mount_to_body;
use leptos::prelude::*;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::path;
use wasm_bindgen::JsCast;
use web_sys::{BeforeUnloadEvent, Event, PageTransitionEvent};

use crate::components::dialog::{AskedQuestion, Questions};
use crate::components::header::Header;
use crate::components::notices::Notices;
use crate::envelope::ToWorker;
use crate::link::Link;
use crate::page::session::Sessions;
use crate::screens::aside::AsideScreen;
use crate::screens::card::CardScreen;
use crate::screens::classroom::{ClassroomScreen, MadeInvites};
use crate::screens::create::CreateScreen;
use crate::screens::home::HomeScreen;
use crate::screens::join::JoinScreen;
use crate::screens::not_found::NotFoundScreen;
use crate::screens::page::PageScreen;
use crate::service_worker::{NewVersion, ask_for_persistent_storage, reload};
use crate::sync::LocalWork;
use crate::{intl, messages};

/// Starts the app in this tab.
pub(crate) fn start() {
    let language = messages::choose(&intl::preferred_languages());
    if let Some(root) = document().document_element() {
        for (name, value) in [("lang", language.tag()), ("dir", language.direction())] {
            if let Err(error) = root.set_attribute(name, value) {
                leptos::logging::error!("{name} could not be set: {error:?}");
            }
        }
    }
    mount_to_body(App);
}

#[component]
fn App() -> impl IntoView {
    let link = Link::start();
    let sessions = Sessions::new();
    provide_context(link);
    provide_context(sessions);
    provide_context(MadeInvites::new());
    provide_context(Questions::new());
    provide_context(NewVersion::watch());
    keep_what_is_there(link);
    watch_the_network(link);
    lose_nothing_at_the_end(link, sessions);

    view! {
        <Router>
            <Header />
            <Notices />
            <main id="content" tabindex="-1">
                <Routes fallback=NotFoundScreen>
                    <Route path=path!("/") view=HomeScreen />
                    <Route path=path!("/new") view=CreateScreen />
                    <Route path=path!("/join") view=JoinScreen />
                    <Route path=path!("/card") view=CardScreen />
                    <Route path=path!("/card/:id") view=CardScreen />
                    <Route path=path!("/classroom/:id") view=ClassroomScreen />
                    <Route path=path!("/classroom/:id/aside") view=AsideScreen />
                    <Route path=path!("/classroom/:id/page/:document") view=PageScreen />
                </Routes>
            </main>
            <AskedQuestion />
        </Router>
    }
}

/// Asks for persistent storage, once there is something to keep.
fn keep_what_is_there(link: Link) {
    let has_classroom = Memo::new(move |_| {
        link.home
            .with(|home| home.as_ref().is_some_and(|home| !home.classrooms.is_empty()))
    });
    Effect::new(move || {
        if has_classroom.get() {
            ask_for_persistent_storage();
        }
    });
}

fn watch_the_network(link: Link) {
    for (event, there) in [("online", true), ("offline", false)] {
        window_event_listener_untyped(event, move |_| link.notify(&ToWorker::Network(there)));
    }
}

/// Whether the browser keeps, or kept, this page for going back.
fn is_kept(event: &Event) -> bool {
    event
        .dyn_ref::<PageTransitionEvent>()
        .is_some_and(PageTransitionEvent::persisted)
}

/// Hands over what was typed when the tab may go away, and warns while it is not stored.
fn lose_nothing_at_the_end(link: Link, sessions: Sessions) {
    link.on_hand_over(move || sessions.flush());
    let on_turn = move |_: Event| {
        sessions.turn(!document().hidden());
        sessions.flush();
    };
    window_event_listener_untyped("visibilitychange", on_turn);
    window_event_listener_untyped("pagehide", move |event| {
        sessions.flush();
        link.notify(&ToWorker::Closing);
        // A page that the browser keeps for going back is frozen. If its worker is just making the store then, no other page ever gets
        // at that. There is nothing yet to lose.
        if is_kept(&event) && !link.has_started() {
            link.stop();
        }
    });
    window_event_listener_untyped("pageshow", move |event| {
        if is_kept(&event) && !link.has_started() {
            reload();
        }
    });
    window_event_listener(leptos::ev::beforeunload, move |event: BeforeUnloadEvent| {
        sessions.flush();
        let local = link
            .local_work
            .with_untracked(|work| work.values().any(|work| *work != LocalWork::Durable));
        if local || untrack(|| link.is_full()) {
            event.prevent_default();
        }
    });
}
