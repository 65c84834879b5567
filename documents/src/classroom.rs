//! The classroom's own document: its name, its schools, who its members are, and which documents it holds.
//!
//! Everything is in maps whose keys never clash (ids that are keys or random), each value a map of its own, so that
//! concurrent additions merge and concurrent changes of one field settle on one of them.

use std::collections::BTreeMap;

use automerge::transaction::Transactable;
use automerge::{ObjId, ObjType, ROOT, ReadDoc};

use crate::document::{Actor, Applied, Document};
use crate::{Error, entry};

/// Names are at most this long, in characters.
pub const LONGEST_NAME: usize = 200;

/// Names a school within a classroom; the same id stands in the roster.
pub type SchoolId = [u8; 16];
/// A member's public key.
pub type MemberKey = [u8; 32];
/// Names a space: the members who share a key.
pub type SpaceId = [u8; 16];
/// Names a document within a classroom.
pub type DocumentId = [u8; 16];

const NAME: &str = "name";
const SCHOOLS: &str = "schools";
const MEMBERS: &str = "members";
const DOCUMENTS: &str = "documents";
const SUCCESSOR: &str = "successor";

/// The classroom's own document.
#[derive(Clone, Debug)]
pub struct Classroom {
    document: Document,
}

/// A partner school.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct School {
    pub name: String,
    /// ISO 3166-1 alpha-2, in capitals.
    pub country: String,
    /// A name of the IANA time zone database.
    pub time_zone: String,
}

/// What a member shows to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub school: SchoolId,
}

/// The kind of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Page,
    /// Made by a newer version; listed and kept, but can't be opened here.
    Unknown(String),
}

/// A document in the classroom's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub kind: Kind,
    pub created_by: MemberKey,
    /// Seconds since 1970, by the creator's clock.
    pub created_at: i64,
    /// Whose document it is; none for everyone's.
    pub space: Option<SpaceId>,
}

impl Kind {
    /// The word for it in the document.
    pub fn word(&self) -> &str {
        match self {
            Kind::Page => "page",
            Kind::Unknown(word) => word,
        }
    }

    fn from_word(word: String) -> Kind {
        if word == "page" {
            Kind::Page
        } else {
            Kind::Unknown(word)
        }
    }
}

impl Classroom {
    /// A new classroom with its founder and the founder's school. The caller commits.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Form`]
    pub fn found(
        actor: Actor,
        name: &str,
        founder: MemberKey,
        profile: &Profile,
        school: &School,
    ) -> Result<Classroom, Error> {
        let mut classroom = Classroom::empty(actor);
        for map in [SCHOOLS, MEMBERS, DOCUMENTS] {
            classroom.document.automerge.put_object(ROOT, map, ObjType::Map)?;
        }
        classroom.set_name(name)?;
        classroom.set_school(profile.school, school)?;
        classroom.set_profile(founder, profile)?;
        Ok(classroom)
    }

    /// A classroom of which nothing has arrived yet.
    pub fn empty(actor: Actor) -> Classroom {
        Classroom {
            document: Document::empty(actor),
        }
    }

    /// Opens what [`Classroom::save`] gave.
    ///
    /// # Errors
    /// [`Error::Load`]
    pub fn load(bytes: &[u8], actor: Actor) -> Result<Classroom, Error> {
        Ok(Classroom::open(Document::load(bytes, actor)?))
    }

    /// Shows a document as a classroom.
    pub fn open(document: Document) -> Classroom {
        Classroom { document }
    }

    /// The document, to read from or to hand on.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Gives the document back.
    pub fn into_document(self) -> Document {
        self.document
    }

