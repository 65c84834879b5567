use leptos::prelude::*;

use super::Open;
use crate::components::avatar::Avatar;
use crate::messages::say;
use crate::page::session::people_once;

/// The others who are on the page now.
#[component]
pub(super) fn People(open: Open) -> impl IntoView {
    let people = RwSignal::from(open.with_value(|session| session.people.clone()));
    let people = Memo::new(move |_| people.with(|people| people_once(people)));
    let person = |(_, name, colour): (_, String, u8)| {
        view! {
            <li class="person">
                <Avatar name=name.clone() colour />
                <bdi class="person-name">{name}</bdi>
            </li>
        }
    };
    view! {
        <ul class="people" aria-label=say().people_here()>
            {move || people.get().into_iter().map(person).collect_view()}
        </ul>
    }
}
