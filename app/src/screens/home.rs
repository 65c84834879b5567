//! One's classrooms; for a newcomer, what Meridian is.

use leptos::prelude::*;
use replica::command::Command;
use replica::view::{Summary, Waiting};

use crate::components::carry::{CarriedLine, ExportButton, ImportButton, carried};
use crate::components::icon::{Letter, Meridians, Plus};
use crate::components::work_badge::WorkBadge;
use crate::link::use_link;
use crate::messages::say;
use crate::{paths, reasons};

#[component]
pub(crate) fn HomeScreen() -> impl IntoView {
    let link = use_link();
    let own = Memo::new(move |_| {
        link.home.with(|home| {
            home.as_ref()
                .map(|home| (home.classrooms.clone(), home.waiting.clone()))
        })
    });
    let is_new = Memo::new(move |_| {
        own.with(|own| {
            own.as_ref()
                .map(|(classrooms, waiting)| classrooms.is_empty() && waiting.is_empty())
        })
    });
    move || match is_new.get() {
        // A moment, while the replica starts.
        None => ().into_any(),
        Some(true) => view! { <Welcome /> }.into_any(),
        Some(false) => view! { <Classrooms own /> }.into_any(),
    }
}

#[component]
fn Welcome() -> impl IntoView {
    view! {
        <section class="welcome">
            <Meridians />
            <div class="welcome-words">
                <h1>{say().welcome_title()}</h1>
                <p class="lead">{say().welcome_text()}</p>
                <Actions has_classrooms=false />
                <p class="hint">{say().welcome_private()}</p>
            </div>
        </section>
    }
}

#[component]
fn Actions(has_classrooms: bool) -> impl IntoView {
    let carrying = carried();
    view! {
        <div class="home-carrying">
            <div class="actions home-actions">
                <a class="button button-main" href=paths::NEW>
                    <Plus />
                    {say().create_a_classroom()}
                </a>
                <a class="button" href=paths::JOIN>
                    <Letter />
                    {say().join_with_an_invite()}
                </a>
                <ImportButton progress=carrying />
                {has_classrooms
                    .then(|| view! { <ExportButton progress=carrying command=Command::Export { classroom: None } /> })}
            </div>
            <CarriedLine progress=carrying />
        </div>
    }
}

#[component]
fn Classrooms(own: Memo<Option<(Vec<Summary>, Vec<Waiting>)>>) -> impl IntoView {
    let cards = move || {
        let (classrooms, waiting) = own.get().unwrap_or_default();
        let mut cards: Vec<AnyView> = Vec::new();
        for classroom in classrooms {
            cards.push(view! { <ClassroomCard classroom /> }.into_any());
        }
        for waiting in waiting {
            cards.push(view! { <WaitingCard waiting /> }.into_any());
        }
        cards
    };
    view! {
        <section class="screen">
            <div class="screen-head">
                <h1 id="classrooms">{say().your_classrooms()}</h1>
                <Actions has_classrooms=true />
            </div>
            <ul class="cards" aria-labelledby="classrooms">
                {cards}
            </ul>
        </section>
    }
}

/// A classroom that this person asked to be let into; its name shows only when they are in.
#[component]
fn WaitingCard(waiting: Waiting) -> impl IntoView {
    view! {
        <li class="card card-link">
            <h2>
                <a href=paths::classroom(waiting.id)>{say().waiting_card()}</a>
            </h2>
            <p class="card-foot">{say().invited_as(reasons::role(waiting.role))}</p>
        </li>
    }
}

#[component]
fn ClassroomCard(classroom: Summary) -> impl IntoView {
    let schools = classroom
        .schools
        .into_iter()
        .map(|school| view! { <li><bdi>{school}</bdi></li> })
        .collect_view();
    view! {
        <li class="card card-link">
            <h2>
                <a href=paths::classroom(classroom.id)><bdi>{classroom.name}</bdi></a>
            </h2>
            <ul class="school-names">{schools}</ul>
            <p class="card-foot">
                <span>{say().members_count(&classroom.members.to_string())}</span>
                <WorkBadge work=classroom.work />
            </p>
        </li>
    }
}
