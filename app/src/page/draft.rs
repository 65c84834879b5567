//! The document of an open page as this tab holds it: edits are made in it at once, and become changes now and then.

use std::collections::{BTreeSet, VecDeque};

use documents::Error;
use documents::change::{self, Hash};
use documents::document::{Actor, Document};
use documents::page::edit::{Block, Edit};
use documents::page::{Page, Remote};

use super::{pieces, rebuild};

/// A page, and what of it the replica has not confirmed.
pub(crate) struct Draft {
    page: Page,
    /// Changes that were handed to the replica or wait to be, oldest first.
    unanswered: VecDeque<Vec<u8>>,
    /// The bytes that were inserted since the last commit, roughly.
    pending: usize,
    composing: bool,
    /// Changes of others that wait for the end of a composition.
    held_back: Vec<Vec<u8>>,
}

impl Draft {
    pub(crate) fn open(saved: &[u8], actor: Actor) -> Result<Self, Error> {
        Ok(Self {
            page: Page::load(saved, actor)?,
            unanswered: VecDeque::new(),
            pending: 0,
            composing: false,
            held_back: Vec::new(),
        })
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// Makes the editor's edits.
    pub(crate) fn edit(&mut self, edits: &[Edit]) -> Result<(), Error> {
        self.pending += edits.iter().map(pieces::weight).sum::<usize>();
        self.page.apply(edits)
    }

    pub(crate) fn set_title(&mut self, title: &str) -> Result<(), Error> {
        self.page.set_title(title)
    }

    pub(crate) fn is_edited(&self) -> bool {
        self.page.document().is_edited()
    }

    /// Whether so much was inserted that it should become a change at once.
    pub(crate) fn is_full(&self) -> bool {
        self.pending > super::pace::MOST_PENDING
    }

    /// Makes a change of the edits since the last one; `time` is in seconds since 1970. It counts as unanswered from now on.
    pub(crate) fn commit(&mut self, time: i64) {
        self.pending = 0;
        self.unanswered.extend(self.page.commit(time));
    }

    /// The oldest unanswered change is durable.
    pub(crate) fn answered(&mut self) {
        self.unanswered.pop_front();
    }

    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.unanswered.iter()
    }

    /// Whether everything that was typed is durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.unanswered.is_empty() && !self.is_edited()
    }

    /// Keeps changes of others until they are taken in.
    pub(crate) fn hold_back(&mut self, changes: Vec<Vec<u8>>) {
        self.held_back.extend(changes);
    }

    /// Whether changes wait that could be taken in: not while somebody composes.
    pub(crate) fn has_held_back(&self) -> bool {
        !self.composing && !self.held_back.is_empty()
    }

    /// Takes in what was held back and says what it does. Commit before.
    pub(crate) fn take_held_back(&mut self) -> Result<Remote, Error> {
        self.page.apply_changes(&std::mem::take(&mut self.held_back))
    }

    /// An input method began to compose, or ended.
    pub(crate) fn compose(&mut self, active: bool) {
        self.composing = active;
    }

    /// Goes on with a copy of the page that the replica built anew, in which the edits that it did not take are made again.
    /// Commit before; the edits made again are to be committed.
    pub(crate) fn rebuild(&mut self, saved: &[u8], actor: Actor) -> Result<(), Error> {
        let before = self.without_unanswered(actor)?;
        let mut page = Page::load(saved, actor)?;
        let edits = rebuild::carry_over(before.blocks(), self.page.blocks(), page.blocks());
        if !edits.is_empty() {
            page.apply(&edits)?;
        }
        let title = self.page.title();
        if before.title() != title {
            page.set_title(&title)?;
        }
        self.page = page;
        self.unanswered.clear();
        self.held_back.clear();
        self.composing = false;
        Ok(())
    }

    /// The blocks as the editor shows them.
    pub(crate) fn blocks(&self) -> &[Block] {
        self.page.blocks()
    }

    /// The page as it was before the changes that nobody confirmed.
    fn without_unanswered(&self, actor: Actor) -> Result<Page, Error> {
        let hash = |change: &Vec<u8>| change::inspect(change).map(|info| info.hash);
        let unanswered: BTreeSet<Hash> = self.unanswered.iter().map(hash).collect::<Result<_, _>>()?;
        let mut kept = Vec::new();
        for change in self.page.document().clone().changes_since(&[])? {
            if !unanswered.contains(&hash(&change)?) {
                kept.push(change);
            }
        }
        let mut document = Document::empty(actor);
        document.apply_changes(&kept)?;
        Page::open(document)
    }
}

