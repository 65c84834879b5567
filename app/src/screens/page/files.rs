//! What the menu `Document` does with files: the page written to one, and put from one into the page.

use documents::page::import::{LARGEST_FILE, LeftOut};
use leptos::html::Input;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Open;
use crate::components::dialog::Dialog;
use crate::components::menu::MenuItem;
use crate::files::Reading;
use crate::messages::say;
use crate::page::files::{ACCEPTED, Format};
use crate::page::session::{Brought, NotBrought};

/// How far writing a file has come, or printing.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Writing {
    #[default]
    Idle,
    Busy,
    /// So many pictures are not in it.
    Written {
        left_out: usize,
    },
    /// The browser does not take it.
    NotWritten,
}

pub(super) fn export_items(open: Open, writing: RwSignal<Writing>) -> Vec<MenuItem> {
    let as_file = move |name, format| {
        MenuItem::new(name, move || {
            write(writing, async move { open.get_value().export(format).await });
        })
    };
    vec![
        as_file(say().markdown(), Format::Markdown),
        as_file(say().html(), Format::Html),
        as_file(say().automerge(), Format::Automerge),
        // The browser makes it: the style sheet for paper says how.
        MenuItem::new(say().pdf(), move || {
            write(writing, async move { open.get_value().print().await });
        }),
    ]
}

fn write(writing: RwSignal<Writing>, file: impl Future<Output = Result<usize, ()>> + 'static) {
    writing.set(Writing::Busy);
    spawn_local(async move {
        let written = match file.await {
            Ok(left_out) => Writing::Written { left_out },
            Err(()) => Writing::NotWritten,
        };
        writing.try_set(written);
    });
}

/// Says how far it has come, if there is anything to say.
#[component]
pub(super) fn WritingLine(writing: RwSignal<Writing>) -> impl IntoView {
    let told = move || match writing.get() {
        Writing::Busy => Some(say().working().to_owned()),
        Writing::Written { left_out } if left_out > 0 => Some(say().pictures_left_out(&left_out.to_string())),
        _ => None,
    };
    view! {
        <p class="export-outcome" role="status" aria-label=say().export()>
            {told}
        </p>
        <p class="problem" role="alert">
            {move || (writing.get() == Writing::NotWritten).then(|| say().file_not_written())}
        </p>
    }
}

/// How far reading a file has come.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Reading,
    Brought(Brought),
    NotBrought(NotBrought),
    /// The device did not give it.
    NotRead,
}

#[component]
pub(super) fn ImportDialog(open: Open, importing: RwSignal<bool>) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let state = RwSignal::new(State::Waiting);
    let take = move |_| {
        let Some(field) = field.get_untracked() else {
            return;
        };
        let name = field
            .files()
            .and_then(|files| files.item(0))
            .map(|file| file.name());
        let (Some(reading), Some(name)) = (Reading::chosen(&field), name) else {
            return;
        };
        if state.get_untracked() == State::Reading {
            return;
        }
        state.set(State::Reading);
        spawn_local(async move {
            let now = match whole(reading).await {
                Ok(bytes) => {
                    let Some(session) = open.try_get_value() else {
                        return;
                    };
                    // Who closes the dialog meanwhile does not want it.
                    let is_wanted = || state.try_get_untracked().is_some();
                    match session.import(&name, &bytes, is_wanted).await {
                        Ok(brought) => State::Brought(brought),
                        Err(problem) => State::NotBrought(problem),
                    }
                }
                Err(now) => now,
            };
            state.try_set(now);
        });
    };
    view! {
        <Dialog title=say().import().to_owned() on_close=move || importing.set(false)>
            <p>{say().import_takes()}</p>
            <p>{say().import_where()}</p>
            <form class="dialog-form" method="dialog">
                <div class="field">
                    <label for="import-file">{say().file()}</label>
                    <input id="import-file" type="file" accept=ACCEPTED autofocus node_ref=field on:change=take />
                </div>
                <div class="outcome" role="status" aria-label=say().outcome()>
                    {move || told(state.get()).into_iter().map(|line| view! { <p>{line}</p> }).collect_view()}
                </div>
                <p class="problem" role="alert">
                    {move || problem(state.get())}
                </p>
                <div class="form-foot">
                    <button type="submit" class="button button-quiet">
                        {say().close()}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}

/// All of a file, unless it is too large.
async fn whole(mut reading: Reading) -> Result<Vec<u8>, State> {
    let mut bytes = Vec::new();
    loop {
        let (part, last) = reading.next().await.map_err(|_| State::NotRead)?;
        bytes.extend(part);
        if bytes.len() > LARGEST_FILE {
            return Err(State::NotBrought(NotBrought::TooLarge));
        }
        if last {
            return Ok(bytes);
        }
    }
}

fn told(state: State) -> Vec<String> {
    match state {
        State::Reading => vec![say().working().to_owned()],
        State::Brought(Brought::Text { blocks, left_out }) => {
            let mut lines = vec![say().import_brought(&blocks.to_string())];
            lines.extend(left_out_lines(left_out));
            lines
        }
        State::Brought(Brought::Changes { left, left_out }) => {
            let mut lines = vec![say().import_merged().to_owned()];
            if left > 0 {
                lines.push(say().import_left(&left.to_string()));
            }
            lines.extend(left_out_lines(left_out));
            lines
        }
        State::Brought(Brought::Nothing) => vec![say().import_nothing().to_owned()],
        State::Waiting | State::NotBrought(_) | State::NotRead => Vec::new(),
    }
}

fn left_out_lines(left_out: LeftOut) -> Vec<String> {
    let LeftOut {
        images,
        notes,
        formulas,
    } = left_out;
    let mut lines = Vec::new();
    let mut more = |count: usize, line: &dyn Fn(&str) -> String| {
        if count > 0 {
            lines.push(line(&count.to_string()));
        }
    };
    more(images, &|count| say().import_images(count));
    more(notes, &|count| say().import_notes(count));
    more(formulas, &|count| say().import_formulas(count));
    lines
}

fn problem(state: State) -> Option<&'static str> {
    match state {
        State::NotBrought(NotBrought::UnknownKind) => Some(say().import_unknown_kind()),
        State::NotBrought(NotBrought::Unreadable) => Some(say().import_unreadable()),
        State::NotBrought(NotBrought::TooLarge) => Some(say().import_too_large()),
        State::NotBrought(NotBrought::BroughtBefore) => Some(say().import_brought_before()),
        State::NotBrought(NotBrought::NotHere) => Some(say().import_not_here()),
        State::NotRead => Some(say().file_not_read()),
        State::Waiting | State::Reading | State::Brought(_) | State::NotBrought(NotBrought::NotWanted) => {
            None
        }
    }
}
