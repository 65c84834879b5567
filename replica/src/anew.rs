//! Starting a document anew: a new one with its present content takes its place, and the old one is erased with all that was
//! ever written in it. A change names those before it, so that nobody's history can be kept without the others'.
//!
//! The new one says how much of the old one is in it: how far each lane. Whoever finds that something of their own is not,
//! because they wrote it meanwhile, makes it again there, and nobody else does. The lead who started it does so for everybody
//! until the relay has heard of it, and lets it hear only when it has the new document. The relay takes it only if nothing came
//! in behind what the lead has: so all that it ever had is carried over when it hears of it, and is not again.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::{self, ChangeInfo, Hash};
use documents::classroom::Listing;
use documents::redo::{self, End, Ends};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Entry, Member, Role};
use protocol::segment::{self, Log};
use protocol::{ClassroomId, DocumentId, EntryHash, LaneId, MemberId, Refusal, SpaceId};

use crate::classroom::{Classroom, Content, Copy, Held, Way};
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::join::random;
use crate::loading::What;
use crate::store::{self, Table};
use crate::writes::After;
use crate::{Error, Replica};

/// What became of what of an erased document is to be made again in the one that took its place.
pub(crate) enum Missed {
    /// All is made, or there. Of these changes, which the relay does not have, only a number says that they are.
    Nothing(BTreeSet<Hash>),
    /// It can't be told yet.
    Unclear,
    /// It can't be made there, for this reason: these changes, as far as they are known.
    Lost(Refusal, BTreeSet<Hash>),
}

/// What of it there is to do.
enum Left {
    /// Nothing: that became of it.
    Settled(Missed),
    /// The tab that holds this lane does it.
    Elsewhere(LaneId),
    Changes(Changes),
}

struct Changes {
    missed: BTreeSet<Hash>,
    doubtful: BTreeSet<Hash>,
    /// The changes that say how much is there.
    noted: Vec<Hash>,
    /// How much is there with these.
    ends: Ends,
    /// What other tabs make, as far as it is in the page here.
    others: BTreeSet<Hash>,
    /// Other tabs make nothing.
    is_all: bool,
}

