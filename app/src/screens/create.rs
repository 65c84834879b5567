//! Founding a classroom. Works with no connection.

use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use replica::command::{Answer, Command, Problem};
use web_sys::SubmitEvent;

use crate::components::profile_fields::{ProfileFields, ProfileForm, TextField};
use crate::link::use_link;
use crate::messages::say;
use crate::screens::card::path_into;
use crate::{paths, reasons};

#[component]
pub(crate) fn CreateScreen() -> impl IntoView {
    let link = use_link();
    let navigate = use_navigate();
    let classroom_name = RwSignal::new(String::new());
    let form = ProfileForm::new(link);
    let busy = RwSignal::new(false);
    let problem = RwSignal::new(None::<Problem>);

    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        problem.set(None);
        let navigate = navigate.clone();
        let classroom_name = classroom_name.get_untracked().trim().to_owned();
        link.ask(
            Command::Found {
                classroom_name,
                profile: form.profile(),
            },
            move |answer| match answer {
                Ok(Answer::Classroom(id)) => navigate(&path_into(link, id), Default::default()),
                Ok(_) => problem.set(Some(Problem::Internal)),
                Err(reason) => {
                    problem.set(Some(reason));
                    busy.set(false);
                }
            },
        );
    };

    view! {
        <section class="screen screen-narrow">
            <h1>{say().create_title()}</h1>
            <p class="lead">{say().create_text()}</p>
            <form class="form" on:submit=submit>
                <TextField
                    id="classroom-name"
                    label=say().classroom_name()
                    hint=say().classroom_name_hint()
                    value=classroom_name
                />
                <ProfileFields form />
                <ProblemLine problem />
                <div class="form-foot">
                    <button type="submit" class="button button-main" disabled=busy>
                        {move || if busy.get() { say().creating() } else { say().create() }}
                    </button>
                    <a class="button button-quiet" href=paths::HOME>
                        {say().back_home()}
                    </a>
                </div>
            </form>
        </section>
    }
}

/// Why it did not work.
#[component]
pub(crate) fn ProblemLine(problem: RwSignal<Option<Problem>>) -> impl IntoView {
    view! {
        <div role="alert">
            {move || problem.get().map(|problem| view! { <p class="problem">{reasons::problem(problem)}</p> })}
        </div>
    }
}
