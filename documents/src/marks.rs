//! Marks in Automerge texts.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ScalarValue;
use automerge::marks::{ExpandMark, Mark};

use crate::page::comments;

/// Whether text typed at a mark's edge gets the mark too: not for links, as `@automerge/prosemirror` has it, nor for comments.
pub(crate) fn expansion(name: &str) -> ExpandMark {
    if name == "link" || comments::is_comment(name) {
        ExpandMark::None
    } else {
        ExpandMark::Both
    }
}

/// The marks to set, or to remove with null, so that a text marked as `old` is marked as `new`.
pub(crate) fn changes(old: &[Mark], new: &[Mark]) -> Vec<Mark> {
    let (old, new) = (by_name(old), by_name(new));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut changes: Vec<Mark> = Vec::new();
    for name in names {
        let (old, new) = (
            old.get(name).map_or(&[][..], Vec::as_slice),
            new.get(name).map_or(&[][..], Vec::as_slice),
        );
        let edges: BTreeSet<usize> = old
            .iter()
            .chain(new)
            .flat_map(|mark| [mark.start, mark.end])
            .collect();
        for (start, end) in edges.iter().copied().zip(edges.iter().copied().skip(1)) {
            let (before, after) = (value_at(old, start), value_at(new, start));
            if before == after {
                continue;
            }
            let value = after.cloned().unwrap_or(ScalarValue::Null);
            match changes.last_mut() {
                Some(last) if last.end == start && last.name() == name && *last.value() == value => {
                    last.end = end;
                }
                _ => changes.push(Mark::new(name.to_owned(), value, start, end)),
            }
        }
    }
    changes
}

/// Marks of one name never overlap, and come in order.
fn by_name(marks: &[Mark]) -> BTreeMap<&str, Vec<&Mark>> {
    let mut names: BTreeMap<&str, Vec<&Mark>> = BTreeMap::new();
    for mark in marks.iter().filter(|mark| !mark.value().is_null()) {
        names.entry(mark.name()).or_default().push(mark);
    }
    names
}

fn value_at<'a>(marks: &[&'a Mark], position: usize) -> Option<&'a ScalarValue> {
    let next = marks.partition_point(|mark| mark.start <= position);
    let mark = marks.get(next.checked_sub(1)?)?;
    (position < mark.end).then(|| mark.value())
}
