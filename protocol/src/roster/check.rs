//! What is asked of an entry once, when it comes: that it makes sense in the view of its past, and that the keys it
//! hands out go to those who should have them. Together with the rights this decides whether it enters the roster.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Admission, At, Facts, House};
use super::rights::allow;
use super::view::{Answer, Standing, View};
use super::{Action, Entry, Removal, Role, Rotation, entry as proofs};
use crate::key::KeyName;
use crate::mischief::{Mischief, does};
use crate::{ClassroomId, DocumentId, EntryHash, Error, ExchangeKey, MemberId, SchoolId, SpaceId};

/// Checks all but the rights, and answers with what the roster remembers of the entry.
pub(super) fn check(
    view: &View<'_>,
    classroom: &ClassroomId,
    own_document: &DocumentId,
    entry: &Entry,
) -> Result<Facts, Error> {
    if let Some(exchange) = entry.action().exchange() {
        exchange.check()?;
    }
    let facts = facts(view, classroom, own_document, entry)?;
    check_keys(view, entry, &facts)?;
    check_rotations(view, entry)?;
    Ok(facts)
}

fn facts(
    view: &View<'_>,
    classroom: &ClassroomId,
    own_document: &DocumentId,
    entry: &Entry,
) -> Result<Facts, Error> {
    let author = entry.author();
    let mut facts = Facts {
        is_past_whole: view.is_whole(),
        ..Facts::default()
    };
    match entry.action() {
        Action::Found { .. } => return Err(Error::NotAllowed("found a classroom twice")),
        Action::Invite {
            key, exchange, proof, ..
        } => {
            proofs::verify_invite(classroom, &author, key, exchange, proof)?;
            facts.recipient = Some(*exchange);
            facts.house = view.standing(&author).and_then(|standing| standing.house);
        }
        Action::AskInvite {
            key, exchange, proof, ..
        } => {
            proofs::verify_invite(classroom, &author, key, exchange, proof)?;
            facts.house = view.standing(&author).and_then(|standing| standing.house);
        }
        Action::Admit { invite, exchange, .. } => {
            let (at, role) = check_joining(view, classroom, entry, invite)?;
            facts.recipient = Some(*exchange);
            join(view, &mut facts, entry, role, at);
        }
        Action::Request { invite, .. } => {
            let (at, _) = check_joining(view, classroom, entry, invite)?;
            let asked_before =
                view.graph.asked.get(&at).into_iter().flatten().any(|request| {
                    view.counts(*request) && view.graph.node(*request).entry.author() == author
                });
            allow(!asked_before, "ask twice by one invite")?;
        }
        Action::EndInvite { invite, .. } => {
            let at = view.place(invite).ok_or(Error::NotAllowed("end this invite"))?;
            allow(!view.is_ended_by_word(at), "end an invite twice")?;
            facts.seniority = seniority(view, &author);
        }
        Action::Approve { request, .. } => {
            let at = view
                .place(request)
                .ok_or(Error::NotAllowed("answer this request"))?;
            allow(view.answer(at) != Answer::Approved, "answer a request twice")?;
            let asked = &view.graph.node(at).entry;
            let (invite, role, uses) = invite_of(view, asked)?;
            allow(view.standing(&asked.author()).is_none(), "join twice")?;
            allow(view.uses(invite) < uses, "use an invite more often than it says")?;
            join(view, &mut facts, asked, role, invite);
            facts.recipient = facts.admits.map(|admission| admission.exchange);
        }
        Action::Decline { request } => {
            let at = view
                .place(request)
                .ok_or(Error::NotAllowed("answer this request"))?;
            allow(view.answer(at) == Answer::None, "answer a request twice")?;
        }
        Action::ChangeRole {
            member,
            role,
            cutoffs,
            ..
        } => {
            let standing = view
                .standing(member)
                .ok_or(Error::NotAllowed("change the role of somebody who is no member"))?;
            allow(standing.role != *role, "give somebody the role they have")?;
            allow(
                cutoffs.is_empty() || !role.may_write(),
                "cut off logs of somebody who may write",
            )?;
            if is_less(view, member, *role) {
                facts.seniority = seniority(view, &author);
                facts.ends = giving_more(view, member, *role);
            }
            facts.recipient = view.exchange(&standing);
            if role.is_staff() {
                raise(view, &mut facts, &author, member, &standing);
            }
        }
        Action::Remove { members, rotations } => {
            let leaves = members.iter().any(|removal| removal.member == author);
            allow(!leaves || rotations.is_empty(), "make keys and leave")?;
            let mut named = BTreeSet::new();
            let are_members = members
                .iter()
                .all(|removal| named.insert(removal.member) && view.standing(&removal.member).is_some());
            allow(
                are_members && !members.is_empty(),
                "remove somebody who is no member",
            )?;
            facts.seniority = seniority(view, &author);
            facts.ends = known_to_removed(view, members, &author);
        }
        Action::Consent { member } => {
            allow(
                view.standing(member).is_some(),
                "agree to removing somebody who is no member",
            )?;
        }
        Action::Rotate { rotations } => allow(!rotations.is_empty(), "rotate nothing")?,
        Action::NewSpace { members, first } => check_space(view, &author, members, first)?,
        Action::Lock { document, .. } => {
            allow(document != own_document, "lock the classroom's own document")?;
        }
        Action::Close { .. } => {}
        Action::Erase { document, successor } => {
            allow(
                document != own_document && successor != own_document && document != successor,
                "erase the classroom's own document",
            )?;
            allow(view.successor(document).is_none(), "erase a document twice")?;
        }
        Action::PlaceInvite { invite, .. } => {
            let at = view.place(invite).ok_or(Error::NotAllowed("place this invite"))?;
            allow(
                view.placed(at).is_none() && view.uses(at) == 0,
                "place an invite that is placed or used",
            )?;
        }
        Action::Extend { member, cutoffs } => {
            allow(!cutoffs.is_empty(), "extend nothing")?;
            allow(
                view.was_member(member),
                "extend the logs of somebody who never was a member",
            )?;
        }
    }
    Ok(facts)
}

