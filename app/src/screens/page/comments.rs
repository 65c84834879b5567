//! The comments of a page: the panel beside it, and what leads there.

mod message;
mod message_field;
mod suggestion;
mod thread;

use std::collections::{BTreeMap, BTreeSet};

use documents::Error;
use documents::classroom::MemberKey;
use documents::page::comments::{Message, MessageId, Part, Thread, ThreadId, parts};
use leptos::prelude::*;
use protocol::{MemberId, SpaceId};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent, ScrollIntoViewOptions, ScrollLogicalPosition};

use self::message_field::MessageField;
use self::suggestion::NewSuggestion;
use self::thread::ThreadCard;
use super::Open;
use crate::components::avatar::name_in;
use crate::components::icon::CommentIcon;
use crate::intl::shortened;
use crate::link::{Link, Place, use_link};
use crate::messages::say;
use crate::page::mentions::Named;
use crate::page::seen;
use crate::page::session::Phase;
use crate::page::session::comments::{Begun, Field, Kind, Unsent, hex};

/// From this width on the panel stands beside the page, in CSS pixels; as in the style sheet.
const WIDE: f64 = 1_120.0;

/// Of more decisions at once only the number is told.
const MOST_TOLD: usize = 3;

/// How much of a suggestion is told, in characters: who hears it can't skip ahead.
const LONGEST_TOLD: usize = 80;

/// What the parts of this screen that concern comments share.
#[derive(Clone, Copy)]
pub(super) struct Comments {
    link: Link,
    open: Open,
    place: Place,
    /// Whether this person may say something.
    editable: Memo<bool>,
    me: Memo<Option<MemberId>>,
    /// Who can be mentioned.
    members: Memo<Vec<Named>>,
    phase: RwSignal<Phase>,
    threads: RwSignal<Vec<Thread>>,
    active: RwSignal<Option<ThreadId>>,
    begun: RwSignal<Option<Begun>>,
    unsent: RwSignal<BTreeMap<Field, Unsent>>,
    /// The thread that the focus is in.
    focused: RwSignal<Option<ThreadId>>,
    wanted: RwSignal<Option<bool>>,
    authors: RwSignal<BTreeMap<Vec<u8>, MemberId>>,
    /// The messages mentioning this person that they have seen on this device.
    seen: RwSignal<BTreeSet<MessageId>>,
    with_resolved: RwSignal<bool>,
    /// Who said something that nobody was told yet who hears the page.
    commenters: RwSignal<BTreeSet<MemberId>>,
    /// The suggestions that were accepted or rejected, of which the same is true.
    decided: RwSignal<Vec<Decision>>,
}

/// What became of a suggestion.
#[derive(Clone, Debug)]
struct Decision {
    by: MemberKey,
    accepted: bool,
    deletes: bool,
    /// How what is proposed begins, or what is to go.
    text: String,
}

/// That a suggestion is accepted, or rejected. Of two who decided the same apart, one is enough.
type Decided = (ThreadId, bool);

fn decided(thread: &Thread) -> Option<Decided> {
    let suggestion = thread.suggestion.as_ref()?;
    thread.resolved_by.map(|_| (thread.id, suggestion.accepted))
}

fn decision(thread: &Thread) -> Option<Decision> {
    let suggestion = thread.suggestion.as_ref()?;
    let deletes = suggestion.proposes.is_empty();
    let text = if deletes {
        &suggestion.replaces
    } else {
        &suggestion.proposes
    };
    Some(Decision {
        by: thread.resolved_by?,
        accepted: suggestion.accepted,
        deletes,
        text: shortened(text, LONGEST_TOLD),
    })
}

