//! Who may write and read what, by the roster.

use std::time::Duration;

use protocol::bounded::Bytes;
use protocol::frame::{ClientFrame, RelayFrame};
use protocol::key::EpochKey;
use protocol::roster::{Action, Cutoff, Entry, Role, Unfit};
use protocol::segment::Log;
use protocol::whisper::Whisper;
use protocol::{DocumentId, LaneId, Refusal, SegmentHash, SpaceId};
use sync_server::core::{Moment, Relay};

use crate::classroom::{Invite, member, rng};
use crate::client::CHANNEL;
use crate::driven::{Client, NOW, Outcome, World, rotation};

fn hears_segment(client: &mut Client, relay: &mut Relay) -> bool {
    !client.segments(relay).is_empty()
}

#[test]
fn locked_documents_take_what_staff_writes_or_vouches_for() {
    let mut world = World::new();
    let (student, teacher) = (world.join(Role::Student), world.join(Role::Teacher));
    let document = DocumentId([9; 16]);
    let mut lane = world.classroom.lane(&student, world.heads());
    let (before, late, third) = (lane.write("before"), lane.write("late"), lane.write("third"));
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    let mut staff = Client::open(&mut world.relay, &teacher, world.classroom.id);
    own.hear(&mut world.relay);
    assert_eq!(own.store(&mut world.relay, &before), Outcome::Stored);
    world.lead(Action::Lock {
        document,
        locked: true,
    });
    assert_eq!(
        own.store(&mut world.relay, &late),
        Outcome::Refused(Refusal::Locked)
    );
    let lesson = world.classroom.lane(&teacher, world.heads()).write("lesson");
    assert_eq!(staff.store(&mut world.relay, &lesson), Outcome::Stored);
    // A teacher brings it back to a relay that had lost it.
    assert_eq!(staff.store(&mut world.relay, &late), Outcome::Stored);
    world.lead(Action::Lock {
        document,
        locked: false,
    });
    assert_eq!(own.store(&mut world.relay, &third), Outcome::Stored);
}

#[test]
fn what_a_teacher_wrote_in_a_locked_document_is_brought_by_anybody_when_they_are_gone() {
    let mut world = World::new();
    let (student, teacher) = (world.join(Role::Student), world.join(Role::Teacher));
    world.lead(Action::Lock {
        document: DocumentId([9; 16]),
        locked: true,
    });
    let mut lane = world.classroom.lane(&teacher, world.heads());
    let log = lane.log;
    let (lesson, unseen) = (lane.write("lesson"), lane.write("unseen"));
    let cutoff = Cutoff {
        document: log.document,
        lane: log.lane,
        next: 1,
    };
    let removal = world.removal(teacher.id(), vec![cutoff]);
    world.lead(removal);
    // This relay never had it.
    let mut other = Client::open(&mut world.relay, &student, world.classroom.id);
    assert_eq!(other.store(&mut world.relay, &lesson), Outcome::Stored);
    // As ever, beyond a cut-off: each replica judges it.
    assert_eq!(other.store(&mut world.relay, &unseen), Outcome::Stored);
    let mut late = world.classroom.lane(&student, world.heads());
    assert_eq!(
        other.store(&mut world.relay, &late.write("late")),
        Outcome::Refused(Refusal::Locked)
    );
}

#[test]
fn nobody_writes_in_a_closed_classroom() {
    let mut world = World::new();
    let words = world
        .classroom
        .lane(&world.classroom.founder, world.heads())
        .write("words");
    world.lead(Action::Close { closed: true });
    let closed = Outcome::Refused(Refusal::ClassroomClosed);
    assert_eq!(world.founder.store(&mut world.relay, &words), closed);
    world.lead(Action::Close { closed: false });
    assert_eq!(world.founder.store(&mut world.relay, &words), Outcome::Stored);
}

