//! Documents between store and memory: a stored whole document, and the segments since.

use documents::document::Document;
use protocol::rand_core::CryptoRng;
use protocol::segment::Segment;
use protocol::{ClassroomId, DocumentId};

use crate::Replica;
use crate::classroom::{Content, Copy, Held};
use crate::event::Effect;
use crate::store::{self, AsideReason, LogRecord, Ranges, Records, Table};
use crate::view::Update;

/// A document is stored whole after this many changes, or this long after the last one, in milliseconds.
const SAVE_AFTER_CHANGES: u32 = 200;
const SAVE_AFTER: u64 = 5_000;
/// How long after a failed read the next attempt is made, in milliseconds.
const READ_AGAIN: u64 = 2_000;

impl<R: CryptoRng> Replica<R> {
    /// Reads a document from the store, unless it is here or on its way.
    pub(crate) fn load(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        match classroom.documents.get_mut(&document) {
            Some(Copy::Here(_) | Copy::Loading { again_at: None, .. }) => return,
            Some(Copy::Loading { again_at, .. }) => *again_at = None,
            Some(Copy::Away) | None => {
                classroom.documents.insert(
                    document,
                    Copy::Loading {
                        later: Vec::new(),
                        again_at: None,
                    },
                );
            }
        }
        let key = store::document_key(id, &document);
        let mut ranges: Ranges = vec![(Table::Documents, key.clone(), [key.as_slice(), &[0]].concat())];
        for (log, record) in classroom.logs.iter().filter(|(log, _)| log.document == document) {
            if record.covered < record.next {
                ranges.push((
                    Table::Segments,
                    store::item_key(id, log, record.covered),
                    store::item_key(id, log, record.next),
                ));
            }
        }
        self.next_ticket += 1;
        self.reads.insert(self.next_ticket, (*id, document));
        self.effects.push(Effect::Read {
            ticket: self.next_ticket,
            ranges,
        });
    }

    pub(crate) fn document_read(&mut self, ticket: u64, records: &Records) {
        let Some((id, document)) = self.reads.remove(&ticket) else {
            return;
        };
        if self.assemble(&id, document, records).is_err() {
            // The stored whole document is only a shortcut: without it everything is read from the segments.
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                for (log, record) in &mut classroom.logs {
                    if log.document == document {
                        record.covered = 0;
                    }
                }
                classroom.documents.insert(document, Copy::Away);
            }
            self.writes
                .next()
                .delete(Table::Documents, store::document_key(&id, &document));
            self.load(&id, document);
        }
    }

    pub(crate) fn read_failed(&mut self, ticket: u64) {
        let Some((id, document)) = self.reads.remove(&ticket) else {
            return;
        };
        if let Some(Copy::Loading { again_at, .. }) = self
            .classrooms
            .get_mut(&id)
            .and_then(|classroom| classroom.documents.get_mut(&document))
        {
            *again_at = Some(self.now + READ_AGAIN);
        }
    }

    /// Puts a document together from what was read, what is pending and what arrived meanwhile.
    fn assemble(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        records: &Records,
    ) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let is_own = classroom.roster.document() == document;
        let read = |table| records.get(&table).into_iter().flatten();
        let mut content = match read(Table::Documents).next() {
            Some((_, value)) => {
                let saved: Vec<u8> = store::decode(Table::Documents, value)?;
                Content::open(Document::load(&saved, [0; 16])?, is_own)
            }
            None => Content::empty(is_own),
        };
        let mut changes = Vec::new();
        let mut aside = Vec::new();
        for (_, encoded) in read(Table::Segments) {
            let opened = Segment::decode(encoded).ok().and_then(|segment| {
                let key = classroom
                    .keys
                    .get(&(segment.header.space, segment.header.epoch))?;
                let actor = segment.header.log.actor();
                let mut changes = segment.open(id, key).ok()?;
                changes.retain(|change| {
                    documents::change::inspect(change).is_ok_and(|info| info.actor == actor)
                });
                Some(changes)
            });
            match opened {
                Some(opened) => changes.extend(opened),
                None => aside.push(encoded.clone()),
            }
        }
        changes.extend(
            classroom
                .pending
                .iter()
                .filter(|((log, _), _)| log.document == document)
                .map(|(_, pending)| pending.change.clone()),
        );
        if let Some(Copy::Loading { later, .. }) = classroom.documents.get_mut(&document) {
            changes.append(later);
        }
        let applied = content.apply_changes(&changes)?;
        aside.extend(applied.refused.into_iter().map(|(at, _)| changes[at].clone()));
        let mut held = Held::new(content);
        held.unsaved = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        held.changed_at = self.now;
        classroom.documents.insert(document, Copy::Here(held));
        for item in aside {
            self.keep_aside(id, AsideReason::BadChange, item)?;
        }
        self.refresh_title(id, &document)?;
        self.show_page(id, document);
        self.redo_waiting(id, document);
        Ok(())
    }

    /// Hands a page that is open in this tab over, whole.
    pub(crate) fn show_page(&mut self, id: &ClassroomId, document: DocumentId) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        if !classroom.open.contains(&document) {
            return;
        }
        let log = protocol::segment::Log {
            document,
            member: me.keys.id(),
            lane: self.lane,
        };
        let Some(Copy::Here(held)) = classroom.documents.get_mut(&document) else {
            return;
        };
        if let Ok(saved) = held.content.save() {
            let actor = log.actor();
            self.effects.push(Effect::Show(Update::Opened {
                classroom: *id,
                document,
                saved,
                actor,
            }));
        }
    }

    /// Keeps the list of titles true.
    pub(crate) fn refresh_title(
        &mut self,
        id: &ClassroomId,
        document: &DocumentId,
    ) -> Result<(), crate::Error> {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(Copy::Here(held)) = classroom.documents.get(document) else {
            return Ok(());
        };
        let Content::Page(page) = &held.content else {
            return Ok(());
        };
        let title = documents::page::title_of(page);
        if classroom.titles.get(document) != Some(&title) {
            self.batch(id)
                .put(Table::Titles, store::document_key(id, document), &title)?;
            if let Some(classroom) = self.classrooms.get_mut(id) {
                classroom.titles.insert(*document, title);
            }
        }
        Ok(())
    }

    /// Stores whole what has changed much, or has been quiet; reads again what could not be read.
    pub(crate) fn tick_loading(&mut self) {
        let mut again = Vec::new();
        let batch = self.writes.next();
        for classroom in self
            .classrooms
            .values_mut()
            .filter(|classroom| classroom.joining.is_none())
        {
            let id = classroom.id;
            for (document, copy) in &mut classroom.documents {
                match copy {
                    Copy::Loading {
                        again_at: Some(at), ..
                    } if self.now >= *at => again.push((id, *document)),
                    Copy::Here(held)
                        if held.unsaved >= SAVE_AFTER_CHANGES
                            || (held.unsaved > 0 && self.now >= held.changed_at + SAVE_AFTER) =>
                    {
                        let Ok(saved) = held.content.save() else { continue };
                        held.unsaved = 0;
                        let key = store::document_key(&id, document);
                        if batch.put(Table::Documents, key, &saved).is_err() {
                            continue;
                        }
                        for (log, record) in &mut classroom.logs {
                            if log.document == *document && record.covered < record.next {
                                *record = LogRecord {
                                    covered: record.next,
                                    ..*record
                                };
                                // A log record always encodes; if it did not, the segments are read once more.
                                if batch.put(Table::Logs, store::log_key(&id, log), record).is_err() {
                                    record.covered = 0;
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        for (id, document) in again {
            self.load(&id, document);
        }
    }
}