impl Comments {
    pub(super) fn new(open: Open, place: Place, editable: Memo<bool>) -> Self {
        let link = use_link();
        let (classroom, document) = place;
        let members = Memo::new(move |_| {
            link.classrooms.with(|classrooms| {
                let view = classrooms.get(&classroom)?;
                let for_staff = view
                    .documents
                    .iter()
                    .any(|other| other.id == document && other.space == SpaceId::STAFF);
                let members = view.members.iter();
                let members = members.filter(|member| !member.name.is_empty() && !member.me);
                let members = members.filter(|member| !for_staff || member.role.is_staff());
                let named = members.map(|member| Named {
                    name: member.name.clone(),
                    key: member.id.0,
                });
                Some(named.collect())
            })
        });
        let comments = open.with_value(|session| Self {
            link,
            open,
            place,
            editable,
            me: Memo::new(move |_| link.home.with(|home| home.as_ref().and_then(|home| home.me))),
            members: Memo::new(move |_| members.get().unwrap_or_default()),
            phase: RwSignal::from(session.phase.clone()),
            threads: RwSignal::from(session.comments.threads.clone()),
            active: RwSignal::from(session.comments.active.clone()),
            begun: RwSignal::from(session.comments.begun.clone()),
            unsent: RwSignal::from(session.comments.unsent.clone()),
            focused: RwSignal::new(None),
            wanted: RwSignal::from(session.comments.wanted.clone()),
            authors: RwSignal::from(session.comments.authors.clone()),
            seen: RwSignal::new(seen::messages_on(&place)),
            with_resolved: RwSignal::new(false),
            commenters: RwSignal::new(BTreeSet::new()),
            decided: RwSignal::new(Vec::new()),
        });
        // Where there is room, a page on which something is being said begins with the panel.
        Effect::new(move || {
            let says = comments.count_open() > 0;
            if says && comments.wanted.get().is_none() && window_width() >= WIDE {
                comments.wanted.set(Some(true));
            }
        });
        // Whoever may write settles what was accepted apart.
        Effect::new(move || {
            comments.threads.track();
            if comments.editable.get() {
                comments.open.get_value().settle_suggestions();
            }
        });
        // Who goes to a thread by the keyboard has the focus there.
        let visits = open.with_value(|session| RwSignal::from(session.comments.visits.clone()));
        Effect::new(move |before: Option<u32>| {
            let visits = visits.get();
            if before.is_some_and(|before| before != visits)
                && let Some(thread) = comments.active.get_untracked()
            {
                // The panel may only now be drawn.
                request_animation_frame(move || focus_thread(&thread));
            }
            visits
        });
        comments
    }

    fn is_shown(self) -> bool {
        self.wanted.get() == Some(true)
    }

    fn count_open(self) -> usize {
        self.threads.with(|threads| {
            let open = threads.iter().filter(|thread| thread.resolved_by.is_none());
            open.count()
        })
    }

    /// Whether there is something to tell of comments to who hears the page.
    pub(super) fn has_news_to_tell(self) -> bool {
        self.commenters.with(|commenters| !commenters.is_empty())
            || self.decided.with(|decided| !decided.is_empty())
    }

    /// What was accepted and rejected since this was asked last, in words.
    pub(super) fn take_decisions(self) -> Vec<String> {
        let decided = self.decided.try_update(std::mem::take).unwrap_or_default();
        if decided.len() > MOST_TOLD {
            return vec![say().suggestions_decided(&decided.len().to_string())];
        }
        let told = decided.into_iter();
        told.map(|decision| untrack(|| self.told(&decision))).collect()
    }

    fn told(self, decision: &Decision) -> String {
        let by = self.name_of(MemberId(decision.by));
        match (decision.deletes, decision.accepted) {
            (true, true) => say().deletion_accepted_aloud(&by, &decision.text),
            (true, false) => say().deletion_rejected_aloud(&by, &decision.text),
            (false, true) => say().accepted_aloud(&by, &decision.text),
            (false, false) => say().rejected_aloud(&by, &decision.text),
        }
    }

    /// The names of those who said something since this was asked last.
    pub(super) fn take_commenters(self) -> Vec<String> {
        let commenters = self.commenters.try_update(std::mem::take).unwrap_or_default();
        let names = commenters.into_iter();
        names.map(|member| untrack(|| self.name_of(member))).collect()
    }

