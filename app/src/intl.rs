//! What the browser knows of languages, countries and time: `Intl`, without which every name would have to be shipped.

use js_sys::{Array, Object, Reflect};
use leptos::prelude::window;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Intl)]
    type DisplayNames;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locales: &JsValue, options: &JsValue) -> Result<DisplayNames, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn of(this: &DisplayNames, code: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Intl)]
    type Locale;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(tag: &str) -> Result<Locale, JsValue>;
    #[wasm_bindgen(method)]
    fn maximize(this: &Locale) -> Locale;
    #[wasm_bindgen(method)]
    fn minimize(this: &Locale) -> Locale;
    #[wasm_bindgen(method, getter)]
    fn language(this: &Locale) -> String;
    #[wasm_bindgen(method, getter)]
    fn script(this: &Locale) -> Option<String>;
    #[wasm_bindgen(method, js_name = toString)]
    fn tag(this: &Locale) -> String;

    #[wasm_bindgen(js_namespace = Intl, js_name = getCanonicalLocales, catch)]
    fn get_canonical_locales(tag: &str) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_namespace = Intl)]
    type DateTimeFormat;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locales: &JsValue, options: &JsValue) -> Result<DateTimeFormat, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn format(this: &DateTimeFormat, date: f64) -> Result<String, JsValue>;
    #[wasm_bindgen(method, js_name = resolvedOptions)]
    fn resolved_options(this: &DateTimeFormat) -> Object;

    #[wasm_bindgen(js_namespace = Intl)]
    type NumberFormat;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locales: &JsValue) -> Result<NumberFormat, JsValue>;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn with_options(locales: &JsValue, options: &JsValue) -> Result<NumberFormat, JsValue>;
    #[wasm_bindgen(method)]
    fn format(this: &NumberFormat, number: f64) -> String;

    #[wasm_bindgen(js_namespace = Intl, js_name = supportedValuesOf, catch)]
    fn supported_values_of(key: &str) -> Result<Array, JsValue>;

    #[wasm_bindgen(js_namespace = Intl)]
    type Segmenter;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locales: &JsValue, options: &JsValue) -> Result<Segmenter, JsValue>;
    #[wasm_bindgen(method)]
    fn segment(this: &Segmenter, text: &str) -> Segments;

    type Segments;
    #[wasm_bindgen(method)]
    fn containing(this: &Segments, unit: u32) -> JsValue;

    #[wasm_bindgen(js_namespace = Intl)]
    type Collator;
    #[wasm_bindgen(constructor, js_namespace = Intl, catch)]
    fn new(locales: &JsValue) -> Result<Collator, JsValue>;
    #[wasm_bindgen(method)]
    fn compare(this: &Collator, left: &str, right: &str) -> i32;
}

/// The languages that the person set in the browser, best first.
pub(crate) fn preferred_languages() -> Vec<String> {
    window()
        .navigator()
        .languages()
        .iter()
        .filter_map(|tag| tag.as_string())
        .collect()
}

/// The name of a country in a language; the code itself if the browser has no name.
pub(crate) fn country_names(language: &str, codes: &[&str]) -> Vec<String> {
    let names = DisplayNames::new(&language.into(), &options(&[("type", "region")]));
    let name = |code: &&str| {
        let name = names
            .as_ref()
            .ok()
            .and_then(|names| names.of(code).ok()?.as_string());
        name.unwrap_or_else(|| (*code).to_owned())
    };
    codes.iter().map(name).collect()
}

/// What a language is called in another one; its tag if the browser has no name.
pub(crate) fn language_name(language: &str, tag: &str) -> String {
    let names = DisplayNames::new(&language.into(), &options(&[("type", "language")]));
    let name = names.ok().and_then(|names| names.of(tag).ok()?.as_string());
    name.unwrap_or_else(|| tag.to_owned())
}

/// What languages are called in another one; none where the browser has no name.
pub(crate) fn language_names(language: &str, tags: &[String]) -> Vec<Option<String>> {
    let said = options(&[("type", "language"), ("fallback", "none")]);
    let names = DisplayNames::new(&language.into(), &said).ok();
    tags.iter()
        .map(|tag| names.as_ref()?.of(tag).ok()?.as_string())
        .collect()
}

/// A tag of BCP 47 in its usual form; none if it is none.
pub(crate) fn canonical_tag(tag: &str) -> Option<String> {
    get_canonical_locales(tag).ok()?.get(0).as_string()
}

