//! A relay of the world: the real core on a store in memory that survives the relay, and what an observer knows it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use documents::change::Hash;
use protocol::inventory::LogState;
use protocol::roster::{Entry, Role, Roster, Unfit};
use protocol::segment::Log;
use protocol::snapshot::Snapshot;
use protocol::verdict::Verdict;
use protocol::{ClassroomId, MemberId};
use sync_server::Limits;
use sync_server::core::{ExchangeSecret, Moment, Relay as Core, Rules};
use sync_server::store::{Item, Memory, Store as _};

use crate::act::Successor;
use crate::auditor::Auditor;
use crate::broken::{Broken, Rule};
use crate::rng::SeededRng;
use crate::world::START;

/// How much is read of a store at a time.
const PAGE: usize = 1 << 20;

pub(crate) struct Relay {
    pub(crate) core: Core,
    pub(crate) store: Memory,
    limits: Limits,
    /// How far it leaps with each start.
    leaps: SeededRng,
    /// The newest that it had, which no backup takes back.
    incarnation: u64,
    /// What the challenges of requests come from.
    pub(crate) secret: ExchangeSecret,
    /// Whether it is of the next version.
    pub(crate) is_next: bool,
    /// How far its clock is ahead, in seconds.
    pub(crate) ahead: i64,
    /// How often it did something that its sessions may have to tell.
    pub(crate) news: u64,
    backup: Option<Memory>,
    held: BTreeMap<ClassroomId, Held>,
    /// Up to where logs are gone, and that was found to be right.
    dropped: BTreeMap<(ClassroomId, Log), u64>,
}

/// What a relay stores of a classroom, up to a position.
#[derive(Default)]
struct Held {
    position: u64,
    changes: BTreeSet<Hash>,
    roster: Option<Roster>,
}

impl Relay {
    pub(crate) fn new(seed: &str, incarnation: u64, limits: Limits) -> Self {
        let store = Memory::new(incarnation);
        let mut leaps = SeededRng::new(&format!("{seed} leaps {incarnation}"));
        Self {
            core: core_on(&store, &limits, leap(&mut leaps)),
            store,
            limits,
            leaps,
            incarnation,
            secret: ExchangeSecret::new([u8::try_from(incarnation).unwrap_or_default(); 32]),
            is_next: false,
            ahead: 0,
            news: 0,
            backup: None,
            held: BTreeMap::new(),
            dropped: BTreeMap::new(),
        }
    }

    /// The time as it is told, `now` being in milliseconds since 1970.
    pub(crate) fn moment(&self, now: u64) -> Moment {
        Moment {
            elapsed: Duration::from_millis(now.saturating_sub(START)),
            clock: (now / 1000).saturating_add_signed(self.ahead),
        }
    }

    /// It is killed and started again on what it committed.
    pub(crate) fn restart(&mut self) {
        self.core = core_on(&self.store, &self.limits, leap(&mut self.leaps));
    }

    /// It is started on a disk that has lost the newest commits, and gives their positions out again.
    pub(crate) fn restart_without(&mut self, commits: usize) {
        self.store.rewind(self.store.batches().saturating_sub(commits));
        self.held.clear();
        self.core = core_on(&self.store, &self.limits, 0);
    }

    /// It comes back as one that nobody knows, with all that it has.
    pub(crate) fn renew(&mut self) {
        let incarnation = self.next_incarnation();
        self.store.renew_incarnation(incarnation);
        self.restart();
    }

    /// One that no other relay ever has.
    fn next_incarnation(&mut self) -> u64 {
        self.incarnation += 100;
        self.incarnation
    }

