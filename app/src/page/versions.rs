//! The history of an open page: what it was, what differs, and the way back.

use std::collections::BTreeSet;
use std::rc::Rc;

use documents::change::Hash;
use documents::page::edit::{Block, Edit, Run};
use documents::page::history::{Compared, Fate, NamedVersion, Session as Work};
use leptos::prelude::{GetUntracked as _, Set as _, WithUntracked as _};

use super::editor::{ChangeKind, ShownChange};
use super::session::{Session, now};
use super::{pace, pieces};

/// What a page has been.
pub(crate) struct Past {
    /// The first first.
    pub(crate) sessions: Vec<Work>,
    pub(crate) named: Vec<NamedVersion>,
}

/// Changes of others since this person was last here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    /// What they saw last.
    pub(crate) version: Vec<Hash>,
    /// Whose changes came since, as actors of Automerge.
    pub(crate) actors: Vec<Vec<u8>>,
}

impl Session {
    /// What the page has been; none if that can't be read.
    pub(crate) fn past(self: &Rc<Self>) -> Option<Past> {
        self.settle();
        self.with_draft(|draft| {
            let page = draft.page_mut();
            let sessions = page.sessions().inspect_err(report).ok()?;
            let named = page.named_versions();
            Some(Past { sessions, named })
        })
        .flatten()
    }

    pub(crate) fn compare(self: &Rc<Self>, before: &[Hash], after: &[Hash]) -> Option<Vec<Compared>> {
        self.settle();
        self.with_draft(|draft| draft.page_mut().compare(before, after).inspect_err(report).ok())
            .flatten()
    }

    /// Makes the page what it was. → whether it is.
    pub(crate) fn restore(self: &Rc<Self>, version: &[Hash]) -> bool {
        self.settle();
        let read = self.with_draft(|draft| {
            let page = draft.page_mut();
            let edits = page.edits_to_restore(version)?;
            Ok((edits, page.title_at(version)?))
        });
        match read {
            Some(Ok((edits, title))) => {
                if self.title.get_untracked() != title {
                    self.set_title(&title);
                    self.show_title();
                }
                self.make(edits)
            }
            Some(Err(error)) => {
                report(&error);
                false
            }
            None => false,
        }
    }

    /// Undoes what these actors did between two versions. → whether anything was left to undo.
    pub(crate) fn undo_work(
        self: &Rc<Self>,
        actors: &BTreeSet<Vec<u8>>,
        before: &[Hash],
        after: &[Hash],
    ) -> bool {
        self.settle();
        let undoing = self.with_draft(|draft| draft.page_mut().undoing(actors, before, after));
        match undoing {
            Some(Ok(undoing)) if !undoing.edits.is_empty() => {
                let is_made = self.make(undoing.edits.clone());
                if is_made
                    && let Some(Err(error)) = self.with_draft(|draft| draft.page_mut().note_undone(&undoing))
                {
                    report(&error);
                }
                self.edited();
                is_made
            }
            Some(Err(error)) => {
                report(&error);
                false
            }
            _ => false,
        }
    }

    /// Gives a version a name. → whether it has it.
    pub(crate) fn name_version(self: &Rc<Self>, mut named: NamedVersion) -> bool {
        named.at = now();
        let result = self.with_draft(|draft| draft.page_mut().name_version(&named));
        self.edited();
        matches!(result, Some(Ok(())))
    }

    pub(crate) fn forget_name(self: &Rc<Self>, id: [u8; 16]) {
        if let Some(Err(error)) = self.with_draft(|draft| draft.page_mut().forget_name(id)) {
            report(&error);
        }
        self.edited();
    }

    /// Looks what came since this person was last here.
    pub(super) fn look_for_unseen(&self) {
        let Some(version) = self.seen() else { return };
        let actors = self.with_draft(|draft| {
            let page = draft.page_mut();
            if !page.knows(&version) {
                return None;
            }
            let shares = page.changed_since(&version).ok()?;
            Some(shares.into_iter().map(|share| share.actor).collect())
        });
        let unseen = actors.flatten().map(|actors| Unseen { version, actors });
        if self.unseen.with_untracked(|known| *known != unseen) {
            self.unseen.set(unseen);
        }
    }

