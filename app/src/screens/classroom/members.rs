use leptos::prelude::*;
use protocol::{ClassroomId, MemberId, SchoolId};
use replica::view::{Classroom, Member, School};

use super::manage::manage_items;
use super::part;
use crate::components::avatar::{Avatar, shown_name};
use crate::components::dialog::use_questions;
use crate::components::menu::{Menu, menu_items};
use crate::link::use_link;
use crate::messages::say;
use crate::reasons;

/// Who belongs, school by school, and who is here now; folded away below, who belonged.
#[component]
pub(super) fn Members(id: ClassroomId) -> impl IntoView {
    let members = part(id, |classroom| in_order(&classroom.members, &classroom.schools));
    let count = Memo::new(move |_| members.with(Vec::len));
    view! {
        <section class="panel members">
            <h2>
                <span id="members">{say().members()}</span>
                <span class="count" aria-hidden="true">
                    {count}
                </span>
            </h2>
            <ul class="rows" aria-labelledby="members">
                <For each=move || members.get() key=|member| *member let:member>
                    <Row id member />
                </For>
            </ul>
            <FormerMembers id />
        </section>
    }
}

#[component]
fn FormerMembers(id: ClassroomId) -> impl IntoView {
    let former = part(id, |classroom| classroom.former_members.clone());
    move || {
        let mut rows: Vec<AnyView> = Vec::new();
        for member in former.get() {
            rows.push(view! { <li><bdi>{shown_name(&member.name)}</bdi></li> }.into_any());
        }
        (!rows.is_empty()).then(|| {
            view! {
                <details class="former">
                    <summary>{say().former_members()}</summary>
                    <ul aria-label=say().former_members()>{rows}</ul>
                </details>
            }
        })
    }
}

/// The members in the order of the schools, those who are here first, then by name.
fn in_order(members: &[Member], schools: &[School]) -> Vec<MemberId> {
    let school = |member: &Member| schools.iter().position(|school| school.id == member.school);
    let place = |member: &Member| (school(member).unwrap_or(usize::MAX), !member.here);
    let mut ordered: Vec<&Member> = Vec::with_capacity(members.len());
    for member in members {
        let before = |other: &&Member| (place(other), &other.name) <= (place(member), &member.name);
        ordered.insert(ordered.partition_point(before), member);
    }
    ordered.into_iter().map(|member| member.id).collect()
}

fn school_name(classroom: &Classroom, member: &Member) -> String {
    let school = classroom.schools.iter().find(|school| school.id == member.school);
    school.map_or_else(|| say().unnamed_school().to_owned(), |school| school.name.clone())
}

/// The names of these schools, as far as they are known.
pub(super) fn school_names(classroom: &Classroom, schools: &[SchoolId]) -> String {
    let mut names = String::new();
    for school in &classroom.schools {
        if schools.contains(&school.id) {
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(&school.name);
        }
    }
    names
}

/// Who agrees by now that a lead or teacher be removed or given less power; empty if that is not proposed.
fn proposal(classroom: &Classroom, member: &Member) -> String {
    let names = school_names(classroom, &member.rights.agreed);
    if names.is_empty() {
        names
    } else {
        say().consent_open(&names)
    }
}

/// Follows its member by itself: a menu must not go away while somebody chooses from it.
#[component]
fn Row(id: ClassroomId, member: MemberId) -> impl IntoView {
    let link = use_link();
    let questions = use_questions();
    let view = part(id, move |classroom| {
        let member = classroom.members.iter().find(|other| other.id == member)?;
        Some((
            school_name(classroom, member),
            proposal(classroom, member),
            member.clone(),
        ))
    });
    let words_id = format!("member-{member}");
    let described_by = words_id.clone();
    let here = Memo::new(move |_| view.with(|view| view.as_ref().is_some_and(|(.., member)| member.here)));
    let words = move || {
        view.get().map(|(school, agreed, member)| {
            view! {
                <span class="member-name">
                    <bdi>{shown_name(&member.name)}</bdi>
                    {member.me.then(|| view! { " (" {say().you()} ")" })}
                </span>
                <span class="member-facts">
                    <bdi>{school}</bdi>
                    " · "
                    {reasons::role(member.role)}
                </span>
                {(!agreed.is_empty()).then(|| view! { <span class="member-proposal">{agreed}</span> })}
            }
        })
    };
    let avatar = move || {
        view.get()
            .map(|(.., member)| view! { <Avatar name=member.name colour=member.colour /> })
    };
    let items = menu_items(move || match view.get() {
        Some((.., member)) => manage_items(link, questions, id, &member),
        None => Vec::new(),
    });
    view! {
        <li class="row member" class:here=here>
            {avatar}
            <span class="member-words" id=words_id>
                {words}
            </span>
            {move || here.get().then(|| view! { <span class="badge badge-here">{say().here_now()}</span> })}
            <Menu name=say().manage() class="button button-small" described_by items />
        </li>
    }
}

#[cfg(test)]
mod tests {
    use protocol::roster::Role;
    use replica::view::Rights;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn member(id: u8, school: u8, name: &str, here: bool) -> Member {
        Member {
            id: MemberId([id; 32]),
            name: name.to_owned(),
            school: SchoolId([school; 16]),
            role: Role::Student,
            here,
            me: false,
            colour: 0,
            rights: Rights::default(),
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn members_stand_with_their_school_and_those_here_first() {
        let school = |id: u8, name: &str| School {
            id: SchoolId([id; 16]),
            name: name.to_owned(),
            country: "KE".to_owned(),
            time_zone: "Africa/Nairobi".to_owned(),
        };
        let schools = [school(1, "Nairobi"), school(2, "Bremen")];
        let members = [
            member(1, 2, "Anna", false),
            member(2, 9, "Nobody's", true),
            member(3, 1, "Zawadi", true),
            member(4, 1, "Mwangi", false),
            member(5, 1, "Amina", false),
        ];
        let ordered: Vec<u8> = in_order(&members, &schools)
            .iter()
            .map(|member| member.0[0])
            .collect();
        assert_eq!(ordered, [3, 5, 4, 1, 2]);
    }
}
