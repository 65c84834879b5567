//! A page: its title, its text, and who is on it.

mod announcer;
mod comments;
mod document_menu;
mod files;
mod history;
mod language;
mod link_dialog;
mod people;
mod picture_dialog;
mod reading;
mod title_field;
mod toolbar;

use std::rc::Rc;

use leptos::html::Div;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate, use_params_map};
use protocol::{ClassroomId, DocumentId};
use replica::view::Classroom;
use web_sys::KeyboardEvent;

use self::announcer::Announcer;
use self::comments::{Comments, CommentsButton, CommentsPanel};
use self::document_menu::DocumentMenu;
use self::files::{Writing, WritingLine};
use self::history::{HistoryButton, HistoryDialog, Showing, UnseenNotice};
use self::people::People;
use self::reading::{Reading, ReadingPanels, ReadingTools};
use self::title_field::TitleField;
use self::toolbar::Toolbar;
use super::classroom::started_anew_by;
use super::create::ProblemLine;
use crate::components::icon::Back;
use crate::link::{Place, use_link};
use crate::messages::say;
use crate::page::session::{Phase, Session, Sessions};
use crate::{paths, reasons};

/// The session of this screen, for its parts.
pub(crate) type Open = StoredValue<Rc<Session>, LocalStorage>;

#[component]
pub(crate) fn PageScreen() -> impl IntoView {
    let params = use_params_map();
    let place = Memo::new(move |_| {
        params.with(|params| {
            let classroom = ClassroomId::from_hex(&params.get("id")?)?;
            let document = DocumentId::from_hex(&params.get("document")?)?;
            Some((classroom, document))
        })
    });
    move || match place.get() {
        Some(place) => view! { <OpenPage place /> }.into_any(),
        None => view! { <p class="screen waiting">{say().page_unknown()}</p> }.into_any(),
    }
}

#[component]
fn OpenPage(place: Place) -> impl IntoView {
    let link = use_link();
    let sessions: Sessions = expect_context();
    let session = sessions.open(link, place);
    let open: Open = StoredValue::new_local(session.clone());
    on_cleanup({
        let session = leptos::__reexports::send_wrapper::SendWrapper::new(session.clone());
        move || session.leave()
    });

    let (classroom, document) = place;
    let access = Memo::new(move |_| {
        link.classrooms
            .with(|classrooms| classrooms.get(&classroom).map(|view| Access::of(view, document)))
    });
    let known = Memo::new(move |_| access.with(Option::is_some));
    // What can't be stored is better not typed.
    let stores = Memo::new(move |_| !link.outdated.get() && !link.is_full());
    let editable = Memo::new(move |_| stores.get() && access.get().is_some_and(|access| access.writes));
    let led_here = use_location().search;
    let late = Memo::new(move |_| {
        let count = access
            .get()
            .filter(|access| !access.writes)
            .map(|access| access.kept_aside);
        Late {
            classroom,
            count: count.unwrap_or_default(),
        }
    });
    let note = Memo::new(move |_| {
        let note = access.get().and_then(|access| access.note);
        if note.is_some() || !led_here.with(|search| search.contains(paths::ANEW)) {
            return note.map(str::to_owned);
        }
        link.classrooms.with(|classrooms| {
            let name = started_anew_by(classrooms.get(&classroom)?, document)?;
            Some(say().page_started_anew(&name))
        })
    });
    // Leaving the page hands over what was typed, to be carried over.
    let navigate = use_navigate();
    Effect::new(move || {
        if let Some(successor) = access.get().and_then(|access| access.successor) {
            let options = NavigateOptions {
                replace: true,
                ..NavigateOptions::default()
            };
            navigate(&paths::anew(classroom, successor), options);
        }
    });
    let classroom_name = Memo::new(move |_| {
        let name = link
            .classrooms
            .with(|classrooms| classrooms.get(&classroom).map(|view| view.name.clone()));
        name.unwrap_or_else(|| say().the_classroom().to_owned())
    });
    let known_kind = Memo::new(move |_| {
        link.classrooms.with(|classrooms| {
            let documents = classrooms
                .get(&classroom)
                .map(|view| view.documents.as_slice())
                .unwrap_or_default();
            documents
                .iter()
                .find(|other| other.id == document)
                .is_none_or(|document| document.known_kind)
        })
    });
    let phase = RwSignal::from(session.phase.clone());
    let problem = RwSignal::new(None);
    let writing = RwSignal::new(Writing::Idle);
    let comments = Comments::new(open, place, editable);
    let showing: Showing = RwSignal::new(None);
    let is_ready = Memo::new(move |_| known_kind.get() && known.get() && phase.get() == Phase::Ready);
    let reading = Reading::new();
    let on_key = move |event: KeyboardEvent| {
        comments::on_key(open, editable, &event);
        reading.on_key(open, &event);
    };

    view! {
        <section class="page-screen" on:keydown=on_key>
            <div class="page-bar">
                <a
                    class="button button-quiet back"
                    href=paths::classroom(classroom)
                    aria-label=move || say().back_to_classroom(&classroom_name.get())
                >
                    <Back />
                    <bdi class="back-name">{classroom_name}</bdi>
                </a>
                <People open />
                <CommentsButton comments />
                <Show when=move || is_ready.get()>
                    <HistoryButton showing />
                </Show>
                {move || is_ready.get().then(|| view! { <ReadingTools open reading /> })}
                <DocumentMenu place open editable problem writing reading />
            </div>
            <ProblemLine problem />
            <WritingLine writing />
            <Show when=move || is_ready.get()>
                <UnseenNotice open place showing />
            </Show>
            {move || match (known_kind.get(), phase.get(), known.get()) {
                (false, ..) => waiting(say().page_newer()),
                (_, Phase::Ready, true) => view! { <Sheet open editable note late reading comments /> }.into_any(),
                (_, Phase::NotHere, _) => waiting(say().page_not_arrived()),
                (_, Phase::Failed(problem), _) => waiting(&reasons::problem(problem)),
                (_, Phase::Broken, _) => waiting(say().page_broken()),
                (_, Phase::Opening | Phase::Ready, _) => waiting(say().opening_page()),
            }}
            <CommentsPanel comments />
            {move || {
                showing.get().map(|since| view! { <HistoryDialog open place editable showing since /> })
            }}
        </section>
    }
}

