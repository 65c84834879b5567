//! Joining by an invite link. Its secret is behind the `#` and is never sent.

use std::time::Duration;

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use protocol::Refusal;
use replica::command::{Answer, Command, Problem};
use replica::view::Preview;
use web_sys::SubmitEvent;

use super::create::ProblemLine;
use crate::components::profile_fields::{ProfileFields, ProfileForm};
use crate::countries;
use crate::link::{Link, use_link};
use crate::messages::say;
use crate::screens::card::path_into;
use crate::{paths, reasons};

/// How often it is looked behind an invite again where what is in the way passes.
const AGAIN: Duration = Duration::from_secs(5);

/// How far somebody is on the way in.
#[derive(Clone, PartialEq)]
enum Step {
    /// The link is asked for.
    Ask,
    /// Looking behind it.
    Look {
        link: String,
    },
    Refused {
        link: String,
        problem: Problem,
    },
    Found {
        link: String,
        preview: Preview,
    },
}

#[component]
pub(crate) fn JoinScreen() -> impl IntoView {
    let link = use_link();
    let step = RwSignal::new(Step::Ask);
    let fragment = use_location().hash;
    // Also when another invite is opened while this screen is there.
    Effect::new(move || {
        let fragment = fragment.get();
        let fragment = fragment.trim_start_matches('#');
        if !fragment.is_empty() {
            look(link, step, fragment.to_owned());
        }
    });
    // A link opened without a connection is looked at as soon as there is one.
    let online = Memo::new(move |_| {
        link.home.with(|home| {
            home.as_ref()
                .is_some_and(|home| home.link != replica::view::Link::Offline)
        })
    });
    Effect::new(move || {
        if online.get()
            && let Step::Refused {
                link: invite,
                problem: Problem::NeedsConnection,
            } = step.get_untracked()
        {
            look(link, step, invite);
        }
    });

    view! {
        <section class="screen screen-narrow">
            {move || match step.get() {
                Step::Ask => view! { <AskForLink step /> }.into_any(),
                Step::Look { .. } => {
                    view! {
                        <h1>{say().join_title()}</h1>
                        <p class="lead" role="status" aria-label=say().join_title()>{say().opening_invite()}</p>
                    }
                        .into_any()
                }
                Step::Refused { link, problem } => view! { <Refused step invite=link problem /> }.into_any(),
                Step::Found { link, preview } => view! { <Found invite=link preview /> }.into_any(),
            }}
        </section>
    }
}

fn look(link: Link, step: RwSignal<Step>, invite: String) {
    step.set(Step::Look { link: invite.clone() });
    look_quietly(link, step, invite);
}

/// Looks behind a link while the screen stays as it is.
fn look_quietly(link: Link, step: RwSignal<Step>, invite: String) {
    link.ask(Command::Preview { link: invite.clone() }, move |answer| {
        let before = step.try_get_untracked();
        // The answer counts only if this is still the link that is looked at.
        match &before {
            Some(Step::Look { link } | Step::Refused { link, .. }) if *link == invite => {}
            _ => return,
        }
        let after = match answer {
            Ok(Answer::Preview(preview)) => Step::Found {
                link: invite,
                preview,
            },
            Ok(_) => Step::Refused {
                link: invite,
                problem: Problem::Internal,
            },
            Err(problem) => Step::Refused {
                link: invite,
                problem,
            },
        };
        // The same is not read out again.
        if before.as_ref() != Some(&after) {
            step.set(after);
        }
    });
}

/// Of these their sentences say that Meridian goes on by itself.
fn passes(problem: Problem) -> bool {
    matches!(
        problem,
        Problem::Refused(
            Refusal::Busy
                | Refusal::Storage
                | Refusal::UnknownChannel
                | Refusal::GoingAway
                | Refusal::TooFast
                | Refusal::TooManyConnections
                | Refusal::TooSlow
        )
    )
}

