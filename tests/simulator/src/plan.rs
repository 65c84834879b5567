//! From a seed to the acts of a history. Each history has only some kinds of faults, so that each kind gets room.

use clap::ValueEnum;
use protocol::roster::Role;

use crate::act::{Act, Govern, How, Successor};
use crate::rng::SeededRng;
use crate::setting::Setting;

/// What a history is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub setting: Setting,
    pub acts: Vec<Act>,
}

/// Kinds of faults, with how often each is taken among those that a history has.
const FAULTS: [(Fault, usize); 11] = [
    (Fault::Cut, 10),
    (Fault::Stall, 4),
    (Fault::CrashTab, 5),
    (Fault::CrashDevice, 4),
    (Fault::Tabs, 6),
    (Fault::Disk, 4),
    (Fault::Copies, 4),
    (Fault::Backups, 5),
    (Fault::Relay, 5),
    (Fault::Skew, 3),
    (Fault::People, 3),
];

/// Longer than an invite lasts, in milliseconds.
const MONTH: u32 = 31 * 24 * 60 * 60 * 1000;

/// What a governed history may have besides.
const GOVERNING: [(Fault, usize); 5] = [
    (Fault::Removal, 3),
    (Fault::Roles, 5),
    (Fault::Asking, 5),
    (Fault::Locks, 5),
    (Fault::Keys, 5),
];

/// What a healed history has besides.
const HEALING: [(Fault, usize); 2] = [(Fault::Loss, 8), (Fault::Sticks, 6)];

/// What one with two relays has besides.
const PARTING: [(Fault, usize); 2] = [(Fault::Moves, 12), (Fault::Sticks, 3)];

/// What a narrow history has besides.
const NARROWING: [(Fault, usize); 1] = [(Fault::Sockets, 10)];

/// What a condensed history has besides.
const CONDENSING: [(Fault, usize); 1] = [(Fault::Tidying, 8)];

/// What a history has besides in which pages are started anew.
const RENEWING: [(Fault, usize); 1] = [(Fault::Anew, 5)];

/// What a mixed history has besides.
const MIXING: [(Fault, usize); 2] = [(Fault::Versions, 8), (Fault::Tidying, 3)];

/// What a history of several schools has besides.
const UNITING: [(Fault, usize); 1] = [(Fault::Moves, 4)];

/// The kinds that take turns.
const KINDS: [Kind; 9] = [
    Kind::Plain,
    Kind::Governed,
    Kind::Healed,
    Kind::Apart,
    Kind::Narrow,
    Kind::Condensed,
    Kind::Mixed,
    Kind::Anew,
    Kind::Schools,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    Stall,
    CrashTab,
    CrashDevice,
    Tabs,
    Disk,
    Copies,
    Backups,
    Relay,
    Skew,
    People,
    Removal,
    Roles,
    Asking,
    Locks,
    Keys,
    Loss,
    Sticks,
    Moves,
    Sockets,
    Tidying,
    Anew,
    Versions,
}

/// What a history is about. All histories have the faults of devices, links and relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// People write.
    Plain,
    /// People also remove members, change roles, lock, close and make keys.
    Governed,
    /// Relays lose everything, or what came since their last backup, and people carry bundles about.
    Healed,
    /// There are two relays: devices go from one to the other, and people carry bundles about.
    Apart,
    /// No sockets get through to some, relays take little at once, and classrooms are governed.
    Narrow,
    /// Relays ask for snapshots and throw away what those hold.
    Condensed,
    /// Pages are started anew.
    Anew,
    /// Some devices, and the relay, are of the next version, which seals what the others can't open.
    Mixed,
    /// Leads of three schools and more agree, or don't, on who goes; some know one relay only.
    Schools,
}

impl Kind {
    /// The seed of a history of this kind.
    pub fn seed(self, number: u64) -> String {
        match self {
            Self::Plain => number.to_string(),
            Self::Governed => format!("governed {number}"),
            Self::Healed => format!("healed {number}"),
            Self::Apart => format!("apart {number}"),
            Self::Narrow => format!("narrow {number}"),
            Self::Condensed => format!("condensed {number}"),
            Self::Anew => format!("anew {number}"),
            Self::Mixed => format!("mixed {number}"),
            Self::Schools => format!("schools {number}"),
        }
    }

