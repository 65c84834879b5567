//! Who somebody is: the same fields for those who found and those who join.

use leptos::prelude::*;
use replica::command::Profile;

use super::country_select::CountrySelect;
use super::time_zone_select::TimeZoneSelect;
use crate::intl;
use crate::link::Link;
use crate::messages::say;

/// The longest name of a person, a school or a classroom.
pub(crate) const LONGEST_NAME: u16 = 80;

/// What was typed into the fields.
#[derive(Clone, Copy)]
pub(crate) struct ProfileForm {
    pub(crate) name: RwSignal<String>,
    pub(crate) school: RwSignal<String>,
    pub(crate) country: RwSignal<String>,
    pub(crate) time_zone: RwSignal<String>,
}

impl ProfileForm {
    /// Filled with what this person said in another classroom, and the device's time zone.
    pub(crate) fn new(link: Link) -> Self {
        let known = link.classrooms.with_untracked(|classrooms| {
            classrooms.values().find_map(|classroom| {
                let me = classroom.members.iter().find(|member| member.me)?;
                let school = classroom.schools.iter().find(|school| school.id == me.school)?;
                Some((me.name.clone(), school.name.clone(), school.country.clone()))
            })
        });
        let (name, school, country) = known.unwrap_or_default();
        Self {
            name: RwSignal::new(name),
            school: RwSignal::new(school),
            country: RwSignal::new(country),
            time_zone: RwSignal::new(intl::own_time_zone().unwrap_or_default()),
        }
    }

    pub(crate) fn profile(self) -> Profile {
        Profile {
            name: self.name.get_untracked().trim().to_owned(),
            school: self.school.get_untracked().trim().to_owned(),
            country: self.country.get_untracked(),
            time_zone: self.time_zone.get_untracked(),
        }
    }
}

/// The fields; `schools` are suggested.
#[component]
pub(crate) fn ProfileFields(form: ProfileForm, #[prop(optional)] schools: Vec<String>) -> impl IntoView {
    let suggestions = schools
        .into_iter()
        .map(|name| view! { <option value=name></option> })
        .collect_view();
    view! {
        <TextField id="name" label=say().your_name() hint=say().your_name_hint() autocomplete="name" value=form.name />
        <TextField
            id="school"
            label=say().your_school()
            autocomplete="organization"
            list="schools"
            value=form.school
        />
        <datalist id="schools">{suggestions}</datalist>
        <div class="fields-side-by-side">
            <CountrySelect value=form.country />
            <TimeZoneSelect value=form.time_zone />
        </div>
    }
}

/// A line of text that must not be empty.
#[component]
pub(crate) fn TextField(
    id: &'static str,
    label: &'static str,
    #[prop(optional)] hint: &'static str,
    #[prop(default = "off")] autocomplete: &'static str,
    #[prop(optional)] list: &'static str,
    value: RwSignal<String>,
) -> impl IntoView {
    let hint_id = format!("{id}-hint");
    let described_by = (!hint.is_empty()).then(|| hint_id.clone());
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                id=id
                name=id
                type="text"
                dir="auto"
                required
                maxlength=LONGEST_NAME.to_string()
                autocomplete=autocomplete
                list=(!list.is_empty()).then_some(list)
                aria-describedby=described_by
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
            {(!hint.is_empty()).then(|| view! { <p class="hint" id=hint_id>{hint}</p> })}
        </div>
    }
}