#[component]
fn AskForLink(step: RwSignal<Step>) -> impl IntoView {
    let link = use_link();
    let invite = RwSignal::new(String::new());
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        look(link, step, invite.get_untracked().trim().to_owned());
    };
    view! {
        <h1>{say().join_title()}</h1>
        <p class="lead">{say().join_text()}</p>
        <form class="form" on:submit=submit>
            <div class="field">
                <label for="invite-link">{say().invite_link()}</label>
                <input
                    id="invite-link"
                    name="invite-link"
                    type="text"
                    dir="ltr"
                    inputmode="url"
                    required
                    autocomplete="off"
                    autocapitalize="off"
                    spellcheck="false"
                    on:input=move |event| invite.set(event_target_value(&event))
                />
            </div>
            <div class="form-foot">
                <button type="submit" class="button button-main">
                    {say().open_invite()}
                </button>
                <a class="button button-quiet" href=paths::HOME>
                    {say().back_home()}
                </a>
            </div>
        </form>
    }
}

#[component]
fn Refused(step: RwSignal<Step>, invite: String, problem: Problem) -> impl IntoView {
    let link = use_link();
    if passes(problem) {
        let invite = invite.clone();
        let timer = set_interval_with_handle(move || look_quietly(link, step, invite.clone()), AGAIN);
        on_cleanup(move || {
            if let Ok(timer) = timer {
                timer.clear();
            }
        });
    }
    view! {
        <h1>{say().join_title()}</h1>
        <div role="alert">
            <p class="problem">{reasons::problem(problem)}</p>
        </div>
        <div class="form-foot">
            <button type="button" class="button button-main" on:click=move |_| look(link, step, invite.clone())>
                {say().try_again()}
            </button>
            <button type="button" class="button button-quiet" on:click=move |_| step.set(Step::Ask)>
                {say().other_invite()}
            </button>
        </div>
    }
}

#[component]
fn Found(invite: String, preview: Preview) -> impl IntoView {
    let Preview {
        classroom,
        name,
        role,
        schools,
        already_member,
        ask_first,
    } = preview;
    let school_names: Vec<String> = schools.iter().map(|school| school.name.clone()).collect();
    let there = schools
        .into_iter()
        .map(|school| {
            view! {
                <li>
                    <bdi>{school.name}</bdi>
                    " · "
                    {countries::name(&school.country)}
                </li>
            }
        })
        .collect_view();
    view! {
        <p class="kicker">{say().invited_to()}</p>
        <h1>
            <bdi>{if ask_first { say().some_classroom().to_owned() } else { name }}</bdi>
        </h1>
        <p>{say().invited_as(reasons::role(role))} " · " {reasons::role_hint(role)}</p>
        {if ask_first {
            view! { <p>{say().join_asks_first()}</p> }.into_any()
        } else {
            view! {
                <h2 class="small-heading">{say().schools_there()}</h2>
                <ul class="school-names">{there}</ul>
            }
                .into_any()
        }}
        {if already_member {
            view! {
                <p>{say().already_member()}</p>
                <a class="button button-main" href=paths::classroom(classroom)>
                    {say().open_classroom()}
                </a>
            }
                .into_any()
        } else {
            view! { <JoinForm invite school_names ask_first /> }.into_any()
        }}
    }
}

#[component]
fn JoinForm(invite: String, school_names: Vec<String>, ask_first: bool) -> impl IntoView {
    let link = use_link();
    let navigate = use_navigate();
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
        link.ask(
            Command::Join {
                link: invite.clone(),
                profile: form.profile(),
            },
            move |answer| match answer {
                // The link's secret does not stay in the history.
                Ok(Answer::Classroom(id)) => {
                    navigate(
                        &path_into(link, id),
                        NavigateOptions {
                            replace: true,
                            ..Default::default()
                        },
                    );
                }
                Ok(_) => problem.set(Some(Problem::Internal)),
                Err(reason) => {
                    problem.set(Some(reason));
                    busy.set(false);
                }
            },
        );
    };
    view! {
        <form class="form" on:submit=submit>
            <ProfileFields form schools=school_names />
            <ProblemLine problem />
            <div class="form-foot">
                <button type="submit" class="button button-main" disabled=busy>
                    {move || match (busy.get(), ask_first) {
                        (true, _) => say().joining(),
                        (false, true) => say().ask_to_join(),
                        (false, false) => say().join(),
                    }}
                </button>
            </div>
        </form>
    }
}
