//! Pages as files of other programs, and back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod docx;
mod hostile;
mod html;
mod interop;
mod markdown;
mod pages;