    /// See [`Document::save`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn save(&mut self) -> Result<Vec<u8>, Error> {
        self.document.save()
    }

    /// See [`Document::snapshot`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`], [`Error::TooMuch`]
    pub fn snapshot(&mut self) -> Result<Vec<u8>, Error> {
        self.document.snapshot()
    }

    /// See [`Document::set_actor`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn set_actor(&mut self, actor: Actor) -> Result<(), Error> {
        self.document.set_actor(actor)
    }

    /// See [`Document::commit`].
    pub fn commit(&mut self, time: i64) -> Option<Vec<u8>> {
        self.document.commit(time)
    }

    /// See [`Document::apply_changes`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn apply_changes(&mut self, changes: &[Vec<u8>]) -> Result<Applied, Error> {
        self.document.apply_changes(changes)
    }

    /// Whether the founder's first change is here.
    pub fn is_present(&self) -> bool {
        [SCHOOLS, MEMBERS, DOCUMENTS]
            .iter()
            .all(|key| self.map(&ROOT, key).is_some())
    }

    /// The classroom's name; empty until the first change is here.
    pub fn name(&self) -> String {
        self.string(&ROOT, NAME).unwrap_or_default()
    }

    /// Renames the classroom.
    ///
    /// # Errors
    /// [`Error::Length`]
    pub fn set_name(&mut self, name: &str) -> Result<(), Error> {
        self.put_string(&ROOT, NAME, checked_name("name", name)?)
    }

    /// The partner schools, by id.
    pub fn schools(&self) -> BTreeMap<SchoolId, School> {
        self.entries(SCHOOLS, |entry| School {
            name: self.string(entry, "name").unwrap_or_default(),
            country: self.string(entry, "country").unwrap_or_default(),
            time_zone: self.string(entry, "timeZone").unwrap_or_default(),
        })
    }

    /// Adds a school, or changes what differs.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Form`], [`Error::Absent`]
    pub fn set_school(&mut self, id: SchoolId, school: &School) -> Result<(), Error> {
        let name = checked_name("school", &school.name)?;
        if school.country.len() != 2 || !school.country.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return Err(Error::Form("country"));
        }
        let zone = &school.time_zone;
        let in_zone_names = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte);
        if zone.is_empty() || zone.len() > 64 || !zone.bytes().all(in_zone_names) {
            return Err(Error::Form("time zone"));
        }
        let entry = self.entry(SCHOOLS, &id)?;
        self.put_string(&entry, "name", name)?;
        self.put_string(&entry, "country", &school.country)?;
        self.put_string(&entry, "timeZone", zone)
    }

    /// What members show of themselves, by key. That somebody is listed here does not make a member: the roster does.
    pub fn profiles(&self) -> BTreeMap<MemberKey, Profile> {
        self.entries(MEMBERS, |entry| Profile {
            name: self.string(entry, "name").unwrap_or_default(),
            school: self.bytes(entry, "school").unwrap_or_default(),
        })
    }

    /// Adds a member's profile, or changes what differs.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Absent`]
    pub fn set_profile(&mut self, member: MemberKey, profile: &Profile) -> Result<(), Error> {
        let name = checked_name("name", &profile.name)?;
        let entry = self.entry(MEMBERS, &member)?;
        self.put_string(&entry, "name", name)?;
        self.put_string(&entry, "school", &hex(&profile.school))
    }

    /// The documents, by id. Those that were erased are no longer among them.
    pub fn documents(&self) -> BTreeMap<DocumentId, Listing> {
        let entries = self.entries(DOCUMENTS, |entry| {
            let listing = Listing {
                kind: Kind::from_word(self.string(entry, "kind").unwrap_or_default()),
                created_by: self.bytes(entry, "createdBy").unwrap_or([0; 32]),
                created_at: self.integer(entry, "createdAt").unwrap_or_default(),
                space: self.bytes(entry, "space"),
            };
            self.successor(entry).is_none().then_some(listing)
        });
        let present = |(id, listing): (DocumentId, Option<Listing>)| Some((id, listing?));
        entries.into_iter().filter_map(present).collect()
    }

    /// The documents that were started anew, and what stands in their place. A successor may have been erased as well.
    pub fn successors(&self) -> BTreeMap<DocumentId, DocumentId> {
        let entries = self.entries(DOCUMENTS, |entry| self.successor(entry));
        entries
            .into_iter()
            .filter_map(|(id, successor)| Some((id, successor?)))
            .collect()
    }

    /// The actor that listed a document, also if that was started anew since.
    pub fn lister(&self, id: DocumentId) -> Option<Vec<u8>> {
        let documents = self.map(&ROOT, DOCUMENTS)?;
        match self.map(&documents, &hex(&id))? {
            ObjId::Id(_, actor, _) => Some(actor.to_bytes().to_vec()),
            ObjId::Root => None,
        }
    }

    /// Lists a document. A document that is already listed keeps its listing.
    ///
    /// # Errors
    /// [`Error::Absent`]
    pub fn add_document(&mut self, id: DocumentId, listing: &Listing) -> Result<(), Error> {
        let documents = self.map(&ROOT, DOCUMENTS).ok_or(Error::Absent)?;
        if self.map(&documents, &hex(&id)).is_some() {
            return Ok(());
        }
        let entry = self.entry(DOCUMENTS, &id)?;
        self.put_string(&entry, "kind", listing.kind.word())?;
        self.put_string(&entry, "createdBy", &hex(&listing.created_by))?;
        if let Some(space) = &listing.space {
            self.put_string(&entry, "space", &hex(space))?;
        }
        Ok(self
            .document
            .automerge
            .put(&entry, "createdAt", listing.created_at)?)
    }

    /// Lists the successor of a document that is erased, and the erased one no longer. Nothing else of the old listing stays.
    ///
    /// # Errors
    /// [`Error::Absent`], also if the old one is not listed
    pub fn replace_document(
        &mut self,
        old: DocumentId,
        successor: DocumentId,
        listing: &Listing,
    ) -> Result<(), Error> {
        let documents = self.map(&ROOT, DOCUMENTS).ok_or(Error::Absent)?;
        let entry = self.map(&documents, &hex(&old)).ok_or(Error::Absent)?;
        self.add_document(successor, listing)?;
        let keys: Vec<String> = self.document.automerge.keys(&entry).collect();
        for key in keys.iter().filter(|key| *key != SUCCESSOR) {
            self.document.automerge.delete(&entry, key.as_str())?;
        }
        self.put_string(&entry, SUCCESSOR, &hex(&successor))
    }

    fn successor(&self, entry: &ObjId) -> Option<DocumentId> {
        self.bytes(entry, SUCCESSOR)
    }

    /// Every entry of a map whose key is an id and whose value is a map. Others are passed over, and stay.
    fn entries<const N: usize, T>(&self, key: &str, read: impl Fn(&ObjId) -> T) -> BTreeMap<[u8; N], T> {
        let Some(map) = self.map(&ROOT, key) else {
            return BTreeMap::new();
        };
        let keys: Vec<String> = self.document.automerge.keys(&map).collect();
        keys.iter()
            .filter_map(|key| Some((unhex(key)?, read(&self.map(&map, key)?))))
            .collect()
    }

    /// The map of one entry, made if it is not there.
    fn entry(&mut self, key: &str, id: &[u8]) -> Result<ObjId, Error> {
        let map = self.map(&ROOT, key).ok_or(Error::Absent)?;
        let id = hex(id);
        match self.map(&map, &id) {
            Some(entry) => Ok(entry),
            None => Ok(self
                .document
                .automerge
                .put_object(&map, id.as_str(), ObjType::Map)?),
        }
    }

    fn put_string(&mut self, object: &ObjId, key: &str, value: &str) -> Result<(), Error> {
        if self.string(object, key).as_deref() != Some(value) {
            self.document.automerge.put(object, key, value)?;
        }
        Ok(())
    }

    fn map(&self, object: &ObjId, key: &str) -> Option<ObjId> {
        entry::map(&self.document.automerge, object, key)
    }

    fn string(&self, object: &ObjId, key: &str) -> Option<String> {
        entry::string(&self.document.automerge, object, key)
    }

    fn integer(&self, object: &ObjId, key: &str) -> Option<i64> {
        entry::integer(&self.document.automerge, object, key)
    }

    fn bytes<const N: usize>(&self, object: &ObjId, key: &str) -> Option<[u8; N]> {
        entry::id(&self.document.automerge, object, key)
    }
}

/// A name without spaces around it.
fn checked_name<'a>(field: &'static str, name: &'a str) -> Result<&'a str, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::Length {
            field,
            limit: LONGEST_NAME,
        });
    }
    Ok(name)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from(b"0123456789abcdef"[usize::from(four)]);
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Only what [`hex`] writes: two keys can't name one id.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |byte: u8| {
            if byte.is_ascii_uppercase() {
                None
            } else {
                char::from(byte).to_digit(16)
            }
        };
        *byte = u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()?;
    }
    Some(bytes)
}
