//! A picture that comes to the page, or stands there: its file, and what it shows in words.

use std::rc::Rc;

use leptos::html::{Img, Textarea};
use leptos::prelude::*;
use leptos::task::spawn_local;
use web_sys::{File, SubmitEvent};

use super::Open;
use crate::components::dialog::{Dialog, cancels, close_around};
use crate::files::ObjectUrl;
use crate::messages::say;
use crate::page::editor::{Picture, PlacedPicture};
use crate::page::pictures::draw;
use crate::page::pictures::making::{Made, make};
use crate::page::session::{NotKept, Subject};
use crate::reasons;

/// The dialog, whenever there is something to ask.
#[component]
pub(super) fn PictureDialogs(open: Open) -> impl IntoView {
    let subject: RwSignal<Option<Subject>, LocalStorage> =
        RwSignal::from_local(open.with_value(|session| session.picturing.subject.clone()));
    on_cleanup(move || {
        if let Some(session) = open.try_get_value() {
            session.give_up_pictures();
        }
    });
    // Each is a dialog of its own: nothing that was typed or chosen for one stays for the next.
    let count = StoredValue::new(0_u32);
    let asked = move || {
        subject.with(Option::is_some).then(|| {
            count.update_value(|count| *count += 1);
            count.get_value()
        })
    };
    view! {
        <For each=asked key=|number| *number let:_number>
            {subject.get_untracked().map(|subject| view! { <PictureDialog open subject /> })}
        </For>
    }
}

/// A file that was chosen, made ready to be kept.
struct Chosen {
    made: Made,
    url: ObjectUrl,
}

/// How far it has come.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Waiting,
    /// A picture is being made of the file, or is being kept.
    Busy,
    NothingChosen,
    NotKept(NotKept),
    /// The picture is not on the page any more.
    Gone,
}

