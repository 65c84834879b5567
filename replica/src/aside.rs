//! What cannot be applied is kept aside with its reason: shown, tried again when that may help, and exported on request.

mod exporting;
mod shelf;

use documents::change;
use protocol::bundle::Kind;
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::roster::Entry;
use protocol::segment::{Log, Segment};
use protocol::snapshot::Snapshot;
use protocol::{ClassroomId, DocumentId};

use crate::classroom::{Classroom, Copy, Unsent, Way};
use crate::command::{MOST_LISTED, Problem};
use crate::incoming::{EntrySource, Source};
use crate::loading;
use crate::store::{self, AsideReason, AsideRecord, Changes, Table};
use crate::view::Why;
use crate::writes::After;
use crate::{Error, Replica, importing, view};
pub(crate) use exporting::Exporting;
pub(crate) use shelf::{Aside, Shelf, What};

impl<R: CryptoRng> Replica<R> {
    /// Keeps what cannot be applied, with its reason.
    pub(crate) fn keep_aside(
        &mut self,
        id: &ClassroomId,
        reason: AsideReason,
        item: Vec<u8>,
    ) -> Result<(), Error> {
        self.keep_under(id, store::aside_key(id, &item, None), reason, item)
    }

    /// Keeps what cannot be read, with the kind that it came as: a newer version may read it.
    pub(crate) fn keep_unread(
        &mut self,
        id: &ClassroomId,
        kind: Kind,
        reason: AsideReason,
        item: Vec<u8>,
    ) -> Result<(), Error> {
        let key = store::aside_key(id, &item, Some(importing::number(kind)));
        self.keep_under(id, key, reason, item)
    }

    fn keep_under(
        &mut self,
        id: &ClassroomId,
        key: Vec<u8>,
        reason: AsideReason,
        item: Vec<u8>,
    ) -> Result<(), Error> {
        if does(Mischief::AsideForgotten) {
            return Ok(());
        }
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        if classroom
            .aside
            .get(&key)
            .is_some_and(|aside| aside.reason == reason)
        {
            return Ok(());
        }
        let record = AsideRecord {
            reason,
            item: item.clone(),
        };
        let aside = classroom.describe(reason, item);
        if let What::Segment(log, ..) = aside.what
            && reason == AsideReason::BeyondCutoff
        {
            classroom.aside.put(key.clone(), aside);
            // What builds on it may have come before.
            classroom.note_needs(log.document);
        } else {
            classroom.aside.put(key.clone(), aside);
        }
        self.batch(id).put(Table::Aside, key, &record)
    }

    /// Something that may have been kept aside was taken after all.
    pub(crate) fn let_in(&mut self, id: &ClassroomId, item: &[u8]) -> bool {
        self.no_more_aside(id, store::aside_key(id, item, None))
    }

    pub(crate) fn no_more_aside(&mut self, id: &ClassroomId, key: Vec<u8>) -> bool {
        let classroom = self.classrooms.get_mut(id);
        let was_aside = classroom.is_some_and(|classroom| classroom.aside.remove(&key));
        if was_aside {
            self.batch(id).delete(Table::Aside, key);
        }
        was_aside
    }

    /// Tries again what may be applied now, until nothing of it can.
    pub(crate) fn retry_aside(&mut self) -> Result<(), Error> {
        self.settle_rosters()?;
        let due = |classroom: &&mut Classroom| classroom.aside_due || classroom.aside.is_any_due();
        while let Some(classroom) = self.classrooms.values_mut().find(due) {
            let id = classroom.id;
            if std::mem::take(&mut classroom.aside_due) {
                let all = std::mem::take(&mut classroom.aside_all_due);
                classroom.aside.everything_is_due(all);
            }
            while let Some((key, reason, item)) = self
                .classrooms
                .get_mut(&id)
                .and_then(|classroom| classroom.aside.next_due())
            {
                self.retry(&id, key, reason, item)?;
            }
            self.read_aside(&id);
        }
        Ok(())
    }