/// What this person may do on a page.
#[derive(Clone, Copy, PartialEq)]
struct Access {
    writes: bool,
    /// What there is to say of it.
    note: Option<&'static str>,
    kept_aside: u32,
    /// The page was started anew as this one.
    successor: Option<DocumentId>,
}

impl Access {
    fn of(classroom: &Classroom, id: DocumentId) -> Self {
        let document = classroom.documents.iter().find(|document| document.id == id);
        let locked = document.is_some_and(|document| document.locked);
        let note = if classroom.removed {
            Some(say().you_left())
        } else if classroom.closed {
            Some(say().classroom_closed())
        } else if !classroom.role.may_write() {
            Some(say().read_only())
        } else if locked && classroom.role.is_staff() {
            Some(say().page_locked_staff())
        } else if locked {
            Some(say().page_locked())
        } else {
            None
        };
        let successor = classroom.erased.iter().find(|erased| erased.document == id);
        Self {
            writes: document.map_or(classroom.role.may_write(), |document| document.may_write),
            note,
            kept_aside: classroom.kept_aside,
            successor: successor.map(|erased| erased.successor),
        }
    }
}

/// How much is kept aside of a classroom whose page one can't write on.
#[derive(Clone, Copy, PartialEq)]
struct Late {
    classroom: ClassroomId,
    count: u32,
}

fn waiting(sentence: &str) -> AnyView {
    view! { <p class="waiting">{sentence.to_owned()}</p> }.into_any()
}

/// The sheet of paper.
#[component]
fn Sheet(
    open: Open,
    editable: Memo<bool>,
    note: Memo<Option<String>>,
    late: Memo<Late>,
    reading: Reading,
    comments: Comments,
) -> impl IntoView {
    let host = NodeRef::<Div>::new();
    let failed = RwSignal::new(false);
    Effect::new(move || {
        if let Some(host) = host.get()
            && let Err(error) = open.get_value().show(&host, editable.get_untracked())
        {
            leptos::logging::error!("no editor: {error:?}");
            failed.set(true);
        }
    });
    Effect::new(move || open.get_value().set_editable(editable.get()));
    let link = use_link();
    let is_online = Memo::new(move |_| link.is_online());
    Effect::new(move || {
        if is_online.get() {
            open.with_value(|session| session.pictures.ask_again());
        }
    });
    view! {
        <div class="page-tools">
            {move || editable.get().then(|| view! { <Toolbar open /> })}
            <ReadingPanels open reading editable />
        </div>
        <div class="sheet">
            {move || note.get().map(|note| view! { <p class="hint read-only">{note}</p> })}
            {move || {
                let Late { classroom, count } = late.get();
                (count > 0)
                    .then(|| {
                        view! {
                            <p class="hint read-only">
                                {say().came_too_late()} " "
                                <a href=paths::aside(classroom)>{say().kept_aside(&count.to_string())}</a>
                            </p>
                        }
                    })
            }}
            <TitleField open editable />
            <Show when=move || failed.get()>
                <p class="problem" role="alert">{say().editor_missing()}</p>
            </Show>
            <div class="editor-host" node_ref=host></div>
            <Announcer open comments />
        </div>
    }
}
