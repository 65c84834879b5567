//! Writing marked text into an Automerge document.

use std::collections::BTreeMap;

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, ObjId, ReadDoc, ScalarValue};

use crate::Error;

/// Whether text typed at a mark's edge gets the mark too: not for links, as `@automerge/prosemirror` has it.
pub(crate) fn expansion(name: &str) -> ExpandMark {
    if name == "link" {
        ExpandMark::None
    } else {
        ExpandMark::Both
    }
}

/// Inserts text that has exactly these marks, whatever the marks around it would expand to. `end` is where it ends then.
pub(crate) fn insert(
    document: &mut AutoCommit,
    text: &ObjId,
    (position, end): (usize, usize),
    inserted: &str,
    marks: &BTreeMap<String, ScalarValue>,
) -> Result<(), Error> {
    document.splice_text(text, position, 0, inserted)?;
    let grown = marks_at(document, text, position)?;
    for (name, value) in marks {
        if grown.get(name) != Some(value) {
            document.mark(
                text,
                Mark::new(name.clone(), value.clone(), position, end),
                expansion(name),
            )?;
        }
    }
    for name in grown.keys().filter(|name| !marks.contains_key(*name)) {
        document.unmark(text, name, position, end, expansion(name))?;
    }
    Ok(())
}

/// The marks at a position. Not Automerge's `get_marks`: it walks the whole text, and counts characters where the document
/// counts UTF-16 units.
fn marks_at(
    document: &AutoCommit,
    text: &ObjId,
    position: usize,
) -> Result<BTreeMap<String, ScalarValue>, Error> {
    let marks = document.marks(text)?.into_iter();
    let there = marks.filter(|mark| mark.start <= position && position < mark.end && !mark.value().is_null());
    Ok(there
        .map(|mark| (mark.name().to_owned(), mark.value().clone()))
        .collect())
}
