//! Where a message is written. Behind an `@` members are offered: arrow keys go along them, Enter or Tab takes one.

use std::sync::atomic::{AtomicU32, Ordering};

use leptos::html::Textarea;
use leptos::prelude::*;
use protocol::MemberId;
use web_sys::{KeyboardEvent, SubmitEvent};

use super::Comments;
use crate::messages::say;
use crate::page::mentions::{Named, Query, from_field, offered, query_at, to_field};
use crate::page::session::comments::{Field, Unsent};

/// The most that can be typed, in UTF-16 units; mentions make the message longer.
const LONGEST: &str = "2000";
/// How many members are offered at once.
const MOST: usize = 6;

type Cancel = StoredValue<Option<Box<dyn Fn()>>, LocalStorage>;

/// `on_done` takes the message, or says why it can't; the field is empty afterwards.
#[component]
pub(super) fn MessageField(
    comments: Comments,
    /// What is written stays under this until it is sent, or not wanted.
    of: Field,
    label: &'static str,
    done: &'static str,
    /// What the message is by now.
    text: String,
    /// Whether it has the focus at once.
    focused: bool,
    on_done: impl Fn(String) -> Result<(), String> + 'static,
    #[prop(optional, into)] on_cancel: Option<CancelWith>,
    /// Whether there may be no message.
    #[prop(optional)]
    may_be_empty: bool,
    /// What is filled in before the message.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let list = format!("offered-{number}");
    let on_done = StoredValue::new_local(on_done);
    let cancels = on_cancel.is_some();
    let on_cancel: Cancel = StoredValue::new_local(on_cancel.map(|with| with.0));
    let field = NodeRef::<Textarea>::new();
    let unsent = comments.unsent.with_untracked(|unsent| unsent.get(&of).cloned());
    let (shown, mentioned) = match unsent {
        Some(Unsent { text, mentioned }) => (text, mentioned),
        None => to_field(&text, |member| untrack(|| comments.name_of(MemberId(*member)))),
    };
    let chosen = StoredValue::new(mentioned);
    let query = RwSignal::new(None::<Query>);
    let at = RwSignal::new(0_usize);
    let failed = RwSignal::new(None::<String>);
    let empty = RwSignal::new(shown.trim().is_empty());
    let offers = Memo::new(move |_| {
        let query = query.get();
        let members = comments.members.get();
        let offers = query.map(|query| {
            offered(&members, &query.typed, MOST)
                .into_iter()
                .cloned()
                .collect()
        });
        let offers: Vec<Named> = offers.unwrap_or_default();
        offers
    });

    Effect::new(move || {
        if let Some(field) = field.get()
            && focused
            && let Err(error) = field.focus()
        {
            leptos::logging::warn!("the field was not focused: {error:?}");
        }
    });
    let forget = move || {
        if comments.unsent.with_untracked(|unsent| unsent.contains_key(&of)) {
            comments.unsent.update(|unsent| {
                unsent.remove(&of);
            });
        }
    };
    let keep = move |text: String| {
        if text.trim().is_empty() {
            forget();
        } else {
            let mentioned = chosen.get_value();
            comments.unsent.update(|unsent| {
                unsent.insert(of, Unsent { text, mentioned });
            });
        }
    };
    let look = move || {
        let Some(field) = field.get_untracked() else {
            return;
        };
        let typed = field.value();
        empty.set(typed.trim().is_empty());
        let caret = field.selection_start().ok().flatten();
        let caret = caret.and_then(|caret| usize::try_from(caret).ok());
        query.set(caret.and_then(|caret| query_at(&typed, caret)));
        at.set(0);
        failed.set(None);
        keep(typed);
    };
    let take = move |named: Named| {
        let (Some(field), Some(Query { at, typed })) = (field.get_untracked(), query.get_untracked()) else {
            return;
        };
        let units: Vec<u16> = field.value().encode_utf16().collect();
        let end = (at + 1 + typed.encode_utf16().count()).min(units.len());
        let put = format!("@{} ", named.name);
        let caret = at + put.encode_utf16().count();
        let before = String::from_utf16_lossy(&units[..at]);
        let after = String::from_utf16_lossy(&units[end..]);
        field.set_value(&format!("{before}{put}{after}"));
        let caret = u32::try_from(caret).unwrap_or(u32::MAX);
        if let Err(error) = field.set_selection_range(caret, caret) {
            leptos::logging::warn!("the caret moved: {error:?}");
        }
        chosen.update_value(|chosen| chosen.push(named));
        query.set(None);
        keep(field.value());
    };
    let send = move || {
        let Some(field) = field.get_untracked() else {
            return;
        };
        let text = chosen.with_value(|chosen| from_field(&field.value(), chosen));
        if text.trim().is_empty() && !may_be_empty {
            return;
        }
        if !comments.editable.get_untracked() {
            failed.set(Some(say().comment_not_taken().to_owned()));
            return;
        }
        match on_done.with_value(|on_done| on_done(text)) {
            Ok(()) => {
                forget();
                field.set_value("");
                chosen.set_value(Vec::new());
                query.set(None);
                empty.set(true);
            }
            Err(problem) => failed.set(Some(problem)),
        }
    };
    let cancel = move || {
        forget();
        on_cancel.with_value(|cancel| cancel.as_ref().map(|cancel| cancel()))
    };
    let on_key = move |event: KeyboardEvent| {
        let key = event.key();
        let count = offers.with_untracked(Vec::len);
        if event.is_composing() {
            return;
        }
        if count > 0 {
            match key.as_str() {
                "ArrowDown" => at.update(|at| *at = (*at + 1) % count),
                "ArrowUp" => at.update(|at| *at = (*at + count - 1) % count),
                "Enter" | "Tab" => {
                    let named = offers.with_untracked(|offers| offers.get(at.get_untracked()).cloned());
                    if let Some(named) = named {
                        take(named);
                    }
                }
                "Escape" => query.set(None),
                _ => return,
            }
            event.prevent_default();
            return;
        }
        if key == "Enter" && (event.ctrl_key() || event.meta_key()) {
            event.prevent_default();
            send();
        } else if key == "Escape" && cancels && empty.get_untracked() {
            // What was written stays: Escape only leads away from it.
            event.prevent_default();
            cancel();
        }
    };
    let options = {
        let list = list.clone();
        move || {
            let list = list.clone();
            let option = move |(index, named): (usize, Named)| {
                let name = named.name.clone();
                view! {
                    <li
                        role="option"
                        id=format!("{list}-{index}")
                        aria-selected=move || (at.get() == index).to_string()
                        on:mousedown=move |event| {
                            event.prevent_default();
                            take(named.clone());
                        }
                    >
                        <bdi>{name}</bdi>
                    </li>
                }
            };
            offers.get().into_iter().enumerate().map(option).collect_view()
        }
    };
    let active = {
        let list = list.clone();
        move || {
            offers
                .with(|offers| !offers.is_empty())
                .then(|| format!("{list}-{}", at.get()))
        }
    };
    let on_submit = move |event: SubmitEvent| {
        event.prevent_default();
        send();
    };
    view! {
        <form class="message-field" on:submit=on_submit novalidate>
            {children.map(|children| children())}
            <textarea
                dir="auto"
                rows="2"
                maxlength=LONGEST
                aria-label=label
                placeholder=label
                aria-autocomplete="list"
                aria-controls=list.clone()
                aria-activedescendant=active
                node_ref=field
                on:input=move |_| look()
                on:click=move |_| look()
                on:keydown=on_key
                on:blur=move |_| query.set(None)
            >
                {shown}
            </textarea>
            <ul
                class="offered"
                role="listbox"
                id=list
                aria-label=say().members()
                hidden=move || offers.with(Vec::is_empty)
            >
                {options}
            </ul>
            <p class="problem" role="alert">
                {move || failed.get()}
            </p>
            <div class="actions" hidden=move || !cancels && empty.get()>
                <button type="submit" class="button button-small button-main" aria-disabled=move || (empty.get() && !may_be_empty).to_string()>
                    {done}
                </button>
                {cancels
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button button-small button-quiet"
                                on:click=move |_| {
                                    cancel();
                                }
                            >
                                {say().cancel()}
                            </button>
                        }
                    })}
            </div>
        </form>
    }
}

/// What is done when nothing is to be said.
pub(super) struct CancelWith(Box<dyn Fn()>);

impl<F: Fn() + 'static> From<F> for CancelWith {
    fn from(cancel: F) -> Self {
        Self(Box::new(cancel))
    }
}
