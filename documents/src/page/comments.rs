//! Comments: threads of messages about a stretch of the text.
//!
//! Each thread is a map of its own at the root, by the name of the mark that holds it to the text: threads that are begun apart
//! never meet in one key. Its messages are a list, so that replies stand in the order in which they were written. A thread that begins by
//! proposing another text is a suggestion.

mod insertions;
mod suggestions;

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::Transactable;
use automerge::{ObjId, ObjType, ROOT, ReadDoc};

use super::Page;
use super::edit::{Edit, Point, Value, cut, place, width};
use crate::classroom::{MemberKey, hex, unhex};
use crate::document::Document;
use crate::{Error, entry};

pub(crate) use insertions::move_places;
pub use suggestions::{LONGEST_PROPOSAL, NewProposal, Present, Proposal, Suggestion};

/// The longest message that can be written, in characters; of a longer one this much is read. Each mention counts as [`MENTION`] of them.
pub const LONGEST_MESSAGE: usize = 4_000;
/// How many characters a mention takes.
pub const MENTION: usize = 65;
/// The most threads that can be begun on a page. Of more, those with the least ids are read.
pub const MOST_THREADS: usize = 1_000;
/// The most messages that can be written in a thread. Of more, the first are read.
pub const MOST_MESSAGES: usize = 500;
/// How much of the text a thread keeps of what it is about, in characters.
pub const LONGEST_QUOTE: usize = 200;

/// The most threads that are looked at, with those from which all was taken away.
const MOST_KEYS: usize = 10 * MOST_THREADS;
/// The most places in a thread's lists that are looked at, with those that hold no message, or one again.
const MOST_PLACES: usize = 10 * MOST_MESSAGES;

/// Names a thread within a page; random.
pub type ThreadId = [u8; 16];
/// Names a message within a thread; random.
pub type MessageId = [u8; 16];

const PREFIX: &str = "comment:";
const QUOTE: &str = "quote";
const MESSAGES: &str = "messages";
const RESOLVED: &str = "resolved";
const SEEN: &str = "seen";
const ACCEPTED: &str = "accepted";
const ONCE: &str = "once";

/// Messages about a stretch of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: ThreadId,
    /// Where the text is that it is about, in order; nowhere if that was deleted. Of what is proposed where no text is, that place,
    /// unless it was rejected.
    pub anchors: Vec<Stretch>,
    /// How that text begins; of text that was deleted, how it began when the thread did.
    pub quote: String,
    /// Oldest first; never empty.
    pub messages: Vec<Message>,
    /// Who said that it is done with. A message that they had not seen opens it again.
    pub resolved_by: Option<MemberKey>,
    /// The actors that wrote that.
    pub resolved_writers: Vec<Vec<u8>>,
    /// What it proposes, if anything.
    pub suggestion: Option<Suggestion>,
}

impl Thread {
    /// Where something is proposed that replaces no text.
    pub fn insertion(&self) -> Option<Point> {
        match *self.anchors.as_slice() {
            [Stretch { block, from, to }] if from == to => Some(Point { block, offset: from }),
            _ => None,
        }
    }
}

/// A range of one block's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    pub block: usize,
    pub from: usize,
    pub to: usize,
}

/// What somebody says in a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    /// Whose it is, by what it says itself.
    pub author: MemberKey,
    /// Milliseconds since 1970, by the author's clock.
    pub at: i64,
    /// See [`parts`].
    pub text: String,
    /// When the text was last changed, if it ever was.
    pub edited: Option<i64>,
    /// The actor that wrote the text as it is.
    pub writer: Vec<u8>,
    pub proposal: Option<Proposal>,
}

/// A message to be written. Its text has at most [`LONGEST_MESSAGE`] characters, and some that are no white space.
#[derive(Clone, Copy, Debug)]
pub struct NewMessage<'a> {
    pub id: MessageId,
    pub author: MemberKey,
    /// Milliseconds since 1970.
    pub at: i64,
    pub text: &'a str,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Text(&'a str),
    /// A member who is spoken to: `@` and the 64 digits of their key.
    Mention(MemberKey),
}

