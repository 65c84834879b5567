//! The headings of the page, to go to them.

use std::time::Duration;

use leptos::prelude::*;
use web_sys::KeyboardEvent;

use super::super::Open;
use crate::components::icon::CloseIcon;
use crate::messages::say;
use crate::page::reading::Heading;

/// So long after something was written the headings are looked at again.
const PAUSE: Duration = Duration::from_millis(400);

/// A heading, and those under it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    heading: Heading,
    under: Vec<Section>,
}

#[component]
pub(super) fn Outline(open: Open, shown: RwSignal<bool>) -> impl IntoView {
    let written = open.with_value(|session| session.written.clone());
    let headings = RwSignal::new(open.with_value(|session| session.outline()));
    let due = StoredValue::new(None::<TimeoutHandle>);
    Effect::new(move |again: Option<()>| {
        written.track();
        if again.is_none() || due.with_value(Option::is_some) {
            return;
        }
        let look = move || {
            if due.try_set_value(None).is_none()
                && let Some(now) = open.try_with_value(|session| session.outline())
                && headings.try_with_untracked(|before| *before != now) == Some(true)
            {
                headings.set(now);
            }
        };
        match set_timeout_with_handle(look, PAUSE) {
            Ok(timer) => due.set_value(Some(timer)),
            Err(error) => leptos::logging::warn!("the outline stays as it is: {error:?}"),
        }
    });
    let nav = NodeRef::<leptos::html::Nav>::new();
    let close = move || {
        shown.set(false);
        open.get_value().focus();
    };
    let go = move |block: usize| {
        let covers = nav.get_untracked().is_some_and(|nav| {
            // Beside the page it stays; over the page it makes room for what was asked for.
            window()
                .get_computed_style(&nav)
                .ok()
                .flatten()
                .and_then(|style| style.get_property_value("--covers").ok())
                .is_some_and(|covers| covers.trim() == "yes")
        });
        if covers {
            shown.set(false);
        }
        open.get_value().go_to(block);
    };
    let on_key = move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            event.prevent_default();
            close();
        }
    };
    view! {
        <nav class="outline" aria-label=say().outline() node_ref=nav on:keydown=on_key>
            <div class="outline-head">
                <span aria-hidden="true">{say().outline()}</span>
                <button
                    type="button"
                    class="tool"
                    aria-label=say().close()
                    title=say().close()
                    on:click=move |_| close()
                >
                    <CloseIcon />
                </button>
            </div>
            {move || {
                let sections = nested(&headings.get());
                if sections.is_empty() {
                    view! { <p class="hint">{say().outline_empty()}</p> }.into_any()
                } else {
                    list_of(&sections, go)
                }
            }}
        </nav>
    }
}

fn list_of(sections: &[Section], go: impl Fn(usize) + Copy + 'static) -> AnyView {
    let item = |section: &Section| {
        let Heading { text, block, .. } = section.heading.clone();
        let name = if text.is_empty() {
            say().outline_untitled().to_owned()
        } else {
            text
        };
        let under = (!section.under.is_empty()).then(|| list_of(&section.under, go));
        view! {
            <li>
                <button type="button" class="outline-item" on:click=move |_| go(block)>
                    <bdi>{name}</bdi>
                </button>
                {under}
            </li>
        }
    };
    view! { <ul>{sections.iter().map(item).collect_view()}</ul> }.into_any()
}

/// Puts each heading under the one before it that is above it.
fn nested(headings: &[Heading]) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for heading in headings {
        let mut level = &mut sections;
        while level
            .last()
            .is_some_and(|above| above.heading.level < heading.level)
        {
            let last = level.len() - 1;
            level = &mut level[last].under;
        }
        level.push(Section {
            heading: heading.clone(),
            under: Vec::new(),
        });
    }
    sections
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn headings_stand_under_what_is_above_them() {
        let headings: Vec<Heading> = [3, 1, 2, 3, 2, 1, 3]
            .iter()
            .enumerate()
            .map(|(block, level)| Heading {
                level: *level,
                text: String::new(),
                block,
            })
            .collect();
        fn told(sections: &[Section]) -> String {
            let one = |section: &Section| format!("{}({})", section.heading.block, told(&section.under));
            sections.iter().map(one).collect()
        }
        assert_eq!(told(&nested(&headings)), "0()1(2(3())4())5(6())");
    }
}
