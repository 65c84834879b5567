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
    pub(crate) name: String,
    pub(crate) schools: BTreeMap<SchoolId, School>,
    pub(crate) profiles: BTreeMap<MemberKey, Profile>,
    pub(crate) documents: BTreeMap<DocumentId, Listing>,
}

impl OwnDocument {
    pub(crate) fn new(document: ClassroomDocument) -> Self {
        Self {
            document,
            reading: OnceCell::new(),
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        self.document.is_present()
    }

    pub(crate) fn read(&self) -> &Reading {
        self.reading.get_or_init(|| Reading {
            name: self.document.name(),
            schools: self.document.schools(),
            profiles: self.document.profiles(),
            documents: self.document.documents(),
        })
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