impl<R: CryptoRng> Replica<R> {
    /// Starts a document anew; it is read first if it is not at hand.
    #[inline(never)]
    pub(crate) fn start_anew(
        &mut self,
        request: u32,
        id: ClassroomId,
        document: DocumentId,
    ) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(&id).ok_or(Problem::UnknownClassroom)?;
        let own = classroom.own_document().ok_or(Problem::UnknownDocument)?;
        let listed = own.read().listing(document.0);
        let listing = listed.cloned().ok_or(Problem::UnknownDocument)?;
        if !classroom.titles.contains_key(&document) {
            return Err(Problem::UnknownDocument);
        }
        classroom.check_writer(&me, &document)?;
        classroom.check_writer(&me, &classroom.roster.document())?;
        let successor = DocumentId(random(&mut self.rng));
        let erase = Action::Erase { document, successor };
        if classroom.roster.may(&me, &erase).is_err() {
            return Err(Problem::NotAllowed);
        }
        if !matches!(classroom.documents.get(&document), Some(Copy::Here(_))) {
            self.load(&id, document);
            self.starting.push((request, id, document));
            return Ok(());
        }
        let is_locked = classroom.roster.locked(&document);
        self.make_anew(&id, document, successor, me, listing)?;
        if is_locked {
            let action = Action::Lock {
                document: successor,
                locked: true,
            };
            self.act(&id, action)?;
        }
        self.act(&id, erase)?;
        self.writes
            .then(After::Answer(request, Answer::Document(successor)));
        Ok(())
    }

    /// Goes on with those that were being read.
    pub(crate) fn start_what_is_here(&mut self) {
        for (request, id, document) in std::mem::take(&mut self.starting) {
            if let Err(problem) = self.start_anew(request, id, document) {
                self.answer(request, Err(problem));
            }
        }
    }

    /// Makes the new document, and lists it in the place of the old one.
    fn make_anew(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        successor: DocumentId,
        member: MemberId,
        listing: Listing,
    ) -> Result<(), Problem> {
        let seconds = self.seconds();
        let lane = self.lane;
        let log = |document| Log {
            document,
            member,
            lane,
        };
        let classroom = self.classrooms.get_mut(id).ok_or(Problem::UnknownClassroom)?;
        let space = classroom.space_of(&document);
        // Of anybody else such a word is worth nothing: it would be passed on as this person's.
        let noted = classroom.ends_noted(&member, &document);
        let (_, mut has) = noted.map_err(|_| Problem::Internal)?;
        let old = classroom.page_mut(&document).ok_or(Problem::UnknownDocument)?;
        let made = (|| {
            for bytes in old.changes_since(&[])? {
                let info = change::inspect(&bytes)?;
                let end = End::of(&info);
                redo::reach(&mut has, info.actor, end);
            }
            let mut new = redo::anew(old, log(successor).actor())?;
            let first = new.commit_with_note(seconds, redo::note(&has));
            Ok::<_, documents::Error>(first.map(|first| (new, first)))
        })();
        let (new, first) = made.ok().flatten().ok_or(Problem::Internal)?;
        if !segment::fits([&first]) {
            return Err(Problem::TooLarge);
        }
        let own = log(classroom.roster.document());
        let listing = Listing {
            created_by: member.0,
            space: (space != SpaceId::EVERYONE).then_some(space.0),
            ..listing
        };
        let listed = classroom
            .edit_own_document(own.actor(), seconds, |list| {
                list.replace_document(document.0, successor.0, &listing)
            })
            .ok()
            .flatten()
            .ok_or(Problem::Internal)?;
        let title = classroom.titles.get(&document).cloned().unwrap_or_default();
        let copy = Copy::Here(Held::new(Content::open(new, false)));
        classroom.documents.insert(successor, copy);
        classroom.titles.insert(successor, title.clone());
        classroom.spaces.insert(successor, space);
        self.writes
            .next()
            .put(Table::Titles, store::document_key(id, &successor), &title)
            .map_err(|_| Problem::Internal)?;
        self.touched(id, &successor);
        self.touched(id, &own.document);
        self.keep_change(id, log(successor), first, None)?;
        self.keep_change(id, own, listed, None)
    }

    /// Makes again in the document that took the place of an erased one what is not in it. Says what could not be done.
    pub(crate) fn carry_over(&mut self, id: &ClassroomId, document: DocumentId) -> Result<Missed, Error> {
        let Some(me) = self.me.as_ref().map(|me| me.keys.id()) else {
            return Ok(Missed::Nothing(BTreeSet::new()));
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(Missed::Nothing(BTreeSet::new()));
        };
        let is_mine = |log: &Log| log.document == document && log.member == me;
        let unsent = classroom.outbox.keys().map(|(log, _)| log);
        if !classroom.erases(&document) && !classroom.logs.keys().chain(unsent).any(is_mine) {
            return Ok(Missed::Nothing(BTreeSet::new()));
        }
        let Some(successor) = classroom.last_successor(&document) else {
            return Ok(Missed::Lost(Refusal::Erased, BTreeSet::new()));
        };
        let between = classroom.own_between(&me, document, successor);
        // Until all has come that the relay had when it heard of this, nobody knows what was carried over.
        if classroom.everything_upto().is_none() {
            return Ok(Missed::Unclear);
        }
        // If the relay has taken the erasing, whose it is makes what is missed; if not, this tab goes on.
        if classroom.sends_erasure_from(&document) {
            return Ok(Missed::Unclear);
        }
        // The list says which tab does it.
        let own = classroom.roster.document();
        let is_listed = || {
            classroom.own_document().is_some()
                && !self.arrived.contains_key(&(*id, own))
                && !classroom.lacks_of_list()
        };
        if classroom.erases(&document) && !is_listed() {
            return Ok(Missed::Unclear);
        }
        // The relay has it before it erases the other one.
        if !classroom.documents.contains_key(&successor) {
            let is_clear = !self.may_be_behind(id, &document);
            let lost = Missed::Lost(Refusal::Erased, BTreeSet::new());
            return Ok(if is_clear { lost } else { Missed::Unclear });
        }
        for page in [document, successor].iter().chain(&between).copied() {
            if self.arrived.contains_key(&(*id, page)) {
                return Ok(Missed::Unclear);
            }
            match classroom.documents.get(&page) {
                Some(Copy::Here(_)) => {}
                Some(Copy::Away | Copy::Loading { .. }) => {
                    self.load(id, page);
                    return Ok(Missed::Unclear);
                }
                None => return Ok(Missed::Lost(Refusal::Erased, BTreeSet::new())),
            }
        }
        let is_of_it = |what: &What| match what {
            What::Compare(fold, _) => fold.header.log.document == document,
            What::Beyond(of) | What::BeyondAside(of, _) => *of == document,
            _ => false,
        };
        let mut reads = self.reads.values().filter(|reading| reading.classroom == *id);
        // What came may bring more once it was looked at, and what is here may turn out not to count.
        if reads.any(|reading| is_of_it(&reading.what))
            || classroom.cuts_due.contains(&document)
            || classroom.snapshots.brings_more(&document)
        {
            return Ok(Missed::Unclear);
        }
        if classroom.erases(&document) && classroom.is_short_of(&document) {
            return Ok(Missed::Lost(Refusal::NotCovered, BTreeSet::new()));
        }
        let Changes {
            missed,
            doubtful,
            noted,
            ends,
            others,
            is_all,
        } = match classroom.missed(&me, document, &between, successor, &self.held)? {
            Left::Changes(changes) => changes,
            Left::Elsewhere(lane) => {
                self.effects.push(Effect::Adopt(lane));
                return Ok(Missed::Unclear);
            }
            Left::Settled(missed) => return Ok(missed),
        };
        // This tab erases what they have as well.
        let lost = |reason| Ok(Missed::Lost(reason, missed.union(&others).copied().collect()));
        if let Err(problem) = classroom.check_writer(&me, &successor) {
            let reason = match problem {
                Problem::Closed => Refusal::ClassroomClosed,
                Problem::Locked => Refusal::Locked,
                _ => Refusal::NotAllowed,
            };
            return lost(reason);
        }
        let seconds = self.seconds();
        // The tab may be writing in the new one on its own lane.
        let log = Log {
            document: successor,
            member: me,
            lane: LaneId(random(&mut self.rng)),
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(Missed::Nothing(BTreeSet::new()));
        };
        let new = match classroom.page_mut(&successor) {
            Some(new) => new.clone(),
            None => return Ok(Missed::Lost(Refusal::Erased, BTreeSet::new())),
        };
        let Some(old) = classroom.page_mut(&document) else {
            return Ok(Missed::Lost(Refusal::Erased, BTreeSet::new()));
        };
        let by = (log.actor(), seconds);
        let change = match redo::carry_into(&new, &noted, old, &missed, by, redo::note(&ends)) {
            Ok(change) => change,
            Err(documents::Error::Absent) => return Ok(Missed::Unclear),
            Err(_) => return lost(Refusal::Malformed),
        };
        if !segment::fits([&change]) {
            return lost(Refusal::TooLarge);
        }
        self.held.insert(log.lane);
        self.effects.push(Effect::HoldLane(log.lane));
        self.seal(id, log, std::slice::from_ref(&change))?;
        self.apply(id, successor, vec![change]);
        self.apply_arrived();
        Ok(if is_all {
            Missed::Nothing(doubtful)
        } else {
            Missed::Unclear
        })
    }

    /// Whether what took the place of a document, of which nothing is here, may be erased as well by now: whoever is behind hears
    /// of one after the other, and gets nothing any more of what was between. On opening the relay tells of both before it has
    /// told all.
    fn may_be_behind(&mut self, id: &ClassroomId, document: &DocumentId) -> bool {
        let channel = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.channel.as_ref());
        let Some(channel) = channel.filter(|channel| !channel.erased.contains(document)) else {
            return false;
        };
        // Each exchange opens it again.
        if channel.has_told_all && self.connection.exchange.is_none() {
            self.open_channel(id);
        }
        true
    }
}

