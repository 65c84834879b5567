//! What follows when the roster has grown: keys are learnt, more may be read, some may be sent again, and now and then new
//! keys are due.

use protocol::frame::ClientFrame;
use protocol::rand_core::CryptoRng;
use protocol::roster::{MAX_PREVIOUS, Role, Unfit};
use protocol::{ClassroomId, MemberId, SpaceId};

use crate::classroom::{Classroom, Way};
use crate::outgoing::stops_for_now;
use crate::{Error, Replica};

/// How long a lead waits before they make new keys, at least and at most, in milliseconds; others wait longer. Of all who
/// could, the first one does it.
const LEAD_WAITS: (u64, u64) = (1_000, 5_000);
const TEACHER_WAITS: (u64, u64) = (6_000, 20_000);
/// How long after an attempt that failed the next is made, in milliseconds.
const ROTATE_AGAIN: u64 = 60_000;

impl<R: CryptoRng> Replica<R> {
    /// Looks again at what the roster says, wherever it has grown.
    pub(crate) fn settle_rosters(&mut self) -> Result<(), Error> {
        self.give_up_erasures()?;
        let grown: Vec<ClassroomId> = self
            .classrooms
            .values_mut()
            .filter_map(|classroom| classroom.has_grown().then_some(classroom.id))
            .collect();
        for id in grown {
            self.learn_keys(&id);
            self.read_notes(&id);
            if let Some(classroom) = self.classrooms.get_mut(&id) {
                classroom.aside_due = true;
                classroom.send_what_is_unlocked();
            }
            self.see_new_spaces(&id)?;
            self.look_for_erased(&id);
            self.look_for_cuts(&id);
            self.put_cut_aside(&id)?;
            self.leave_cut_lane(&id);
            self.plan_rotation(&id);
        }
        self.tick_cuts();
        let nameless: Vec<ClassroomId> = self
            .classrooms
            .values()
            .filter(|classroom| classroom.asked.is_some() || classroom.record.guest.is_some())
            .map(|classroom| classroom.id)
            .collect();
        for id in nameless {
            self.settle_asked(&id)?;
            self.write_guest_name(&id)?;
        }
        Ok(())
    }

    /// Who comes into a space has not been sent what was there before: everything is asked for from the beginning.
    fn see_new_spaces(&mut self, id: &ClassroomId) -> Result<(), Error> {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return Ok(());
        };
        let mut spaces = classroom.spaces_of(&me.keys.id());
        if classroom.record.invite.is_some() {
            // For the relay they only hold an invite, so far.
            spaces.retain(|space| *space == SpaceId::EVERYONE);
        }
        if classroom.joining.is_some() || classroom.since_spaces == spaces {
            return Ok(());
        }
        let is_new = spaces.iter().any(|space| !classroom.since_spaces.contains(space));
        classroom.since_spaces = spaces;
        let number = classroom.channel.as_ref().map(|channel| channel.number);
        if is_new {
            // Its row stays, which is of fewer spaces: whoever finds it asks from the beginning as well.
            classroom.since_before = classroom.since.take().or(classroom.since_before);
        } else if classroom.since.is_some() {
            self.note_since(id)?;
        }
        if let Some(channel) = number
            && is_new
        {
            self.close_channel(id);
            self.send(&[ClientFrame::Close { channel }]);
            self.open_channel(id);
        }
        Ok(())
    }

    /// Notes when to make new keys, if some are due and nobody else makes them before.
    fn plan_rotation(&mut self, id: &ClassroomId) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get_mut(id)) else {
            return;
        };
        let due = classroom.due(&me.keys.id());
        let Some((role, _)) = due.filter(|(_, due)| !due.is_empty()) else {
            classroom.rotate_at = None;
            return;
        };
        let (least, most) = if role == Role::Lead {
            LEAD_WAITS
        } else {
            TEACHER_WAITS
        };
        let wait = least + u64::from(self.rng.next_u32()) % (most - least);
        classroom.rotate_at.get_or_insert(self.now + wait);
    }

    /// Makes the keys that are due.
    pub(crate) fn tick_rotation(&mut self) {
        let Some(me) = self.me.as_ref().map(|me| me.keys.id()) else {
            return;
        };
        let due: Vec<(ClassroomId, Vec<SpaceId>)> = self
            .classrooms
            .values_mut()
            // Who has not heard everything may not know who has to have them.
            .filter(|classroom| {
                classroom
                    .channel
                    .as_ref()
                    .is_some_and(|channel| channel.caught_up)
            })
            .filter(|classroom| classroom.rotate_at.is_some_and(|at| self.now >= at))
            .map(|classroom| {
                classroom.rotate_at = None;
                let due = classroom.due(&me).map(|(_, due)| due).unwrap_or_default();
                (classroom.id, due)
            })
            .collect();
        for (id, due) in due {
            let exists = |space: &SpaceId| {
                let classroom = self.classrooms.get(&id);
                classroom.is_some_and(|classroom| classroom.roster.current_key(space).is_some())
            };
            let (old, new): (Vec<SpaceId>, Vec<SpaceId>) = due.into_iter().partition(exists);
            let made = new
                .into_iter()
                .try_for_each(|_| self.new_staff(&id))
                .and_then(|()| {
                    if old.is_empty() {
                        Ok(())
                    } else {
                        self.rotate(&id, old)
                    }
                });
            if made.is_err()
                && let Some(classroom) = self.classrooms.get_mut(&id)
            {
                classroom.rotate_at = Some(self.now + ROTATE_AGAIN);
            }
        }
    }
}

impl Classroom {
    /// The spaces that need a new key, of those that `member` may make one for; none for who may make none. A classroom of
    /// the first version has no space of staff yet.
    fn due(&self, member: &MemberId) -> Option<(Role, Vec<SpaceId>)> {
        let role = self.roster.member(member)?.role;
        if !role.is_staff() || self.joining.is_some() {
            return None;
        }
        let mut due: Vec<SpaceId> = self
            .roster
            .spaces()
            .into_iter()
            .filter(|space| {
                // More than one rotation carries somebody has made on purpose: each would take another.
                let is_carried = (1..=MAX_PREVIOUS).contains(&self.left_behind(space).len());
                let is_due = is_carried || self.roster.needs_rotation(space);
                is_due && self.may_rotate(member, space)
            })
            .collect();
        if self.roster.current_key(&SpaceId::STAFF).is_none() {
            due.push(SpaceId::STAFF);
        }
        Some((role, due))
    }

    /// What the relay did not take because of a lock, or of a cut-off, is sent again once that is gone.
    fn send_what_is_unlocked(&mut self) {
        for unsent in self.outbox.values_mut() {
            if matches!(unsent.way, Way::Refused { reason, .. } if stops_for_now(reason)) {
                let header = &unsent.segment.header;
                let is_good = match self.roster.check_segment(header) {
                    Ok(()) => true,
                    Err(Unfit::BeyondCutoff) => self.roster.may_write_again(header),
                    Err(_) => false,
                };
                if is_good {
                    unsent.way = Way::READY;
                }
            }
        }
        self.bring_what_is_allowed();
    }
}
