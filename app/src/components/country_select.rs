use leptos::prelude::*;

use crate::countries;
use crate::messages::say;

/// A select of country names.
#[component]
pub(crate) fn CountrySelect(value: RwSignal<String>) -> impl IntoView {
    let options = countries::all()
        .into_iter()
        .map(|country| {
            let selected = move || value.with(|value| value == country.code);
            view! {
                <option value=country.code selected=selected>
                    {country.name}
                </option>
            }
        })
        .collect_view();
    view! {
        <div class="field">
            <label for="country">{say().country()}</label>
            <select
                id="country"
                name="country"
                required
                autocomplete="country"
                on:change=move |event| value.set(event_target_value(&event))
            >
                <option value="" selected=move || value.with(String::is_empty)>
                    {say().choose_country()}
                </option>
                {options}
            </select>
        </div>
    }
}
