//! One's classrooms; for a newcomer, what Meridian is.

use leptos::prelude::*;
use replica::view::Summary;

use crate::components::icon::{Letter, Meridians, Plus};
use crate::components::work_badge::WorkBadge;
use crate::link::use_link;
use crate::messages::say;
use crate::paths;

#[component]
pub(crate) fn HomeScreen() -> impl IntoView {
    let link = use_link();
    let classrooms = Memo::new(move |_| {
        link.home
            .with(|home| home.as_ref().map(|home| home.classrooms.clone()))
    });
    move || match classrooms.get() {
        // A moment, while the replica starts.
        None => ().into_any(),
        Some(classrooms) if classrooms.is_empty() => view! { <Welcome /> }.into_any(),
        Some(classrooms) => view! { <Classrooms classrooms /> }.into_any(),
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
                <Actions />
                <p class="hint">{say().welcome_private()}</p>
            </div>
        </section>
    }
}

#[component]
fn Actions() -> impl IntoView {
    view! {
        <div class="actions">
            <a class="button button-main" href=paths::NEW>
                <Plus />
                {say().create_a_classroom()}
            </a>
            <a class="button" href=paths::JOIN>
                <Letter />
                {say().join_with_an_invite()}
            </a>
        </div>
    }
}

#[component]
fn Classrooms(classrooms: Vec<Summary>) -> impl IntoView {
    view! {
        <section class="screen">
            <div class="screen-head">
                <h1 id="classrooms">{say().your_classrooms()}</h1>
                <Actions />
            </div>
            <ul class="cards" aria-labelledby="classrooms">
                {classrooms.into_iter().map(|classroom| view! { <ClassroomCard classroom /> }).collect_view()}
            </ul>
        </section>
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
