//! What the tab sees of the replica's state. A view is sent when it differs from the one before.

use std::collections::{BTreeMap, BTreeSet};

use documents::classroom::{Kind, Listing};
use protocol::rand_core::CryptoRng;
use protocol::roster::{Action, Member, Removal, Role};
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, Refusal, SchoolId, SpaceId};

use crate::Replica;
use crate::classroom::Classroom;
use crate::event::Effect;
use crate::own_document::Reading;
use crate::view::{self, Update};

/// What is said of a page of which the list says nothing any more.
static NOTHING_LISTED: Listing = Listing {
    kind: Kind::Page,
    created_by: [0; 32],
    created_at: 0,
    space: None,
};

/// What follows from the roster alone: worked out when that is another.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// The heads of the roster that it was worked out from. How many entries that has does not tell: one may be taken out as
    /// another comes.
    heads: Vec<EntryHash>,
    members: BTreeMap<MemberId, view::Rights>,
    closed: bool,
    spaces: Vec<SpaceId>,
    invites: Vec<view::Invite>,
    requests: Vec<view::Request>,
    former: Vec<MemberId>,
    erased: Vec<view::Erased>,
}

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn show(&mut self) {
        let failing = self.writes.is_failing();
        let me = self.me.as_ref().map(|me| me.keys.id());
        let mut summaries = Vec::new();
        let waiting = me
            .map(|me| {
                self.classrooms
                    .values()
                    .filter_map(|classroom| classroom.waiting(&me))
                    .collect()
            })
            .unwrap_or_default();
        for classroom in self
            .classrooms
            .values_mut()
            .filter(|classroom| classroom.joining.is_none() && classroom.asked.is_none())
        {
            let view = me.and_then(|me| classroom.view(me, failing));
            let Some(view) = view.or_else(|| classroom.view_as_before(failing)) else {
                continue;
            };
            summaries.push(view::Summary {
                id: view.id,
                name: view.name.clone(),
                schools: view.schools.iter().map(|school| school.name.clone()).collect(),
                members: u32::try_from(view.members.len()).unwrap_or(u32::MAX),
                work: view.work,
            });
            if classroom.shown.as_ref() != Some(&view) {
                classroom.shown = Some(view.clone());
                self.effects.push(Effect::Show(Update::Classroom(view)));
            }
        }
        let home = view::Home {
            link: self.link(),
            refused: self.connection.refused,
            me,
            card_kept: self.me.as_ref().is_none_or(|me| me.card_kept),
            classrooms: summaries,
            clock_skew: self.connection.clock_skew,
            waiting,
            unopened: self.unopened_classrooms(),
        };
        if self.shown_home.as_ref() != Some(&home) {
            self.shown_home = Some(home.clone());
            self.effects.push(Effect::Show(Update::Home(home)));
        }
    }

    /// What waits for an invite; who has joined meanwhile has it.
    fn unopened_classrooms(&self) -> Vec<view::Unopened> {
        let mut shown = Vec::new();
        for (id, unopened) in &self.unopened {
            if !self.is_joined(id) {
                shown.push(view::Unopened {
                    classroom: *id,
                    items: unopened.items,
                    bytes: unopened.bytes,
                });
            }
        }
        shown
    }

    /// Somebody without a classroom needs no connection, and misses none.
    fn link(&self) -> view::Link {
        if self.classrooms.is_empty() && self.knocking.is_empty() {
            view::Link::Online
        } else {
            self.connection.link()
        }
    }

    /// Whether a document was listed, or something of it arrived.
    pub(crate) fn knows_page(&self, id: &ClassroomId, document: &DocumentId) -> bool {
        self.classrooms.get(id).is_some_and(|classroom| {
            classroom.documents.contains_key(document)
                || classroom
                    .own_document()
                    .is_some_and(|own| own.read().documents.contains_key(&document.0))
        })
    }
}

