//! From a seed to the acts of a history. Each history has only some kinds of faults, so that each kind gets room.

use protocol::roster::Role;

use crate::act::{Act, Govern, How};
use crate::rng::SeededRng;

/// What a history is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub people: usize,
    pub acts: Vec<Act>,
}

/// Kinds of acts, with how often each is taken among those that a history has.
const KINDS: [(Kind, usize); 11] = [
    (Kind::Cut, 10),
    (Kind::Stall, 4),
    (Kind::CrashTab, 5),
    (Kind::CrashDevice, 4),
    (Kind::Tabs, 6),
    (Kind::Disk, 4),
    (Kind::Copies, 4),
    (Kind::Backups, 5),
    (Kind::Relay, 5),
    (Kind::Skew, 3),
    (Kind::People, 3),
];

/// What a history has besides whose seed starts with [`GOVERNED`].
const GOVERNING: [(Kind, usize); 5] = [
    (Kind::Removal, 3),
    (Kind::Roles, 5),
    (Kind::Asking, 5),
    (Kind::Locks, 5),
    (Kind::Keys, 5),
];

/// What a history has besides whose seed starts with [`HEALED`].
const HEALING: [(Kind, usize); 2] = [(Kind::Loss, 8), (Kind::Sticks, 6)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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
}

/// How the seeds of histories begin in which people also remove members, change roles, lock, close and make keys.
pub const GOVERNED: &str = "governed ";

/// How the seeds of histories begin in which relays lose everything, or what came since their last backup, and people
/// carry bundles about.
pub const HEALED: &str = "healed ";

/// The plan that follows from a seed.
pub fn plan(seed: &str) -> Plan {
    let mut rng = SeededRng::new(&format!("{seed} plan"));
    let people = 2 + rng.below(3);
    let governing = if seed.starts_with(GOVERNED) {
        &GOVERNING[..]
    } else {
        &[]
    };
    let healing = if seed.starts_with(HEALED) {
        &HEALING[..]
    } else {
        &[]
    };
    let kinds = KINDS.iter().chain(governing).copied();
    let mut kinds: Vec<(Kind, usize)> = kinds.filter(|_| rng.percent(40)).collect();
    kinds.extend(healing);
    let mut acts = Vec::new();
    // Some begin in good order; in others everything goes wrong from the start.
    let is_orderly = rng.percent(70);
    begin(&mut rng, &mut acts, people, is_orderly, &kinds);
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
    Plan { people, acts }
}

/// Somebody founds a classroom and the others join.
fn begin(rng: &mut SeededRng, acts: &mut Vec<Act>, people: usize, is_orderly: bool, kinds: &[(Kind, usize)]) {
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
        let role = rng.pick(&[
            Role::Lead,
            Role::Teacher,
            Role::Student,
            Role::Student,
            Role::Guest,
        ]);
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

fn fault(rng: &mut SeededRng, kinds: &[(Kind, usize)]) -> Act {
    let device = number(rng);
    let tab = number(rng);
    let mut at = rng.below(kinds.iter().map(|(_, weight)| weight).sum());
    let kind = kinds.iter().find(|(_, weight)| {
        let is_it = at < *weight;
        at = at.saturating_sub(*weight);
        is_it
    });
    let is_first = rng.percent(50);
    match kind.map_or(Kind::Cut, |(kind, _)| *kind) {
        Kind::Cut if is_first => Act::Cut {
            device,
            arriving: number(rng) % 4,
            noticed: rng.percent(50),
        },
        Kind::Stall if is_first => Act::Stall { device },
        Kind::Cut | Kind::Stall => Act::Link { device },
        Kind::CrashTab => Act::CrashTab {
            device,
            tab,
            written: is_first,
        },
        Kind::CrashDevice => Act::CrashDevice {
            device,
            written: is_first,
            surviving: number(rng) % 4,
        },
        Kind::Tabs if is_first => Act::OpenTab { device },
        Kind::Tabs => Act::CloseTab { device, tab },
        Kind::Disk if is_first => Act::FillDisk { device },
        Kind::Disk => Act::FreeDisk { device },
        Kind::Copies => Act::Clone { device },
        Kind::Backups if is_first => Act::Backup { device },
        Kind::Backups => Act::Restore { device },
        Kind::Relay if rng.percent(60) => Act::CrashRelay { arriving: is_first },
        Kind::Relay => Act::FailCommit { stored: is_first },
        Kind::Loss if is_first => Act::ReplaceRelay {
            empty: tab.is_multiple_of(2),
        },
        Kind::Loss => Act::BackupRelay,
        Kind::Sticks if is_first => Act::Export { device, tab },
        Kind::Sticks => Act::Import {
            device,
            tab,
            stick: number(rng),
            is_cut: tab.is_multiple_of(4),
        },
        Kind::Skew => Act::Skew {
            device,
            hours: rng.pick(&[0, 1, -1, 30_000, -30_000]).unwrap_or_default(),
        },
        Kind::People if is_first => Act::Invite {
            person: device,
            role: Role::Student,
            ask_first: tab.is_multiple_of(3),
        },
        Kind::People | Kind::Asking if rng.percent(50) => Act::Join {
            person: device,
            invite: tab,
        },
        kind => govern(rng, kind, is_first, device, tab),
    }
}

fn govern(rng: &mut SeededRng, kind: Kind, is_first: bool, device: u8, tab: u8) -> Act {
    let role = rng.pick(&[Role::Lead, Role::Teacher, Role::Student, Role::Guest]);
    let what = match kind {
        Kind::Removal if rng.percent(15) => Govern::Leave { school: is_first },
        Kind::Removal => Govern::Remove,
        Kind::Roles => Govern::ChangeRole(role.unwrap_or(Role::Student)),
        Kind::Locks if rng.percent(80) => Govern::Lock(is_first),
        Kind::Locks => Govern::Close(is_first),
        Kind::Keys if rng.percent(50) => Govern::RotateKeys,
        Kind::Keys => Govern::NewGroup,
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
