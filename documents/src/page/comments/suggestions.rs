//! Suggestions: threads whose beginning proposes another text for the text that they are about. What nobody accepted is in no text.

use automerge::marks::ExpandMark;
use automerge::transaction::Transactable;
use automerge::{ObjId, ReadDoc};

use super::{
    Comments, Message, NewMessage, ONCE, Outcome, Page, RESOLVED, Resolved, Stretch, Thread, ThreadId,
    Written, name_of, read_note,
};
use crate::classroom::MemberKey;
use crate::document::Document;
use crate::page::edit::{Edit, Point, Run, Value, cut, place, width};
use crate::{Error, entry, marks};

/// The longest text that can be proposed, or replaced by another, in characters. What is longer is no proposal.
pub const LONGEST_PROPOSAL: usize = 4_000;

const REPLACES: &str = "replaces";
const PROPOSES: &str = "proposes";
pub(super) const PLACE: &str = "place";

/// What a message proposes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The text as its author saw it.
    pub replaces: String,
    /// What is to stand there; nothing, if the text is to go.
    pub proposes: String,
    /// Where text is proposed that replaces none; see [`Page::place_at`].
    place: Option<String>,
    /// The actor that wrote what is proposed.
    pub writer: Vec<u8>,
}

/// What a thread proposes, and how that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Whose it is, by what it says itself.
    pub author: MemberKey,
    pub replaces: String,
    pub proposes: String,
    pub present: Present,
    /// Whether the thread is resolved because it was accepted; one that is resolved otherwise was rejected.
    pub accepted: bool,
}

/// The text that a suggestion is about, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    /// As it was when another one was proposed.
    Same,
    /// Another one than both.
    Changed(String),
    /// As it is proposed.
    Done,
    Gone,
}

/// Another text for a text.
#[derive(Clone, Copy, Debug)]
pub struct NewProposal<'a> {
    /// The text as its author saw it.
    pub replaces: &'a str,
    pub proposes: &'a str,
}

impl Page {
    /// Begins a thread that proposes another text for that between two places of one block, or some text where none is between them.
    /// Its message may be empty. The edits show the thread; they are made already. The caller commits.
    ///
    /// # Errors
    /// [`Error::Place`] if the text that is to be replaced is gone, or in several blocks; [`Error::Length`]; [`Error::TooMuch`], as for a comment;
    /// [`Error::Form`] if both texts are the same
    pub fn suggest(
        &mut self,
        id: ThreadId,
        (from, to): (Point, Point),
        message: &NewMessage,
        proposal: &NewProposal,
    ) -> Result<Vec<Edit>, Error> {
        if from.block != to.block {
            return Err(place("a suggestion for several blocks"));
        }
        if proposal.replaces == proposal.proposes {
            return Err(Error::Form("a suggestion that changes nothing"));
        }
        if !fits(proposal.replaces) || !fits(proposal.proposes) {
            return Err(Error::Length {
                field: "proposal",
                limit: LONGEST_PROPOSAL,
            });
        }
        self.begin(id, (from, to), message, Some(proposal))
    }

    /// The smallest edits that put what a thread proposes in the place of what stands there now, with the marks of that. They are
    /// not made yet: make them, then [`Page::accept`].
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such suggestion, or its text is gone
    pub fn edits_to_accept(&self, id: &ThreadId) -> Result<Vec<Edit>, Error> {
        let thread = self.threads().into_iter().find(|thread| thread.id == *id);
        let thread = thread.ok_or(Error::Absent)?;
        let suggestion = thread.suggestion.as_ref().ok_or(Error::Absent)?;
        match suggestion.present {
            Present::Gone => Err(Error::Absent),
            Present::Done => Ok(Vec::new()),
            Present::Same | Present::Changed(_) => self.replacing(&thread, &suggestion.proposes),
        }
    }

    /// Says that a suggestion is accepted, and the thread done with. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such suggestion
    pub fn accept(&mut self, id: &ThreadId, by: MemberKey) -> Result<(), Error> {
        let found = self.thread(id)?;
        found.proposal().ok_or(Error::Absent)?;
        let seen = found.seen();
        let accepted = Resolved::new(by, seen, Outcome::Accepted);
        self.write_resolved(&found, Some(&accepted))
    }

    /// Where several accepted the same suggestion apart, what each of them put there stands there. The edits leave it there once;
    /// whoever makes them makes the same ones. They are not made yet: make them, then [`Page::note_once`], and ask for the next.
    pub fn accepted_apart(&self, comments: &Comments) -> Option<(ThreadId, Vec<Edit>)> {
        if !comments.0.values().any(|thread| thread.times_accepted() > 1) {
            return None;
        }
        self.threads_of(comments).into_iter().find_map(|thread| {
            let times = comments.0.get(&thread.id)?.times_accepted();
            let edits = self.once(&thread, times)?;
            Some((thread.id, edits))
        })
    }