    /// All that is stored is looked at once more.
    pub(crate) fn look_again(&mut self) {
        self.held.clear();
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.store.copy());
    }

    /// Another relay on a store that this one may have open.
    pub(crate) fn again_on(&self, store: &Memory) -> Core {
        core_on(store, &self.limits, 0)
    }

    /// Another one takes its place. That it has a backup shows by the positions that it never gave out, whether its operator says
    /// so or not.
    pub(crate) fn replace(&mut self, by: Successor) {
        let incarnation = self.next_incarnation();
        let backup = self.backup.as_ref().filter(|_| by != Successor::Empty);
        self.store = backup.map_or_else(|| Memory::new(incarnation), Memory::copy);
        if by == Successor::Restored {
            self.store.renew_incarnation(incarnation);
        }
        self.look_again();
        self.dropped.clear();
        self.restart();
    }

    /// What is gone by now of a log is in a snapshot that leads or teachers of two schools, or two leads, have compared, other
    /// than who made it, and of which none of them says that it does not match. Later they may have another role.
    pub(crate) fn check_drops(&mut self) -> Result<(), Broken> {
        if self.limits.retention.is_none() {
            return Ok(());
        }
        for id in Rule::IsItsLog.check(self.store.classrooms())? {
            let logs = Rule::IsItsLog.check(self.store.logs(&id))?;
            let mut gone: Vec<LogState> = logs.into_iter().filter(|state| state.first > 0).collect();
            gone.retain(|state| {
                let before = self.dropped.insert((id, state.log), state.first);
                before.is_none_or(|before| before < state.first)
            });
            if gone.is_empty() {
                continue;
            }
            let (mut snapshots, mut verdicts) = (Vec::new(), Vec::new());
            let mut roster: Option<Roster> = None;
            for placed in Rule::IsItsLog.check(self.store.page(&id, 0, usize::MAX))? {
                match placed.item {
                    Item::Snapshot { hash, bytes, .. } => {
                        snapshots.push((hash, Rule::IsItsLog.check(Snapshot::decode(&bytes))?.header));
                    }
                    Item::Verdict { bytes, .. } => {
                        verdicts.push(Rule::IsItsLog.check(Verdict::decode(&bytes))?.statement);
                    }
                    Item::Entry { bytes, .. } => {
                        let entry = Rule::IsItsLog.check(Entry::decode(&bytes))?;
                        match &mut roster {
                            Some(roster) => drop(Rule::IsItsLog.check(roster.add(entry))?),
                            None => roster = Some(Rule::IsItsLog.check(Roster::found(entry))?),
                        }
                    }
                    Item::Segment { .. } | Item::Receipt { .. } => {}
                }
            }
            let member = |id: &MemberId| roster.as_ref()?.member(id);
            for state in gone {
                let holds = snapshots.iter().any(|(hash, header)| {
                    let covers = header
                        .covered(&state.log)
                        .is_some_and(|lane| lane.next >= state.first);
                    let staff = || {
                        let verdicts = verdicts.iter().filter(|verdict| verdict.snapshot == *hash);
                        let by = verdicts.filter_map(|verdict| Some((verdict, member(&verdict.member)?)));
                        by.filter(|(_, member)| member.role.is_staff())
                    };
                    let witnesses = || {
                        let others = staff().filter(|(verdict, _)| verdict.member != header.member);
                        others.filter(|(verdict, _)| verdict.matches)
                    };
                    let leads = witnesses().filter(|(_, member)| member.role == Role::Lead);
                    let leads: BTreeSet<MemberId> = leads.map(|(verdict, _)| verdict.member).collect();
                    let schools: BTreeSet<_> = witnesses().map(|(_, member)| member.school).collect();
                    let is_disputed = staff().any(|(verdict, _)| !verdict.matches);
                    covers && !is_disputed && (leads.len() >= 2 || schools.len() >= 2)
                });
                Rule::DropsNothing.holds(holds, || format!("{state:?} of {snapshots:?}"))?;
            }
        }
        Ok(())
    }

    /// Whether all whom it knew as members of a classroom have left, or were removed: nobody comes by what it has.
    pub(crate) fn is_left(&self, classroom: &ClassroomId) -> bool {
        let roster = self.held.get(classroom).and_then(|held| held.roster.as_ref());
        roster.is_some_and(|roster| roster.members().next().is_none())
    }

    /// Whether it knows that somebody was removed from a classroom, or left.
    pub(crate) fn knows_as_former(&self, classroom: &ClassroomId, member: &MemberId) -> bool {
        let roster = self.held.get(classroom).and_then(|held| held.roster.as_ref());
        roster.is_some_and(|roster| roster.former_members().contains(member))
    }

    /// Whether a change is stored here.
    pub(crate) fn holds(
        &mut self,
        auditor: &mut Auditor,
        classroom: &ClassroomId,
        change: &Hash,
    ) -> Result<bool, Broken> {
        let held = self.held.entry(*classroom).or_default();
        loop {
            let page = Rule::IsItsLog.check(self.store.page(classroom, held.position, PAGE))?;
            if page.is_empty() {
                return Ok(held.changes.contains(change));
            }
            for placed in page {
                held.position = placed.position;
                match placed.item {
                    Item::Entry { bytes, .. } => {
                        auditor.entry(classroom, &bytes);
                        let entry = Rule::IsItsLog.check(Entry::decode(&bytes))?;
                        match &mut held.roster {
                            Some(roster) => drop(Rule::ObeysRoster.check(roster.add(entry))?),
                            None => held.roster = Some(Rule::ObeysRoster.check(Roster::found(entry))?),
                        }
                    }
                    Item::Segment { hash, segment } => {
                        let header = &segment.header;
                        let roster = held.roster.as_ref();
                        let fits = roster.map(|roster| roster.check_segment(header));
                        let author = roster.and_then(|roster| roster.member(&header.log.member));
                        let erased = roster.and_then(|roster| roster.erased(&header.log.document));
                        // Others may have built on what lies beyond, and who may write again themselves.
                        let is_needed = matches!(fits, Some(Err(Unfit::BeyondCutoff)))
                            && erased.is_none()
                            && author.is_some_and(|author| author.role.may_write());
                        let is_allowed =
                            matches!(fits, Some(Ok(()))) || is_needed || auditor.is_vouched_for(&hash);
                        Rule::ObeysRoster.holds(is_allowed, || format!("{fits:?}: {header:?}"))?;
                        held.changes.extend(auditor.changes(classroom, &segment));
                    }
                    Item::Snapshot { .. } | Item::Verdict { .. } | Item::Receipt { .. } => {}
                }
            }
        }
    }
}

fn core_on(store: &Memory, limits: &Limits, leap: u64) -> Core {
    let rules = Rules {
        leap,
        ..Rules::new(limits.clone())
    };
    Core::new(Arc::new(store.clone()), rules)
}

/// As far as a relay leaps when it starts: between 2^32 and 2^41.
fn leap(rng: &mut SeededRng) -> u64 {
    let (high, low) = (rng.number() & 0xff, rng.number());
    (1 << 32) + (u64::from(high) << 32) + u64::from(low)
}
