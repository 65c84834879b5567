use leptos::prelude::*;
use protocol::{ClassroomId, DocumentId, SpaceId};
use replica::view::{Classroom, Document, Receipt};

use super::members::school_names;
use super::part;
use crate::components::avatar::name_in;
use crate::components::icon::Sheet;
use crate::components::work_badge::WorkBadge;
use crate::link::use_link;
use crate::messages::say;
use crate::page::seen;
use crate::paths;
use crate::sync::worst;

/// The documents, each with where its newest work is.
#[component]
pub(super) fn Documents(id: ClassroomId, may_write: Memo<bool>) -> impl IntoView {
    let documents = part(id, |classroom| classroom.documents.clone());
    let empty = Memo::new(move |_| documents.with(Vec::is_empty));
    view! {
        <section class="panel documents">
            <h2 id="documents">{say().documents()}</h2>
            <ul class="rows" aria-labelledby="documents">
                <For each=move || documents.get() key=|document| document.id let:document>
                    <Row id document=document.id />
                </For>
            </ul>
            <Show when=move || empty.get()>
                <p class="empty">
                    {move || if may_write.get() { say().no_documents() } else { say().no_documents_guest() }}
                </p>
            </Show>
        </section>
    }
}

/// Who put this document in the place of another one, or began to, if somebody did.
pub(crate) fn started_anew_by(classroom: &Classroom, document: DocumentId) -> Option<String> {
    let erased = classroom
        .erased
        .iter()
        .find(|erased| erased.successor == document);
    let begun = classroom
        .documents
        .iter()
        .find(|other| other.id == document && other.begun_anew);
    let by = erased
        .map(|erased| erased.by)
        .or(begun.map(|begun| begun.created_by))?;
    Some(name_in(classroom, by).unwrap_or_else(|| say().not_a_member().to_owned()))
}

/// Follows its document by itself: a link must not be replaced while somebody is about to click it.
#[component]
fn Row(id: ClassroomId, document: DocumentId) -> impl IntoView {
    let link = use_link();
    let view = part(id, move |classroom| {
        classroom
            .documents
            .iter()
            .find(|other| other.id == document)
            .cloned()
    });
    let of = move |read: fn(&Document) -> bool| {
        Memo::new(move |_| view.with(|view| view.as_ref().is_some_and(read)))
    };
    let known_kind = of(|view| view.known_kind);
    let arrived = of(|view| view.arrived);
    let untitled = of(|view| view.title.is_empty());
    let locked = of(|view| view.locked);
    let for_staff = of(|view| view.space == SpaceId::STAFF);
    let mentions = Memo::new(move |_| {
        let known = view.with(|view| view.as_ref().map(|view| view.mentions.clone()));
        seen::unseen_on(&(id, document), known.flatten().as_ref())
    });
    let anew = part(id, move |classroom| started_anew_by(classroom, document));
    let seen_at = part(id, move |classroom| {
        let this = classroom.documents.iter().find(|other| other.id == document)?;
        match &this.receipt {
            Receipt::SeenAt(schools) => Some(school_names(classroom, schools)),
            Receipt::OnThisDevice | Receipt::OnTheRelay => None,
        }
    });
    let title = move || {
        let title = view.with(|view| view.as_ref().map(|view| view.title.clone()));
        title
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| say().untitled().to_owned())
    };
    let work = Memo::new(move |_| {
        let local = link.local_work.with(|local| local.get(&(id, document)).copied());
        worst(view.with(|view| view.as_ref().map(|view| view.work)), local)
    });
    view! {
        <li class="row">
            <Sheet />
            {move || {
                if known_kind.get() {
                    view! {
                        <a class="row-link" class:untitled=untitled href=paths::page(id, document)>
                            <bdi>{title}</bdi>
                        </a>
                    }
                        .into_any()
                } else {
                    view! {
                        <span class="row-link">
                            <bdi>{title}</bdi>
                            " · "
                            {say().document_unknown_kind()}
                        </span>
                    }
                        .into_any()
                }
            }}
            {move || {
                (mentions.get() > 0)
                    .then(|| view! { <span class="badge badge-news">{say().mentions_you()}</span> })
            }}
            {move || for_staff.get().then(|| view! { <span class="badge">{say().for_staff()}</span> })}
            {move || anew.get().map(|name| view! { <span class="badge">{say().started_anew_by(&name)}</span> })}
            {move || locked.get().then(|| view! { <span class="badge">{say().locked()}</span> })}
            {move || {
                if arrived.get() {
                    view! { <WorkBadge work=work.get() seen_at=seen_at.get() /> }.into_any()
                } else {
                    view! { <span class="badge">{say().document_not_arrived()}</span> }.into_any()
                }
            }}
        </li>
    }
}