    /// Makes a change of what was typed: the history has whole changes only.
    fn settle(self: &Rc<Self>) {
        self.catch_up();
        self.flush_own();
    }

    /// Makes edits that were not made in the editor, and shows them.
    fn make(self: &Rc<Self>, edits: Vec<Edit>) -> bool {
        let mut is_made = true;
        for batch in pieces::in_batches(edits, pace::MOST_PENDING) {
            if let Some(Err(error)) = self.with_draft(|draft| draft.edit(&batch)) {
                report(&error);
                self.show_blocks_soon();
                is_made = false;
                break;
            }
            if let Some(Err(error)) = self.editor().map(|editor| editor.apply(&batch)) {
                leptos::logging::warn!("the editor could not follow: {error:?}");
                self.show_blocks_soon();
            }
            self.flush_own();
        }
        self.edited();
        is_made
    }
}

fn report(error: &documents::Error) {
    leptos::logging::error!("the history can't be read: {error}");
}

/// What differs, as the editor shows it: the blocks with all that went and came, and what became of which. `by` gives the colour
/// and the words for what an actor did.
pub(crate) fn shown(
    compared: &[Compared],
    by: impl Fn(ChangeKind, Option<&[u8]>) -> (u8, String),
) -> (Vec<Block>, Vec<ShownChange>) {
    let mut blocks = Vec::new();
    let mut changes = Vec::new();
    for (block, one) in compared.iter().enumerate() {
        let mut note = |fate: &Fate, place: Option<(usize, usize)>| {
            let (kind, actor) = match fate {
                Fate::Same => return,
                Fate::Restyled => (ChangeKind::Restyled, None),
                Fate::Added(actor) => (ChangeKind::Added, Some(actor.as_slice())),
                Fate::Removed(actor) => (ChangeKind::Removed, actor.as_deref()),
            };
            let (color, by) = by(kind, actor);
            changes.push(ShownChange {
                block,
                from: place.map(|(from, _)| from),
                to: place.map(|(_, to)| to),
                kind,
                color,
                by,
            });
        };
        note(&one.fate, None);
        let mut from = 0;
        let mut runs: Vec<Run> = Vec::new();
        for piece in &one.pieces {
            let to = from + piece.text.encode_utf16().count();
            note(&piece.fate, Some((from, to)));
            from = to;
            match runs.last_mut() {
                Some(last) if last.marks == piece.marks => last.text.push_str(&piece.text),
                _ => runs.push(Run {
                    text: piece.text.clone(),
                    marks: piece.marks.clone(),
                }),
            }
        }
        blocks.push(Block {
            shape: one.shape.clone(),
            runs,
        });
    }
    if blocks.is_empty() {
        blocks.push(Block::empty(documents::page::edit::Shape::paragraph()));
    }
    (blocks, changes)
}

#[cfg(test)]
mod tests {
    use documents::page::edit::{Marks, Shape};
    use documents::page::history::Piece;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn what_differs_is_shown_at_its_place() {
        let piece = |text: &str, fate: Fate| Piece {
            text: text.to_owned(),
            marks: Marks::new(),
            fate,
        };
        let compared = [Compared {
            shape: Shape::paragraph(),
            fate: Fate::Added(vec![2]),
            pieces: vec![
                piece("😀 ", Fate::Same),
                piece("a", Fate::Removed(None)),
                piece("the", Fate::Added(vec![1])),
            ],
        }];
        let (blocks, changes) = shown(&compared, |_, actor| {
            (actor.map_or(0, |actor| actor[0]), "x".to_owned())
        });
        assert_eq!(blocks[0].text(), "😀 athe");
        let places: Vec<_> = changes
            .iter()
            .map(|change| (change.from, change.to, change.kind, change.color))
            .collect();
        assert_eq!(
            places,
            [
                (None, None, ChangeKind::Added, 2),
                (Some(3), Some(4), ChangeKind::Removed, 0),
                (Some(4), Some(7), ChangeKind::Added, 1),
            ]
        );
    }
}
