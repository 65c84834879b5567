//! Who worked on a page when.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use automerge::ChangeHash;

use super::super::Page;
use crate::Error;
use crate::change::Hash;

/// After so many seconds without a change another session begins.
const PAUSE: i64 = 15 * 60;

/// So many seconds one session lasts at most.
const LONGEST: i64 = 60 * 60;

/// Changes that were made one soon after the other, by anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// When its first and its last change were made, in seconds since 1970, by their authors' clocks.
    pub from: i64,
    pub to: i64,
    /// What the page was before and after, as heads.
    pub before: Vec<Hash>,
    pub version: Vec<Hash>,
    /// Who took part, who did most first.
    pub shares: Vec<Share>,
}

/// What one actor did in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub actor: Vec<u8>,
    pub operations: u64,
}

struct Made {
    hash: ChangeHash,
    actor: Vec<u8>,
    time: i64,
    operations: u64,
    needs: Vec<ChangeHash>,
}

impl Page {
    /// The sessions of work, the first first. The same on every replica that has the same changes: in the order of their times,
    /// but each change behind those that it was made upon.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn sessions(&mut self) -> Result<Vec<Session>, Error> {
        self.document.committed()?;
        let changes: Vec<Made> = self
            .document
            .automerge
            .get_changes_meta(&[])
            .into_iter()
            .map(|change| Made {
                hash: change.hash,
                actor: change.actor.to_bytes().to_vec(),
                time: change.timestamp,
                operations: (change.max_op + 1).saturating_sub(change.start_op),
                needs: change.deps,
            })
            .collect();

        let mut sessions: Vec<Session> = Vec::new();
        let mut heads: BTreeSet<Hash> = BTreeSet::new();
        let mut done: Vec<(&[u8], u64)> = Vec::new();
        let mut paces: HashMap<&[u8], Pace> = HashMap::new();
        for change in in_order(&changes) {
            let number = sessions.len();
            // Clocks may be years apart: who goes on is told by their own, who comes to it by the session's.
            let pace = paces.get(change.actor.as_slice());
            let goes_on = sessions.last().is_some_and(|session| {
                let own = pace.filter(|pace| is_soon_after(pace.last, change.time));
                match own {
                    Some(pace) if pace.session == number => change.time.saturating_sub(pace.first) <= LONGEST,
                    Some(_) => true,
                    None => {
                        is_soon_after(session.to, change.time)
                            && change.time.saturating_sub(session.from) <= LONGEST
                    }
                }
            });
            if !goes_on {
                end(&mut sessions, &heads, &mut done);
                sessions.push(Session {
                    from: change.time,
                    to: change.time,
                    before: heads.iter().copied().collect(),
                    version: Vec::new(),
                    shares: Vec::new(),
                });
            }
            let number = sessions.len();
            let pace = paces.entry(&change.actor).or_insert(Pace {
                session: number,
                first: change.time,
                last: change.time,
            });
            if pace.session != number {
                (pace.session, pace.first) = (number, change.time);
            }
            pace.last = change.time;
            for needed in &change.needs {
                heads.remove(&Hash::from(*needed));
            }
            heads.insert(change.hash.into());
            done.push((&change.actor, change.operations));
            if let Some(session) = sessions.last_mut() {
                session.from = session.from.min(change.time);
                session.to = session.to.max(change.time);
            }
        }
        end(&mut sessions, &heads, &mut done);
        Ok(sessions)
    }
}

/// How somebody has worked, by their own clock.
struct Pace {
    /// The number of the session in which they wrote last, and when they wrote there first.
    session: usize,
    first: i64,
    last: i64,
}

fn is_soon_after(before: i64, time: i64) -> bool {
    time.abs_diff(before) <= PAUSE.unsigned_abs()
}

fn end(sessions: &mut [Session], heads: &BTreeSet<Hash>, done: &mut Vec<(&[u8], u64)>) {
    if let Some(session) = sessions.last_mut() {
        session.version = heads.iter().copied().collect();
        session.shares = shares(done.drain(..));
    }
}

/// Who did how much, who did most first.
pub(super) fn shares<'a>(done: impl Iterator<Item = (&'a [u8], u64)>) -> Vec<Share> {
    let mut shares: BTreeMap<&[u8], u64> = BTreeMap::new();
    for (actor, operations) in done {
        *shares.entry(actor).or_default() += operations;
    }
    let mut shares: Vec<Share> = shares
        .into_iter()
        .map(|(actor, operations)| Share {
            actor: actor.to_vec(),
            operations,
        })
        .collect();
    shares.sort_by(|one, other| {
        other
            .operations
            .cmp(&one.operations)
            .then(one.actor.cmp(&other.actor))
    });
    shares
}

/// By time, and then by hash, as far as what was made upon what allows.
fn in_order(changes: &[Made]) -> Vec<&Made> {
    let here: HashSet<&ChangeHash> = changes.iter().map(|change| &change.hash).collect();
    let mut followers: HashMap<&ChangeHash, Vec<usize>> = HashMap::new();
    let mut missing: Vec<usize> = Vec::new();
    let mut ready: BTreeSet<(i64, ChangeHash, usize)> = BTreeSet::new();
    for (index, change) in changes.iter().enumerate() {
        let needs: Vec<&ChangeHash> = change.needs.iter().filter(|hash| here.contains(hash)).collect();
        missing.push(needs.len());
        if needs.is_empty() {
            ready.insert((change.time, change.hash, index));
        }
        for needed in needs {
            followers.entry(needed).or_default().push(index);
        }
    }
    let mut order = Vec::new();
    while let Some((_, hash, index)) = ready.pop_first() {
        order.push(&changes[index]);
        for follower in followers.remove(&hash).unwrap_or_default() {
            missing[follower] -= 1;
            if missing[follower] == 0 {
                let change = &changes[follower];
                ready.insert((change.time, change.hash, follower));
            }
        }
    }
    order
}
