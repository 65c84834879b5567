//! What a data folder holds, into a file.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use protocol::attachment::{Chunk, DocumentChunk};
use protocol::bundle::{Kind, Writer};
use protocol::snapshot::{Piece, Snapshot};
use protocol::{ChunkHash, ClassroomId, DocumentId, PieceHash, Refusal};
use rusqlite::ErrorCode;

use crate::Error;
use crate::core::batch::Candidate;
use crate::core::candidate;
use crate::store::sqlite::Rows;
use crate::store::{Item, Placed, Sqlite, Store};

/// How much is read of a classroom at a time.
const PAGE: usize = 256 * 1024;

/// How many row numbers further something is looked for that can be read.
const FURTHEST: u64 = 100_000;

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    pub classrooms: u64,
    pub items: u64,
    pub bytes: u64,
    /// What is damaged in the store, and so not in the file: each is named in the log. Where the store's file itself is damaged, what
    /// stands side by side there counts once, and so does the index, by which nothing need be missing.
    pub damaged: u64,
}

/// Writes the classrooms that are named, or all, from the data folder to a file. Nothing is changed in the folder, and a
/// relay may run on it. Of a damaged store all that is whole is written. The file is there once it is whole.
///
/// # Errors
/// If there is no store, or not one of these classrooms in it, or a file cannot be written.
pub fn export(data: &Path, classrooms: &[ClassroomId], file: &Path) -> Result<Exported, Error> {
    let io = |doing| move |source| Error::Io { doing, source };
    let store = Sqlite::open_read_only(&data.join("relay.sqlite"))?;
    let there = store.all_classrooms()?;
    if let Some(unknown) = classrooms.iter().find(|id| !there.whole.contains(id)) {
        return Err(Error::UnknownClassroom(*unknown));
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let output = File::create(&name).map_err(io("make the file"))?;
    let (writer, begin) = Writer::begin();
    let mut exporting = Exporting {
        store: &store,
        output: BufWriter::new(output),
        writer,
        exported: Exported {
            damaged: there.damaged.len() as u64,
            ..Exported::default()
        },
    };
    exporting.write(&begin)?;
    for classroom in &there.whole {
        if classrooms.is_empty() || classrooms.contains(classroom) {
            exporting.classroom(classroom)?;
        }
    }
    let exported = exporting.end()?;
    std::fs::rename(&name, file).map_err(io("put the file in its place"))?;
    Ok(exported)
}

struct Exporting<'a> {
    store: &'a Sqlite,
    output: BufWriter<File>,
    writer: Writer,
    exported: Exported,
}

