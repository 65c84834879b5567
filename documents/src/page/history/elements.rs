//! The text as single elements, each with the name that it keeps for good.

use std::collections::HashSet;
use std::rc::Rc;

use automerge::iter::ListRangeItem;
use automerge::{ActorId, ChangeHash, ObjId, ObjType, ReadDoc, ScalarValueRef, Span, ValueRef};

use super::super::edit::{Marks, Run, Shape, width};
use super::super::{Page, read};
use crate::Error;

/// The operation that made an element: its number and its actor.
pub(super) type Id = (u64, ActorId);

/// A marker or, as a rule, a character.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) id: Id,
    pub(super) look: Look,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Look {
    Marker(Shape),
    Text(String, Rc<Marks>),
}

impl Element {
    /// How much room it takes, in UTF-16 units.
    pub(super) fn width(&self) -> usize {
        match &self.look {
            Look::Marker(_) => 1,
            Look::Text(text, _) => width(text),
        }
    }
}

/// An element of either of two versions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Merged<'a> {
    /// In the earlier one only.
    Gone(&'a Element),
    /// In the later one only.
    New(&'a Element),
    Both(&'a Element, &'a Element),
}

/// The elements of two versions in the order of the text, which is the same for those that are in both.
pub(super) fn merged<'a>(before: &'a [Element], after: &'a [Element]) -> Vec<Merged<'a>> {
    let in_before: HashSet<&Id> = before.iter().map(|element| &element.id).collect();
    let in_after: HashSet<&Id> = after.iter().map(|element| &element.id).collect();
    let mut merged = Vec::new();
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    loop {
        while let Some(gone) = before.next_if(|element| !in_after.contains(&element.id)) {
            merged.push(Merged::Gone(gone));
        }
        while let Some(new) = after.next_if(|element| !in_before.contains(&element.id)) {
            merged.push(Merged::New(new));
        }
        match (before.next(), after.next()) {
            (Some(before), Some(after)) => merged.push(Merged::Both(before, after)),
            _ => return merged,
        }
    }
}

impl Page {
    /// The elements of the text as it is.
    pub(super) fn elements(&self) -> Result<Vec<Element>, Error> {
        let Some(text) = &self.text else {
            return Ok(Vec::new());
        };
        let automerge = &self.document.automerge;
        self.together(text, automerge.list_range(text, ..), automerge.spans(text)?)
    }

    /// The elements of the text as it was.
    pub(super) fn elements_at(&self, heads: &[ChangeHash]) -> Result<Vec<Element>, Error> {
        let automerge = &self.document.automerge;
        match self.text_of(heads)? {
            Some(text) if automerge.length_at(&text, heads) > 0 => {
                let items = automerge.list_range_at(&text, .., heads);
                self.together(&text, items, automerge.spans_at(&text, heads)?)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The elements say who made them, the spans what they look like; both go through the text in the same order.
    fn together<'a>(
        &self,
        of: &ObjId,
        items: impl Iterator<Item = ListRangeItem<'a>>,
        spans: impl Iterator<Item = Span>,
    ) -> Result<Vec<Element>, Error> {
        let mut spans = spans.peekable();
        let mut left: Option<(std::vec::IntoIter<char>, Rc<Marks>)> = None;
        let mut elements = Vec::new();
        for item in items {
            let ObjId::Id(number, actor, _) = item.id() else {
                return Err(Error::Form("text"));
            };
            if self.document.history.is_mark(of, number, &actor) {
                continue;
            }
            let length = match &item.value {
                ValueRef::Scalar(ScalarValueRef::Str(text)) => text.chars().count(),
                _ => 1,
            };
            let look = if matches!(item.value, ValueRef::Object(ObjType::Map)) {
                left = None;
                match spans.next() {
                    Some(Span::Block(map)) => Look::Marker(read::shape(&map)),
                    _ => return Err(Error::Form("text")),
                }
            } else {
                let mut text = String::new();
                while text.chars().count() < length {
                    let next = left.as_mut().and_then(|(characters, _)| characters.next());
                    match next {
                        Some(character) => text.push(character),
                        None => match spans.next() {
                            Some(Span::Text { text, marks }) => {
                                let marks = marks.map(|set| read::marks(&set)).unwrap_or_default();
                                let characters: Vec<char> = text.chars().collect();
                                left = Some((characters.into_iter(), Rc::new(marks)));
                            }
                            _ => return Err(Error::Form("text")),
                        },
                    }
                }
                let marks = left.as_ref().map(|(_, marks)| marks.clone()).unwrap_or_default();
                Look::Text(text, marks)
            };
            elements.push(Element {
                id: (number, actor),
                look,
            });
        }
        Ok(elements)
    }
}

/// Text as runs.
pub(super) fn runs<'a>(texts: impl Iterator<Item = (&'a str, &'a Marks)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (text, marks) in texts {
        match runs.last_mut() {
            Some(last) if last.marks == *marks => last.text.push_str(text),
            _ => runs.push(Run {
                text: text.to_owned(),
                marks: marks.clone(),
            }),
        }
    }
    runs
}
