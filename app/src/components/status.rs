//! The region `Sync`: whether there is a connection, and where the newest work is.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::hooks::use_location;
use replica::view::{self, Work};

use crate::link::{Link, Place, use_link};
use crate::messages::say;
use crate::paths::{self, Screen};
use crate::sync::{self, Subject};

/// How long nothing was typed before better news is told. Who types on would see these words change with each letter, and each time
/// the browser would paint them just before the next letter, which then waits for another frame.
const CALM: Duration = Duration::from_millis(500);

/// On a page it speaks of the page, in a classroom of the classroom, and elsewhere of everything.
#[component]
pub(crate) fn Status() -> impl IntoView {
    let link = use_link();
    let path = use_location().pathname;
    let subject = Memo::new(move |_| path.with(|path| subject_of(link, paths::screen(path))));
    let connection = Memo::new(move |_| link.home.with(|home| home.as_ref().map(|home| home.link)));
    let shown = calmed(subject);
    let class = move || {
        let offline = connection.get() == Some(view::Link::Offline);
        match shown.get() {
            Subject::Work(work) if offline => format!("status offline {}", sync::class(work)),
            Subject::Work(work) => format!("status {}", sync::class(work)),
            Subject::Unknown | Subject::Nothing => "status".to_owned(),
        }
    };
    // Every flush changes the text: a screen reader would never be silent. `Announcements` says what matters.
    view! {
        <div role="status" aria-live="off" aria-label=say().sync() class=class>
            {move || sync::text(connection.get(), shown.get())}
        </div>
    }
}

/// What is to be saved is told at once, and that it is, once it stays so for a while.
fn calmed(subject: Memo<Subject>) -> Memo<Subject> {
    let saving = RwSignal::new(false);
    Effect::new(move |calming: Option<Option<TimeoutHandle>>| {
        if let Some(timer) = calming.flatten() {
            timer.clear();
        }
        if subject.get() == Subject::Work(Work::Saving) {
            saving.set(true);
            return None;
        }
        let is_calm = move || {
            saving.try_set(false);
        };
        saving
            .get_untracked()
            .then(|| set_timeout_with_handle(is_calm, CALM).ok())
            .flatten()
    });
    Memo::new(move |_| match subject.get() {
        Subject::Work(work) if saving.get() => Subject::Work(work.max(Work::Saving)),
        subject => subject,
    })
}

/// Says aloud when the connection goes and comes.
#[component]
pub(crate) fn Announcements() -> impl IntoView {
    let link = use_link();
    let connection = Memo::new(move |_| link.home.with(|home| home.as_ref().map(|home| home.link)));
    let said = RwSignal::new("");
    Effect::new(move |before: Option<Option<view::Link>>| {
        let now = connection.get();
        let is_there = |link: Option<view::Link>| link.is_some_and(|link| link != view::Link::Offline);
        let went = is_there(before.flatten()) && now == Some(view::Link::Offline);
        // At the start there is no connection for a moment; that is no news.
        let came_back = is_there(now) && said.with_untracked(|said| *said == say().now_offline());
        if went {
            said.set(say().now_offline());
        } else if came_back {
            said.set(say().now_online());
        }
        now
    });
    view! {
        <div class="off-screen" aria-live="polite">
            {said}
        </div>
    }
}

fn subject_of(link: Link, screen: Screen) -> Subject {
    match screen {
        Screen::Page(place) => {
            let work = link.classrooms.with(|classrooms| {
                let documents = &classrooms.get(&place.0)?.documents;
                documents
                    .iter()
                    .find(|document| document.id == place.1)
                    .map(|document| document.work)
            });
            with_local(link, work, |other| *other == place)
        }
        Screen::Classroom(id) => {
            let work = link
                .classrooms
                .with(|classrooms| classrooms.get(&id).map(|classroom| classroom.work));
            with_local(link, work, |other| other.0 == id)
        }
        Screen::Other => link.home.with(|home| match home {
            None => Subject::Unknown,
            Some(home) if home.classrooms.is_empty() => Subject::Nothing,
            Some(home) => with_local(
                link,
                home.classrooms.iter().map(|classroom| classroom.work),
                |_| true,
            ),
        }),
    }
}

/// What views say of some places, and what this tab knows of them.
fn with_local(
    link: Link,
    views: impl IntoIterator<Item = Work>,
    concerns: impl Fn(&Place) -> bool,
) -> Subject {
    let mut views = views.into_iter().peekable();
    if views.peek().is_none() {
        return Subject::Unknown;
    }
    link.local_work.with(|local| {
        let local = local
            .iter()
            .filter(|(place, _)| concerns(place))
            .map(|(_, work)| *work);
        Subject::Work(sync::worst(views, local))
    })
}
