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
/// The longest cursor that is taken from others.
const LONGEST_CURSOR: usize = 200;

/// Somebody who said that they are here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) member: MemberId,
    pub(crate) heard_at: u64,
    pub(crate) place: Option<(DocumentId, Option<CursorRange>)>,
}

/// What a whisper says. New kinds are added at the end.
#[derive(Debug, Serialize, Deserialize)]
enum Words {
    /// I am here, and on this page, if I am on one. `lane` tells my tabs apart; `answer` asks others to say the same.
    Here {
        lane: LaneId,
        place: Option<(DocumentId, Option<CursorRange>)>,
        answer: bool,
    },
    /// I am leaving.
    Gone { lane: LaneId },
}

impl<R: CryptoRng> Replica<R> {
    /// Moves one's own cursor.
    pub(crate) fn move_cursor(
        &mut self,
        id: &ClassroomId,
        document: DocumentId,
        cursor: Option<CursorRange>,
    ) -> Result<(), Problem> {
        self.classrooms.get(id).ok_or(Problem::UnknownClassroom)?;
        self.place = Some((*id, document, cursor));
        self.announce(id, false);
        Ok(())
    }

    /// Says in a classroom that one is here.
    pub(crate) fn announce(&mut self, id: &ClassroomId, answer: bool) {
        let place = match &self.place {
            Some((classroom, document, cursor)) if classroom == id => Some((*document, cursor.clone())),
            _ => None,
        };
        self.whisper(
            id,
            &Words::Here {
                lane: self.lane,
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
        let (Some(channel), Some((epoch, key))) = (&classroom.channel, classroom.current_key()) else {
            return;
        };
        // Only members whisper, and only where the relay knows them as such.
        if classroom.joining.is_some() || !classroom.entries.is_empty() {
            return;
        }
        let number = channel.number;
        let sealed = bounded::encode("whisper", words).and_then(|content| {
            Whisper::seal(
                &me.keys,
                id,
                SpaceId::EVERYONE,
                epoch,
                key,
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
            Words::Here { lane, place, answer } => {
                let place = place.filter(|(_, cursor)| {
                    cursor.as_ref().is_none_or(|cursor| {
                        cursor.anchor.len() <= LONGEST_CURSOR && cursor.head.len() <= LONGEST_CURSOR
                    })
                });
                let person = Person {
                    member,
                    heard_at: self.now,
                    place,
                };
                if lane != self.lane {
                    let before = classroom.people.insert(lane, person.clone());
                    self.show_people(id, before, Some(&person));
                    if answer {
                        self.announce(id, false);
                    }
                }
            }
            Words::Gone { lane } => {
                let before = classroom.people.remove(&lane);
                self.show_people(id, before, None);
            }
        }
    }

    pub(crate) fn tick_presence(&mut self) {
        let ids: Vec<ClassroomId> = self.classrooms.keys().copied().collect();
        for id in &ids {
            let Some(classroom) = self.classrooms.get_mut(id) else {
                continue;
            };
            let silent: Vec<LaneId> = classroom
                .people
                .iter()
                .filter(|(_, person)| self.now >= person.heard_at + GONE_AFTER)
                .map(|(lane, _)| *lane)
                .collect();
            for lane in silent {
                let before = self
                    .classrooms
                    .get_mut(id)
                    .and_then(|classroom| classroom.people.remove(&lane));
                self.show_people(id, before, None);
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
    fn show_people(&mut self, id: &ClassroomId, before: Option<Person>, after: Option<&Person>) {
        let page_of = |person: &Person| person.place.as_ref().map(|(document, _)| *document);
        let before = before.as_ref().and_then(page_of);
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
        let profiles = classroom
            .own_document()
            .map(|own| own.profiles())
            .unwrap_or_default();
        let people = classroom
            .people
            .iter()
            .filter_map(|(lane, person)| {
                let (place, cursor) = person.place.as_ref()?;
                (*place == document).then(|| Presence {
                    id: lane.to_hex(),
                    member: person.member,
                    name: profiles
                        .get(&person.member.0)
                        .map(|p| p.name.clone())
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
