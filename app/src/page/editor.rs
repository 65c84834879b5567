//! The editor in JavaScript (`app/editor`), as Rust sees it. It shows blocks and reports what the person does; it decides nothing.

mod pictures;

use std::rc::Rc;

use documents::page::edit::{Block, Edit, Point};
use js_sys::{Object, Reflect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, File, HtmlElement, HtmlImageElement};

use self::pictures::PictureListeners;
pub(crate) use self::pictures::{Picture, PlacedPicture};
use super::block_menu::BlockMenu;

/// An editor on the screen. Dropping it takes it away.
pub(crate) struct Editor {
    handle: Handle,
    /// What the editor calls; it must not outlive them.
    _listeners: [Closure<dyn Fn(JsValue)>; 5],
    _math: Closure<Render>,
    _pictures: PictureListeners,
}

/// Makes MathML of LaTeX, or null. (An `Option` would be `undefined`.)
type Render = dyn Fn(String, bool) -> JsValue;

fn render() -> Closure<Render> {
    Closure::new(|latex: String, block| {
        let made = super::math::mathml(&latex, block);
        made.map_or(JsValue::NULL, JsValue::from)
    })
}

/// What the editor reports.
pub(crate) trait Listener {
    /// One call for each local transaction, in the middle of it.
    fn edited(self: Rc<Self>, edits: Vec<Edit>);
    /// `None` when the editor lost the focus.
    fn selected(self: Rc<Self>, selection: Option<Selection>);
    fn formatted(self: Rc<Self>, formatting: Formatting);
    fn composing(self: Rc<Self>, active: bool);
    /// `None` when nothing is looked for.
    fn found(self: Rc<Self>, found: Option<Found>);
    /// The editor said what can't be understood; show it the blocks again.
    fn lost(self: Rc<Self>);
    /// A picture comes near what is seen, or has become another one.
    fn show_picture(self: Rc<Self>, address: &str, image: &HtmlImageElement);
    /// The person wants to describe the picture that the caret is in.
    fn ask_for_picture(self: Rc<Self>);
    /// Files of pictures were pasted, or dropped where the caret is now.
    fn files(self: Rc<Self>, files: Vec<File>);
    /// Keeps a picture that was pasted within text. `None` if that can't be.
    fn attach(self: Rc<Self>, picture: Blob) -> impl Future<Output = Option<Picture>>;
}

/// What is selected; the head is where the caret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Selection {
    pub(crate) anchor: Point,
    pub(crate) head: Point,
}

/// What the toolbar shows for the place where the caret is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Formatting {
    pub(crate) marks: Vec<TextMark>,
    /// The type of the block, as in a shape; `callout` for a paragraph in one.
    pub(crate) block: String,
    pub(crate) level: Option<u8>,
    pub(crate) list: Option<List>,
    pub(crate) quote: bool,
    /// Whether the selection begins in a table.
    pub(crate) table: bool,
    /// The language that the block says it is in, as a tag of BCP 47.
    pub(crate) language: Option<String>,
    /// Where the link leads that the caret is in.
    pub(crate) link: Option<String>,
    /// The picture whose caption the caret is in.
    pub(crate) picture: Option<Picture>,
    /// Whether text is selected.
    pub(crate) selected: bool,
    /// Whether another text can be proposed for what is selected, or for the word that the caret is in.
    pub(crate) changeable: bool,
    /// The ids of the threads of comments that are about the text where the caret is.
    pub(crate) threads: Vec<String>,
    pub(crate) can_undo: bool,
    pub(crate) can_redo: bool,
}

/// A mark that text has or not. Its name in documents, in lower case, is its name here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TextMark {
    Strong,
    Em,
    Underline,
    Strikethrough,
    Code,
    Highlight,
    Math,
    Subscript,
    Superscript,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum List {
    Bulleted,
    Numbered,
    Check,
}

/// What a block can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Paragraph,
    Heading(u8),
    CodeBlock,
    Formula,
    Callout,
}

/// What is looked for in a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Query {
    pub(crate) text: String,
    pub(crate) match_case: bool,
}

