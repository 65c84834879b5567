//! The comments of an open page.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use documents::Error;
use documents::page::Page;
use documents::page::comments::{Comments as Said, MessageId, NewMessage, Thread, ThreadId};
use documents::page::edit::{Edit, Point};
use leptos::prelude::*;
use protocol::MemberId;
use replica::command::{Answer, Command};

use super::{Session, milliseconds, report, report_error};
use crate::page::editor::{Formatting, Selection, ShownThreads};
use crate::page::mentions::Named;

/// What is shown of comments.
#[derive(Default)]
pub(crate) struct Comments {
    pub(super) said: RefCell<Said>,
    /// In the order of the text.
    pub(crate) threads: ArcRwSignal<Vec<Thread>>,
    /// The thread that is being read, in the text or in the panel.
    pub(crate) active: ArcRwSignal<Option<ThreadId>>,
    /// What a comment is being written about.
    pub(crate) begun: ArcRwSignal<Option<Begun>>,
    /// What is written and not sent yet, whether its field is shown or not.
    pub(crate) unsent: ArcRwSignal<BTreeMap<Field, Unsent>>,
    /// Whether the person wants the panel, if they said so.
    pub(crate) wanted: ArcRwSignal<Option<bool>>,
    /// Counts up when the thread that is active is to have the focus.
    pub(crate) visits: ArcRwSignal<u32>,
    /// Which member each actor is that wrote something, as far as that is known.
    pub(crate) authors: ArcRwSignal<BTreeMap<Vec<u8>, MemberId>>,
    is_asking: Cell<bool>,
}

/// Where a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    New,
    /// The text that is proposed, in a new suggestion.
    Proposal,
    Reply(ThreadId),
    Edit(ThreadId, MessageId),
}

impl Field {
    /// The thread that it is a field of.
    pub(crate) fn thread(&self) -> Option<ThreadId> {
        match self {
            Self::New | Self::Proposal => None,
            Self::Reply(thread) | Self::Edit(thread, _) => Some(*thread),
        }
    }
}

/// What stands in such a field, and who was chosen to be mentioned there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsent {
    pub(crate) text: String,
    pub(crate) mentioned: Vec<Named>,
}

/// What is being begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Comment,
    Suggestion,
}

/// The beginning of a comment, or of a suggestion: places that stay with the text around them, and the words between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    from: String,
    to: String,
    pub(crate) quote: String,
    pub(crate) kind: Kind,
}

impl Session {
    /// Begins to write a comment on what is selected. Where nothing is, the thread that the caret is in gets the focus.
    /// False if there is neither.
    pub(crate) fn begin_comment(self: &Rc<Self>) -> bool {
        self.begin(Kind::Comment) || self.visit_thread()
    }

    pub(super) fn begin(self: &Rc<Self>, kind: Kind) -> bool {
        let Some(editor) = self.editor() else {
            return false;
        };
        // Places in text that is in no change yet are not found again.
        self.catch_up();
        self.flush();
        let selection = match kind {
            Kind::Comment => editor.begin_comment(),
            Kind::Suggestion => editor.begin_suggestion(),
        };
        let selection = selection.inspect_err(report_error);
        let Some(Selection { anchor, head }) = selection.ok().flatten() else {
            return false;
        };
        let (from, to) = in_order(anchor, head);
        let begun = self.with_draft(|draft| {
            let cursor = |point: Point| draft.page().cursor_at(point.block, point.offset).ok();
            Some(Begun {
                from: cursor(from)?,
                to: cursor(to)?,
                quote: words(draft.page(), from, to),
                kind,
            })
        });
        // There is nothing to say of spaces, but something else to propose.
        let begun = begun
            .flatten()
            .filter(|begun| kind == Kind::Suggestion || !begun.quote.trim().is_empty());
        if begun.is_none() {
            self.cancel_comment();
            return false;
        }
        self.comments.begun.set(begun);
        self.comments.wanted.set(Some(true));
        true
    }

    /// The thread that the caret is in gets the focus. False if it is in none.
    pub(crate) fn visit_thread(&self) -> bool {
        let at_caret = self
            .formatting
            .with_untracked(|formatting| self.first_open(&formatting.threads));
        let Some(thread) = at_caret else {
            return false;
        };
        self.comments.wanted.set(Some(true));
        self.activate(Some(thread));
        self.comments
            .visits
            .update(|visits| *visits = visits.wrapping_add(1));
        true
    }

