//! Documents between store and memory: a stored whole document, and the segments since.

use std::collections::BTreeSet;

use documents::change::Hash;
use documents::document::Document;
use documents::page::comments;
use protocol::bounded::Bytes;
use protocol::mischief::{Mischief, does};
use protocol::rand_core::CryptoRng;
use protocol::segment::{Header, Log, Segment};
use protocol::snapshot::Snapshot;
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId, MemberId, SegmentHash, SnapshotHash};

use crate::aside::Exporting;
use crate::classroom::{Classroom, Content, Copy, Handing, Held};
use crate::command::Problem;
use crate::cutoffs::Gap;
use crate::event::Effect;
use crate::importing::Unopened;
use crate::store::{
    self, AsideReason, Changes, Covered, DocumentRecord, LogRecord, Range, Ranges, Records, Table,
};
use crate::view::Update;
use crate::{Error, Replica};

/// A document is stored whole after this many changes, or this long after the last one, in milliseconds.
const SAVE_AFTER_CHANGES: u32 = 200;
const SAVE_AFTER: u64 = 5_000;
/// How long after a failed read the next attempt is made, in milliseconds.
pub(crate) const READ_AGAIN: u64 = 2_000;

/// Something that is being read.
pub(crate) struct Reading {
    pub(crate) classroom: ClassroomId,
    pub(crate) what: What,
    /// How many rows were asked for at most.
    most: Option<u32>,
    /// What was noted for these ranges before, and may be in the store by now or not.
    unwritten: Changes,
}

pub(crate) enum What {
    /// A stored whole document, which says what to read besides.
    Whole(DocumentId),
    /// The segments that came after it.
    Rest(DocumentId, Option<DocumentRecord>),
    /// Everything of a classroom that another tab founded or joined.
    Classroom,
    /// The newest segments of an own log, to be folded.
    Own(Log),
    /// What lies beyond where logs of a document end.
    Beyond(DocumentId),
    /// A page of what is kept aside: this is not there of it.
    BeyondAside(DocumentId, Vec<Gap>),
    /// What is kept aside of a log that says that it is here, and what is in its place.
    Doubted(Log),
    /// All that is left of a document that was erased; what holds these changes is kept aside.
    Erased(DocumentId, BTreeSet<Hash>),
    /// The same of one of which this tab knows nothing.
    LeftOfErased(DocumentId),
    /// Of what is kept aside, to be exported.
    Aside(Box<Exporting>),
    /// The same with these keys, to be tried again.
    AsideDue(Vec<Vec<u8>>),
    /// What another tab has let in of a log, of which this one has what goes before.
    LetIn,
    /// The same, which a document may need.
    Needed(DocumentId),
    /// What a fold of somebody stands for: the fold, and how far its log went.
    Compare(Box<Segment>, LogRecord),
    /// The segments of a document, of which a fold is disputed.
    Disputed(DocumentId, SegmentHash),
    /// A part of a log that the relay lacks.
    Lost(Log),
    /// A page of a table that the export with this number wants, from this key on.
    Export(u32, Table, Vec<u8>),
    /// Pieces of snapshots that the export with this number wants.
    ExportPieces(u32),
    /// The chunks of the attachment that the command with this number asks for.
    Attachment(u32),
    /// A chunk of a document, to be brought to the relay.
    Upload(DocumentId, ChunkHash),
    /// Chunks of a document that this person erases, for what takes its place.
    Moved(DocumentId, DocumentId, Vec<ChunkHash>),
    /// What is left of the chunks of an erased document.
    ChunksLeft(DocumentId),
    /// Which chunks are here, for the relay may have lost them.
    Chunks,
    /// What a file brought of a classroom before it was known; that waits on of what was read before.
    Imported(store::Unopened),
    /// The same, of what a file brings now.
    Unopened(Box<Unopened>),
    /// The same, to be deleted for this command.
    Deleted(u32),
    /// Which pieces of a snapshot are here.
    Pieces(SnapshotHash),
    /// The pieces of what a document is made of, to be given to the relay, or compared.
    Given(DocumentId),
    ComparedPieces(DocumentId),
    /// A part of a log that is compared with a snapshot.
    Compared(Log),
    /// All that is here of the logs of a snapshot that does not count.
    Behind(Box<Snapshot>),
}