impl Exporting<'_> {
    /// Everything of a classroom, in the order of positions: what a relay took in this order it takes again.
    fn classroom(&mut self, classroom: &ClassroomId) -> Result<(), Error> {
        self.exported.classrooms += 1;
        let mut after = 0;
        let mut damaged = BTreeSet::new();
        loop {
            let Some(page) = self.page(classroom, after)? else {
                self.rows(classroom, after, &mut damaged)?;
                break;
            };
            damaged.extend(page.damaged);
            let Some(last) = page.whole.last() else {
                break;
            };
            after = last.position;
            for placed in &page.whole {
                self.item(classroom, placed)?;
            }
        }
        self.exported.damaged += damaged.len() as u64;
        self.chunks(classroom)
    }

    /// What stands behind a position. Up to where the file itself is damaged the items come one by one, then the next that can be
    /// read. `None` if the index of positions does not tell which is next.
    fn page(&mut self, classroom: &ClassroomId, after: u64) -> Result<Option<Rows<Placed>>, Error> {
        let read = |after, bytes| unless_corrupt(self.store.read_page(classroom, after, bytes));
        if let Some(page) = read(after, PAGE)? {
            return Ok(Some(page));
        }
        let mut position = after;
        loop {
            if let Some(page) = read(position, 1)? {
                return Ok(Some(page));
            }
            // Positions leap, and far: only the index knows the next.
            let next = unless_corrupt(self.store.next_position(classroom, position))?.flatten();
            let Some(next) = next.filter(|next| *next > position) else {
                return Ok(None);
            };
            if position == after {
                self.exported.damaged += 1;
                tracing::error!(
                    classroom = classroom.to_hex(),
                    position,
                    "what stands behind this position can't be read and is passed over"
                );
            }
            position = next;
        }
    }

    /// What stands behind a position whose next the index does not tell: in the order of the rows of all classrooms, which within
    /// one is that of positions.
    fn rows(
        &mut self,
        classroom: &ClassroomId,
        after: u64,
        damaged: &mut BTreeSet<i64>,
    ) -> Result<(), Error> {
        self.exported.damaged += 1;
        tracing::error!(
            classroom = classroom.to_hex(),
            position = after,
            "the index is damaged behind this position: all rows are looked through"
        );
        let last = unless_corrupt(self.store.number_at(classroom, after))?.flatten();
        // The first that it may be.
        let mut number = last.unwrap_or(0).saturating_add(1);
        let mut passed_over = 0;
        loop {
            match unless_corrupt(self.store.next_row(classroom, after, number))? {
                Some(None) => return Ok(()),
                Some(Some((next, is_wanted))) => {
                    number = next.saturating_add(1);
                    passed_over = 0;
                    if !is_wanted {
                        continue;
                    }
                    match unless_corrupt(self.store.row(next))? {
                        Some(row) => {
                            damaged.extend(row.damaged);
                            for placed in &row.whole {
                                self.item(classroom, placed)?;
                            }
                        }
                        None => {
                            damaged.insert(next);
                            tracing::error!(number = next, "a row can't be read and is passed over");
                        }
                    }
                }
                None if passed_over == FURTHEST => {
                    tracing::error!(
                        classroom = classroom.to_hex(),
                        number,
                        "no row can be read for long: what may stand from this number on is given up"
                    );
                    return Ok(());
                }
                None => {
                    if passed_over == 0 {
                        // Of whichever classroom: that can't be told.
                        self.exported.damaged += 1;
                        tracing::error!(
                            number,
                            "the rows from this number on can't be read and are passed over"
                        );
                    }
                    number = number.saturating_add(1);
                    passed_over += 1;
                }
            }
        }
    }

    fn item(&mut self, classroom: &ClassroomId, placed: &Placed) -> Result<(), Error> {
        let kind = match placed.item {
            Item::Entry { .. } => Kind::Entry,
            Item::Segment { .. } => Kind::Segment,
            Item::Snapshot { .. } => Kind::Snapshot,
            Item::Verdict { .. } => Kind::Verdict,
            Item::Receipt { .. } => Kind::Receipt,
        };
        let bytes = placed.item.bytes()?;
        let is_whole = match candidate::of_record(kind, bytes.to_vec(), classroom) {
            Ok(Candidate::Entry { entry, .. }) => entry.verify().is_ok(),
            Ok(Candidate::Snapshot { snapshot, .. }) => {
                self.pieces(classroom, placed.position, &snapshot)?;
                true
            }
            // Of a newer relay that was here before. Of a snapshot it can't be told which pieces are its own.
            Err(Refusal::UnsupportedVersion) if kind != Kind::Snapshot => {
                tracing::warn!(
                    classroom = classroom.to_hex(),
                    position = placed.position,
                    "an item is of a newer version and is written as it is"
                );
                true
            }
            read => read.is_ok(),
        };
        if !is_whole {
            self.exported.damaged += 1;
            tracing::error!(
                classroom = classroom.to_hex(),
                position = placed.position,
                "an item is damaged and passed over"
            );
            return Ok(());
        }
        self.record(classroom, kind, &bytes)
    }

    /// The pieces of a snapshot, which come before it.
    fn pieces(&mut self, classroom: &ClassroomId, position: u64, snapshot: &Snapshot) -> Result<(), Error> {
        for hash in snapshot.pieces() {
            match unless_corrupt(self.store.piece(classroom, hash))?.flatten() {
                Some(piece) if is_piece(&piece, hash) => self.record(classroom, Kind::Piece, &piece)?,
                // A relay that runs may have let the snapshot go since.
                None if unless_corrupt(self.store.at(classroom, position))? == Some(None) => {}
                _ => {
                    self.exported.damaged += 1;
                    tracing::error!(
                        classroom = classroom.to_hex(),
                        position,
                        "a piece of a snapshot is damaged and passed over"
                    );
                }
            }
        }
        Ok(())
    }

    /// The chunks of attachments, with each document that they belong to.
    fn chunks(&mut self, classroom: &ClassroomId) -> Result<(), Error> {
        let attached = self.store.all_attached(classroom);
        for document in self.readable(classroom, attached)? {
            let chunks = self.store.all_chunks(classroom, &document);
            for hash in self.readable(classroom, chunks)? {
                self.chunk(classroom, &document, &hash)?;
            }
        }
        Ok(())
    }

    /// What can be read of the names of chunks and of their documents.
    fn readable<T>(
        &mut self,
        classroom: &ClassroomId,
        read: Result<Rows<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let Some(rows) = unless_corrupt(read)? else {
            self.exported.damaged += 1;
            tracing::error!(
                classroom = classroom.to_hex(),
                "which chunks there are can't be read: they are passed over"
            );
            return Ok(Vec::new());
        };
        self.exported.damaged += rows.damaged.len() as u64;
        Ok(rows.whole)
    }

    fn chunk(
        &mut self,
        classroom: &ClassroomId,
        document: &DocumentId,
        hash: &ChunkHash,
    ) -> Result<(), Error> {
        let chunk = unless_corrupt(self.store.chunk(classroom, hash))?.flatten();
        let chunk = chunk.and_then(|bytes| Chunk::decode(bytes).ok());
        match chunk.filter(|chunk| chunk.hash() == *hash) {
            Some(chunk) => {
                let document = *document;
                self.record(
                    classroom,
                    Kind::Chunk,
                    &DocumentChunk { document, chunk }.encode(),
                )
            }
            // A relay that runs may have erased the document since.
            None if unless_corrupt(self.store.is_claimed(classroom, document, hash))? == Some(false) => {
                Ok(())
            }
            None => {
                self.exported.damaged += 1;
                tracing::error!(
                    classroom = classroom.to_hex(),
                    "a chunk of an attachment is damaged and passed over"
                );
                Ok(())
            }
        }
    }

    fn record(&mut self, classroom: &ClassroomId, kind: Kind, item: &[u8]) -> Result<(), Error> {
        let record = self
            .writer
            .record(classroom, kind, item)
            .map_err(|_| Error::Damaged("item"))?;
        self.exported.items += 1;
        self.write(&record)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.exported.bytes += bytes.len() as u64;
        self.output.write_all(bytes).map_err(|source| Error::Io {
            doing: "write the file",
            source,
        })
    }

    fn end(self) -> Result<Exported, Error> {
        let io = |source| Error::Io {
            doing: "write the file",
            source,
        };
        let end = self.writer.end().map_err(|_| Error::Damaged("item"))?;
        let mut output = self.output;
        output.write_all(&end).map_err(io)?;
        let file = output.into_inner().map_err(|error| io(error.into_error()))?;
        file.sync_all().map_err(io)?;
        Ok(Exported {
            bytes: self.exported.bytes + end.len() as u64,
            ..self.exported
        })
    }
}

/// What was read; nothing if the file of the store is damaged there.
fn unless_corrupt<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(Error::Store(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Ok(None),
        read => read.map(Some),
    }
}

fn is_piece(bytes: &[u8], hash: &PieceHash) -> bool {
    Piece::decode(bytes.to_vec()).is_ok_and(|piece| piece.hash() == *hash)
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            classrooms,
            items,
            bytes,
            damaged,
        } = self;
        write!(
            f,
            "classrooms: {classrooms}\nitems: {items}\nbytes: {bytes}\ndamaged and not in the file: {damaged}"
        )
    }
}
