//! Classrooms carried by hand: to a file, and from one.

use std::rc::Rc;

use leptos::prelude::*;
use leptos::task::spawn_local;
use replica::command::{Answer, Command};

use crate::files::{Saving, bundle_name};
use crate::link::{Link, use_link};
use crate::messages::say;
use crate::reasons;

/// How far carrying has come. Whoever shows it keeps it.
#[derive(Clone)]
pub(crate) enum Carried {
    Nothing,
    /// Bytes that were written by now.
    Exporting(u64),
    Exported(u64),
    Failed(String),
}

type Progress = RwSignal<Carried>;

pub(crate) fn carried() -> Progress {
    RwSignal::new(Carried::Nothing)
}

/// Writes what a command gives into a file.
#[component]
pub(crate) fn ExportButton(progress: Progress, command: Command) -> impl IntoView {
    let link = use_link();
    let export = move |_| {
        let command = command.clone();
        if !is_busy(progress) {
            spawn_local(export(link, progress, command));
        }
    };
    view! {
        <button type="button" class="button" on:click=export>
            {say().export_to_file()}
        </button>
    }
}

/// Tells how far it has come, and what came of it.
#[component]
pub(crate) fn CarriedLine(progress: Progress) -> impl IntoView {
    let lines = move || {
        let told = told(&progress.get());
        told.into_iter()
            .map(|line| view! { <p>{line}</p> })
            .collect_view()
    };
    view! {
        <div class="carried" role="status" aria-label=say().files()>
            {lines}
        </div>
    }
}

fn is_busy(progress: Progress) -> bool {
    progress.with_untracked(|carried| matches!(carried, Carried::Exporting(_)))
}

fn told(carried: &Carried) -> Vec<String> {
    let say = say();
    match carried {
        Carried::Nothing => Vec::new(),
        Carried::Exporting(bytes) => vec![say.exporting(&(bytes / 1024).to_string())],
        Carried::Exported(items) => vec![say.exported(&items.to_string())],
        Carried::Failed(reason) => vec![reason.clone()],
    }
}

/// The screen may be left before it is done: then nobody is told.
fn show(progress: Progress, carried: Carried) {
    progress.try_set(carried);
}

async fn export(link: Link, progress: Progress, command: Command) {
    let saving = match Saving::start(bundle_name()).await {
        Ok(Some(saving)) => saving,
        Ok(None) => return,
        Err(_) => return show(progress, Carried::Failed(say().file_not_written().to_owned())),
    };
    show(progress, Carried::Exporting(0));
    let written = saving.clone();
    let on_part = move |part: Vec<u8>| {
        written.write(&part);
        progress.try_update(|carried| {
            if let Carried::Exporting(bytes) = carried {
                *bytes += part.len() as u64;
            }
        });
    };
    let on_answer = move |answer| {
        spawn_local(async move {
            let carried = match answer {
                Ok(Answer::Exported { items }) => match saving.finish().await {
                    Ok(()) => Carried::Exported(items),
                    Err(_) => Carried::Failed(say().file_not_written().to_owned()),
                },
                other => {
                    saving.give_up().await;
                    Carried::Failed(reasons::of_answer(other))
                }
            };
            show(progress, carried);
        });
    };
    link.ask_in_parts(command, Rc::new(on_part), Box::new(on_answer));
}
