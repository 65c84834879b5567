//! Pages with a long history: as long as a class makes them in a year, and the paper that editors of this kind are measured with.

use std::fs::File;
use std::path::Path;

use documents::page::Page;
use documents::page::edit::{Block, Edit, Marks, Run, Shape};
use flate2::read::GzDecoder;
use protocol::DocumentId;
use serde::Deserialize;
use tests::{Browser, Journey};
use tokio::time::{Duration, sleep};

use crate::newcomer::{self, Newcomer, Writing};
use crate::{Result, app};

/// What its last words are, by which it is known to be here.
pub(crate) const END: &str = "as far as the sea";

const AUTHORS: usize = 3;
pub(crate) const CHANGES: usize = 20_000;
const PARAGRAPHS: usize = 800;
/// In a session one of them writes without looking up.
const SESSION: usize = 50;
/// Words of one change, five letters and a space each.
const WORDS: [&str; 8] = [
    "river", "stone", "water", "reeds", "boats", "banks", "tides", "mouth",
];

/// What was typed of the paper goes out so many edits at a time.
const FLUSH: usize = 10;

/// Where to read the trace from: `automerge-paper.json.gz` in the sources of the crate `loro-internal`.
const TRACE: &str = "MERIDIAN_TRACE";

/// The three who wrote a page with somebody at a browser.
pub(crate) struct Others {
    pub(crate) writers: Vec<Writer>,
}

/// Somebody who writes a page without an app.
pub(crate) struct Writer {
    newcomer: Newcomer,
    writing: Writing,
    pub(crate) page: Page,
}

impl Writer {
    /// Joins, and takes in what the page has by now.
    async fn join(journey: &Journey, invite: &str, document: DocumentId) -> Result<Self> {
        let newcomer = newcomer::join(&journey.link(0).origin(), invite).await?;
        let writing = newcomer.begin(document);
        let mut page = Page::empty(writing.actor())?;
        page.apply_changes(&newcomer.changes(&document)?)?;
        Ok(Self {
            newcomer,
            writing,
            page,
        })
    }

    pub(crate) async fn send(&mut self, changes: &[Vec<u8>]) -> Result<()> {
        let sent = self.newcomer.send(&mut self.writing, changes).await?;
        self.newcomer.client.stored(sent).await
    }
}

/// The page that the browser has just made becomes one of 100 KB that three others wrote in 20,000 changes.
pub(crate) async fn write(journey: &Journey, browser: &Browser, invite: &str) -> Result<Others> {
    let document = document(browser).await?;
    let mut writers = Vec::new();
    for _ in 0..AUTHORS {
        writers.push(Writer::join(journey, invite, document).await?);
    }
    let mut lengths = vec![0; PARAGRAPHS];
    let mut begun = vec![
        Edit::Split {
            block: 0,
            offset: 0,
            shape: Shape::paragraph(),
        };
        PARAGRAPHS - 1
    ];
    begun.push(typed(PARAGRAPHS - 1, 0, END));
    writers[0].page.apply(&begun)?;
    let first: Vec<Vec<u8>> = writers[0].page.commit(0).into_iter().collect();
    share(&mut writers, 0, &first).await?;
    for session in 0..CHANGES / SESSION {
        let author = session % AUTHORS;
        let mut made = Vec::new();
        for change in 0..SESSION {
            // Half of a session goes into one paragraph, the other into one far from it.
            let block = (session * 37 + change / (SESSION / 2) * 401) % (PARAGRAPHS - 1);
            let word = format!("{} ", WORDS[(session + change * 5) % WORDS.len()]);
            let page = &mut writers[author].page;
            page.apply(&[typed(block, lengths[block], &word)])?;
            lengths[block] += word.len();
            made.extend(page.commit((session * SESSION + change) as i64 * 20));
        }
        share(&mut writers, author, &made).await?;
    }
    browser.wait_for_text("textbox", "Page", END).await?;
    Ok(Others { writers })
}

/// What one wrote goes to the others, and to the relay.
async fn share(writers: &mut [Writer], author: usize, changes: &[Vec<u8>]) -> Result<()> {
    for (other, writer) in writers.iter_mut().enumerate() {
        if other == author {
            writer.send(changes).await?;
        } else {
            writer.page.apply_changes(changes)?;
        }
    }
    Ok(())
}

