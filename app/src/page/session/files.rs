//! An open page as a file, and files in it.

use std::rc::Rc;

use documents::Error;
use documents::page::edit::{Block, Edit, Shape};
use documents::page::export::{Pictures, file_name};
use documents::page::import::{Imported, LeftOut, Merge, merge};

use super::super::files::{self, Format, Kind};
use super::super::math;
use super::brought_pictures::with_kept;
use super::{Session, now};
use crate::files::Saving;
use crate::messages::say;

/// What a file brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// Blocks behind those that were there.
    Text {
        blocks: usize,
        left_out: LeftOut,
    },
    /// What was changed in a copy of the page. So many changes of members were left, for they come by themselves.
    Changes {
        left: usize,
        left_out: LeftOut,
    },
    Nothing,
}

/// Why a file brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotBrought {
    UnknownKind,
    Unreadable,
    TooLarge,
    BroughtBefore,
    /// The page takes no edits now.
    NotHere,
    /// Nobody waits for it any more.
    NotWanted,
}

impl Session {
    /// Writes the page to a file, as it is when its pictures are here. → how many of them can't be had now. Fails if the browser does
    /// not take the file.
    pub(crate) async fn export(self: &Rc<Self>, format: Format) -> Result<usize, ()> {
        self.catch_up();
        self.flush_own();
        let (pictures, left_out) = match format {
            Format::Markdown | Format::Html => self.contents_of_pictures().await,
            Format::Automerge => (Pictures::new(), 0),
        };
        let bytes = self.with_draft(|draft| match format {
            Format::Markdown => Ok(draft.page().to_markdown(&pictures).into_bytes()),
            Format::Html => {
                let html = draft.page().to_html(say().tag(), &math::mathml, &pictures);
                Ok(html.into_bytes())
            }
            Format::Automerge => draft.save(),
        });
        let title = self.with_draft(|draft| draft.page().title()).unwrap_or_default();
        let name = file_name(&title, say().untitled(), format.extension());
        let written = bytes.and_then(Result::ok).map(|bytes| {
            let saving = Saving::new(name);
            saving.write(&bytes).and_then(|()| saving.finish())
        });
        match written {
            Some(Ok(())) => Ok(left_out),
            other => {
                leptos::logging::error!("the file was not written: {other:?}");
                Err(())
            }
        }
    }

    /// Puts what is in a file behind what stands on the page; of a copy of the page itself, what was changed in it where it was
    /// changed. One step to undo. Keeping its pictures takes a while: nothing comes if it is not wanted any more by then.
    pub(crate) async fn import(
        self: &Rc<Self>,
        name: &str,
        bytes: &[u8],
        is_wanted: impl Fn() -> bool,
    ) -> Result<Brought, NotBrought> {
        let kind = Kind::of(name).ok_or(NotBrought::UnknownKind)?;
        self.catch_up();
        // Whatever becomes of the file, what was typed is safe.
        self.flush();
        if kind != Kind::Automerge {
            let imported = files::read(kind, bytes).map_err(NotBrought::of)?;
            let imported = self.with_its_pictures(imported).await;
            return self.put_behind(imported, name, is_wanted);
        }
        let kept = match self.merged(bytes)? {
            Merge::Other(imported) => {
                let imported = self.with_pictures_of_another(imported).await;
                return self.put_behind(imported, name, is_wanted);
            }
            Merge::Known => return Ok(Brought::Nothing),
            Merge::BroughtBefore => return Err(NotBrought::BroughtBefore),
            Merge::Changed(changes) => self.keep_embedded(&changes.edits).await,
        };
        if !is_wanted() {
            return Err(NotBrought::NotWanted);
        }
        // Meanwhile somebody may have written: the edits are for the page as it is now.
        self.catch_up();
        self.flush();
        let Merge::Changed(changes) = self.merged(bytes)? else {
            return Ok(Brought::Nothing);
        };
        let (edits, images) = with_kept(changes.edits, &kept);
        self.perform(&edits)?;
        if let Some(title) = changes.title {
            self.set_title(&title);
        }
        self.with_draft(|draft| draft.note(now(), changes.note));
        self.flush_own();
        Ok(Brought::Changes {
            left: changes.left,
            left_out: LeftOut {
                images,
                ..LeftOut::default()
            },
        })
    }

    fn merged(&self, bytes: &[u8]) -> Result<Merge, NotBrought> {
        let merged = self.with_draft(|draft| merge(draft.page(), bytes));
        merged.ok_or(NotBrought::NotHere)?.map_err(NotBrought::of)
    }

    fn put_behind(
        self: &Rc<Self>,
        mut imported: Imported,
        name: &str,
        is_wanted: impl Fn() -> bool,
    ) -> Result<Brought, NotBrought> {
        if !is_wanted() {
            return Err(NotBrought::NotWanted);
        }
        self.catch_up();
        let left_out = imported.left_out;
        if imported.blocks.is_empty() {
            return Ok(Brought::Nothing);
        }
        let here = self.with_draft(|draft| (draft.page().title(), draft.blocks().to_vec()));
        let (title, here) = here.ok_or(NotBrought::NotHere)?;
        let is_empty = here == [Block::empty(Shape::paragraph())];
        if title.is_empty() {
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            let title = imported
                .title
                .take()
                .unwrap_or_else(|| stem.chars().take(documents::page::LONGEST_TITLE).collect());
            self.set_title(&title);
        }
        let blocks = imported.under_its_title();
        let count = blocks.len();
        self.perform(&[Edit::Blocks {
            from: if is_empty { 0 } else { here.len() },
            count: usize::from(is_empty),
            blocks,
        }])?;
        self.flush_own();
        Ok(Brought::Text {
            blocks: count,
            left_out,
        })
    }

    fn perform(&self, edits: &[Edit]) -> Result<(), NotBrought> {
        if edits.is_empty() {
            return Ok(());
        }
        let editor = self.editor().ok_or(NotBrought::NotHere)?;
        editor.perform(edits).map_err(|error| {
            leptos::logging::error!("the page did not take it: {error:?}");
            NotBrought::NotHere
        })
    }
}

impl NotBrought {
    fn of(error: Error) -> Self {
        leptos::logging::warn!("the file was not read: {error}");
        match error {
            Error::TooMuch => Self::TooLarge,
            _ => Self::Unreadable,
        }
    }
}
