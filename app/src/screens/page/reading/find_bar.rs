//! The bar `Find`. It is no dialog: one may go on writing while it is there.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlInputElement, KeyboardEvent};

use super::super::Open;
use super::begin_in;
use crate::components::icon::{CloseIcon, DownIcon, UpIcon};
use crate::messages::say;
use crate::page::editor::{Found, Query};

const FIELD: &str = "find-text";

/// The field in which is written what is looked for, while the bar is there.
pub(super) fn field() -> Option<HtmlInputElement> {
    document().get_element_by_id(FIELD)?.dyn_into().ok()
}

#[component]
pub(super) fn FindBar(open: Open, finding: RwSignal<bool>, editable: Memo<bool>) -> impl IntoView {
    let session = open.get_value();
    let found = RwSignal::from(session.found.clone());
    let query = RwSignal::new(Query {
        text: session.selected_text().unwrap_or_default(),
        match_case: false,
    });
    let with = RwSignal::new(String::new());
    // How often was replaced, until something else is done.
    let replaced = RwSignal::new(None::<u32>);
    Effect::new(move || {
        query.with(|query| open.get_value().find(Some(query)));
        replaced.set(None);
    });
    let field_here = NodeRef::<leptos::html::Input>::new();
    Effect::new(move || {
        if let Some(field) = field_here.get() {
            begin_in(&field);
        }
    });
    let close = move || {
        finding.set(false);
        open.get_value().find(None);
    };
    let step = move |step: i32| {
        replaced.set(None);
        open.get_value().find_next(step);
    };
    let replace = move || {
        replaced.set(None);
        open.get_value().replace(&with.get_untracked());
    };
    let replace_all = move || {
        let count = open.get_value().replace_all(&with.get_untracked());
        replaced.set(Some(count));
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" && !event.is_composing() {
            event.prevent_default();
            close();
        }
    };
    let on_enter = move |event: &KeyboardEvent, then: &dyn Fn()| {
        if event.key() == "Enter" && !event.is_composing() {
            event.prevent_default();
            then();
        }
    };
    let told = move || match (replaced.get(), found.get()) {
        _ if query.with(|query| query.text.is_empty()) => String::new(),
        (Some(count), _) => say().replaced(&count.to_string()),
        (None, None) => String::new(),
        (None, Some(found)) => told_of(found),
    };
    view! {
        <div class="find-bar" role="search" aria-label=say().find() on:keydown=on_key>
            <div class="find-part">
                <label class="find-label" for=FIELD>
                    {say().find()}
                </label>
                <input
                    id=FIELD
                    class="find-field"
                    type="text"
                    dir="auto"
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    enterkeyhint="search"
                    placeholder=say().find()
                    prop:value=query.with_untracked(|query| query.text.clone())
                    node_ref=field_here
                    on:input=move |event| query.update(|query| query.text = event_target_value(&event))
                    on:keydown=move |event| {
                        on_enter(&event, &|| step(if event.shift_key() { -1 } else { 1 }));
                    }
                />
                <p class="find-count" role="status" dir="auto" aria-label=say().find_matches()>
                    {told}
                </p>
                <button
                    type="button"
                    class="tool"
                    aria-label=say().find_previous()
                    title=say().find_previous()
                    on:click=move |_| step(-1)
                >
                    <UpIcon />
                </button>
                <button
                    type="button"
                    class="tool"
                    aria-label=say().find_next()
                    title=say().find_next()
                    on:click=move |_| step(1)
                >
                    <DownIcon />
                </button>
                <label class="find-case">
                    <input
                        type="checkbox"
                        on:change=move |event| query.update(|query| query.match_case = event_target_checked(&event))
                    />
                    {say().find_match_case()}
                </label>
                <button
                    type="button"
                    class="tool find-close"
                    aria-label=say().close()
                    title=say().close()
                    on:click=move |_| close()
                >
                    <CloseIcon />
                </button>
            </div>
            <Show when=move || editable.get()>
                <div class="find-part">
                    <label class="find-label" for="find-replacement">
                        {say().replace_with()}
                    </label>
                    <input
                        id="find-replacement"
                        placeholder=say().replace_with()
                        class="find-field"
                        type="text"
                        dir="auto"
                        autocomplete="off"
                        prop:value=with.get_untracked()
                        on:input=move |event| with.set(event_target_value(&event))
                        on:keydown=move |event| on_enter(&event, &replace)
                    />
                    <button type="button" class="tool tool-worded" on:click=move |_| replace()>
                        {say().replace()}
                    </button>
                    <button type="button" class="tool tool-worded" on:click=move |_| replace_all()>
                        {say().replace_all()}
                    </button>
                </div>
            </Show>
        </div>
    }
}

fn told_of(Found { count, current }: Found) -> String {
    match current {
        _ if count == 0 => say().find_none().to_owned(),
        Some(current) => say().find_current(&count.to_string(), &current.to_string()),
        None => say().find_count(&count.to_string()),
    }
}
