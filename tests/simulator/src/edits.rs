//! What people changed and what they were told about it.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;
use protocol::ClassroomId;

use crate::tab::PageKey;

/// A change that somebody made to a page: a word put in or taken out, a mark, a title, a paragraph split or joined.
#[derive(Debug, Clone)]
pub(crate) struct Edit {
    pub(crate) page: PageKey,
    pub(crate) tab: usize,
    pub(crate) device: usize,
    /// The word that it put in: `[n]`, each once in a history.
    pub(crate) word: Option<String>,
    pub(crate) told: Told,
    /// A relay was seen to hold it.
    pub(crate) on_relay: bool,
    /// The device that it was promised on was put back to an older state: what others have of it counts on.
    pub(crate) is_left_to_others: bool,
    /// The last devices that had it, or the relay, were put back to an older state.
    pub(crate) gone_with_device: bool,
}

/// What the person knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    OnThisDevice,
    Refused,
}

#[derive(Default)]
pub(crate) struct Edits {
    edits: BTreeMap<Hash, Edit>,
    waiting: BTreeMap<(usize, u32), Hash>,
    words: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// The titles that were given, with the device.
    titles: BTreeMap<String, usize>,
    /// By tab: the changes that no relay was seen to hold.
    unseen: BTreeMap<usize, Vec<Hash>>,
}

impl Edits {
    pub(crate) fn made(&mut self, change: Hash, request: u32, edit: Edit) {
        self.waiting.insert((edit.tab, request), change);
        self.unseen.entry(edit.tab).or_default().push(change);
        self.words.extend(edit.word.clone());
        self.edits.insert(change, edit);
    }

    /// Somebody takes a word out, so that it may be there or not.
    pub(crate) fn deleted(&mut self, word: String) {
        self.deleted.insert(word);
    }

    /// Somebody gives a page a title, which may come to stand in the text.
    pub(crate) fn titled(&mut self, title: String, device: usize) {
        self.titles.insert(title, device);
    }

    /// The device on which a word was put in.
    pub(crate) fn device_of(&self, word: &str) -> Option<usize> {
        let mut edits = self.edits.values();
        let put_in = edits.find(|edit| edit.word.as_deref() == Some(word));
        let title = self.titles.get(word).copied();
        put_in.map(|edit| edit.device).or(title)
    }

    pub(crate) fn is_deleted(&self, word: &str) -> bool {
        self.deleted.contains(word)
    }

    pub(crate) fn is_written(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// A command of a tab was answered.
    pub(crate) fn answered(&mut self, tab: usize, request: u32, done: bool) {
        if let Some(change) = self.waiting.remove(&(tab, request))
            && let Some(edit) = self.edits.get_mut(&change)
        {
            edit.told = if done { Told::OnThisDevice } else { Told::Refused };
        }
    }

    /// The changes of a tab that should be on the relay, if it says that all is.
    pub(crate) fn unseen(&self, tab: usize) -> Vec<(Hash, Edit)> {
        let unseen = self.unseen.get(&tab).into_iter().flatten();
        unseen
            .filter_map(|change| Some((*change, self.edits.get(change)?.clone())))
            .filter(|(_, edit)| edit.told != Told::Refused)
            .collect()
    }

    /// The changes that no relay was seen to hold, or none since one went back, with their tabs and classrooms.
    pub(crate) fn all_off_relays(&self) -> Vec<(usize, Hash, ClassroomId)> {
        let off = self.edits.iter().filter(|(_, edit)| !edit.on_relay);
        off.map(|(change, edit)| (edit.tab, *change, edit.page.0))
            .collect()
    }

    pub(crate) fn seen(&mut self, tab: usize, change: &Hash) {
        if let Some(unseen) = self.unseen.get_mut(&tab) {
            unseen.retain(|other| other != change);
        }
        if let Some(edit) = self.edits.get_mut(change) {
            edit.on_relay = true;
        }
    }

    /// What may be gone if a device goes back to an older state: what was promised there, and what the devices that it was
    /// promised on have lost like that before.
    pub(crate) fn in_doubt(&self, device: usize) -> Vec<(Hash, Edit)> {
        let in_doubt = self.edits.iter().filter(|(_, edit)| {
            let is_there = edit.on_relay || edit.gone_with_device;
            !is_there && (edit.device == device || edit.is_left_to_others)
        });
        in_doubt.map(|(change, edit)| (*change, edit.clone())).collect()
    }

    /// A device went back to an older state, and with it these are gone.
    pub(crate) fn device_went_back(&mut self, device: usize, gone: &BTreeSet<Hash>) {
        for (change, edit) in &mut self.edits {
            edit.is_left_to_others |= edit.device == device;
            edit.gone_with_device |= gone.contains(change);
        }
    }

    /// The relay went back to an older state: what it does not hold any more, and nobody else has, is gone.
    pub(crate) fn relay_went_back(
        &mut self,
        mut holds: impl FnMut(&Hash, &Edit) -> bool,
        survives: impl Fn(&Hash) -> bool,
    ) {
        for (change, edit) in self.edits.iter_mut().filter(|(_, edit)| edit.on_relay) {
            edit.on_relay = holds(change, edit);
            edit.gone_with_device |= !edit.on_relay && !survives(change);
        }
    }

    /// What must be in the documents, or kept aside.
    pub(crate) fn promised(&self) -> impl Iterator<Item = (&Hash, &Edit)> {
        self.edits
            .iter()
            .filter(|(_, edit)| edit.told == Told::OnThisDevice && !edit.gone_with_device)
    }
}

/// The words in a text, and how often each is there.
pub(crate) fn words_in(text: &str) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    for part in text.split_inclusive(']') {
        if let Some(start) = part.find('[') {
            *words.entry(part[start..].to_owned()).or_default() += 1;
        }
    }
    words
}
