//! Edits that the replica did not take any more, made again in a copy of the page that it rebuilt.

use documents::page::edit::{Block, Edit};

/// The edits that make in `theirs` what the person did between `before` and `mine`. Where others changed the very same blocks,
/// both stay: the person's blocks come after theirs.
pub(crate) fn carry_over(before: &[Block], mine: &[Block], theirs: &[Block]) -> Vec<Edit> {
    let Some((from, count, end)) = changed(before, mine) else {
        return Vec::new();
    };
    if mine == theirs {
        return Vec::new();
    }
    let blocks = mine[from..end].to_vec();
    let place = match changed(before, theirs) {
        None => Some(from),
        Some((their_from, ..)) if from + count <= their_from => Some(from),
        Some((their_from, their_count, their_end)) if from >= their_from + their_count => {
            Some(from + their_end - their_from - their_count)
        }
        Some(_) => None,
    };
    let edit = match place {
        Some(from) => Edit::Blocks { from, count, blocks },
        None => {
            let (_, _, their_end) = changed(before, theirs).unwrap_or_default();
            Edit::Blocks {
                from: their_end,
                count: 0,
                blocks,
            }
        }
    };
    vec![edit]
}

/// The first block that differs, how many blocks of `old` it concerns, and where it ends in `new`.
fn changed(old: &[Block], new: &[Block]) -> Option<(usize, usize, usize)> {
    if old == new {
        return None;
    }
    let shortest = old.len().min(new.len());
    let before = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let after = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let after = after.min(shortest - before);
    Some((before, old.len() - after - before, new.len() - after))
}

#[cfg(test)]
mod tests {
    use documents::page::edit::{Run, Shape, apply_to_blocks};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn page(lines: &[&str]) -> Vec<Block> {
        let block = |line: &&str| Block {
            shape: Shape::paragraph(),
            runs: vec![Run {
                text: (*line).to_owned(),
                marks: Default::default(),
            }],
        };
        lines.iter().map(block).collect()
    }

    fn carried(before: &[&str], mine: &[&str], theirs: &[&str]) -> Vec<String> {
        let mut blocks = page(theirs);
        for edit in carry_over(&page(before), &page(mine), &page(theirs)) {
            apply_to_blocks(&mut blocks, &edit).unwrap();
        }
        blocks.iter().map(Block::text).collect()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_the_person_did_is_done_again() {
        assert_eq!(carried(&["a", "b"], &["a", "b!"], &["a", "b"]), ["a", "b!"]);
        assert_eq!(carried(&["a", "b"], &["a", "b"], &["x", "b"]), ["x", "b"]);
        assert_eq!(
            carried(&["a", "b"], &["a", "b!"], &["new", "a", "b"]),
            ["new", "a", "b!"]
        );
        assert_eq!(
            carried(&["a", "b"], &["a!", "b"], &["a", "b", "c"]),
            ["a!", "b", "c"]
        );
        assert_eq!(
            carried(&["a", "b", "c"], &["a", "c"], &["a!", "b", "c"]),
            ["a!", "c"]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn of_two_versions_of_one_block_both_stay() {
        assert_eq!(
            carried(&["a", "b"], &["a mine", "b"], &["a theirs", "b"]),
            ["a theirs", "a mine", "b"]
        );
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_there_already_is_not_done_twice() {
        assert_eq!(carried(&["a"], &["a", "b"], &["a", "b"]), ["a", "b"]);
    }
}