impl Classroom {
    fn view(&mut self, me: MemberId, failing: bool) -> Option<view::Classroom> {
        self.rate_members(&me);
        let own = self.own_document()?.read();
        let standing = self.roster.member(&me);
        // Who was removed still reads what is here.
        let role = standing.map_or(Role::Guest, |member| member.role);
        let here: BTreeSet<MemberId> = self.people.values().map(|person| person.member).collect();
        let mut guests: BTreeMap<MemberId, &String> = self
            .people
            .values()
            .filter_map(|person| Some((person.member, person.name.as_ref()?)))
            .collect();
        guests.extend(self.record.guest.as_ref().map(|name| (me, name)));
        let members = self
            .roster
            .members()
            .map(|member| view::Member {
                id: member.id,
                name: own
                    .profiles
                    .get(&member.id.0)
                    .map(|profile| &profile.name)
                    .or_else(|| guests.get(&member.id).copied())
                    .cloned()
                    .unwrap_or_default(),
                school: member.school,
                role: member.role,
                here: member.id == me || here.contains(&member.id),
                me: member.id == me,
                colour: colour(&member.id),
                rights: self.rights.members.get(&member.id).cloned().unwrap_or_default(),
            })
            .collect();
        let mut documents: Vec<view::Document> = self
            .to_show(own)
            .into_iter()
            .map(|(id, listing, begun_anew)| {
                let space = self.space_of(&id);
                let may_write =
                    self.rights.spaces.contains(&space) && role.may_write() && !self.rights.closed;
                let locked = self.roster.locked(&id);
                let work = self.work_on(&id, failing);
                view::Document {
                    id,
                    title: self.titles.get(&id).cloned().unwrap_or_default(),
                    known_kind: listing.kind == Kind::Page,
                    arrived: self.titles.contains_key(&id),
                    created_by: MemberId(listing.created_by),
                    created_at: listing.created_at,
                    work,
                    receipt: self.receipt_of(&id, work),
                    space,
                    locked,
                    may_write: may_write && (!locked || role.is_staff()),
                    compared_by: self.compared_by(&id),
                    begun_anew,
                    mentions: self.mentions.get(&id).cloned(),
                }
            })
            .collect();
        documents.sort_by_key(|document| (std::cmp::Reverse(document.created_at), document.id));
        Some(view::Classroom {
            id: self.id,
            name: own.name.clone(),
            role,
            schools: schools(own),
            members,
            documents,
            work: self.work(failing),
            refused: self.refusal(),
            all_refused: self.refused.is_some(),
            kept_aside: self.count_aside(),
            removed: self.is_removed(standing.is_some()),
            closed: self.rights.closed,
            spaces: self.rights.spaces.clone(),
            invites: self.rights.invites.clone(),
            requests: self.rights.requests.clone(),
            former_members: self
                .rights
                .former
                .iter()
                .map(|id| view::FormerMember {
                    id: *id,
                    name: own
                        .profiles
                        .get(&id.0)
                        .map(|profile| profile.name.clone())
                        .unwrap_or_default(),
                })
                .collect(),
            erased: self.rights.erased.clone(),
        })
    }

