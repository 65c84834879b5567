use wasm_bindgen::{JsCast, JsValue};
use web_sys::{HtmlSelectElement, KeyboardEvent};

/// Keys that would choose in a list that is closed open it instead: who looks through it chooses nothing on the way. A letter
/// only opens it, too: in a closed one it would choose at once. Browsers that do not
/// say whether it is open, or open none, do as they are used to.
pub(crate) fn open_by_key(event: &KeyboardEvent) {
    let key = event.key();
    let chooses = matches!(key.as_str(), "ArrowUp" | "ArrowDown" | "PageUp" | "PageDown")
        || key != " " && key.chars().count() == 1;
    let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
    let select = event.current_target();
    let Some(select) = select.and_then(|select| select.dyn_into::<HtmlSelectElement>().ok()) else {
        return;
    };
    if chooses && !modified && select.matches(":open") == Ok(false) && show(&select).is_ok() {
        event.prevent_default();
    }
}

fn show(select: &HtmlSelectElement) -> Result<JsValue, JsValue> {
    let show = js_sys::Reflect::get(select, &JsValue::from("showPicker"))?;
    show.dyn_into::<js_sys::Function>()?.call0(select)
}