#[test]
fn who_was_removed_hears_no_more_and_is_cut_off_where_the_remover_said() {
    let mut world = World::new();
    let (student, other) = (world.join(Role::Student), world.join(Role::Student));
    let mut lane = world.classroom.lane(&student, world.heads());
    let log = lane.log;
    let (seen, unseen) = (lane.write("seen"), lane.write("unseen"));
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    assert_eq!(own.store(&mut world.relay, &seen), Outcome::Stored);
    let cutoff = Cutoff {
        document: log.document,
        lane: log.lane,
        next: 1,
    };
    let removal = world.removal(student.id(), vec![cutoff]);
    world.lead(removal);
    // They see the entry that says so, then nothing; and again if they come back.
    let mut back = Client::open(&mut world.relay, &student, world.classroom.id);
    for (client, entries) in [(&mut own, 1), (&mut back, world.roster.len())] {
        let mut told = client.hear(&mut world.relay);
        let (channel, reason) = (CHANNEL, Refusal::NotAMember);
        assert_eq!(told.pop(), Some(RelayFrame::Closed { channel, reason }));
        let is_entry = |frame: &&RelayFrame| matches!(frame, RelayFrame::Entry { .. });
        assert_eq!(told.iter().filter(is_entry).count(), entries);
        assert!(
            !told
                .iter()
                .any(|frame| matches!(frame, RelayFrame::Segment { .. }))
        );
    }

    // What the remover had not seen comes in only by somebody who may have built on it.
    let mut friend = Client::open(&mut world.relay, &other, world.classroom.id);
    assert_eq!(friend.store(&mut world.relay, &seen), Outcome::Held);
    assert_eq!(friend.store(&mut world.relay, &unseen), Outcome::Stored);
}

#[test]
fn a_fold_does_not_reach_across_a_cutoff() {
    let mut world = World::new();
    let (student, other) = (world.join(Role::Student), world.join(Role::Student));
    let lane = world.classroom.lane(&student, world.heads());
    let log = lane.log;
    let mut writing = lane.clone();
    let segments: Vec<_> = (0..4)
        .map(|number| writing.write(&format!("word {number}")))
        .collect();
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    for segment in &segments {
        assert_eq!(own.store(&mut world.relay, segment), Outcome::Stored);
    }
    let across = lane.fold(&segments, 1, 2);
    let (before, behind) = (lane.fold(&segments, 0, 1), lane.fold(&segments, 2, 3));
    let cutoff = Cutoff {
        document: log.document,
        lane: log.lane,
        next: 2,
    };
    let removal = world.removal(student.id(), vec![cutoff]);
    world.lead(removal);
    let mut friend = Client::open(&mut world.relay, &other, world.classroom.id);
    friend.hear(&mut world.relay);
    assert_eq!(
        friend.store(&mut world.relay, &across),
        Outcome::Refused(Refusal::BeyondCutoff)
    );
    for fold in [&before, &behind] {
        assert_eq!(friend.store(&mut world.relay, fold), Outcome::Stored);
    }
}

#[test]
fn who_left_a_space_writes_there_no_more_whatever_past_they_name() {
    let mut world = World::new();
    let teacher = world.join(Role::Teacher);
    let mut lane = world.classroom.lane(&teacher, world.heads());
    lane.log.document = DocumentId([4; 16]);
    let plan = lane.seal(SpaceId::STAFF, 0, vec![1; 20]);
    lane.next = 1;
    lane.previous = plan.hash(&world.classroom.id).unwrap();
    let more = lane.seal(SpaceId::STAFF, 0, vec![2; 20]);
    let demotion = |rotations| Action::ChangeRole {
        member: teacher.id(),
        role: Role::Student,
        cutoffs: Vec::new(),
        keys: Vec::new(),
        rotations,
    };
    let author = world.classroom.founder.id();
    let recipients = world
        .roster
        .recipients_after(&author, &demotion(Vec::new()), &SpaceId::STAFF);
    let staff = rotation(&world.classroom, SpaceId::STAFF, recipients);
    world.lead(demotion(vec![staff]));
    let mut own = Client::open(&mut world.relay, &teacher, world.classroom.id);
    own.hear(&mut world.relay);
    let not_in_space = Outcome::Refused(Refusal::NotInSpace);
    assert_eq!(own.store(&mut world.relay, &plan), not_in_space);
    // It was written before, and stored somewhere else: those who are there bring it. That opens no way for others.
    assert_eq!(world.founder.store(&mut world.relay, &plan), Outcome::Stored);
    assert_eq!(own.store(&mut world.relay, &more), not_in_space);
    // Elsewhere they write as before.
    let words = world.classroom.lane(&teacher, world.heads()).write("words");
    assert_eq!(own.store(&mut world.relay, &words), Outcome::Stored);
}

