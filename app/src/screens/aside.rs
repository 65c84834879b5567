//! What arrived in a classroom and can't be applied: kept on this device, with the reason.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use protocol::ClassroomId;
use replica::command::{Answer, Command, Problem};
use replica::view::{Classroom, KeptAside};

use super::create::ProblemLine;
use crate::components::avatar::name_in;
use crate::components::carry::{CarriedLine, ExportButton, carried};
use crate::components::icon::Back;
use crate::link::{Link, use_link};
use crate::messages::say;
use crate::{paths, reasons};

#[component]
pub(crate) fn AsideScreen() -> impl IntoView {
    let params = use_params_map();
    let id =
        Memo::new(move |_| params.with(|params| params.get("id").and_then(|id| ClassroomId::from_hex(&id))));
    move || match id.get() {
        Some(id) => view! { <Aside id /> }.into_any(),
        None => view! { <p class="screen waiting">{say().no_such_classroom()}</p> }.into_any(),
    }
}

#[component]
fn Aside(id: ClassroomId) -> impl IntoView {
    let link = use_link();
    let items = RwSignal::new(None::<Vec<KeptAside>>);
    let problem = RwSignal::new(None::<Problem>);
    let progress = carried();
    let count = Memo::new(move |_| {
        link.classrooms
            .with(|classrooms| classrooms.get(&id).map(|classroom| classroom.kept_aside))
    });
    // Asked again whenever there is more or less of it.
    Effect::new(move || {
        if count.get().is_none() {
            return;
        }
        list(link, id, 0, items, problem);
    });
    let more = move |_| {
        let listed = items.with_untracked(|items| items.as_ref().map_or(0, Vec::len));
        list(
            link,
            id,
            u32::try_from(listed).unwrap_or(u32::MAX),
            items,
            problem,
        );
    };
    let is_more = Memo::new(move |_| {
        let listed = items.with(|items| items.as_ref().map_or(0, Vec::len));
        count
            .get()
            .is_some_and(|count| (count as usize) > listed && listed > 0)
    });
    let rows = move || {
        let kept = items.get()?;
        if kept.is_empty() {
            return Some(view! { <p class="empty">{say().nothing_aside()}</p> }.into_any());
        }
        let rows: Vec<AnyView> = kept.iter().map(|item| row(link, id, item)).collect();
        Some(
            view! {
                <div class="panel">
                    <ul class="rows" aria-labelledby="aside">
                        {rows}
                    </ul>
                </div>
                <div class="actions">
                    {move || {
                        is_more
                            .get()
                            .then(|| {
                                view! {
                                    <button type="button" class="button" on:click=more>
                                        {say().more()}
                                    </button>
                                }
                            })
                    }}
                    <ExportButton progress command=Command::ExportAside { classroom: id } />
                </div>
            }
            .into_any(),
        )
    };
    let name = move || {
        let name = link
            .classrooms
            .with(|classrooms| classrooms.get(&id).map(|classroom| classroom.name.clone()));
        name.unwrap_or_else(|| say().the_classroom().to_owned())
    };
    view! {
        <section class="screen">
            <a class="button button-quiet back" href=paths::classroom(id)>
                <Back />
                <bdi>{name}</bdi>
            </a>
            <h1 id="aside">{say().aside_title()}</h1>
            <p class="lead">{say().aside_text()}</p>
            {rows}
            <ProblemLine problem />
            <CarriedLine progress />
        </section>
    }
}

/// Asks for what comes behind so many.
fn list(
    link: Link,
    id: ClassroomId,
    skip: u32,
    items: RwSignal<Option<Vec<KeptAside>>>,
    problem: RwSignal<Option<Problem>>,
) {
    let command = Command::KeptAside { classroom: id, skip };
    link.ask(command, move |answer| match answer {
        Ok(Answer::KeptAside(kept)) => {
            items.try_update(|items| {
                let listed = items.get_or_insert_default();
                listed.truncate(skip as usize);
                listed.extend(kept);
            });
        }
        Ok(_) => {
            problem.try_set(Some(Problem::Internal));
        }
        Err(reason) => {
            problem.try_set(Some(reason));
        }
    });
}

/// What it is, from whom, in which document; why it is here, and what to do.
fn row(link: Link, id: ClassroomId, item: &KeptAside) -> AnyView {
    let facts = link.classrooms.with_untracked(|classrooms| {
        classrooms
            .get(&id)
            .map(|classroom| facts(classroom, item))
            .unwrap_or_default()
    });
    let (reason, todo) = reasons::kept_aside(item.reason);
    view! {
        <li class="row aside">
            <span class="member-words">
                <span class="member-name">
                    <bdi>{facts}</bdi>
                </span>
                <span>{reason}</span>
                <span class="member-facts">{todo}</span>
            </span>
            <span class="badge">{say().bytes(&item.bytes.to_string())}</span>
        </li>
    }
    .into_any()
}

/// From whom, in which document; the words for a part of the list of members if it is none.
fn facts(classroom: &Classroom, item: &KeptAside) -> String {
    let mut facts = Vec::new();
    if let Some(from) = item.from {
        facts.push(name_in(classroom, from).unwrap_or_else(|| say().not_a_member().to_owned()));
    }
    if let Some(document) = item.document {
        let document = classroom.documents.iter().find(|other| other.id == document);
        let title = document
            .map(|document| document.title.clone())
            .unwrap_or_default();
        facts.push(if title.is_empty() {
            say().untitled().to_owned()
        } else {
            title
        });
    }
    if facts.is_empty() {
        say().membership_item().to_owned()
    } else {
        facts.join(" · ")
    }
}