/// How often it was found; `current` counts from 1, and is none if none of them is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Found {
    pub(crate) count: u32,
    pub(crate) current: Option<u32>,
}

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Counts {
    pub(crate) page: Count,
    /// Of what is selected, if anything is.
    pub(crate) selection: Option<Count>,
}

/// Words and characters as a reader of the script counts them; formulas are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    pub(crate) words: u32,
    pub(crate) characters: u32,
    pub(crate) characters_without_spaces: u32,
}

/// Where somebody else is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct RemoteCursor {
    pub(crate) id: String,
    pub(crate) name: String,
    /// An index into the palette, 0 to 11.
    pub(crate) color: u8,
    pub(crate) anchor: Point,
    pub(crate) head: Point,
}

/// The ids of the threads of comments whose text is shown, and of the one that is being read; and what those propose that are
/// suggestions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct ShownThreads {
    pub(crate) open: Vec<String>,
    pub(crate) active: Option<String>,
    pub(crate) suggested: Vec<ShownSuggestion>,
}

/// What a thread proposes for its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShownSuggestion {
    pub(crate) thread: String,
    /// Nothing, if the text is to go.
    pub(crate) proposes: String,
    /// Where it is to stand, if there is no such text.
    pub(crate) at: Option<Point>,
    /// An index into the palette, 0 to 11.
    pub(crate) color: u8,
    /// Whose it is, in words.
    pub(crate) by: String,
}

/// What became of text between two versions, or, without `from` and `to`, of a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ShownChange {
    pub(crate) block: usize,
    pub(crate) from: Option<usize>,
    pub(crate) to: Option<usize>,
    pub(crate) kind: ChangeKind,
    /// An index into the palette, 0 to 11.
    pub(crate) color: u8,
    /// What became of it and by whom, in words.
    pub(crate) by: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChangeKind {
    Added,
    Removed,
    Restyled,
}

/// What is done with the table around the caret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TableCommand {
    RowAbove,
    RowBelow,
    ColumnBefore,
    ColumnAfter,
    HeaderRow,
    DeleteRow,
    DeleteColumn,
    DeleteTable,
}

/// What the toolbar asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EditorCommand {
    Mark(TextMark),
    List(List),
    Style(Style),
    /// Items go into the one before them, or out of the one that they are in.
    Indent,
    Outdent,
    Quote,
    Divider,
    /// A new one.
    Table,
    InTable(TableCommand),
    /// The selected blocks are in the language of a tag; they say nothing of it, if that is empty.
    Language(String),
    /// Leads to an address; nowhere any more, if that is empty.
    Link(String),
    Undo,
    Redo,
}

