//! What one may do with a member: the menu `Manage`, and what is asked first. Who may do nothing reads there who may.

use leptos::prelude::WithUntracked;
use protocol::ClassroomId;
use protocol::roster::Role;
use replica::command::{Answer, Command};
use replica::view::Member;

use crate::components::avatar::shown_name;
use crate::components::dialog::{Choice, Question, Questions};
use crate::components::menu::MenuItem;
use crate::link::Link;
use crate::messages::say;
use crate::reasons;

pub(super) fn manage_items(
    link: Link,
    questions: Questions,
    id: ClassroomId,
    member: &Member,
) -> Vec<MenuItem> {
    let mut items = Vec::new();
    if !member.rights.may_change_role.is_empty() {
        let member = member.clone();
        items.push(MenuItem::new(say().change_role(), move || {
            questions.ask(change_role(id, &member));
        }));
    }
    if member.me {
        items.push(MenuItem::new(say().leave(), move || {
            questions.ask(leave(link, id));
        }));
    } else if member.rights.may_remove {
        let member = member.clone();
        items.push(MenuItem::new(say().remove(), move || {
            questions.ask(remove(id, &member));
        }));
    }
    if items.is_empty() {
        items.push(MenuItem::note(say().manage_nothing()));
    }
    items
}

fn change_role(id: ClassroomId, member: &Member) -> Question {
    let roles = member.rights.may_change_role.clone();
    let member_id = member.id;
    let choices = roles
        .iter()
        .map(|role| Choice {
            name: reasons::role(*role).to_owned(),
            hint: reasons::role_hint(*role),
        })
        .collect();
    Question {
        text: vec![say().change_role_text(reasons::role(member.role))],
        choices,
        legend: say().new_role(),
        first_is_chosen: false,
        told: Box::new(told_of_consent),
        ..Question::new(
            say().change_role_title(&shown_name(&member.name)),
            say().change_role(),
            move |index| Command::ChangeRole {
                classroom: id,
                member: member_id,
                role: roles[index],
            },
        )
    }
}

fn remove(id: ClassroomId, member: &Member) -> Question {
    let member_id = member.id;
    let mut text = vec![
        say().remove_work_stays().to_owned(),
        say().remove_not_taken().to_owned(),
        say().remove_keys().to_owned(),
        say().remove_device().to_owned(),
    ];
    if member.rights.consents_missing > 0 {
        text.push(say().remove_consent(&member.rights.consents_missing.to_string()));
    }
    Question {
        text,
        told: Box::new(told_of_consent),
        ..Question::new(
            say().remove_title(&shown_name(&member.name)),
            say().remove_member(),
            move |_| Command::Remove {
                classroom: id,
                member: member_id,
            },
        )
    }
}

/// Other schools have to agree: how many do.
fn told_of_consent(answer: Answer) -> Option<String> {
    match answer {
        Answer::Consented { have, need } => Some(say().consented(&have.to_string(), &need.to_string())),
        _ => None,
    }
}

/// Leaving: alone or, for a lead, with the whole school.
pub(super) fn leave(link: Link, id: ClassroomId) -> Question {
    let (name, is_lead) = link.classrooms.with_untracked(|classrooms| {
        let classroom = classrooms.get(&id);
        (
            classroom
                .map(|classroom| classroom.name.clone())
                .unwrap_or_default(),
            classroom.is_some_and(|classroom| classroom.role == Role::Lead),
        )
    });
    let choices = if is_lead {
        vec![
            Choice {
                name: say().leave_alone().to_owned(),
                hint: "",
            },
            Choice {
                name: say().leave_with_school().to_owned(),
                hint: say().leave_with_school_hint(),
            },
        ]
    } else {
        Vec::new()
    };
    Question {
        text: vec![say().leave_text().to_owned(), say().leave_keeps().to_owned()],
        choices,
        legend: say().leave_who(),
        ..Question::new(say().leave_title(&name), say().leave(), move |index| {
            Command::Leave {
                classroom: id,
                school: index == 1,
            }
        })
    }
}