#[test]
fn a_demoted_member_is_cut_off_but_reads_on() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let mut lane = world.classroom.lane(&student, world.heads());
    let words = lane.write("words");
    // The lane is known, though not for what they write in this document.
    let elsewhere = Cutoff {
        document: DocumentId([4; 16]),
        lane: lane.log.lane,
        next: 1,
    };
    let becomes = |role, cutoffs| Action::ChangeRole {
        member: student.id(),
        role,
        cutoffs,
        keys: Vec::new(),
        rotations: Vec::new(),
    };
    world.lead(becomes(Role::Guest, vec![elsewhere]));
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    assert_eq!(
        own.store(&mut world.relay, &words),
        Outcome::Refused(Refusal::BeyondCutoff)
    );
    let mut later = world.classroom.lane(&student, world.heads());
    later.log.lane = LaneId([8; 16]);
    assert_eq!(
        own.store(&mut world.relay, &later.write("now")),
        Outcome::Refused(Refusal::NotAllowed)
    );
    let lesson = world
        .classroom
        .lane(&world.classroom.founder, world.heads())
        .write("lesson");
    assert_eq!(world.founder.store(&mut world.relay, &lesson), Outcome::Stored);
    assert!(hears_segment(&mut own, &mut world.relay));

    // Once they may write again they have built on it, maybe, on a lane that is not cut.
    world.lead(becomes(Role::Student, Vec::new()));
    assert_eq!(
        world.roster.check_segment(&words.header),
        Err(Unfit::BeyondCutoff)
    );
    assert_eq!(own.store(&mut world.relay, &words), Outcome::Stored);
    let mut new = world.classroom.lane(&student, world.heads());
    new.log.lane = LaneId([8; 16]);
    assert_eq!(own.store(&mut world.relay, &new.write("now")), Outcome::Stored);
}

/// That opens neither a locked page nor a closed classroom to them, and no fold takes the place of what still counts.
#[test]
fn who_may_write_again_brings_what_lies_beyond_where_they_may_write_now() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let lane = world.classroom.lane(&student, world.heads());
    let Log {
        document, lane: id, ..
    } = lane.log;
    let mut writing = lane.clone();
    let words: Vec<_> = ["seen", "unseen", "unseen"]
        .map(|word| writing.write(word))
        .into();
    let (across, behind) = (lane.fold(&words, 0, 2), lane.fold(&words, 1, 2));
    let becomes = |role, cutoffs| Action::ChangeRole {
        member: student.id(),
        role,
        cutoffs,
        keys: Vec::new(),
        rotations: Vec::new(),
    };
    let seen = Cutoff {
        document,
        lane: id,
        next: 1,
    };
    world.lead(becomes(Role::Guest, vec![seen]));
    world.lead(becomes(Role::Student, Vec::new()));
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    let beyond = Outcome::Refused(Refusal::BeyondCutoff);
    assert_eq!(own.store(&mut world.relay, &across), beyond);
    assert_eq!(own.store(&mut world.relay, &words[0]), Outcome::Stored);
    let lock = |locked| Action::Lock { document, locked };
    for (shut, open) in [
        (lock(true), lock(false)),
        (Action::Close { closed: true }, Action::Close { closed: false }),
    ] {
        world.lead(shut);
        assert_eq!(own.store(&mut world.relay, &words[1]), beyond);
        world.lead(open);
    }
    for segment in [&words[1], &words[2], &behind] {
        assert_eq!(own.store(&mut world.relay, segment), Outcome::Stored);
    }
}

