use leptos::prelude::*;
use protocol::ClassroomId;
use replica::view::{Member, School};

use super::part;
use crate::components::avatar::{Avatar, shown_name};
use crate::messages::say;
use crate::reasons;

/// Who belongs, school by school, and who is here now.
#[component]
pub(super) fn Members(id: ClassroomId) -> impl IntoView {
    let members = part(id, |classroom| by_school(&classroom.members, &classroom.schools));
    let count = Memo::new(move |_| members.with(Vec::len));
    let row = |(school, member): (String, Member)| view! { <Row school member /> };
    view! {
        <section class="panel members">
            <h2>
                <span id="members">{say().members()}</span>
                <span class="count" aria-hidden="true">
                    {count}
                </span>
            </h2>
            <ul class="rows" aria-labelledby="members">
                {move || members.get().into_iter().map(row).collect_view()}
            </ul>
        </section>
    }
}

/// Members with their school's name, in the order of the schools, those who are here first.
fn by_school(members: &[Member], schools: &[School]) -> Vec<(String, Member)> {
    let order = |member: &Member| schools.iter().position(|school| school.id == member.school);
    let mut members = members.to_vec();
    members.sort_by_key(|member| {
        (
            order(member).unwrap_or(usize::MAX),
            !member.here,
            member.name.clone(),
        )
    });
    let named = members.into_iter().map(|member| {
        let school = schools.iter().find(|school| school.id == member.school);
        let name = school.map_or_else(|| say().unnamed_school().to_owned(), |school| school.name.clone());
        (name, member)
    });
    named.collect()
}

#[component]
fn Row(school: String, member: Member) -> impl IntoView {
    let name = shown_name(&member.name);
    view! {
        <li class="row member" class:here=member.here>
            <Avatar name=member.name colour=member.colour />
            <span class="member-words">
                <span class="member-name">
                    <bdi>{name}</bdi>
                    {member.me.then(|| view! { " (" {say().you()} ")" })}
                </span>
                <span class="member-facts">
                    <bdi>{school}</bdi>
                    " · "
                    {reasons::role(member.role)}
                </span>
            </span>
            {member.here.then(|| view! { <span class="badge badge-here">{say().here_now()}</span> })}
        </li>
    }
}

#[cfg(test)]
mod tests {
    use protocol::roster::Role;
    use protocol::{MemberId, SchoolId};
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
            rights: replica::view::Rights::default(),
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
            member(4, 1, "Amina", false),
        ];
        let sorted = by_school(&members, &schools);
        let names: Vec<(&str, &str)> = sorted
            .iter()
            .map(|(school, member)| (school.as_str(), member.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("Nairobi", "Zawadi"),
                ("Nairobi", "Amina"),
                ("Bremen", "Anna"),
                (say().unnamed_school(), "Nobody's")
            ]
        );
    }
}