/// A tag without what goes without saying: `de` for `de-DE`.
pub(crate) fn shortest_tag(tag: &str) -> Option<String> {
    Some(Locale::new(tag).ok()?.minimize().tag())
}

/// What most people of a region write; none if the browser does not know.
pub(crate) fn language_of_region(code: &str) -> Option<String> {
    let likely = Locale::new(&format!("und-{code}")).ok()?.maximize();
    let language = likely.language();
    let script = likely.script().filter(|_| language != "und")?;
    shortest_tag(&format!("{language}-{script}"))
}

/// Sorts by what `text` gives, as a dictionary of the language would.
pub(crate) fn sort_by_text<T>(language: &str, items: &mut [T], text: impl Fn(&T) -> &str) {
    let collator = Collator::new(&language.into()).ok();
    // By hand: the general sort is several kilobytes of the first load.
    for index in 1..items.len() {
        let (sorted, rest) = items.split_at(index);
        let wanted = text(&rest[0]);
        let place = sorted.partition_point(|item| match &collator {
            Some(collator) => collator.compare(text(item), wanted) <= 0,
            None => text(item) <= wanted,
        });
        for place in (place..index).rev() {
            items.swap(place, place + 1);
        }
    }
}

/// The IANA name of the time zone that this device is in.
pub(crate) fn own_time_zone() -> Option<String> {
    let format = DateTimeFormat::new(&JsValue::UNDEFINED, &JsValue::UNDEFINED).ok()?;
    Reflect::get(&format.resolved_options(), &"timeZone".into())
        .ok()?
        .as_string()
}

/// All time zones that the browser knows, with `own` among them.
pub(crate) fn time_zones(own: &str) -> Vec<String> {
    let known = supported_values_of("timeZone").unwrap_or_default();
    let mut zones: Vec<String> = known.iter().filter_map(|zone| zone.as_string()).collect();
    if !own.is_empty() && !zones.iter().any(|zone| zone == own) {
        let place = zones.partition_point(|zone| zone.as_str() <= own);
        zones.insert(place, own.to_owned());
    }
    zones
}

/// The person's own variety of a language, as it decides between 12 and 24 hours: `en-GB` for `en`.
pub(crate) fn variety_of(language: &str) -> String {
    let own = preferred_languages()
        .into_iter()
        .find(|tag| tag.split('-').next() == language.split('-').next());
    own.unwrap_or_else(|| language.to_owned())
}

/// The weekday and time of day in a zone, as written in `language`; none if the browser does not know the zone.
pub(crate) fn time_in_zone(language: &str, zone: &str, milliseconds: f64) -> Option<String> {
    let format = options(&[
        ("timeZone", zone),
        ("weekday", "short"),
        ("hour", "2-digit"),
        ("minute", "2-digit"),
    ]);
    DateTimeFormat::new(&language.into(), &format)
        .ok()?
        .format(milliseconds)
        .ok()
}

/// A number, in the digits and groups of a language.
pub(crate) fn number(language: &str, number: u32) -> String {
    let format = NumberFormat::new(&language.into());
    format.map_or_else(|_| number.to_string(), |format| format.format(number.into()))
}

/// An amount of bytes in whole megabytes or tenths of gigabytes, as written in `language`.
pub(crate) fn size(language: &str, bytes: f64) -> String {
    let (unit, amount) = if bytes < 1e9 {
        ("megabyte", (bytes / 1e6).round())
    } else {
        ("gigabyte", (bytes / 1e8).round() / 10.0)
    };
    let format = NumberFormat::with_options(&language.into(), &options(&[("style", "unit"), ("unit", unit)]));
    format.map_or_else(|_| format!("{amount} {unit}"), |format| format.format(amount))
}

/// A day, as written in `language`; `seconds` are since 1970.
pub(crate) fn date(language: &str, seconds: u64) -> String {
    // Exact for as long as there are dates.
    #[allow(clippy::cast_precision_loss)]
    let milliseconds = seconds as f64 * 1000.0;
    DateTimeFormat::new(&language.into(), &options(&[("dateStyle", "medium")]))
        .and_then(|format| format.format(milliseconds))
        .unwrap_or_default()
}

