//! What a person asks of their replica.

use protocol::bundle::Damage;
use protocol::roster::Role;
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, Refusal, SpaceId};
use serde::{Deserialize, Serialize};

use crate::view::{KeptAside, Preview};

/// How many of what is kept aside are listed at once.
pub const MOST_LISTED: u32 = 500;

/// From a tab to the replica. Each is answered once, with an [`Answer`] or a [`Problem`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Founds a classroom; works with no connection. → [`Answer::Classroom`]
    Found {
        classroom_name: String,
        profile: Profile,
    },
    /// Gives the token that the relay asked for, and tries again to found the classroom there. → [`Answer::Done`]
    FoundToken { classroom: ClassroomId, token: String },
    /// Looks behind an invite link, before joining; needs a connection. → [`Answer::Preview`]
    Preview { link: String },
    /// Joins by a link that was looked behind. → [`Answer::Classroom`]
    Join { link: String, profile: Profile },
    /// Makes an invite; who comes by it is a member at once, or asks first. → [`Answer::Invite`]
    Invite {
        classroom: ClassroomId,
        role: Role,
        ask_first: bool,
    },
    /// Nobody joins by this invite any more. → [`Answer::Done`]
    EndInvite {
        classroom: ClassroomId,
        invite: EntryHash,
    },
    /// Lets somebody in who asked. → [`Answer::Done`]
    Approve {
        classroom: ClassroomId,
        request: EntryHash,
    },
    /// Does not let them in. → [`Answer::Done`]
    Decline {
        classroom: ClassroomId,
        request: EntryHash,
    },
    /// Gives a member another role, or agrees to it: another school's lead or teacher loses power only if most schools
    /// agree. → [`Answer::Done`] or [`Answer::Consented`]
    ChangeRole {
        classroom: ClassroomId,
        member: MemberId,
        role: Role,
    },
    /// Removes a member, or agrees to it. → [`Answer::Done`] or [`Answer::Consented`]
    Remove {
        classroom: ClassroomId,
        member: MemberId,
    },
    /// Leaves; a lead may take the whole school along. → [`Answer::Done`]
    Leave { classroom: ClassroomId, school: bool },
    /// Makes a new key for a space, or for each one for which this person may. → [`Answer::Done`]
    RotateKeys {
        classroom: ClassroomId,
        space: Option<SpaceId>,
    },
    /// Makes a group of these members and this person. → [`Answer::Space`]
    NewSpace {
        classroom: ClassroomId,
        members: Vec<MemberId>,
    },
    /// Makes a page in a space, or in everyone's. → [`Answer::Document`]
    NewPage {
        classroom: ClassroomId,
        space: Option<SpaceId>,
    },
    /// Lets only leads and teachers write in a document, or everybody again. → [`Answer::Done`]
    Lock {
        classroom: ClassroomId,
        document: DocumentId,
        locked: bool,
    },
    /// Lets nobody write in the classroom, or everybody again. → [`Answer::Done`]
    Close { classroom: ClassroomId, closed: bool },
    /// Puts a new page with the present content of this one in its place, and erases this one with its whole history, on the
    /// relay and on every device as it hears of it. → [`Answer::Document`]
    StartAnew {
        classroom: ClassroomId,
        document: DocumentId,
    },
    /// Opens a page in this tab: [`crate::view::Update::Opened`] follows, then changes as they come. → [`Answer::Done`]
    OpenPage {
        classroom: ClassroomId,
        document: DocumentId,
    },
    /// Closes it again. → [`Answer::Done`]
    ClosePage {
        classroom: ClassroomId,
        document: DocumentId,
    },
    /// A change that the tab made to an open page. Answered when it is durable on this device. → [`Answer::Done`]
    Change {
        classroom: ClassroomId,
        document: DocumentId,
        change: Vec<u8>,
    },
    /// A change of an open page that was not taken, for the person may not write there any more: it is kept on this device
    /// and listed as kept aside. Answered when it is durable. → [`Answer::Done`]
    KeepAside {
        classroom: ClassroomId,
        document: DocumentId,
        change: Vec<u8>,
    },
    /// Lists what is kept aside, at most [`MOST_LISTED`] at once, from the one on that has `skip` before it.
    /// → [`Answer::KeptAside`]
    KeptAside { classroom: ClassroomId, skip: u32 },
    /// Exports what is kept aside as a bundle: [`crate::view::Update::Exported`] brings its parts. → [`Answer::Exported`]
    ExportAside { classroom: ClassroomId },
    /// Compares the snapshot of a document change by change with the segments that it covers; needs a connection if they
    /// are not here. → [`Answer::Verified`]
    VerifyHistory {
        classroom: ClassroomId,
        document: DocumentId,
    },
    /// Keeps a file for a document to refer to; works with no connection. Answered with what stands in the document, when it is
    /// durable on this device. → [`Answer::Attached`]
    Attach {
        classroom: ClassroomId,
        document: DocumentId,
        content: Vec<u8>,
    },
    /// Asks for the file that a document refers to by this address; needs a connection if it is not on this device.
    /// → [`Answer::Attachment`]
    Attachment {
        classroom: ClassroomId,
        document: DocumentId,
        address: String,
    },
    /// Asks which members the actors of a document are. → [`Answer::Authors`]
    Authors {
        classroom: ClassroomId,
        document: DocumentId,
    },
    /// Where this person's cursor is (Automerge cursors), or nowhere. → [`Answer::Done`]
    Cursor {
        classroom: ClassroomId,
        document: DocumentId,
        cursor: Option<CursorRange>,
    },
    /// Exports a classroom, or all, as a bundle: [`crate::view::Update::Exported`] brings its parts. → [`Answer::Exported`]
    Export { classroom: Option<ClassroomId> },
    /// The next part of a bundle; give the one after it when this is answered. → [`Answer::Done`], and for the last part
    /// [`Answer::Imported`]
    Import {
        /// Which of the files that are being imported, as the tab numbers them.
        import: u32,
        part: Vec<u8>,
        last: bool,
    },
    /// Deletes what files brought of a classroom that waits for an invite. → [`Answer::Done`]
    DeleteUnopened { classroom: ClassroomId },
    /// Shows the login card's words. → [`Answer::Card`]
    Card,
    /// The card was printed or copied: no more reminders. → [`Answer::Done`]
    CardKept,
}

