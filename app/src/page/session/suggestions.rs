//! The suggestions of an open page: comments that propose another text.

use std::rc::Rc;

use documents::Error;
use documents::page::Page;
use documents::page::comments::{NewProposal, Present, ThreadId};
use leptos::prelude::*;
use protocol::MemberId;

use super::Session;
use super::comments::{Field, Kind, hex, new_message};
use crate::components::avatar::name_in;
use crate::messages::say;
use crate::page::editor::ShownSuggestion;

impl Session {
    /// Begins to write a suggestion for what is selected in one block, or for the word that the caret is in; where there is neither, for
    /// the place of the caret. False if no text can stand there.
    pub(crate) fn begin_suggestion(self: &Rc<Self>) -> bool {
        let before = self.comments.begun.get_untracked();
        let has_begun = self.begin(Kind::Suggestion);
        if has_begun && self.comments.begun.get_untracked() != before {
            // What was proposed for another text is none for this one.
            self.comments.unsent.update(|unsent| {
                unsent.remove(&Field::Proposal);
            });
        }
        has_begun
    }

    /// Proposes a text for the one that a suggestion is being written for.
    ///
    /// # Errors
    /// What the page says; [`Error::Place`] if the text is gone by now; [`Error::Form`] if it is the same text.
    pub(crate) fn suggest(
        self: &Rc<Self>,
        author: MemberId,
        proposes: &str,
        text: &str,
    ) -> Result<(), Error> {
        let message = new_message(author, text);
        self.put_thread(|page, thread, place, replaces| {
            let proposal = NewProposal { replaces, proposes };
            page.suggest(thread, place, &message, &proposal)
        })
    }

    /// Makes the text what a thread proposes, as one step to undo, and says so.
    ///
    /// # Errors
    /// [`Error::Absent`] if there is no such suggestion, or its text is gone; [`Error::Unfitting`] if the editor does not take it.
    pub(crate) fn accept(self: &Rc<Self>, by: MemberId, thread: &ThreadId) -> Result<(), Error> {
        self.catch_up();
        let edits = self.with_draft(|draft| draft.page().edits_to_accept(thread));
        let edits = edits.unwrap_or(Err(Error::Absent))?;
        if !edits.is_empty() {
            let editor = self.editor().ok_or(Error::Absent)?;
            let performed = editor.perform(&edits);
            performed.map_err(|error| Error::Unfitting(format!("{error:?}")))?;
        }
        self.discuss(|page| page.accept(thread, by.0)).map(drop)
    }

    /// Leaves once what several put into the text who accepted the same suggestion apart. It is no step of this person's to undo.
    pub(crate) fn settle_suggestions(self: &Rc<Self>) {
        let Some(editor) = self.editor() else { return };
        let is_needed = |page: &Page| page.accepted_apart(&self.comments.said.borrow()).is_some();
        if self.with_draft(|draft| is_needed(draft.page())) != Some(true) {
            return;
        }
        self.catch_up();
        let settled = self.discuss(|page| {
            let mut made = Vec::new();
            while let Some((thread, edits)) = page.accepted_apart(&page.comments()) {
                page.apply(&edits)?;
                page.note_once(&thread)?;
                made.extend(edits);
            }
            Ok(made)
        });
        match settled {
            Ok(made) => {
                if let Err(error) = editor.apply(&made.unwrap_or_default()) {
                    leptos::logging::warn!("the editor could not follow: {error:?}");
                    self.show_blocks_soon();
                }
            }
            Err(error) => {
                leptos::logging::error!("what was accepted twice was not settled: {error}");
                self.show_blocks_soon();
            }
        }
    }

    /// What is proposed for text that does not read so already.
    pub(super) fn shown_suggestions(&self) -> Vec<ShownSuggestion> {
        self.comments.threads.with_untracked(|threads| {
            let open = threads.iter().filter(|thread| thread.resolved_by.is_none());
            let shown = open.filter_map(|thread| {
                let suggestion = thread.suggestion.as_ref()?;
                let stands = matches!(suggestion.present, Present::Same | Present::Changed(_));
                stands.then(|| ShownSuggestion {
                    thread: hex(&thread.id),
                    proposes: suggestion.proposes.clone(),
                    at: thread.insertion(),
                    color: suggestion.author[0] % 12,
                    by: say().suggested_by(&self.name_of(MemberId(suggestion.author))),
                })
            });
            shown.collect()
        })
    }

    fn name_of(&self, member: MemberId) -> String {
        let (classroom, _) = self.place;
        let name = self
            .link
            .classrooms
            .with_untracked(|classrooms| name_in(classrooms.get(&classroom)?, member));
        name.unwrap_or_else(|| say().not_a_member().to_owned())
    }
}