    /// Whether something is written in a thread that is not sent yet.
    fn has_unsent(self, thread: ThreadId) -> bool {
        self.unsent
            .with(|unsent| unsent.keys().any(|field| field.thread() == Some(thread)))
    }

    /// The name of a member, or of somebody who was one.
    pub(super) fn name_of(self, member: MemberId) -> String {
        let name = self
            .link
            .classrooms
            .with(|classrooms| name_in(classrooms.get(&self.place.0)?, member));
        name.unwrap_or_else(|| say().not_a_member().to_owned())
    }

    /// The name of another member than who is said to have written something, if one of these actors is theirs.
    fn other_hand<'a>(
        self,
        mut actors: impl Iterator<Item = &'a Vec<u8>>,
        said: MemberKey,
    ) -> Option<String> {
        let other = self.authors.with(|authors| {
            let mut writers = actors.by_ref().filter_map(|actor| authors.get(actor).copied());
            writers.find(|writer| writer.0 != said)
        });
        other.map(|other| self.name_of(other))
    }

    /// Whether a message mentions this person, and is not theirs.
    fn mentions_me(self, message: &Message) -> bool {
        let me = self.me.get();
        me.is_some_and(|me| message.author != me.0 && parts(&message.text).contains(&Part::Mention(me.0)))
    }

    /// Whether somebody mentions this person in a thread, and they have not looked at it yet.
    fn has_news(self, thread: &Thread) -> bool {
        let news = |message: &Message| {
            self.mentions_me(message) && !self.seen.with(|seen| seen.contains(&message.id))
        };
        thread.resolved_by.is_none() && thread.messages.iter().any(news)
    }

    /// This person looks at a thread.
    fn see(self, id: &ThreadId) {
        let mentioning: Vec<MessageId> = self.threads.with_untracked(|threads| {
            let thread = threads.iter().find(|thread| thread.id == *id);
            let messages = thread
                .map(|thread| thread.messages.as_slice())
                .unwrap_or_default();
            let mentioning = messages
                .iter()
                .filter(|message| untrack(|| self.mentions_me(message)));
            mentioning.map(|message| message.id).collect()
        });
        let all_seen = self
            .seen
            .with_untracked(|seen| mentioning.iter().all(|id| seen.contains(id)));
        if !all_seen {
            self.seen.update(|seen| seen.extend(mentioning));
            self.seen
                .with_untracked(|seen| seen::note_messages(&self.place, seen));
        }
    }

    /// The text that something is being written about.
    fn begun_quote(self) -> String {
        let quote = self
            .begun
            .with(|begun| begun.as_ref().map(|begun| begun.quote.clone()));
        quote.unwrap_or_default()
    }

    /// Goes on in the text.
    fn leave(self, thread: Option<ThreadId>) {
        let session = self.open.get_value();
        if !thread.is_some_and(|thread| session.go_to_thread(&thread)) {
            session.focus();
        }
    }
}

/// Does what the buttons of the toolbar do, for who may write; others go to the comment that the caret is in.
pub(super) fn on_key(open: Open, editable: Memo<bool>, event: &KeyboardEvent) {
    let pressed = (event.ctrl_key() || event.meta_key()) && event.alt_key();
    // With AltGr it is a letter in some languages.
    if !pressed || event.get_modifier_state("AltGraph") {
        return;
    }
    let session = open.get_value();
    let done = match (event.code().as_str(), editable.get_untracked()) {
        ("KeyM", true) => session.begin_comment(),
        ("KeyM", false) => session.visit_thread(),
        ("KeyS", true) => session.begin_suggestion(),
        _ => false,
    };
    if done {
        event.prevent_default();
    }
}

