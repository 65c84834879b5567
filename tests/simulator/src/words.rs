//! What people wrote and what they were told about it.

use std::collections::{BTreeMap, BTreeSet};

use documents::change::Hash;

use crate::tab::PageKey;

/// A word that somebody put into a page: `[n]`, each once in a history.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) page: PageKey,
    pub(crate) tab: usize,
    pub(crate) device: usize,
    /// The change that put it there.
    pub(crate) change: Hash,
    pub(crate) told: Told,
    /// The relay was seen to hold it.
    pub(crate) on_relay: bool,
    /// The device that it was promised on, or the relay, was put back to an older state while nobody else had it.
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
pub(crate) struct Words {
    words: BTreeMap<String, Word>,
    waiting: BTreeMap<(usize, u32), String>,
    deleted: BTreeSet<String>,
    /// By tab: the words that the relay was not seen to hold.
    unseen: BTreeMap<usize, Vec<String>>,
}

impl Words {
    pub(crate) fn written(&mut self, text: String, request: u32, word: Word) {
        self.waiting.insert((word.tab, request), text.clone());
        self.unseen.entry(word.tab).or_default().push(text.clone());
        self.words.insert(text, word);
    }

    pub(crate) fn deleted(&mut self, text: String) {
        self.deleted.insert(text);
    }

    pub(crate) fn is_written(&self, text: &str) -> bool {
        self.words.contains_key(text)
    }

    /// A command of a tab was answered.
    pub(crate) fn answered(&mut self, tab: usize, request: u32, done: bool) {
        if let Some(text) = self.waiting.remove(&(tab, request))
            && let Some(word) = self.words.get_mut(&text)
        {
            word.told = if done { Told::OnThisDevice } else { Told::Refused };
        }
    }

    /// The words of a tab that should be on the relay, if it says that all is.
    pub(crate) fn unseen(&self, tab: usize) -> Vec<(String, Word)> {
        let unseen = self.unseen.get(&tab).into_iter().flatten();
        unseen
            .filter_map(|text| Some((text.clone(), self.words.get(text)?.clone())))
            .filter(|(_, word)| word.told != Told::Refused)
            .collect()
    }

    pub(crate) fn seen(&mut self, tab: usize, text: &str) {
        if let Some(unseen) = self.unseen.get_mut(&tab) {
            unseen.retain(|other| other != text);
        }
        if let Some(word) = self.words.get_mut(text) {
            word.on_relay = true;
        }
    }

    /// A device went back to an older state: what was promised there since, and nobody else has, is gone.
    pub(crate) fn device_went_back(&mut self, device: usize, survives: impl Fn(&str, &Word) -> bool) {
        for (text, word) in &mut self.words {
            if word.device == device && !word.on_relay && !survives(text, word) {
                word.gone_with_device = true;
            }
        }
    }

    /// The relay went back to an older state: what it does not hold any more, and nobody else has, is gone.
    pub(crate) fn relay_went_back(
        &mut self,
        mut holds: impl FnMut(&Word) -> bool,
        survives: impl Fn(&Word) -> bool,
    ) {
        for word in self.words.values_mut().filter(|word| word.on_relay) {
            word.on_relay = holds(word);
            word.gone_with_device |= !word.on_relay && !survives(word);
        }
    }

    /// What must be in the documents, or kept aside.
    pub(crate) fn promised(&self) -> impl Iterator<Item = (&String, &Word)> {
        self.words.iter().filter(|(text, word)| {
            word.told == Told::OnThisDevice && !word.gone_with_device && !self.deleted.contains(*text)
        })
    }
}

/// The words in a text; `None` if one is there twice.
pub(crate) fn words_in(text: &str) -> Option<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    for part in text.split_inclusive(']') {
        if let Some(start) = part.find('[')
            && !words.insert(part[start..].to_owned())
        {
            return None;
        }
    }
    Some(words)
}
