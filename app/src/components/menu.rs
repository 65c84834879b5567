//! A button that opens a menu. Arrow keys, Home and End go from item to item; Escape, or leaving it, closes it.
//!
//! The items lie next to the button rather than in the browser's top layer: that needs no anchors, which some browsers lack.

use leptos::html::{Button, Div};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{FocusEvent, HtmlElement, KeyboardEvent, Node};

/// One thing that can be done, or why nothing can.
pub(crate) struct MenuItem {
    name: &'static str,
    choose: Option<Box<dyn Fn()>>,
}

impl MenuItem {
    pub(crate) fn new(name: &'static str, choose: impl Fn() + 'static) -> Self {
        Self {
            name,
            choose: Some(Box::new(choose)),
        }
    }

    /// Says something, and can't be chosen.
    pub(crate) fn note(name: &'static str) -> Self {
        Self { name, choose: None }
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
            let items: Vec<AnyView> = items
                .into_iter()
                .map(|item| {
                    let disabled = item.choose.is_none().then_some("true");
                    let choose = move |_| {
                        if let Some(choose) = &item.choose {
                            close();
                            choose();
                        }
                    };
                    view! {
                        <button
                            type="button"
                            role="menuitem"
                            tabindex="-1"
                            class="menu-item"
                            aria-disabled=disabled
                            on:click=choose
                        >
                            {item.name}
                        </button>
                    }
                    .into_any()
                })
                .collect();
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

/// Focuses an item; behind the last comes the first.
fn go(list: &HtmlElement, step: Step) {
    let items = list.children();
    let count = items.length();
    if count == 0 {
        return;
    }
    let active = document().active_element();
    let at = (0..count).find(|index| items.item(*index) == active);
    let next = match (step, at) {
        (Step::First, _) | (Step::Next, None) => 0,
        (Step::Last, _) | (Step::Previous, None) => count - 1,
        (Step::Next, Some(at)) => (at + 1) % count,
        (Step::Previous, Some(at)) => (at + count - 1) % count,
    };
    let item = items
        .item(next)
        .and_then(|item| item.dyn_into::<HtmlElement>().ok());
    if let Some(Err(error)) = item.map(|item| item.focus()) {
        leptos::logging::warn!("a menu item was not focused: {error:?}");
    }
}
