//! Who is here and where their cursor is, by whispers: sealed, signed, never stored.

use protocol::bounded::{self, Bytes};
use protocol::frame::ClientFrame;
use protocol::rand_core::CryptoRng;
use protocol::whisper::Whisper;
use protocol::{ClassroomId, DocumentId, LaneId, MemberId, SpaceId};
use serde::{Deserialize, Serialize};

use crate::Replica;
use crate::command::{CursorRange, Problem};
use crate::event::Effect;
use crate::view::{Presence, Update};

/// How often one says that one is here, and after how much silence others count as gone, in milliseconds.
const SAY_EVERY: u64 = 15_000;
const GONE_AFTER: u64 = 40_000;
/// Among how many a question who is here is answered at once, and within how many milliseconds among more.
const FEW_PEOPLE: usize = 8;
const ANSWER_WITHIN: u64 = 4_000;
/// The longest cursor that is taken from others.
const LONGEST_CURSOR: usize = 200;

/// The most places that people may be in at once.
const MOST_PEOPLE: usize = 1_000;

/// Somebody who said that they are here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) member: MemberId,
    pub(crate) heard_at: u64,
    /// What a guest says they are called; members have a profile.
    pub(crate) name: Option<String>,
    pub(crate) place: Option<(DocumentId, Option<CursorRange>)>,
}

/// What a whisper says. New kinds are added at the end.
#[derive(Debug, Serialize, Deserialize)]
enum Words {
    /// I am here, and on this page, if I am on one. `lane` tells my tabs apart; a guest says their `name`; `answer`
    /// asks others to say the same.
    Here {
        lane: LaneId,
        name: Option<String>,
        place: Option<(DocumentId, Option<CursorRange>)>,
        answer: bool,
    },
    /// I am leaving.
    Gone { lane: LaneId },
}

impl<R: CryptoRng> Replica<R> {
    /// Moves one's own cursor on an open page.
    pub(crate) fn move_cursor(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        cursor: Option<CursorRange>,
    ) -> Result<(), Problem> {
        let classroom = self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        // A cursor that was told while its page was being closed would bring its owner back there.
        if classroom.open.contains(&document) {
            self.go_to(*id, document, cursor, false);
        }
        Ok(())
    }

    /// Is somewhere else from now on, and says so in the classrooms it matters to.
    pub(crate) fn go_to(
        &mut self,
        id: ClassroomId,
        document: DocumentId,
        cursor: Option<CursorRange>,
        answer: bool,
    ) {
        let before = self.place.replace((id, document, cursor));
        if let Some((left, ..)) = before
            && left != id
        {
            self.announce(&left, false);
        }
        self.announce(&id, answer);
    }

    /// Says in a classroom that one is here.
    pub(crate) fn announce(&mut self, id: &ClassroomId, answer: bool) {
        let place = match &self.place {
            Some((classroom, document, cursor)) if classroom == id => Some((*document, cursor.clone())),
            _ => None,
        };
        let name = self
            .classrooms
            .get(id)
            .and_then(|classroom| classroom.record.guest.clone());
        self.whisper(
            id,
            &Words::Here {
                lane: self.lane,
                name,
                place,
                answer,
            },
        );
    }

    pub(crate) fn say_gone(&mut self) {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in ids {
            self.whisper(&id, &Words::Gone { lane: self.lane });
        }
    }

    fn whisper(&mut self, id: &ClassroomId, words: &Words) {
        let (Some(me), Some(classroom)) = (&self.me, self.classrooms.get(id)) else {
            return;
        };
        let Some(channel) = &classroom.channel else {
            return;
        };
        // Only members whisper, and only where the relay knows them as such.
        if classroom.joining.is_some() || !classroom.entries.is_empty() {
            return;
        }
        let number = channel.number;
        let Some(sealing) = classroom.sealing(&me.keys.id(), &SpaceId::EVERYONE) else {
            return;
        };
        let sealed = bounded::encode("whisper", words).and_then(|content| {
            Whisper::seal(
                &me.keys,
                id,
                SpaceId::EVERYONE,
                sealing.epoch,
                sealing.key,
                &content,
                &mut self.rng,
            )?
            .encode()
        });
        // What cannot be said is not said: the next whisper comes soon.
        if let Ok(whisper) = sealed.and_then(|bytes| Bytes::new("whisper", bytes)) {
            self.send(&[ClientFrame::Whisper {
                channel: number,
                whisper,
            }]);
        }
    }