    /// Notes that what was accepted several times stands there once. The caller commits.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such thread, or it was not accepted
    pub fn note_once(&mut self, id: &ThreadId) -> Result<(), Error> {
        let found = self.thread(id)?;
        if !found.resolved().is_some_and(Resolved::is_accepted) {
            return Err(Error::Absent);
        }
        // Into what each of them wrote: that stays theirs.
        let notes = self.document.automerge.get_all(&found.object, RESOLVED)?;
        let notes: Vec<ObjId> = notes.into_iter().map(|(_, note)| note).collect();
        for note in notes {
            if read_note(&self.document, &note).is_some_and(|note| note.is_accepted()) {
                self.document.automerge.put(&note, ONCE, true)?;
            }
        }
        Ok(())
    }

    fn once(&self, thread: &Thread, times: usize) -> Option<Vec<Edit>> {
        let Suggestion {
            replaces, proposes, ..
        } = thread.suggestion.as_ref()?;
        let [stretch] = thread.anchors.as_slice() else {
            return None;
        };
        let present = self.words_at(&thread.anchors);
        let (before, after) = (common_start(replaces, proposes), common_end(replaces, proposes));
        let put = &proposes[before..proposes.len() - after];
        let rest = present.strip_prefix(&proposes[..before])?;
        let rest = rest.strip_suffix(&proposes[proposes.len() - after..])?;
        let is_apart = !put.is_empty() && (2..=times).any(|times| rest == put.repeat(times));
        is_apart.then(|| {
            let edit = Edit::Text {
                block: stretch.block,
                offset: stretch.from + width(&proposes[..before]) + width(put),
                delete: width(rest) - width(put),
                insert: Vec::new(),
            };
            vec![edit]
        })
    }

    /// What a suggestion is about may have been torn into several pieces: the first takes all of the new text.
    fn replacing(&self, thread: &Thread, text: &str) -> Result<Vec<Edit>, Error> {
        if let Some(point) = thread.insertion() {
            return Ok(vec![self.insertion(point, &thread.id, text)?]);
        }
        let mut edits = Vec::new();
        // From the last one on, so that the places of the others stay.
        for (index, stretch) in thread.anchors.iter().enumerate().rev() {
            let text = if index == 0 { text } else { "" };
            edits.extend(self.replacement(stretch, text)?);
        }
        Ok(edits)
    }

    /// Puts text where none was, with the marks that it would have if it were typed there, and the thread's.
    fn insertion(&self, Point { block, offset }: Point, id: &ThreadId, text: &str) -> Result<Edit, Error> {
        let (before, after) = cut(&self.blocks[block].runs, offset)?;
        let beside = before.last().or(after.first());
        let mut marks = beside.map(|run| run.marks.clone()).unwrap_or_default();
        marks.retain(|name, _| marks::expansion(name) == ExpandMark::Both);
        marks.insert(name_of(id), Value::Boolean(true));
        let text = text.to_owned();
        Ok(Edit::Text {
            block,
            offset,
            delete: 0,
            insert: vec![Run { text, marks }],
        })
    }

    fn replacement(&self, stretch: &Stretch, text: &str) -> Result<Option<Edit>, Error> {
        let Stretch { block, from, to } = *stretch;
        let (_, rest) = cut(&self.blocks[block].runs, from)?;
        let (runs, _) = cut(&rest, to - from)?;
        let present: String = runs.iter().map(|run| run.text.as_str()).collect();
        let (before, after) = (common_start(&present, text), common_end(&present, text));
        let gone = width(&present[before..present.len() - after]);
        let put = &text[before..text.len() - after];
        if gone == 0 && put.is_empty() {
            return Ok(None);
        }
        let kept = width(&present[..before]);
        let (head, tail) = cut(&runs, kept)?;
        let like = if gone == 0 && kept > 0 {
            head.last()
        } else {
            tail.first()
        };
        let insert = like.filter(|_| !put.is_empty()).map(|like| Run {
            text: put.to_owned(),
            marks: like.marks.clone(),
        });
        Ok(Some(Edit::Text {
            block,
            offset: from + kept,
            delete: gone,
            insert: insert.into_iter().collect(),
        }))
    }

