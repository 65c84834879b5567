use leptos::prelude::*;
use replica::view::{Waiting, WaitingState};

use crate::messages::say;
use crate::{paths, reasons};

/// For who asked to be let in. Goes on by itself: once the classroom is here, its screen takes the place of this one.
#[component]
pub(super) fn WaitingToBeLetIn(waiting: Waiting) -> impl IntoView {
    let (title, text) = match waiting.state {
        WaitingState::Asked => (say().waiting_title(), say().waiting_text()),
        WaitingState::Declined => (say().declined_title(), say().declined_text()),
        WaitingState::LetIn => (say().let_in_title(), say().let_in_text()),
    };
    view! {
        <section class="screen screen-narrow">
            <h1>{title}</h1>
            <p class="lead" role="status" aria-label=say().answer()>{text}</p>
            <p>{say().invited_as(reasons::role(waiting.role))}</p>
            <div class="form-foot">
                <a class="button button-quiet" href=paths::HOME>
                    {say().back_home()}
                </a>
            </div>
        </section>
    }
}
