//! A page: a title and rich text, as an Automerge document in the convention of npm `@automerge/prosemirror`.
//!
//! Root key `text` is one Text object; block markers are maps inside it; comments stand beside it. The page keeps its blocks in memory beside the
//! document, so that an edit finds its place, and a remote change its meaning, without walking the document.

pub mod comments;
pub mod edit;
pub mod export;
pub mod history;
pub mod import;
pub mod picture;

mod language;
mod link;
mod read;
mod remote;
pub(crate) mod replace;
mod tree;
mod write;

use automerge::transaction::Transactable;
use automerge::{
    ActorId, Cursor, CursorPosition, ObjId, ObjType, Prop, ROOT, ReadDoc, Value as AutomergeValue,
};

use crate::Error;
use crate::document::{Actor, Document};
use edit::{Block, Edit, Shape, place};

/// The longest title that can be set, in characters.
pub const LONGEST_TITLE: usize = 200;

const TITLE: &str = "title";
const TEXT: &str = "text";

/// One page of a classroom.
#[derive(Clone, Debug)]
pub struct Page {
    document: Document,
    title: Option<ObjId>,
    text: Option<ObjId>,
    blocks: Vec<Block>,
    /// The length of each block's text. Together with the markers, which are 1 wide, this places every block.
    lengths: Vec<usize>,
    /// The first block has no marker: a foreign document, or its marker was deleted while somebody wrote in it.
    headless: bool,
    /// Where text was put since the last commit: its marks are not settled in the document yet.
    touched: Option<Touched>,
}

/// A range of blocks by how many are before and after it, which holds while blocks come and go inside.
#[derive(Clone, Copy, Debug)]
struct Touched {
    before: usize,
    after: usize,
}

/// What a batch of remote changes did to a page.
#[derive(Debug, Default)]
pub struct Remote {
    /// What the editor has to do to show the new state.
    pub edits: Vec<Edit>,
    pub title_changed: bool,
    /// What is said in comments, or of them, changed; where they are may have changed with any edit.
    pub threads_changed: bool,
    /// Which changes were refused, by their index, and why.
    pub refused: Vec<(usize, Error)>,
    /// Changes that waited since an earlier batch and turned out not to fit.
    pub dropped: Vec<(Vec<u8>, Error)>,
}

/// The title of a page that nobody edits here, without reading its text.
pub fn title_of(document: &Document) -> String {
    match document.automerge.get(ROOT, TITLE) {
        Ok(Some((_, title))) => document.automerge.text(title).unwrap_or_default(),
        _ => String::new(),
    }
}

impl Page {
    /// A new page: no title, one empty paragraph. The caller commits.
    ///
    /// # Errors
    /// [`Error::Automerge`]
    pub fn new(actor: Actor) -> Result<Page, Error> {
        let mut document = Document::empty(actor);
        document.automerge.put_object(ROOT, TITLE, ObjType::Text)?;
        let text = document.automerge.put_object(ROOT, TEXT, ObjType::Text)?;
        write::insert_marker(&mut document.automerge, &text, 0, &Shape::paragraph())?;
        Page::open(document)
    }

    /// A page of which nothing has arrived yet: it shows one empty paragraph and takes no edits.
    ///
    /// # Errors
    /// [`Error::Automerge`]
    pub fn empty(actor: Actor) -> Result<Page, Error> {
        Page::open(Document::empty(actor))
    }

    /// Opens what [`Page::save`] gave.
    ///
    /// # Errors
    /// [`Error::Load`]
    pub fn load(bytes: &[u8], actor: Actor) -> Result<Page, Error> {
        Page::open(Document::load(bytes, actor)?)
    }

    /// Shows a document as a page.
    ///
    /// # Errors
    /// [`Error::Automerge`]
    pub fn open(document: Document) -> Result<Page, Error> {
        let mut page = Page {
            document,
            title: None,
            text: None,
            blocks: Vec::new(),
            lengths: Vec::new(),
            headless: true,
            touched: None,
        };
        page.read_anew()?;
        Ok(page)
    }

