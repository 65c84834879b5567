//! What the app says, in the person's language. The build makes `Language` and its methods from `locales/`.

use std::cell::Cell;

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

thread_local! {
    static CHOSEN: Cell<Language> = const { Cell::new(Language::SOURCE) };
}

/// The language that is spoken: `say().join()`.
pub(crate) fn say() -> Language {
    CHOSEN.get()
}

/// Speaks the first of the wanted languages (BCP 47 tags, best first) that there is a catalogue for.
pub(crate) fn choose(wanted: &[String]) -> Language {
    let language = best(wanted);
    CHOSEN.set(language);
    language
}

fn best(wanted: &[String]) -> Language {
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    wanted
        .iter()
        .find_map(|tag| {
            let exact = Language::ALL
                .iter()
                .find(|language| language.tag().eq_ignore_ascii_case(tag));
            exact.or_else(|| {
                Language::ALL
                    .iter()
                    .find(|language| primary(language.tag()) == primary(tag))
            })
        })
        .copied()
        .unwrap_or(Language::SOURCE)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_nearest_language_is_spoken() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        assert_eq!(best(&tags(&["en-GB", "fr"])).tag(), "en");
        assert_eq!(best(&tags(&["tlh", "EN"])).tag(), "en");
        assert_eq!(best(&tags(&["tlh"])), Language::SOURCE);
        assert_eq!(best(&[]), Language::SOURCE);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn values_are_put_into_messages() {
        assert!(Language::En.invited_as("Student").contains("Student"));
    }
}
