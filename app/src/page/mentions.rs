//! Mentions in a message: keys in the document, names in the field where it is written.

use documents::classroom::MemberKey;
use documents::page::comments::{Part, mention, parts};

/// Who can be mentioned, or was, while a message is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) key: MemberKey,
}

/// What is typed behind an `@`, as far as the caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// Where the `@` is, in UTF-16 units.
    pub(crate) at: usize,
    pub(crate) typed: String,
}

/// The longest name that is looked for, in characters.
const LONGEST: usize = 40;

/// The text as it is written in a field, and the mentions in it, in order.
pub(crate) fn to_field(text: &str, name_of: impl Fn(&MemberKey) -> String) -> (String, Vec<Named>) {
    let mut shown = String::new();
    let mut mentioned = Vec::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => shown.push_str(text),
            Part::Mention(key) => {
                let name = name_of(&key);
                shown.push('@');
                shown.push_str(&name);
                mentioned.push(Named { name, key });
            }
        }
    }
    (shown, mentioned)
}

/// The message that was written in a field, in which these were chosen, in this order. Of two of one name the first `@` of that
/// name is the one who was chosen first.
pub(crate) fn from_field(typed: &str, chosen: &[Named]) -> String {
    let mut left: Vec<&Named> = chosen.iter().collect();
    let mut text = String::new();
    let mut rest = typed;
    while let Some(at) = rest.find('@') {
        let (before, behind) = rest.split_at(at);
        text.push_str(before);
        let behind = &behind[1..];
        let fits = |named: &&Named| {
            behind
                .strip_prefix(named.name.as_str())
                .is_some_and(|after| !after.starts_with(char::is_alphanumeric))
        };
        let named = left
            .iter()
            .filter(|named| fits(named))
            .max_by_key(|named| named.name.len())
            .map(|named| named.name.clone());
        let place = named.and_then(|name| left.iter().position(|named| named.name == name));
        match place {
            Some(place) => {
                let named = left.remove(place);
                text.push_str(&mention(&named.key));
                rest = &behind[named.name.len()..];
            }
            None => {
                text.push('@');
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    text
}

/// What a caret stands behind, if that may become a mention.
pub(crate) fn query_at(text: &str, caret: usize) -> Option<Query> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let before = String::from_utf16_lossy(units.get(..caret)?);
    let (head, typed) = before.rsplit_once('@')?;
    let begins_word = !head.ends_with(|before: char| before.is_alphanumeric());
    let is_name = typed.chars().count() <= LONGEST && !typed.contains('\n') && !typed.starts_with(' ');
    (begins_word && is_name).then(|| Query {
        at: head.encode_utf16().count(),
        typed: typed.to_owned(),
    })
}

/// Those whose name has a word that begins with what was typed, at most so many.
pub(crate) fn offered<'a>(members: &'a [Named], typed: &str, most: usize) -> Vec<&'a Named> {
    let typed = typed.to_lowercase();
    let fits = |named: &&Named| {
        let name = named.name.to_lowercase();
        let mut starts = name
            .char_indices()
            .filter(|(at, _)| *at == 0 || name[..*at].ends_with(char::is_whitespace));
        starts.any(|(at, _)| name[at..].starts_with(&typed))
    };
    members.iter().filter(fits).take(most).collect()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn named(name: &str, key: u8) -> Named {
        Named {
            name: name.to_owned(),
            key: [key; 32],
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_written_with_names_is_kept_with_keys() {
        let chosen = [
            named("Ana", 1),
            named("Ana Maria", 2),
            named("Ben", 3),
            named("Ana", 4),
        ];
        let typed = "@Ana and @Ana Maria, @Ana; @Benny @Ben a@b";
        let text = from_field(typed, &chosen);
        let of = |key| mention(&[key; 32]);
        assert_eq!(
            text,
            format!("{} and {}, {}; @Benny {} a@b", of(1), of(2), of(4), of(3))
        );
        let name_of = |key: &MemberKey| {
            chosen
                .iter()
                .find(|named| named.key == *key)
                .unwrap()
                .name
                .clone()
        };
        let (shown, mentioned) = to_field(&text, name_of);
        assert_eq!(shown, typed);
        assert_eq!(from_field(&shown, &mentioned), text);
        assert_eq!(from_field("@Ana", &[]), "@Ana");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_are_offered_behind_an_at() {
        let at = |text: &str, caret| query_at(text, caret).map(|query| (query.at, query.typed));
        assert_eq!(at("é😀 @an", 7), Some((4, "an".to_owned())));
        assert_eq!(at("@", 1), Some((0, String::new())));
        assert_eq!(at("a@b", 3), None);
        assert_eq!(at("@ b", 3), None);
        assert_eq!(at("@a\nb", 4), None);
        assert_eq!(at("b", 9), None);

        let members = [named("Ana Lima", 1), named("Élodie", 2), named("Lina", 3)];
        let names = |typed: &str| -> Vec<String> {
            offered(&members, typed, 2)
                .into_iter()
                .map(|named| named.name.clone())
                .collect()
        };
        assert_eq!(names("li"), ["Ana Lima", "Lina"]);
        assert_eq!(names("é"), ["Élodie"]);
        assert_eq!(names("ana l"), ["Ana Lima"]);
        assert_eq!(names(""), ["Ana Lima", "Élodie"]);
    }
}