#[test]
fn who_may_write_again_brings_nothing_into_a_space_that_they_left() {
    let mut world = World::new();
    let teacher = world.join(Role::Teacher);
    let mut lane = world.classroom.lane(&teacher, world.heads());
    let words = lane.write("words");
    lane.log.document = DocumentId([4; 16]);
    (lane.next, lane.previous) = (0, SegmentHash::NONE);
    let plan = lane.seal(SpaceId::STAFF, 0, vec![1; 20]);
    // The lane is known, though not for what they write in these documents.
    let elsewhere = Cutoff {
        document: DocumentId([5; 16]),
        lane: lane.log.lane,
        next: 1,
    };
    let becomes = |role, cutoffs, rotations| Action::ChangeRole {
        member: teacher.id(),
        role,
        cutoffs,
        keys: Vec::new(),
        rotations,
    };
    let lead = world.classroom.founder.id();
    let guest = becomes(Role::Guest, vec![elsewhere], Vec::new());
    let recipients = world.roster.recipients_after(&lead, &guest, &SpaceId::STAFF);
    let staff = rotation(&world.classroom, SpaceId::STAFF, recipients);
    world.lead(becomes(Role::Guest, vec![elsewhere], vec![staff]));
    world.lead(becomes(Role::Student, Vec::new(), Vec::new()));
    let mut own = Client::open(&mut world.relay, &teacher, world.classroom.id);
    own.hear(&mut world.relay);
    assert_eq!(
        own.store(&mut world.relay, &plan),
        Outcome::Refused(Refusal::BeyondCutoff)
    );
    assert_eq!(own.store(&mut world.relay, &words), Outcome::Stored);
}

#[test]
fn a_space_is_read_and_written_by_who_is_in_it() {
    let mut world = World::new();
    let (student, teacher, hub) = (
        world.join(Role::Student),
        world.join(Role::Teacher),
        world.join(Role::Carrier),
    );
    let id = world.classroom.id;
    let mut clients = [&student, &teacher, &hub].map(|keys| Client::open(&mut world.relay, keys, id));
    for client in &mut clients {
        client.hear(&mut world.relay);
    }
    let mut lane = world.classroom.lane(&world.classroom.founder, world.heads());
    lane.log.document = DocumentId([4; 16]);
    let secret = lane.seal(SpaceId::STAFF, 0, vec![1; 20]);
    assert_eq!(world.founder.store(&mut world.relay, &secret), Outcome::Stored);
    let heard = clients
        .each_mut()
        .map(|client| hears_segment(client, &mut world.relay));
    assert_eq!(heard, [false, true, true]);
    // Nor later, in the list of what there is, or from the beginning; by name: `extras.rs`.
    let listed = clients
        .each_mut()
        .map(|client| client.inventory(&mut world.relay).logs.len());
    assert_eq!(listed, [0, 1, 1]);
    let again = [&student, &teacher, &hub].map(|keys| {
        let mut client = Client::open(&mut world.relay, keys, id);
        hears_segment(&mut client, &mut world.relay)
    });
    assert_eq!(again, [false, true, true]);

    // What is whispered there is heard there, and from who is not in it nobody takes it.
    let whisper = |keys| {
        let (space, key) = (SpaceId::STAFF, &world.classroom.key);
        let whisper = Whisper::seal(keys, &id, space, 0, key, b"here", &mut rng()).unwrap();
        ClientFrame::Whisper {
            channel: CHANNEL,
            whisper: Bytes::new("whisper", whisper.encode().unwrap()).unwrap(),
        }
    };
    let [own, staff, carrier] = &mut clients;
    let heard = |client: &mut Client, relay: &mut Relay| {
        let frames = client.hear(relay);
        assert!(
            frames
                .iter()
                .all(|frame| matches!(frame, RelayFrame::Whisper { .. })),
            "{frames:?}"
        );
        frames.len()
    };
    world.founder.hear(&mut world.relay);
    own.send(&mut world.relay, &whisper(&student));
    carrier.send(&mut world.relay, &whisper(&hub));
    assert_eq!(heard(&mut world.founder, &mut world.relay), 0);
    staff.send(&mut world.relay, &whisper(&teacher));
    assert_eq!(heard(&mut world.founder, &mut world.relay), 1);
    for client in [own, staff, carrier] {
        assert_eq!(heard(client, &mut world.relay), 0);
    }
    let [own, staff, carrier] = &mut clients;
    world
        .founder
        .send(&mut world.relay, &whisper(&world.classroom.founder));
    let by_role = [own, staff, carrier].map(|client| heard(client, &mut world.relay));
    assert_eq!(by_role, [0, 1, 0]);

    // A document stays in its space, and a student is not in that of staff.
    let everyone = world.classroom.lane(&world.classroom.founder, world.heads());
    let mut moved = everyone.clone();
    moved.log.document = DocumentId([4; 16]);
    let moved = moved.seal(SpaceId::EVERYONE, 0, vec![1]);
    assert_eq!(
        world.founder.store(&mut world.relay, &moved),
        Outcome::Refused(Refusal::WrongSpace)
    );
    let mut foreign = world.classroom.lane(&student, world.heads());
    foreign.log.document = DocumentId([4; 16]);
    let foreign = foreign.seal(SpaceId::STAFF, 0, vec![1]);
    assert_eq!(
        clients[0].store(&mut world.relay, &foreign),
        Outcome::Refused(Refusal::NotInSpace)
    );

    // Items that a reader may not see do not keep them from catching up.
    let words = everyone.clone().write("words");
    assert_eq!(world.founder.store(&mut world.relay, &words), Outcome::Stored);
    assert_eq!(clients[0].segments(&mut world.relay), [words]);
}

