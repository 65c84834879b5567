//! Starting a document anew: a new one with its present content takes its place, and the old one is erased with all that was
//! ever written in it. A change names those before it, so that nobody's history can be kept without the others'.
//!
//! The new one says how much of the old one is in it. Whoever finds that something of their own is not, because they wrote it
//! meanwhile, makes it again there. The lead who started it does so for everybody until the relay has heard of it, and lets it
//! hear only when it has the new document.

use std::collections::BTreeSet;

use documents::change::{self, Hash};
use documents::classroom::Listing;
use documents::redo;
use protocol::rand_core::CryptoRng;
use protocol::roster::Action;
use protocol::segment::{self, Log};
use protocol::{ClassroomId, DocumentId, LaneId, MemberId, SpaceId};

use crate::classroom::{Classroom, Content, Copy, Held};
use crate::command::{Answer, Problem};
use crate::event::Effect;
use crate::join::random;
use crate::store::{self, Table};
use crate::writes::After;
use crate::{Error, Replica};

/// What of an erased document is to be made again in the one that took its place.
pub(crate) enum Missed {
    Nothing,
    /// It can't be told yet, or another tab does it.
    Unclear,
    /// It can't be made there.
    Lost,
    Changes(Changes),
}

pub(crate) struct Changes {
    missed: BTreeSet<Hash>,
    /// The changes that say how much is there.
    noted: Vec<Hash>,
    /// The tab that holds this lane makes them.
    lane: LaneId,
}