impl Editor {
    /// Puts an editor into `host`. `label` is its accessible name, `done` that of the box of an item of a check list; `menu` opens
    /// where a slash is typed; without it a slash is a slash.
    pub(crate) fn mount<L: Listener + 'static>(
        host: &HtmlElement,
        (label, done): (&str, &str),
        menu: Option<&BlockMenu>,
        blocks: &[Block],
        editable: bool,
        listener: &Rc<L>,
    ) -> Result<Self, JsValue> {
        let listeners = [
            hear(listener, L::edited),
            hear(listener, L::selected),
            hear(listener, L::formatted),
            hear(listener, L::composing),
            hear(listener, L::found),
        ];
        let options = Object::new();
        Reflect::set(&options, &"label".into(), &label.into())?;
        Reflect::set(&options, &"done".into(), &done.into())?;
        if let Some(menu) = menu {
            Reflect::set(&options, &"menu".into(), &to_js(menu)?)?;
        }
        Reflect::set(&options, &"blocks".into(), &to_js(blocks)?)?;
        Reflect::set(&options, &"editable".into(), &editable.into())?;
        for (name, closure) in ["onEdits", "onSelection", "onState", "onComposition", "onFound"]
            .iter()
            .zip(&listeners)
        {
            Reflect::set(&options, &(*name).into(), closure.as_ref())?;
        }
        let math = render();
        Reflect::set(&options, &"math".into(), math.as_ref())?;
        let pictures = PictureListeners::of(listener);
        pictures.put_into(&options)?;
        Ok(Self {
            handle: mount(host, &options)?,
            _listeners: listeners,
            _math: math,
            _pictures: pictures,
        })
    }

    /// Takes in what the browser has not told of yet. Whatever is drawn sets the selection to what the editor knows of, and undoes
    /// what was selected a moment ago. Called while the editor shows what the page holds: it may tell of edits.
    pub(crate) fn catch_up(&self) -> Result<(), JsValue> {
        self.handle.catch_up()
    }

    /// Shows changes of others, as one transaction that leaves the selection where it is.
    pub(crate) fn apply(&self, edits: &[Edit]) -> Result<(), JsValue> {
        self.handle.apply(&to_js(edits)?)
    }

    /// Makes edits as if the person had: they are reported, and undone as one step.
    pub(crate) fn perform(&self, edits: &[Edit]) -> Result<(), JsValue> {
        self.handle.perform(&to_js(edits)?)
    }

    /// Replaces everything.
    pub(crate) fn reset(&self, blocks: &[Block]) -> Result<(), JsValue> {
        self.handle.reset(&to_js(blocks)?)
    }

    pub(crate) fn set_cursors(&self, cursors: &[RemoteCursor]) -> Result<(), JsValue> {
        self.handle.set_cursors(&to_js(cursors)?)
    }

    pub(crate) fn set_threads(&self, threads: &ShownThreads) -> Result<(), JsValue> {
        self.handle.set_threads(&to_js(threads)?)
    }

    /// Shows what is selected as the text that a comment is being written about. `None` if nothing is.
    pub(crate) fn begin_comment(&self) -> Result<Option<Selection>, JsValue> {
        Ok(serde_wasm_bindgen::from_value(self.handle.begin_comment()?)?)
    }

    /// The same with the text that another one can be proposed for: what is selected in one block, or the word that the caret is in.
    pub(crate) fn begin_suggestion(&self) -> Result<Option<Selection>, JsValue> {
        Ok(serde_wasm_bindgen::from_value(self.handle.begin_suggestion()?)?)
    }

    /// The comment or the suggestion is written, or is not.
    pub(crate) fn end_comment(&self) -> Result<(), JsValue> {
        self.handle.end_comment()
    }

    /// Puts the caret to the text of a thread. False if there is none.
    pub(crate) fn go_to_thread(&self, thread: &str) -> Result<bool, JsValue> {
        self.handle.go_to_thread(thread)
    }

    /// Draws what differs between two versions.
    pub(crate) fn set_changes(&self, changes: &[ShownChange]) -> Result<(), JsValue> {
        self.handle.set_changes(&to_js(changes)?)
    }

    /// Lets the person change something, or not.
    pub(crate) fn set_editable(&self, editable: bool) -> Result<(), JsValue> {
        self.handle.set_editable(editable)
    }

    pub(crate) fn command(&self, command: EditorCommand) -> Result<(), JsValue> {
        let (name, value) = match command {
            EditorCommand::Mark(mark) => (to_js(&mark)?, JsValue::UNDEFINED),
            EditorCommand::List(list) => (to_js(&list)?, JsValue::UNDEFINED),
            EditorCommand::Style(Style::Paragraph) => ("paragraph".into(), JsValue::UNDEFINED),
            EditorCommand::Style(Style::Heading(level)) => ("heading".into(), level.into()),
            EditorCommand::Style(Style::CodeBlock) => ("code-block".into(), JsValue::UNDEFINED),
            EditorCommand::Style(Style::Formula) => ("math-block".into(), JsValue::UNDEFINED),
            EditorCommand::Style(Style::Callout) => ("callout".into(), JsValue::UNDEFINED),
            EditorCommand::Indent => ("indent".into(), JsValue::UNDEFINED),
            EditorCommand::Outdent => ("outdent".into(), JsValue::UNDEFINED),
            EditorCommand::Quote => ("quote".into(), JsValue::UNDEFINED),
            EditorCommand::Divider => ("divider".into(), JsValue::UNDEFINED),
            EditorCommand::Table => ("table".into(), JsValue::UNDEFINED),
            EditorCommand::InTable(command) => (to_js(&command)?, JsValue::UNDEFINED),
            EditorCommand::Language(tag) => ("language".into(), tag.into()),
            EditorCommand::Link(address) => ("link".into(), address.into()),
            EditorCommand::Undo => ("undo".into(), JsValue::UNDEFINED),
            EditorCommand::Redo => ("redo".into(), JsValue::UNDEFINED),
        };
        self.handle.command(&name, &value)
    }

    pub(crate) fn focus(&self) -> Result<(), JsValue> {
        self.handle.focus()
    }

    /// Puts a picture behind the block that the caret is in, and the caret into its caption.
    pub(crate) fn insert_picture(&self, picture: &Picture) -> Result<(), JsValue> {
        self.handle.insert_picture(&to_js(picture)?)
    }

    /// Makes the picture of a block another one, or describes it.
    pub(crate) fn set_picture(&self, placed: &PlacedPicture) -> Result<(), JsValue> {
        self.handle.set_picture(placed.block, &to_js(&placed.picture)?)
    }

    /// The picture that the caret or the selection is in.
    pub(crate) fn picture(&self) -> Result<Option<PlacedPicture>, JsValue> {
        Ok(serde_wasm_bindgen::from_value(self.handle.picture()?)?)
    }

    /// Shows what is equal to the query, and selects the next one from the selection on. `None` ends that: the page gets the focus.
    pub(crate) fn find(&self, query: Option<&Query>) -> Result<(), JsValue> {
        self.handle.find(&to_js(&query)?)
    }

    /// Selects the next one, or with -1 the one before.
    pub(crate) fn find_next(&self, step: i32) -> Result<(), JsValue> {
        self.handle.find_next(step)
    }

    /// Replaces the one that is selected, and goes on to the next.
    pub(crate) fn replace(&self, text: &str) -> Result<(), JsValue> {
        self.handle.replace(text)
    }

    /// Replaces all, as one step to undo, and says how many.
    pub(crate) fn replace_all(&self, text: &str) -> Result<u32, JsValue> {
        self.handle.replace_all(text)
    }

    pub(crate) fn counts(&self) -> Result<Counts, JsValue> {
        Ok(serde_wasm_bindgen::from_value(self.handle.counts()?)?)
    }

    /// What is selected, whether the page has the focus or not.
    pub(crate) fn selection(&self) -> Result<Selection, JsValue> {
        Ok(serde_wasm_bindgen::from_value(self.handle.selection()?)?)
    }

    /// Puts the caret at the beginning of a block, and shows that.
    pub(crate) fn go_to(&self, block: usize) -> Result<(), JsValue> {
        self.handle.go_to(block)
    }

    /// Marks the block that is read aloud, and no other.
    pub(crate) fn show_reading(&self, block: Option<usize>) -> Result<(), JsValue> {
        self.handle.show_reading(&to_js(&block)?)
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if let Err(error) = self.handle.destroy() {
            leptos::logging::error!("the editor could not be taken away: {error:?}");
        }
    }
}

