//! Who is behind the actors of a document.

use std::collections::HashMap;

use protocol::{ClassroomId, MemberId};
use replica::command;

use crate::components::avatar::shown_name;
use crate::link::Link;
use crate::messages::say;
use leptos::prelude::WithUntracked as _;

/// Somebody who wrote on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Author {
    who: Who,
    pub(super) name: String,
    /// An index into the palette, 0 to 11.
    pub(super) colour: u8,
    pub(super) me: bool,
}

/// Names may be alike.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Member(MemberId),
    Actor(Vec<u8>),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Authors {
    members: HashMap<MemberId, Author>,
    actors: HashMap<Vec<u8>, MemberId>,
}

impl Authors {
    pub(super) fn of(link: Link, classroom: ClassroomId, found: &[command::Author]) -> Authors {
        let mut members = HashMap::new();
        link.classrooms.with_untracked(|classrooms| {
            let Some(view) = classrooms.get(&classroom) else {
                return;
            };
            for former in &view.former_members {
                let author = Author {
                    who: Who::Member(former.id),
                    name: shown_name(&former.name),
                    colour: former.id.0[0] % 12,
                    me: false,
                };
                members.insert(former.id, author);
            }
            for member in &view.members {
                let author = Author {
                    who: Who::Member(member.id),
                    name: shown_name(&member.name),
                    colour: member.colour,
                    me: member.me,
                };
                members.insert(member.id, author);
            }
        });
        let actors = found.iter().map(|author| (author.actor.to_vec(), author.member));
        Authors {
            members,
            actors: actors.collect(),
        }
    }

    /// Who is behind an actor; somebody, if that is not known.
    pub(super) fn of_actor(&self, actor: &[u8]) -> Author {
        let member = self.actors.get(actor).and_then(|member| self.members.get(member));
        member.cloned().unwrap_or_else(|| Author {
            who: Who::Actor(actor.to_vec()),
            name: say().somebody().to_owned(),
            colour: actor.first().copied().unwrap_or_default() % 12,
            me: false,
        })
    }

    /// Each person once, in the order of their first actors.
    pub(super) fn of_actors(&self, actors: &[Vec<u8>]) -> Vec<Author> {
        let mut people: Vec<Author> = Vec::new();
        for actor in actors {
            let person = self.of_actor(actor);
            if !people.contains(&person) {
                people.push(person);
            }
        }
        people
    }

    /// Those who wrote in the document, and the actors of each, in the order of these. Names that are alike are numbered.
    pub(super) fn with_actors(&self, actors: &[Vec<u8>]) -> Vec<(Author, Vec<Vec<u8>>)> {
        let mut people: Vec<(Author, Vec<Vec<u8>>)> = Vec::new();
        for actor in actors {
            let person = self.of_actor(actor);
            match people.iter_mut().find(|(known, _)| *known == person) {
                Some((_, of_them)) => of_them.push(actor.clone()),
                None => people.push((person, vec![actor.clone()])),
            }
        }
        let names: Vec<String> = people.iter().map(|(person, _)| person.name.clone()).collect();
        for (index, (person, _)) in people.iter_mut().enumerate() {
            let earlier = names[..index]
                .iter()
                .filter(|name| **name == names[index])
                .count();
            if earlier > 0 {
                person.name = format!("{} ({})", person.name, earlier + 1);
            }
        }
        people
    }
}
