//! The classroom's own document, with what it says read once after each change: views ask for it at every event.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use documents::classroom::{
    Classroom as ClassroomDocument, DocumentId, Listing, MemberKey, Profile, School, SchoolId,
};
use documents::document::{Applied, Document};

pub(crate) struct OwnDocument {
    document: ClassroomDocument,
    reading: OnceCell<Reading>,
}

/// What the document says.
pub(crate) struct Reading {
    /// Whether the founder's first change is here.
    pub(crate) is_present: bool,
    pub(crate) name: String,
    pub(crate) schools: BTreeMap<SchoolId, School>,
    pub(crate) profiles: BTreeMap<MemberKey, Profile>,
    pub(crate) documents: BTreeMap<DocumentId, Listing>,
    /// What stands in the place of documents that were started anew, or is to.
    pub(crate) successors: BTreeMap<DocumentId, DocumentId>,
}

impl Reading {
    /// How a document is listed; one that was started anew as what stands in its place.
    pub(crate) fn listing(&self, mut document: DocumentId) -> Option<&Listing> {
        for _ in 0..=self.successors.len() {
            match self.successors.get(&document) {
                Some(successor) => document = *successor,
                None => break,
            }
        }
        self.documents.get(&document)
    }

    pub(crate) fn space_of(&self, document: DocumentId) -> Option<[u8; 16]> {
        self.listing(document)?.space
    }
}

impl OwnDocument {
    pub(crate) fn new(document: ClassroomDocument) -> Self {
        Self {
            document,
            reading: OnceCell::new(),
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        self.read().is_present
    }

    pub(crate) fn read(&self) -> &Reading {
        self.reading.get_or_init(|| Reading {
            is_present: self.document.is_present(),
            name: self.document.name(),
            schools: self.document.schools(),
            profiles: self.document.profiles(),
            documents: self.document.documents(),
            successors: self.document.successors(),
        })
    }

    /// The actor that listed a document, also if that was started anew since.
    pub(crate) fn lister(&self, document: DocumentId) -> Option<Vec<u8>> {
        self.document.lister(document)
    }

    pub(crate) fn apply_changes(&mut self, changes: &[Vec<u8>]) -> Result<Applied, documents::Error> {
        self.reading.take();
        self.document.apply_changes(changes)
    }

    pub(crate) fn document(&self) -> &Document {
        self.document.document()
    }

    /// A copy to edit, so that edits that fail leave nothing behind.
    pub(crate) fn copy(&self) -> ClassroomDocument {
        self.document.clone()
    }

    pub(crate) fn save(&mut self) -> Result<Vec<u8>, documents::Error> {
        self.document.save()
    }

    pub(crate) fn snapshot(&mut self) -> Result<Vec<u8>, documents::Error> {
        self.document.snapshot()
    }
}
