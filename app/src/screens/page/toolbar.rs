//! The toolbar `Formatting`. One stop for the Tab key; arrow keys go from button to button.

use leptos::html::Div;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent, MouseEvent};

use super::Open;
use crate::components::icon::{BulletedListIcon, NumberedListIcon, RedoIcon, UndoIcon};
use crate::messages::say;
use crate::page::editor::{EditorCommand, List};

const HEADING_LEVELS: [u8; 3] = [1, 2, 3];

#[component]
pub(super) fn Toolbar(open: Open) -> impl IntoView {
    let formatting = RwSignal::from(open.with_value(|session| session.formatting.clone()));
    let toolbar = NodeRef::<Div>::new();
    let on_key = move |event: KeyboardEvent| {
        if let Some(toolbar) = toolbar.get_untracked()
            && let Some(step) = step_of(&event.key())
            && go(&toolbar, step)
        {
            event.prevent_default();
        }
    };
    let is =
        move |read: fn(&crate::page::editor::Formatting) -> bool| Memo::new(move |_| formatting.with(read));
    let cannot_undo = is(|formatting| !formatting.can_undo);
    let cannot_redo = is(|formatting| !formatting.can_redo);
    view! {
        <div class="toolbar" role="toolbar" aria-label=say().formatting() node_ref=toolbar on:keydown=on_key>
            <StyleSelect open />
            <span class="toolbar-gap" aria-hidden="true"></span>
            <Toggle open name=say().bold() command=EditorCommand::Bold pressed=is(|formatting| formatting.strong)>
                <span class="letter letter-bold" aria-hidden="true">
                    "B"
                </span>
            </Toggle>
            <Toggle open name=say().italic() command=EditorCommand::Italic pressed=is(|formatting| formatting.em)>
                <span class="letter letter-italic" aria-hidden="true">
                    "I"
                </span>
            </Toggle>
            <span class="toolbar-gap" aria-hidden="true"></span>
            <Toggle
                open
                name=say().bulleted_list()
                command=EditorCommand::BulletedList
                pressed=is(|formatting| formatting.list == Some(List::Bulleted))
            >
                <BulletedListIcon />
            </Toggle>
            <Toggle
                open
                name=say().numbered_list()
                command=EditorCommand::NumberedList
                pressed=is(|formatting| formatting.list == Some(List::Numbered))
            >
                <NumberedListIcon />
            </Toggle>
            <span class="toolbar-gap" aria-hidden="true"></span>
            <Action open name=say().undo() command=EditorCommand::Undo disabled=cannot_undo>
                <UndoIcon />
            </Action>
            <Action open name=say().redo() command=EditorCommand::Redo disabled=cannot_redo>
                <RedoIcon />
            </Action>
        </div>
    }
}

/// Paragraph or heading.
#[component]
fn StyleSelect(open: Open) -> impl IntoView {
    let formatting = RwSignal::from(open.with_value(|session| session.formatting.clone()));
    let value = Memo::new(move |_| {
        formatting.with(|formatting| match (formatting.block.as_str(), formatting.level) {
            ("heading", Some(level)) if HEADING_LEVELS.contains(&level) => format!("heading-{level}"),
            ("paragraph" | "", _) => "paragraph".to_owned(),
            _ => "other".to_owned(),
        })
    });
    let choose = move |event: leptos::ev::Event| {
        let chosen = event_target_value(&event);
        let level = HEADING_LEVELS
            .into_iter()
            .find(|level| chosen == format!("heading-{level}"));
        let session = open.get_value();
        session.command(level.map_or(EditorCommand::Paragraph, EditorCommand::Heading));
        session.focus();
    };
    let names = [
        say().style_heading_1(),
        say().style_heading_2(),
        say().style_heading_3(),
    ];
    let headings = HEADING_LEVELS
        .into_iter()
        .zip(names)
        .map(|(level, name)| view! { <option value=format!("heading-{level}")>{name}</option> })
        .collect_view();
    let other = move || {
        (value.get() == "other").then(|| view! { <option value="other">{say().style_other()}</option> })
    };
    view! {
        <select class="toolbar-select" aria-label=say().style() prop:value=move || value.get() on:change=choose>
            <option value="paragraph">{say().style_paragraph()}</option>
            {headings}
            {other}
        </select>
    }
}

/// A button that is pressed or not.
#[component]
fn Toggle(
    open: Open,
    name: &'static str,
    command: EditorCommand,
    pressed: Memo<bool>,
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="tool"
            tabindex="-1"
            aria-label=name
            title=name
            aria-pressed=move || pressed.get().to_string()
            on:mousedown=keep_focus
            on:click=move |_| open.get_value().command(command)
        >
            {children()}
        </button>
    }
}

/// A button that does something now, if it can.
#[component]
fn Action(
    open: Open,
    name: &'static str,
    command: EditorCommand,
    disabled: Memo<bool>,
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="tool"
            tabindex="-1"
            aria-label=name
            title=name
            aria-disabled=move || disabled.get().to_string()
            on:mousedown=keep_focus
            on:click=move |_| open.get_value().command(command)
        >
            {children()}
        </button>
    }
}

/// The text stays selected while its formatting is changed by mouse.
fn keep_focus(event: MouseEvent) {
    event.prevent_default();
}

/// Where an arrow key leads.
#[derive(Clone, Copy)]
enum Step {
    Left,
    Right,
    First,
    Last,
}

fn step_of(key: &str) -> Option<Step> {
    match key {
        "ArrowLeft" => Some(Step::Left),
        "ArrowRight" => Some(Step::Right),
        "Home" => Some(Step::First),
        "End" => Some(Step::Last),
        _ => None,
    }
}

/// Focuses the next button; the Tab key comes back to it. False if there is nowhere to go.
fn go(toolbar: &HtmlElement, step: Step) -> bool {
    let controls = controls_of(toolbar);
    let active = document().active_element();
    let Some(at) = controls
        .iter()
        .position(|control| Some(control.as_ref()) == active.as_ref())
    else {
        return false;
    };
    let from_the_right = document()
        .document_element()
        .is_some_and(|root| root.get_attribute("dir").as_deref() == Some("rtl"));
    let last = controls.len() - 1;
    let next = match step {
        Step::First => 0,
        Step::Last => last,
        Step::Left if from_the_right => (at + 1).min(last),
        Step::Right if from_the_right => at.saturating_sub(1),
        Step::Left => at.saturating_sub(1),
        Step::Right => (at + 1).min(last),
    };
    for (index, control) in controls.iter().enumerate() {
        control.set_tab_index(if index == next { 0 } else { -1 });
    }
    controls[next].focus().is_ok()
}

fn controls_of(toolbar: &HtmlElement) -> Vec<HtmlElement> {
    let Ok(found) = toolbar.query_selector_all("button, select") else {
        return Vec::new();
    };
    (0..found.length())
        .filter_map(|index| found.item(index)?.dyn_into().ok())
        .collect()
}