impl<R: CryptoRng> Replica<R> {
    /// Starts a document anew; it is read first if it is not at hand.
    pub(crate) fn start_anew(
        &mut self,
        request: u32,
        id: ClassroomId,
        document: DocumentId,
    ) -> Result<(), Problem> {
        let me = self.me.as_ref().ok_or(Problem::NotAllowed)?.keys.id();
        let classroom = self.classrooms.get(&id).ok_or(Problem::UnknownClassroom)?;
        let own = classroom.own_document().ok_or(Problem::UnknownDocument)?;
        let listed = own.read().documents.get(&document.0);
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
        let old = classroom.page_mut(&document).ok_or(Problem::UnknownDocument)?;
        let made = (|| {
            let mut has = old.heads()?;
            for (.., note) in old.notes()? {
                has.extend(redo::heads_in(&note));
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
            return Ok(Missed::Nothing);
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(Missed::Nothing);
        };
        let is_mine = |log: &&Log| log.document == document && log.member == me;
        if !classroom.erases(&document) && classroom.logs.keys().all(|log| !is_mine(&log)) {
            return Ok(Missed::Nothing);
        }
        let Some(successor) = classroom.last_successor(&document) else {
            return Ok(Missed::Lost);
        };
        for page in [document, successor] {
            match classroom.documents.get(&page) {
                Some(Copy::Here(_)) => {}
                Some(Copy::Away | Copy::Loading { .. }) => {
                    self.load(id, page);
                    return Ok(Missed::Unclear);
                }
                // The relay has it before it erases the other one.
                None if classroom
                    .channel
                    .as_ref()
                    .is_some_and(|channel| channel.caught_up) =>
                {
                    return Ok(Missed::Lost);
                }
                None => return Ok(Missed::Unclear),
            }
        }
        let found = classroom.missed(&me, document, successor)?;
        let Missed::Changes(Changes { missed, noted, lane }) = found else {
            return Ok(found);
        };
        if !self.held.contains(&lane) {
            self.effects.push(Effect::Adopt(lane));
            return Ok(Missed::Unclear);
        }
        if classroom.check_writer(&me, &successor).is_err() {
            return Ok(Missed::Lost);
        }
        let seconds = self.seconds();
        // The tab may be writing in the new one on its own lane.
        let log = Log {
            document: successor,
            member: me,
            lane: LaneId(random(&mut self.rng)),
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(Missed::Nothing);
        };
        let new = match classroom.page_mut(&successor) {
            Some(new) => new.clone(),
            None => return Ok(Missed::Lost),
        };
        let Some(old) = classroom.page_mut(&document) else {
            return Ok(Missed::Lost);
        };
        let Some(change) = redo::carry_into(&new, &noted, old, &missed, log.actor(), seconds)? else {
            return Ok(Missed::Nothing);
        };
        if !segment::fits([&change]) {
            return Ok(Missed::Lost);
        }
        self.held.insert(log.lane);
        self.effects.push(Effect::HoldLane(log.lane));
        self.seal(id, log, std::slice::from_ref(&change))?;
        self.apply(id, successor, vec![change]);
        self.apply_arrived();
        Ok(Missed::Nothing)
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

    /// Whether this person erases a document, and the relay does not know yet.
    pub(crate) fn erases(&self, document: &DocumentId) -> bool {
        self.entries.keys().any(|hash| {
            let entry = self.roster.entry(hash);
            entry.is_some_and(
                |entry| matches!(entry.action(), Action::Erase { document: erased, .. } if erased == document),
            )
        })
    }

    /// What stands in the place of an erased document, however often it was started anew; none if it is this one in the end.
    fn last_successor(&self, document: &DocumentId) -> Option<DocumentId> {
        let mut last = self.roster.erased(document)?;
        let mut seen = BTreeSet::from([*document]);
        while let Some(next) = self.roster.erased(&last) {
            if !seen.insert(last) {
                return None;
            }
            last = next;
        }
        Some(last)
    }

    /// What of an erased document is not in the one that took its place: of this person, or, while this person erases it, of
    /// anybody. Both are here.
    fn missed(
        &mut self,
        me: &MemberId,
        document: DocumentId,
        successor: DocumentId,
    ) -> Result<Missed, Error> {
        let erases = self.erases(&document);
        let (noted, has) = self.heads_noted(me, &successor)?;
        let logs: Vec<Log> = self.logs.keys().copied().collect();
        let unsent = self.unsent_names(&document);
        let Some(old) = self.page_mut(&document) else {
            return Ok(Missed::Nothing);
        };
        let is_here = |head: &Hash| old.has_seen(&[*head], head) == Some(true);
        // Without those heads nobody knows whether something was in their past. What the relay had, whoever erases it had.
        let is_clear = erases || !has.is_empty() && has.iter().all(is_here);
        let (mut all, mut mine) = (BTreeSet::new(), BTreeSet::new());
        let mut lane: Option<LaneId> = None;
        for bytes in old.changes_since(&has)? {
            let info = change::inspect(&bytes)?;
            all.insert(info.hash);
            let is_its = |log: &&Log| {
                log.document == document && log.member == *me && log.actor().as_slice() == info.actor
            };
            if let Some(log) = logs.iter().find(is_its)
                && (is_clear || unsent.contains(&info.hash))
            {
                mine.insert(info.hash);
                lane = Some(lane.map_or(log.lane, |lane| lane.min(log.lane)));
            }
        }
        if erases {
            // The tab that started it sees to all of it.
            let first = |log: &&Log| log.document == successor && log.member == *me;
            lane = logs.iter().find(first).map(|log| log.lane);
        }
        let missed = if is_clear && (erases || !mine.is_empty()) {
            all
        } else {
            mine
        };
        Ok(match lane {
            Some(lane) if !missed.is_empty() => Missed::Changes(Changes { missed, noted, lane }),
            _ => Missed::Nothing,
        })
    }

    /// How much of older documents is in one, as those say who erased them, and this person; and the changes that say so.
    fn heads_noted(&mut self, me: &MemberId, document: &DocumentId) -> Result<(Vec<Hash>, Vec<Hash>), Error> {
        let mut actors = BTreeSet::new();
        for log in self.logs.keys() {
            if log.document == *document && (log.member == *me || self.has_erased(&log.member)) {
                actors.insert(log.actor().to_vec());
            }
        }
        let (mut noted, mut heads) = (Vec::new(), Vec::new());
        if let Some(page) = self.page_mut(document) {
            for (change, actor, note) in page.notes()? {
                if actors.contains(&actor) {
                    noted.push(change);
                    heads.extend(redo::heads_in(&note));
                }
            }
        }
        Ok((noted, heads))
    }

    fn has_erased(&self, member: &MemberId) -> bool {
        self.roster
            .entries_in_order()
            .into_iter()
            .any(|entry| entry.author() == *member && matches!(entry.action(), Action::Erase { .. }))
    }

    /// The names of own changes of a document that the relay does not have.
    fn unsent_names(&self, document: &DocumentId) -> BTreeSet<Hash> {
        let mut names = BTreeSet::new();
        for ((log, _), unsent) in &self.outbox {
            if log.document == *document && !unsent.settled {
                names.extend(self.names_in(&unsent.segment));
            }
        }
        names
    }
}
