//! The browser's voices, those on this device only: the others send what they are to say to their maker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Reflect};
use leptos::prelude::{set_timeout, window};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

/// Browsers that load their voices late have done so by then.
const VOICES_WITHIN: Duration = Duration::from_secs(2);

/// A voice on this device.
pub(crate) type Voice = SpeechSynthesisVoice;

/// How speaking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Spoken,
    /// By the system, or by something else that speaks.
    Silenced,
}

/// Something that is being spoken. Dropping it silences it.
pub(crate) struct Speech {
    utterance: SpeechSynthesisUtterance,
    over: Rc<Cell<bool>>,
    _on_end: Closure<dyn FnMut()>,
    _on_error: Closure<dyn FnMut()>,
}

impl Speech {
    /// Speaks a text with a voice. `ended` is called once, unless this is dropped before.
    pub(crate) fn begin(
        text: &str,
        language: &str,
        voice: &Voice,
        ended: impl FnOnce(Ended) + 'static,
    ) -> Result<Self, JsValue> {
        let synthesis = synthesis().ok_or("this browser can't speak")?;
        let utterance = SpeechSynthesisUtterance::new(text)?;
        utterance.set_lang(language);
        utterance.set_voice(voice);
        let ended = Rc::new(RefCell::new(Some(ended)));
        let over = Rc::new(Cell::new(false));
        let hear = |how: Ended| {
            let (ended, over) = (ended.clone(), over.clone());
            Closure::<dyn FnMut()>::new(move || {
                over.set(true);
                // Not in the middle of the browser's own telling: what follows drops this.
                if let Some(ended) = ended.take() {
                    set_timeout(move || ended(how), Duration::ZERO);
                }
            })
        };
        let (on_end, on_error) = (hear(Ended::Spoken), hear(Ended::Silenced));
        utterance.set_onend(on_end.as_ref().unchecked_ref());
        utterance.set_onerror(on_error.as_ref().unchecked_ref());
        synthesis.speak(&utterance);
        Ok(Self {
            utterance,
            over,
            _on_end: on_end,
            _on_error: on_error,
        })
    }
}

impl Drop for Speech {
    fn drop(&mut self) {
        self.utterance.set_onend(&JsValue::NULL);
        self.utterance.set_onerror(&JsValue::NULL);
        // What is over makes room for what is spoken next.
        if let Some(synthesis) = synthesis()
            && !self.over.get()
        {
            synthesis.cancel();
        }
    }
}

/// Whether this browser can speak at all.
pub(crate) fn is_there() -> bool {
    synthesis().is_some()
}

/// Calls `then` with the voices on this device, once they are loaded: with none, if there are none.
pub(crate) fn with_voices(then: impl FnOnce(Vec<Voice>) + 'static) {
    let Some(synthesis) = synthesis() else {
        return then(Vec::new());
    };
    let known = local_voices(&synthesis);
    if !known.is_empty() {
        return then(known);
    }
    let then = Rc::new(RefCell::new(Some(then)));
    let heard = Rc::new(RefCell::new(None::<Closure<dyn FnMut()>>));
    let look = {
        let (then, heard) = (then.clone(), heard.clone());
        let synthesis = synthesis.clone();
        move |at_last: bool| {
            let voices = local_voices(&synthesis);
            if (at_last || !voices.is_empty())
                && let Some(then) = then.take()
            {
                if let Some(listener) = heard.borrow().as_ref() {
                    synthesis.remove_event_listener("voiceschanged", listener.as_ref());
                }
                then(voices);
            }
        }
    };
    let listener = Closure::new({
        let look = look.clone();
        move || look(false)
    });
    synthesis.add_event_listener("voiceschanged", listener.as_ref());
    *heard.borrow_mut() = Some(listener);
    set_timeout(
        move || {
            look(true);
            heard.take();
        },
        VOICES_WITHIN,
    );
}

/// The voice for a language (BCP 47): of the same country, if there is one, and the system's own choice before others.
pub(crate) fn voice_for<'a>(voices: &'a [Voice], language: &str) -> Option<&'a Voice> {
    let primary = |tag: &str| {
        tag.split(['-', '_'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    voices
        .iter()
        .filter(|voice| primary(&voice.lang()) == primary(language))
        .max_by_key(|voice| {
            let same = voice.lang().replace('_', "-").eq_ignore_ascii_case(language);
            (same, voice.is_default())
        })
}

fn local_voices(synthesis: &SpeechSynthesis) -> Vec<Voice> {
    let voices = synthesis.voices();
    let voices = voices.iter().map(JsCast::unchecked_into::<Voice>);
    voices.filter(Voice::is_local).collect()
}

fn synthesis() -> Option<SpeechSynthesis> {
    let found = Reflect::get(&window(), &"speechSynthesis".into()).ok()?;
    found.is_object().then(|| found.unchecked_into())
}

// By hand: those of web-sys take a window that has them for granted.
#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type SpeechSynthesis;
    #[wasm_bindgen(method, js_name = getVoices)]
    fn voices(this: &SpeechSynthesis) -> Array;
    #[wasm_bindgen(method)]
    fn speak(this: &SpeechSynthesis, utterance: &SpeechSynthesisUtterance);
    #[wasm_bindgen(method)]
    fn cancel(this: &SpeechSynthesis);
    #[wasm_bindgen(method, js_name = addEventListener)]
    fn add_event_listener(this: &SpeechSynthesis, name: &str, listener: &JsValue);
    #[wasm_bindgen(method, js_name = removeEventListener)]
    fn remove_event_listener(this: &SpeechSynthesis, name: &str, listener: &JsValue);

    type SpeechSynthesisUtterance;
    #[wasm_bindgen(constructor, catch)]
    fn new(text: &str) -> Result<SpeechSynthesisUtterance, JsValue>;
    #[wasm_bindgen(method, setter)]
    fn set_lang(this: &SpeechSynthesisUtterance, language: &str);
    #[wasm_bindgen(method, setter)]
    fn set_voice(this: &SpeechSynthesisUtterance, voice: &SpeechSynthesisVoice);
    #[wasm_bindgen(method, setter)]
    fn set_onend(this: &SpeechSynthesisUtterance, listener: &JsValue);
    #[wasm_bindgen(method, setter)]
    fn set_onerror(this: &SpeechSynthesisUtterance, listener: &JsValue);

    #[derive(Clone)]
    pub(crate) type SpeechSynthesisVoice;
    #[wasm_bindgen(method, getter)]
    fn lang(this: &SpeechSynthesisVoice) -> String;
    #[wasm_bindgen(method, getter, js_name = localService)]
    fn is_local(this: &SpeechSynthesisVoice) -> bool;
    #[wasm_bindgen(method, getter, js_name = default)]
    fn is_default(this: &SpeechSynthesisVoice) -> bool;
}
