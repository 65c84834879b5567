//! The language that blocks are in: how they are read aloud, spelt and hyphenated follows it.

use leptos::html::{Input, Select};
use leptos::prelude::*;
use web_sys::SubmitEvent;

use super::Open;
use crate::components::dialog::{Dialog, cancels, close_around};
use crate::components::select::open_by_key;
use crate::languages::{self, Language};
use crate::messages::say;
use crate::page::editor::EditorCommand;

/// The option that asks for a language that is not listed. It is no tag.
const ANOTHER: &str = "+";

/// The language of the block that the caret is in, and those that are likely here.
#[component]
pub(super) fn LanguageSelect(open: Open, choosing: RwSignal<bool>) -> impl IntoView {
    let formatting = RwSignal::from(open.with_value(|session| session.formatting.clone()));
    let current = Memo::new(move |_| formatting.with(|now| now.language.clone()));
    let likely = move || {
        let here = open.with_value(|session| session.languages());
        here.into_iter().chain(languages::own()).collect::<Vec<_>>()
    };
    let listed = RwSignal::new(likely());
    let options = Memo::new(move |_| languages::named(listed.get().into_iter().chain(current.get())));
    let select = NodeRef::<Select>::new();
    let choose = move |event: leptos::ev::Event| {
        let chosen = event_target_value(&event);
        if chosen == ANOTHER {
            choosing.set(true);
        } else {
            let session = open.get_value();
            session.command(EditorCommand::Language(chosen));
            session.focus();
        }
        // What is only asked for, and what the command could not do, must not stay chosen.
        if let Some(select) = select.get_untracked() {
            select.set_value(&current.get_untracked().unwrap_or_default());
        }
    };
    let shown = move |Language { tag, name }: Language| {
        let value = tag.clone();
        let selected = move || current.with(|current| current.as_ref() == Some(&tag));
        view! {
            <option value=value prop:selected=selected>
                {name}
            </option>
        }
    };
    view! {
        <select
            class="toolbar-select"
            aria-label=say().language()
            title=say().language()
            tabindex="-1"
            node_ref=select
            on:focus=move |_| listed.set(likely())
            on:keydown=move |event| open_by_key(&event)
            on:change=choose
        >
            <option value="" prop:selected=move || current.with(Option::is_none)>
                {say().language_automatic()}
            </option>
            {move || options.get().into_iter().map(shown).collect_view()}
            <option value=ANOTHER>{say().language_other()}</option>
        </select>
    }
}

/// Asks for a language by its name or its tag.
#[component]
pub(super) fn LanguageDialog(open: Open, choosing: RwSignal<bool>) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let is_none = RwSignal::new(false);
    let all = StoredValue::new(languages::all());
    let names = all.with_value(|all| {
        let name = |language: &Language| view! { <option value=language.name.clone()></option> };
        all.iter().map(name).collect_view()
    });
    let set = move |event: SubmitEvent| {
        if cancels(&event) {
            return;
        }
        event.prevent_default();
        let Some(field) = field.get_untracked() else {
            return;
        };
        let Some(tag) = all.with_value(|all| languages::meant(&field.value(), all)) else {
            is_none.set(true);
            return;
        };
        close_around(&field);
        open.get_value().command(EditorCommand::Language(tag));
    };
    view! {
        <Dialog title=say().language().to_owned() on_close=move || choosing.set(false)>
            <form class="dialog-form" on:submit=set novalidate>
                <div class="field">
                    <label for="language">{say().language()}</label>
                    <input
                        id="language"
                        dir="auto"
                        autocomplete="off"
                        autocapitalize="off"
                        spellcheck="false"
                        autofocus
                        list="languages"
                        aria-describedby="language-hint"
                        aria-invalid=move || is_none.get().to_string()
                        node_ref=field
                        on:input=move |_| is_none.set(false)
                    />
                    <datalist id="languages">{names}</datalist>
                    <p class="hint" id="language-hint">
                        {say().language_hint()}
                    </p>
                    <p class="problem" role="alert">
                        {move || is_none.get().then(|| say().language_unknown())}
                    </p>
                </div>
                <div class="form-foot">
                    <button type="submit" class="button">
                        {say().set_language()}
                    </button>
                    <button type="submit" formmethod="dialog" class="button button-quiet">
                        {say().cancel()}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}