/// The text of a message in pieces.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut begun = 0;
    for (at, _) in text.match_indices('@') {
        let Some(member) = text.get(at + 1..at + MENTION).and_then(unhex) else {
            continue;
        };
        if begun < at {
            parts.push(Part::Text(&text[begun..at]));
        }
        parts.push(Part::Mention(member));
        begun = at + MENTION;
    }
    if begun < text.len() {
        parts.push(Part::Text(&text[begun..]));
    }
    parts
}

/// How a member is mentioned in a text.
pub fn mention(member: &MemberKey) -> String {
    format!("@{}", hex(member))
}

/// How many changes that came to a document since it was loaded say something in comments. While that stays, so does what
/// [`mentions_of`] finds.
pub fn changes_to(document: &Document) -> u64 {
    document.history.said()
}

/// The messages in which a member is mentioned by others, in threads that are open; without reading the page's text.
pub fn mentions_of(document: &Document, member: &MemberKey) -> Vec<MessageId> {
    let wanted = mention(member);
    let threads = read_all(document).into_values();
    let open = threads.filter(|thread| thread.done().is_none());
    let messages = open.flat_map(|thread| thread.messages);
    messages
        .filter(|message| message.author != *member && message.text.contains(&wanted))
        .map(|message| message.id)
        .collect()
}

/// The thread that a mark is of; none if it is another mark.
pub fn thread_of(mark: &str) -> Option<ThreadId> {
    unhex(mark.strip_prefix(PREFIX)?)
}

/// Whether a key at the root, or the name of a mark, is a thread's.
pub(crate) fn is_comment(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The name of a thread's mark, and of its place at the root.
fn name_of(thread: &ThreadId) -> String {
    format!("{PREFIX}{}", hex(thread))
}

/// All that is said in the comments of a page at one time, without where they are in the text.
#[derive(Clone, Debug, Default)]
pub struct Comments(BTreeMap<ThreadId, Written>);

/// A thread as it is written.
#[derive(Clone, Debug)]
struct Written {
    object: ObjId,
    quote: String,
    messages: Vec<Message>,
    /// That it is done with, by each who said so without knowing of the others. Automerge's winner is the last.
    notes: Vec<Resolved>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Resolved {
    by: MemberKey,
    /// The messages that there were.
    seen: BTreeSet<MessageId>,
    outcome: Outcome,
    /// The actors that wrote by whom, and how: none yet, of what is to be written.
    writers: Vec<Vec<u8>>,
}

/// How a thread came to be done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Resolved,
    /// Who says so has put what it proposes into the text.
    Accepted,
    /// The same, and what others had put there, too, was taken away.
    Once,
}

impl Resolved {
    fn new(by: MemberKey, seen: BTreeSet<MessageId>, outcome: Outcome) -> Self {
        let writers = Vec::new();
        Self {
            by,
            seen,
            outcome,
            writers,
        }
    }

    fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted | Outcome::Once)
    }
}

impl Written {
    fn find(&self, id: &MessageId) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == *id)
    }

    fn seen(&self) -> BTreeSet<MessageId> {
        self.messages.iter().map(|message| message.id).collect()
    }

    /// Whoever accepted what it proposes has changed the text: that counts more than what others said meanwhile.
    fn resolved(&self) -> Option<&Resolved> {
        let mut accepted = self.notes.iter().rev().filter(|note| note.is_accepted());
        accepted.next().or(self.notes.last())
    }

    /// The same, unless somebody said something since that they had not seen.
    fn done(&self) -> Option<&Resolved> {
        let resolved = self.resolved()?;
        let mut messages = self.messages.iter();
        messages
            .all(|message| resolved.seen.contains(&message.id))
            .then_some(resolved)
    }
}

impl Page {
    /// The threads, in the order of the text; those whose text is gone come last.
    pub fn threads(&self) -> Vec<Thread> {
        self.threads_of(&self.comments())
    }

