use leptos::prelude::*;
use replica::view::Work;

use crate::messages::say;
use crate::sync;

/// Where a document's or a classroom's newest work is; `seen_at` names the schools whose members have all of it.
#[component]
pub(crate) fn WorkBadge(work: Work, #[prop(default = None)] seen_at: Option<String>) -> impl IntoView {
    let words = match seen_at {
        Some(schools) if work == Work::OnTheRelay && !schools.is_empty() => say().seen_at(&schools),
        _ => sync::word(work).to_owned(),
    };
    view! { <span class=format!("badge {}", sync::class(work))>{words}</span> }
}