/// What holds for all who come by an invite: which one it is, and the role that it gives.
fn check_joining(
    view: &View<'_>,
    classroom: &ClassroomId,
    entry: &Entry,
    invite: &EntryHash,
) -> Result<(At, Role), Error> {
    allow(view.standing(&entry.author()).is_none(), "join twice")?;
    let (at, role, uses) = invite_of(view, entry)?;
    allow(!view.is_ended(at), "join by an invite that was ended")?;
    allow(view.uses(at) < uses, "use an invite more often than it says")?;
    if let (
        Action::Invite { key, .. } | Action::AskInvite { key, .. },
        Action::Admit {
            exchange,
            school,
            proof,
            ..
        }
        | Action::Request {
            exchange,
            school,
            proof,
            ..
        },
    ) = (view.graph.action(at), entry.action())
    {
        proofs::verify_admission(classroom, invite, key, &entry.author(), exchange, school, proof)?;
        check_school(view, at, role, school)?;
    }
    Ok((at, role))
}

/// Who comes by an invite that was placed is of that school. Another invite to lead or teach brings a school that nobody
/// leads yet, but perhaps somebody who came by the same one.
pub(super) fn check_school(view: &View<'_>, invite: At, role: Role, school: &SchoolId) -> Result<(), Error> {
    if let Some((_, placed)) = view.placed(invite) {
        return allow(*school == placed, "join another school than the invite is for");
    }
    let leads_it = |(_, standing): &(MemberId, Standing)| {
        let node = view.graph.node(standing.admitted);
        standing.role == Role::Lead
            && view.school(standing) == Some(*school)
            && node
                .admits
                .is_none_or(|admission| admission.invite != Some(invite))
    };
    allow(
        !role.is_staff() || !view.members().any(|member| leads_it(&member)),
        "join a school that has a lead by an invite that is not for it",
    )
}

/// Notes in whose house somebody becomes a lead or teacher, or stays one.
fn raise(view: &View<'_>, facts: &mut Facts, author: &MemberId, member: &MemberId, before: &Standing) {
    let by = view.standing(author);
    let house = by.and_then(|by| by.house);
    if before.role.is_staff() {
        facts.house = before.house;
    } else if by.and_then(|by| view.school(&by)) == view.school(before) {
        facts.house = house;
    } else {
        facts.house = Some(*member);
        facts.founds = Some((*member, house));
    }
}

/// Notes what somebody becomes who comes by `invite`.
fn join(view: &View<'_>, facts: &mut Facts, joining: &Entry, role: Role, invite: At) {
    let member = joining.author();
    let placed = view.placed(invite).map(|(at, _)| at);
    facts.admits = admission(joining, member, role, Some(invite), placed);
    if role.is_staff() {
        let inviters: Option<House> = view.graph.node(invite).house;
        if placed.is_some() {
            facts.house = inviters;
        } else {
            facts.house = Some(member);
            facts.founds = Some((member, inviters));
        }
    }
}

/// The invite by which the author of an admission or request comes, its role and uses: an open one for an admission, one
/// to ask for a request.
fn invite_of(view: &View<'_>, joining: &Entry) -> Result<(At, Role, usize), Error> {
    let refused = Error::NotAllowed("join without an invite");
    let (Action::Admit { invite, .. } | Action::Request { invite, .. }) = joining.action() else {
        return Err(refused);
    };
    let at = view
        .place(invite)
        .ok_or(Error::NotAllowed("join without an invite"))?;
    match (view.graph.action(at), joining.action()) {
        (Action::Invite { role, uses, .. }, Action::Admit { .. })
        | (Action::AskInvite { role, uses, .. }, Action::Request { .. }) => Ok((at, *role, *uses as usize)),
        _ => Err(refused),
    }
}