    /// The same for who keeps what is said, which is longer to read than where it stands.
    pub fn threads_of(&self, comments: &Comments) -> Vec<Thread> {
        if comments.0.is_empty() {
            return Vec::new();
        }
        let mut anchors: BTreeMap<ThreadId, (Vec<Stretch>, String)> = BTreeMap::new();
        for (block, shown) in self.blocks.iter().enumerate() {
            let mut from = 0;
            for run in &shown.runs {
                let to = from + width(&run.text);
                for (mark, value) in &run.marks {
                    if let Some(thread) = thread_of(mark)
                        && *value == Value::Boolean(true)
                    {
                        let (stretches, quote) = anchors.entry(thread).or_default();
                        match stretches.last_mut() {
                            Some(last) if (last.block, last.to) == (block, from) => last.to = to,
                            last => {
                                if last.is_some() {
                                    quote.push(' ');
                                }
                                stretches.push(Stretch { block, from, to });
                            }
                        }
                        if quote.len() <= 4 * LONGEST_QUOTE {
                            quote.push_str(&run.text);
                        }
                    }
                }
                from = to;
            }
        }
        let mut threads = Vec::new();
        for (id, thread) in &comments.0 {
            if thread.messages.is_empty() {
                continue;
            }
            let marked = anchors.remove(id).or_else(|| {
                let Point { block, offset } = self.insertion_of(thread)?;
                let (from, to) = (offset, offset);
                Some((vec![Stretch { block, from, to }], String::new()))
            });
            let (anchors, quote) = marked.map_or((Vec::new(), thread.quote.clone()), |(anchors, quote)| {
                (anchors, shortened(&quote))
            });
            let begun = match &thread.object {
                ObjId::Root => None,
                ObjId::Id(counter, actor, _) => Some((*counter, actor.clone())),
            };
            let place = (anchors.is_empty(), anchors.first().copied(), begun);
            let thread = Thread {
                id: *id,
                suggestion: self.suggestion_of(thread, &anchors),
                anchors,
                quote,
                messages: thread.messages.clone(),
                resolved_by: thread.done().map(|done| done.by),
                resolved_writers: thread.done().map(|done| done.writers.clone()).unwrap_or_default(),
            };
            threads.push((place, thread));
        }
        threads.sort_by(|(one, _), (other, _)| one.cmp(other));
        threads.into_iter().map(|(_, thread)| thread).collect()
    }

    /// Begins a thread about the text between two places. The edits show it; they are made already. The caller commits.
    ///
    /// # Errors
    /// [`Error::Place`] if there is no text; [`Error::Length`]; [`Error::TooMuch`] beyond [`MOST_THREADS`]; [`Error::Absent`]
    pub fn add_comment(
        &mut self,
        id: ThreadId,
        (from, to): (Point, Point),
        message: &NewMessage,
    ) -> Result<Vec<Edit>, Error> {
        checked(message.text)?;
        self.begin(id, (from, to), message, None)
    }

    fn begin(
        &mut self,
        id: ThreadId,
        (from, to): (Point, Point),
        message: &NewMessage,
        proposal: Option<&NewProposal>,
    ) -> Result<Vec<Edit>, Error> {
        check_length(message.text)?;
        let written = read_all(&self.document);
        let listed = written.values().filter(|thread| !thread.messages.is_empty());
        if listed.count() >= MOST_THREADS || written.len() >= MOST_KEYS {
            return Err(Error::TooMuch);
        }
        let (edits, quotes) = self.marking(&id, from, to)?;
        let place = match proposal {
            Some(proposal) if edits.is_empty() && proposal.replaces.is_empty() => Some(self.place_at(from)?),
            _ if edits.is_empty() => return Err(place("a comment on no text")),
            _ => None,
        };
        self.apply(&edits)?;
        let thread = self.begin_thread(&id, &quotes.join(" "))?;
        let message = self.write_message(&thread, message)?;
        if let Some(proposal) = proposal {
            self.write_proposal(&message, proposal, place.as_deref())?;
        }
        Ok(edits)
    }

    /// The edits that put a thread's mark to the text between two places, and that text.
    fn marking(&self, id: &ThreadId, from: Point, to: Point) -> Result<(Vec<Edit>, Vec<String>), Error> {
        let mut edits = Vec::new();
        let mut quotes = Vec::new();
        for block in from.block..=to.block.min(self.blocks.len().saturating_sub(1)) {
            let start = if block == from.block { from.offset } else { 0 };
            let end = if block == to.block {
                to.offset
            } else {
                self.lengths[block]
            };
            if start < end {
                let (_, rest) = cut(&self.blocks[block].runs, start)?;
                let (stretch, _) = cut(&rest, end - start)?;
                quotes.push(stretch.iter().map(|run| run.text.as_str()).collect::<String>());
                edits.push(Edit::Mark {
                    block,
                    from: start,
                    to: end,
                    name: name_of(id),
                    value: Value::Boolean(true),
                });
            }
        }
        Ok((edits, quotes))
    }

