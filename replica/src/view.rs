//! What the replica shows. Views are whole: a new one replaces the one before.

use protocol::roster::Role;
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, Refusal, SchoolId, SpaceId};
use serde::{Deserialize, Serialize};

use crate::command::{Answer, CursorRange, Problem, Profile};
use crate::store::AsideReason;

/// From the replica to its tab.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Update {
    /// The answer to the command with this number.
    Answered {
        request: u32,
        result: Result<Answer, Problem>,
    },
    Home(Home),
    Classroom(Classroom),
    /// A page, whole: at opening, and again if it had to be rebuilt. Local edits are made with `actor` from now on.
    Opened {
        classroom: ClassroomId,
        document: DocumentId,
        saved: Vec<u8>,
        actor: [u8; 16],
        /// The number of the last command that was carried out before: what it asked is in here.
        upto: Option<u32>,
    },
    /// Changes of others (or of another tab) to an open page.
    Changes {
        classroom: ClassroomId,
        document: DocumentId,
        changes: Vec<Vec<u8>>,
    },
    /// The next part of what is exported.
    Exported {
        request: u32,
        part: Vec<u8>,
    },
    /// Who is on an open page, and where.
    Presence {
        classroom: ClassroomId,
        document: DocumentId,
        people: Vec<Presence>,
    },
    /// Another tab of this profile runs a newer version of the app.
    NewerVersion,
}

/// The way to the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Link {
    Offline,
    Online,
    /// There is no socket: the relay is asked every few seconds.
    Exchanging,
}

/// Where the newest work is: the worst of everything it is said of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Work {
    OnTheRelay,
    /// Durable here, not yet on the relay.
    OnThisDevice,
    /// Not yet durable anywhere.
    Saving,
    /// This device could not store it.
    NotSaved,
}

/// How far own work has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    OnThisDevice,
    OnTheRelay,
    /// Members of these schools have it.
    SeenAt(Vec<SchoolId>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Home {
    pub link: Link,
    /// Why the relay ended the connection, if it said so; until it speaks of a classroom again.
    pub refused: Option<Refusal>,
    /// `None` before the first classroom.
    pub me: Option<MemberId>,
    /// Whether the login card was printed or copied.
    pub card_kept: bool,
    pub classrooms: Vec<Summary>,
    /// How far this device's clock is from the relay's, in seconds, if that is known.
    pub clock_skew: Option<i64>,
    /// The classrooms that this person asked to be let into.
    pub waiting: Vec<Waiting>,
    /// What files brought of classrooms to which no invite was opened yet.
    pub unopened: Vec<Unopened>,
}

/// What files brought of a classroom that waits for an invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unopened {
    pub classroom: ClassroomId,
    pub items: u64,
    /// About what they take on the device.
    pub bytes: u64,
}

/// A classroom that this person asked to be let into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub id: ClassroomId,
    pub role: Role,
    pub state: WaitingState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitingState {
    /// Nobody has answered.
    Asked,
    Declined,
    /// Let in; the classroom is on its way.
    LetIn,
}

/// A classroom in the list of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub id: ClassroomId,
    pub name: String,
    pub schools: Vec<String>,
    pub members: u32,
    pub work: Work,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Classroom {
    pub id: ClassroomId,
    pub name: String,
    pub role: Role,
    pub schools: Vec<School>,
    pub members: Vec<Member>,
    pub documents: Vec<Document>,
    pub work: Work,
    /// What keeps this classroom, or something in it, from the relay, if anything does.
    pub refused: Option<Refusal>,
    /// Whether that keeps all of it from there.
    pub all_refused: bool,
    /// Items that arrived and could not be applied; they are stored.
    pub kept_aside: u32,
    /// This person was removed, or left: what is here can be read, and work that the relay does not have can be exported.
    pub removed: bool,
    /// Nobody may write.
    pub closed: bool,
    /// The spaces that this person is in.
    pub spaces: Vec<SpaceId>,
    /// Invites that were not ended.
    pub invites: Vec<Invite>,
    /// Those who ask to be let in, as far as this person may answer.
    pub requests: Vec<Request>,
    /// Those who were members.
    pub former_members: Vec<FormerMember>,
    /// The documents that were erased.
    pub erased: Vec<Erased>,
}

