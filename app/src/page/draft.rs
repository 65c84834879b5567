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
    actor: Actor,
    /// Changes that the replica has not confirmed as durable, oldest first.
    unanswered: VecDeque<Unanswered>,
    /// The bytes that were inserted since the last commit, roughly.
    pending: usize,
    composing: bool,
    /// Changes of others that wait for the end of a composition.
    held_back: Vec<Vec<u8>>,
}

struct Unanswered {
    change: Vec<u8>,
    /// The number of the command that handed it over.
    request: Option<u32>,
    /// The lane that it was made on has ended: the page comes anew, and it is made again in that.
    refused: bool,
}

impl Unanswered {
    /// Whether a page that holds what was asked up to `request` holds it.
    fn is_in(&self, upto: Option<u32>) -> bool {
        // The numbers may wrap around.
        let is_upto = |request: u32, upto: u32| upto.wrapping_sub(request) < u32::MAX / 2;
        !self.refused
            && self
                .request
                .zip(upto)
                .is_some_and(|(request, upto)| is_upto(request, upto))
    }
}

impl Draft {
    pub(crate) fn open(saved: &[u8], actor: Actor) -> Result<Self, Error> {
        Ok(Self {
            page: Page::load(saved, actor)?,
            actor,
            unanswered: VecDeque::new(),
            pending: 0,
            composing: false,
            held_back: Vec::new(),
        })
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    /// To read its history, which needs what was edited to be committed, and to note something beside the text.
    pub(crate) fn page_mut(&mut self) -> &mut Page {
        &mut self.page
    }

    /// Makes the editor's edits.
    pub(crate) fn edit(&mut self, edits: &[Edit]) -> Result<(), Error> {
        self.pending += edits.iter().map(pieces::weight).sum::<usize>();
        self.page.apply(edits)
    }

    pub(crate) fn set_title(&mut self, title: &str) -> Result<(), Error> {
        self.page.set_title(title)
    }

    /// Begins, or goes on with, a thread of comments.
    pub(crate) fn discuss<T>(
        &mut self,
        work: impl FnOnce(&mut Page) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(&mut self.page)
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
        let change = self.page.commit(time);
        self.unanswered.extend(change.map(|change| Unanswered {
            change,
            request: None,
            refused: false,
        }));
    }

    /// Makes a change that says this, with the edits since the last one, if there are any.
    pub(crate) fn note(&mut self, time: i64, note: String) -> Result<(), Error> {
        self.pending = 0;
        let change = self.page.commit_note(time, note)?;
        self.unanswered.push_back(Unanswered {
            change,
            request: None,
            refused: false,
        });
        Ok(())
    }

    /// The whole page with its history. Commit before.
    pub(crate) fn save(&mut self) -> Result<Vec<u8>, Error> {
        self.page.save()
    }

    /// The oldest change that was not handed over yet.
    pub(crate) fn next_to_hand_over(&self) -> Option<&Vec<u8>> {
        let next = self.unanswered.iter().find(|change| change.request.is_none());
        next.map(|unanswered| &unanswered.change)
    }

    /// It was handed over by this command.
    pub(crate) fn handed_over(&mut self, request: u32) {
        if let Some(next) = self.unanswered.iter_mut().find(|change| change.request.is_none()) {
            next.request = Some(request);
        }
    }

    /// What this command handed over, if it was not answered.
    pub(crate) fn change_of(&self, request: u32) -> Option<Vec<u8>> {
        let mut of_it = self
            .unanswered
            .iter()
            .filter(|change| change.request == Some(request));
        of_it.next().map(|unanswered| unanswered.change.clone())
    }

    /// What one command handed over was handed over by another one.
    pub(crate) fn handed_over_again(&mut self, request: u32, again: u32) {
        for change in &mut self.unanswered {
            if change.request == Some(request) {
                change.request = Some(again);
            }
        }
    }

    /// What this command handed over is durable.
    pub(crate) fn answered(&mut self, request: u32) {
        self.unanswered.retain(|change| change.request != Some(request));
    }

    /// What this command handed over was made on a lane that has ended.
    pub(crate) fn refused(&mut self, request: u32) {
        for change in self
            .unanswered
            .iter_mut()
            .filter(|change| change.request == Some(request))
        {
            change.refused = true;
        }
    }

    /// Everything is to be handed over anew.
    pub(crate) fn forget_handing_over(&mut self) {
        for change in self.unanswered.iter_mut().filter(|change| !change.refused) {
            change.request = None;
        }
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.unanswered.is_empty()
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

    /// The actors who made what is held back.
    pub(crate) fn held_back_writers(&self) -> BTreeSet<Vec<u8>> {
        let changes = self.held_back.iter();
        let writers = changes.filter_map(|change| Some(change::inspect(change).ok()?.actor));
        writers.collect()
    }

    /// Takes in what was held back and says what it does. Commit before.
    pub(crate) fn take_held_back(&mut self) -> Result<Remote, Error> {
        self.page.apply_changes(&std::mem::take(&mut self.held_back))
    }

    /// An input method began to compose, or ended.
    pub(crate) fn compose(&mut self, active: bool) {
        self.composing = active;
    }

    /// Goes on with a copy of the page that the replica handed over again, and that holds what was asked up to the command
    /// `upto`. With the same actor what is not in it yet goes in as it is; with another it is made again, as edits to be
    /// committed. Commit before.
    pub(crate) fn rebuild(&mut self, saved: &[u8], actor: Actor, upto: Option<u32>) -> Result<(), Error> {
        let mut page = Page::load(saved, actor)?;
        if actor == self.actor {
            let unanswered: Vec<Vec<u8>> = self
                .unanswered
                .iter()
                .map(|unanswered| unanswered.change.clone())
                .collect();
            page.apply_changes(&unanswered)?;
        } else {
            let before = self.without_missing(actor, upto)?;
            let edits = rebuild::carry_over(before.blocks(), self.page.blocks(), page.blocks());
            if !edits.is_empty() {
                page.apply(&edits)?;
            }
            let title = self.page.title();
            if before.title() != title {
                page.set_title(&title)?;
            }
            page.carry_comments(&before.comments(), &self.page)?;
            page.carry_names(&before, &self.page)?;
            self.unanswered.clear();
        }
        self.page = page;
        self.actor = actor;
        self.held_back.clear();
        self.composing = false;
        Ok(())
    }

    /// The blocks as the editor shows them.
    pub(crate) fn blocks(&self) -> &[Block] {
        self.page.blocks()
    }

    /// The page without the changes that one holding what was asked up to `upto` does not hold.
    fn without_missing(&self, actor: Actor, upto: Option<u32>) -> Result<Page, Error> {
        let hash = |change: &Vec<u8>| change::inspect(change).map(|info| info.hash);
        let missing: BTreeSet<Hash> = self
            .unanswered
            .iter()
            .filter(|unanswered| !unanswered.is_in(upto))
            .map(|unanswered| hash(&unanswered.change))
            .collect::<Result<_, _>>()?;
        let mut kept = Vec::new();
        for change in self.page.document().clone().changes_since(&[])? {
            if !missing.contains(&hash(&change)?) {
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
    use documents::page::comments::NewMessage;
    use documents::page::edit::{Point, Run};
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
        draft.handed_over(7);
        draft.answered(6);
        assert!(!draft.is_durable());
        draft.answered(7);
        assert!(draft.is_durable());
        draft.commit(0);
        assert!(draft.is_durable());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn changes_of_others_wait_for_a_composition() {
        let mut other = Draft::open(&saved(), THEIRS).unwrap();
        other.edit(&insert(0, "Rivers")).unwrap();
        other.commit(0);
        let change = other.next_to_hand_over().unwrap().clone();

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

    /// A draft with four changes: durable, on its way, refused, and not handed over.
    fn busy() -> Draft {
        let mut draft = Draft::open(&saved(), MINE).unwrap();
        for (request, word) in ["durable ", "underway ", "refused ", "new"]
            .into_iter()
            .enumerate()
        {
            let offset = text(&draft).len();
            draft.edit(&insert(offset, word)).unwrap();
            draft.commit(0);
            if request < 3 {
                draft.handed_over(u32::try_from(request).unwrap());
            }
        }
        draft.answered(0);
        draft.refused(2);
        draft
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn on_another_lane_only_what_is_missing_is_made_again() {
        // The replica made what it had on another lane.
        let mut rebuilt = Draft::open(&saved(), AFRESH).unwrap();
        rebuilt.edit(&insert(0, "durable underway ")).unwrap();
        rebuilt.commit(0);
        let rebuilt = rebuilt.page.save().unwrap();

        let mut draft = busy();
        draft.set_title("Water").unwrap();
        let place = (Point { block: 0, offset: 17 }, Point { block: 0, offset: 24 });
        let message = NewMessage {
            id: [1; 16],
            author: [2; 32],
            at: 0,
            text: "why?",
        };
        let begun = draft.discuss(|page| page.add_comment([3; 16], place, &message));
        begun.unwrap();
        draft.commit(0);
        draft.rebuild(&rebuilt, AFRESH, Some(2)).unwrap();
        assert_eq!(text(&draft), "durable underway refused new");
        let threads = draft.page().threads();
        assert_eq!(
            (threads[0].quote.as_str(), threads[0].messages[0].text.as_str()),
            ("refused", "why?")
        );
        assert_eq!(draft.page().title(), "Water");
        draft.commit(0);
        let change = draft.next_to_hand_over().unwrap();
        assert_eq!(change::inspect(change).unwrap().actor, AFRESH);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_was_kept_aside_does_not_come_back() {
        let mut draft = busy();
        let underway = draft.change_of(1).unwrap();
        draft.handed_over_again(1, 3);
        assert_eq!((draft.change_of(1), draft.change_of(3)), (None, Some(underway)));
        draft.answered(3);
        assert_eq!(draft.change_of(3), None);
        assert!(!draft.is_durable());

        // The page comes without what the replica took out of it.
        let mut draft = Draft::open(&saved(), MINE).unwrap();
        draft.edit(&insert(0, "late")).unwrap();
        draft.commit(0);
        draft.handed_over(1);
        draft.handed_over_again(1, 2);
        draft.answered(2);
        draft.rebuild(&saved(), MINE, Some(2)).unwrap();
        assert_eq!((text(&draft).as_str(), draft.is_durable()), ("", true));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn on_the_same_lane_changes_stay_as_they_are() {
        let mut draft = Draft::open(&saved(), MINE).unwrap();
        draft.edit(&insert(0, "underway ")).unwrap();
        draft.commit(0);
        draft.handed_over(1);
        draft.edit(&insert(9, "new")).unwrap();
        draft.commit(0);
        let mut other = Draft::open(&saved(), THEIRS).unwrap();
        other.set_title("Theirs").unwrap();
        other.commit(0);

        draft.rebuild(&other.page.save().unwrap(), MINE, None).unwrap();
        assert_eq!(text(&draft), "underway new");
        assert_eq!(draft.page().title(), "Theirs");
        assert!(!draft.is_edited());
        draft.answered(1);
        assert!(draft.next_to_hand_over().is_some());
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
