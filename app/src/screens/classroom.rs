//! A classroom: its schools, documents and members.

mod documents;
mod invite_dialog;
mod invites;
mod manage;
mod members;
mod more;
mod refused;
mod waiting;

use leptos::prelude::*;
use leptos_router::hooks::{use_navigate, use_params_map};
use protocol::roster::Role;
use protocol::{ClassroomId, SpaceId};
use replica::command::{Answer, Command, Problem};
use replica::view::{Classroom, School};

use self::documents::Documents;
pub(crate) use self::documents::started_anew_by;
pub(crate) use self::invite_dialog::MadeInvites;
use self::invite_dialog::{InviteDialog, roles_to_invite};
use self::invites::{Invites, Requests};
use self::members::Members;
use self::more::More;
use self::refused::Refused;
use self::waiting::WaitingToBeLetIn;
use super::create::ProblemLine;
use crate::components::carry::{CarriedLine, ExportButton, ImportButton, carried};
use crate::components::icon::{Letter, Plus};
use crate::components::local_time::{Clock, LocalTime};
use crate::link::use_link;
use crate::messages::say;
use crate::{countries, paths};

#[component]
pub(crate) fn ClassroomScreen() -> impl IntoView {
    let link = use_link();
    let params = use_params_map();
    let id =
        Memo::new(move |_| params.with(|params| params.get("id").and_then(|id| ClassroomId::from_hex(&id))));
    // Only whether it is there: the parts of the screen follow their own parts of the view.
    let known = Memo::new(move |_| {
        let id = id.get()?;
        link.classrooms
            .with(|classrooms| classrooms.contains_key(&id))
            .then_some(id)
    });
    let started = Memo::new(move |_| link.home.with(Option::is_some));
    let listed = Memo::new(move |_| {
        link.home.with(|home| {
            let mut classrooms = home.iter().flat_map(|home| &home.classrooms);
            classrooms.any(|classroom| Some(classroom.id) == id.get())
        })
    });
    let waiting = Memo::new(move |_| {
        link.home.with(|home| {
            let mut waiting = home.iter().flat_map(|home| &home.waiting);
            waiting.find(|waiting| Some(waiting.id) == id.get()).cloned()
        })
    });
    move || match (known.get(), waiting.get()) {
        (Some(id), _) => view! { <Known id /> }.into_any(),
        (None, Some(waiting)) => view! { <WaitingToBeLetIn waiting /> }.into_any(),
        (None, None) if started.get() && !listed.get() => view! { <Unknown /> }.into_any(),
        (None, None) => view! { <p class="screen waiting">{say().opening_classroom()}</p> }.into_any(),
    }
}

#[component]
fn Unknown() -> impl IntoView {
    view! {
        <section class="screen screen-narrow">
            <h1>{say().no_such_classroom()}</h1>
            <p class="lead">{say().no_such_classroom_hint()}</p>
            <div class="form-foot">
                <a class="button button-main" href=paths::JOIN>
                    {say().join_with_an_invite()}
                </a>
                <a class="button button-quiet" href=paths::HOME>
                    {say().back_home()}
                </a>
            </div>
        </section>
    }
}

