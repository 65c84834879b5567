//! What those who read a page need, whether they may write or not: finding, an outline, how much there is, reading aloud.

mod aloud;
mod find_bar;
mod outline;
mod word_count;

use leptos::prelude::*;
use web_sys::{HtmlInputElement, KeyboardEvent};

use self::aloud::{Aloud, ReadAloudButton};
use self::find_bar::FindBar;
use self::outline::Outline;
use self::word_count::WordCount;
use super::Open;
use crate::components::icon::{FindIcon, OutlineIcon};
use crate::components::keys::is_command;
use crate::messages::say;

/// What is open beside the page. Copies are the same.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    finding: RwSignal<bool>,
    outline: RwSignal<bool>,
    pub(super) counting: RwSignal<bool>,
    aloud: Aloud,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            finding: RwSignal::new(false),
            outline: RwSignal::new(false),
            counting: RwSignal::new(false),
            aloud: Aloud::new(),
        }
    }

    /// The browser's key for finding finds in the page: it knows of all of it, and can replace.
    pub(super) fn on_key(self, open: Open, event: &KeyboardEvent) {
        let finds = is_command(event, 'f');
        let asked = document().query_selector("dialog[open]").ok().flatten();
        let ready = open.with_value(|session| session.is_shown());
        if finds && asked.is_none() && ready {
            event.prevent_default();
            self.find();
        }
    }

    fn find(self) {
        if !self.finding.get_untracked() {
            self.finding.set(true);
        } else if let Some(field) = find_bar::field() {
            begin_in(&field);
        }
    }
}

/// Focuses a field with all of it selected, to be written over.
fn begin_in(field: &HtmlInputElement) {
    if let Err(error) = field.focus() {
        leptos::logging::warn!("the field was not focused: {error:?}");
    }
    field.select();
}

/// The buttons.
#[component]
pub(super) fn ReadingTools(open: Open, reading: Reading) -> impl IntoView {
    let Reading { finding, outline, .. } = reading;
    view! {
        <div class="reading-tools">
            <button
                type="button"
                class="tool"
                aria-label=say().find()
                title=say().find()
                aria-expanded=move || finding.get().to_string()
                on:click=move |_| reading.find()
            >
                <FindIcon />
            </button>
            <button
                type="button"
                class="tool"
                aria-label=say().outline()
                title=say().outline()
                aria-expanded=move || outline.get().to_string()
                on:click=move |_| outline.update(|open| *open = !*open)
            >
                <OutlineIcon />
            </button>
            <ReadAloudButton open aloud=reading.aloud />
        </div>
    }
}

/// What they open.
#[component]
pub(super) fn ReadingPanels(open: Open, reading: Reading, editable: Memo<bool>) -> impl IntoView {
    let Reading {
        finding,
        outline,
        counting,
        aloud,
    } = reading;
    view! {
        {move || finding.get().then(|| view! { <FindBar open finding editable /> })}
        <p class="reading-note" role="status" aria-label=say().reading_aloud()>
            {aloud.note}
        </p>
        {move || outline.get().then(|| view! { <Outline open shown=outline /> })}
        {move || counting.get().then(|| view! { <WordCount open counting /> })}
    }
}
