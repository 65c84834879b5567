use leptos::prelude::*;
use replica::view::Presence;

use super::Open;
use crate::components::avatar::{Avatar, shown_name};
use crate::messages::say;

/// The others who are on the page now.
#[component]
pub(super) fn People(open: Open) -> impl IntoView {
    let present = RwSignal::from(open.with_value(|session| session.people.clone()));
    let people = Memo::new(move |_| present.with(|present| people_of(present)));
    let person = |Person { name, colour }| {
        let shown = shown_name(&name);
        view! {
            <li class="person">
                <Avatar name colour />
                <bdi class="person-name">{shown}</bdi>
            </li>
        }
    };
    view! {
        <ul class="people" aria-label=say().people_here()>
            {move || people.get().into_iter().map(person).collect_view()}
        </ul>
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    name: String,
    colour: u8,
}

/// Everybody once, however many tabs they have open.
fn people_of(present: &[Presence]) -> Vec<Person> {
    let first_tab =
        |(index, tab): &(usize, &Presence)| present[..*index].iter().all(|other| other.member != tab.member);
    let tabs = present.iter().enumerate().filter(first_tab);
    tabs.map(|(_, tab)| Person {
        name: tab.name.clone(),
        colour: tab.colour,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use protocol::MemberId;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_person_with_two_tabs_is_shown_once() {
        let tab = |member: u8, id: &str| Presence {
            id: id.to_owned(),
            member: MemberId([member; 32]),
            name: format!("member {member}"),
            colour: member,
            cursor: None,
        };
        let people = people_of(&[tab(1, "a"), tab(2, "b"), tab(1, "c")]);
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        assert_eq!(names, ["member 1", "member 2"]);
    }
}
