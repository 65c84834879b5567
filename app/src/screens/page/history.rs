//! The history of a page: its versions, what differs between two of them, and the way back.

mod authors;
mod shown;
mod undo;
mod unseen;

use std::rc::Rc;

use documents::change::Hash;
use documents::page::history::NamedVersion;
use leptos::prelude::*;
use replica::command::{Answer, Command};
use web_sys::SubmitEvent;

use self::authors::Authors;
use self::shown::ShownVersion;
use self::undo::UndoWork;
pub(super) use self::unseen::UnseenNotice;
use super::Open;
use crate::components::dialog::Dialog;
use crate::intl;
use crate::link::{Place, use_link};
use crate::messages::say;
use crate::page::versions::Past;

/// Whether the history is on the screen, and what it is compared with at first: the version before, or one that somebody saw last.
pub(super) type Showing = RwSignal<Option<Option<Vec<Hash>>>>;

/// The button that shows the history.
#[component]
pub(super) fn HistoryButton(showing: Showing) -> impl IntoView {
    view! {
        <button
            type="button"
            class="button button-quiet"
            aria-haspopup="dialog"
            on:click=move |_| showing.set(Some(None))
        >
            {say().history()}
        </button>
    }
}

/// A version in the list.
#[derive(Clone, PartialEq)]
struct Version {
    from: i64,
    to: i64,
    before: Vec<Hash>,
    heads: Vec<Hash>,
    actors: Vec<Vec<u8>>,
    named: Option<NamedVersion>,
}

impl Version {
    fn label(&self) -> String {
        let time = intl::moment(&intl::variety_of(say().tag()), self.to.saturating_mul(1000));
        match &self.named {
            Some(named) => format!("{}, {time}", named.name),
            None => time,
        }
    }
}