#[wasm_bindgen]
extern "C" {
    type Handle;

    #[wasm_bindgen(js_namespace = meridianEditor, catch)]
    fn mount(host: &HtmlElement, options: &Object) -> Result<Handle, JsValue>;
    #[wasm_bindgen(method, catch, js_name = catchUp)]
    fn catch_up(this: &Handle) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn apply(this: &Handle, edits: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn perform(this: &Handle, edits: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn reset(this: &Handle, blocks: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = setCursors)]
    fn set_cursors(this: &Handle, cursors: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = setThreads)]
    fn set_threads(this: &Handle, threads: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = beginComment)]
    fn begin_comment(this: &Handle) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = beginSuggestion)]
    fn begin_suggestion(this: &Handle) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = endComment)]
    fn end_comment(this: &Handle) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = goToThread)]
    fn go_to_thread(this: &Handle, thread: &str) -> Result<bool, JsValue>;
    #[wasm_bindgen(method, catch, js_name = setChanges)]
    fn set_changes(this: &Handle, changes: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = setEditable)]
    fn set_editable(this: &Handle, editable: bool) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn command(this: &Handle, name: &JsValue, value: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn focus(this: &Handle) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = insertPicture)]
    fn insert_picture(this: &Handle, picture: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = setPicture)]
    fn set_picture(this: &Handle, block: usize, picture: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn picture(this: &Handle) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn find(this: &Handle, query: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = findNext)]
    fn find_next(this: &Handle, step: i32) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn replace(this: &Handle, text: &str) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = replaceAll)]
    fn replace_all(this: &Handle, text: &str) -> Result<u32, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn counts(this: &Handle) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn selection(this: &Handle) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(method, catch, js_name = goTo)]
    fn go_to(this: &Handle, block: usize) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch, js_name = showReading)]
    fn show_reading(this: &Handle, block: &JsValue) -> Result<(), JsValue>;
    #[wasm_bindgen(method, catch)]
    fn destroy(this: &Handle) -> Result<(), JsValue>;
}