#[component]
fn Known(id: ClassroomId) -> impl IntoView {
    let name = part(id, |classroom| classroom.name.clone());
    let role = part(id, |classroom| Some(classroom.role));
    let refused = part(id, |classroom| {
        let with_all = |refusal| (refusal, classroom.all_refused);
        classroom.refused.map(with_all)
    });
    let kept_aside = part(id, |classroom| classroom.kept_aside);
    let closed = part(id, |classroom| classroom.closed);
    let removed = part(id, |classroom| classroom.removed);
    let may_write =
        Memo::new(move |_| role.get().is_some_and(Role::may_write) && !closed.get() && !removed.get());
    let may_invite = Memo::new(move |_| {
        role.get().is_some_and(|role| !roles_to_invite(role).is_empty()) && !removed.get()
    });
    let inviting = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);
    let carrying = carried();

    view! {
        <section class="screen">
            <div class="screen-head">
                <h1>
                    <bdi>{name}</bdi>
                </h1>
                <div class="actions">
                    <Show when=move || may_write.get()>
                        <NewPage id problem />
                    </Show>
                    <Show when=move || may_invite.get()>
                        <button type="button" class="button" on:click=move |_| inviting.set(true)>
                            <Letter />
                            {say().invite()}
                        </button>
                    </Show>
                    <More id problem />
                </div>
            </div>
            <ProblemLine problem />
            // That the relay takes nothing from who is no member goes without saying.
            {move || {
                let shown = refused.get().filter(|_| !removed.get());
                shown.map(|(refusal, all)| view! { <Refused id refusal all /> })
            }}
            {move || {
                let sentence = if removed.get() {
                    Some(say().you_left())
                } else {
                    closed.get().then(|| say().classroom_closed())
                };
                sentence.map(|sentence| view! { <p class="notice notice-inline">{sentence}</p> })
            }}
            <Schools id />
            <Requests id />
            <div class="columns">
                <Documents id may_write />
                <div class="column">
                    <Members id />
                    <Invites id />
                </div>
            </div>
            {move || {
                let count = kept_aside.get();
                (count > 0)
                    .then(|| {
                        view! {
                            <a class="button button-quiet" href=paths::aside(id)>
                                {say().kept_aside(&count.to_string())}
                            </a>
                        }
                    })
            }}
            <section class="files">
                <p class="hint">{say().bundle_hint()}</p>
                <div class="actions">
                    <ExportButton progress=carrying command=Command::Export { classroom: Some(id) } />
                    <ImportButton progress=carrying />
                </div>
                <CarriedLine progress=carrying />
            </section>
            <Show when=move || inviting.get()>
                {move || role.get().map(|role| view! { <InviteDialog id name role open=inviting /> })}
            </Show>
        </section>
    }
}

/// One part of a classroom's view, told only when it changes.
fn part<T>(id: ClassroomId, of: impl Fn(&Classroom) -> T + Send + Sync + 'static) -> Memo<T>
where
    T: PartialEq + Default + Send + Sync + 'static,
{
    let link = use_link();
    Memo::new(move |_| {
        link.classrooms
            .with(|classrooms| classrooms.get(&id).map(&of).unwrap_or_default())
    })
}

#[component]
fn NewPage(id: ClassroomId, problem: RwSignal<Option<Problem>>) -> impl IntoView {
    let make = make_page(id, None, problem);
    view! {
        <button type="button" class="button button-main" on:click=move |_| make()>
            <Plus />
            {say().new_page()}
        </button>
    }
}

/// Makes a page in a space, or in everyone's, and goes there.
fn make_page(
    id: ClassroomId,
    space: Option<SpaceId>,
    problem: RwSignal<Option<Problem>>,
) -> impl Fn() + Clone {
    let link = use_link();
    let navigate = use_navigate();
    let busy = StoredValue::new(false);
    move || {
        if busy.get_value() {
            return;
        }
        busy.set_value(true);
        problem.set(None);
        let navigate = navigate.clone();
        link.ask(Command::NewPage { classroom: id, space }, move |answer| {
            busy.try_set_value(false);
            match answer {
                Ok(Answer::Document(document)) => navigate(&paths::page(id, document), Default::default()),
                Ok(_) => {
                    problem.try_set(Some(Problem::Internal));
                }
                Err(reason) => {
                    problem.try_set(Some(reason));
                }
            }
        });
    }
}

/// The schools, with what time it is at each.
#[component]
fn Schools(id: ClassroomId) -> impl IntoView {
    let schools = part(id, |classroom| classroom.schools.clone());
    let clock = Clock::start();
    let school = move |school: School| {
        let country = countries::name(&school.country);
        view! {
            <li class="school">
                <strong>
                    <bdi>{school.name}</bdi>
                </strong>
                <span>{country}</span>
                <LocalTime zone=school.time_zone clock />
            </li>
        }
    };
    view! {
        <ul class="schools" aria-label=say().schools()>
            {move || schools.get().into_iter().map(school).collect_view()}
        </ul>
    }
}
