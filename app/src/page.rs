//! A page that is open in this tab: its document, its editor, and what goes between them and the replica.

pub(crate) mod block_menu;
pub(crate) mod draft;
pub(crate) mod editor;
pub(crate) mod files;
mod math;
pub(crate) mod mentions;
pub(crate) mod pace;
pub(crate) mod pictures;
pub(crate) mod pieces;
pub(crate) mod reading;
pub(crate) mod rebuild;
pub(crate) mod seen;
pub(crate) mod session;
pub(crate) mod title;
pub(crate) mod versions;
