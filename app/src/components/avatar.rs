//! A person as a coloured disc with initials.

use leptos::prelude::*;
use protocol::MemberId;
use replica::view::Classroom;

use crate::messages::say;

/// The name is said next to it. Without letters while the name has not arrived.
#[component]
pub(crate) fn Avatar(name: String, colour: u8) -> impl IntoView {
    let class = format!("avatar colour-{}", colour % 12);
    view! {
        <span class=class aria-hidden="true" title=shown_name(&name)>
            {initials(&name)}
        </span>
    }
}

/// A person's name, or that it has not arrived.
pub(crate) fn shown_name(name: &str) -> String {
    if name.is_empty() {
        say().unnamed_member().to_owned()
    } else {
        name.to_owned()
    }
}

/// The name of somebody who is a member, or was one.
pub(crate) fn name_in(classroom: &Classroom, id: MemberId) -> Option<String> {
    let member = classroom.members.iter().find(|member| member.id == id);
    let former = || classroom.former_members.iter().find(|member| member.id == id);
    let name = member.map(|member| &member.name);
    name.or_else(|| former().map(|member| &member.name))
        .map(|name| shown_name(name))
}

/// The first letters of the first and last word.
fn initials(name: &str) -> String {
    let first_letter = |word: &str| word.chars().find(|letter| letter.is_alphanumeric());
    let letters: Vec<char> = name.split_whitespace().filter_map(first_letter).collect();
    match letters.as_slice() {
        [] => String::new(),
        [only] => only.to_uppercase().collect(),
        [first, .., last] => first.to_uppercase().chain(last.to_uppercase()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn initials_are_of_the_first_and_last_word() {
        assert_eq!(initials("Amina Wanjiru Odhiambo"), "AO");
        assert_eq!(initials("jürgen"), "J");
        assert_eq!(initials("  "), "");
        assert_eq!(initials("🙂 أمينة"), "أ");
    }
}