    /// The documents of the list, and whether each is to take the place of one that is among them. What a lead starts anew stays
    /// until the roster says that it is erased: that lead may never come back. What is to take its place is among them before
    /// only if there is more in it than it was made with, or the other one has not arrived. Anybody may write in the list what
    /// takes the place of something: that hides nothing but a lead's page of which only the first change is here.
    fn to_show<'a>(&self, own: &'a Reading) -> Vec<(DocumentId, &'a Listing, bool)> {
        let (mut all, mut begun) = (Vec::new(), BTreeMap::new());
        for id in own.documents.keys().chain(own.successors.keys()) {
            let id = DocumentId(*id);
            if self.rights.erased.iter().any(|erased| erased.document == id) {
                continue;
            }
            let listing = match own.listing(id.0) {
                Some(listing) => listing,
                // What is said to stand in its place is not listed.
                None if self.titles.contains_key(&id) => &NOTHING_LISTED,
                None => continue,
            };
            all.push((id, listing));
            if let Some(successor) = own.successors.get(&id.0)
                && self.may_erase(&MemberId(listing.created_by))
            {
                let mut segments = 0;
                for (log, record) in &self.logs {
                    if log.document.0 == *successor {
                        segments += record.next;
                    }
                }
                begun.insert(
                    DocumentId(*successor),
                    segments > 1 || !self.titles.contains_key(&id),
                );
            }
        }
        let mut shown = Vec::new();
        for (id, listing) in all {
            let is_begun = begun.get(&id);
            if is_begun != Some(&false) {
                shown.push((id, listing, is_begun.is_some()));
            }
        }
        shown
    }

    /// While the classroom's own document is read again, what was shown stays, but for where the work is.
    fn view_as_before(&self, failing: bool) -> Option<view::Classroom> {
        let mut view = self.shown.clone()?;
        for document in &mut view.documents {
            document.work = self.work_on(&document.id, failing);
            document.receipt = self.receipt_of(&document.id, document.work);
        }
        view.work = self.work(failing);
        view.refused = self.refusal();
        view.all_refused = self.refused.is_some();
        view.kept_aside = self.count_aside();
        Some(view)
    }

    /// Whether this person was a member once and is not now: the roster says so, or the relay does, which shows it to
    /// nobody who was removed.
    pub(crate) fn is_removed(&self, is_member: bool) -> bool {
        !is_member || (self.refused == Some(Refusal::NotAMember) && self.entries.is_empty())
    }

    /// Works out what this person may do, whenever the roster is another.
    fn rate_members(&mut self, me: &MemberId) {
        if self.rights.heads.iter().eq(self.roster.heads()) {
            return;
        }
        let mut erased: Vec<view::Erased> = Vec::new();
        for entry in self.roster.entries_in_order() {
            if let Action::Erase { document, successor } = entry.action()
                && self.roster.erased(document) == Some(*successor)
            {
                erased.push(view::Erased {
                    document: *document,
                    successor: *successor,
                    by: entry.author(),
                });
            }
        }
        self.rights = Rights {
            heads: self.roster.heads().copied().collect(),
            former: self.roster.former_members(),
            erased,
            members: self
                .roster
                .members()
                .map(|member| (member.id, self.rights_over(me, &member)))
                .collect(),
            closed: self.roster.closed(),
            spaces: self.spaces_of(me),
            invites: self
                .roster
                .invites()
                .into_iter()
                .map(|invite| view::Invite {
                    id: invite.entry,
                    by: invite.author,
                    role: invite.role,
                    ask_first: invite.ask_first,
                    uses: invite.uses,
                    used: u32::try_from(invite.used).unwrap_or(u32::MAX),
                    expires: invite.expires,
                    may_end: self.roster.may(me, &end(invite.entry)).is_ok(),
                })
                .collect(),
            requests: self
                .roster
                .requests()
                .into_iter()
                .filter(|request| {
                    let request = request.entry;
                    self.roster.may(me, &Action::Decline { request }).is_ok()
                })
                .map(|request| view::Request {
                    id: request.entry,
                    member: request.member,
                    role: request.role,
                    profile: self.notes.get(&request.entry).cloned().flatten(),
                })
                .collect(),
        };
    }

    fn rights_over(&self, me: &MemberId, member: &Member) -> view::Rights {
        let roster = &self.roster;
        let missing = roster
            .consent_needed(me, &member.id)
            .map_or(0, |(have, need)| need.saturating_sub(have));
        let leads = roster.member(me).is_some_and(|me| me.role == Role::Lead);
        let may_agree = leads && missing > 0;
        let changes = |role: &Role| {
            let change = Action::ChangeRole {
                member: member.id,
                role: *role,
                cutoffs: Vec::new(),
                keys: Vec::new(),
                rotations: Vec::new(),
            };
            *role != member.role && (roster.may(me, &change).is_ok() || may_agree && *role > member.role)
        };
        let removal = Action::Remove {
            members: vec![Removal {
                member: member.id,
                cutoffs: Vec::new(),
            }],
            rotations: Vec::new(),
        };
        view::Rights {
            may_remove: may_agree || roster.may(me, &removal).is_ok(),
            // A carrier comes by another way.
            may_change_role: [Role::Lead, Role::Teacher, Role::Student, Role::Guest]
                .into_iter()
                .filter(changes)
                .collect(),
            consents_missing: u32::try_from(missing).unwrap_or(u32::MAX),
            agreed: roster
                .consents(&member.id)
                .into_iter()
                .map(|(_, school)| school)
                .collect(),
        }
    }

    /// What is shown of a classroom that this person asked to be let into.
    fn waiting(&self, me: &MemberId) -> Option<view::Waiting> {
        let asked = self.asked.as_ref()?;
        let invite = match self.roster.entry(&asked.request)?.action() {
            Action::Request { invite, .. } => self.roster.entry(invite)?.action(),
            _ => return None,
        };
        let Action::AskInvite { role, .. } = invite else {
            return None;
        };
        let state = if self.roster.member(me).is_some() {
            view::WaitingState::LetIn
        } else if self.roster.is_declined(&asked.request) {
            view::WaitingState::Declined
        } else {
            view::WaitingState::Asked
        };
        Some(view::Waiting {
            id: self.id,
            role: *role,
            state,
        })
    }
}

fn end(invite: EntryHash) -> Action {
    Action::EndInvite {
        invite,
        rotations: Vec::new(),
    }
}

pub(crate) fn schools(own: &Reading) -> Vec<view::School> {
    own.schools
        .iter()
        .map(|(id, school)| view::School {
            id: SchoolId(*id),
            name: school.name.clone(),
            country: school.country.clone(),
            time_zone: school.time_zone.clone(),
        })
        .collect()
}

/// The place of a member's colour in the palette of twelve.
pub(crate) fn colour(member: &MemberId) -> u8 {
    member.0[0] % 12
}
