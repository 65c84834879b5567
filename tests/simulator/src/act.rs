//! What happens in a history, as a list that can be shortened: every act says for itself what it does, to whomever is
//! there by then, so that leaving one out changes little about the others.

use protocol::roster::Role;

/// One scheduled thing. Numbers that name people, devices, tabs and pages are taken modulo how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A person founds a classroom.
    Found {
        person: u8,
    },
    /// A person makes an invite link.
    Invite {
        person: u8,
        role: Role,
        ask_first: bool,
    },
    /// A person opens an invite link and joins. Links that are gone, used up or of a classroom one is in already do nothing.
    Join {
        person: u8,
        invite: u8,
    },
    /// A person makes a page, in everyone's space or in one of the others that they are in.
    NewPage {
        device: u8,
        tab: u8,
        space: u8,
    },
    /// Writes a word of its own, or changes what is there.
    Edit {
        device: u8,
        tab: u8,
        page: u8,
        how: How,
        at: u16,
        word: u16,
    },

    /// Attaches a file to a page, and shows it there.
    Attach {
        device: u8,
        tab: u8,
        page: u8,
        length: u32,
    },
    /// Looks at something that was attached.
    Look {
        device: u8,
        tab: u8,
        which: u8,
    },

    /// A person does something about the members or the classroom.
    Govern {
        device: u8,
        tab: u8,
        what: Govern,
        whom: u8,
    },

    OpenTab {
        device: u8,
    },
    /// A tab is closed in good order, as far as a browser lets it.
    CloseTab {
        device: u8,
        tab: u8,
    },
    /// A tab is gone without a word; what it was writing is stored or not.
    CrashTab {
        device: u8,
        tab: u8,
        written: bool,
    },
    /// The power fails; so many batches that were not forced to the disk are there all the same.
    CrashDevice {
        device: u8,
        written: bool,
        surviving: u8,
    },
    /// The profile's folder is copied onto one more device, in use as it is.
    Clone {
        device: u8,
    },
    /// A backup of the profile's folder.
    Backup {
        device: u8,
    },
    /// The profile's folder is put back from its backup.
    Restore {
        device: u8,
    },
    FillDisk {
        device: u8,
    },
    FreeDisk {
        device: u8,
    },
    /// The device's clock jumps.
    Skew {
        device: u8,
        hours: i32,
    },
    /// A relay's clock jumps.
    SkewRelay {
        relay: u8,
        hours: i32,
    },

    /// The device loses the network. Of what was on its way to the relay, so many messages arrive; the relay may take long to
    /// notice.
    Cut {
        device: u8,
        arriving: u8,
        noticed: bool,
    },
    /// Nothing gets through any more, but nobody is told.
    Stall {
        device: u8,
    },
    Link {
        device: u8,
    },
    /// From now on no socket gets through from the device, only requests; or sockets get through again.
    Block {
        device: u8,
        blocked: bool,
    },
    /// The device has the next version of the app from now on.
    Update {
        device: u8,
    },
    /// A relay is started again as the next version.
    UpdateRelay {
        relay: u8,
    },
    /// The device connects to another relay from now on.
    Move {
        device: u8,
    },

    /// A relay is killed and started again. Of what was on its way from it, everything or nothing arrives.
    CrashRelay {
        relay: u8,
        arriving: bool,
    },
    /// A person writes all their classrooms onto a stick.
    Export {
        device: u8,
        tab: u8,
    },
    /// A person reads a stick, or as much of it as is there, in some parts; now and then a byte of it is another one.
    Import {
        device: u8,
        tab: u8,
        stick: u8,
        is_cut: bool,
    },

    /// A backup of a relay's store.
    BackupRelay {
        relay: u8,
    },
    /// A relay is replaced. Without a backup there is nothing for another to begin with.
    ReplaceRelay {
        relay: u8,
        by: Successor,
    },
    /// A relay's next commit fails, or only seems to.
    FailCommit {
        relay: u8,
        stored: bool,
    },
    /// A relay throws away what may go.
    TidyRelay {
        relay: u8,
    },

    Pass {
        milliseconds: u32,
    },
    /// Some of what could happen does, in an order that follows from `seed`.
    Run {
        steps: u8,
        seed: u16,
    },
    /// Time passes and everything happens that can.
    Settle {
        seconds: u8,
    },
}

/// What leads and teachers do, or try to do; `whom` names a member, an invite, a request or a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Govern {
    Remove,
    ChangeRole(Role),
    Leave { school: bool },
    EndInvite,
    Approve,
    Decline,
    Lock(bool),
    Close(bool),
    RotateKeys,
    NewGroup,
    StartAnew,
}

/// What takes a relay's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Successor {
    /// A relay with nothing.
    Empty,
    /// One with its last backup, of which nobody says anything.
    Backup,
    /// One with its last backup, started as one that nobody knows: `--restored`.
    Restored,
}

/// What an edit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Write,
    Delete,
    Split,
    Join,
    Mark,
    Retitle,
}