    /// The kind of a history, by its seed.
    pub fn of(seed: &str) -> Self {
        match seed.split_once(' ') {
            Some(("governed", _)) => Self::Governed,
            Some(("healed", _)) => Self::Healed,
            Some(("apart", _)) => Self::Apart,
            Some(("narrow", _)) => Self::Narrow,
            Some(("condensed", _)) => Self::Condensed,
            Some(("anew", _)) => Self::Anew,
            Some(("mixed", _)) => Self::Mixed,
            Some(("schools", _)) => Self::Schools,
            _ => Self::Plain,
        }
    }
}

/// The seed of the history with a number: the kinds take turns.
pub fn seed_of(number: u64) -> String {
    let at = usize::try_from(number % KINDS.len() as u64).unwrap_or_default();
    KINDS[at].seed(number)
}

/// The plan that follows from a seed.
pub fn plan(seed: &str) -> Plan {
    let mut rng = SeededRng::new(&format!("{seed} plan"));
    let kind = Kind::of(seed);
    let fewest = if kind == Kind::Schools { 4 } else { 2 };
    let people = fewest + rng.below(3);
    // What a history of a kind may have, and what it always has.
    let (possible, certain) = match kind {
        Kind::Plain => (&[][..], &[][..]),
        Kind::Governed => (&GOVERNING[..], &[][..]),
        Kind::Healed => (&[][..], &HEALING[..]),
        Kind::Apart => (&GOVERNING[..], &PARTING[..]),
        Kind::Narrow => (&GOVERNING[..], &NARROWING[..]),
        Kind::Condensed => (&[][..], &CONDENSING[..]),
        Kind::Anew => (&[][..], &RENEWING[..]),
        Kind::Mixed => (&GOVERNING[..], &MIXING[..]),
        Kind::Schools => (&GOVERNING[..], &UNITING[..]),
    };
    let kinds = FAULTS.iter().chain(possible).copied();
    let mut kinds: Vec<(Fault, usize)> = kinds.filter(|_| rng.percent(40)).collect();
    kinds.extend(certain);
    let mut acts = Vec::new();
    // Some begin in good order; in others everything goes wrong from the start.
    let is_orderly = rng.percent(70);
    let roles: &[Role] = match kind {
        // Those who may confirm snapshots.
        Kind::Condensed => &[Role::Lead, Role::Teacher, Role::Student],
        // Each lead comes with a school.
        Kind::Schools => &[Role::Lead, Role::Lead, Role::Lead, Role::Lead, Role::Teacher],
        _ => &[
            Role::Lead,
            Role::Teacher,
            Role::Student,
            Role::Student,
            Role::Guest,
        ],
    };
    begin(&mut rng, &mut acts, (people, roles), is_orderly, &kinds);
    let length = 10 + rng.below(40);
    for number in 0..length {
        let word = u16::try_from(number).unwrap_or(u16::MAX);
        let is_fault = !kinds.is_empty() && rng.percent(35);
        acts.push(if is_fault {
            fault(&mut rng, &kinds)
        } else {
            work(&mut rng, word)
        });
        pause(&mut rng, &mut acts);
    }
    // Now and then all are away for longer than an invite lasts, wherever in their work they are.
    let mut away = SeededRng::new(&format!("{seed} away"));
    if away.percent(10) {
        let at = away.below(acts.len());
        acts.insert(at, Act::Pass { milliseconds: MONTH });
    }
    // In some, files are attached to pages, and looked at.
    let mut files = SeededRng::new(&format!("{seed} files"));
    if files.percent(40) {
        for _ in 0..1 + files.below(6) {
            let at = files.below(acts.len());
            acts.insert(at, file(&mut files));
        }
    }
    if kind == Kind::Schools {
        let mut agreeing = SeededRng::new(&format!("{seed} agreeing"));
        for _ in 0..1 + agreeing.below(3) {
            agree(&mut agreeing, &mut acts, people);
        }
    }
    let setting = Setting {
        relays: match kind {
            Kind::Apart => 2,
            Kind::Schools => 1 + usize::from(rng.percent(50)),
            _ => 1,
        },
        throttled: kind == Kind::Narrow,
        condensed: kind == Kind::Condensed || kind == Kind::Mixed && rng.percent(30),
        ..Setting::from(people)
    };
    Plan { setting, acts }
}