    /// Adds a message to a thread, and opens it if it was resolved. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such thread; [`Error::Length`]; [`Error::TooMuch`] beyond [`MOST_MESSAGES`]
    pub fn reply(&mut self, thread: &ThreadId, message: &NewMessage) -> Result<(), Error> {
        checked(message.text)?;
        let found = self.thread(thread)?;
        if found.messages.len() >= MOST_MESSAGES {
            return Err(Error::TooMuch);
        }
        self.write_message(&found.object, message)?;
        self.write_resolved(&found, None)
    }

    /// Says that a thread is done with, and what it proposes rejected. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`]
    pub fn resolve(&mut self, thread: &ThreadId, by: MemberKey) -> Result<(), Error> {
        let found = self.thread(thread)?;
        let seen = found.seen();
        let outcome = Outcome::Resolved;
        let done = Resolved::new(by, seen, outcome);
        self.write_resolved(&found, Some(&done))
    }

    /// Opens a thread again. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`]
    pub fn reopen(&mut self, thread: &ThreadId) -> Result<(), Error> {
        let found = self.thread(thread)?;
        self.write_resolved(&found, None)
    }

    /// Changes the text of a message of `author`, at a time in milliseconds since 1970. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such message of theirs; [`Error::Length`]
    pub fn edit_message(
        &mut self,
        thread: &ThreadId,
        message: &MessageId,
        author: &MemberKey,
        (text, at): (&str, i64),
    ) -> Result<(), Error> {
        checked(text)?;
        self.check_own(thread, message, author)?;
        let places = self.places_of(thread, (message, author)).into_iter();
        for place in places {
            self.write_text(&place.message, (text, Some(at)))?;
        }
        Ok(())
    }

    /// Takes away a message of `author`; the last one of a thread takes that away. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such message of theirs
    pub fn delete_message(
        &mut self,
        thread: &ThreadId,
        message: &MessageId,
        author: &MemberKey,
    ) -> Result<(), Error> {
        self.check_own(thread, message, author)?;
        self.remove_message(thread, (message, author))
    }

    /// What is said in comments.
    pub fn comments(&self) -> Comments {
        Comments(read_all(&self.document))
    }

    /// Does to the comments what was done to those of another page, or of a copy of this one, from `before` to what `other` is now. The
    /// text's marks are not touched. The caller commits.
    ///
    /// # Errors
    /// [`Error::Automerge`]
    pub fn carry_comments(&mut self, before: &Comments, other: &Page) -> Result<(), Error> {
        for (id, after) in &other.comments().0 {
            let was = before.0.get(id);
            let here = read(&self.document, id);
            let is_new = |message: &Message| was.is_none_or(|was| was.find(&message.id).is_none());
            let object = match &here {
                Some(here) => here.object.clone(),
                // What others said in it is theirs to carry.
                None if after.messages.iter().any(is_new) => self.begin_thread(id, &after.quote)?,
                None => continue,
            };
            for message in &after.messages {
                let made = here.as_ref().and_then(|here| here.find(&message.id)).is_some();
                if is_new(message) && !made {
                    let new = NewMessage {
                        id: message.id,
                        author: message.author,
                        at: message.at,
                        text: &message.text,
                    };
                    let made = self.write_message(&object, &new)?;
                    if let Some(proposal) = &message.proposal {
                        self.carry_proposal(&made, proposal, other)?;
                    }
                    if message.edited.is_some() {
                        self.write_text(&made, (&message.text, message.edited))?;
                    }
                } else if let Some(was) = was.and_then(|was| was.find(&message.id))
                    && was.text != message.text
                {
                    for place in self.places_of(id, (&message.id, &message.author)) {
                        self.write_text(&place.message, (&message.text, message.edited))?;
                    }
                }
            }
            for message in was.map(|was| was.messages.as_slice()).unwrap_or_default() {
                if after.find(&message.id).is_none() {
                    self.remove_message(id, (&message.id, &message.author))?;
                }
            }
            if was.and_then(Written::resolved) != after.resolved()
                && let Some(here) = read(&self.document, id)
            {
                self.write_resolved(&here, after.resolved())?;
            }
        }
        Ok(())
    }

