//! Where a link leads.

use leptos::html::Input;
use leptos::prelude::*;
use web_sys::SubmitEvent;

use super::Open;
use crate::components::dialog::{Dialog, cancels, close_around};
use crate::messages::say;
use crate::page::editor::EditorCommand;

/// `address` is where it leads by now: nowhere, if it is empty.
#[component]
pub(super) fn LinkDialog(open: Open, linking: RwSignal<Option<String>>, address: String) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let is_none = RwSignal::new(false);
    let leads = !address.is_empty();
    let lead_to = move |address: String| {
        if let Some(field) = field.get_untracked() {
            close_around(&field);
        }
        open.get_value().command(EditorCommand::Link(address));
    };
    let set = move |event: SubmitEvent| {
        if cancels(&event) {
            return;
        }
        event.prevent_default();
        let typed = field
            .get_untracked()
            .map(|field| field.value())
            .unwrap_or_default();
        match address_of(&typed) {
            Some(address) => lead_to(address),
            None => is_none.set(true),
        }
    };
    view! {
        <Dialog title=say().link().to_owned() on_close=move || linking.set(None)>
            <form class="dialog-form" on:submit=set novalidate>
                <div class="field">
                    <label for="link-address">{say().link_address()}</label>
                    <input
                        id="link-address"
                        type="url"
                        dir="ltr"
                        autocomplete="off"
                        autofocus
                        value=address
                        aria-describedby="link-hint"
                        aria-invalid=move || is_none.get().to_string()
                        node_ref=field
                        on:input=move |_| is_none.set(false)
                    />
                    <p class="hint" id="link-hint">
                        {say().link_hint()}
                    </p>
                    <p class="problem" role="alert">
                        {move || is_none.get().then(|| say().link_not_an_address())}
                    </p>
                </div>
                <div class="form-foot">
                    <button type="submit" class="button">
                        {say().set_link()}
                    </button>
                    {leads
                        .then(|| {
                            view! {
                                <button
                                    type="button"
                                    class="button button-quiet"
                                    on:click=move |_| lead_to(String::new())
                                >
                                    {say().remove_link()}
                                </button>
                            }
                        })}
                    <button type="submit" formmethod="dialog" class="button button-quiet">
                        {say().cancel()}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}

/// What somebody means who types this; none if it is no address that a link may lead to.
fn address_of(typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.is_empty() || typed.contains(char::is_whitespace) {
        return None;
    }
    let scheme = typed.split_once(':').filter(|(scheme, _)| {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || "+-".contains(letter);
        !scheme.is_empty() && scheme.chars().all(letters)
    });
    match scheme.map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
        Some((scheme, rest)) if ["http", "https"].contains(&scheme.as_str()) => rest
            .strip_prefix("//")
            .filter(|place| !place.trim_matches('/').is_empty())
            .map(|_| typed.to_owned()),
        Some((scheme, rest)) if ["mailto", "tel"].contains(&scheme.as_str()) => {
            (!rest.is_empty()).then(|| typed.to_owned())
        }
        // A port, as in `localhost:8080`.
        Some((_, rest)) if !rest.starts_with(|first: char| first.is_ascii_digit()) => None,
        _ if typed.contains('@') && !typed.contains('/') => Some(format!("mailto:{typed}")),
        _ => Some(format!("https://{typed}")),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn an_address_may_be_typed_as_people_say_it() {
        let to = |typed: &str| address_of(typed).unwrap_or_default();
        assert_eq!(to(" example.org/a "), "https://example.org/a");
        assert_eq!(to("http://example.org"), "http://example.org");
        assert_eq!(to("amina@example.org"), "mailto:amina@example.org");
        assert_eq!(to("example.org:8080/a"), "https://example.org:8080/a");
        assert_eq!(to("tel:+254700"), "tel:+254700");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_would_run_or_leads_nowhere_is_no_address() {
        for typed in [
            "",
            "  ",
            "javascript:alert(1)",
            "data:text/html,x",
            "two words",
            "https://",
            "https:example",
            "HTTP:/example",
            "mailto:",
            "file:///etc",
        ] {
            assert_eq!(address_of(typed), None, "{typed}");
        }
    }
}
