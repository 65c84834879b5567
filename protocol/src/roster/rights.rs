//! Who may do what: the part of the rules that is asked again when entries turn out to be void.

use super::view::{Standing, View};
use super::{Action, Entry, Role};
use crate::{Error, MemberId};

/// Whether the author of `entry`, in the view of its past, had the right to it. `at_most` bounds their role: somebody
/// who was given less power apart from the entry has only that.
pub(super) fn check(view: &View<'_>, entry: &Entry, at_most: Role) -> Result<(), Error> {
    check_action(view, &entry.author(), entry.action(), at_most)
}

pub(super) fn check_action(
    view: &View<'_>,
    author: &MemberId,
    action: &Action,
    at_most: Role,
) -> Result<(), Error> {
    let is_present = |hash| view.place(hash).is_some();
    match action {
        Action::Found { .. } => return Ok(()),
        Action::Admit { invite, .. } | Action::Request { invite, .. } => {
            return allow(is_present(invite), "join without an invite");
        }
        _ => {}
    }
    if is_leaving(author, action) {
        return allow(view.standing(author).is_some(), "leave without being a member");
    }
    let Some(mut standing) = view.standing(author) else {
        return Err(Error::NotAllowed(match action {
            Action::Invite { .. } | Action::AskInvite { .. } => "invite without being a member",
            _ => "act without being a member",
        }));
    };
    standing.role = standing.role.max(at_most);
    let role = standing.role;
    match action {
        Action::Found { .. } | Action::Admit { .. } | Action::Request { .. } => Ok(()),
        Action::Invite { role: given, .. } | Action::AskInvite { role: given, .. } => {
            allow(role.may_invite(*given), "invite with this role")
        }
        Action::EndInvite { invite, .. } => {
            let made_it = view
                .place(invite)
                .is_some_and(|at| view.graph.node(at).entry.author() == *author);
            allow(
                is_present(invite) && (role == Role::Lead || made_it && role.is_staff()),
                "end this invite",
            )
        }
        Action::Approve { request, .. } | Action::Decline { request } => {
            let asked_for = view
                .place(request)
                .and_then(|at| match view.graph.action(at) {
                    Action::Request { invite, .. } => view.place(invite),
                    _ => None,
                })
                .and_then(|at| match view.graph.action(at) {
                    Action::AskInvite { role, .. } => Some(*role),
                    _ => None,
                });
            allow(
                asked_for.is_some_and(|asked_for| role.may_invite(asked_for)),
                "answer this request",
            )
        }
        Action::ChangeRole { member, role: to, .. } => {
            allow(role == Role::Lead, "change a role")?;
            let Some(target) = view.standing(member) else {
                return Ok(());
            };
            if *to > target.role {
                may_weaken(view, &standing, author, member, &target)
            } else {
                may_promote(view, &standing, &target, *to)
            }
        }
        Action::Remove { members, .. } => {
            allow(role == Role::Lead, "remove others")?;
            members
                .iter()
                .filter(|removal| removal.member != *author)
                .filter_map(|removal| Some((removal.member, view.standing(&removal.member)?)))
                .try_for_each(|(member, target)| may_weaken(view, &standing, author, &member, &target))
        }
        Action::Consent { .. } => allow(role == Role::Lead, "agree to a removal"),
        Action::Rotate { .. } => allow(role.is_staff(), "make new keys"),
        Action::NewSpace { .. } => allow(role.is_staff(), "make a space"),
        Action::Lock { .. } => allow(role.is_staff(), "lock a document"),
        Action::Close { .. } => allow(role == Role::Lead, "close the classroom"),
        Action::Erase { .. } => allow(role == Role::Lead, "erase a document"),
        Action::PlaceInvite { invite, school } => {
            let given = view
                .place(invite)
                .filter(|at| view.graph.node(*at).entry.author() == *author)
                .and_then(|at| match view.graph.action(at) {
                    Action::Invite { role, .. } | Action::AskInvite { role, .. } => Some(*role),
                    _ => None,
                });
            allow(
                given.is_some_and(|given| role.may_invite(given)) && view.school(&standing) == Some(*school),
                "place this invite in this school",
            )
        }
        Action::Extend { member, .. } => allow(
            role == Role::Lead || member == author && role.may_write(),
            "say how far the logs of others count",
        ),
    }
}

/// Whether its author does nothing but leave.
pub(super) fn is_leaving(author: &MemberId, action: &Action) -> bool {
    matches!(action, Action::Remove { members, .. }
        if matches!(members.as_slice(), [alone] if alone.member == *author))
}

/// Whether the lead `by` may remove `target` or give them less power.
fn may_weaken(
    view: &View<'_>,
    by: &Standing,
    author: &MemberId,
    member: &MemberId,
    target: &Standing,
) -> Result<(), Error> {
    if author == member || !target.role.is_staff() || are_of_one_house(by, target) {
        return Ok(());
    }
    let (have, need) = consent(view, by, member, target);
    allow(have >= need, "act on another school's lead or teacher alone")
}

pub(super) fn are_of_one_house(one: &Standing, other: &Standing) -> bool {
    one.house.is_some() && one.house == other.house
}

/// How many schools agree that `member` be weakened by the lead `by`, theirs among them, and how many must, of those that
/// have a say in it.
pub(super) fn consent(
    view: &View<'_>,
    by: &Standing,
    member: &MemberId,
    target: &Standing,
) -> (usize, usize) {
    let mut agreeing: Vec<_> = view
        .consenting(member, target)
        .into_iter()
        .filter_map(|(_, lead)| lead.house)
        .collect();
    agreeing.extend(by.house);
    let (mut have, mut all) = (0, 0);
    for house in view.houses() {
        if target.house.is_none_or(|target| view.has_a_say(&house, &target)) {
            all += 1;
            have += usize::from(agreeing.contains(&house));
        }
    }
    (have, all / 2 + 1)
}

/// Whether the lead `by` may give `target` the role `to`, which is more than they have.
fn may_promote(view: &View<'_>, by: &Standing, target: &Standing, to: Role) -> Result<(), Error> {
    let is_own = if target.role.is_staff() {
        are_of_one_house(by, target)
    } else {
        view.school(by) == view.school(target)
    };
    allow(
        !to.is_staff() || is_own || view.school(target).is_some_and(|school| !view.has_lead(&school)),
        "promote somebody of another school that has a lead",
    )
}

pub(super) fn allow(allowed: bool, what: &'static str) -> Result<(), Error> {
    if allowed {
        Ok(())
    } else {
        Err(Error::NotAllowed(what))
    }
}
