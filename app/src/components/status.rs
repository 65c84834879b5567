//! The region `Sync`: whether there is a connection, and where the newest work is.

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use replica::view::{self, Work};

use crate::link::{Link, use_link};
use crate::messages::say;
use crate::paths::{self, Screen};
use crate::sync;

/// On a page it speaks of the page, in a classroom of the classroom, and elsewhere of everything.
#[component]
pub(crate) fn Status() -> impl IntoView {
    let link = use_link();
    let path = use_location().pathname;
    let work = Memo::new(move |_| path.with(|path| work_of(link, paths::screen(path))));
    let connection = Memo::new(move |_| link.home.with(|home| home.as_ref().map(|home| home.link)));
    let class = move || {
        let work = work.get().map_or("", sync::class);
        let offline = if connection.get() == Some(view::Link::Offline) {
            "offline"
        } else {
            ""
        };
        format!("status {work} {offline}")
    };
    // Every flush changes the text: a screen reader would never be silent. `Announcements` says what matters.
    view! {
        <div role="status" aria-live="off" aria-label=say().sync() class=class>
            {move || sync::text(connection.get(), work.get())}
        </div>
    }
}

/// Says aloud when the connection goes and comes.
#[component]
pub(crate) fn Announcements() -> impl IntoView {
    let link = use_link();
    let connection = Memo::new(move |_| link.home.with(|home| home.as_ref().map(|home| home.link)));
    let said = RwSignal::new("");
    Effect::new(move |before: Option<Option<view::Link>>| {
        let now = connection.get();
        match (before.flatten(), now) {
            (Some(view::Link::Online), Some(view::Link::Offline)) => said.set(say().now_offline()),
            (Some(view::Link::Offline), Some(view::Link::Online)) => said.set(say().now_online()),
            _ => {}
        }
        now
    });
    view! {
        <div class="off-screen" aria-live="polite">
            {said}
        </div>
    }
}

/// `None` while nothing is known of what the screen shows.
fn work_of(link: Link, screen: Screen) -> Option<Work> {
    link.local_work.with(|local| {
        let local_of = |matches: &dyn Fn(&crate::link::Place) -> bool| {
            local
                .iter()
                .filter(|(place, _)| matches(place))
                .map(|(_, work)| *work)
                .collect::<Vec<_>>()
        };
        match screen {
            Screen::Page(place) => {
                let document = link.classrooms.with(|classrooms| {
                    let documents = &classrooms.get(&place.0)?.documents;
                    documents
                        .iter()
                        .find(|document| document.id == place.1)
                        .map(|document| document.work)
                })?;
                Some(sync::worst([document], local_of(&|other| *other == place)))
            }
            Screen::Classroom(id) => {
                let work = link
                    .classrooms
                    .with(|classrooms| classrooms.get(&id).map(|classroom| classroom.work))?;
                Some(sync::worst([work], local_of(&|other| other.0 == id)))
            }
            Screen::Other => link.home.with(|home| {
                let classrooms = home.as_ref()?.classrooms.iter().map(|classroom| classroom.work);
                Some(sync::worst(classrooms, local_of(&|_| true)))
            }),
        }
    })
}
