//! Those who ask to be let in, and the invites that stand.

use leptos::prelude::*;
use protocol::{ClassroomId, EntryHash};
use replica::command::{Command, Problem};
use replica::view::{Invite, Request};

use super::part;
use crate::components::dialog::{Question, use_questions};
use crate::link::use_link;
use crate::messages::say;
use crate::screens::create::ProblemLine;
use crate::{intl, reasons};

/// Those who ask, with the two answers.
#[component]
pub(super) fn Requests(id: ClassroomId) -> impl IntoView {
    let link = use_link();
    let requests = part(id, |classroom| classroom.requests.clone());
    let problem = RwSignal::new(None::<Problem>);
    let answer = move |command: Command| {
        problem.set(None);
        link.ask(command, move |answer| {
            problem.try_set(answer.err());
        });
    };
    let row = move |request: Request| {
        let entry = request.id;
        let (name, school) = match request.profile {
            Some(profile) => (profile.name, profile.school),
            None => (
                say().somebody_asks().to_owned(),
                say().note_for_inviter().to_owned(),
            ),
        };
        let words_id = format!("request-{entry}");
        let described_by = words_id.clone();
        let approve = move |_| {
            answer(Command::Approve {
                classroom: id,
                request: entry,
            });
        };
        let decline = move |_| {
            answer(Command::Decline {
                classroom: id,
                request: entry,
            });
        };
        view! {
            <li class="row">
                <span class="member-words" id=words_id>
                    <span class="member-name">
                        <bdi>{name}</bdi>
                    </span>
                    <span class="member-facts">
                        <bdi>{school}</bdi>
                        " · "
                        {reasons::role(request.role)}
                    </span>
                </span>
                <div class="actions">
                    <button
                        type="button"
                        class="button button-main button-small"
                        aria-describedby=described_by.clone()
                        on:click=approve
                    >
                        {say().approve()}
                    </button>
                    <button
                        type="button"
                        class="button button-small"
                        aria-describedby=described_by
                        on:click=decline
                    >
                        {say().decline()}
                    </button>
                </div>
            </li>
        }
        .into_any()
    };
    move || {
        let rows: Vec<AnyView> = requests.get().into_iter().map(row).collect();
        (!rows.is_empty()).then(|| {
            view! {
                <section class="panel requests">
                    <h2 id="requests">{say().requests()}</h2>
                    <ul class="rows" aria-labelledby="requests">
                        {rows}
                    </ul>
                    <ProblemLine problem />
                </section>
            }
        })
    }
}

/// The invites by which somebody may still come.
#[component]
pub(super) fn Invites(id: ClassroomId) -> impl IntoView {
    let questions = use_questions();
    let invites = part(id, |classroom| classroom.invites.clone());
    let row = move |invite: Invite| {
        let words_id = format!("invite-{}", invite.id);
        let described_by = words_id.clone();
        let facts = say().invite_facts(
            &intl::date(&intl::variety_of(say().tag()), invite.expires),
            &invite.uses.saturating_sub(invite.used).to_string(),
        );
        let (entry, ask_first) = (invite.id, invite.ask_first);
        let end = move |_| questions.ask(end_invite(id, entry, ask_first));
        view! {
            <li class="row">
                <span class="member-words" id=words_id>
                    <span class="member-name">
                        {reasons::role(invite.role)} " · " {if ask_first { say().asks_first() } else { say().joins_at_once() }}
                    </span>
                    <span class="member-facts">{facts}</span>
                </span>
                {invite
                    .may_end
                    .then(|| {
                        view! {
                            <button
                                type="button"
                                class="button button-small"
                                aria-describedby=described_by
                                on:click=end
                            >
                                {say().end_invite()}
                            </button>
                        }
                    })}
            </li>
        }
        .into_any()
    };
    move || {
        let rows: Vec<AnyView> = invites.get().into_iter().map(row).collect();
        (!rows.is_empty()).then(|| {
            view! {
                <section class="panel invites">
                    <h2 id="invites">{say().invites()}</h2>
                    <ul class="rows" aria-labelledby="invites">
                        {rows}
                    </ul>
                </section>
            }
        })
    }
}

fn end_invite(id: ClassroomId, invite: EntryHash, ask_first: bool) -> Question {
    let mut text = vec![say().end_invite_text().to_owned()];
    if !ask_first {
        text.push(say().end_invite_keys().to_owned());
    }
    Question {
        text,
        ..Question::new(
            say().end_invite_title().to_owned(),
            say().end_invite(),
            move |_| Command::EndInvite {
                classroom: id,
                invite,
            },
        )
    }
}