#[cfg(test)]
mod tests {
    use documents::page::edit::Run;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const MINE: Actor = [1; 16];
    const THEIRS: Actor = [2; 16];
    const AFRESH: Actor = [3; 16];

    fn insert(offset: usize, text: &str) -> Vec<Edit> {
        let run = Run {
            text: text.to_owned(),
            marks: Default::default(),
        };
        vec![Edit::Text {
            block: 0,
            offset,
            delete: 0,
            insert: vec![run],
        }]
    }

    fn saved() -> Vec<u8> {
        let mut page = Page::new([9; 16]).unwrap();
        page.commit(0);
        page.save().unwrap()
    }

    fn text(draft: &Draft) -> String {
        draft
            .blocks()
            .iter()
            .map(Block::text)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn an_edit_is_durable_only_when_its_change_was_answered() {
        let mut draft = Draft::open(&saved(), MINE).unwrap();
        assert!(draft.is_durable());
        draft.edit(&insert(0, "Water")).unwrap();
        assert!(!draft.is_durable());
        draft.commit(0);
        assert!(!draft.is_durable());
        draft.answered();
        assert!(draft.is_durable());
        draft.commit(0);
        assert!(draft.is_durable());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn changes_of_others_wait_for_a_composition() {
        let mut other = Draft::open(&saved(), THEIRS).unwrap();
        other.edit(&insert(0, "Rivers")).unwrap();
        other.commit(0);
        let change = other.unanswered().next().unwrap().clone();

        let mut draft = Draft::open(&saved(), MINE).unwrap();
        draft.compose(true);
        draft.hold_back(vec![change]);
        assert!(!draft.has_held_back());
        draft.compose(false);
        assert!(draft.has_held_back());
        assert_eq!(text(&draft), "");
        let remote = draft.take_held_back().unwrap();
        assert!(!remote.edits.is_empty());
        assert_eq!(text(&draft), "Rivers");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_rebuilt_page_keeps_what_was_not_answered() {
        let mut draft = Draft::open(&saved(), MINE).unwrap();
        draft.edit(&insert(0, "durable ")).unwrap();
        draft.commit(0);
        draft.answered();
        draft.edit(&insert(8, "and newer")).unwrap();
        draft.set_title("Water").unwrap();
        draft.commit(0);

        // The replica made the durable edit again on another lane.
        let mut rebuilt = Draft::open(&saved(), AFRESH).unwrap();
        rebuilt.edit(&insert(0, "durable ")).unwrap();
        rebuilt.commit(0);
        let rebuilt = rebuilt.page.save().unwrap();

        draft.rebuild(&rebuilt, AFRESH).unwrap();
        assert_eq!(text(&draft), "durable and newer");
        assert_eq!(draft.page().title(), "Water");
        draft.commit(0);
        let change = draft.unanswered().next().unwrap();
        assert_eq!(change::inspect(change).unwrap().actor, AFRESH);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_large_insertion_is_a_change_at_once() {
        let mut draft = Draft::open(&saved(), MINE).unwrap();
        draft.edit(&insert(0, "a little")).unwrap();
        assert!(!draft.is_full());
        draft.edit(&insert(0, &"much ".repeat(10_000))).unwrap();
        assert!(draft.is_full());
        draft.commit(0);
        assert!(!draft.is_full());
    }
}
