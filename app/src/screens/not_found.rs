use leptos::prelude::*;

use crate::messages::say;
use crate::paths;

#[component]
pub(crate) fn NotFoundScreen() -> impl IntoView {
    view! {
        <section class="screen screen-narrow">
            <h1>{say().not_found()}</h1>
            <a class="button" href=paths::HOME>
                {say().back_home()}
            </a>
        </section>
    }
}