    fn begin_thread(&mut self, id: &ThreadId, quote: &str) -> Result<ObjId, Error> {
        let document = &mut self.document.automerge;
        let thread = document.put_object(ROOT, name_of(id), ObjType::Map)?;
        document.put(&thread, QUOTE, shortened(quote))?;
        document.put_object(&thread, MESSAGES, ObjType::List)?;
        Ok(thread)
    }

    fn thread(&self, id: &ThreadId) -> Result<Written, Error> {
        let thread = read(&self.document, id).filter(|thread| !thread.messages.is_empty());
        thread.ok_or(Error::Absent)
    }

    fn check_own(&self, thread: &ThreadId, id: &MessageId, author: &MemberKey) -> Result<(), Error> {
        let found = self.thread(thread)?;
        let message = found.find(id).filter(|message| message.author == *author);
        message.map(drop).ok_or(Error::Absent)
    }

    /// Everywhere that a message stands. What another wrote under its id is not it.
    fn places_of(&self, thread: &ThreadId, (id, author): (&MessageId, &MemberKey)) -> Vec<PlaceOf> {
        let automerge = &self.document.automerge;
        let is_it = |place: &PlaceOf| {
            entry::id(automerge, &place.message, "id") == Some(*id)
                && entry::id(automerge, &place.message, "author") == Some(*author)
        };
        let places = places_of(&self.document, thread).into_iter();
        places.filter(is_it).collect()
    }

    fn write_message(&mut self, thread: &ObjId, message: &NewMessage) -> Result<ObjId, Error> {
        let document = &mut self.document.automerge;
        let list = match entry::list(document, thread, MESSAGES) {
            Some(list) => list,
            None => document.put_object(thread, MESSAGES, ObjType::List)?,
        };
        let end = document.length(&list);
        let made = document.insert_object(&list, end, ObjType::Map)?;
        document.put(&made, "id", hex(&message.id))?;
        document.put(&made, "author", hex(&message.author))?;
        document.put(&made, "at", message.at)?;
        document.put(&made, "text", message.text.trim())?;
        Ok(made)
    }

    fn write_text(&mut self, message: &ObjId, (text, edited): (&str, Option<i64>)) -> Result<(), Error> {
        let document = &mut self.document.automerge;
        document.put(message, "text", text.trim())?;
        if let Some(edited) = edited {
            document.put(message, "edited", edited)?;
        }
        Ok(())
    }

    fn remove_message(&mut self, thread: &ThreadId, message: (&MessageId, &MemberKey)) -> Result<(), Error> {
        // From the last one on, so that the places of the others stay.
        for PlaceOf { list, index, .. } in self.places_of(thread, message).into_iter().rev() {
            self.document.automerge.delete(&list, index)?;
        }
        Ok(())
    }

    fn write_resolved(&mut self, thread: &Written, resolved: Option<&Resolved>) -> Result<(), Error> {
        let document = &mut self.document.automerge;
        match resolved {
            Some(Resolved {
                by, seen, outcome, ..
            }) => {
                let map = document.put_object(&thread.object, RESOLVED, ObjType::Map)?;
                let seen: Vec<String> = seen.iter().map(|id| hex(id)).collect();
                document.put(&map, "by", hex(by))?;
                document.put(&map, SEEN, seen.join(" "))?;
                if matches!(outcome, Outcome::Accepted | Outcome::Once) {
                    document.put(&map, ACCEPTED, true)?;
                }
                if matches!(outcome, Outcome::Once) {
                    document.put(&map, ONCE, true)?;
                }
            }
            None if !thread.notes.is_empty() => document.delete(&thread.object, RESOLVED)?,
            None => {}
        }
        Ok(())
    }
}

/// The threads, also those that have no messages any more. Who put more there than can be written makes nobody read it all.
fn read_all(document: &Document) -> BTreeMap<ThreadId, Written> {
    let keys = document.automerge.keys(ROOT);
    let ids: BTreeSet<ThreadId> = keys.filter_map(|key| thread_of(&key)).collect();
    let mut threads = BTreeMap::new();
    let mut listed = 0;
    for id in ids.into_iter().take(MOST_KEYS) {
        if listed == MOST_THREADS {
            break;
        }
        if let Some(thread) = read(document, &id) {
            listed += usize::from(!thread.messages.is_empty());
            threads.insert(id, thread);
        }
    }
    threads
}