    fn retry(
        &mut self,
        id: &ClassroomId,
        key: Vec<u8>,
        reason: AsideReason,
        item: Vec<u8>,
    ) -> Result<(), Error> {
        // These keep aside by themselves what still can't be taken.
        if let Some(number) = store::kind_aside(&key) {
            self.no_more_aside(id, key);
            return self.take_again(id, importing::kind(number), item);
        }
        let Ok(segment) = Segment::decode(&item) else {
            if Entry::decode(&item).is_ok() {
                self.no_more_aside(id, key);
                return self.take_entry(id, &item, EntrySource::Relay);
            }
            return Ok(());
        };
        if reason == AsideReason::FoldDiffers {
            // It goes once it was compared and does not differ.
            self.compare(id, &segment);
            return Ok(());
        }
        let is_in_doubt = |classroom: &Classroom| classroom.is_in_doubt(reason, &segment.header);
        if self.classrooms.get(id).is_some_and(is_in_doubt) {
            self.look_whether_here(id, segment.header.log);
            return Ok(());
        }
        // Own work that was cut off before it was sent is nowhere else, also if it was shut out by a lock since.
        let is_own = self
            .me
            .as_ref()
            .is_some_and(|me| me.keys.id() == segment.header.log.member);
        let may_be_unsent = is_own
            && matches!(
                reason,
                AsideReason::BeyondCutoff
                    | AsideReason::OutOfOrder
                    | AsideReason::Locked
                    | AsideReason::Closed
            );
        let next = |classroom: &Classroom| {
            let record = classroom.logs.get(&segment.header.log);
            record.map_or(0, |record| record.next)
        };
        let before = self.classrooms.get(id).map_or(0, next);
        // What is in the store, and did not open, its document was put together without. Whether the relay has it is not said by that.
        let was_left_out = segment.header.last < before
            && matches!(
                reason,
                AsideReason::UnknownKey
                    | AsideReason::NewerVersion
                    | AsideReason::CannotOpen
                    | AsideReason::BadChange
            );
        let source = if may_be_unsent || (is_own && was_left_out) {
            Source::File
        } else {
            Source::Relay
        };
        match self.take_segment(id, &segment, source)? {
            None => {
                self.no_more_aside(id, key);
                if was_left_out {
                    self.put_together_again(id, segment.header.log.document);
                }
                if may_be_unsent && segment.header.last >= before {
                    self.send_after_all(id, segment)?;
                }
            }
            Some(still) if still == reason => {}
            Some(other) => self.keep_under(id, key, other, item)?,
        }
        Ok(())
    }

    /// Has a segment sent that was kept aside and counts now, once that is durable. If the relay has it, it says so.
    pub(crate) fn send_after_all(&mut self, id: &ClassroomId, segment: Segment) -> Result<(), Error> {
        let header = &segment.header;
        let (log, last, encoded) = (header.log, header.last, segment.encode()?);
        let mut unsent = Unsent::stored(segment, id, Way::READY, false)?;
        unsent.durable = false;
        let (key, hash) = (unsent.key(id), unsent.hash);
        let batch = self.batch(id);
        batch.put_bytes(Table::Outbox, key, encoded);
        batch.strict = true;
        self.writes.then(After::Segment(*id, log, last, hash));
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.outbox.insert((log, last), unsent);
        }
        self.document_written(id, log.document);
        Ok(())
    }

    /// Has the next items read that are to be tried again and are not at hand.
    pub(crate) fn read_aside(&mut self, id: &ClassroomId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let keys = classroom.aside.take_next_to_read();
        if !keys.is_empty() {
            let ranges = keys.iter().map(|key| store::row(Table::Aside, key)).collect();
            self.read(*id, loading::What::AsideDue(keys), ranges);
        } else if classroom.aside_untold && !classroom.aside_all_due && classroom.aside.is_through() {
            classroom.aside_untold = false;
            let key = store::reader_key(id);
            // If it can't be noted, all is tried with the next start again.
            if self
                .batch(id)
                .put(Table::Classrooms, key.clone(), &store::reader())
                .is_err()
            {
                self.batch(id).delete(Table::Classrooms, key);
            }
        }
    }

    /// Items that are to be tried again were read.
    #[inline(never)]
    pub(crate) fn aside_due_read(
        &mut self,
        id: &ClassroomId,
        keys: Vec<Vec<u8>>,
        found: &Changes,
    ) -> Result<(), Error> {
        for key in keys {
            let is_kept = |classroom: &Classroom| classroom.aside.get(&key).is_some();
            if !self.classrooms.get(id).is_some_and(is_kept) {
                continue;
            }
            let row = found.get(&(Table::Aside, key.clone())).and_then(Option::as_ref);
            match row.map(|row| store::decode::<AsideRecord>(Table::Aside, row)) {
                Some(Ok(record)) => self.retry(id, key, record.reason, record.item)?,
                Some(Err(_)) => {}
                None => self.let_in_by_tab(id, &key),
            }
        }
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.aside.was_read(Vec::new());
        }
        self.retry_aside()?;
        self.read_aside(id);
        Ok(())
    }

    /// Another tab has let in what was kept aside. If this one read its log before that, it has it from the store now: nobody
    /// tells of it, and the relay does not give it once more.
    fn let_in_by_tab(&mut self, id: &ClassroomId, key: &[u8]) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let what = classroom.aside.get(key).map(|aside| aside.what);
        classroom.aside.remove(key);
        if let Some(What::Segment(log, _, last)) = what {
            let next = classroom.logs.get(&log).map_or(0, |record| record.next);
            if next <= last {
                let range = store::segments_from(id, &log, next);
                self.read(*id, loading::What::LetIn, vec![range]);
            }
        }
    }

    /// What another tab has let in was read. What can't be taken here is in the store, and comes with the next start.
    #[inline(never)]
    pub(crate) fn let_in_read(&mut self, id: &ClassroomId, rows: &[Segment]) -> Result<(), Error> {
        for segment in rows {
            // Of a file it is not said that the relay has something else.
            self.take_segment(id, segment, Source::File)?;
        }
        self.retry_aside()
    }

    pub(crate) fn aside_not_read(&mut self, id: &ClassroomId, keys: Vec<Vec<u8>>) {
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.aside.was_read(keys);
        }
    }

    /// Goes on with what could not be read before.
    pub(crate) fn tick_aside(&mut self) {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            self.read_aside(&id);
        }
    }

    /// Lists what is kept aside, from the one on that has so many before it.
    #[inline(never)]
    pub(crate) fn list_aside(&self, id: &ClassroomId, skip: u32) -> Result<Vec<view::KeptAside>, Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let items = classroom.aside.values().map(|aside| view::KeptAside {
            reason: Why::Unfit(aside.reason),
            from: aside.from,
            document: aside.document,
            bytes: aside.bytes,
        });
        let items = items
            .chain(classroom.waiting_changes())
            .chain(classroom.waiting_entries())
            .chain(classroom.late_items());
        Ok(items.skip(skip as usize).take(MOST_LISTED as usize).collect())
    }
}