    /// Takes the words of a whisper that was verified to be of `member`.
    pub(crate) fn heard(&mut self, id: &ClassroomId, member: MemberId, content: &[u8]) {
        let Ok(words) = bounded::decode::<Words>("whisper", content) else {
            return;
        };
        let Some(classroom) = self.classrooms.get_mut(id) else {
            return;
        };
        match words {
            Words::Here {
                lane,
                name,
                place,
                answer,
            } => {
                let place = place.filter(|(_, cursor)| {
                    cursor.as_ref().is_none_or(|cursor| {
                        cursor.anchor.len() <= LONGEST_CURSOR && cursor.head.len() <= LONGEST_CURSOR
                    })
                });
                let person = Person {
                    member,
                    heard_at: self.now,
                    name: name.filter(|name| name.chars().count() <= documents::classroom::LONGEST_NAME),
                    place,
                };
                let key = (member, lane);
                let is_known = classroom.people.contains_key(&key);
                let is_here =
                    self.me.as_ref().is_some_and(|me| me.keys.id() == member) && self.held.contains(&lane);
                if is_here || (!is_known && classroom.people.len() >= MOST_PEOPLE) {
                    return;
                }
                let before = classroom.people.insert(key, person.clone());
                self.show_people(id, before.as_ref(), Some(&person));
                if answer {
                    self.answer_soon(id);
                }
            }
            Words::Gone { lane } => {
                let before = classroom.people.remove(&(member, lane));
                self.show_people(id, before.as_ref(), None);
            }
        }
    }

    /// Says that one is here, since somebody asks: at once among few, some time soon among many, so that a class that
    /// comes back together does not answer everybody's question at once.
    fn answer_soon(&mut self, id: &ClassroomId) {
        let people = self
            .classrooms
            .get(id)
            .map_or(0, |classroom| classroom.people.len());
        if people <= FEW_PEOPLE {
            self.announce(id, false);
            return;
        }
        let wait = u64::from(self.rng.next_u32()) % ANSWER_WITHIN;
        self.answer_due.entry(*id).or_insert(self.now + wait);
    }

    pub(crate) fn tick_presence(&mut self) {
        let due: Vec<ClassroomId> = self
            .answer_due
            .iter()
            .filter(|(_, at)| self.now >= **at)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.answer_due.remove(&id);
            self.announce(&id, false);
        }
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in &ids {
            let Some(classroom) = self.classrooms.get_mut(id) else {
                continue;
            };
            let silent: Vec<(MemberId, LaneId)> = classroom
                .people
                .iter()
                .filter(|(_, person)| self.now >= person.heard_at + GONE_AFTER)
                .map(|(key, _)| *key)
                .collect();
            for key in silent {
                let before = self
                    .classrooms
                    .get_mut(id)
                    .and_then(|classroom| classroom.people.remove(&key));
                self.show_people(id, before.as_ref(), None);
            }
        }
        if self.now >= self.said_at + SAY_EVERY {
            self.said_at = self.now;
            for id in &ids {
                self.announce(id, false);
            }
        }
    }

    /// Shows who is on the pages that somebody came to, moved on or left, if they are open here.
    fn show_people(&mut self, id: &ClassroomId, before: Option<&Person>, after: Option<&Person>) {
        let page_of = |person: &Person| person.place.as_ref().map(|(document, _)| *document);
        let before = before.and_then(page_of);
        let after = after.and_then(page_of);
        for document in [before, after.filter(|after| before != Some(*after))]
            .into_iter()
            .flatten()
        {
            self.show_people_on(id, document);
        }
    }

    pub(crate) fn show_people_on(&mut self, id: &ClassroomId, document: DocumentId) {
        let Some(classroom) = self.classrooms.get(id) else {
            return;
        };
        if !classroom.open.contains(&document) {
            return;
        }
        let profiles = classroom.own_document().map(|own| &own.read().profiles);
        let people = classroom
            .people
            .iter()
            .filter_map(|((member, lane), person)| {
                let (place, cursor) = person.place.as_ref()?;
                (*place == document).then(|| Presence {
                    id: format!("{member}{lane}"),
                    member: person.member,
                    name: profiles
                        .and_then(|profiles| profiles.get(&person.member.0))
                        .map(|profile| profile.name.clone())
                        .or_else(|| person.name.clone())
                        .unwrap_or_default(),
                    colour: crate::show::colour(&person.member),
                    cursor: cursor.clone(),
                })
            })
            .collect();
        self.effects.push(Effect::Show(Update::Presence {
            classroom: *id,
            document,
            people,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::written;

    #[test]
    fn whispers_say_what_they_said_at_first() {
        let lane = LaneId([7; 16]);
        let cursor = CursorRange {
            anchor: format!("12@{}", "0a".repeat(16)),
            head: "e".to_owned(),
        };
        let here = Words::Here {
            lane,
            name: Some("Zoë".to_owned()),
            place: Some((DocumentId([9; 16]), Some(cursor))),
            answer: true,
        };
        let nowhere = Words::Here {
            lane,
            name: None,
            place: None,
            answer: false,
        };
        for (name, words) in [
            ("whisper-here", here),
            ("whisper-here-nowhere", nowhere),
            ("whisper-gone", Words::Gone { lane }),
        ] {
            let said = bounded::encode("whisper", &words).unwrap();
            assert_eq!(written(name, &said), said, "{name}");
            assert!(bounded::decode::<Words>("whisper", &said).is_ok());
        }
    }
}
