//! One module for each screen.

pub(crate) mod aside;
pub(crate) mod card;
pub(crate) mod classroom;
pub(crate) mod create;
pub(crate) mod home;
pub(crate) mod join;
pub(crate) mod not_found;
pub(crate) mod page;
