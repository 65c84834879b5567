//! What was done to one list of blocks, done to another that began the same.

use super::edit::Block;
use super::replace::matches;

/// `theirs` with what turned `base` into `mine`. Where they changed something else in the same place, both stand.
pub(super) fn merge(base: &[Block], mine: &[Block], theirs: &[Block]) -> Vec<Block> {
    let mut here: Vec<Option<usize>> = vec![None; base.len()];
    let mut is_new = vec![true; theirs.len()];
    for (in_base, in_theirs) in matches(base, theirs) {
        here[in_base] = Some(in_theirs);
        is_new[in_theirs] = false;
    }
    let mut merged: Vec<Option<Block>> = theirs.iter().cloned().map(Some).collect();
    // What goes in before each of theirs, and behind the last.
    let mut between: Vec<Vec<Block>> = vec![Vec::new(); theirs.len() + 1];

    let mut ends = matches(base, mine);
    ends.push((base.len(), mine.len()));
    let (mut from_base, mut from_mine, mut at) = (0, 0, 0);
    for (in_base, in_mine) in ends {
        let gone = &here[from_base..in_base];
        let in_place = is_in_a_row(gone);
        if let (true, Some(first)) = (in_place, gone.first().copied().flatten()) {
            at = first;
            for place in &mut merged[first..first + gone.len()] {
                *place = None;
            }
        } else if let Some(last) = gone.iter().flatten().max() {
            at = last + 1;
        }
        for block in &mine[from_mine..in_mine] {
            let is_there = |(new, other): (&bool, &Block)| *new && other.text() == block.text();
            // Somebody carried it over before.
            if block.text().is_empty() && !in_place || is_new.iter().zip(theirs).any(is_there) {
                continue;
            }
            between[at].push(block.clone());
        }
        if let (Some(old), Some(new)) = (base.get(in_base), mine.get(in_mine))
            && let Some(place) = here[in_base]
        {
            if old != new
                && let Some(block) = &mut merged[place]
                && *block == *old
            {
                *block = new.clone();
            }
            at = place + 1;
        }
        (from_base, from_mine) = (in_base + 1, in_mine + 1);
    }

    let mut blocks = Vec::new();
    for (place, before) in between.into_iter().enumerate() {
        blocks.extend(before);
        blocks.extend(merged.get_mut(place).and_then(Option::take));
    }
    if blocks.is_empty() {
        theirs.to_vec()
    } else {
        blocks
    }
}

/// Whether all are there, one behind the other.
fn is_in_a_row(places: &[Option<usize>]) -> bool {
    places
        .iter()
        .enumerate()
        .all(|(offset, place)| place.is_some() && *place == places[0].map(|first| first + offset))
}