#[test]
fn who_comes_to_read_more_is_told_what_went_by() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    let mut lane = world.classroom.lane(&world.classroom.founder, world.heads());
    lane.log.document = DocumentId([4; 16]);
    let secret = lane.seal(SpaceId::STAFF, 0, vec![1; 20]);
    assert_eq!(world.founder.store(&mut world.relay, &secret), Outcome::Stored);
    assert!(own.hear(&mut world.relay).is_empty());
    world.lead(Action::ChangeRole {
        member: student.id(),
        role: Role::Teacher,
        cutoffs: Vec::new(),
        keys: Vec::new(),
        rotations: Vec::new(),
    });
    let told = own.hear(&mut world.relay);
    let names = told.iter().find_map(|frame| match frame {
        RelayFrame::Inventory { part, .. } => Some(part.logs.len()),
        _ => None,
    });
    assert_eq!(names, Some(1));
}

#[test]
fn an_erased_document_is_gone_and_stays_so() {
    let mut world = World::new();
    let document = DocumentId([9; 16]);
    let mut lane = world.classroom.lane(&world.classroom.founder, world.heads());
    let (one, two) = (lane.write("one"), lane.write("two"));
    assert_eq!(world.founder.store(&mut world.relay, &one), Outcome::Stored);
    world.lead(Action::Erase {
        document,
        successor: DocumentId([10; 16]),
    });
    assert_eq!(
        world.founder.store(&mut world.relay, &two),
        Outcome::Refused(Refusal::Erased)
    );
    assert!(world.founder.inventory(&mut world.relay).logs.is_empty());
    let id = world.classroom.id;
    let mut late = Client::open(&mut world.relay, &world.classroom.founder, id);
    assert!(!hears_segment(&mut late, &mut world.relay));
    let mut again = world.classroom.lane(&world.classroom.founder, world.heads());
    assert_eq!(
        world.founder.store(&mut world.relay, &again.write("anew")),
        Outcome::Refused(Refusal::Erased)
    );
    again.log.document = DocumentId([10; 16]);
    let anew = again.write("anew");
    assert_eq!(anew.header.first, 1);
    let fresh = world.classroom.lane(&world.classroom.founder, world.heads());
    let mut fresh = fresh.clone();
    fresh.log.document = DocumentId([10; 16]);
    assert_eq!(
        world.founder.store(&mut world.relay, &fresh.write("anew")),
        Outcome::Stored
    );
}

/// What somebody else may bring where it does not count, they may not bring there.
#[test]
fn nothing_is_brought_into_an_erased_document_that_was_locked_as_well() {
    let mut world = World::new();
    let student = world.join(Role::Student);
    let document = DocumentId([9; 16]);
    let words = world.classroom.lane(&student, world.heads()).write("words");
    world.lead(Action::Lock {
        document,
        locked: true,
    });
    world.lead(Action::Erase {
        document,
        successor: DocumentId([10; 16]),
    });
    let erased = Outcome::Refused(Refusal::Erased);
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    assert_eq!(own.store(&mut world.relay, &words), erased);
    assert_eq!(world.founder.store(&mut world.relay, &words), erased);
}

