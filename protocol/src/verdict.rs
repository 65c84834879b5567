//! Verdicts: what a member says about a snapshot after comparing it with its segments. Two that agree let a relay drop
//! what the snapshot covers; one that does not stops it from being served.

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::identity::{MemberKeys, verify};
use crate::roster::MAX_HEADS;
use crate::{ClassroomId, DocumentId, EntryHash, Error, MemberId, Signature, SnapshotHash};

const VERSION: u8 = 1;

/// The most bytes of an encoded verdict.
pub const MAX_VERDICT: usize = 2048;

/// A signed verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub statement: Statement,
    signature: Signature,
}

/// What a verdict says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    pub document: DocumentId,
    pub snapshot: SnapshotHash,
    /// Who compared.
    pub member: MemberId,
    /// The roster heads that they knew; at least one.
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_HEADS>")]
    pub roster: Vec<EntryHash>,
    /// Whether the snapshot holds just what the segments hold that it covers.
    pub matches: bool,
}

impl Verdict {
    /// Signs a statement.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it names no roster heads, or too many.
    pub fn sign(keys: &MemberKeys, classroom: &ClassroomId, statement: Statement) -> Result<Self, Error> {
        let signature = keys.sign(&transcript(&statement, classroom)?);
        let verdict = Self { statement, signature };
        Self::decode(&verdict.encode()?)
    }

    /// Checks the signature.
    pub fn verify(&self, classroom: &ClassroomId) -> Result<(), Error> {
        verify(
            "verdict",
            &self.statement.member.0,
            &transcript(&self.statement, classroom)?,
            &self.signature,
        )
    }

    /// A version byte, then the statement and the signature.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        bounded::encode_versioned("verdict", VERSION, self)
    }

    /// Reads a verdict. Says nothing yet about its signature: see [`Verdict::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let verdict: Self = bounded::decode_versioned("verdict", VERSION, MAX_VERDICT, bytes)?;
        if verdict.statement.roster.is_empty() {
            return Err(Error::Malformed("verdict"));
        }
        Ok(verdict)
    }
}

/// What is signed: domain, classroom and the statement.
fn transcript(statement: &Statement, classroom: &ClassroomId) -> Result<Vec<u8>, Error> {
    Ok([
        b"meridian v1 verdict\0".as_slice(),
        &[VERSION],
        &classroom.0,
        &bounded::encode("verdict", statement)?,
    ]
    .concat())
}
