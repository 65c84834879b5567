//! The language that a block says it is in, for voices, spelling and hyphens.

use super::edit::{Shape, Value};

/// The attribute of a block's marker. Its value is a tag of BCP 47.
pub(super) const NAME: &str = "lang";

/// More than any tag has that a language, a script, a region and a variety make.
const LONGEST: usize = 64;

impl Shape {
    /// The language that the block says it is in; none if what it says is no tag of a language.
    pub fn language(&self) -> Option<&str> {
        match self.attrs.get(NAME) {
            Some(Value::Text(tag)) if is_tag(tag) => Some(tag),
            _ => None,
        }
    }
}

/// Whether it has the form of a tag that begins with a language's code. Which languages there are nobody can list.
pub(super) fn is_tag(tag: &str) -> bool {
    let is_code =
        |code: &str| (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = tag.split('-');
    tag.len() <= LONGEST && parts.next().is_some_and(is_code) && parts.all(is_part)
}
