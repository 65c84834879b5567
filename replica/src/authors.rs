//! Whose hand a change is: each actor of a document is of one log, and each log of one member.

use protocol::rand_core::CryptoRng;
use protocol::segment::Log;
use protocol::{ClassroomId, DocumentId};

use crate::Replica;
use crate::command::{Author, Problem};

impl<R: CryptoRng> Replica<R> {
    /// The actors that wrote a document, as far as it is here. Of what a snapshot brought it is the word of who made that.
    pub(crate) fn authors(&self, id: &ClassroomId, document: DocumentId) -> Result<Vec<Author>, Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        let of_segments = classroom.logs.keys().filter(|log| log.document == document);
        let mut authors: Vec<Author> = of_segments.map(Author::of).collect();
        if let Some(base) = classroom.snapshots.base(&document) {
            for covered in &base.header.covers {
                for lane in &covered.lanes {
                    authors.push(Author::of(&Log {
                        document,
                        member: covered.member,
                        lane: lane.lane,
                    }));
                }
            }
        }
        authors.extend(self.log_of(document).map(|log| Author::of(&log)));
        Ok(authors)
    }
}

impl Author {
    fn of(log: &Log) -> Self {
        Self {
            actor: log.actor(),
            member: log.member,
        }
    }
}