/// What came in that its author does not have would be lost: it has to be carried over first.
#[test]
fn nothing_is_erased_that_was_not_carried_over() {
    let mut world = World::new();
    let (document, successor) = (DocumentId([9; 16]), DocumentId([10; 16]));
    let mut lane = world.classroom.lane(&world.classroom.founder, world.heads());
    lane.log.document = document;
    // Behind the founding entry.
    let [one, meanwhile, at_once] = [2, 3, 4].map(|position| (position, lane.write("word")));
    for (_, segment) in [&one, &meanwhile] {
        assert_eq!(world.founder.store(&mut world.relay, segment), Outcome::Stored);
    }
    let action = Action::Erase { document, successor };
    let erase = Entry::act(
        &world.classroom.founder,
        world.classroom.id,
        world.heads(),
        action,
    )
    .unwrap();
    let not_covered = Outcome::Refused(Refusal::NotCovered);
    assert_eq!(
        world.founder.store_erase(&mut world.relay, &erase, one.0),
        not_covered
    );
    // Nor what came in the same moment.
    world.founder.submit(&mut world.relay, &at_once.1);
    world.founder.submit_erase(&mut world.relay, &erase, meanwhile.0);
    let mut outcomes = Vec::new();
    while world.relay.commit(NOW).unwrap() > 0 {}
    for frame in world.founder.hear(&mut world.relay) {
        match frame {
            RelayFrame::Stored { .. } => outcomes.push(Outcome::Stored),
            RelayFrame::Refused { reason, .. } => outcomes.push(Outcome::Refused(reason)),
            _ => {}
        }
    }
    assert!(
        outcomes.contains(&Outcome::Stored) && outcomes.contains(&not_covered),
        "{outcomes:?}"
    );
    assert_eq!(
        world.founder.store_erase(&mut world.relay, &erase, at_once.0),
        Outcome::Stored
    );
    assert!(world.founder.inventory(&mut world.relay).logs.is_empty());
}

/// What another one would put in its place could not have all that there ever was of it. What was taken elsewhere counts.
#[test]
fn what_was_erased_is_not_erased_once_more() {
    let mut world = World::new();
    let [one, other] = [10, 11].map(|successor| {
        let action = Action::Erase {
            document: DocumentId([9; 16]),
            successor: DocumentId([successor; 16]),
        };
        let founder = &world.classroom.founder;
        Entry::act(founder, world.classroom.id, world.heads(), action).unwrap()
    });
    assert_eq!(
        world.founder.store_erase(&mut world.relay, &one, 1),
        Outcome::Stored
    );
    assert_eq!(
        world.founder.store_erase(&mut world.relay, &other, 2),
        Outcome::Refused(Refusal::Erased)
    );
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &other),
        Outcome::Stored
    );
}

#[test]
fn an_invite_that_was_ended_lets_nobody_in() {
    let mut world = World::new();
    let invite = world.classroom.invite(Role::Student, 5, crate::classroom::FAR);
    world.roster.add(invite.entry.clone()).unwrap();
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &invite.entry),
        Outcome::Stored
    );
    let mut reading = open_by(&mut world, &invite);
    assert_eq!(reading.hear(&mut world.relay).len(), 4);
    let student = member();
    let admission = world.classroom.admit(&invite, &student);
    world.roster.add(admission.clone()).unwrap();
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &admission),
        Outcome::Stored
    );
    let mut joined_since = Client::open(&mut world.relay, &student, world.classroom.id);
    reading.hear(&mut world.relay);
    joined_since.hear(&mut world.relay);
    let action = Action::EndInvite {
        invite: invite.entry.hash(),
        rotations: Vec::new(),
    };
    let author = world.classroom.founder.id();
    let recipients = world
        .roster
        .recipients_after(&author, &action, &SpaceId::EVERYONE);
    let action = Action::EndInvite {
        invite: invite.entry.hash(),
        rotations: vec![rotation(&world.classroom, SpaceId::EVERYONE, recipients)],
    };
    world.lead(action);
    let mut joining = open_by(&mut world, &invite);
    let (channel, reason) = (CHANNEL, Refusal::InviteEnded);
    assert_eq!(
        joining.hear(&mut world.relay),
        [RelayFrame::Closed { channel, reason }]
    );
    // Whoever reads by it is told so, and reads no more; whoever joined goes on.
    let told = reading.hear(&mut world.relay);
    assert!(matches!(told[0], RelayFrame::Entry { .. }), "{told:?}");
    assert_eq!(told[1..], [RelayFrame::Closed { channel, reason }]);
    assert!(matches!(
        joined_since.hear(&mut world.relay)[..],
        [RelayFrame::Entry { .. }]
    ));
}