/// Shows the panel, or hides it.
#[component]
pub(super) fn CommentsButton(comments: Comments) -> impl IntoView {
    let count = Memo::new(move |_| comments.count_open());
    let news = Memo::new(move |_| {
        comments.threads.with(|threads| {
            let news = threads.iter().filter(|thread| comments.has_news(thread));
            news.count()
        })
    });
    let name = move || match (count.get(), news.get()) {
        (0, _) => say().comments().to_owned(),
        (count, 0) => say().comments_open(&count.to_string()),
        (count, news) => say().comments_mention_you(&count.to_string(), &news.to_string()),
    };
    let toggle = move |_| {
        let shown = untrack(|| comments.is_shown());
        comments.wanted.set(Some(!shown));
    };
    // Whoever hears the screen is told what others say, wherever the focus is.
    Effect::new(move |before: Option<Option<BTreeSet<MessageId>>>| {
        if comments.phase.get() != Phase::Ready {
            return None;
        }
        let all: BTreeMap<MessageId, MemberId> = comments.threads.with(|threads| {
            let messages = threads.iter().flat_map(|thread| &thread.messages);
            let messages = messages.map(|message| (message.id, MemberId(message.author)));
            messages.collect()
        });
        // What is there when the page comes is not told.
        if let Some(before) = before.flatten() {
            let me = comments.me.get_untracked();
            let others = all
                .iter()
                .filter(|(id, author)| !before.contains(*id) && me != Some(**author));
            let others: Vec<MemberId> = others.map(|(_, author)| *author).collect();
            if !others.is_empty() {
                comments.commenters.update(|commenters| commenters.extend(others));
            }
        }
        Some(all.into_keys().collect())
    });
    // The same is told of what was decided. This is done at each key: only of what is new the text is read.
    Effect::new(move |before: Option<Option<BTreeSet<Decided>>>| {
        if comments.phase.get() != Phase::Ready {
            return None;
        }
        let all: BTreeSet<Decided> = comments
            .threads
            .with(|threads| threads.iter().filter_map(decided).collect());
        if let Some(before) = before.flatten() {
            let new: Vec<Decision> = comments.threads.with_untracked(|threads| {
                let is_new = |thread: &&Thread| decided(thread).is_some_and(|of| !before.contains(&of));
                threads.iter().filter(is_new).filter_map(decision).collect()
            });
            if !new.is_empty() {
                comments.decided.update(|decided| decided.extend(new));
            }
        }
        Some(all)
    });
    view! {
        <button
            type="button"
            class="button button-quiet comments-button"
            aria-label=name
            title=name
            aria-expanded=move || comments.is_shown().to_string()
            on:click=toggle
        >
            <CommentIcon />
            {move || (count.get() > 0).then(|| view! { <span class="count">{count.get()}</span> })}
            {move || {
                (news.get() > 0).then(|| view! { <span class="count count-news">"@" {news.get()}</span> })
            }}
        </button>
    }
}

/// The panel, while it is wanted.
#[component]
pub(super) fn CommentsPanel(comments: Comments) -> impl IntoView {
    let shown = Memo::new(move |_| comments.is_shown());
    move || shown.get().then(|| view! { <Panel comments /> })
}

