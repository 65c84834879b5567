//! The toolbar `Formatting`. One stop for the Tab key; arrow keys go from button to button.

use leptos::html::Select;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent, MouseEvent};

use super::Open;
use super::language::{LanguageDialog, LanguageSelect};
use super::link_dialog::LinkDialog;
use super::picture_dialog::PictureDialogs;
use crate::components::icon::{
    BulletedListIcon, CheckListIcon, CodeIcon, CommentIcon, DividerIcon, HighlightIcon, ImageIcon,
    IndentIcon, LinkIcon, NumberedListIcon, OutdentIcon, QuoteIcon, RedoIcon, SubscriptIcon, SuggestIcon,
    SuperscriptIcon, TableIcon, UndoIcon,
};
use crate::components::keys::{is_command, is_mac};
use crate::components::select::open_by_key;
use crate::messages::say;
use crate::page::editor::{EditorCommand, Formatting, List, Style, TableCommand, TextMark};

#[component]
pub(super) fn Toolbar(open: Open) -> impl IntoView {
    let formatting = RwSignal::from(open.with_value(|session| session.formatting.clone()));
    let is = move |read: fn(&Formatting) -> bool| Memo::new(move |_| formatting.with(read));
    let mark = move |mark: TextMark| Memo::new(move |_| formatting.with(|now| now.marks.contains(&mark)));
    let list = move |list: List| Memo::new(move |_| formatting.with(|now| now.list == Some(list)));
    let in_table = is(|now| now.table);
    // A new table goes below the block that the caret is in, but into no item.
    let no_table = is(|now| now.table || now.list.is_some());
    let no_list = is(|now| now.list.is_none());
    let linking = RwSignal::new(None::<String>);
    let choosing = RwSignal::new(false);
    let ask_for_link = move || {
        let address = formatting.with_untracked(|now| now.link.clone());
        linking.set(Some(address.unwrap_or_default()));
    };
    let heard = window_event_listener(leptos::ev::keydown, move |event| {
        if asks_for_link(&event) {
            event.prevent_default();
            ask_for_link();
        }
    });
    on_cleanup(move || heard.remove());
    let (link_hint, link_key) = if is_mac() {
        (say().link_tool_on_mac(), "Meta+K")
    } else {
        (say().link_tool(), "Control+K")
    };
    let letters = [
        (say().bold(), TextMark::Strong, "B", "letter letter-bold"),
        (say().italic(), TextMark::Em, "I", "letter letter-italic"),
        (
            say().underline(),
            TextMark::Underline,
            "U",
            "letter letter-underline",
        ),
        (
            say().strikethrough(),
            TextMark::Strikethrough,
            "S",
            "letter letter-strike",
        ),
    ]
    .map(|(name, text, letter, class)| {
        view! {
            <Toggle open name command=EditorCommand::Mark(text) pressed=mark(text)>
                <span class=class aria-hidden="true">
                    {letter}
                </span>
            </Toggle>
        }
    });
    view! {
        <div class="toolbars">
            <div class="toolbar" role="toolbar" aria-label=say().formatting() on:keydown=step_along>
                <StyleSelect open />
                <LanguageSelect open choosing />
                <Gap />
                {letters.into_iter().collect_view()}
                <Toggle
                    open
                    name=say().code()
                    command=EditorCommand::Mark(TextMark::Code)
                    pressed=mark(TextMark::Code)
                >
                    <CodeIcon />
                </Toggle>
                <Toggle
                    open
                    name=say().highlight()
                    command=EditorCommand::Mark(TextMark::Highlight)
                    pressed=mark(TextMark::Highlight)
                >
                    <HighlightIcon />
                </Toggle>
                <Toggle
                    open
                    name=say().subscript()
                    command=EditorCommand::Mark(TextMark::Subscript)
                    pressed=mark(TextMark::Subscript)
                >
                    <SubscriptIcon />
                </Toggle>
                <Toggle
                    open
                    name=say().superscript()
                    command=EditorCommand::Mark(TextMark::Superscript)
                    pressed=mark(TextMark::Superscript)
                >
                    <SuperscriptIcon />
                </Toggle>
                <Tool
                    name=say().link()
                    hint=link_hint
                    shortcut=link_key
                    asks=true
                    pressed=is(|now| now.link.is_some())
                    on_press=ask_for_link
                >
                    <LinkIcon />
                </Tool>
                <Gap />
                <Toggle
                    open
                    name=say().bulleted_list()
                    command=EditorCommand::List(List::Bulleted)
                    pressed=list(List::Bulleted)
                    disabled=in_table
                >
                    <BulletedListIcon />
                </Toggle>
                <Toggle
                    open
                    name=say().numbered_list()
                    command=EditorCommand::List(List::Numbered)
                    pressed=list(List::Numbered)
                    disabled=in_table
                >
                    <NumberedListIcon />
                </Toggle>
                <Toggle
                    open
                    name=say().check_list()
                    command=EditorCommand::List(List::Check)
                    pressed=list(List::Check)
                    disabled=in_table
                >
                    <CheckListIcon />
                </Toggle>
                <Action open name=say().indent() command=EditorCommand::Indent disabled=no_list>
                    <IndentIcon />
                </Action>
                <Action open name=say().outdent() command=EditorCommand::Outdent disabled=no_list>
                    <OutdentIcon />
                </Action>
                <Toggle
                    open
                    name=say().quote()
                    command=EditorCommand::Quote
                    pressed=is(|now| now.quote)
                    disabled=in_table
                >
                    <QuoteIcon />
                </Toggle>
                <Action open name=say().divider() command=EditorCommand::Divider disabled=in_table>
                    <DividerIcon />
                </Action>
                <Action open name=say().table() command=EditorCommand::Table disabled=no_table>
                    <TableIcon />
                </Action>
                <Tool
                    name=say().image()
                    asks=true
                    pressed=is(|now| now.picture.is_some())
                    on_press=move || open.get_value().ask_for_picture()
                >
                    <ImageIcon />
                </Tool>
                <Toggle
                    open
                    name=say().math()
                    command=EditorCommand::Mark(TextMark::Math)
                    pressed=mark(TextMark::Math)
                >
                    <span class="letter" aria-hidden="true">
                        "∑"
                    </span>
                </Toggle>
                <Tool
                    name=say().comment()
                    hint=say().comment_hint()
                    shortcut="Control+Alt+M"
                    disabled=is(|now| !now.selected && now.threads.is_empty())
                    on_press=move || {
                        open.get_value().begin_comment();
                    }
                >
                    <CommentIcon />
                </Tool>
                <Tool
                    name=say().suggest_change()
                    hint=say().suggest_hint()
                    shortcut="Control+Alt+S"
                    disabled=is(|now| !now.changeable)
                    on_press=move || {
                        open.get_value().begin_suggestion();
                    }
                >
                    <SuggestIcon />
                </Tool>
                <Gap />
                <Action open name=say().undo() command=EditorCommand::Undo disabled=is(|now| !now.can_undo)>
                    <UndoIcon />
                </Action>
                <Action open name=say().redo() command=EditorCommand::Redo disabled=is(|now| !now.can_redo)>
                    <RedoIcon />
                </Action>
            </div>
            {move || in_table.get().then(|| view! { <TableTools open /> })}
        </div>
        {move || choosing.get().then(|| view! { <LanguageDialog open choosing /> })}
        {move || linking.get().map(|address| view! { <LinkDialog open linking address /> })}
        <PictureDialogs open />
    }
}

