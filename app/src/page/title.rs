//! A title that others change while somebody types in it.

/// Where the caret belongs after a text became another one: it stays with the text around it. Offsets are in UTF-16 units.
pub(crate) fn caret_after(old: &str, new: &str, caret: usize) -> usize {
    let old: Vec<u16> = old.encode_utf16().collect();
    let new: Vec<u16> = new.encode_utf16().collect();
    let shortest = old.len().min(new.len());
    let same = |pairs: &mut dyn Iterator<Item = (&u16, &u16)>| {
        pairs.take_while(|(left, right)| left == right).count()
    };
    let before = same(&mut old.iter().zip(&new)).min(shortest);
    let after = same(&mut old.iter().rev().zip(new.iter().rev())).min(shortest - before);
    if caret <= before {
        caret
    } else if caret >= old.len() - after {
        // What is left of the text behind the caret is behind it again.
        new.len() - old.len().saturating_sub(caret)
    } else {
        new.len() - after
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_caret_stays_with_its_text() {
        assert_eq!(caret_after("Rivers", "The Rivers", 3), 7);
        assert_eq!(caret_after("Rivers", "Rivers of Kenya", 3), 3);
        assert_eq!(caret_after("Rivers", "", 3), 0);
        assert_eq!(caret_after("", "Rivers", 0), 0);
        assert_eq!(caret_after("aaaa", "aa", 4), 2);
        assert_eq!(caret_after("a old b", "a new b", 4), 5);
        assert_eq!(caret_after("😀x", "😀yx", 3), 4);
    }
}