#[component]
fn Panel(comments: Comments) -> impl IntoView {
    let listed = Memo::new(move |_| {
        let with_resolved = comments.with_resolved.get();
        comments.threads.with(|threads| {
            // Nobody is taken from where they write.
            let is_used = |id: ThreadId| comments.focused.get() == Some(id) || comments.has_unsent(id);
            let listed = threads
                .iter()
                .filter(|thread| with_resolved || thread.resolved_by.is_none() || is_used(thread.id));
            listed.map(|thread| thread.id).collect::<Vec<_>>()
        })
    });
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" && !event.default_prevented() {
            event.prevent_default();
            comments.leave(comments.active.get_untracked());
        }
    };
    let close = move |_| {
        comments.wanted.set(Some(false));
        comments.leave(None);
    };
    let begun = Memo::new(move |_| {
        comments
            .begun
            .with(|begun| begun.as_ref().map(|begun| begun.kind))
    });
    view! {
        <aside class="comments" aria-label=say().comments() on:keydown=on_key>
            <div class="comments-head">
                <h2>{say().comments()}</h2>
                <label class="comments-switch">
                    <input
                        type="checkbox"
                        role="switch"
                        prop:checked=move || comments.with_resolved.get()
                        on:change=move |event| comments.with_resolved.set(event_target_checked(&event))
                    />
                    {say().show_resolved()}
                </label>
                <button type="button" class="tool" aria-label=say().close_comments() title=say().close_comments() on:click=close>
                    <span aria-hidden="true">"×"</span>
                </button>
            </div>
            {move || match begun.get() {
                Some(Kind::Comment) => view! { <NewComment comments /> }.into_any(),
                Some(Kind::Suggestion) => view! { <NewSuggestion comments /> }.into_any(),
                None => ().into_any(),
            }}
            <ol class="threads">
                <For each=move || listed.get() key=|id| *id let:id>
                    <ThreadCard comments id />
                </For>
            </ol>
            <Show when=move || listed.with(Vec::is_empty) && begun.get().is_none()>
                <p class="hint">
                    {move || if comments.editable.get() { say().no_comments() } else { say().no_comments_to_read() }}
                </p>
            </Show>
        </aside>
    }
}

/// What is written stays if other text is chosen for it, or the page is locked meanwhile.
#[component]
fn NewComment(comments: Comments) -> impl IntoView {
    let quote = move || comments.begun_quote();
    Effect::new(move |before: Option<()>| {
        comments.begun.track();
        if before.is_some() {
            focus(".thread-new textarea");
        }
    });
    let send = move |text: String| {
        let me = comments.me.get_untracked();
        let session = comments.open.get_value();
        let sent = me.map_or(Ok(()), |me| session.add_comment(me, &text));
        sent.map_err(|error| problem(&error))?;
        comments.leave(comments.active.get_untracked());
        Ok(())
    };
    let cancel = move || {
        comments.open.get_value().cancel_comment();
        comments.leave(None);
    };
    view! {
        <div class="thread thread-new active">
            <p class="quote">
                <q dir="auto">{quote}</q>
            </p>
            <MessageField
                comments
                of=Field::New
                label=say().new_comment()
                done=say().add_comment()
                text=String::new()
                focused=true
                on_done=send
                on_cancel=cancel
            />
        </div>
    }
}

/// Why something could not be said.
fn problem(error: &Error) -> String {
    match error {
        Error::Length { .. } => say().comment_too_long().to_owned(),
        Error::TooMuch => say().comments_too_many().to_owned(),
        Error::Place(_) => say().comment_text_gone().to_owned(),
        Error::Absent => say().comment_not_there().to_owned(),
        other => {
            leptos::logging::error!("a comment was not taken: {other}");
            say().comment_not_taken().to_owned()
        }
    }
}

/// The id of a thread's element. The editor names it, too.
fn id_of(thread: &ThreadId) -> String {
    format!("thread-{}", hex(thread))
}

/// The thread itself gets the focus: to go on from there.
fn focus_thread(thread: &ThreadId) {
    focus(&format!("#{}", id_of(thread)));
}

fn focus(selector: &str) {
    let element = document().query_selector(selector).ok().flatten();
    let element = element.and_then(|element| element.dyn_into::<HtmlElement>().ok());
    if let Some(Err(error)) = element.map(|element| element.focus()) {
        leptos::logging::warn!("a comment was not focused: {error:?}");
    }
}

/// Brings an element into view, if it is not there.
fn reveal(selector: &str) {
    if let Ok(Some(element)) = document().query_selector(selector) {
        let options = ScrollIntoViewOptions::new();
        options.set_block(ScrollLogicalPosition::Nearest);
        element.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

fn window_width() -> f64 {
    let width = window().inner_width().ok();
    width.and_then(|width| width.as_f64()).unwrap_or_default()
}
