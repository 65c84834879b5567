use documents::page::LONGEST_TITLE;
use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{CompositionEvent, HtmlInputElement, KeyboardEvent};

use super::Open;
use crate::messages::say;
use crate::page::title::caret_after;

/// The title. What others change in it appears without moving the caret of somebody who types.
#[component]
pub(super) fn TitleField(open: Open, editable: Memo<bool>) -> impl IntoView {
    let title = RwSignal::from(open.with_value(|session| session.title.clone()));
    let field = NodeRef::<Input>::new();
    let composing = RwSignal::new(false);
    Effect::new(move || {
        let title = title.get();
        if let Some(field) = field.get()
            && !composing.get()
        {
            show(&field, &title);
        }
    });
    // A new page begins with its title.
    Effect::new(move || {
        if let Some(field) = field.get()
            && editable.get_untracked()
            && title.with_untracked(String::is_empty)
            && let Err(error) = field.focus()
        {
            leptos::logging::warn!("the title was not focused: {error:?}");
        }
    });
    let take = move || {
        if let Some(field) = field.get_untracked() {
            open.get_value().set_title(&field.value());
        }
    };
    let on_input = move |_| {
        if !composing.get_untracked() {
            take();
        }
    };
    let on_composition_end = move |_: CompositionEvent| {
        take();
        composing.set(false);
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Enter" && !event.is_composing() {
            event.prevent_default();
            open.get_value().focus();
        }
    };
    view! {
        <input
            class="title-field"
            type="text"
            dir="auto"
            aria-label=say().title()
            placeholder=say().untitled()
            maxlength=LONGEST_TITLE.to_string()
            autocomplete="off"
            readonly=move || !editable.get()
            node_ref=field
            on:input=on_input
            on:compositionstart=move |_| composing.set(true)
            on:compositionend=on_composition_end
            on:keydown=on_key
        />
        // A field can't be as high as its text is on paper.
        <p class="title-on-paper" dir="auto" aria-hidden="true">
            {title}
        </p>
    }
}

/// Puts the title into the field, with the selection staying at its text.
fn show(field: &HtmlInputElement, title: &str) {
    let old = field.value();
    if old == title {
        return;
    }
    let place =
        |place: Result<Option<u32>, _>| place.ok().flatten().and_then(|place| usize::try_from(place).ok());
    let selection = (place(field.selection_start()), place(field.selection_end()));
    field.set_value(title);
    if document().active_element().as_ref() != Some(field.as_ref()) {
        return;
    }
    if let (Some(start), Some(end)) = selection {
        let moved = |place: usize| u32::try_from(caret_after(&old, title, place)).unwrap_or(u32::MAX);
        if let Err(error) = field.set_selection_range(moved(start), moved(end)) {
            leptos::logging::warn!("the caret moved: {error:?}");
        }
    }
}
