//! Runs and folds: what a segment's body holds.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{SegmentHash, next};

/// What a segment's body holds. A segment of a kind that this version does not know can be read, kept and passed on,
/// not verified or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Automerge change chunks in the order they were made.
    Run,
    /// The changes of several segments, folded together.
    Fold {
        /// The chain hash of the last segment that it covers.
        covered: SegmentHash,
    },
    /// A kind of a newer version, from 2 on. Such kinds have no fields of their own in the header.
    Other(u8),
}

impl Kind {
    /// The kind of the runs that this version seals.
    pub fn of_runs() -> Self {
        if next::is_played() {
            Self::Other(next::KIND)
        } else {
            Self::Run
        }
    }

    /// Whether it is that of a run.
    pub fn is_run(self) -> bool {
        match self {
            Self::Run => true,
            Self::Fold { .. } => false,
            Self::Other(number) => number == next::KIND && next::is_played(),
        }
    }

    /// Whether this version can verify and open it.
    pub fn is_known(self) -> bool {
        self.is_run() || self.covered().is_some()
    }

    /// The chain hash of the last segment that a fold covers.
    pub fn covered(self) -> Option<SegmentHash> {
        match self {
            Self::Fold { covered } => Some(covered),
            Self::Run | Self::Other(_) => None,
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Run => serializer.serialize_u8(0),
            Self::Fold { covered } => (1u8, covered).serialize(serializer),
            Self::Other(0 | 1) => Err(S::Error::custom("a known kind under the name of a newer one")),
            Self::Other(number) => serializer.serialize_u8(*number),
        }
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberAndFields;
        impl<'de> Visitor<'de> for NumberAndFields {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the kind of a segment")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Kind, A::Error> {
                let missing = |field| A::Error::invalid_length(field, &NumberAndFields);
                match fields.next_element()?.ok_or_else(|| missing(0))? {
                    0 => Ok(Kind::Run),
                    1 => Ok(Kind::Fold {
                        covered: fields.next_element()?.ok_or_else(|| missing(1))?,
                    }),
                    other => Ok(Kind::Other(other)),
                }
            }
        }
        // At most so many: what follows the number depends on it.
        deserializer.deserialize_tuple(2, NumberAndFields)
    }
}