/// What stored segments hold.
#[derive(Default)]
struct Opened {
    changes: Vec<Vec<u8>>,
    /// Those that do not open, and why.
    closed: Vec<(AsideReason, Vec<u8>)>,
    /// Those that another tab alone has taken from beyond the end of their log, and folds that it lies within.
    beyond: Vec<Segment>,
}

impl Reading {
    pub(crate) fn is_folding(&self) -> bool {
        matches!(self.what, What::Own(_))
    }

    /// What was read, as it is once all is written that was noted before.
    fn complete(&self, records: &Records) -> Changes {
        found_of(&self.unwritten, records)
    }

    /// The same of a page, and where the next one begins.
    fn page(&self, records: &Records) -> (Changes, Option<Vec<u8>>) {
        let mut found = self.complete(records);
        let rows = records.values().map(Vec::as_slice).next().unwrap_or_default();
        let is_full = self.most.is_some_and(|most| rows.len() >= most as usize);
        let Some((last, _)) = rows.last().filter(|_| is_full) else {
            return (found, None);
        };
        // What was noted of what lies behind comes with the next page.
        found.retain(|(_, key), _| key <= last);
        (found, Some([last.as_slice(), &[0]].concat()))
    }
}

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn read(&mut self, classroom: ClassroomId, what: What, ranges: Ranges) {
        let ticket = self.note_reading(classroom, what, &ranges, None);
        self.effects.push(Effect::Read { ticket, ranges });
    }

    /// Reads a few rows, from the beginning of a range.
    pub(crate) fn read_page(&mut self, classroom: ClassroomId, what: What, range: Range, most: u32) {
        let ticket = self.note_reading(classroom, what, &vec![range.clone()], Some(most));
        self.effects.push(Effect::ReadPage { ticket, range, most });
    }

    fn note_reading(
        &mut self,
        classroom: ClassroomId,
        what: What,
        ranges: &Ranges,
        most: Option<u32>,
    ) -> u64 {
        self.next_ticket += 1;
        let mut unwritten = self.writes.unwritten(ranges);
        if let Some(joining) = self
            .classrooms
            .get(&classroom)
            .and_then(|classroom| classroom.joining.as_ref())
        {
            unwritten.extend(joining.kept.within(ranges));
        }
        let reading = Reading {
            classroom,
            what,
            unwritten,
            most,
        };
        self.reads.insert(self.next_ticket, reading);
        self.next_ticket
    }

    pub(crate) fn was_read(&mut self, ticket: u64, records: &Records) {
        let Some(reading) = self.reads.remove(&ticket) else {
            return;
        };
        let id = reading.classroom;
        if matches!(
            reading.what,
            What::Aside(_) | What::AsideDue(_) | What::Unopened(_)
        ) {
            let (found, next) = reading.page(records);
            self.items_read(&id, reading.what, &found, next);
            return;
        }
        match &reading.what {
            What::Aside(_) | What::AsideDue(_) | What::Unopened(_) => {}
            What::Needed(document) => self.needed_read(&id, *document, reading.complete(records)),

            What::Classroom => self.classroom_read(&id, records),
            What::Own(log) => {
                // What can't be folded stays as it is.
                let rows = segments_in(&reading.complete(records));
                if self.fold_rows(&id, *log, rows).is_err() {
                    self.has_grown(&id, log);
                }
            }
            What::Compare(fold, record) => {
                let rows = segments_in(&reading.complete(records));
                if self.compared(&id, fold, record, rows).is_err() {
                    self.shown_home = None;
                }
            }
            What::Disputed(document, hash) => {
                let rows = segments_in(&reading.complete(records));
                if self.disputed_read(&id, (*document, *hash), rows).is_err() {
                    self.shown_home = None;
                }
            }
            What::Lost(log) => {
                let (mut found, next) = reading.page(records);
                let count = found.len();
                // Nothing is sent that is not written.
                found.retain(|key, _| !reading.unwritten.contains_key(key));
                let is_whole = found.len() == count;
                self.lost_read(&id, *log, segments_in(&found), is_whole, next);
            }
            What::Beyond(document) => {
                let rows = segments_in(&reading.complete(records));
                if self.beyond_read(&id, *document, &rows).is_err() {
                    self.look_for_cuts(&id);
                }
            }
            What::BeyondAside(document, gaps) => {
                let (found, next) = reading.page(records);
                self.looked_aside(&id, *document, gaps.clone(), &found, next);
            }
            What::Doubted(log) => {
                if self.doubted_read(&id, log, &reading.complete(records)).is_err() {
                    self.shown_home = None;
                }
            }
            What::Erased(document, missed) => {
                let found = reading.complete(records);
                if self.erased_read(&id, document, missed, found).is_err() {
                    self.shown_home = None;
                }
            }
            What::LeftOfErased(document) => {
                let found = reading.complete(records);
                if self.left_of_erased_read(&id, document, found).is_err() {
                    self.shown_home = None;
                }
            }
            What::LetIn => {
                let rows = segments_in(&reading.complete(records));
                if self.let_in_read(&id, &rows).is_err() {
                    self.shown_home = None;
                }
            }
            What::Export(request, table, _) => {
                let (found, next) = reading.page(records);
                self.page_to_export(*request, *table, &found, next);
            }
            What::ExportPieces(request) => self.pieces_to_export(*request, &reading.complete(records)),
            What::Attachment(request) => self.attachment_read(*request, reading.complete(records)),
            What::Upload(document, chunk) => {
                self.upload_read(id, (*document, *chunk), reading.complete(records));
            }
            What::Moved(document, successor, names) => {
                let found = reading.complete(records);
                if self
                    .moved_read(&id, (*document, *successor), names, found)
                    .is_err()
                {
                    self.moved_not_read(&id, *document);
                }
            }
            What::ChunksLeft(document) => {
                let (found, next) = reading.page(records);
                if self.chunks_left_read(&id, *document, found, next).is_err() {
                    self.chunks_left_not_read(&id, *document);
                }
            }
            What::Chunks => {
                let (found, next) = reading.page(records);
                if self.chunks_to_claim(&id, &found, next).is_err() {
                    self.chunks_not_read(&id);
                }
            }
            What::Imported(left) => {
                let (found, next) = reading.page(records);
                if self.imported_read(&id, *left, found, next).is_err() {
                    self.shown_home = None;
                }
            }
            What::Deleted(request) => {
                let (found, next) = reading.page(records);
                self.deleted_read(*request, &id, &found, next);
            }
            What::Pieces(hash) => {
                let found = reading.complete(records);
                if self.pieces_read(&id, hash, &found).is_err() {
                    self.shown_home = None;
                }
            }
            What::Given(document) => self.given_read(&id, document, &reading.complete(records)),
            What::ComparedPieces(document) => {
                let found = reading.complete(records);
                if self.compared_pieces_read(&id, document, &found).is_err() {
                    self.stop_comparing(&id);
                }
            }
            What::Compared(log) => {
                let (found, next) = reading.page(records);
                let rows = segments_in(&found);
                if self.compared_read(&id, log, &rows, next.is_none()).is_err() {
                    self.stop_comparing(&id);
                }
            }
            What::Behind(snapshot) => {
                let rows = segments_in(&reading.complete(records));
                if self.behind_read(&id, snapshot, &rows).is_err() {
                    self.shown_home = None;
                }
            }
            What::Whole(document) => self.whole_read(&id, *document, &reading.complete(records)),
            What::Rest(document, whole) => {
                let found = reading.complete(records);
                if self.assemble(&id, *document, whole.as_ref(), &found).is_err() && whole.is_some() {
                    // The stored whole document is only a shortcut: without it everything is read from the segments.
                    self.writes
                        .next()
                        .delete(Table::Documents, store::document_key(&id, document));
                    self.reload(&id, *document);
                }
            }
        }
    }

    fn items_read(&mut self, id: &ClassroomId, what: What, found: &Changes, next: Option<Vec<u8>>) {
        match what {
            What::Aside(exporting) => self.aside_read(id, *exporting, found, next),
            What::Unopened(unopened) => self.unopened_read(*unopened, found),
            What::AsideDue(keys) => {
                let taken = self.aside_due_read(id, keys, found);
                if taken.is_err() {
                    self.shown_home = None;
                }
            }
            _ => {}
        }
    }

    #[inline(never)]
    pub(crate) fn read_failed(&mut self, ticket: u64) {
        let Some(reading) = self.reads.remove(&ticket) else {
            return;
        };
        let at = self.now + READ_AGAIN;
        match reading.what {
            What::Classroom => {
                if let Some(coming) = self.coming.get_mut(&reading.classroom) {
                    coming.again_at = Some(at);
                }
            }
            What::Own(log) => self.has_grown(&reading.classroom, &log),
            What::Beyond(document) | What::BeyondAside(document, _) => {
                if let Some(classroom) = self.classrooms.get_mut(&reading.classroom) {
                    classroom.cuts_due.insert(document);
                }
            }
            What::Erased(document, missed) => self.read_erased(&reading.classroom, document, missed),
            What::LeftOfErased(document) => self.read_left_of_erased(&reading.classroom, document),
            What::Aside(exporting) => self.answer(exporting.request, Err(Problem::Internal)),
            What::Unopened(unopened) => self.unopened_not_read(&unopened),
            What::Deleted(request) => self.answer(request, Err(Problem::Internal)),
            What::AsideDue(keys) => self.aside_not_read(&reading.classroom, keys),
            // It comes again: from aside, or as a fold of the relay's at the next look; or is looked at again with what comes
            // next.
            What::Compare(..) | What::Needed(_) | What::Disputed(..) | What::Doubted(_) | What::LetIn => {}
            What::Export(request, table, from) => self.export_again(request, table, from),
            What::ExportPieces(request) => self.pieces_to_export(request, &Changes::new()),
            What::Attachment(request) => self.attachment_not_read(request),
            What::Upload(document, chunk) => self.upload_not_read(&reading.classroom, (document, chunk)),
            What::Moved(document, ..) => self.moved_not_read(&reading.classroom, document),
            What::ChunksLeft(document) => self.chunks_left_not_read(&reading.classroom, document),
            What::Chunks => self.chunks_not_read(&reading.classroom),
            // It stays where it is, and shows at the next look behind the invite.
            What::Imported(_) => self.looked_up(&reading.classroom),
            What::Lost(_) => self.look_again(&reading.classroom),
            What::Pieces(hash) => self.look_for_pieces(&reading.classroom, &hash),
            What::Given(_) => self.gave_back(&reading.classroom),
            What::ComparedPieces(_) | What::Compared(_) => self.stop_comparing(&reading.classroom),
            What::Behind(snapshot) => self.read_behind(&reading.classroom, *snapshot),
            What::Whole(document) | What::Rest(document, _) => {
                if let Some(Copy::Loading { again_at, .. }) = self
                    .classrooms
                    .get_mut(&reading.classroom)
                    .and_then(|classroom| classroom.documents.get_mut(&document))
                {
                    *again_at = Some(at);
                }
            }
        }
    }

    /// Reads a document from the store, unless it is here or on its way.
    pub(crate) fn load(&mut self, id: &ClassroomId, document: DocumentId) {
        let copy = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.documents.get(&document));
        if matches!(copy, Some(Copy::Away) | None) {
            self.reload(id, document);
        }
    }

    /// Reads a document from the store, wherever it was; what is being read of it already does not count.
    pub(crate) fn reload(&mut self, id: &ClassroomId, document: DocumentId) {
        self.reads.retain(|_, reading| {
            reading.classroom != *id
                || !matches!(reading.what, What::Whole(other) | What::Rest(other, _) if other == document)
        });
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let copy = classroom.documents.entry(document).or_insert(Copy::Away);
        match copy {
            Copy::Loading { handing, .. } => *handing = Handing::Whole,
            Copy::Away | Copy::Here(_) => {
                *copy = Copy::Loading {
                    later: Vec::new(),
                    again_at: None,
                    handing: Handing::Whole,
                };
            }
        }
        self.read_document(id, document);
    }

    /// Reads a page that the tab has just opened, unless that is being done already.
    pub(crate) fn load_for_tab(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        if matches!(classroom.documents.get(&document), Some(Copy::Loading { .. })) {
            self.hand_over_whole(id, document);
            return;
        }
        self.load(id, document);
        if let Some(Copy::Loading { handing, .. }) = self.copy_of(id, &document) {
            *handing = Handing::Stored;
        }
    }

    /// The tab can't go on with what it was handed of a page that is being read: it gets all of it in the end.
    fn hand_over_whole(&mut self, id: &ClassroomId, document: DocumentId) {
        if let Some(Copy::Loading { handing, .. }) = self.copy_of(id, &document)
            && *handing == Handing::Behind
        {
            *handing = Handing::Whole;
        }
    }

    fn is_open(&self, id: &ClassroomId, document: &DocumentId) -> bool {
        let classroom = self.classrooms.get(id);
        classroom.is_some_and(|classroom| classroom.open.contains(document))
    }

    fn copy_of(&mut self, id: &ClassroomId, document: &DocumentId) -> Option<&mut Copy> {
        self.classrooms.get_mut(id)?.documents.get_mut(document)
    }

    fn read_document(&mut self, id: &ClassroomId, document: DocumentId) {
        if let Some(Copy::Loading { again_at, .. }) = self.copy_of(id, &document) {
            *again_at = None;
        }
        // What is stored by now may be another whole than the one that the tab has.
        self.hand_over_whole(id, document);
        let key = store::document_key(id, &document);
        let end = [key.as_slice(), &[0]].concat();
        self.read(*id, What::Whole(document), vec![(Table::Documents, key, end)]);
    }

    fn whole_read(&mut self, id: &ClassroomId, document: DocumentId, found: &Changes) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get(id)) else {
            return;
        };
        let me = me.keys.id();
        let whole = found
            .values()
            .flatten()
            .find_map(|value| store::decode::<DocumentRecord>(Table::Documents, value).ok())
            .filter(|whole| classroom.is_current(document, whole))
            .filter(|whole| !classroom.goes_beyond(&me, document, whole));
        if let Some(whole) = &whole {
            self.hand_stored(id, document, whole);
        }
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        let mut ranges = Ranges::new();
        if whole.is_none() {
            if classroom.snapshots.is_partial(&document) {
                // It is read again when all pieces have come.
                return;
            }
            ranges = classroom.base_pieces(&document);
        }
        for (log, record) in classroom.logs.iter().filter(|(log, _)| log.document == document) {
            let covered = match &whole {
                Some(whole) => covered(whole, log),
                None => classroom.snapshots.covered(log).map_or(0, |lane| lane.next),
            };
            if covered < record.next {
                ranges.push(store::segments_from(id, log, covered));
            }
        }
        self.read(*id, What::Rest(document, whole), ranges);
    }

    /// Hands what is stored of a page to the tab that waits for it. What is done with it here comes with the next event.
    fn hand_stored(&mut self, id: &ClassroomId, document: DocumentId, whole: &DocumentRecord) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let is_open = classroom.open.contains(&document);
        if let Some(Copy::Loading { handing, .. }) = classroom.documents.get_mut(&document)
            && is_open
            && *handing == Handing::Stored
            && Document::is_undamaged(&whole.saved)
        {
            *handing = Handing::Behind;
            self.hand_over(id, document, whole.saved.to_vec());
        }
    }

    /// Puts a document together from what was read and what arrived meanwhile.
    fn assemble(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        whole: Option<&DocumentRecord>,
        found: &Changes,
    ) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        if !classroom.documents.contains_key(&document) {
            // It was erased meanwhile.
            return Ok(());
        }
        let me = me.keys.id();
        if whole.is_some_and(|whole| classroom.goes_beyond(&me, document, whole)) {
            // Somebody was removed meanwhile.
            self.read_document(id, document);
            return Ok(());
        }
        let is_own = classroom.roster.document() == document;
        let mut content = match (whole, classroom.snapshots.base(&document)) {
            (Some(whole), _) => Document::load(&whole.saved, [0; 16])?,
            (None, Some(base)) => match classroom.open_base(base, found) {
                Ok(content) => content,
                Err(reason) => return self.does_not_open(id, document, reason),
            },
            (None, None) => Document::empty([0; 16]),
        };
        let followed = classroom.follow_folds(&me, found)?;
        let segments = found.iter().filter(|((table, _), _)| *table == Table::Segments);
        let segments = segments.filter_map(|(_, value)| value.as_ref());
        let Opened {
            mut changes,
            closed: mut aside,
            beyond,
        } = classroom.open_all(&me, segments);
        let unheard = classroom.unheard(&me, whole, found);
        let misses_ends = classroom.misses_ends(&document, whole, found);
        let mut has_tab_stored = false;
        if let Some(Copy::Loading { later, handing, .. }) = classroom.documents.get_mut(&document) {
            changes.append(later);
            has_tab_stored = *handing == Handing::Behind;
        }
        let applied = content.apply_changes(&changes)?;
        let refused: BTreeSet<usize> = applied.refused.into_iter().map(|(at, _)| at).collect();
        for at in &refused {
            aside.push((AsideReason::BadChange, changes[*at].clone()));
        }
        // A tab that went while it wrote has told nobody what it left unsent.
        for lane in unheard {
            if !self.held.contains(&lane) {
                self.effects.push(Effect::Adopt(lane));
            }
        }
        let mut held = Held::new(Content::open(content, is_own));
        held.unsaved = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        held.changed_at = self.now;
        classroom.documents.insert(document, Copy::Here(held));
        let mut behind = Vec::new();
        if has_tab_stored {
            let taken = changes.into_iter().enumerate();
            behind = taken
                .filter(|(at, _)| !refused.contains(at))
                .map(|(_, change)| change)
                .collect();
        }
        for (reason, item) in aside {
            self.keep_aside(id, reason, item)?;
        }
        // Of what another tab has taken from beyond the end of a log that counts on which the rest builds: it is taken in again.
        for segment in beyond {
            self.keep_aside(id, AsideReason::BeyondCutoff, segment.encode()?)?;
        }
        if let Some(classroom) = self.classrooms.get_mut(id) {
            classroom.note_needs(document);
            classroom.receipts.look_at(document);
        }
        for log in &followed {
            self.note_log(id, log)?;
        }
        if misses_ends || !followed.is_empty() {
            self.look_for_cuts(id);
        }
        self.refresh_title(id, &document)?;
        if !has_tab_stored {
            self.show_page(id, document);
        } else if !behind.is_empty() && self.is_open(id, &document) {
            self.effects.push(Effect::Show(Update::Changes {
                classroom: *id,
                document,
                changes: behind,
            }));
        }
        if is_own {
            self.answer_previews(id);
        }
        Ok(())
    }

    /// Hands a page that is open in this tab over, whole; one that is being read once it is here.
    pub(crate) fn show_page(&mut self, id: &ClassroomId, document: DocumentId) {
        self.hand_over_whole(id, document);
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        if !classroom.open.contains(&document) {
            return;
        }
        let Some(Copy::Here(held)) = classroom.documents.get_mut(&document) else {
            return;
        };
        if let Ok(saved) = held.content.save() {
            self.hand_over(id, document, saved);
        }
    }

    fn hand_over(&mut self, id: &ClassroomId, document: DocumentId, saved: Vec<u8>) {
        let Some(me) = &self.me else {
            return;
        };
        let log = Log {
            document,
            member: me.keys.id(),
            lane: self.lane,
        };
        self.effects.push(Effect::Show(Update::Opened {
            classroom: *id,
            document,
            saved,
            actor: log.actor(),
            upto: self.last_request,
        }));
    }

    /// Keeps the list of titles true, and who is mentioned.
    pub(crate) fn refresh_title(&mut self, id: &ClassroomId, document: &DocumentId) -> Result<(), Error> {
        let me = self.me.as_ref().map(|me| me.keys.id());
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return Ok(());
        };
        let Some(Copy::Here(held)) = classroom.documents.get_mut(document) else {
            return Ok(());
        };
        let Content::Page(page) = &held.content else {
            return Ok(());
        };
        let title = documents::page::title_of(page);
        // All comments are read for it: not whenever somebody types.
        let said = comments::changes_to(page);
        if let Some(me) = me
            && held.mentions_at != Some(said)
        {
            let mentions = comments::mentions_of(page, &me.0);
            held.mentions_at = Some(said);
            classroom.mentions.insert(*document, mentions);
        }
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
        let mut due = Vec::new();
        for classroom in self
            .classrooms
            .values()
            .filter(|classroom| classroom.joining.is_none())
        {
            for (document, copy) in &classroom.documents {
                match copy {
                    Copy::Loading {
                        again_at: Some(at), ..
                    } if self.now >= *at => again.push((classroom.id, *document)),
                    Copy::Here(held)
                        if held.unsaved >= SAVE_AFTER_CHANGES
                            || (held.unsaved > 0 && self.now >= held.changed_at + SAVE_AFTER) =>
                    {
                        due.push((classroom.id, *document));
                    }
                    _ => {}
                }
            }
        }
        for (id, document) in due {
            self.store_whole(&id, document);
        }
        for (id, document) in again {
            self.read_document(&id, document);
        }
        let again: Vec<ClassroomId> = self
            .coming
            .iter()
            .filter(|(_, coming)| coming.again_at.is_some_and(|at| self.now >= at))
            .map(|(id, _)| *id)
            .collect();
        for id in again {
            self.read_classroom(id);
        }
    }

    /// Stores a document whole. If that can't be done, it is read from its segments.
    pub(crate) fn store_whole(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        let covers = classroom.covers(document);
        let Some(Copy::Here(held)) = classroom.documents.get_mut(&document) else {
            return;
        };
        held.unsaved = 0;
        let key = store::document_key(id, &document);
        let record = held
            .content
            .save()
            .map_err(Error::from)
            .and_then(|saved| Ok(Bytes::new("document", saved)?))
            .map(|saved| DocumentRecord { saved, covers });
        let batch = self.writes.next();
        let stored = record.and_then(|record| batch.put(Table::Documents, key.clone(), &record));
        if stored.is_err() {
            batch.delete(Table::Documents, key);
        }
    }
}