/// The page that the browser has just made becomes the paper, as it was typed.
pub(crate) async fn write_paper(journey: &Journey, browser: &Browser, invite: &str) -> Result<usize> {
    let trace = std::env::var_os(TRACE).ok_or("MERIDIAN_TRACE does not say where the trace is")?;
    let paper = Paper::read(Path::new(&trace))?;
    let document = document(browser).await?;
    let mut writer = Writer::join(journey, invite, document).await?;
    let mut lines = Lines::default();
    let mut made = Vec::new();
    let edits: Vec<&Patch> = paper
        .txns
        .iter()
        .flat_map(|transaction| &transaction.patches)
        .collect();
    for (number, Patch(position, deleted, inserted)) in edits.iter().enumerate() {
        writer.page.apply(&lines.edit(*position, *deleted, inserted))?;
        if number % FLUSH == FLUSH - 1 {
            made.extend(writer.page.commit(number as i64));
        }
    }
    made.extend(writer.page.commit(edits.len() as i64));
    let text: Vec<String> = writer.page.blocks().iter().map(Block::text).collect();
    if text.join("\n") != paper.end {
        return Err("the trace does not end in the paper".into());
    }
    writer.send(&made).await?;
    let last = text
        .iter()
        .rev()
        .find(|line| line.len() > 8)
        .ok_or("the paper is empty")?;
    browser.wait_for_text("textbox", "Page", last).await?;
    Ok(edits.len())
}

/// How the paper was typed.
#[derive(Deserialize)]
struct Paper {
    #[serde(rename = "endContent")]
    end: String,
    txns: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    patches: Vec<Patch>,
}

/// At which character how many are deleted, and what is inserted there.
#[derive(Deserialize)]
struct Patch(usize, usize, String);

impl Paper {
    fn read(path: &Path) -> Result<Self> {
        Ok(serde_json::from_reader(GzDecoder::new(File::open(path)?))?)
    }
}

/// The lengths of the lines of a text, each a paragraph of the page.
struct Lines(Vec<usize>);

impl Default for Lines {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Lines {
    /// What an edit of the whole text is in terms of paragraphs.
    fn edit(&mut self, position: usize, deleted: usize, inserted: &str) -> Vec<Edit> {
        let mut edits = Vec::new();
        let (mut block, mut offset) = (0, position);
        while offset > self.0[block] {
            offset -= self.0[block] + 1;
            block += 1;
        }
        let mut rest = deleted;
        while rest > 0 {
            let here = rest.min(self.0[block] - offset);
            if here > 0 {
                edits.push(Edit::Text {
                    block,
                    offset,
                    delete: here,
                    insert: Vec::new(),
                });
                self.0[block] -= here;
                rest -= here;
            } else {
                edits.push(Edit::Join { block: block + 1 });
                self.0[block] += self.0.remove(block + 1);
                rest -= 1;
            }
        }
        for (number, line) in inserted.split('\n').enumerate() {
            if number > 0 {
                let behind = self.0[block] - offset;
                self.0[block] = offset;
                self.0.insert(block + 1, behind);
                edits.push(Edit::Split {
                    block,
                    offset,
                    shape: Shape::paragraph(),
                });
                (block, offset) = (block + 1, 0);
            }
            if !line.is_empty() {
                let length = line.encode_utf16().count();
                edits.push(typed(block, offset, line));
                self.0[block] += length;
                offset += length;
            }
        }
        edits
    }
}

fn typed(block: usize, offset: usize, text: &str) -> Edit {
    Edit::Text {
        block,
        offset,
        delete: 0,
        insert: vec![Run {
            text: text.to_owned(),
            marks: Marks::new(),
        }],
    }
}

/// The document of the page that is shown.
async fn document(browser: &Browser) -> Result<DocumentId> {
    browser.wait_for_status("On the relay").await?;
    let path = app::path(browser).await?;
    let id = path.rsplit('/').next().and_then(DocumentId::from_hex);
    Ok(id.ok_or("the screen is no page")?)
}

impl Others {
    /// All three type into their own paragraphs, four times a second, until this is dropped.
    pub(crate) async fn type_on(mut self) -> Result<()> {
        for beat in 0.. {
            for number in 0..self.writers.len() {
                let writer = &mut self.writers[number];
                writer.page.apply(&[typed(10 + number * 200, 3, "x")])?;
                let made: Vec<Vec<u8>> = writer.page.commit(1_000_000 + beat).into_iter().collect();
                writer.send(&made).await?;
                sleep(Duration::from_millis(250) / AUTHORS as u32).await;
            }
        }
        Ok(())
    }
}
