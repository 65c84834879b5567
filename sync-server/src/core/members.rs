//! What the members who are connected take of the relay, over all their connections: how many these are, and how fast
//! they submit.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::{MemberId, Refusal};

use super::Moment;
use super::bucket::Bucket;
use crate::settings::Limits;

/// From how many known members on those are looked for who can be forgotten.
const LOOK: usize = 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Members {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    members: HashMap<MemberId, Uses>,
    /// When to look again for who can be forgotten.
    look_at: usize,
}

#[derive(Debug)]
struct Uses {
    connections: usize,
    submissions: Bucket,
    /// Counted apart: else what somebody asks with several devices would use up what they may submit.
    exchanges: Bucket,
}

/// A connection of a member, until it is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    members: Arc<Members>,
    member: MemberId,
}

impl Members {
    /// One more connection of a member.
    pub(crate) fn enter(
        self: &Arc<Self>,
        member: MemberId,
        limits: &Limits,
        now: Moment,
    ) -> Result<Presence, Refusal> {
        let mut known = self.known.lock();
        known.forget(now);
        let uses = known.members.entry(member).or_insert_with(|| Uses {
            connections: 0,
            submissions: Bucket::new(limits.submissions, now.elapsed),
            exchanges: Bucket::new(limits.submissions, now.elapsed),
        });
        if uses.connections >= limits.connections_per_member {
            return Err(Refusal::TooManyConnections);
        }
        uses.connections += 1;
        Ok(Presence {
            members: Arc::clone(self),
            member,
        })
    }
}

impl Known {
    /// Forgets who left, unless coming back at once would let them submit or ask more.
    fn forget(&mut self, now: Moment) {
        if self.members.len() >= self.look_at.max(LOOK) {
            self.members.retain(|_, uses| {
                let is_new = uses.submissions.is_full(now.elapsed) && uses.exchanges.is_full(now.elapsed);
                uses.connections > 0 || !is_new
            });
            self.look_at = 2 * self.members.len();
        }
    }
}

impl Presence {
    pub(crate) fn member(&self) -> MemberId {
        self.member
    }

    /// Whether the member may submit one more item now.
    pub(crate) fn may_submit(&self, now: Moment) -> bool {
        let mut known = self.members.known.lock();
        let uses = known.members.get_mut(&self.member);
        uses.is_some_and(|uses| uses.submissions.take(now.elapsed))
    }

    /// Whether the member may make one more exchange now: as often as they may submit something.
    pub(crate) fn may_exchange(&self, now: Moment) -> bool {
        let mut known = self.members.known.lock();
        let uses = known.members.get_mut(&self.member);
        uses.is_some_and(|uses| uses.exchanges.take(now.elapsed))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(uses) = self.members.known.lock().members.get_mut(&self.member) {
            uses.connections -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use protocol::{MemberId, Refusal};

    use super::{LOOK, Members};
    use crate::core::Moment;
    use crate::settings::{Limits, Rate};

    fn at(seconds: u64) -> Moment {
        Moment {
            elapsed: Duration::from_secs(seconds),
            clock: seconds,
        }
    }

    #[test]
    fn connections_of_one_member_share_what_they_may() {
        let limits = Limits {
            connections_per_member: 2,
            submissions: Rate {
                per_second: 1,
                at_once: 3,
            },
            ..Limits::default()
        };
        let members = Arc::new(Members::default());
        let (one, other) = (MemberId([1; 32]), MemberId([2; 32]));
        let first = members.enter(one, &limits, at(0)).unwrap();
        let second = members.enter(one, &limits, at(0)).unwrap();
        assert_eq!(
            members.enter(one, &limits, at(0)).unwrap_err(),
            Refusal::TooManyConnections
        );
        let third = members.enter(other, &limits, at(0)).unwrap();
        assert!(first.may_submit(at(0)) && second.may_submit(at(0)) && first.may_submit(at(0)));
        assert!(!first.may_submit(at(0)) && !second.may_submit(at(0)));
        assert!(third.may_submit(at(0)));
        assert!(second.may_submit(at(1)) && !first.may_submit(at(1)));
        // Coming back brings nothing.
        drop((first, second));
        let again = members.enter(one, &limits, at(1)).unwrap();
        assert!(!again.may_submit(at(1)));
        // What they ask by exchanges is counted apart.
        assert!((0..3).all(|_| again.may_exchange(at(1))));
        assert!(!again.may_exchange(at(1)) && again.may_submit(at(2)));
    }

    #[test]
    fn who_left_is_forgotten_in_time() {
        let limits = Limits::default();
        let members = Arc::new(Members::default());
        let stays = members.enter(MemberId([0xff; 32]), &limits, at(0)).unwrap();
        for number in 0..10 * LOOK {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            let presence = members.enter(MemberId(id), &limits, at(0)).unwrap();
            assert!(presence.may_submit(at(0)));
        }
        // They all submitted something a moment ago.
        assert!(members.known.lock().members.len() > 10 * LOOK);
        for number in 0..8 * LOOK {
            let mut id = [1; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            members.enter(MemberId(id), &limits, at(100)).unwrap();
        }
        assert!(members.known.lock().members.len() <= 8 * LOOK + 1);
        assert!(stays.may_submit(at(100)));
    }
}