/// Somebody founds a classroom and the others join.
fn begin(
    rng: &mut SeededRng,
    acts: &mut Vec<Act>,
    (people, roles): (usize, &[Role]),
    is_orderly: bool,
    kinds: &[(Fault, usize)],
) {
    let wait = |rng: &mut SeededRng, acts: &mut Vec<Act>| {
        if is_orderly {
            acts.push(Act::Settle { seconds: 1 });
        } else {
            for _ in 0..3 {
                pause(rng, acts);
            }
            if !kinds.is_empty() && rng.percent(20) {
                acts.push(fault(rng, kinds));
            }
            if rng.percent(50) {
                acts.push(Act::Settle { seconds: 1 });
            }
        }
    };
    acts.push(Act::Found { person: 0 });
    wait(rng, acts);
    acts.push(Act::NewPage {
        device: 0,
        tab: 0,
        space: 0,
    });
    for person in 1..people {
        let role = rng.pick(roles);
        acts.push(Act::Invite {
            person: 0,
            role: role.unwrap_or(Role::Student),
            ask_first: false,
        });
        wait(rng, acts);
        let number = u8::try_from(person).unwrap_or_default();
        acts.push(Act::Join {
            person: number,
            invite: number - 1,
        });
        wait(rng, acts);
    }
    if is_orderly {
        // Everybody opens the page.
        for person in 0..people {
            let device = u8::try_from(person).unwrap_or_default();
            acts.push(edit(rng, How::Write, device, u16::MAX));
        }
        acts.push(Act::Settle { seconds: 1 });
    }
}

fn number(rng: &mut SeededRng) -> u8 {
    u8::try_from(rng.below(256)).unwrap_or_default()
}

fn edit(rng: &mut SeededRng, how: How, device: u8, word: u16) -> Act {
    Act::Edit {
        device,
        tab: number(rng),
        page: number(rng) % 3,
        how,
        at: u16::try_from(rng.below(1 << 16)).unwrap_or_default(),
        word,
    }
}

fn file(rng: &mut SeededRng) -> Act {
    let (device, tab) = (number(rng), number(rng));
    if rng.percent(40) {
        let which = number(rng);
        return Act::Look { device, tab, which };
    }
    // Seldom of several chunks.
    let most = if rng.percent(10) { 600_000 } else { 3_000 };
    Act::Attach {
        device,
        tab,
        page: number(rng) % 3,
        length: u32::try_from(rng.below(most)).unwrap_or_default(),
    }
}

fn work(rng: &mut SeededRng, word: u16) -> Act {
    let device = number(rng);
    if rng.percent(4) {
        return Act::NewPage {
            device,
            tab: number(rng),
            space: number(rng),
        };
    }
    let how = match rng.below(20) {
        0..=1 => How::Delete,
        2 => How::Split,
        3 => How::Join,
        4 => How::Mark,
        5 => How::Retitle,
        _ => How::Write,
    };
    edit(rng, how, device, word)
}