/// What an admission or request makes of who signed it.
pub(super) fn admission(
    joining: &Entry,
    member: MemberId,
    role: Role,
    invite: Option<At>,
    placed: Option<At>,
) -> Option<Admission> {
    match joining.action() {
        Action::Found { school, exchange, .. }
        | Action::Admit { school, exchange, .. }
        | Action::Request { school, exchange, .. } => Some(Admission {
            member,
            role,
            school: *school,
            exchange: *exchange,
            invite,
            placed,
        }),
        _ => None,
    }
}

/// How early the author of something that takes rights away was admitted.
fn seniority(view: &View<'_>, author: &MemberId) -> Option<super::graph::Seniority> {
    let admitted = view.standing(author)?.admitted;
    let node = view.graph.node(admitted);
    Some((node.ancestors, node.hash))
}

/// The invites whose secret somebody knows who is removed by another.
fn known_to_removed(view: &View<'_>, members: &[Removal], author: &MemberId) -> BTreeSet<At> {
    let removed = members.iter().map(|removal| removal.member);
    removed
        .filter(|member| member != author)
        .flat_map(|member| known_to(view, &member))
        .collect()
}

/// The invites by which `member`, who is given `role`, could come back as more.
fn giving_more(view: &View<'_>, member: &MemberId, role: Role) -> BTreeSet<At> {
    let gives_more = |at: &At| match view.graph.action(*at) {
        Action::Invite { role: given, .. } | Action::AskInvite { role: given, .. } => *given < role,
        _ => false,
    };
    known_to(view, member).into_iter().filter(gives_more).collect()
}

/// The invites whose secret somebody knows: those they made or came by.
fn known_to(view: &View<'_>, member: &MemberId) -> BTreeSet<At> {
    let made = view
        .graph
        .by_author
        .get(member)
        .into_iter()
        .flatten()
        .copied()
        .filter(|at| {
            matches!(
                view.graph.action(*at),
                Action::Invite { .. } | Action::AskInvite { .. }
            )
        });
    let came_by = view
        .graph
        .of_member
        .get(member)
        .into_iter()
        .flatten()
        .filter(|at| view.counts(**at))
        .filter_map(|at| view.graph.node(*at).admits.as_ref()?.invite);
    made.chain(came_by).filter(|at| view.counts(*at)).collect()
}

fn check_space(
    view: &View<'_>,
    author: &MemberId,
    members: &[MemberId],
    first: &Rotation,
) -> Result<(), Error> {
    let space = &first.space;
    allow(
        *space != SpaceId::EVERYONE && view.keys(space).next().is_none(),
        "make a space that exists",
    )?;
    if *space == SpaceId::STAFF {
        return allow(members.is_empty(), "name the members of the space of staff");
    }
    allow(
        *space == SpaceId::of_group(author, members, &first.id),
        "name a group otherwise than by who made it, its members and its key",
    )?;
    let mut named = BTreeSet::new();
    let are_members = members.iter().all(|member| {
        named.insert(*member)
            && view
                .standing(member)
                .is_some_and(|standing| standing.role != Role::Carrier)
    });
    allow(
        are_members && named.contains(author),
        "make a group of others, or of somebody who is no member",
    )
}

/// Keys are handed on as the space has them, so that all read the same; and only to those who belong to it.
fn check_keys(view: &View<'_>, entry: &Entry, facts: &Facts) -> Result<(), Error> {
    let (member, role) = match entry.action() {
        Action::Invite { role, .. } => (None, *role),
        Action::ChangeRole { member, role, .. } => (Some(*member), *role),
        _ => match facts.admits {
            Some(admission) => (Some(admission.member), admission.role),
            None => return Ok(()),
        },
    };
    for key in entry.action().keys() {
        allow(
            view.keys(&key.space).any(|name| name == key.name()),
            "hand on a key that the space does not have",
        )?;
        let is_in = match member {
            Some(member) => view.is_in(&member, role, &key.space),
            None => invites_into(role, &key.space),
        };
        allow(is_in, "hand a key to somebody outside its space")?;
    }
    Ok(())
}

/// Whether who comes with `role` is in `space` at once.
fn invites_into(role: Role, space: &SpaceId) -> bool {
    match *space {
        SpaceId::EVERYONE => role != Role::Carrier,
        SpaceId::STAFF => role.is_staff(),
        _ => false,
    }
}

