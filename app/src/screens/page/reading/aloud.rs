//! The page read aloud, block by block.

use documents::page::edit::Point;
use leptos::prelude::*;
use web_sys::MouseEvent;

use super::super::Open;
use crate::components::icon::{ReadAloudIcon, StopIcon};
use crate::intl;
use crate::messages::say;
use crate::page::reading::{Passage, language_by_script};
use crate::speech::{self, Ended, Speech, Voice};

/// What is being read. Copies are the same.
#[derive(Clone, Copy)]
pub(super) struct Aloud {
    reading: RwSignal<bool>,
    /// Why nothing is heard.
    pub(super) note: RwSignal<String>,
    /// What is spoken now; dropping it keeps it silent.
    speech: StoredValue<Option<Speech>, LocalStorage>,
    voices: StoredValue<Vec<Voice>, LocalStorage>,
}

impl Aloud {
    pub(super) fn new() -> Self {
        Self {
            reading: RwSignal::new(false),
            note: RwSignal::new(String::new()),
            speech: StoredValue::new_local(None),
            voices: StoredValue::new_local(Vec::new()),
        }
    }

    /// Reads from the caret or the selection on.
    fn begin(self, open: Open) {
        self.reading.set(true);
        self.note.set(String::new());
        speech::with_voices(move |voices| {
            if self.reading.try_get_untracked() != Some(true) {
                return;
            }
            if voices.is_empty() {
                self.stop(open);
                self.note.set(say().no_voice().to_owned());
                return;
            }
            self.voices.set_value(voices);
            self.read(open, open.with_value(|session| session.passage_at_caret()));
        });
    }

    /// Reads a passage, and then what is behind it.
    fn read(self, open: Open, passage: Option<Passage>) {
        let mut passage = passage;
        while let Some(next) = passage {
            let language = language_of(&next);
            let voice = self
                .voices
                .with_value(|voices| speech::voice_for(voices, &language).cloned());
            if let Some(voice) = voice {
                return self.speak(open, next, &language, &voice);
            }
            // What no voice can speak is passed over, and that is said.
            let name = intl::language_name(say().tag(), &language);
            self.note.set(say().no_voice_for(&name));
            passage = behind(open, next.block);
        }
        self.stop(open);
    }

    fn speak(self, open: Open, passage: Passage, language: &str, voice: &Voice) {
        let session = open.get_value();
        session.show_reading(Some(passage.block));
        let place = session.hold_block(passage.block);
        let ended = move |ended: Ended| {
            // The page is gone, or reading was stopped.
            if self.reading.try_get_untracked() != Some(true) {
                return;
            }
            match ended {
                Ended::Spoken => {
                    // Others may have written before it since.
                    let here = place
                        .as_ref()
                        .and_then(|place| open.with_value(|session| session.held_block(place)));
                    self.read(open, behind(open, here.unwrap_or(passage.block)));
                }
                Ended::Silenced => self.stop(open),
            }
        };
        let text = if passage.is_picture {
            say().read_picture(&passage.text)
        } else {
            passage.text
        };
        match Speech::begin(&text, language, voice, ended) {
            Ok(speech) => self.speech.set_value(Some(speech)),
            Err(error) => {
                leptos::logging::warn!("nothing is read aloud: {error:?}");
                self.stop(open);
            }
        }
    }

    fn stop(self, open: Open) {
        self.reading.set(false);
        self.speech.set_value(None);
        open.with_value(|session| session.show_reading(None));
    }
}

fn behind(open: Open, block: usize) -> Option<Passage> {
    open.with_value(|session| {
        session.passage_from(Point {
            block: block + 1,
            offset: 0,
        })
    })
}

/// What the block says, what its script tells, or else the language that the person prefers.
fn language_of(passage: &Passage) -> String {
    let told = passage.language.clone();
    told.or_else(|| language_by_script(&passage.text).map(str::to_owned))
        .or_else(|| intl::preferred_languages().into_iter().next())
        .unwrap_or_else(|| say().tag().to_owned())
}

/// There is no such button in a browser that can't speak.
#[component]
pub(super) fn ReadAloudButton(open: Open, aloud: Aloud) -> impl IntoView {
    on_cleanup(move || {
        // What was begun on this page must not go on on another.
        aloud.speech.try_set_value(None);
    });
    let name = move || {
        if aloud.reading.get() {
            say().stop_reading()
        } else {
            say().read_aloud()
        }
    };
    let toggle = move |_| {
        if aloud.reading.get_untracked() {
            aloud.stop(open);
        } else {
            aloud.begin(open);
        }
    };
    speech::is_there().then(|| {
        view! {
            <button type="button" class="tool" aria-label=name title=name on:mousedown=keep_focus on:click=toggle>
                {move || {
                    if aloud.reading.get() {
                        view! { <StopIcon /> }.into_any()
                    } else {
                        view! { <ReadAloudIcon /> }.into_any()
                    }
                }}
            </button>
        }
    })
}

/// The caret stays where it is.
fn keep_focus(event: MouseEvent) {
    event.prevent_default();
}
