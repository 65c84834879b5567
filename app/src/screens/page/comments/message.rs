use documents::page::comments::{Message, MessageId, Part, Thread, ThreadId, parts};
use leptos::prelude::*;
use protocol::MemberId;

use super::message_field::MessageField;
use super::{Comments, focus_thread, problem};
use crate::components::avatar::Avatar;
use crate::components::menu::{Menu, MenuItem, menu_items};
use crate::intl;
use crate::messages::say;
use crate::page::session::comments::{Field, hex};

/// What somebody said. Their own one can change, or take away.
#[component]
pub(super) fn MessageItem(
    comments: Comments,
    thread: Memo<Option<Thread>>,
    id: (ThreadId, MessageId),
) -> impl IntoView {
    let message = Memo::new(move |_| {
        thread.with(|thread| {
            let messages = thread.as_ref().map(|thread| thread.messages.as_slice());
            let mut messages = messages.unwrap_or_default().iter();
            messages.find(|message| message.id == id.1).cloned()
        })
    });
    // Each part by itself: what is made anew whenever the classroom is shown anew is no place to write, or to open a menu.
    fn part<T: Send + Sync + PartialEq + Default + 'static>(
        message: Memo<Option<Message>>,
        read: impl Fn(&Message) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| message.with(|message| message.as_ref().map(&read).unwrap_or_default()))
    }
    let author = part(message, |message| Some(MemberId(message.author)));
    let at = part(message, |message| message.at);
    let text = part(message, |message| message.text.clone());
    let is_edited = part(message, |message| message.edited.is_some());
    let mentions_me = part(message, move |message| comments.mentions_me(message));
    let name = Memo::new(move |_| {
        let name = author.get().map(|author| comments.name_of(author));
        name.unwrap_or_default()
    });
    let written_by = part(message, move |message| {
        let proposed_by = message.proposal.as_ref().map(|proposal| &proposal.writer);
        comments.other_hand(
            std::iter::once(&message.writer).chain(proposed_by),
            message.author,
        )
    });
    let field = Field::Edit(id.0, id.1);
    let editing = RwSignal::new(
        comments
            .unsent
            .with_untracked(|unsent| unsent.contains_key(&field)),
    );
    let deleting = RwSignal::new(false);
    let is_own = Memo::new(move |_| {
        let author = author.get();
        comments.editable.get() && author.is_some() && author == comments.me.get()
    });
    let head = format!("message-{}", hex(&id.1));
    let described_by = head.clone();
    let avatar = move || {
        let colour = author.get().map_or(0, |author| author.0[0] % 12);
        view! { <Avatar name=name.get() colour /> }
    };
    let said = move || {
        if editing.get() {
            view! { <Editing comments id text=text.get_untracked() editing /> }.into_any()
        } else {
            view! { <MessageText comments text /> }.into_any()
        }
    };
    view! {
        <li class="message">
            <div class="message-head">
                {avatar} <span class="message-by" id=head>
                    <bdi class="message-author">{name}</bdi>
                    " "
                    <time class="hint" datetime=move || intl::iso(at.get())>
                        {move || intl::moment(&intl::variety_of(say().tag()), at.get())}
                    </time>
                </span>
                {move || {
                    is_own.get().then(|| view! { <OwnMenu editing deleting described_by=described_by.clone() /> })
                }}
            </div>
            {move || {
                written_by
                    .get()
                    .map(|writer| view! { <p class="hint message-by-other">{say().written_by(&writer)}</p> })
            }}
            {said}
            {move || is_edited.get().then(|| view! { <p class="hint">{say().edited()}</p> })}
            {move || mentions_me.get().then(|| view! { <p class="hint message-mention">{say().mentions_you()}</p> })}
            {move || deleting.get().then(|| view! { <Deleting comments id deleting /> })}
        </li>
    }
}