/// What there is to do with a table while the caret is in it.
#[component]
fn TableTools(open: Open) -> impl IntoView {
    let tools = [
        (TableCommand::RowAbove, say().row_above()),
        (TableCommand::RowBelow, say().row_below()),
        (TableCommand::ColumnBefore, say().column_before()),
        (TableCommand::ColumnAfter, say().column_after()),
        (TableCommand::HeaderRow, say().header_row()),
        (TableCommand::DeleteRow, say().delete_row()),
        (TableCommand::DeleteColumn, say().delete_column()),
        (TableCommand::DeleteTable, say().delete_table()),
    ]
    .map(|(command, name)| {
        view! {
            <button
                type="button"
                class="tool tool-worded"
                tabindex=if command == TableCommand::RowAbove { "0" } else { "-1" }
                on:mousedown=keep_focus
                on:click=move |_| open.get_value().command(EditorCommand::InTable(command))
            >
                {name}
            </button>
        }
    });
    view! {
        <div class="toolbar toolbar-table" role="toolbar" aria-label=say().table_tools() on:keydown=step_along>
            {tools.into_iter().collect_view()}
        </div>
    }
}

#[component]
fn Gap() -> impl IntoView {
    view! { <span class="toolbar-gap" aria-hidden="true"></span> }
}