fn fault(rng: &mut SeededRng, kinds: &[(Fault, usize)]) -> Act {
    let device = number(rng);
    let tab = number(rng);
    let mut at = rng.below(kinds.iter().map(|(_, weight)| weight).sum());
    let kind = kinds.iter().find(|(_, weight)| {
        let is_it = at < *weight;
        at = at.saturating_sub(*weight);
        is_it
    });
    let is_first = rng.percent(50);
    match kind.map_or(Fault::Cut, |(kind, _)| *kind) {
        Fault::Cut if is_first => Act::Cut {
            device,
            arriving: number(rng) % 4,
            noticed: rng.percent(50),
        },
        Fault::Stall if is_first => Act::Stall { device },
        Fault::Cut | Fault::Stall => Act::Link { device },
        Fault::CrashTab => Act::CrashTab {
            device,
            tab,
            written: is_first,
        },
        Fault::CrashDevice => Act::CrashDevice {
            device,
            written: is_first,
            surviving: number(rng) % 4,
        },
        Fault::Tabs if is_first => Act::OpenTab { device },
        Fault::Tabs => Act::CloseTab { device, tab },
        Fault::Disk if is_first => Act::FillDisk { device },
        Fault::Disk => Act::FreeDisk { device },
        Fault::Copies => Act::Clone { device },
        Fault::Backups if is_first => Act::Backup { device },
        Fault::Backups => Act::Restore { device },
        Fault::Relay if rng.percent(60) => Act::CrashRelay {
            relay: device,
            arriving: is_first,
        },
        Fault::Relay => Act::FailCommit {
            relay: device,
            stored: is_first,
        },
        Fault::Loss if is_first => Act::ReplaceRelay {
            relay: device,
            by: match tab % 4 {
                1 => Successor::Backup,
                3 => Successor::Restored,
                _ => Successor::Empty,
            },
        },
        Fault::Loss => Act::BackupRelay { relay: device },
        Fault::Moves => Act::Move { device },
        Fault::Versions if is_first => Act::Update { device },
        Fault::Versions => Act::UpdateRelay { relay: device },
        Fault::Sockets => Act::Block {
            device,
            blocked: is_first || tab.is_multiple_of(2),
        },
        Fault::Tidying => Act::TidyRelay { relay: device },
        Fault::Anew => Act::Govern {
            device: if is_first { 0 } else { device },
            tab,
            what: Govern::StartAnew,
            whom: number(rng),
        },
        Fault::Sticks if is_first => Act::Export { device, tab },
        Fault::Sticks => Act::Import {
            device,
            tab,
            stick: number(rng),
            is_cut: tab.is_multiple_of(4),
        },
        Fault::Skew => {
            let hours = rng.pick(&[0, 1, -1, 30_000, -30_000]).unwrap_or_default();
            if tab.is_multiple_of(3) {
                Act::SkewRelay { relay: device, hours }
            } else {
                Act::Skew { device, hours }
            }
        }
        Fault::People if is_first => Act::Invite {
            person: device,
            role: Role::Student,
            ask_first: tab.is_multiple_of(3),
        },
        Fault::People | Fault::Asking if rng.percent(50) => Act::Join {
            person: device,
            invite: tab,
        },
        kind => govern(rng, kind, is_first, device, tab),
    }
}

/// All want somebody to go, or to be a student, one after the other and in the midst of what else they do.
fn agree(rng: &mut SeededRng, acts: &mut Vec<Act>, people: usize) {
    let what = if rng.percent(25) {
        Govern::ChangeRole(Role::Student)
    } else {
        Govern::Remove
    };
    let whom = number(rng);
    let mut at = acts.len() / 4 + rng.below(acts.len() / 2);
    for _ in 0..people {
        let (device, tab) = (number(rng), number(rng));
        acts.insert(
            at,
            Act::Govern {
                device,
                tab,
                what,
                whom,
            },
        );
        at = acts.len().min(at + 1 + rng.below(8));
    }
}

fn govern(rng: &mut SeededRng, kind: Fault, is_first: bool, device: u8, tab: u8) -> Act {
    let role = rng.pick(&[Role::Lead, Role::Teacher, Role::Student, Role::Guest]);
    let what = match kind {
        Fault::Removal if rng.percent(15) => Govern::Leave { school: is_first },
        Fault::Removal => Govern::Remove,
        Fault::Roles => Govern::ChangeRole(role.unwrap_or(Role::Student)),
        Fault::Locks if rng.percent(80) => Govern::Lock(is_first),
        Fault::Locks => Govern::Close(is_first),
        Fault::Keys if rng.percent(50) => Govern::RotateKeys,
        Fault::Keys => Govern::NewGroup,
        _ => {
            let all = [
                Govern::Approve,
                Govern::Approve,
                Govern::Decline,
                Govern::EndInvite,
            ];
            rng.pick(&all).unwrap_or(Govern::Approve)
        }
    };
    Act::Govern {
        // Mostly by who founded it.
        device: if rng.percent(60) { 0 } else { device },
        tab,
        what,
        whom: number(rng),
    }
}

/// Things happen, and time passes.
fn pause(rng: &mut SeededRng, acts: &mut Vec<Act>) {
    acts.push(Act::Run {
        steps: number(rng) % 14,
        seed: u16::try_from(rng.below(1 << 16)).unwrap_or_default(),
    });
    if rng.percent(30) {
        acts.push(Act::Pass {
            milliseconds: rng.pick(&[50, 1_000, 6_000]).unwrap_or_default(),
        });
    }
    if rng.percent(4) {
        acts.push(Act::Settle { seconds: 2 });
    }
}
