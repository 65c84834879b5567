//! Making invite links. The secret in a link stays in this tab until the person hands it on.

use std::collections::HashMap;

use leptos::html::Dialog;
use leptos::prelude::*;
use protocol::ClassroomId;
use protocol::roster::Role;
use replica::command::{Answer, Command, Problem};
use web_sys::HtmlInputElement;

use crate::components::copy_button::CopyButton;
use crate::components::qr_code::QrCode;
use crate::link::use_link;
use crate::messages::say;
use crate::screens::create::ProblemLine;
use crate::{paths, reasons};

/// The roles in the order in which they are offered.
const OFFERED: [Role; 4] = [Role::Student, Role::Teacher, Role::Lead, Role::Guest];

/// The roles that somebody of a role may invite.
pub(super) fn roles_to_invite(inviter: Role) -> Vec<Role> {
    OFFERED
        .into_iter()
        .filter(|invited| inviter.may_invite(*invited))
        .collect()
}

/// The links made in this tab: looking at a role again makes no further invite.
#[derive(Clone, Copy)]
pub(crate) struct MadeInvites(RwSignal<HashMap<(ClassroomId, usize), String>>);

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
    let dialog = NodeRef::<Dialog>::new();
    let problem = RwSignal::new(None::<Problem>);
    let roles = roles_to_invite(role);
    // An index into what is offered: an option's value must be text.
    let chosen = RwSignal::new(
        OFFERED
            .iter()
            .position(|role| roles.first() == Some(role))
            .unwrap_or_default(),
    );
    let asked = StoredValue::new(Vec::<usize>::new());

    Effect::new(move || {
        if let Some(dialog) = dialog.get()
            && !dialog.open()
            && let Err(error) = dialog.show_modal()
        {
            leptos::logging::error!("the dialog does not open: {error:?}");
        }
    });
    Effect::new(move || {
        let chosen = chosen.get();
        let known = made.with_untracked(|made| made.contains_key(&(id, chosen)));
        if known || asked.with_value(|asked| asked.contains(&chosen)) {
            return;
        }
        asked.update_value(|asked| asked.push(chosen));
        problem.set(None);
        link.ask(
            Command::Invite {
                classroom: id,
                role: OFFERED[chosen],
                ask_first: false,
            },
            move |answer| {
                asked.try_update_value(|asked| asked.retain(|role| *role != chosen));
                match answer {
                    Ok(Answer::Invite(fragment)) => made.update(|made| {
                        made.insert((id, chosen), fragment);
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
    });

    let invite = Memo::new(move |_| {
        let fragment = made.with(|made| made.get(&(id, chosen.get())).cloned())?;
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
        <dialog class="dialog" aria-labelledby="invite-title" node_ref=dialog on:close=move |_| open.set(false)>
            <h2 id="invite-title">
                <bdi>{move || say().invite_title(&name.get())}</bdi>
            </h2>
            <div class="field">
                <label for="role">{say().role()}</label>
                <select id="role" on:change=choose aria-describedby="role-hint">
                    {options}
                </select>
                <p class="hint" id="role-hint">{move || reasons::role_hint(OFFERED[chosen.get()])}</p>
            </div>
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
                <p class="hint">{say().invite_text()}</p>
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
        </dialog>
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
