//! Classrooms carried by hand: to a file, and from one.

use std::cell::Cell;
use std::rc::Rc;

use leptos::html::Input;
use leptos::prelude::*;
use leptos::task::spawn_local;
use replica::command::{Answer, Command, Imported};

use crate::components::device::note_backup;
use crate::files::{Reading, Saving, bundle_name};
use crate::link::{Link, use_link};
use crate::messages::say;
use crate::{paths, reasons};

/// How far carrying has come. Whoever shows it keeps it.
#[derive(Clone)]
pub(crate) enum Carried {
    Nothing,
    /// Bytes that were written by now.
    Exporting(u64),
    Exported(u64),
    /// Of a hundred.
    Importing(u32),
    Imported(Imported),
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
            export(link, progress, command);
        }
    };
    view! {
        <button type="button" class="button" on:click=export>
            {say().export_to_file()}
        </button>
    }
}

/// Takes in what is in a file.
#[component]
pub(crate) fn ImportButton(progress: Progress) -> impl IntoView {
    let link = use_link();
    let field = NodeRef::<Input>::new();
    let choose = move |_| {
        if let Some(field) = field.get_untracked()
            && !is_busy(progress)
        {
            field.click();
        }
    };
    let take = move |_| {
        if let Some(reading) = field.get_untracked().and_then(|field| Reading::chosen(&field)) {
            import(link, progress, reading, next_import());
        }
    };
    view! {
        <button type="button" class="button" on:click=choose>
            {say().import_from_file()}
        </button>
        <input type="file" hidden node_ref=field on:change=take />
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
    let needs_invite = Memo::new(move |_| {
        progress
            .with(|carried| matches!(carried, Carried::Imported(imported) if !imported.classrooms.is_empty()))
    });
    view! {
        <div class="carried" role="status" aria-label=say().files()>
            {lines}
            {move || {
                needs_invite
                    .get()
                    .then(|| {
                        view! {
                            <a class="button" href=paths::JOIN>
                                {say().join_with_an_invite()}
                            </a>
                        }
                    })
            }}
        </div>
    }
}

fn is_busy(progress: Progress) -> bool {
    progress.with_untracked(|carried| matches!(carried, Carried::Exporting(_) | Carried::Importing(_)))
}

fn told(carried: &Carried) -> Vec<String> {
    let say = say();
    match carried {
        Carried::Nothing => Vec::new(),
        Carried::Exporting(bytes) => vec![say.exporting(&(bytes / 1024).to_string())],
        Carried::Exported(items) => vec![say.exported(&items.to_string())],
        Carried::Importing(percent) => vec![say.importing(&percent.to_string())],
        Carried::Imported(imported) => {
            let mut lines = vec![
                say.imported_new(&imported.new.to_string()),
                say.imported_known(&imported.known.to_string()),
            ];
            if imported.damaged > 0 {
                lines.push(say.imported_damaged(&imported.damaged.to_string()));
                lines.push(say.imported_damaged_at(&places(imported)));
            }
            let mut more = |count: u64, line: fn(&str) -> String| {
                if count > 0 {
                    lines.push(line(&count.to_string()));
                }
            };
            more(imported.aside, |count| {
                crate::messages::say().imported_aside(count)
            });
            more(imported.left_out, |count| {
                crate::messages::say().imported_left_out(count)
            });
            more(imported.classrooms.len() as u64, |count| {
                crate::messages::say().imported_needs_invite(count)
            });
            if imported.newer_version.is_some() {
                lines.push(say.imported_newer().to_owned());
            } else if !imported.complete {
                lines.push(say.imported_incomplete().to_owned());
            }
            lines
        }
        Carried::Failed(reason) => vec![reason.clone()],
    }
}

/// Which bytes of a file are damaged, as far as they are named.
fn places(imported: &Imported) -> String {
    let mut places = String::new();
    for damage in &imported.named {
        if !places.is_empty() {
            places.push_str(", ");
        }
        places.push_str(&damage.offset.to_string());
        places.push('–');
        places.push_str(&(damage.offset + damage.length).to_string());
    }
    if imported.damaged > imported.named.len() as u64 {
        places.push_str(", …");
    }
    places
}

/// The screen may be left before it is done: then nobody is told.
fn show(progress: Progress, carried: Carried) {
    progress.try_set(carried);
}

fn export(link: Link, progress: Progress, command: Command) {
    let is_all = matches!(command, Command::Export { classroom: None });
    show(progress, Carried::Exporting(0));
    let saving = Rc::new(Saving::new(bundle_name()));
    let failed = Rc::new(Cell::new(false));
    let (writing, write_failed) = (saving.clone(), failed.clone());
    let on_part = move |part: Vec<u8>| {
        if let Err(error) = writing.write(&part) {
            leptos::logging::warn!("a part was not written: {error:?}");
            write_failed.set(true);
        }
        progress.try_update(|carried| {
            if let Carried::Exporting(bytes) = carried {
                *bytes += part.len() as u64;
            }
        });
    };
    let on_answer = move |answer| {
        let carried = match answer {
            Ok(Answer::Exported { items }) if !failed.get() && saving.finish().is_ok() => {
                if is_all {
                    note_backup();
                }
                Carried::Exported(items)
            }
            Ok(Answer::Exported { .. }) => Carried::Failed(say().file_not_written().to_owned()),
            other => Carried::Failed(reasons::of_answer(other)),
        };
        show(progress, carried);
    };
    link.ask_in_parts(command, Rc::new(on_part), Box::new(on_answer));
}

thread_local! {
    static IMPORTS: Cell<u32> = const { Cell::new(0) };
}

/// Several files may be read at once, on different screens.
fn next_import() -> u32 {
    IMPORTS.with(|imports| imports.replace(imports.get().wrapping_add(1)))
}

/// Hands over one part after the other: the next one when the one before is stored.
fn import(link: Link, progress: Progress, mut reading: Reading, number: u32) {
    show(progress, Carried::Importing(reading.percent()));
    spawn_local(async move {
        let Ok((part, last)) = reading.next().await else {
            // The replica hears that no more comes, so that what came is not half taken in.
            link.tell(Command::Import {
                import: number,
                part: Vec::new(),
                last: true,
            });
            return show(progress, Carried::Failed(say().file_not_read().to_owned()));
        };
        let command = Command::Import {
            import: number,
            part,
            last,
        };
        link.ask(command, move |answer| match answer {
            Ok(Answer::Done) if !last => import(link, progress, reading, number),
            Ok(Answer::Imported(imported)) => show(progress, Carried::Imported(imported)),
            other => show(progress, Carried::Failed(reasons::of_answer(other))),
        });
    });
}