/// What a block is.
#[component]
fn StyleSelect(open: Open) -> impl IntoView {
    let formatting = RwSignal::from(open.with_value(|session| session.formatting.clone()));
    let styles = [
        (Style::Paragraph, say().style_paragraph()),
        (Style::Heading(1), say().style_heading_1()),
        (Style::Heading(2), say().style_heading_2()),
        (Style::Heading(3), say().style_heading_3()),
        (Style::CodeBlock, say().style_code_block()),
        (Style::Formula, say().style_formula()),
        (Style::Callout, say().style_callout()),
    ];
    // An option's value must be text: it is the style's place, and one more is for what is none of them.
    let value = Memo::new(move |_| {
        let style = formatting.with(|now| style_of(&now.block, now.level));
        styles
            .iter()
            .position(|(other, _)| Some(*other) == style)
            .unwrap_or(styles.len())
    });
    let select = NodeRef::<Select>::new();
    let choose = move |event: leptos::ev::Event| {
        let chosen = event_target_value(&event).parse::<usize>();
        if let Some((style, _)) = chosen.ok().and_then(|at| styles.get(at)) {
            let session = open.get_value();
            session.command(EditorCommand::Style(*style));
            session.focus();
        }
        // What the command could not do must not stay chosen.
        if let Some(select) = select.get_untracked() {
            select.set_value(&value.get_untracked().to_string());
        }
    };
    let options = (0..)
        .zip(styles)
        .map(|(at, (_, name)): (usize, _)| view! { <option value=at.to_string()>{name}</option> })
        .collect_view();
    let is_picture = Memo::new(move |_| formatting.with(|now| now.picture.is_some()));
    let other_name = move || {
        if is_picture.get() {
            say().image()
        } else {
            say().style_other()
        }
    };
    let other = move || {
        (value.get() == styles.len())
            .then(|| view! { <option value=styles.len().to_string()>{other_name()}</option> })
    };
    view! {
        <select
            class="toolbar-select"
            aria-label=say().style()
            aria-disabled=move || (is_picture.get() || formatting.with(|now| now.table)).then_some("true")
            node_ref=select
            prop:value=move || value.get().to_string()
            on:keydown=move |event| open_by_key(&event)
            on:change=choose
        >
            {options}
            {other}
        </select>
    }
}

/// The style that a block has; none if it is of another kind.
fn style_of(block: &str, level: Option<u8>) -> Option<Style> {
    match (block, level) {
        ("paragraph" | "", _) => Some(Style::Paragraph),
        ("heading", Some(level)) => Some(Style::Heading(level)),
        ("code-block", _) => Some(Style::CodeBlock),
        ("math-block", _) => Some(Style::Formula),
        ("callout", _) => Some(Style::Callout),
        _ => None,
    }
}

/// Control-K, or Command-K, in the text: as everywhere where text is written. A version that History shows is text, too, but nobody
/// writes there.
fn asks_for_link(event: &KeyboardEvent) -> bool {
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<HtmlElement>().ok());
    let is_written = target.is_some_and(|element| {
        element.is_content_editable()
            && matches!(element.closest(".editor"), Ok(Some(_)))
            && matches!(element.closest("dialog"), Ok(None))
    });
    is_command(event, 'k') && is_written && !event.is_composing()
}

/// A button that is pressed or not.
#[component]
fn Toggle(
    open: Open,
    name: &'static str,
    command: EditorCommand,
    pressed: Memo<bool>,
    /// Whether it does nothing where the caret is.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    children: Children,
) -> impl IntoView {
    let on_press = move || open.get_value().command(command.clone());
    view! {
        <Tool name pressed disabled on_press>
            {children()}
        </Tool>
    }
}

/// A button that does something now, if it can.
#[component]
fn Action(
    open: Open,
    name: &'static str,
    command: EditorCommand,
    #[prop(into)] disabled: Signal<bool>,
    children: Children,
) -> impl IntoView {
    let on_press = move || open.get_value().command(command.clone());
    view! {
        <Tool name disabled on_press>
            {children()}
        </Tool>
    }
}

/// A button of the toolbar.
#[component]
fn Tool(
    name: &'static str,
    /// What it says under the pointer: its name, if nothing.
    #[prop(default = name)]
    hint: &'static str,
    #[prop(optional)] shortcut: Option<&'static str>,
    /// Whether it opens a dialog.
    #[prop(optional)]
    asks: bool,
    #[prop(optional)] pressed: Option<Memo<bool>>,
    #[prop(optional, into)] disabled: Signal<bool>,
    #[prop(into)] on_press: Callback<()>,
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class="tool"
            tabindex="-1"
            aria-label=name
            title=hint
            aria-keyshortcuts=shortcut
            aria-haspopup=asks.then_some("dialog")
            aria-pressed=move || pressed.map(|pressed| pressed.get().to_string())
            aria-disabled=move || disabled.get().then_some("true")
            on:mousedown=keep_focus
            on:click=move |_| on_press.run(())
        >
            {children()}
        </button>
    }
}

/// The text stays selected while its formatting is changed by mouse.
fn keep_focus(event: MouseEvent) {
    event.prevent_default();
}

/// Arrow keys go from tool to tool.
fn step_along(event: KeyboardEvent) {
    let toolbar = event
        .current_target()
        .and_then(|target| target.dyn_into::<HtmlElement>().ok());
    if let Some(toolbar) = toolbar
        && let Some(step) = step_of(&event.key())
        && go(&toolbar, step)
    {
        event.prevent_default();
    }
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