impl Classroom {
    /// Opens stored segments.
    fn open_all<'a>(&self, me: &MemberId, encoded: impl Iterator<Item = &'a Vec<u8>>) -> Opened {
        let mut all = Opened::default();
        for encoded in encoded {
            let Ok(segment) = Segment::decode(encoded) else {
                all.closed.push((AsideReason::BadChange, encoded.clone()));
                continue;
            };
            if self.is_beyond_unheard(me, &segment.header.log, segment.header.first) {
                all.beyond.push(segment);
                continue;
            }
            let mut changes = match self.changes_of(&segment) {
                Ok(changes) => changes,
                Err(AsideReason::UnknownKey) if self.is_ahead(&segment.header) => continue,
                Err(reason) => {
                    all.closed.push((reason, encoded.clone()));
                    continue;
                }
            };
            let counted = self.counted(&segment.header, &changes);
            if counted < changes.len() {
                changes.truncate(counted);
                all.beyond.push(segment.clone());
            }
            all.changes.extend(own_of(&segment.header.log, changes));
        }
        all
    }

    /// Whether another tab has stored a segment before this one, to which it is still to come, as its key is.
    fn is_ahead(&self, header: &Header) -> bool {
        self.logs.get(&header.log).map_or(0, |record| record.next) <= header.first
    }

    /// Moves logs of others on to where folds end that another tab has stored and that begin before that: all of these is here
    /// with the document, whatever counts of it. Says which.
    fn follow_folds(&mut self, me: &MemberId, found: &Changes) -> Result<BTreeSet<Log>, Error> {
        let mut followed = BTreeSet::new();
        for ((table, key), row) in found {
            let Some((_, log, last)) = store::parse_segment_key(key).filter(|_| *table == Table::Segments)
            else {
                continue;
            };
            if log.member != *me
                && let Some(record) = self.logs.get(&log).copied()
                && record.next <= last
                && let Some(Ok(segment)) = row.as_deref().map(Segment::decode)
                && segment.header.first < record.next
                && !self.counts_in_part(&segment)
            {
                let record = LogRecord {
                    next: last.saturating_add(1),
                    hash: segment.chain_hash(&self.id)?,
                    ..record
                };
                self.logs.insert(log, record);
                followed.insert(log);
            }
        }
        Ok(followed)
    }

    /// Whether another tab has stored a document whole with what lies beyond the end of a log, and this one has not taken.
    fn goes_beyond(&self, me: &MemberId, document: DocumentId, whole: &DocumentRecord) -> bool {
        whole.covers.iter().any(|covered| {
            let log = Log {
                document,
                member: covered.member,
                lane: covered.lane,
            };
            let last = covered.next.checked_sub(1);
            last.is_some_and(|last| self.is_beyond_unheard(me, &log, last))
        })
    }

    /// The lanes of `me` of which more was read than this tab has heard of.
    fn unheard(&self, me: &MemberId, whole: Option<&DocumentRecord>, found: &Changes) -> BTreeSet<LaneId> {
        let mut unheard = BTreeSet::new();
        let mut look = |log: &Log, next: u64| {
            if log.member == *me && self.logs.get(log).is_none_or(|record| record.next < next) {
                unheard.insert(log.lane);
            }
        };
        for ((table, key), row) in found {
            if *table == Table::Segments
                && row.is_some()
                && let Some((_, log, last)) = store::parse_segment_key(key)
            {
                look(&log, last.saturating_add(1));
            }
        }
        for (log, record) in self.logs.iter().filter(|(log, _)| log.member == *me) {
            let next = whole.map_or(0, |whole| covered(whole, log));
            if next > record.next {
                look(log, next);
            }
        }
        unheard
    }

    /// Whether the end of a log that goes on beyond a cut-off was not among what was read: another tab has taken it out, and
    /// may take it in again.
    fn misses_ends(&self, document: &DocumentId, whole: Option<&DocumentRecord>, found: &Changes) -> bool {
        self.logs.iter().any(|(log, record)| {
            let is_end = |((table, key), row): (&(Table, Vec<u8>), &Option<Vec<u8>>)| {
                let parsed = store::parse_segment_key(key);
                let ends =
                    parsed.is_some_and(|(_, of, last)| of == *log && last.saturating_add(1) >= record.next);
                *table == Table::Segments && row.is_some() && ends
            };
            log.document == *document
                && self.cut(log).is_some()
                && whole.map_or(0, |whole| covered(whole, log)) < record.next
                && !found.iter().any(is_end)
        })
    }

    /// A segment's changes, without those that are not of its lane's actor.
    pub(crate) fn open_own(&self, segment: &Segment) -> Option<Vec<Vec<u8>>> {
        let changes = self.changes_of(segment).ok()?;
        Some(own_of(&segment.header.log, changes))
    }

    fn covers(&self, document: DocumentId) -> Vec<Covered> {
        self.logs
            .iter()
            .filter(|(log, _)| log.document == document)
            .map(|(log, record)| Covered {
                member: log.member,
                lane: log.lane,
                generation: record.generation,
                next: record.next,
            })
            .collect()
    }

    /// Whether no log went back since the document was stored, and no snapshot came that holds more.
    fn is_current(&self, document: DocumentId, whole: &DocumentRecord) -> bool {
        let generation_of = |log: &Log| {
            whole
                .covers
                .iter()
                .find(|covered| (covered.member, covered.lane) == (log.member, log.lane))
                .map_or(LogRecord::EMPTY.generation, |covered| covered.generation)
        };
        self.logs
            .iter()
            .filter(|(log, _)| log.document == document)
            .all(|(log, record)| {
                let below = self.snapshots.covered(log).map_or(0, |lane| lane.next);
                generation_of(log) == record.generation && covered(whole, log) >= below
            })
    }
}

fn own_of(log: &Log, mut changes: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let actor = log.actor();
    changes.retain(|change| {
        let is_its = documents::change::inspect(change).is_ok_and(|info| info.actor == actor);
        is_its || does(Mischief::ActorIgnored)
    });
    changes
}

fn covered(whole: &DocumentRecord, log: &Log) -> u64 {
    whole
        .covers
        .iter()
        .find(|covered| (covered.member, covered.lane) == (log.member, log.lane))
        .map_or(0, |covered| covered.next)
}

/// What was read, with what was noted before and may not have been written.
fn found_of(unwritten: &Changes, records: &Records) -> Changes {
    let mut found: Changes = records
        .iter()
        .flat_map(|(table, rows)| {
            rows.iter()
                .map(|(key, value)| ((*table, key.clone()), Some(value.clone())))
        })
        .collect();
    found.extend(unwritten.clone());
    found
}

/// The segments among what was read, in the order of their indices.
fn segments_in(found: &Changes) -> Vec<Segment> {
    found
        .values()
        .flatten()
        .filter_map(|encoded| Segment::decode(encoded).ok())
        .collect()
}