    /// The text at these places.
    fn words_at(&self, anchors: &[Stretch]) -> String {
        let text = |stretch: &Stretch| {
            let (_, rest) = cut(&self.blocks[stretch.block].runs, stretch.from).ok()?;
            let (runs, _) = cut(&rest, stretch.to - stretch.from).ok()?;
            Some(runs.into_iter().map(|run| run.text).collect::<String>())
        };
        let texts: Vec<String> = anchors.iter().filter_map(text).collect();
        texts.join(" ")
    }

    /// What a thread proposes for the text at these places.
    pub(super) fn suggestion_of(&self, thread: &Written, anchors: &[Stretch]) -> Option<Suggestion> {
        let (message, proposal) = thread.proposal()?;
        let Proposal {
            replaces, proposes, ..
        } = proposal.clone();
        let text = (!anchors.is_empty()).then(|| self.words_at(anchors));
        let present = match text {
            Some(text) if text == replaces => Present::Same,
            Some(text) if text == proposes => Present::Done,
            Some(text) => Present::Changed(text),
            None if proposes.is_empty() => Present::Done,
            None => Present::Gone,
        };
        Some(Suggestion {
            author: message.author,
            replaces,
            proposes,
            present,
            accepted: thread.resolved().is_some_and(Resolved::is_accepted),
        })
    }

    /// Where what a thread proposes is to stand, if that replaces nothing. What was rejected has no place: finding it takes long, and
    /// nobody looks there.
    pub(super) fn insertion_of(&self, thread: &Written) -> Option<Point> {
        let (_, proposal) = thread.proposal()?;
        let is_rejected = thread.done().is_some_and(|done| !done.is_accepted());
        if !proposal.replaces.is_empty() || is_rejected {
            return None;
        }
        self.point_of(proposal.place.as_ref()?)
    }

    pub(super) fn write_proposal(
        &mut self,
        message: &ObjId,
        proposal: &NewProposal,
        place: Option<&str>,
    ) -> Result<(), Error> {
        let document = &mut self.document.automerge;
        document.put(message, REPLACES, proposal.replaces)?;
        document.put(message, PROPOSES, proposal.proposes)?;
        if let Some(place) = place {
            document.put(message, PLACE, place)?;
        }
        Ok(())
    }

    /// Writes what a message of another page proposes.
    pub(super) fn carry_proposal(
        &mut self,
        message: &ObjId,
        proposal: &Proposal,
        other: &Page,
    ) -> Result<(), Error> {
        let point = proposal.place.as_ref().and_then(|place| other.point_of(place));
        let here = point.and_then(|point| self.point_like(other, point));
        let named = here.and_then(|here| self.place_at(here).ok());
        let place = named.or_else(|| proposal.place.clone());
        let proposal = NewProposal {
            replaces: &proposal.replaces,
            proposes: &proposal.proposes,
        };
        self.write_proposal(message, &proposal, place.as_deref())
    }
}

impl Written {
    /// What the thread proposes: the first of its messages that proposes something.
    fn proposal(&self) -> Option<(&Message, &Proposal)> {
        let mut messages = self.messages.iter();
        messages.find_map(|message| Some((message, message.proposal.as_ref()?)))
    }

    /// How many accepted it without knowing of each other, as long as nobody noted that it stands there once.
    fn times_accepted(&self) -> usize {
        let accepted = |note: &&Resolved| note.is_accepted();
        let open = self.notes.iter().any(|note| note.outcome == Outcome::Accepted);
        if open {
            self.notes.iter().filter(accepted).count()
        } else {
            0
        }
    }
}

pub(super) fn read_proposal(document: &Document, message: &ObjId) -> Option<Proposal> {
    let automerge = &document.automerge;
    let replaces = entry::string(automerge, message, REPLACES)?;
    let proposes = entry::string(automerge, message, PROPOSES)?;
    let (_, written) = automerge.get(message, PROPOSES).ok()??;
    (fits(&replaces) && fits(&proposes)).then(|| Proposal {
        replaces,
        proposes,
        place: entry::string(automerge, message, PLACE),
        writer: super::actor_of(&written),
    })
}

fn fits(text: &str) -> bool {
    text.chars().count() <= LONGEST_PROPOSAL
}

/// How much is the same at the beginning of both, in bytes.
fn common_start(one: &str, other: &str) -> usize {
    let pairs = one.chars().zip(other.chars());
    let same = pairs.take_while(|(one, other)| one == other);
    same.map(|(same, _)| same.len_utf8()).sum()
}

/// How much is the same at the end, behind what is the same at the beginning.
fn common_end(one: &str, other: &str) -> usize {
    let start = common_start(one, other);
    let pairs = one[start..].chars().rev().zip(other[start..].chars().rev());
    let same = pairs.take_while(|(one, other)| one == other);
    same.map(|(same, _)| same.len_utf8()).sum()
}
