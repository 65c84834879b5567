use leptos::prelude::*;
use web_sys::MouseEvent;

use super::icon::Mark;
use super::status::{Announcements, Status};
use super::tab_title::{TabTitle, focus_content};
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
        <TabTitle />
    }
}

/// Moves the focus only: the address may hold an invite behind its `#`.
fn skip(event: MouseEvent) {
    event.prevent_default();
    focus_content();
}
