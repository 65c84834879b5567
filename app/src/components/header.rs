use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, MouseEvent};

use super::icon::Mark;
use super::status::{Announcements, Status};
use crate::messages::say;
use crate::paths;

/// On top of every screen: the way home, and where the work is.
#[component]
pub(crate) fn Header() -> impl IntoView {
    view! {
        <a class="skip" href="#content" on:click=skip>
            {say().skip_to_content()}
        </a>
        <header class="header">
            <a class="brand" href=paths::HOME aria-label=say().home_label()>
                <Mark />
                <span class="brand-name">{say().app_name()}</span>
            </a>
            <Status />
        </header>
        <Announcements />
    }
}

/// Moves the focus only: the address may hold an invite behind its `#`.
fn skip(event: MouseEvent) {
    event.prevent_default();
    let content = document()
        .get_element_by_id("content")
        .and_then(|content| content.dyn_into::<HtmlElement>().ok());
    if let Some(Err(error)) = content.map(|content| content.focus()) {
        leptos::logging::warn!("the content was not focused: {error:?}");
    }
}
