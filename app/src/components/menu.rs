//! A button that opens a menu. Arrow keys, Home and End go from item to item; Escape, or leaving it, closes it. An item can open
//! a menu of its own, below it.
//!
//! The items lie next to the button rather than in the browser's top layer: that needs no anchors, which some browsers lack.

use leptos::html::{Button, Div};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{FocusEvent, HtmlElement, KeyboardEvent, Node};

/// One thing that can be done, or why nothing can.
pub(crate) struct MenuItem {
    name: &'static str,
    does: Does,
}

enum Does {
    Choose(Box<dyn Fn()>),
    Open(Vec<MenuItem>),
    Nothing,
}

impl MenuItem {
    pub(crate) fn new(name: &'static str, choose: impl Fn() + 'static) -> Self {
        Self {
            name,
            does: Does::Choose(Box::new(choose)),
        }
    }

    /// Opens further items.
    pub(crate) fn menu(name: &'static str, items: Vec<MenuItem>) -> Self {
        Self {
            name,
            does: Does::Open(items),
        }
    }

    /// Says something, and can't be chosen.
    pub(crate) fn note(name: &'static str) -> Self {
        Self {
            name,
            does: Does::Nothing,
        }
    }
}

/// The items are asked for each time that the menu opens.
pub(crate) type MenuItems = StoredValue<Box<dyn Fn() -> Vec<MenuItem>>, LocalStorage>;

pub(crate) fn menu_items(items: impl Fn() -> Vec<MenuItem> + 'static) -> MenuItems {
    StoredValue::new_local(Box::new(items))
}

/// `described_by` is the id of what tells one such button from another.
#[component]
pub(crate) fn Menu(
    name: &'static str,
    #[prop(default = "button")] class: &'static str,
    #[prop(optional, into)] described_by: Option<String>,
    items: MenuItems,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let whole = NodeRef::<Div>::new();
    let button = NodeRef::<Button>::new();
    let list = NodeRef::<Div>::new();
    let from_the_end = StoredValue::new(false);
    // The first item has the focus, or the last for who came from below.
    Effect::new(move || {
        if let Some(list) = list.get() {
            keep_on_screen(&list);
            let step = if from_the_end.get_value() {
                Step::Last
            } else {
                Step::First
            };
            go(&list, step);
        }
    });
    let close = move || {
        open.set(false);
        if let Some(button) = button.get_untracked()
            && let Err(error) = button.focus()
        {
            leptos::logging::warn!("the menu's button was not focused: {error:?}");
        }
    };
    let on_click = move |_| {
        from_the_end.set_value(false);
        open.update(|open| *open = !*open);
    };
    let on_key = move |event: KeyboardEvent| {
        let key = event.key();
        // The reference keeps pointing to items that are gone.
        let shown = list.get_untracked().filter(|_| open.get_untracked());
        let Some(list) = shown else {
            if matches!(key.as_str(), "ArrowDown" | "ArrowUp") {
                event.prevent_default();
                from_the_end.set_value(key == "ArrowUp");
                open.set(true);
            }
            return;
        };
        if key == "Escape" {
            event.prevent_default();
            close();
        } else if let Some(step) = Step::of(&key) {
            event.prevent_default();
            go(&list, step);
        }
    };
    let on_focus_out = move |event: FocusEvent| {
        let goes_to = event
            .related_target()
            .and_then(|target| target.dyn_into::<Node>().ok());
        let stays = whole
            .get_untracked()
            .is_some_and(|whole| whole.contains(goes_to.as_ref()));
        if !stays {
            open.set(false);
        }
    };
    let shown = move || {
        open.get().then(|| {
            let items = untrack(|| items.with_value(|items| items()));
            let items: Vec<AnyView> = items.into_iter().map(|item| shown_item(item, close)).collect();
            view! {
                <div class="menu-items" role="menu" aria-label=name node_ref=list>
                    {items}
                </div>
            }
        })
    };
    // With a tabindex, Safari focuses the button when it is clicked, as the others do.
    view! {
        <div class="menu" node_ref=whole on:keydown=on_key on:focusout=on_focus_out>
            <button
                type="button"
                class=class
                tabindex="0"
                aria-haspopup="menu"
                aria-expanded=move || open.get().to_string()
                aria-describedby=described_by
                node_ref=button
                on:click=on_click
            >
                {name}
            </button>
            {shown}
        </div>
    }
}

