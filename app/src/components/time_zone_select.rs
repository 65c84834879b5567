use leptos::prelude::*;

use crate::intl;
use crate::messages::say;

/// A select of the time zones that the browser knows; the device's own is chosen.
#[component]
pub(crate) fn TimeZoneSelect(value: RwSignal<String>) -> impl IntoView {
    let own = value.get_untracked();
    let options = intl::time_zones(&own)
        .into_iter()
        .map(|zone| {
            let name = zone.replace('_', " ");
            let chosen = zone == own;
            view! {
                <option value=zone selected=chosen>
                    {name}
                </option>
            }
        })
        .collect_view();
    view! {
        <div class="field">
            <label for="time-zone">{say().time_zone()}</label>
            <select
                id="time-zone"
                name="time-zone"
                required
                on:change=move |event| value.set(event_target_value(&event))
            >
                {options}
            </select>
        </div>
    }
}