fn to_js<T: Serialize + ?Sized>(value: &T) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&Serializer::json_compatible())?)
}

/// A function for JavaScript that reads its argument and calls a method of the listener.
fn hear<L: Listener + 'static, T: DeserializeOwned + 'static>(
    listener: &Rc<L>,
    method: fn(Rc<L>, T),
) -> Closure<dyn Fn(JsValue)> {
    // Weak: the listener keeps the editor.
    let listener = Rc::downgrade(listener);
    Closure::new(move |value: JsValue| {
        let Some(listener) = listener.upgrade() else {
            return;
        };
        match serde_wasm_bindgen::from_value(value) {
            Ok(value) => method(listener, value),
            Err(error) => {
                leptos::logging::error!("the editor said what can't be understood: {error}");
                listener.lost();
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use documents::page::edit::{Run, Shape, Value};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn edits_come_back_from_javascript_as_they_went() {
        let marks = [("strong".to_owned(), Value::Boolean(true))].into();
        let mut shape = Shape::paragraph();
        shape.attrs.insert("level".to_owned(), Value::Integer(2));
        let edits = vec![
            Edit::Text {
                block: 0,
                offset: 1,
                delete: 2,
                insert: vec![Run {
                    text: "ä😀".to_owned(),
                    marks,
                }],
            },
            Edit::Mark {
                block: 0,
                from: 0,
                to: 2,
                name: "em".to_owned(),
                value: Value::Null,
            },
            Edit::Split {
                block: 0,
                offset: 1,
                shape: shape.clone(),
            },
            Edit::Join { block: 1 },
            Edit::Blocks {
                from: 0,
                count: 1,
                blocks: vec![Block {
                    shape,
                    runs: Vec::new(),
                }],
            },
        ];
        let value = to_js(&edits).unwrap();
        let back: Vec<Edit> = serde_wasm_bindgen::from_value(value).unwrap();
        assert_eq!(back, edits);
    }

    #[wasm_bindgen_test]
    fn latex_without_meaning_is_null_to_the_editor() {
        let render = render();
        let function: &js_sys::Function = render.as_ref().unchecked_ref();
        let made = |latex: &str| {
            function
                .call2(&JsValue::NULL, &latex.into(), &false.into())
                .unwrap()
        };
        assert!(made("#").is_null());
        assert!(made("x").as_string().unwrap().starts_with("<math"));
    }

    #[wasm_bindgen_test]
    fn a_mark_is_removed_with_null() {
        let edit = Edit::Mark {
            block: 0,
            from: 0,
            to: 2,
            name: "em".to_owned(),
            value: Value::Null,
        };
        let text = js_sys::JSON::stringify(&to_js(&edit).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"op":"mark","block":0,"from":0,"to":2,"name":"em","value":null}"#
        );
    }
}