/// Who somebody is, as they typed it. Names stay in encrypted documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub name: String,
    pub school: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// IANA name.
    pub time_zone: String,
}

/// A selection in a page, as Automerge cursors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorRange {
    pub anchor: String,
    pub head: String,
}

/// How many damaged places of a file are named.
pub const MOST_NAMED: usize = 20;

/// What a bundle brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// How many items were not here, were here already, and were kept aside.
    pub new: u64,
    pub known: u64,
    pub aside: u64,
    /// How many were left out, because what waits for invites takes all the room that it may.
    pub left_out: u64,
    /// How many parts of the file belong to no whole item.
    pub damaged: u64,
    /// The first of them, at most [`MOST_NAMED`].
    pub named: Vec<Damage>,
    /// Whether the file was whole.
    pub complete: bool,
    /// The version that the file states, if it is higher than the one that is known here.
    pub newer_version: Option<u8>,
    /// What it brought of these classrooms shows once an invite to them is opened.
    pub classrooms: Vec<ClassroomId>,
}

/// What came of comparing a snapshot with the segments that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verified {
    /// It holds just what so many segments hold.
    Matches { segments: u64 },
    /// The document has none.
    NoSnapshot,
    /// It holds something else. It is kept aside and reported, and the document is made of its segments.
    Differs,
    /// Some of the segments are nowhere any more.
    HistoryGone,
    /// It lacks more changes of its segments than can be looked at one by one: whether anybody has anything of them cannot be
    /// told.
    Unclear,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Done,
    Classroom(ClassroomId),
    Document(DocumentId),
    Space(SpaceId),
    /// So many schools agree by now, and so many have to.
    Consented {
        have: u32,
        need: u32,
    },
    /// The part of the invite link behind the `#`.
    Invite(String),
    Preview(Preview),
    /// Fewer than [`MOST_LISTED`] are the last.
    KeptAside(Vec<KeptAside>),
    /// All parts were handed over, with so many items.
    Exported {
        items: u64,
    },
    /// The twelve words.
    Card(String),
    Imported(Imported),
    Verified(Verified),
    Authors(Vec<Author>),
    /// The address: it holds the key, so it belongs in the document only.
    Attached(String),
    Attachment(Vec<u8>),
}

/// Who writes a document with an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    pub actor: [u8; 16],
    pub member: MemberId,
}

/// Why a command could not be carried out. The app has a sentence for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Problem {
    /// The text is no invite link.
    NotAnInvite,
    /// The link was made by a newer version of the app.
    NewerVersion,
    /// There is no connection, and this needs one.
    NeedsConnection,
    /// The relay would not, for a reason that is none of the others.
    Refused(Refusal),
    /// The relay knows no such classroom.
    UnknownClassroom,
    InviteExpired,
    InviteUsedUp,
    /// The relay knows no such invite.
    InviteUnknown,
    /// The invite does not open the classroom's keys.
    InviteBroken,
    /// A name is empty or too long.
    BadName,
    /// This member's role does not permit it.
    NotAllowed,
    /// Only leads and teachers may write in this document now.
    Locked,
    /// Nobody may write in this classroom now.
    Closed,
    /// Nobody would be left who leads.
    LastLead,
    /// No such page.
    UnknownDocument,
    /// The change is larger than a segment can be, or the file than an attachment.
    TooLarge,
    /// The change was made on a lane that has ended; a fresh copy of the page follows.
    LaneEnded,
    /// The attachment is not on this device, and the relay can't be asked or does not have it yet: it may be had later.
    NotHere,
    /// There is nothing to attach, or what is named is no attachment of this classroom.
    BadAttachment,
    /// Something that should not happen did.
    Internal,
}