fn shown_item(item: MenuItem, close: impl Fn() + Copy + 'static) -> AnyView {
    let MenuItem { name, does } = item;
    match does {
        Does::Choose(choose) => {
            let choose = move |_| {
                close();
                choose();
            };
            view! {
                <button type="button" role="menuitem" tabindex="-1" class="menu-item" on:click=choose>
                    {name}
                </button>
            }
            .into_any()
        }
        Does::Open(items) => shown_menu(name, items, close),
        Does::Nothing => view! {
            <button type="button" role="menuitem" tabindex="-1" class="menu-item" aria-disabled="true">
                {name}
            </button>
        }
        .into_any(),
    }
}

/// An item with a menu of its own. Arrow keys along the line open and close it; Escape does first what they do.
fn shown_menu(name: &'static str, items: Vec<MenuItem>, close: impl Fn() + Copy + 'static) -> AnyView {
    let open = RwSignal::new(false);
    let item = NodeRef::<Button>::new();
    let list = NodeRef::<Div>::new();
    let items: Vec<AnyView> = items.into_iter().map(|item| shown_item(item, close)).collect();
    let show = move |shown: bool| {
        open.set(shown);
        let whole = list.get_untracked().and_then(|list| list.parent_element());
        match (shown, list.get_untracked(), item.get_untracked()) {
            (true, Some(list), _) => {
                // It is shown when the effects of the signal have run.
                request_animation_frame(move || go(&list, Step::First));
            }
            (false, _, Some(item)) if whole.is_some() => {
                if let Err(error) = item.focus() {
                    leptos::logging::warn!("a menu item was not focused: {error:?}");
                }
            }
            _ => {}
        }
    };
    let on_key = move |event: KeyboardEvent| {
        let key = event.key();
        let rtl = document()
            .document_element()
            .is_some_and(|root| root.get_attribute("dir").as_deref() == Some("rtl"));
        let (forwards, backwards) = if rtl {
            ("ArrowLeft", "ArrowRight")
        } else {
            ("ArrowRight", "ArrowLeft")
        };
        let is_open = open.get_untracked();
        if key == forwards && !is_open {
            show(true);
        } else if is_open && (key == backwards || key == "Escape") {
            show(false);
        } else {
            return;
        }
        event.prevent_default();
        event.stop_propagation();
    };
    view! {
        <div role="none" on:keydown=on_key>
            <button
                type="button"
                role="menuitem"
                tabindex="-1"
                class="menu-item menu-opens"
                aria-haspopup="menu"
                aria-expanded=move || open.get().to_string()
                node_ref=item
                on:click=move |_| show(!open.get_untracked())
            >
                {name}
            </button>
            <div class="menu-inside" role="menu" aria-label=name hidden=move || !open.get() node_ref=list>
                {items}
            </div>
        </div>
    }
    .into_any()
}

/// The items end where their button ends, unless that leads off the screen: then both begin together.
fn keep_on_screen(list: &HtmlElement) {
    let place = list.get_bounding_client_rect();
    let width = document()
        .document_element()
        .map_or(0.0, |root| f64::from(root.client_width()));
    if place.left() < 0.0 || place.right() > width {
        list.set_class_name("menu-items menu-items-from-start");
    }
}

/// Where a key leads.
#[derive(Clone, Copy)]
enum Step {
    Next,
    Previous,
    First,
    Last,
}

impl Step {
    fn of(key: &str) -> Option<Self> {
        match key {
            "ArrowDown" => Some(Self::Next),
            "ArrowUp" => Some(Self::Previous),
            "Home" => Some(Self::First),
            "End" => Some(Self::Last),
            _ => None,
        }
    }
}

/// Focuses an item, of those that are shown; behind the last comes the first.
fn go(list: &HtmlElement, step: Step) {
    let Ok(all) = list.query_selector_all("[role=menuitem]") else {
        return;
    };
    let items: Vec<HtmlElement> = (0..all.length())
        .filter_map(|index| all.item(index)?.dyn_into::<HtmlElement>().ok())
        .filter(|item| item.closest("[hidden]").ok().flatten().is_none())
        .collect();
    let count = items.len();
    if count == 0 {
        return;
    }
    let active = document().active_element();
    let at = items
        .iter()
        .position(|item| Some(item.as_ref()) == active.as_ref());
    let next = match (step, at) {
        (Step::First, _) | (Step::Next, None) => 0,
        (Step::Last, _) | (Step::Previous, None) => count - 1,
        (Step::Next, Some(at)) => (at + 1) % count,
        (Step::Previous, Some(at)) => (at + count - 1) % count,
    };
    if let Some(Err(error)) = items.get(next).map(HtmlElement::focus) {
        leptos::logging::warn!("a menu item was not focused: {error:?}");
    }
}