/// A moment in this device's zone, as written in `language`.
pub(crate) fn moment(language: &str, milliseconds: i64) -> String {
    let format = options(&[("dateStyle", "medium"), ("timeStyle", "short")]);
    DateTimeFormat::new(&language.into(), &format)
        .and_then(|format| format.format(precise(milliseconds)))
        .unwrap_or_default()
}

/// The same for programs; nothing if there is no such moment.
pub(crate) fn iso(milliseconds: i64) -> Option<String> {
    let date = js_sys::Date::new(&precise(milliseconds).into());
    let exists = !date.get_time().is_nan();
    exists.then(|| String::from(date.to_iso_string()))
}

fn precise(milliseconds: i64) -> f64 {
    // Exact for as long as there are dates.
    #[allow(clippy::cast_precision_loss)]
    let precise = milliseconds as f64;
    precise
}

/// How a text begins, in about so many characters at most: what a reader calls a letter is not torn.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let Some((cut, _)) = text.char_indices().nth(most) else {
        return text.to_owned();
    };
    let begins = &text[..cut];
    let kept = start_of_letter(text, begins.encode_utf16().count());
    let mut units = 0;
    let kept: String = begins
        .chars()
        .take_while(|letter| {
            units += letter.len_utf16();
            kept.is_none_or(|kept| units <= kept)
        })
        .collect();
    format!("{}…", kept.trim_end())
}

/// Where the letter begins that a UTF-16 unit belongs to; none, if the browser can't tell, or it is the first.
fn start_of_letter(text: &str, unit: usize) -> Option<usize> {
    let letters = Segmenter::new(&JsValue::UNDEFINED, &options(&[("granularity", "grapheme")])).ok()?;
    let letter = letters.segment(text).containing(u32::try_from(unit).ok()?);
    let start = Reflect::get(&letter, &"index".into()).ok()?.as_f64()?;
    // An offset in a text that is there.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let start = start as usize;
    (start > 0).then_some(start)
}

fn options(pairs: &[(&str, &str)]) -> JsValue {
    let entries: Array = pairs
        .iter()
        .map(|(key, value)| Array::of2(&(*key).into(), &(*value).into()))
        .collect();
    Object::from_entries(&entries).map_or(JsValue::UNDEFINED, JsValue::from)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn countries_have_names_in_the_language() {
        assert_eq!(country_names("en", &["KE", "DE"]), ["Kenya", "Germany"]);
        assert_eq!(country_names("de", &["DE"]), ["Deutschland"]);
    }

    #[wasm_bindgen_test]
    fn a_text_is_cut_between_letters() {
        assert_eq!(shortened("river", 5), "river");
        assert_eq!(shortened("river", 3), "riv…");
        assert_eq!(shortened("the river", 4), "the…");
        assert_eq!(shortened("ab👩‍👩‍👧c", 4), "ab…");
        assert_eq!(shortened("🌊🌊e\u{301}x", 3), "🌊🌊…");
        assert_eq!(shortened("👩‍👩‍👧", 1), "👩…");
    }

    #[wasm_bindgen_test]
    fn a_zone_that_is_none_has_no_time() {
        // Browsers differ in what they put between the two.
        let time = time_in_zone("en-GB", "Africa/Nairobi", 0.0).unwrap();
        assert!(time.starts_with("Thu") && time.ends_with("03:00"), "{time}");
        assert_eq!(time_in_zone("en-GB", "Nowhere/At_all", 0.0), None);
    }

    #[wasm_bindgen_test]
    fn the_own_zone_is_always_offered() {
        assert!(own_time_zone().is_some());
        assert!(time_zones("Mars/Olympus").contains(&"Mars/Olympus".to_owned()));
    }

    #[wasm_bindgen_test]
    fn numbers_have_the_groups_and_digits_of_the_language() {
        assert_eq!(number("en", 1_234_567), "1,234,567");
        assert_eq!(number("en-IN", 1_234_567), "12,34,567");
        assert_eq!(number("ar-EG", 1_234), "١٬٢٣٤");
        assert_eq!(number("no language", 1_234), "1234");
    }

    #[wasm_bindgen_test]
    fn names_are_sorted_as_people_sort() {
        let mut names = ["Zambia", "Åland Islands", "Albania"];
        sort_by_text("en", &mut names, |name| name);
        assert_eq!(names, ["Åland Islands", "Albania", "Zambia"]);
    }
}