fn check_rotations(view: &View<'_>, entry: &Entry) -> Result<(), Error> {
    let mut spaces = BTreeSet::new();
    for rotation in entry.action().rotations() {
        allow(spaces.insert(rotation.space), "rotate a space twice at once")?;
        check_order(view, entry, rotation)?;
        let after = space_after(view, entry.action(), &rotation.space);
        let author = after.get(&entry.author());
        allow(
            author.is_some_and(|(role, _)| role.is_staff()),
            "make a key for a space that the author is not in",
        )?;
        let mut recipients = BTreeSet::new();
        for recipient in rotation.recipients() {
            allow(recipients.insert(*recipient), "seal a key twice to one recipient")?;
        }
        let members: BTreeSet<ExchangeKey> = after.values().map(|(_, exchange)| *exchange).collect();
        allow(members.is_subset(&recipients), "leave out a member of the space")?;
        let invites: BTreeSet<ExchangeKey> =
            invites_after(view, &entry.author(), entry.action(), &rotation.space)
                .into_iter()
                .map(|(_, exchange)| exchange)
                .collect();
        allow(
            recipients
                .iter()
                .all(|recipient| members.contains(recipient) || invites.contains(recipient))
                || does(Mischief::RemovedKeptIn),
            "seal a key to somebody outside its space",
        )?;
    }
    Ok(())
}

/// The epoch is the one after the last, and brings keys of the space's earlier epochs, or it is the first of a new space.
/// It need not bring a key of the very last: who made that may have sealed something else than they stated, and then
/// nobody has it.
fn check_order(view: &View<'_>, entry: &Entry, rotation: &Rotation) -> Result<(), Error> {
    if let Action::NewSpace { .. } = entry.action() {
        return allow(
            rotation.epoch == 0 && rotation.previous.is_empty(),
            "begin a space with a later epoch",
        );
    }
    let current = view
        .current_key(&rotation.space)
        .ok_or(Error::NotAllowed("rotate a space that does not exist"))?;
    allow(
        current.epoch.checked_add(1) == Some(rotation.epoch),
        "rotate to another epoch than the next",
    )?;
    // Also those that do not count: who comes later reads what was sealed with them only if they are carried on.
    let stated: BTreeSet<KeyName> = view.stated(&rotation.space).map(|(_, name)| name).collect();
    let mut wrapped = BTreeSet::new();
    let are_right = rotation.previous.iter().all(|previous| {
        let (epoch, id, space) = (previous.epoch, previous.id, rotation.space);
        let name = KeyName { space, epoch, id };
        epoch < rotation.epoch && stated.contains(&name) && wrapped.insert(name)
    });
    allow(
        are_right && view.keys(&rotation.space).any(|name| wrapped.contains(&name)),
        "rotate without a key of an earlier epoch",
    )?;
    allow(
        stated.iter().all(|name| name.id != rotation.id),
        "rotate to the key of an earlier epoch",
    )
}

/// Who is in `space` once `action`, which may be part of the view or not, has its effect.
pub(super) fn space_after(
    view: &View<'_>,
    action: &Action,
    space: &SpaceId,
) -> BTreeMap<MemberId, (Role, ExchangeKey)> {
    let role_after = |member: &MemberId, role| match action {
        Action::Remove { members, .. } => members
            .iter()
            .all(|removal| removal.member != *member)
            .then_some(role),
        Action::ChangeRole {
            member: changed,
            role: to,
            ..
        } if changed == member => Some(*to),
        _ => Some(role),
    };
    let named: Option<&[MemberId]> = match action {
        Action::NewSpace { members, first } if first.space == *space && *space != SpaceId::STAFF => {
            Some(members)
        }
        _ => None,
    };
    view.members()
        .filter_map(|(member, standing)| {
            let role = role_after(&member, standing.role)?;
            let is_in = match named {
                Some(named) => named.contains(&member),
                None => view.is_in(&member, role, space),
            };
            is_in.then_some((member, (role, view.exchange(&standing)?)))
        })
        .collect()
}

/// The open invites into `space` once `action` has its effect, also those that are used up.
pub(super) fn invites_after(
    view: &View<'_>,
    author: &MemberId,
    action: &Action,
    space: &SpaceId,
) -> Vec<(At, ExchangeKey)> {
    let mut ended = match action {
        Action::Remove { members, .. } => known_to_removed(view, members, author),
        Action::ChangeRole { member, role, .. } if is_less(view, member, *role) => {
            giving_more(view, member, *role)
        }
        _ => BTreeSet::new(),
    };
    if let Action::EndInvite { invite, .. } = action {
        ended.extend(view.place(invite));
    }
    view.open_invites()
        .filter(|(at, role, _)| !ended.contains(at) && invites_into(*role, space))
        .map(|(at, _, exchange)| (at, exchange))
        .collect()
}

fn is_less(view: &View<'_>, member: &MemberId, role: Role) -> bool {
    view.standing(member).is_some_and(|standing| role > standing.role)
}