#[test]
fn who_reads_by_an_invite_reads_no_longer_than_it_lasts() {
    let mut world = World::new();
    let invite = world.classroom.invite(Role::Student, 5, NOW.clock + 50);
    world.roster.add(invite.entry.clone()).unwrap();
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &invite.entry),
        Outcome::Stored
    );
    let mut reading = open_by(&mut world, &invite);
    reading.hear(&mut world.relay);
    let at = |seconds| Moment {
        elapsed: NOW.elapsed + Duration::from_secs(seconds),
        clock: NOW.clock + seconds,
    };
    world.relay.tick(at(49));
    assert_eq!(reading.hear(&mut world.relay), []);
    let reason = Refusal::InviteExpired;
    world.relay.tick(at(50));
    assert_eq!(reading.hear(&mut world.relay), [RelayFrame::Ended { reason }]);
    assert_eq!(world.founder.hear(&mut world.relay), []);
}

/// Somebody who is no member reads by an invite.
fn open_by(world: &mut World, invite: &Invite) -> Client {
    let mut client = Client::connect(&mut world.relay, &member(), world.classroom.id);
    let proof = protocol::invite::InviteProof::new(
        &invite.keys,
        crate::driven::ORIGIN,
        &[5; 32],
        &world.classroom.id,
    );
    client.send(
        &mut world.relay,
        &ClientFrame::Open {
            channel: CHANNEL,
            classroom: world.classroom.id,
            since: None,
            roster: Vec::new(),
            invite: Some(proof),
        },
    );
    client
}

#[test]
fn a_rotation_that_leaves_a_member_out_is_refused() {
    let mut world = World::new();
    let key = EpochKey::random(&mut rng());
    let founder = world.classroom.founder.exchange_key();
    let alone = protocol::roster::Rotation::new(
        &key,
        SpaceId::EVERYONE,
        1,
        [(0, &world.classroom.key)],
        [founder],
        &mut rng(),
    )
    .unwrap();
    let parents = vec![world.classroom.founding.hash()];
    let action = Action::Rotate {
        rotations: vec![alone],
    };
    // Made by somebody who did not know that somebody else had come.
    let entry = Entry::act(&world.classroom.founder, world.classroom.id, parents, action).unwrap();
    let student = world.join(Role::Student);
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &entry),
        Outcome::Refused(Refusal::LeavesOut)
    );
    // Others bring what some relay took in time.
    let mut own = Client::open(&mut world.relay, &student, world.classroom.id);
    own.hear(&mut world.relay);
    assert_eq!(own.store_entry(&mut world.relay, &entry), Outcome::Stored);
}

/// Others may have built on it, and perhaps nobody but its author has been at both relays.
#[test]
fn whoever_compares_brings_their_own_rotation_from_another_relay() {
    let mut world = World::new();
    let key = EpochKey::random(&mut rng());
    let alone = protocol::roster::Rotation::new(
        &key,
        SpaceId::EVERYONE,
        1,
        [(0, &world.classroom.key)],
        [world.classroom.founder.exchange_key()],
        &mut rng(),
    )
    .unwrap();
    let action = Action::Rotate {
        rotations: vec![alone],
    };
    let parents = vec![world.classroom.founding.hash()];
    let entry = Entry::act(&world.classroom.founder, world.classroom.id, parents, action).unwrap();
    world.join(Role::Student);
    let compare = protocol::frame::ClientFrame::Inventory { channel: CHANNEL };
    world.founder.send(&mut world.relay, &compare);
    world.founder.hear(&mut world.relay);
    assert_eq!(
        world.founder.store_entry(&mut world.relay, &entry),
        Outcome::Stored
    );
}