    /// The document, to read from or to hand on.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Gives the document back.
    pub fn into_document(self) -> Document {
        self.document
    }

    /// See [`Document::save`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub fn save(&mut self) -> Result<Vec<u8>, Error> {
        self.document.save()
    }

    /// See [`Document::commit`].
    pub fn commit(&mut self, time: i64) -> Option<Vec<u8>> {
        self.settle();
        self.document.commit(time)
    }

    /// See [`Document::set_actor`].
    ///
    /// # Errors
    /// [`Error::Uncommitted`]
    pub(crate) fn set_actor(&mut self, actor: Actor) -> Result<(), Error> {
        self.document.set_actor(actor)
    }

    /// See [`Document::commit_with_note`].
    pub fn commit_with_note(&mut self, time: i64, note: String) -> Option<Vec<u8>> {
        self.settle();
        self.document.commit_with_note(time, note)
    }

    /// Commits what was edited, if anything was, as a change that says this. `time` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Absent`]
    pub fn commit_note(&mut self, time: i64, note: String) -> Result<Vec<u8>, Error> {
        self.settle();
        self.document.commit_note(time, note)
    }

    fn settle(&mut self) {
        // Automerge refuses a mark only outside of the text, where no block is. Were it ever so, the next commit tries again.
        if self.settle_marks().is_ok() {
            self.touched = None;
        }
    }

    /// Whether the page's first change is here, so that it can be written in.
    pub fn is_present(&self) -> bool {
        self.text.is_some() && self.title.is_some()
    }

    /// The title.
    pub fn title(&self) -> String {
        let title = self
            .title
            .as_ref()
            .and_then(|title| self.document.automerge.text(title).ok());
        title.unwrap_or_default()
    }

    /// Changes the title with the smallest text edits.
    ///
    /// # Errors
    /// [`Error::Length`] beyond [`LONGEST_TITLE`]; [`Error::Absent`]
    pub fn set_title(&mut self, title: &str) -> Result<(), Error> {
        if title.chars().count() > LONGEST_TITLE {
            return Err(Error::Length {
                field: "title",
                limit: LONGEST_TITLE,
            });
        }
        let object = self.title.clone().ok_or(Error::Absent)?;
        if self.title() != title {
            self.document.automerge.update_text(&object, title)?;
        }
        Ok(())
    }

    /// The text as the editor shows it. Never empty.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The title and the text without marks, a line for each block: for search and digests.
    pub fn text_plain(&self) -> String {
        let mut plain = self.title();
        for block in &self.blocks {
            plain.push('\n');
            block.runs.iter().for_each(|run| plain.push_str(&run.text));
        }
        plain
    }

    /// Makes the editor's edits in the document. The caller commits.
    ///
    /// # Errors
    /// [`Error::Place`], [`Error::Absent`], [`Error::Automerge`]. The edits before the one that failed stand: show
    /// [`Page::blocks`] again.
    pub fn apply(&mut self, edits: &[Edit]) -> Result<(), Error> {
        let text = self.text.clone().ok_or(Error::Absent)?;
        if self.headless && !edits.is_empty() {
            write::insert_marker(&mut self.document.automerge, &text, 0, &self.blocks[0].shape)?;
            self.headless = false;
        }
        for edit in edits {
            if let Err(error) = self.apply_one(&text, edit) {
                self.read_anew()?;
                return Err(error);
            }
        }
        if self.expected_length() != self.document.automerge.length(&text) {
            // Only in foreign documents, where one element can be several characters long.
            self.read_anew()?;
            return Err(place("the inside of an element that can't be divided"));
        }
        Ok(())
    }

    /// Takes changes of others in and says what they do to the blocks.
    ///
    /// # Errors
    /// [`Error::Uncommitted`]: commit one's own edits first. A bad change is refused alone, see [`Remote::refused`].
    pub fn apply_changes(&mut self, changes: &[Vec<u8>]) -> Result<Remote, Error> {
        self.document.committed()?;
        self.document.automerge.update_diff_cursor();
        let applied = self.document.apply_changes(changes)?;
        let patches = self.document.automerge.diff_incremental();
        self.document.automerge.reset_diff_cursor();
        let mut remote = self.follow(&patches)?;
        remote.refused = applied.refused;
        remote.dropped = applied.dropped;
        Ok(remote)
    }

    /// A place that stays with the text around it, to tell others where one's cursor is.
    ///
    /// # Errors
    /// [`Error::Place`], [`Error::Absent`]
    pub fn cursor_at(&self, block: usize, offset: usize) -> Result<String, Error> {
        let text = self.text.as_ref().ok_or(Error::Absent)?;
        let length = self
            .lengths
            .get(block)
            .ok_or_else(|| place("a block beyond the last"))?;
        if offset > *length {
            return Err(place("beyond the end of the block"));
        }
        let position = self.text_start(block) + offset;
        let position = if position >= self.expected_length() {
            CursorPosition::End
        } else {
            CursorPosition::Index(position)
        };
        Ok(self
            .document
            .automerge
            .get_cursor(text, position, None)?
            .to_string())
    }

    /// Where a cursor given by [`Page::cursor_at`] on any replica stands now; none if it is not of this page.
    pub fn position_of(&self, cursor: &str) -> Option<(usize, usize)> {
        let position = self.index_of(cursor)?;
        Some(self.locate(position).unwrap_or((0, 0)))
    }

    /// The position of a cursor in the Text object.
    fn index_of(&self, cursor: &str) -> Option<usize> {
        let text = self.text.as_ref()?;
        match cursor {
            "s" => Some(0),
            "e" => Some(self.expected_length()),
            _ => {
                let cursor = self.element_cursor(cursor)?;
                let automerge = &self.document.automerge;
                automerge.get_cursor_position(text, &cursor, None).ok()
            }
        }
    }

    /// The cursor of an element of the text.
    fn element_cursor(&self, cursor: &str) -> Option<Cursor> {
        // Automerge panics on text of another form, and on elements of another object.
        let (number, actor) = cursor.split_once('@')?;
        let number = number.parse::<u32>().ok()?;
        let actor = ActorId::try_from(actor).ok()?;
        let text = self.text.as_ref()?;
        let is_there = self.document.history.has_element(text, u64::from(number), &actor);
        let cursor = is_there.then(|| Cursor::try_from(format!("{number}@{actor}")));
        cursor?.ok()
    }

    /// Reads everything from the document.
    fn read_anew(&mut self) -> Result<(), Error> {
        self.title = text_object(&self.document, TITLE)?;
        self.text = text_object(&self.document, TEXT)?;
        let (blocks, headless) = match &self.text {
            Some(text) => read::blocks(&self.document.automerge, text)?,
            None => (vec![Block::empty(Shape::paragraph())], true),
        };
        self.lengths = blocks.iter().map(Block::length).collect();
        self.blocks = blocks;
        self.headless = headless;
        self.touched = None;
        Ok(())
    }

    /// Where a block's text begins in the Text object. Its marker, if it has one, is right before.
    fn text_start(&self, block: usize) -> usize {
        let before: usize = self.lengths[..block].iter().map(|length| length + 1).sum();
        before + usize::from(!self.headless)
    }

    /// The block and offset of a position in the Text object; none before the first marker.
    fn locate(&self, position: usize) -> Option<(usize, usize)> {
        let mut left = position.checked_sub(usize::from(!self.headless))?;
        for (block, length) in self.lengths.iter().enumerate() {
            if left <= *length {
                return Some((block, left));
            }
            left -= length + 1;
        }
        let last = self.lengths.len() - 1;
        Some((last, self.lengths[last]))
    }

    /// How long the Text object must be.
    fn expected_length(&self) -> usize {
        let last = self.lengths.len() - 1;
        self.text_start(last) + self.lengths[last]
    }
}

fn text_object(document: &Document, key: &str) -> Result<Option<ObjId>, Error> {
    Ok(match document.automerge.get(ROOT, Prop::from(key))? {
        Some((AutomergeValue::Object(ObjType::Text), object)) => Some(object),
        _ => None,
    })
}
