//! Versions that somebody gave a name.

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};

use super::super::Page;
use crate::change::Hash;
use crate::classroom::{hex, unhex};
use crate::{Error, entry};

/// The longest name of a version, in characters.
pub(super) const LONGEST_NAME: usize = 200;

/// Each stands at the root by itself: two maps that were made apart would hide one another.
pub(super) const VERSION: &str = "version:";
const NAME: &str = "name";
const HEADS: &str = "heads";
const BY: &str = "by";
const AT: &str = "at";

/// A version with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedVersion {
    pub id: [u8; 16],
    pub name: String,
    pub version: Vec<Hash>,
    /// The member who named it, as they say.
    pub by: Option<[u8; 32]>,
    /// When, in seconds since 1970, by their clock.
    pub at: i64,
}

impl Page {
    /// Gives a version a name, or another one. The caller commits.
    ///
    /// # Errors
    /// [`Error::Length`] if the name is empty or longer than [`LONGEST_NAME`]; [`Error::Absent`], [`Error::Automerge`]
    pub fn name_version(&mut self, named: &NamedVersion) -> Result<(), Error> {
        let name = named.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST_NAME {
            return Err(Error::Length {
                field: "name",
                limit: LONGEST_NAME,
            });
        }
        if !self.is_present() {
            return Err(Error::Absent);
        }
        let key = format!("{VERSION}{}", hex(&named.id));
        let automerge = &mut self.document.automerge;
        if let Some(object) = entry::map(automerge, &ROOT, key.as_str()) {
            return Ok(automerge.put(&object, NAME, name)?);
        }
        let heads: Vec<String> = named.version.iter().map(Hash::to_string).collect();
        let object = automerge.put_object(ROOT, key.as_str(), ObjType::Map)?;
        automerge.put(&object, NAME, name)?;
        automerge.put(&object, HEADS, heads.join(" "))?;
        if let Some(by) = named.by {
            automerge.put(&object, BY, hex(&by))?;
        }
        Ok(automerge.put(&object, AT, named.at)?)
    }

    /// Takes a version's name away. The caller commits.
    ///
    /// # Errors
    /// [`Error::Automerge`]
    pub fn forget_name(&mut self, id: [u8; 16]) -> Result<(), Error> {
        let key = format!("{VERSION}{}", hex(&id));
        if self.document.automerge.get(ROOT, key.as_str())?.is_some() {
            self.document.automerge.delete(ROOT, key.as_str())?;
        }
        Ok(())
    }

    /// Gives names that another copy of this page has, and had not `before`. A version whose changes are made again here is what
    /// the page is now. The caller commits.
    ///
    /// # Errors
    /// As [`Page::name_version`].
    pub fn carry_names(&mut self, before: &Page, after: &Page) -> Result<(), Error> {
        let known = before.named_versions();
        for mut named in after.named_versions() {
            if known.contains(&named) {
                continue;
            }
            if !self.knows(&named.version) {
                named.version = self.document.newest();
            }
            self.name_version(&named)?;
        }
        Ok(())
    }

    /// The versions that have a name. What has another form, or names changes that are not here, is passed over.
    pub fn named_versions(&self) -> Vec<NamedVersion> {
        let automerge = &self.document.automerge;
        let keys = automerge.keys(ROOT).filter(|key| key.starts_with(VERSION));
        keys.filter_map(|key| self.named_version(&key)).collect()
    }

    fn named_version(&self, key: &str) -> Option<NamedVersion> {
        let automerge = &self.document.automerge;
        let id = unhex(key.strip_prefix(VERSION)?)?;
        let object = entry::map(automerge, &ROOT, key)?;
        let heads = entry::string(automerge, &object, HEADS)?;
        let version: Option<Vec<Hash>> = heads.split(' ').map(Hash::from_hex).collect();
        Some(NamedVersion {
            id,
            name: entry::string(automerge, &object, NAME)?,
            version: version.filter(|version| self.knows(version))?,
            by: entry::id(automerge, &object, BY),
            at: entry::integer(automerge, &object, AT).unwrap_or_default(),
        })
    }
}