/// Somebody who was removed, or left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerMember {
    pub id: MemberId,
    /// Empty if they never said.
    pub name: String,
}

/// A document that was started anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    pub document: DocumentId,
    /// What stands in its place.
    pub successor: DocumentId,
    pub by: MemberId,
}

/// An invite that somebody may still hold a link to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    pub id: EntryHash,
    pub by: MemberId,
    pub role: Role,
    pub ask_first: bool,
    pub uses: u32,
    pub used: u32,
    /// Seconds since 1970.
    pub expires: u64,
    /// Whether this person may end it.
    pub may_end: bool,
}

/// Somebody who asks to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: EntryHash,
    pub member: MemberId,
    pub role: Role,
    /// What they say of themselves; only who made the invite can read it.
    pub profile: Option<Profile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct School {
    pub id: SchoolId,
    pub name: String,
    pub country: String,
    pub time_zone: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub id: MemberId,
    /// Empty until their profile has arrived.
    pub name: String,
    pub school: SchoolId,
    pub role: Role,
    /// Whether they are here now.
    pub here: bool,
    pub me: bool,
    /// 0–11.
    pub colour: u8,
    /// What this person may do about them.
    pub rights: Rights,
}

/// What this person may do about a member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Whether they may be removed, or this person may agree to it.
    pub may_remove: bool,
    /// The roles that may be given to them, at once or once others agree.
    pub may_change_role: Vec<Role>,
    /// How many schools must agree besides, before they can be removed or given less power.
    pub consents_missing: u32,
    /// The schools whose leads agree by now that they be removed or given less power.
    pub agreed: Vec<SchoolId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub id: DocumentId,
    /// Empty while it has none.
    pub title: String,
    /// Whether this version of the app can open its kind.
    pub known_kind: bool,
    /// Whether its content has arrived.
    pub arrived: bool,
    pub created_by: MemberId,
    /// Seconds since 1970.
    pub created_at: i64,
    pub work: Work,
    /// How far the own work on it has come; of a document on which this person did not work, all that is in it.
    pub receipt: Receipt,
    pub space: SpaceId,
    /// Only leads and teachers may write in it.
    pub locked: bool,
    /// Whether this person may write in it now.
    pub may_write: bool,
    /// If it begins with a snapshot here: how many leads and teachers besides its maker are known to have found that this
    /// holds what the history holds.
    pub compared_by: Option<u32>,
    /// Whether it is to take the place of a document that is still listed.
    pub begun_anew: bool,
    /// The messages in open threads of comments that mention this person; `None` if it was not read since the start.
    pub mentions: Option<Vec<[u8; 16]>>,
}

/// Somebody who is on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// One place they write from: a person with two tabs is two.
    pub id: String,
    pub member: MemberId,
    pub name: String,
    pub colour: u8,
    pub cursor: Option<CursorRange>,
}

/// Something that is kept aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAside {
    pub reason: Why,
    /// Whose it is, as far as it says.
    pub from: Option<MemberId>,
    pub document: Option<DocumentId>,
    pub bytes: u64,
}

/// Why something is kept aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// It does not fit here, or not yet.
    Unfit(AsideReason),
    /// It is this person's, and the relay does not take it.
    Refused(Refusal),
}

/// What an invite leads to, for the screen on which one joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    pub classroom: ClassroomId,
    pub name: String,
    pub role: Role,
    pub schools: Vec<School>,
    /// This person belongs to it already.
    pub already_member: bool,
    /// Who joins waits until a lead or teacher lets them in; the classroom's name shows only then.
    pub ask_first: bool,
}