impl Classroom {
    fn page_mut(&mut self, document: &DocumentId) -> Option<&mut documents::document::Document> {
        match self.documents.get_mut(document) {
            Some(Copy::Here(held)) => match &mut held.content {
                Content::Page(page) => Some(page),
                Content::Classroom(_) => None,
            },
            _ => None,
        }
    }

    /// Whether this person erases a document, and the relay does not know yet, not by anybody else either.
    pub(crate) fn erases(&self, document: &DocumentId) -> bool {
        let erasures = self.roster.erasures(document);
        !erasures.is_empty()
            && erasures
                .iter()
                .all(|entry| self.entries.contains_key(&entry.hash()))
    }

    /// Whether an own erasing of a document is on its way to the relay, which may have taken it by now.
    fn sends_erasure(&self, document: &DocumentId) -> bool {
        let mut hashes = self.roster.erasures(document).into_iter().map(Entry::hash);
        hashes.any(|hash| {
            self.entries
                .get(&hash)
                .is_some_and(|unsent| unsent.way == Way::Sent)
        })
    }

    /// The same of a document or of what stands in its place, however often it was started anew.
    fn sends_erasure_from(&self, document: &DocumentId) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = Some(*document);
        while let Some(here) = next
            && seen.insert(here)
        {
            if self.sends_erasure(&here) {
                return true;
            }
            next = self.roster.erased(&here);
        }
        false
    }

    /// Own erasings to be given up, for another one stands: what the relay has had erased by somebody else it does not
    /// have erased once more, and of several own ones that with the smallest hash is sent. On its way none is given up.
    pub(crate) fn needless_erasures(&self) -> Vec<EntryHash> {
        let mut needless = Vec::new();
        for hash in self.entries.keys() {
            if let Some(Action::Erase { document, successor }) = self.roster.entry(hash).map(Entry::action)
                && self.roster.erased(document).is_some()
                && (!self.erases(document) || self.roster.erased(document) != Some(*successor))
                && !self.sends_erasure(document)
            {
                needless.push(*hash);
            }
        }
        needless
    }

    /// Whether somebody else erased what this entry erases, though what was done here since may undo that: the relay does not
    /// know of it yet, for it waits for this one.
    pub(crate) fn is_erased_besides(&self, hash: &EntryHash) -> bool {
        let Some(Action::Erase { document, .. }) = self.roster.entry(hash).map(Entry::action) else {
            return false;
        };
        let is_other = |entry: &&Entry| !self.entries.contains_key(&entry.hash());
        let entries = self.roster.entries_in_order();
        entries.into_iter().filter(is_other).any(
            |other| matches!(other.action(), Action::Erase { document: erased, .. } if erased == document),
        )
    }

    /// Whether a document is gone for good, and not only for this person, who erases it and still carries over what comes.
    pub(crate) fn is_gone(&self, document: &DocumentId) -> bool {
        self.roster.erased(document).is_some() && !self.erases(document)
    }

    /// What stands in the place of an erased document, however often it was started anew; none if it is this one in the end.
    /// What this person erases, and the relay does not know yet, stands there still, and is carried over after.
    pub(crate) fn last_successor(&self, document: &DocumentId) -> Option<DocumentId> {
        let mut last = self.roster.erased(document)?;
        let mut seen = BTreeSet::from([*document]);
        while let Some(next) = self.roster.erased(&last)
            && !self.erases(&last)
        {
            if !seen.insert(last) {
                return None;
            }
            last = next;
        }
        Some(last)
    }

    /// The documents between an erased one and that which stands in its place in the end, of which something of this person is
    /// here. What they carried over into one of these comes from there, and not once more from the first: whoever erased the one
    /// between says how much of it they have, and not what others had carried over into it.
    fn own_between(&self, me: &MemberId, document: DocumentId, last: DocumentId) -> Vec<DocumentId> {
        let mut between = Vec::new();
        let mut next = self.roster.erased(&document);
        while let Some(here) = next
            && here != last
            && !between.contains(&here)
        {
            between.push(here);
            next = self.roster.erased(&here);
        }
        between.retain(|document| {
            let mut logs = self.logs.keys();
            self.documents.contains_key(document)
                && logs.any(|log| log.document == *document && log.member == *me)
        });
        between
    }

    /// Whether an older document whose place this one took is still to be seen to: it is told by this one what was carried over.
    /// One that never can be read holds this one up for good, and the relay keeps this one if nobody but this person erases it:
    /// nothing is lost by that.
    pub(crate) fn waits_for_older(&self, document: &DocumentId) -> bool {
        self.erased_due.iter().any(|older| {
            self.roster.erased(older) == Some(*document)
                && !self.erases(older)
                && !self.open.contains(older)
                && self.last_successor(older).is_some()
        })
    }

    /// What of an erased document is not in the one that took its place: of this person, or, while this person erases it, of
    /// anybody. All that are named are here.
    fn missed(
        &mut self,
        me: &MemberId,
        document: DocumentId,
        between: &[DocumentId],
        successor: DocumentId,
        held: &BTreeSet<LaneId>,
    ) -> Result<Left, Error> {
        let erases = self.erases(&document);
        let (noted, has) = self.ends_noted(me, &successor)?;
        let mut carried = Ends::new();
        for document in between {
            for (actor, end) in self.ends_noted(me, document)?.1 {
                redo::reach(&mut carried, actor, end);
            }
        }
        let (_, mut ends) = self.ends_noted(me, &document)?;
        let logs: Vec<Log> = self.logs.keys().copied().collect();
        let (unsent, unopened) = self.unsent_changes(&document);
        let Some(old) = self.page_mut(&document) else {
            return Ok(Left::Settled(Missed::Nothing(BTreeSet::new())));
        };
        let mut changes = Vec::new();
        for bytes in old.changes_since(&[])? {
            changes.push(change::inspect(&bytes)?);
        }
        // Another tab told of it, and what it builds on is not here; or is nowhere any more.
        let here: BTreeSet<Hash> = changes.iter().map(|info| info.hash).collect();
        let is_absent = |(_, info): &&(LaneId, ChangeInfo)| !erases && !here.contains(&info.hash);
        let absent = unsent.values().filter(is_absent);
        changes.extend(absent.map(|(_, info)| info.clone()));
        let (mut missed, mut others, mut doubtful) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        // What does not open here the tab that wrote it knows as well.
        let mut elsewhere = unopened.into_iter().find(|lane| !erases && !held.contains(lane));
        for info in &changes {
            let is_within = |end: &&End| info.sequence <= end.sequence;
            let there = has.get(&info.actor).filter(is_within);
            let there = there.or_else(|| carried.get(&info.actor).filter(is_within));
            let unsent_on = unsent.get(&info.hash).map(|(lane, _)| *lane);
            let is_last = |other: &ChangeInfo| other.actor == info.actor && Some(&End::of(other)) == there;
            let is_known = match there {
                Some(_) => changes.iter().any(is_last),
                None => here.contains(&info.hash),
            };
            if let Some(lane) = unsent_on.filter(|_| !is_known) {
                // The tab that wrote it knows.
                if erases || held.contains(&lane) {
                    doubtful.insert(info.hash);
                } else {
                    elsewhere = Some(lane);
                }
                continue;
            }
            // If nobody says how much is there, what the relay had is: whoever erases it had it.
            if there.is_some() || has.is_empty() && !erases && unsent_on.is_none() {
                continue;
            }
            let is_its = |log: &&Log| {
                log.document == document && log.member == *me && log.actor().as_slice() == info.actor
            };
            match logs.iter().find(is_its) {
                // Of two tabs each may know of something that the other does not: no tab makes what another one does.
                Some(log) if !erases && !held.contains(&log.lane) => {
                    others.insert(info.hash);
                    elsewhere = Some(log.lane);
                    continue;
                }
                Some(_) => {}
                None if erases => {}
                // Its author makes it.
                None => continue,
            }
            missed.insert(info.hash);
            redo::reach(&mut ends, info.actor.clone(), End::of(info));
        }
        if erases && !missed.is_empty() {
            match self.lane_that_erases(me, &document) {
                Some(lane) if held.contains(&lane) => {}
                Some(lane) => return Ok(Left::Elsewhere(lane)),
                None => return Ok(Left::Settled(Missed::Lost(Refusal::Erased, missed))),
            }
        }
        Ok(match elsewhere {
            _ if !missed.is_empty() => Left::Changes(Changes {
                missed,
                doubtful,
                noted,
                ends,
                others,
                is_all: elsewhere.is_none(),
            }),
            Some(lane) => Left::Elsewhere(lane),
            None => Left::Settled(Missed::Nothing(doubtful)),
        })
    }

    /// Whether another tab told of something in the list, and what it builds on has not come: the list does not have it yet.
    fn lacks_of_list(&self) -> bool {
        let own = self.roster.document();
        let is_ahead = |log: &Log, last: u64| self.logs.get(log).is_none_or(|record| record.next <= last);
        let mut unsent = self.outbox.keys();
        unsent.any(|(log, last)| log.document == own && is_ahead(log, *last))
    }

    /// The lane whose tab sees to all of what is missed of a document that this person erases: all tabs know it alike, whatever
    /// they have heard of each other. It is that which listed what takes its place, for this is known also if that is erased as
    /// well. Whoever writes in the list can take that away; then it is one that has listed something.
    fn lane_that_erases(&self, me: &MemberId, document: &DocumentId) -> Option<LaneId> {
        let successor = self.roster.erased(document)?;
        let lister = self.own_document()?.lister(successor.0);
        let is_own = |log: &&Log| log.document == self.roster.document() && log.member == *me;
        let mut own = self.logs.keys().filter(is_own);
        let listed = own
            .clone()
            .find(|log| lister.as_deref() == Some(log.actor().as_slice()));
        listed.or_else(|| own.next()).map(|log| log.lane)
    }

    /// How much of older documents is in one, as those say who erase, and this person; and the changes that say so.
    fn ends_noted(&mut self, me: &MemberId, document: &DocumentId) -> Result<(Vec<Hash>, Ends), Error> {
        let mut actors = BTreeSet::new();
        for log in self.logs.keys() {
            if log.document == *document && (log.member == *me || self.may_erase(&log.member)) {
                actors.insert(log.actor().to_vec());
            }
        }
        let (mut noted, mut ends) = (Vec::new(), Ends::new());
        if let Some(page) = self.page_mut(document) {
            for (change, actor, note) in page.notes()? {
                if actors.contains(&actor) {
                    noted.push(change);
                    redo::read_note(&note, &mut ends);
                }
            }
        }
        Ok((noted, ends))
    }

    /// Whether somebody leads, or did when they erased something. What a lead erases may come later than what they say of it.
    pub(crate) fn may_erase(&self, member: &MemberId) -> bool {
        let leads = |member: Member| member.role == Role::Lead;
        let erased = self.roster.erased_documents();
        self.roster.member(member).is_some_and(leads)
            || erased.iter().any(|(document, _)| {
                let erasures = self.roster.erasures(document);
                erasures.iter().any(|entry| entry.author() == *member)
            })
    }

    /// The own changes of a document that the relay does not have, each with its lane; and the lanes on which something is unsent
    /// that does not open here: its key has not come yet.
    fn unsent_changes(&self, document: &DocumentId) -> (BTreeMap<Hash, (LaneId, ChangeInfo)>, Vec<LaneId>) {
        let (mut changes, mut unopened) = (BTreeMap::new(), Vec::new());
        for ((log, _), unsent) in &self.outbox {
            if log.document != *document || unsent.settled {
                continue;
            }
            let Some(opened) = self.open_own(&unsent.segment) else {
                unopened.push(log.lane);
                continue;
            };
            for bytes in opened {
                if let Ok(info) = change::inspect(&bytes) {
                    changes.insert(info.hash, (log.lane, info));
                }
            }
        }
        (changes, unopened)
    }
}
