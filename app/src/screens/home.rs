//! One's classrooms; for a newcomer, what Meridian is.

use leptos::prelude::*;
use replica::command::Command;
use replica::view::{Home, Summary, Unopened, Waiting};

use crate::components::carry::{CarriedLine, ExportButton, ImportButton, carried};
use crate::components::device::DeviceLine;
use crate::components::dialog::{Question, Questions, use_questions};
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
                <UnopenedClassrooms />
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
            {has_classrooms.then(|| view! { <DeviceLine carried=carrying /> })}
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
            <UnopenedClassrooms />
        </section>
    }
}

/// What files brought of classrooms that wait for an invite, folded away: nothing of them can be read.
#[component]
fn UnopenedClassrooms() -> impl IntoView {
    let link = use_link();
    let questions = use_questions();
    let unopened = Memo::new(move |_| {
        let of_home = |home: &Option<Home>| home.as_ref().map(|home| home.unopened.clone());
        link.home.with(of_home).unwrap_or_default()
    });
    let count = Memo::new(move |_| unopened.with(Vec::len));
    let rows = move || {
        let mut rows: Vec<AnyView> = Vec::new();
        for classroom in unopened.get() {
            rows.push(unopened_row(questions, &classroom));
        }
        rows
    };
    view! {
        <Show when=move || { count.get() > 0 }>
            <details class="panel unopened">
                <summary>{move || say().waiting_for_an_invite(&count.get().to_string())}</summary>
                <p class="hint">{say().unopened_text()}</p>
                <ul class="rows" aria-label=say().unopened()>
                    {rows}
                </ul>
            </details>
        </Show>
    }
}

fn unopened_row(questions: Questions, unopened: &Unopened) -> AnyView {
    let classroom = unopened.classroom;
    let id = classroom.to_string();
    let words_id = format!("unopened-{id}");
    let delete = move |_| {
        questions.ask(Question {
            text: vec![say().delete_unopened_text().to_owned()],
            ..Question::new(
                say().delete_unopened_title().to_owned(),
                say().delete(),
                move |_| Command::DeleteUnopened { classroom },
            )
        });
    };
    view! {
        <li class="row">
            <span class="member-words" id=words_id.clone()>
                <span class="member-name">{say().unopened_classroom(id.get(..8).unwrap_or_default())}</span>
                <span class="member-facts">{say().unopened_items(&unopened.items.to_string())}</span>
            </span>
            <span class="badge">{say().bytes(&unopened.bytes.to_string())}</span>
            <button type="button" class="button button-small" aria-describedby=words_id on:click=delete>
                {say().delete()}
            </button>
        </li>
    }
    .into_any()
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