    /// The comment or the suggestion that is being written is not.
    pub(crate) fn cancel_comment(&self) {
        self.comments.begun.set(None);
        self.comments.unsent.update(|unsent| {
            unsent.remove(&Field::Proposal);
        });
        if let Some(editor) = self.editor() {
            report(editor.end_comment());
        }
    }

    /// Puts the comment that is being written to the text.
    ///
    /// # Errors
    /// What the page says; [`Error::Place`] if the text is gone by now.
    pub(crate) fn add_comment(self: &Rc<Self>, author: MemberId, text: &str) -> Result<(), Error> {
        let message = new_message(author, text);
        self.put_thread(|page, thread, place, _| page.add_comment(thread, place, &message))
    }

    /// Begins the thread that is being written; `work` is told its place and the text that was there.
    pub(super) fn put_thread(
        self: &Rc<Self>,
        work: impl FnOnce(&mut Page, ThreadId, (Point, Point), &str) -> Result<Vec<Edit>, Error>,
    ) -> Result<(), Error> {
        let Some(begun) = self.comments.begun.get_untracked() else {
            return Ok(());
        };
        self.catch_up();
        self.flush();
        let thread = fresh_id();
        let edits = self.discuss(|page| {
            let place = |cursor: &str| {
                let (block, offset) = page.position_of(cursor)?;
                Some(Point { block, offset })
            };
            let gone = || Error::Place("the text is gone".to_owned());
            let from = place(&begun.from).ok_or_else(gone)?;
            let to = place(&begun.to).ok_or_else(gone)?;
            work(page, thread, (from, to), &begun.quote)
        })?;
        if let (Some(editor), Some(edits)) = (self.editor(), edits) {
            report(editor.apply(&edits));
        }
        self.cancel_comment();
        self.activate(Some(thread));
        Ok(())
    }

    /// Answers in a thread.
    pub(crate) fn reply(
        self: &Rc<Self>,
        author: MemberId,
        thread: &ThreadId,
        text: &str,
    ) -> Result<(), Error> {
        let message = new_message(author, text);
        self.discuss(|page| page.reply(thread, &message)).map(drop)
    }

    /// Says that a thread is done with, and what it proposes rejected; or that it is not.
    pub(crate) fn resolve(self: &Rc<Self>, by: MemberId, thread: &ThreadId, done: bool) -> Result<(), Error> {
        let work = |page: &mut Page| {
            if done {
                page.resolve(thread, by.0)
            } else {
                page.reopen(thread)
            }
        };
        self.discuss(work).map(drop)
    }

    pub(crate) fn edit_message(
        self: &Rc<Self>,
        author: MemberId,
        (thread, message): (&ThreadId, &MessageId),
        text: &str,
    ) -> Result<(), Error> {
        let at = milliseconds_whole();
        self.discuss(|page| page.edit_message(thread, message, &author.0, (text, at)))
            .map(drop)
    }

    pub(crate) fn delete_message(
        self: &Rc<Self>,
        author: MemberId,
        (thread, message): (&ThreadId, &MessageId),
    ) -> Result<(), Error> {
        self.discuss(|page| page.delete_message(thread, message, &author.0))
            .map(drop)
    }

    /// Shows that a thread is being read, or none.
    pub(crate) fn activate(&self, thread: Option<ThreadId>) {
        if self.comments.active.get_untracked() != thread {
            self.comments.active.set(thread);
            self.dress_threads();
        }
    }

    /// Puts the caret to the text of a thread. False if that is gone.
    pub(crate) fn go_to_thread(&self, thread: &ThreadId) -> bool {
        self.activate(Some(*thread));
        self.editor().is_some_and(|editor| {
            let went = editor.go_to_thread(&hex(thread));
            went.inspect_err(report_error).unwrap_or_default()
        })
    }

    pub(super) fn discuss<T>(
        self: &Rc<Self>,
        work: impl FnOnce(&mut Page) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let done = self.with_draft(|draft| draft.discuss(work)).transpose()?;
        self.edited();
        self.read_threads();
        Ok(done)
    }

    /// What is said has changed.
    pub(super) fn read_threads(self: &Rc<Self>) {
        let said = self.with_draft(|draft| draft.page().comments());
        self.comments.said.replace(said.unwrap_or_default());
        self.place_threads();
        let writers = self.comments.threads.with_untracked(|threads| {
            let messages = threads.iter().flat_map(|thread| &thread.messages);
            let writers = messages.flat_map(|message| {
                let proposal = message.proposal.as_ref().map(|proposal| &proposal.writer);
                proposal.into_iter().chain([&message.writer])
            });
            let resolved = threads.iter().flat_map(|thread| &thread.resolved_writers);
            writers.chain(resolved).cloned().collect::<Vec<_>>()
        });
        self.ask_authors(writers.iter());
    }