#[component]
pub(super) fn HistoryDialog(
    open: Open,
    place: Place,
    editable: Memo<bool>,
    showing: Showing,
    since: Option<Vec<Hash>>,
) -> impl IntoView {
    let link = use_link();
    let session = open.get_value();
    let past = RwSignal::new_local(session.past().map(Rc::new));
    let versions = Memo::new(move |_| past.with(|past| past.as_deref().map(versions_of).unwrap_or_default()));
    let authors = RwSignal::new(Authors::of(link, place.0, &[]));
    let (classroom, document) = place;
    link.ask(Command::Authors { classroom, document }, move |answer| {
        if let Ok(Answer::Authors(found)) = answer {
            authors.try_set(Authors::of(link, classroom, &found));
        }
    });

    let chosen = RwSignal::new(0_usize);
    let against = RwSignal::new(since);
    let outcome = RwSignal::new(None::<&'static str>);
    let version = Memo::new(move |_| versions.with(|versions| versions.get(chosen.get()).cloned()));
    let before = Memo::new(move |_| {
        let before = against.get();
        before.or_else(|| version.with(|version| version.as_ref().map(|version| version.before.clone())))
    });
    let compared = Memo::new(move |_| {
        let (before, version) = (before.get()?, version.get()?);
        // What is compared with a later version came before that.
        let is_later = versions.with(|versions| {
            let place = versions.iter().position(|other| other.heads == before);
            place.is_some_and(|place| place < chosen.get())
        });
        if is_later {
            open.get_value().compare(&version.heads, &before)
        } else {
            open.get_value().compare(&before, &version.heads)
        }
    });
    let look_again = move || {
        past.set(open.get_value().past().map(Rc::new));
        chosen.set(0);
        against.set(None);
    };
    let is_present = Memo::new(move |_| chosen.get() == 0);
    let restore = move |_| {
        let Some(version) = version.get_untracked() else {
            return;
        };
        let is_restored = open.get_value().restore(&version.heads);
        look_again();
        outcome.set(Some(if is_restored {
            say().version_restored()
        } else {
            say().version_not_restored()
        }));
    };
    let list = move || {
        let authors = authors.get();
        let versions = versions.get();
        let item = |(index, version): (usize, &Version)| {
            let people = authors.of_actors(&version.actors);
            let time = intl::moment(&intl::variety_of(say().tag()), version.to.saturating_mul(1000));
            let choose = move |_| {
                chosen.set(index);
                against.set(None);
                outcome.set(None);
            };
            view! {
                <li>
                    <button
                        type="button"
                        class="version"
                        aria-current=move || (chosen.get() == index).then_some("true")
                        on:click=choose
                    >
                        {version
                            .named
                            .as_ref()
                            .map(|named| view! { <bdi class="version-name">{named.name.clone()}</bdi> })}
                        <span class="version-time">{time}</span>
                        {(index == 0).then(|| view! { <span class="version-now">{say().version_now()}</span> })}
                        <span class="version-people">
                            {people
                                .into_iter()
                                .map(|person| {
                                    view! {
                                        <span class=format!("version-person cursor-{}", person.colour)>
                                            <bdi>{person.name}</bdi>
                                        </span>
                                    }
                                })
                                .collect_view()}
                        </span>
                    </button>
                </li>
            }
        };
        versions.iter().enumerate().map(item).collect_view()
    };
    // A version can be compared with any other.
    let options = move || {
        let option = |version: &Version| {
            let heads = version.heads.clone();
            let is_chosen = against.with_untracked(|against| against.as_ref() == Some(&heads));
            view! { <option selected=is_chosen>{version.label()}</option> }
        };
        versions.with(|versions| versions.iter().map(option).collect_view())
    };
    let compare_with =
        move |event: leptos::ev::Event| {
            let target: web_sys::HtmlSelectElement = event_target(&event);
            let index = usize::try_from(target.selected_index() - 1);
            against.set(index.ok().and_then(|index| {
                versions.with_untracked(|versions| Some(versions.get(index)?.heads.clone()))
            }));
        };
    let is_since = against.with_untracked(Option::is_some);
    view! {
        <Dialog
            title=say().history().to_owned()
            class="dialog dialog-wide"
            on_close=move || showing.set(None)
        >
            <div class="history">
                <section class="history-list" aria-label=say().versions()>
                    <ol class="versions" reversed>{list}</ol>
                </section>
                <section class="history-shown" aria-label=say().version()>
                    <div class="history-tools">
                        <label class="field">
                            <span>{say().compare_with()}</span>
                            <select on:change=compare_with>
                                <option selected=!is_since>
                                    {move || {
                                        if is_since && against.with(Option::is_some) {
                                            say().version_seen_last()
                                        } else {
                                            say().version_before()
                                        }
                                    }}
                                </option>
                                {options}
                            </select>
                        </label>
                        <Show when=move || editable.get()>
                            <button
                                type="button"
                                class="button"
                                aria-disabled=move || is_present.get().to_string()
                                on:click=restore
                            >
                                {say().restore_version()}
                            </button>
                            <NameVersion open version look_again chosen versions />
                        </Show>
                    </div>
                    <p class="outcome" role="status" aria-label=say().outcome()>
                        {move || outcome.get()}
                    </p>
                    <ShownVersion open compared authors />
                    <Show when=move || editable.get()>
                        <UndoWork open versions authors outcome look_again chosen />
                    </Show>
                </section>
            </div>
            <form method="dialog" class="form-foot">
                <button type="submit" class="button button-quiet">
                    {say().close()}
                </button>
            </form>
        </Dialog>
    }
}

/// Gives the chosen version a name.
#[component]
fn NameVersion(
    open: Open,
    version: Memo<Option<Version>>,
    versions: Memo<Vec<Version>>,
    chosen: RwSignal<usize>,
    look_again: impl Fn() + Copy + 'static,
) -> impl IntoView {
    let link = use_link();
    let name = NodeRef::<leptos::html::Input>::new();
    let named = Memo::new(move |_| version.get().and_then(|version| version.named));
    let save = move |event: SubmitEvent| {
        event.prevent_default();
        let (Some(field), Some(version)) = (name.get_untracked(), version.get_untracked()) else {
            return;
        };
        let typed = field.value().trim().to_owned();
        let session = open.get_value();
        match (version.named.clone(), typed.is_empty()) {
            (Some(named), true) => session.forget_name(named.id),
            (None, true) => return,
            (named, false) => {
                let me = link.home.with_untracked(|home| home.as_ref()?.me);
                session.name_version(NamedVersion {
                    id: named.map_or_else(new_id, |named| named.id),
                    name: typed,
                    version: version.heads.clone(),
                    by: me.map(|me| me.0),
                    at: 0,
                });
            }
        }
        look_again();
        let same = |other: &Version| other.heads == version.heads;
        if let Some(index) = versions.with_untracked(|versions| versions.iter().position(same)) {
            chosen.set(index);
        }
    };
    view! {
        <form class="history-name" on:submit=save>
            <label class="field">
                <span>{say().version_name()}</span>
                <input
                    type="text"
                    dir="auto"
                    maxlength="200"
                    autocomplete="off"
                    node_ref=name
                    prop:value=move || named.get().map(|named| named.name).unwrap_or_default()
                />
            </label>
            <button type="submit" class="button button-quiet">
                {say().name_version()}
            </button>
        </form>
    }
}

fn new_id() -> [u8; 16] {
    let mut id = [0; 16];
    if let Err(error) = getrandom::fill(&mut id) {
        leptos::logging::error!("no randomness: {error}");
    }
    id
}

/// The newest first: each session, and what somebody gave a name within one.
fn versions_of(past: &Past) -> Vec<Version> {
    let mut versions: Vec<Version> = past
        .sessions
        .iter()
        .map(|session| Version {
            from: session.from,
            to: session.to,
            before: session.before.clone(),
            heads: session.version.clone(),
            actors: session.shares.iter().map(|share| share.actor.clone()).collect(),
            named: None,
        })
        .collect();
    for named in &past.named {
        let same =
            |version: &&mut Version| version.named.is_none() && is_same(&version.heads, &named.version);
        if let Some(version) = versions.iter_mut().find(same) {
            version.named = Some(named.clone());
            continue;
        }
        // Within a session: behind all that began before it.
        let place = versions.partition_point(|version| version.from <= named.at);
        let before = place.checked_sub(1).and_then(|place| versions.get(place));
        let version = Version {
            from: named.at,
            to: named.at,
            before: before.map(|version| version.before.clone()).unwrap_or_default(),
            heads: named.version.clone(),
            actors: Vec::new(),
            named: Some(named.clone()),
        };
        versions.insert(place.saturating_sub(1), version);
    }
    versions.reverse();
    versions
}

fn is_same(left: &[Hash], right: &[Hash]) -> bool {
    left.len() == right.len() && left.iter().all(|hash| right.contains(hash))
}
