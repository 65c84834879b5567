//! Why a relay did not take something. The app turns each code into a sentence.

use serde::{Deserialize, Serialize};

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal),+ $(,)?) => {
        /// A reason code. The numbers are part of the wire format: never reused, never renumbered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "u16", into = "u16")]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[doc = $doc])+ $name,)+
            /// A code of a newer relay.
            Other(u16),
        }

        impl From<u16> for Refusal {
            fn from(code: u16) -> Self {
                match code {
                    $($code => Self::$name,)+
                    other => Self::Other(other),
                }
            }
        }

        impl From<Refusal> for u16 {
            fn from(refusal: Refusal) -> Self {
                match refusal {
                    $(Refusal::$name => $code,)+
                    Refusal::Other(code) => code,
                }
            }
        }

        impl Refusal {
            /// All codes that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What it means, in a sentence for whoever runs a relay.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_start(),)+
                    Self::Other(_) => "For a reason of a newer version.",
                }
            }
        }
    };
}

refusals! {
    /// The bytes follow no known format.
    Malformed = 1,
    /// A part is larger than this relay takes.
    TooLarge = 2,
    /// The item has a newer version than this relay knows.
    UnsupportedVersion = 3,
    /// The challenge was not answered, or not rightly.
    NotAuthenticated = 4,
    /// A signature does not match.
    BadSignature = 5,
    /// The classroom is not on this relay.
    UnknownClassroom = 6,
    /// The connection's member does not belong to the classroom.
    NotAMember = 7,
    /// The author's role does not permit this.
    NotAllowed = 8,
    /// The entry's parents, or the roster heads that a segment names, are not here.
    UnknownParent = 9,
    /// A segment's index is beyond the next one of its log.
    IndexGap = 10,
    /// The relay holds a different segment at this index: the lane must be retired.
    Fork = 11,
    /// The invite's time is over.
    InviteExpired = 12,
    /// The invite was used as often as it may be.
    InviteUsedUp = 13,
    /// The invite is unknown here.
    UnknownInvite = 14,
    /// Founding on this relay needs its token.
    FoundToken = 15,
    /// The document's space is unknown, or not the one the document lives in.
    WrongSpace = 16,
    /// The segment is sealed with an epoch that is not the space's.
    WrongEpoch = 17,
    /// Too much at once: try again later.
    Busy = 18,
    /// The relay could not store it: try again later.
    Storage = 19,
    /// No classroom is open on this channel.
    UnknownChannel = 20,
    /// The relay is shutting down: connect again.
    GoingAway = 21,
    /// A rotation leaves out a member of its space.
    LeavesOut = 22,
    /// The segment is beyond how far its removed or demoted author's log counts.
    BeyondCutoff = 23,
    /// The document is locked for the author.
    Locked = 24,
    /// The classroom is closed: nobody writes.
    ClassroomClosed = 25,
    /// The document was erased: it goes on as another one.
    Erased = 26,
    /// The author, or whoever asks, does not belong to the space.
    NotInSpace = 27,
    /// A fold does not begin or end where segments of its log do, or covers something else.
    FoldMismatch = 28,
    /// More was sent in a short time than this relay takes: slow down.
    TooFast = 29,
    /// The classroom has as many bytes as this relay keeps for one.
    QuotaFull = 30,
    /// The classroom has as many documents as this relay keeps for one.
    TooManyDocuments = 31,
    /// There are as many connections from this address, or of this member, as this relay takes.
    TooManyConnections = 32,
    /// Members say that the snapshot does not match its segments.
    Disputed = 33,
    /// The invite was ended.
    InviteEnded = 34,
    /// The connection reads too slowly, or says nothing for too long.
    TooSlow = 35,
    /// A piece of the snapshot, or the chunk of an attachment, is not here: send it first.
    MissingPiece = 36,
    /// The roster has as many entries as this relay keeps for one.
    TooManyEntries = 37,
    /// The author said more of where their own logs end than this relay keeps of one member.
    TooManyCutoffs = 38,
    /// Something of the document to be erased came in behind what its author has.
    NotCovered = 39,
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn codes_are_distinct_and_come_back() {
        let mut codes: Vec<u16> = Refusal::ALL.iter().map(|&refusal| refusal.into()).collect();
        for (&refusal, &code) in Refusal::ALL.iter().zip(&codes) {
            assert_eq!(Refusal::from(code), refusal);
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert_eq!(u16::from(Refusal::from(60_000)), 60_000);
    }
}
