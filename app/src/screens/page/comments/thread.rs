use documents::page::comments::{LONGEST_QUOTE, Present, Thread, ThreadId};
use leptos::prelude::*;
use protocol::MemberId;
use wasm_bindgen::JsCast;
use web_sys::{FocusEvent, Node};

use super::message::MessageItem;
use super::message_field::MessageField;
use super::suggestion::{Proposed, problem as suggestion_problem};
use super::{Comments, id_of, problem, reveal};
use crate::intl::shortened;
use crate::messages::say;
use crate::page::session::comments::{Field, hex};

/// One thread: what it is about, what was said, and what one can do.
#[component]
pub(super) fn ThreadCard(comments: Comments, id: ThreadId) -> impl IntoView {
    let thread = Memo::new(move |_| {
        comments
            .threads
            .with(|threads| threads.iter().find(|thread| thread.id == id).cloned())
    });
    fn part<T: Send + Sync + PartialEq + 'static>(
        thread: Memo<Option<Thread>>,
        read: impl Fn(&Thread) -> T + Send + Sync + 'static,
    ) -> Memo<Option<T>> {
        Memo::new(move |_| thread.with(|thread| thread.as_ref().map(&read)))
    }
    let quote = part(thread, |thread| thread.quote.clone());
    let is_gone = part(thread, |thread| thread.anchors.is_empty());
    let inserts = Memo::new(move |_| thread.with(|thread| thread.as_ref().is_some_and(inserts)));
    let suggestion = Memo::new(move |_| thread.with(|thread| thread.as_ref()?.suggestion.clone()));
    let resolved_by = part(thread, |thread| thread.resolved_by);
    let resolved_by_other = Memo::new(move |_| {
        thread.with(|thread| {
            let thread = thread.as_ref()?;
            comments.other_hand(thread.resolved_writers.iter(), thread.resolved_by?)
        })
    });
    let messages = part(thread, |thread| {
        thread
            .messages
            .iter()
            .map(|message| message.id)
            .collect::<Vec<_>>()
    });
    let is_resolved = Memo::new(move |_| resolved_by.get().flatten().is_some());
    let is_active = Memo::new(move |_| comments.active.get() == Some(id));
    let has_news = Memo::new(move |_| {
        thread.with(|thread| thread.as_ref().is_some_and(|thread| comments.has_news(thread)))
    });
    let failed = RwSignal::new(None::<String>);
    let field = Field::Reply(id);
    // Whoever may not write any more keeps what they wrote, to copy it.
    let has_field = Memo::new(move |_| {
        comments.editable.get() || comments.unsent.with(|unsent| unsent.contains_key(&field))
    });

    // The thread whose text the caret has come to is in view. Where somebody has the focus in it nothing moves: they may be about
    // to let a button go.
    Effect::new(move || {
        if is_active.get() && comments.focused.get_untracked() != Some(id) {
            reveal(&format!("#{}", id_of(&id)));
        }
    });
    let let_go = move || {
        if comments.focused.get_untracked() == Some(id) {
            comments.focused.set(None);
        }
    };
    on_cleanup(let_go);
    let leave = move |event: FocusEvent| {
        let to = event.related_target().and_then(|to| to.dyn_into::<Node>().ok());
        let card = event
            .current_target()
            .and_then(|card| card.dyn_into::<Node>().ok());
        if !card.is_some_and(|card| card.contains(to.as_ref())) {
            let_go();
        }
    };
    let read = move || {
        comments.focused.set(Some(id));
        comments.see(&id);
        if !is_active.get_untracked() {
            comments.open.get_value().activate(Some(id));
            reveal(&format!(".editor [data-thread=\"{}\"]", hex(&id)));
        }
    };
    let shown_quote = move || quote.get().unwrap_or_default();
    let about = move || match (is_gone.get() == Some(true), inserts.get()) {
        (true, false) => view! {
            <p class="quote quote-gone">
                <span class="hint">{say().text_is_gone()}</span>
                " "
                <q dir="auto">{shown_quote}</q>
            </p>
        }
        .into_any(),
        // Of what was rejected nobody looked for the place.
        (true, true) if is_resolved.get() => view! { <p class="hint">{say().new_text()}</p> }.into_any(),
        (true, true) => view! { <p class="hint">{say().place_is_gone()}</p> }.into_any(),
        (false, inserts) => {
            let name = move || match inserts {
                true => say().go_to_place().to_owned(),
                false => say().go_to_text(&shown_quote()),
            };
            let shown = match inserts {
                true => view! { <span class="hint">{say().new_text()}</span> }.into_any(),
                false => view! { <q dir="auto">{shown_quote}</q> }.into_any(),
            };
            view! {
                <button type="button" class="quote" aria-label=name on:click=move |_| comments.leave(Some(id))>
                    {shown}
                </button>
            }
            .into_any()
        }
    };
    let with_me = move |act: &dyn Fn(MemberId) -> Result<(), documents::Error>| {
        let done = comments.me.get_untracked().map_or(Ok(()), act);
        done.map_err(|error| problem(&error))
    };
    let reply = move |text: String| {
        let session = comments.open.get_value();
        with_me(&|me| session.reply(me, &id, &text))
    };
    // The card may be gone now, and the focus with it.
    let leave_card = move || {
        comments.leave(Some(id));
        comments.open.get_value().activate(None);
    };
    let resolve = move |_| {
        let session = comments.open.get_value();
        let done = !is_resolved.get_untracked();
        failed.set(with_me(&|me| session.resolve(me, &id, done)).err());
        if done {
            leave_card();
        }
    };
    let accept = move |_| {
        let session = comments.open.get_value();
        let me = comments.me.get_untracked();
        let accepted = me.map_or(Ok(()), |me| session.accept(me, &id));
        match accepted {
            Ok(()) => leave_card(),
            Err(error) => failed.set(Some(suggestion_problem(&error))),
        }
    };
    let can_be_accepted = move || {
        let stands = suggestion.with(|of| of.as_ref().is_some_and(|of| of.present != Present::Gone));
        stands && !is_resolved.get()
    };
    let resolving = move || match (is_resolved.get(), suggestion.with(Option::is_some)) {
        (true, _) => say().reopen_thread(),
        (false, true) => say().reject(),
        (false, false) => say().resolve(),
    };
    let name = move || {
        let proposes = suggestion.with(|of| of.as_ref().map(|of| of.proposes.clone()));
        match proposes {
            Some(proposes) if inserts.get() => say().suggestion_to_add(&shortened(&proposes, LONGEST_QUOTE)),
            Some(_) => say().suggestion_for(&shown_quote()),
            None => say().comment_on(&shown_quote()),
        }
    };
    let outcome = move |by| {
        let by = comments.name_of(MemberId(by));
        match suggestion.with(|of| of.as_ref().map(|of| of.accepted)) {
            Some(true) => say().accepted_by(&by),
            Some(false) => say().rejected_by(&by),
            None => say().resolved_by(&by),
        }
    };
    view! {
        <li>
            <article
                class="thread"
                class:active=is_active
                class:resolved=is_resolved
                id=id_of(&id)
                tabindex="-1"
                aria-label=name
                on:focusin=move |_| read()
                on:focusout=leave
            >
                {about}
                <Proposed suggestion is_resolved />
                {move || has_news.get().then(|| view! { <p class="badge badge-news">{say().new_mention()}</p> })}
                <ul class="messages">
                    <For each=move || messages.get().unwrap_or_default() key=|message| *message let:message>
                        <MessageItem comments thread id=(id, message) />
                    </For>
                </ul>
                {move || {
                    resolved_by
                        .get()
                        .flatten()
                        .map(|by| view! { <p class="hint">{outcome(by)}</p> })
                }}
                {move || {
                    resolved_by_other
                        .get()
                        .map(|writer| view! { <p class="hint message-by-other">{say().written_by(&writer)}</p> })
                }}
                <p class="problem" role="alert">
                    {move || failed.get()}
                </p>
                <Show when=move || has_field.get()>
                    <MessageField
                        comments
                        of=field
                        label=say().reply()
                        done=say().send()
                        text=String::new()
                        focused=false
                        on_done=reply
                    />
                </Show>
                <Show when=move || comments.editable.get()>
                    <div class="thread-resolve">
                        <Show when=can_be_accepted>
                            <button type="button" class="button button-small button-main" on:click=accept>
                                {say().accept()}
                            </button>
                        </Show>
                        <button type="button" class="button button-small" on:click=resolve>
                            {resolving}
                        </button>
                    </div>
                </Show>
            </article>
        </li>
    }
}

/// Whether what it proposes replaces nothing, and is not there yet.
fn inserts(thread: &Thread) -> bool {
    let replaces_nothing = thread
        .suggestion
        .as_ref()
        .is_some_and(|of| of.replaces.is_empty());
    replaces_nothing && (thread.anchors.is_empty() || thread.insertion().is_some())
}