#[component]
fn PictureDialog(open: Open, subject: Subject) -> impl IntoView {
    let (placed, file) = match subject {
        Subject::New(file) => (None, file),
        Subject::Placed(placed) => (Some(placed), None),
    };
    let before = placed.as_ref().map(|placed| placed.picture.clone());
    let is_known = placed.is_some() || file.is_some();
    let is_placed = placed.is_some();
    let alt = before.as_ref().and_then(|picture| picture.alt.clone());
    let field = NodeRef::<Textarea>::new();
    let preview = NodeRef::<Img>::new();
    let decorates = RwSignal::new(alt.as_deref() == Some(""));
    let state = RwSignal::new(State::Waiting);
    let chosen = RwSignal::new_local(None::<Rc<Chosen>>);
    // Only what was chosen last counts, however long each takes.
    let choices = StoredValue::new(0_u32);

    let take = move |file: File| {
        choices.update_value(|count| *count += 1);
        let choice = choices.get_value();
        state.set(State::Busy);
        spawn_local(async move {
            let made = match make(&file).await {
                Ok(made) => ObjectUrl::of(&made.blob).map(|url| Chosen { made, url }),
                Err(error) => Err(error),
            };
            if choices.try_get_value() != Some(choice) {
                return;
            }
            match made {
                Ok(made) => {
                    chosen.set(Some(Rc::new(made)));
                    state.set(State::Waiting);
                }
                Err(error) => state.set(State::NotKept(NotKept::unreadable(&error))),
            }
        });
    };
    if let Some(file) = file {
        take(file);
    }
    let take_chosen = move |event: leptos::ev::Event| {
        let files = event_target::<web_sys::HtmlInputElement>(&event).files();
        if let Some(file) = files.and_then(|files| files.item(0)) {
            take(file);
        }
    };
    Effect::new(move || {
        let Some(preview) = preview.get() else { return };
        let pictures = open.with_value(|session| session.pictures.clone());
        match (chosen.get(), &before) {
            (Some(chosen), _) => {
                pictures.forget(&preview);
                draw(&preview, chosen.url.as_str());
            }
            (None, Some(picture)) => pictures.show(&picture.src, &preview),
            (None, None) => {}
        }
    });

    let finish = {
        let placed = placed.clone();
        let described = description(alt.as_deref().unwrap_or_default(), decorates.get_untracked());
        move |alt: Option<String>, kept: Option<Picture>| {
            let session = open.get_value();
            // What this person has not changed stays as it is by now.
            let changes = |placed: &PlacedPicture| {
                session.change_picture(placed, |picture| {
                    let present = picture.alt.take();
                    if let Some(kept) = &kept {
                        picture.clone_from(kept);
                    }
                    picture.alt = if alt == described { present } else { alt.clone() };
                })
            };
            if placed.as_ref().is_some_and(|placed| !changes(placed)) {
                return state.set(State::Gone);
            }
            if let Some(field) = field.get_untracked() {
                close_around(&field);
            }
            match kept.filter(|_| placed.is_none()) {
                Some(picture) => session.insert_picture(&Picture { alt, ..picture }),
                None => session.focus(),
            }
        }
    };
    let begin = move |_| open.with_value(|session| session.picturing.is_begun.set(true));
    let put = move |event: SubmitEvent| {
        if cancels(&event) {
            return;
        }
        event.prevent_default();
        if state.get_untracked() == State::Busy {
            return;
        }
        let typed = field
            .get_untracked()
            .map(|field| field.value())
            .unwrap_or_default();
        let alt = description(&typed, decorates.get_untracked());
        match (chosen.get_untracked(), &placed) {
            (None, None) => state.set(State::NothingChosen),
            (None, Some(_)) => finish(alt, None),
            (Some(chosen), _) => {
                state.set(State::Busy);
                let finish = finish.clone();
                spawn_local(async move {
                    let kept = open.get_value().keep(&chosen.made).await;
                    // Who has closed the dialog meanwhile does not want it.
                    if state.try_get_untracked().is_none() {
                        return;
                    }
                    match kept {
                        Ok(picture) => finish(alt, Some(picture)),
                        Err(reason) => state.set(State::NotKept(reason)),
                    }
                });
            }
        }
    };
    view! {
        <Dialog title=say().image().to_owned() on_close=move || open.get_value().ask_for_next()>
            <form class="dialog-form" on:submit=put on:input=begin novalidate>
                <div class="field">
                    <label for="picture-file">
                        {if is_known { say().picture_other_file() } else { say().picture_file() }}
                    </label>
                    <input
                        id="picture-file"
                        type="file"
                        accept="image/*"
                        autofocus=!is_known
                        aria-describedby="picture-file-hint"
                        on:change=take_chosen
                    />
                    <p class="hint" id="picture-file-hint">
                        {say().picture_file_hint()}
                    </p>
                </div>
                <figure class="picture-preview">
                    <img alt=say().picture_preview() node_ref=preview />
                </figure>
                <div class="field">
                    <label for="picture-description">{say().picture_description()}</label>
                    <textarea
                        id="picture-description"
                        dir="auto"
                        rows="2"
                        maxlength=LONGEST
                        autofocus=is_known
                        disabled=move || decorates.get()
                        aria-describedby="picture-description-hint"
                        node_ref=field
                    >
                        {alt}
                    </textarea>
                    <p class="hint" id="picture-description-hint">
                        {say().picture_description_hint()}
                    </p>
                </div>
                <label class="choice">
                    <input
                        type="checkbox"
                        prop:checked=move || decorates.get()
                        on:change=move |event| decorates.set(event_target_checked(&event))
                    />
                    <span>{say().picture_decoration()}</span>
                </label>
                <p class="outcome" role="status" aria-label=say().outcome()>
                    {move || (state.get() == State::Busy).then(|| say().working())}
                </p>
                <p class="problem" role="alert">
                    {move || problem(state.get())}
                </p>
                <div class="form-foot">
                    <button
                        type="submit"
                        class="button button-main"
                        aria-disabled=move || (state.get() == State::Busy).to_string()
                    >
                        {if is_placed { say().save_picture() } else { say().insert_picture() }}
                    </button>
                    <button type="submit" formmethod="dialog" class="button button-quiet">
                        {say().cancel()}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}

/// The most that is typed of a description, in UTF-16 units: who hears it can't skip ahead.
const LONGEST: &str = "1000";

/// What is typed as a description, in one line. None if there is nothing.
fn description(typed: &str, decorates: bool) -> Option<String> {
    let words: Vec<&str> = typed.split_whitespace().collect();
    if decorates {
        Some(String::new())
    } else {
        (!words.is_empty()).then(|| words.join(" "))
    }
}

fn problem(state: State) -> Option<String> {
    match state {
        State::NothingChosen => Some(say().picture_none_chosen().to_owned()),
        State::NotKept(NotKept::NotAPicture) => Some(say().picture_not_readable().to_owned()),
        State::NotKept(NotKept::TooLarge) => Some(say().picture_too_large().to_owned()),
        State::Gone => Some(say().picture_gone().to_owned()),
        State::NotKept(NotKept::Because(reason)) => Some(reasons::problem(reason)),
        State::Waiting | State::Busy => None,
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn nothing_is_said_of_a_picture_until_somebody_says_it() {
        assert_eq!(description(" \n", false), None);
        assert_eq!(description("", true), Some(String::new()));
        assert_eq!(description("kept, but unused", true), Some(String::new()));
        assert_eq!(
            description(" A bridge\nin Garissa ", false).as_deref(),
            Some("A bridge in Garissa")
        );
    }
}