    /// Where it stands may have changed.
    pub(super) fn place_threads(&self) {
        let said = self.comments.said.borrow();
        let threads = self
            .with_draft(|draft| draft.page().threads_of(&said))
            .unwrap_or_default();
        if self.comments.threads.with_untracked(|known| *known != threads) {
            self.comments.threads.set(threads);
            self.dress_threads();
        }
    }

    /// Tells the editor which text is commented on.
    pub(super) fn dress_threads(&self) {
        let open = self.comments.threads.with_untracked(|threads| {
            let open = threads.iter().filter(|thread| thread.resolved_by.is_none());
            open.map(|thread| hex(&thread.id)).collect()
        });
        let active = self.comments.active.get_untracked().map(|thread| hex(&thread));
        if let Some(editor) = self.editor() {
            let suggested = self.shown_suggestions();
            let shown = ShownThreads {
                open,
                active,
                suggested,
            };
            report(editor.set_threads(&shown));
        }
    }

    /// The thread that the caret has come to is being read; who leaves its text leaves it.
    pub(super) fn follow_caret(&self, formatting: &Formatting) {
        let moved = self
            .formatting
            .with_untracked(|known| known.threads != formatting.threads);
        if moved {
            self.activate(self.first_open(&formatting.threads));
        }
    }

    fn first_open(&self, ids: &[String]) -> Option<ThreadId> {
        self.comments.threads.with_untracked(|threads| {
            let mut open = threads.iter().filter(|thread| thread.resolved_by.is_none());
            open.find(|thread| ids.contains(&hex(&thread.id)))
                .map(|thread| thread.id)
        })
    }

    /// The replica knows whose hand wrote what. It is asked if one of these is not known here.
    pub(in crate::page) fn ask_authors<'a>(self: &Rc<Self>, mut writers: impl Iterator<Item = &'a Vec<u8>>) {
        let authors = &self.comments.authors;
        let is_unknown =
            authors.with_untracked(|authors| writers.any(|writer| !authors.contains_key(writer)));
        if !is_unknown || self.comments.is_asking.replace(true) {
            return;
        }
        let (classroom, document) = self.place;
        let session = self.clone();
        self.link
            .ask(Command::Authors { classroom, document }, move |answer| {
                session.comments.is_asking.set(false);
                if let Ok(Answer::Authors(authors)) = answer {
                    let authors = authors.into_iter();
                    let authors = authors.map(|author| (author.actor.to_vec(), author.member));
                    session.comments.authors.set(authors.collect());
                }
            });
    }
}

/// A thread's id, or a message's, as it stands in the document.
pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn in_order(one: Point, other: Point) -> (Point, Point) {
    let place = |point: &Point| (point.block, point.offset);
    if place(&one) <= place(&other) {
        (one, other)
    } else {
        (other, one)
    }
}

/// The text between two places.
fn words(page: &Page, from: Point, to: Point) -> String {
    let mut words = String::new();
    for (index, block) in page
        .blocks()
        .iter()
        .enumerate()
        .take(to.block + 1)
        .skip(from.block)
    {
        let units: Vec<u16> = block.text().encode_utf16().collect();
        let start = if index == from.block { from.offset } else { 0 };
        let end = if index == to.block { to.offset } else { units.len() };
        if !words.is_empty() {
            words.push(' ');
        }
        let stretch = units.get(start..end.min(units.len())).unwrap_or_default();
        words.push_str(&String::from_utf16_lossy(stretch));
    }
    words
}

pub(super) fn new_message(author: MemberId, text: &str) -> NewMessage<'_> {
    NewMessage {
        id: fresh_id(),
        author: author.0,
        at: milliseconds_whole(),
        text,
    }
}

fn fresh_id() -> [u8; 16] {
    let mut id = [0; 16];
    // A browser without randomness has made no member either.
    if let Err(error) = getrandom::fill(&mut id) {
        leptos::logging::error!("no randomness: {error}");
    }
    id
}

fn milliseconds_whole() -> i64 {
    // Whole milliseconds fit for as long as there are dates.
    #[allow(clippy::cast_possible_truncation)]
    let whole = milliseconds() as i64;
    whole
}