impl Classroom {
    /// Takes a row of the store to be one of what is kept aside, if it is not known. Whether it can be read.
    pub(crate) fn know_aside(&mut self, key: &[u8], row: &[u8]) -> bool {
        if self.aside.get(key).is_some() {
            return true;
        }
        let Ok(record) = store::decode::<AsideRecord>(Table::Aside, row) else {
            return false;
        };
        let aside = self.describe(record.reason, record.item);
        self.aside.put(key.to_vec(), aside);
        true
    }

    /// What is said of an item that is kept aside.
    pub(crate) fn describe(&self, reason: AsideReason, item: Vec<u8>) -> Aside {
        let mut aside = Aside {
            reason,
            from: None,
            document: None,
            what: What::Other,
            bytes: item.len() as u64,
            item: None,
        };
        if let Ok(segment) = Segment::decode(&item) {
            let log = segment.header.log;
            aside.from = Some(log.member);
            aside.document = Some(log.document);
            aside.what = What::Segment(log, segment.header.first, segment.header.last);
        } else if let Ok(entry) = Entry::decode(&item) {
            aside.from = Some(entry.author());
            aside.what = What::Entry;
        } else if let Ok(snapshot) = Snapshot::decode(&item) {
            aside.from = Some(snapshot.header.member);
            aside.document = Some(snapshot.header.document);
            if let Ok(hash) = snapshot.hash(&self.id) {
                aside.what = What::Snapshot(hash);
            }
        } else if let Some(log) = self.log_of_change(&item) {
            aside.from = Some(log.member);
            aside.document = Some(log.document);
        }
        aside.item = Some(item);
        aside
    }

    /// The log of a bare change, by its actor.
    fn log_of_change(&self, item: &[u8]) -> Option<&Log> {
        let actor = change::inspect(item).ok()?.actor;
        self.logs.keys().find(|log| log.actor().as_slice() == actor)
    }

    /// How many items are kept aside, with such as wait for what they depend on.
    pub(crate) fn count_aside(&self) -> u32 {
        let late = self.late().count() + self.refused_entries().count();
        let waiting = self.waiting_changes().count() + self.waiting_entries().count() + late;
        u32::try_from(self.aside.len() + waiting).unwrap_or(u32::MAX)
    }

    /// While more is being received, that something waits is nothing to speak of.
    fn has_settled(&self) -> bool {
        self.channel.as_ref().is_none_or(|channel| channel.caught_up)
    }

    /// The roster entries that wait for others.
    fn waiting_entries(&self) -> impl Iterator<Item = view::KeptAside> {
        let is_settled = self.has_settled();
        let waiting = self.waiting.iter().filter(move |_| is_settled);
        waiting.map(|(entry, _)| view::KeptAside {
            reason: Why::Unfit(AsideReason::UnknownRoster),
            from: Some(entry.author()),
            document: None,
            bytes: entry.encode().map_or(0, |encoded| encoded.len() as u64),
        })
    }

    /// The changes in documents that wait for others.
    fn waiting_changes(&self) -> impl Iterator<Item = view::KeptAside> {
        let is_settled = self.has_settled();
        let here = self.documents.iter().filter(move |_| is_settled);
        here.flat_map(|(document, copy)| {
            let waiting = match copy {
                Copy::Here(held) => held.content.document().waiting(),
                Copy::Away | Copy::Loading { .. } => Vec::new(),
            };
            waiting.into_iter().map(|bytes| view::KeptAside {
                reason: Why::Unfit(AsideReason::MissingDependency),
                from: self.log_of_change(bytes).map(|log| log.member),
                document: Some(*document),
                bytes: bytes.len() as u64,
            })
        })
    }

    /// What lies beyond a cut-off in a document and is at hand.
    pub(crate) fn beyond_at_hand(&self, document: &DocumentId) -> Vec<Segment> {
        let mut beyond = Vec::new();
        for aside in self.aside.values() {
            if aside.reason == AsideReason::BeyondCutoff
                && aside.document == Some(*document)
                && let Some(item) = &aside.item
                && let Ok(segment) = Segment::decode(item)
            {
                beyond.push(segment);
            }
        }
        beyond
    }
}
