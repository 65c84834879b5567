//! Replacing blocks by others with the fewest edits, so that what did not change keeps its identity, its cursors and what
//! others do to it at the same time.

use std::collections::BTreeSet;

use super::edit::{Block, Edit, Run, Value, cut, width};

/// Above this many pairs to compare, blocks are matched in order instead of by their text.
const MOST_PAIRS: usize = 1 << 16;

/// One step from the old blocks to the new ones; indices count from the first replaced block, after the steps before.
#[derive(Debug)]
pub(super) enum Step {
    Edit(Edit),
    Insert(usize, Block),
    Remove(usize),
}

/// The steps that turn `old` into `new`.
pub(super) fn steps(old: &[Block], new: &[Block]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = 0;
    let (mut done_old, mut done_new) = (0, 0);
    let gap = |steps: &mut Vec<Step>, at: &mut usize, old: &[Block], new: &[Block]| {
        let paired = old.len().min(new.len());
        for (old, new) in old.iter().zip(new) {
            change_block(steps, *at, old, new);
            *at += 1;
        }
        for block in &new[paired..] {
            steps.push(Step::Insert(*at, block.clone()));
            *at += 1;
        }
        for _ in &old[paired..] {
            steps.push(Step::Remove(*at));
        }
    };
    for (in_old, in_new) in matches(old, new) {
        gap(
            &mut steps,
            &mut at,
            &old[done_old..in_old],
            &new[done_new..in_new],
        );
        change_block(&mut steps, at, &old[in_old], &new[in_new]);
        at += 1;
        (done_old, done_new) = (in_old + 1, in_new + 1);
    }
    gap(&mut steps, &mut at, &old[done_old..], &new[done_new..]);
    steps
}

/// Which blocks have the same text in both: a longest common subsequence.
pub(super) fn matches(old: &[Block], new: &[Block]) -> Vec<(usize, usize)> {
    let old: Vec<String> = old.iter().map(Block::text).collect();
    let new: Vec<String> = new.iter().map(Block::text).collect();
    let prefix = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (rest_old, rest_new) = (&old[prefix..], &new[prefix..]);
    let suffix = rest_old
        .iter()
        .rev()
        .zip(rest_new.iter().rev())
        .take_while(|(old, new)| old == new)
        .count();
    let (rest_old, rest_new) = (
        &rest_old[..rest_old.len() - suffix],
        &rest_new[..rest_new.len() - suffix],
    );

    let mut found: Vec<(usize, usize)> = (0..prefix).map(|index| (index, index)).collect();
    if rest_old.len() * rest_new.len() <= MOST_PAIRS {
        let columns = rest_new.len() + 1;
        let mut longest = vec![0_u32; (rest_old.len() + 1) * columns];
        for row in (0..rest_old.len()).rev() {
            for column in (0..rest_new.len()).rev() {
                longest[row * columns + column] = if rest_old[row] == rest_new[column] {
                    longest[(row + 1) * columns + column + 1] + 1
                } else {
                    longest[(row + 1) * columns + column].max(longest[row * columns + column + 1])
                };
            }
        }
        let (mut row, mut column) = (0, 0);
        while row < rest_old.len() && column < rest_new.len() {
            if rest_old[row] == rest_new[column] {
                found.push((prefix + row, prefix + column));
                (row, column) = (row + 1, column + 1);
            } else if longest[(row + 1) * columns + column] >= longest[row * columns + column + 1] {
                row += 1;
            } else {
                column += 1;
            }
        }
    }
    found.extend(
        (0..suffix)
            .rev()
            .map(|back| (old.len() - 1 - back, new.len() - 1 - back)),
    );
    found
}

/// The edits that give blocks the words of those in the same places of others, and leave the words that stay. Whole words, so
/// that what somebody else puts where they are stands between two words.
pub(crate) fn words(old: &[Block], new: &[Block]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let (mut done_old, mut done_new) = (0, 0);
    for (in_old, in_new) in matches(old, new).into_iter().chain([(old.len(), new.len())]) {
        for (block, new) in (done_old..in_old).zip(&new[done_new..in_new]) {
            change_words(&mut edits, block, &words_of(&old[block]), &words_of(new));
        }
        (done_old, done_new) = (in_old + 1, in_new + 1);
    }
    edits
}

fn words_of(block: &Block) -> Vec<Block> {
    let text = block.text();
    text.split_inclusive(char::is_whitespace)
        .map(Block::of_text)
        .collect()
}

