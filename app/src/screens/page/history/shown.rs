//! A version on the screen, with what differs from another one.

use std::rc::Rc;

use documents::page::edit::Edit;
use documents::page::history::Compared;
use leptos::html::Div;
use leptos::prelude::*;
use web_sys::{Blob, File, HtmlImageElement};

use super::Open;
use super::authors::Authors;
use crate::messages::say;
use crate::page::editor::{ChangeKind, Editor, Formatting, Found, Listener, Picture, Selection};
use crate::page::pictures::Pictures;
use crate::page::versions::shown;

#[component]
pub(super) fn ShownVersion(
    open: Open,
    compared: Memo<Option<Vec<Compared>>>,
    authors: RwSignal<Authors>,
) -> impl IntoView {
    let host = NodeRef::<Div>::new();
    let editor = StoredValue::new_local(None::<Editor>);
    let still = Rc::new(Still(open.with_value(|session| session.pictures.clone())));
    Effect::new(move || {
        let Some(host) = host.get() else { return };
        // The one before goes first: both would stand in the same place.
        editor.set_value(None);
        let Some(compared) = compared.get() else { return };
        let (blocks, changes) = authors.with(|authors| {
            shown(&compared, |kind, actor| {
                let author = actor.map(|actor| authors.of_actor(actor));
                let (name, colour) = match author {
                    Some(author) => (author.name, author.colour),
                    None => (say().somebody().to_owned(), 0),
                };
                let words = match kind {
                    ChangeKind::Added => say().added_by(&name),
                    ChangeKind::Removed => say().removed_by(&name),
                    ChangeKind::Restyled => say().restyled().to_owned(),
                };
                (colour, words)
            })
        });
        let names = (say().version_text(), say().item_done());
        let mounted = Editor::mount(&host, names, None, &blocks, false, &still);
        let drawn = mounted.and_then(|mounted| {
            mounted.set_changes(&changes)?;
            Ok(mounted)
        });
        match drawn {
            Ok(drawn) => editor.set_value(Some(drawn)),
            Err(error) => leptos::logging::error!("the version can't be shown: {error:?}"),
        }
    });
    view! {
        <Show when=move || compared.with(Option::is_none)>
            <p class="problem" role="alert">{say().history_unreadable()}</p>
        </Show>
        <div class="editor-host history-text" node_ref=host></div>
    }
}

/// Nothing can be done to a version. Its pictures are those of the page.
struct Still(Rc<Pictures>);

impl Listener for Still {
    fn edited(self: Rc<Self>, _: Vec<Edit>) {}
    fn selected(self: Rc<Self>, _: Option<Selection>) {}
    fn formatted(self: Rc<Self>, _: Formatting) {}
    fn composing(self: Rc<Self>, _: bool) {}
    fn found(self: Rc<Self>, _: Option<Found>) {}
    fn lost(self: Rc<Self>) {}
    fn show_picture(self: Rc<Self>, address: &str, image: &HtmlImageElement) {
        self.0.show(address, image);
    }
    fn ask_for_picture(self: Rc<Self>) {}
    fn files(self: Rc<Self>, _: Vec<File>) {}
    async fn attach(self: Rc<Self>, _: Blob) -> Option<Picture> {
        None
    }
}
