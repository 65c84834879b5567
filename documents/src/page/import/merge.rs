//! What another program on Automerge saved: a copy of the page that was changed there, or another page.
//!
//! A change made elsewhere has no member's signature, so it can't enter the page as it is. What it did to the page is made
//! again, as edits of whoever brings the file; a note in the page says which changes these were, so that the same file does
//! not bring them twice. Further changes of those who wrote here already are left: they come by themselves, and would then be
//! there twice. Of somebody who never did nothing tells whether they are a member: theirs are taken.

use std::collections::BTreeMap;

use automerge::ActorId;

use super::super::Page;
use super::super::edit::{Block, Edit, Shape};
use super::{Imported, LARGEST_FILE, LeftOut};
use crate::Error;
use crate::change::{self, ChangeInfo};
use crate::classroom::{hex, unhex};
use crate::document::Document;

/// What a file of Automerge is to a page.
#[derive(Debug)]
pub enum Merge {
    /// Another document: its blocks, and nothing of its history.
    Other(Imported),
    /// The page itself, and it holds nothing that is not here.
    Known,
    /// The page itself, as it was brought before and changed since: what is new builds on what the page holds in other words.
    BroughtBefore,
    /// The page itself, changed elsewhere.
    Changed(Changes),
}

/// What was done to a page elsewhere.
#[derive(Debug)]
pub struct Changes {
    /// What to do to the blocks of the page as it is now.
    pub edits: Vec<Edit>,
    /// If it is another one.
    pub title: Option<String>,
    /// For [`Page::commit_note`], behind the edits.
    pub note: String,
    /// Changes of members that are not here yet, and those that build on them: they were left.
    pub left: usize,
}

/// Compares a file with a page. All edits of the page must be committed.
///
/// # Errors
/// [`Error::TooMuch`]; [`Error::File`], [`Error::Change`] or [`Error::Load`] if it is no saved page; [`Error::Unfitting`] if it
/// holds a change that no page can hold; [`Error::Uncommitted`]
pub fn merge(page: &Page, bytes: &[u8]) -> Result<Merge, Error> {
    if bytes.len() > LARGEST_FILE {
        return Err(Error::TooMuch);
    }
    if bytes.is_empty() {
        return Err(Error::File("automerge"));
    }
    for (chunk, kind) in change::chunks(bytes)? {
        if kind == change::ChunkKind::Other {
            change::scan::document(chunk)?;
        }
    }
    let mut file = Document::load(bytes, [0; 16])?;
    let mut shares = false;
    let mut new: Vec<(ChangeInfo, Vec<u8>)> = Vec::new();
    for bytes in file.changes_since(&[])? {
        let info = change::inspect(&bytes)?;
        if page.document.has(&info.hash) {
            shares = true;
        } else {
            new.push((info, bytes));
        }
    }
    if !shares {
        return other(file);
    }
    changed(page, new)
}

fn other(file: Document) -> Result<Merge, Error> {
    let page = Page::open(file)?;
    if page.text.is_none() {
        return Err(Error::File("automerge"));
    }
    let mut blocks = page.blocks.clone();
    if blocks == [Block::empty(Shape::paragraph())] {
        blocks.clear();
    }
    let imported = Imported {
        title: Some(page.title()).filter(|title| !title.is_empty()),
        blocks,
        pictures: Vec::new(),
        left_out: LeftOut::default(),
    };
    Ok(Merge::Other(imported.within_limits()?))
}

fn changed(page: &Page, new: Vec<(ChangeInfo, Vec<u8>)>) -> Result<Merge, Error> {
    let mut scratch = page.clone();
    let brought = brought(&scratch.document.notes()?);
    let count = new.len();
    let mut ends: BTreeMap<Vec<u8>, (u64, [u8; 4])> = BTreeMap::new();
    let mut foreign = Vec::new();
    let mut known = 0;
    for (info, bytes) in new {
        if page
            .document
            .history
            .last_of(&ActorId::from(info.actor.as_slice()))
            .is_some()
        {
            continue;
        }
        match brought.get(&info.actor) {
            Some(upto) if info.sequence <= *upto => known += 1,
            Some(_) => return Ok(Merge::BroughtBefore),
            None => {
                foreign.push(bytes);
                let [a, b, c, d, ..] = info.hash.0;
                let end = ends.entry(info.actor).or_default();
                *end = (*end).max((info.sequence, [a, b, c, d]));
            }
        }
    }
    if foreign.is_empty() {
        return Ok(Merge::Known);
    }
    if known > 0 {
        return Ok(Merge::BroughtBefore);
    }
    let made = foreign.len();
    let title = scratch.title();
    let remote = scratch.apply_changes(&foreign)?;
    if let Some((_, error)) = remote.refused.into_iter().next() {
        return Err(error);
    }
    let waiting = scratch.document.waiting().len() - page.document.waiting().len();
    if waiting == made {
        return Ok(Merge::Known);
    }
    let mut note = String::from(NOTE);
    for (actor, (sequence, hash)) in ends {
        note.push_str(&format!(" {}.{sequence}.{}", hex(&actor), hex(&hash)));
    }
    Ok(Merge::Changed(Changes {
        edits: remote.edits,
        title: Some(scratch.title()).filter(|now| *now != title),
        note,
        left: count - made + waiting,
    }))
}

const NOTE: &str = "brought";

/// How far the changes of each actor were brought by hand.
fn brought(notes: &[(change::Hash, Vec<u8>, String)]) -> BTreeMap<Vec<u8>, u64> {
    let mut brought: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for (_, _, note) in notes {
        let mut words = note.split(' ');
        if words.next() != Some(NOTE) {
            continue;
        }
        for word in words {
            let mut parts = word.split('.');
            if let (Some(actor), Some(sequence)) = (parts.next(), parts.next())
                && let (Some(actor), Ok(sequence)) = (unhex::<16>(actor), sequence.parse::<u64>())
            {
                let upto = brought.entry(actor.to_vec()).or_default();
                *upto = sequence.max(*upto);
            }
        }
    }
    brought
}