fn change_words(edits: &mut Vec<Edit>, block: usize, old: &[Block], new: &[Block]) {
    let (mut done_old, mut done_new, mut offset) = (0, 0, 0);
    for (in_old, in_new) in matches(old, new).into_iter().chain([(old.len(), new.len())]) {
        let delete = old[done_old..in_old].iter().map(Block::length).sum();
        let insert: Vec<Run> = new[done_new..in_new]
            .iter()
            .flat_map(|word| word.runs.clone())
            .collect();
        let inserted: usize = insert.iter().map(|run| width(&run.text)).sum();
        if delete + inserted > 0 {
            edits.push(Edit::Text {
                block,
                offset,
                delete,
                insert,
            });
        }
        offset += inserted + old.get(in_old).map_or(0, Block::length);
        (done_old, done_new) = (in_old + 1, in_new + 1);
    }
}

/// The edits that turn one block into another: shape, the text that differs, marks on the text that stays.
fn change_block(steps: &mut Vec<Step>, at: usize, old: &Block, new: &Block) {
    if old.shape != new.shape {
        steps.push(Step::Edit(Edit::Shape {
            block: at,
            shape: new.shape.clone(),
        }));
    }
    if old.runs == new.runs {
        return;
    }
    let (old_text, new_text) = (old.text(), new.text());
    let prefix: usize = old_text
        .chars()
        .zip(new_text.chars())
        .take_while(|(old, new)| old == new)
        .map(|(same, _)| same.len_utf8())
        .sum();
    let (rest_old, rest_new) = (&old_text[prefix..], &new_text[prefix..]);
    let suffix: usize = rest_old
        .chars()
        .rev()
        .zip(rest_new.chars().rev())
        .take_while(|(old, new)| old == new)
        .map(|(same, _)| same.len_utf8())
        .sum();
    let offset = width(&old_text[..prefix]);
    let delete = width(&rest_old[..rest_old.len() - suffix]);
    let insert = width(&rest_new[..rest_new.len() - suffix]);

    // The cuts are at places that both texts have, so they can't fail; if one did, the text is replaced whole.
    let parts = (|| {
        let (old_before, old_rest) = cut(&old.runs, offset)?;
        let (_, old_after) = cut(&old_rest, delete)?;
        let (new_before, new_rest) = cut(&new.runs, offset)?;
        let (middle, new_after) = cut(&new_rest, insert)?;
        Ok::<_, crate::Error>((old_before, old_after, new_before, middle, new_after))
    })();
    let Ok((old_before, old_after, new_before, middle, new_after)) = parts else {
        let delete = width(&old_text);
        steps.push(Step::Edit(Edit::Text {
            block: at,
            offset: 0,
            delete,
            insert: new.runs.clone(),
        }));
        return;
    };
    if delete > 0 || insert > 0 {
        steps.push(Step::Edit(Edit::Text {
            block: at,
            offset,
            delete,
            insert: middle,
        }));
    }
    change_marks(steps, at, 0, &old_before, &new_before);
    change_marks(steps, at, offset + insert, &old_after, &new_after);
}

/// The edits that give the same text other marks.
fn change_marks(steps: &mut Vec<Step>, block: usize, offset: usize, old: &[Run], new: &[Run]) {
    for (from, to, name, value) in mark_changes(old, new) {
        let (from, to) = (offset + from, offset + to);
        steps.push(Step::Edit(Edit::Mark {
            block,
            from,
            to,
            name,
            value,
        }));
    }
}

/// Which marks to set, or to remove with null, and where, so that the same text has the marks of `new`.
pub(super) fn mark_changes(old: &[Run], new: &[Run]) -> Vec<(usize, usize, String, Value)> {
    let names: BTreeSet<&String> = old.iter().chain(new).flat_map(|run| run.marks.keys()).collect();
    let mut changes: Vec<(usize, usize, String, Value)> = Vec::new();
    for name in names {
        let (mut olds, mut news) = (spread(old, name), spread(new, name));
        let (mut left, mut right) = (olds.next(), news.next());
        let mut position = 0;
        while let (Some((old_length, old_value)), Some((new_length, new_value))) = (left, right) {
            let step = old_length.min(new_length);
            if old_value != new_value {
                let value = new_value.cloned().unwrap_or(Value::Null);
                match changes.last_mut() {
                    Some((_, to, last_name, last))
                        if *to == position && last_name == name && *last == value =>
                    {
                        *to = position + step;
                    }
                    _ => changes.push((position, position + step, name.clone(), value)),
                }
            }
            position += step;
            left = if old_length == step {
                olds.next()
            } else {
                Some((old_length - step, old_value))
            };
            right = if new_length == step {
                news.next()
            } else {
                Some((new_length - step, new_value))
            };
        }
    }
    changes
}

/// The lengths of runs, each with its value of one mark.
fn spread<'a>(runs: &'a [Run], name: &'a str) -> impl Iterator<Item = (usize, Option<&'a Value>)> {
    runs.iter()
        .map(move |run| (width(&run.text), run.marks.get(name)))
}