fn read(document: &Document, id: &ThreadId) -> Option<Written> {
    let automerge = &document.automerge;
    let object = entry::map(automerge, &ROOT, name_of(id))?;
    let mut read = BTreeSet::new();
    let mut messages = Vec::new();
    for place in places_of(document, id) {
        if messages.len() == MOST_MESSAGES {
            break;
        }
        // One that was made again in two places at once is there twice.
        if let Some(message) = read_message(document, &place.message)
            && read.insert(message.id)
        {
            messages.push(message);
        }
    }
    let notes = automerge.get_all(&object, RESOLVED).unwrap_or_default();
    let notes = notes.iter().filter_map(|(_, note)| read_note(document, note));
    let notes = notes.collect();
    Some(Written {
        quote: shortened(&entry::string(automerge, &object, QUOTE).unwrap_or_default()),
        object,
        messages,
        notes,
    })
}

fn read_note(document: &Document, note: &ObjId) -> Option<Resolved> {
    let automerge = &document.automerge;
    // Not who put `once` there: whoever settles what several accepted does.
    let written = ["by", ACCEPTED].into_iter();
    let written = written.filter_map(|key| automerge.get(note, key).ok()?);
    let writers: BTreeSet<Vec<u8>> = written.map(|(_, operation)| actor_of(&operation)).collect();
    Some(Resolved {
        writers: writers.into_iter().collect(),
        by: entry::id(automerge, note, "by")?,
        seen: entry::string(automerge, note, SEEN)?
            .split(' ')
            .filter_map(unhex)
            .collect(),
        outcome: match (
            entry::is_true(automerge, note, ACCEPTED),
            entry::is_true(automerge, note, ONCE),
        ) {
            (false, _) => Outcome::Resolved,
            (true, false) => Outcome::Accepted,
            (true, true) => Outcome::Once,
        },
    })
}

/// Where a message stands.
struct PlaceOf {
    message: ObjId,
    list: ObjId,
    index: usize,
}

/// The places of a thread's messages. Two who made it again at once, in a page that was started anew, made two of it: what is
/// said in either is said in the one.
fn places_of(document: &Document, thread: &ThreadId) -> Vec<PlaceOf> {
    let automerge = &document.automerge;
    let mut places = Vec::new();
    let mut looked = 0;
    for (_, object) in automerge.get_all(ROOT, name_of(thread)).unwrap_or_default() {
        if let Some(list) = entry::list(automerge, &object, MESSAGES) {
            for index in 0..automerge.length(&list).min(MOST_PLACES - looked) {
                looked += 1;
                if let Some(message) = entry::map(automerge, &list, index) {
                    let list = list.clone();
                    places.push(PlaceOf { message, list, index });
                }
            }
        }
    }
    places
}

fn read_message(document: &Document, message: &ObjId) -> Option<Message> {
    let automerge = &document.automerge;
    let (_, written) = automerge.get(message, "text").ok()??;
    Some(Message {
        id: entry::id(automerge, message, "id")?,
        author: entry::id(automerge, message, "author")?,
        at: entry::integer(automerge, message, "at").unwrap_or_default(),
        text: cut_to(LONGEST_MESSAGE, &entry::string(automerge, message, "text")?),
        edited: entry::integer(automerge, message, "edited"),
        writer: actor_of(&written),
        proposal: suggestions::read_proposal(document, message),
    })
}

/// Who made an operation.
fn actor_of(operation: &ObjId) -> Vec<u8> {
    match operation {
        ObjId::Root => Vec::new(),
        ObjId::Id(_, actor, _) => actor.to_bytes().to_vec(),
    }
}

fn checked(text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(too_long());
    }
    check_length(text)
}

fn check_length(text: &str) -> Result<(), Error> {
    if text.trim().chars().count() > LONGEST_MESSAGE {
        return Err(too_long());
    }
    Ok(())
}

fn too_long() -> Error {
    Error::Length {
        field: "message",
        limit: LONGEST_MESSAGE,
    }
}

fn shortened(text: &str) -> String {
    cut_to(LONGEST_QUOTE, text)
}

fn cut_to(most: usize, text: &str) -> String {
    text.chars().take(most).collect()
}
