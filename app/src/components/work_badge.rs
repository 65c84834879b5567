use leptos::prelude::*;
use replica::view::Work;

use crate::sync;

/// Where a document's or a classroom's newest work is.
#[component]
pub(crate) fn WorkBadge(work: Work) -> impl IntoView {
    view! { <span class=format!("badge {}", sync::class(work))>{sync::word(work)}</span> }
}
