//! What the tab sees of the replica's state. A view is sent when it differs from the one before.

use std::collections::{BTreeMap, BTreeSet};

use documents::classroom::Kind;
use protocol::rand_core::CryptoRng;
use protocol::{ClassroomId, DocumentId, MemberId, SchoolId};

use crate::Replica;
use crate::classroom::Classroom;
use crate::event::Effect;
use crate::own_document::Reading;
use crate::view::{self, Update};

impl<R: CryptoRng> Replica<R> {
    pub(crate) fn show(&mut self) {
        let failing = self.writes.is_failing();
        let me = self.me.as_ref().map(|me| me.keys.id());
        let mut summaries = Vec::new();
        for classroom in self
            .classrooms
            .values_mut()
            .filter(|classroom| classroom.joining.is_none())
        {
            // While the classroom's own document is read again, what was shown stays.
            let view = me.and_then(|me| classroom.view(me, failing));
            let Some(view) = view.or_else(|| classroom.shown.clone()) else {
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
            me,
            card_kept: self.me.as_ref().is_none_or(|me| me.card_kept),
            classrooms: summaries,
            clock_skew: self.connection.clock_skew,
        };
        if self.shown_home.as_ref() != Some(&home) {
            self.shown_home = Some(home.clone());
            self.effects.push(Effect::Show(Update::Home(home)));
        }
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
    fn view(&self, me: MemberId, failing: bool) -> Option<view::Classroom> {
        let own = self.own_document()?.read();
        let role = self.roster.member(&me)?.role;
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
            })
            .collect();
        let mut documents: Vec<view::Document> = own
            .documents
            .iter()
            .map(|(id, listing)| {
                let id = DocumentId(*id);
                view::Document {
                    id,
                    title: self.titles.get(&id).cloned().unwrap_or_default(),
                    known_kind: listing.kind == Kind::Page,
                    arrived: self.titles.contains_key(&id),
                    created_by: MemberId(listing.created_by),
                    created_at: listing.created_at,
                    work: self.work_on(&id, failing),
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
            kept_aside: u32::try_from(self.aside.len()).unwrap_or(u32::MAX),
        })
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
