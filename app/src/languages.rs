//! The languages that people write in.

use crate::intl;
use crate::messages::say;

/// A language: its tag of BCP 47 and its name in the person's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Language {
    pub(crate) tag: String,
    pub(crate) name: String,
}

/// The languages of these tags, each once, in the order of their names.
pub(crate) fn named(tags: impl IntoIterator<Item = String>) -> Vec<Language> {
    let mut distinct: Vec<String> = Vec::new();
    for tag in tags.into_iter().filter_map(|tag| canonical(&tag)) {
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    let names = intl::language_names(say().tag(), &distinct);
    let languages = distinct.into_iter().zip(names).map(|(tag, name)| Language {
        name: name.unwrap_or_else(|| tag.clone()),
        tag,
    });
    in_order(languages.collect())
}

/// What this person reads, as they set it in the browser.
pub(crate) fn own() -> impl Iterator<Item = String> {
    let tags = intl::preferred_languages().into_iter();
    tags.filter_map(|tag| intl::shortest_tag(&tag))
}

/// What most people in a country write, as far as the browser knows.
pub(crate) fn of_country(code: &str) -> Option<String> {
    intl::language_of_region(code)
}

/// All languages that the browser has a name of, in the order of their names.
pub(crate) fn all() -> Vec<Language> {
    let letters = || (b'a'..=b'z').map(char::from);
    let short = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    let codes: Vec<String> = short
        .chain(LONG_CODES.split_ascii_whitespace().map(str::to_owned))
        // Of a language with several codes, the one in use.
        .filter(|code| canonical(code).as_ref() == Some(code))
        .collect();
    let names = intl::language_names(say().tag(), &codes);
    let languages = codes.into_iter().zip(names);
    in_order(
        languages
            .filter_map(|(tag, name)| Some(Language { tag, name: name? }))
            .collect(),
    )
}

fn in_order(mut languages: Vec<Language>) -> Vec<Language> {
    intl::sort_by_text(say().tag(), &mut languages, |language| &language.name);
    languages
}

/// The tag of the language that somebody means who types this: its name, or its tag.
pub(crate) fn meant(typed: &str, languages: &[Language]) -> Option<String> {
    let typed = typed.trim();
    let folded = typed.to_lowercase();
    let named = languages
        .iter()
        .find(|language| language.name.to_lowercase() == folded);
    match named {
        Some(language) => Some(language.tag.clone()),
        None => canonical(typed),
    }
}

/// A tag in its usual form; none if it is none, or begins with no language that has a code.
fn canonical(tag: &str) -> Option<String> {
    let code = tag.split('-').next().unwrap_or_default();
    let has_code = (2..=3).contains(&code.len());
    if has_code { intl::canonical_tag(tag) } else { None }
}

/// The codes of three letters of which browsers know names and customs (CLDR); there are thousands without.
const LONG_CODES: &str = "\
    agq asa ast bas bem bez bho brx ccp ceb cgg chr ckb csb dav dje doi dsb dua dyo ebu ewo fil fur gsw guz haw hmn hsb ibb ilo \
    jgo jmc kab kac kam kde kea kgp khq kkj kln kok kpe krc kri krl ksb ksf ksh lag lkt lrc luo lus luy mad mai man mas mer mfe \
    mgh mgo min mni moh mua mus mwl mzn nap naq nds new niu nmg nnh nqo nso nus nyn pap pcm prg quc raj rof rwk sah saq sat sbp \
    scn sco seh ses shi shn smn sms snk srn srr suk swb syr szl tem teo tet tig tpi trv twq tzm udm umb vai vec vun wae wal \
    war xog yav yrl zgh zza";

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn a_language_is_meant_by_its_name_or_its_tag() {
        let all = all();
        let meant = |typed: &str| meant(typed, &all).unwrap_or_default();
        assert_eq!(meant(" swahili "), "sw");
        assert_eq!(meant("Luo"), "luo");
        assert_eq!(meant("PT-br"), "pt-BR");
        assert_eq!(meant("zh-hant-tw"), "zh-Hant-TW");
        for none in ["", "  ", "Klingonese", "e", "en_GB", "en--GB", "12", "\"><b>"] {
            assert_eq!(meant(none), "", "{none}");
        }
    }

    #[wasm_bindgen_test]
    fn the_browser_names_them_once_and_in_order() {
        let all = all();
        assert!(all.len() > 100);
        assert!(all.iter().all(|language| language.name != language.tag));
        let mut tags: Vec<&String> = all.iter().map(|language| &language.tag).collect();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), all.len());
        let tags = ["sw", "SW", "nothing at all", "de"].map(str::to_owned);
        let names: Vec<String> = named(tags).into_iter().map(|language| language.name).collect();
        assert_eq!(names, ["German", "Swahili"]);
    }

    #[wasm_bindgen_test]
    fn countries_have_a_language() {
        assert_eq!(of_country("KE").as_deref(), Some("sw"));
        assert_eq!(of_country("DE").as_deref(), Some("de"));
        assert_eq!(of_country("no country"), None);
    }
}
