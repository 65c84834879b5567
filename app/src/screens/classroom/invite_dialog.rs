//! Making invite links. The secret in a link stays in this tab until the person hands it on.

use std::collections::HashMap;
use std::time::Duration;

use leptos::prelude::*;
use protocol::ClassroomId;
use protocol::roster::Role;
use replica::command::{Answer, Command, Problem};
use web_sys::HtmlInputElement;

use crate::components::copy_button::CopyButton;
use crate::components::dialog::Dialog;
use crate::components::qr_code::QrCode;
use crate::link::use_link;
use crate::messages::say;
use crate::screens::create::ProblemLine;
use crate::{paths, reasons};

/// The roles in the order in which they are offered.
const OFFERED: [Role; 4] = [Role::Student, Role::Teacher, Role::Lead, Role::Guest];

/// How long somebody has for choosing before an invite is made: each one stands in the classroom until it is ended.
const CHOOSING: Duration = Duration::from_millis(1500);

/// How long a choice must stand.
const CHOSEN: Duration = Duration::from_millis(500);

/// The roles that somebody of a role may invite.
pub(super) fn roles_to_invite(inviter: Role) -> Vec<Role> {
    OFFERED
        .into_iter()
        .filter(|invited| inviter.may_invite(*invited))
        .collect()
}

/// The links made in this tab: looking at a role again makes no further invite.
#[derive(Clone, Copy)]
pub(crate) struct MadeInvites(RwSignal<HashMap<Made, String>>);

/// What a link is for: the classroom, the place of the role in what is offered, and whether it asks first.
type Made = (ClassroomId, usize, bool);

impl MadeInvites {
    pub(crate) fn new() -> Self {
        Self(RwSignal::default())
    }
}

#[component]
pub(super) fn InviteDialog(
    id: ClassroomId,
    name: Memo<String>,
    role: Role,
    open: RwSignal<bool>,
) -> impl IntoView {
    let link = use_link();
    let MadeInvites(made) = expect_context();
    let problem = RwSignal::new(None::<Problem>);
    let roles = roles_to_invite(role);
    // An index into what is offered: an option's value must be text.
    let chosen = RwSignal::new(
        OFFERED
            .iter()
            .position(|role| roles.first() == Some(role))
            .unwrap_or_default(),
    );
    let ask_first = RwSignal::new(false);
    let asked = StoredValue::new(Vec::<Made>::new());
    let make = move |wanted: Made| {
        let known = made.with_untracked(|made| made.contains_key(&wanted));
        if known || asked.with_value(|asked| asked.contains(&wanted)) {
            return;
        }
        asked.update_value(|asked| asked.push(wanted));
        problem.set(None);
        link.ask(
            Command::Invite {
                classroom: id,
                role: OFFERED[wanted.1],
                ask_first: wanted.2,
            },
            move |answer| {
                asked.try_update_value(|asked| asked.retain(|other| *other != wanted));
                match answer {
                    Ok(Answer::Invite(fragment)) => made.update(|made| {
                        made.insert(wanted, fragment);
                    }),
                    Ok(_) => {
                        problem.try_set(Some(Problem::Internal));
                    }
                    Err(reason) => {
                        problem.try_set(Some(reason));
                    }
                }
            },
        );
    };
    let choosing = StoredValue::new(None::<TimeoutHandle>);
    let choose_on = move || {
        if let Some(timer) = choosing.try_update_value(Option::take).flatten() {
            timer.clear();
        }
    };
    Effect::new(move |before: Option<()>| {
        let wanted = (id, chosen.get(), ask_first.get());
        choose_on();
        let patience = if before.is_none() { CHOOSING } else { CHOSEN };
        let timer = set_timeout_with_handle(move || make(wanted), patience);
        choosing.set_value(timer.ok());
    });
    on_cleanup(choose_on);

    let invite = Memo::new(move |_| {
        let fragment = made.with(|made| made.get(&(id, chosen.get(), ask_first.get())).cloned())?;
        let origin = window().location().origin().ok()?;
        Some(paths::invite(&origin, &fragment))
    });
    let text = move || invite.get().unwrap_or_default();
    let choose = move |event: leptos::ev::Event| {
        if let Ok(index) = event_target_value(&event).parse::<usize>()
            && index < OFFERED.len()
        {
            chosen.set(index);
        }
    };
    let select_all = |event: leptos::ev::FocusEvent| event_target::<HtmlInputElement>(&event).select();
    let options = roles
        .into_iter()
        .map(|role| {
            let index = OFFERED
                .iter()
                .position(|other| *other == role)
                .unwrap_or_default();
            view! {
                <option value=index.to_string() selected=move || chosen.get() == index>
                    {reasons::role(role)}
                </option>
            }
        })
        .collect_view();

    view! {
        <Dialog title=name.with_untracked(|name| say().invite_title(name)) on_close=move || open.set(false)>
            <div class="field">
                <label for="role">{say().role()}</label>
                <select id="role" on:change=choose aria-describedby="role-hint">
                    {options}
                </select>
                <p class="hint" id="role-hint">
                    {move || {
                        let role = OFFERED[chosen.get()];
                        let whose = match role {
                            Role::Lead => say().invite_lead_hint(),
                            Role::Teacher => say().invite_teacher_hint(),
                            _ => "",
                        };
                        view! {
                            {reasons::role_hint(role)}
                            " "
                            {whose}
                        }
                    }}
                </p>
            </div>
            <label class="choice">
                <input
                    type="checkbox"
                    aria-labelledby="ask-first"
                    aria-describedby="ask-first-hint"
                    on:change=move |event| ask_first.set(event_target_checked(&event))
                />
                <span>
                    <span id="ask-first">{say().ask_first()}</span>
                    <span class="hint" id="ask-first-hint">
                        {say().ask_first_hint()}
                    </span>
                </span>
            </label>
            <div class="field">
                <label for="made-invite">{say().invite_link()}</label>
                <div class="field-with-button">
                    <input
                        id="made-invite"
                        type="text"
                        dir="ltr"
                        readonly
                        placeholder=say().making_invite()
                        prop:value=text
                        on:focus=select_all
                    />
                    <CopyButton text=move || invite.get_untracked().unwrap_or_default() on_copied=|| () />
                </div>
                <p class="hint">
                    {move || if ask_first.get() { say().invite_text_ask_first() } else { say().invite_text() }}
                </p>
            </div>
            <ProblemLine problem />
            <div class="dialog-qr">
                {move || invite.get().map(|text| view! { <QrCode text label=say().invite_qr() /> })}
            </div>
            <form method="dialog" class="form-foot">
                <button type="submit" class="button button-quiet">
                    {say().close()}
                </button>
            </form>
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn nobody_is_offered_a_role_they_may_not_give() {
        assert_eq!(roles_to_invite(Role::Lead), OFFERED);
        assert_eq!(roles_to_invite(Role::Teacher), [Role::Student, Role::Guest]);
        assert_eq!(roles_to_invite(Role::Student), []);
        assert_eq!(roles_to_invite(Role::Guest), []);
    }
}