/// The names of who is mentioned are those that they have now.
#[component]
fn MessageText(comments: Comments, text: Memo<String>) -> impl IntoView {
    let pieces = move || {
        let text = text.get();
        let pieces = parts(&text).into_iter().map(|part| match part {
            Part::Text(text) => text.to_owned().into_any(),
            Part::Mention(member) => {
                let name = comments.name_of(MemberId(member));
                let is_me = comments.me.get() == Some(MemberId(member));
                view! { <bdi class="mention" class:mention-me=is_me>"@" {name}</bdi> }.into_any()
            }
        });
        pieces.collect_view()
    };
    // A suggestion says enough without words.
    let has_text = Memo::new(move |_| text.with(|text| !text.is_empty()));
    move || {
        has_text.get().then(|| {
            view! {
                <p class="message-text" dir="auto">
                    {pieces}
                </p>
            }
        })
    }
}

#[component]
fn OwnMenu(editing: RwSignal<bool>, deleting: RwSignal<bool>, described_by: String) -> impl IntoView {
    let items = menu_items(move || {
        vec![
            MenuItem::new(say().edit_message(), move || {
                deleting.set(false);
                editing.set(true);
            }),
            MenuItem::new(say().delete_message(), move || deleting.set(true)),
        ]
    });
    view! { <Menu name=say().more() class="button button-quiet button-small" described_by items /> }
}

#[component]
fn Editing(
    comments: Comments,
    id: (ThreadId, MessageId),
    text: String,
    editing: RwSignal<bool>,
) -> impl IntoView {
    let (thread, message) = id;
    let change = move |text: String| {
        let session = comments.open.get_value();
        let me = comments.me.get_untracked();
        let changed = me.map_or(Ok(()), |me| session.edit_message(me, (&thread, &message), &text));
        changed.map_err(|error| problem(&error))?;
        editing.set(false);
        focus_thread(&thread);
        Ok(())
    };
    let cancel = move || {
        editing.set(false);
        focus_thread(&thread);
    };
    let of = Field::Edit(thread, message);
    // What was left and is shown again does not take the focus.
    let focused = comments.unsent.with_untracked(|unsent| !unsent.contains_key(&of));
    view! {
        <MessageField
            comments
            of
            label=say().message()
            done=say().save_message()
            text
            focused
            on_done=change
            on_cancel=cancel
        />
    }
}

/// What is taken away is gone for everybody: it is asked.
#[component]
fn Deleting(comments: Comments, id: (ThreadId, MessageId), deleting: RwSignal<bool>) -> impl IntoView {
    let (thread, message) = id;
    let failed = RwSignal::new(None::<String>);
    let keep = NodeRef::<leptos::html::Button>::new();
    Effect::new(move || {
        if let Some(keep) = keep.get()
            && let Err(error) = keep.focus()
        {
            leptos::logging::warn!("a button was not focused: {error:?}");
        }
    });
    let delete = move |_| {
        let session = comments.open.get_value();
        let me = comments.me.get_untracked();
        let deleted = me.map_or(Ok(()), |me| session.delete_message(me, (&thread, &message)));
        match deleted {
            Ok(()) => {
                let rests = comments
                    .threads
                    .with_untracked(|threads| threads.iter().any(|other| other.id == thread));
                if rests {
                    focus_thread(&thread);
                } else {
                    comments.leave(None);
                }
            }
            Err(error) => failed.set(Some(problem(&error))),
        }
    };
    let cancel = move |_| {
        deleting.set(false);
        focus_thread(&thread);
    };
    view! {
        <div class="message-deleting" role="group" aria-label=say().delete_message_question()>
            <p>{say().delete_message_question()}</p>
            <p class="problem" role="alert">
                {move || failed.get()}
            </p>
            <div class="actions">
                <button type="button" class="button button-small" on:click=delete>
                    {say().delete_message()}
                </button>
                <button type="button" class="button button-small button-quiet" node_ref=keep on:click=cancel>
                    {say().cancel()}
                </button>
            </div>
        </div>
    }
}
