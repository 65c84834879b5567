//! A button that copies a text, also where the browser has no clipboard for pages.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlDocument, HtmlTextAreaElement};

use crate::messages::say;
use crate::service_worker::has;

/// Copies what `text` gives; `on_copied` is called once it is in the clipboard.
#[component]
pub(crate) fn CopyButton(
    text: impl Fn() -> String + 'static,
    #[prop(default = "button")] class: &'static str,
    on_copied: impl Fn() + Clone + 'static,
) -> impl IntoView {
    let outcome = RwSignal::new(None);
    let copy = move |_| {
        let text = text();
        let on_copied = on_copied.clone();
        spawn_local(async move {
            let copied = copy(&text).await;
            if let Err(error) = &copied {
                leptos::logging::warn!("not copied: {error:?}");
            }
            outcome.set(Some(copied.is_ok()));
            if copied.is_ok() {
                on_copied();
                set_timeout(
                    move || {
                        outcome.try_set(None);
                    },
                    Duration::from_secs(3),
                );
            }
        });
    };
    let said = move || match outcome.get() {
        Some(true) => say().copied(),
        Some(false) => say().copy_failed(),
        None => "",
    };
    view! {
        <button type="button" class=class on:click=copy>
            {say().copy()}
        </button>
        <span class="copy-outcome" aria-live="polite">
            {said}
        </span>
    }
}

async fn copy(text: &str) -> Result<(), JsValue> {
    let navigator = window().navigator();
    if has(&navigator, "clipboard") {
        JsFuture::from(navigator.clipboard().write_text(text)).await?;
        return Ok(());
    }
    copy_from_a_field(text)
}

/// The old way, for pages that were not fetched over HTTPS.
fn copy_from_a_field(text: &str) -> Result<(), JsValue> {
    let document: HtmlDocument = document().dyn_into()?;
    let field: HtmlTextAreaElement = document.create_element("textarea")?.dyn_into()?;
    field.set_value(text);
    field.set_class_name("off-screen");
    // Inside an open dialog, where alone things can be focused then.
    let parent = document
        .query_selector("dialog[open]")?
        .or_else(|| document.body().map(Into::into))
        .ok_or("no body")?;
    parent.append_child(&field)?;
    field.select();
    let copied = document.exec_command("copy");
    field.remove();
    if copied? {
        Ok(())
    } else {
        Err("the browser refused".into())
    }
}
