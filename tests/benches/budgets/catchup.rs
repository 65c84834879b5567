//! Coming back after a week in which ten others wrote: what arrives, before and after their logs were folded.

use documents::page::Page;
use documents::page::edit::{Edit, Marks, Run, Shape};
use protocol::SegmentHash;
use protocol::frame::{Position, RelayFrame};
use protocol::segment::Segment;

use crate::Result;
use crate::classroom::Classroom;
use crate::report::Measurement;
use crate::server::Server;

const AUTHORS: usize = 10;
const FLUSHES_EACH: usize = 10;
/// Letters typed between two flushes.
const EDITS: usize = 20;
/// The one who comes back.
const READER: usize = AUTHORS;
/// In bytes.
const BUDGET: usize = 8_000;

/// What they write, each from a place of their own on.
const TEXT: &str = "The river rises in the hills above the town, where in a dry year the school fetches its water. We measured it \
    every morning at seven: depth, warmth and colour. In March it was brown after the rains and nobody could see the stones; by June \
    children crossed it on foot. Our partners on the coast found the same plastic bottles that we had counted a week before, and \
    asked who lives between us. That question became this project, and the map on the next page shows how far we have come.";

/// What one author wrote, in order.
#[derive(Default)]
struct Written {
    changes: Vec<Vec<u8>>,
    segments: Vec<Segment>,
}

/// The relay keeps what folds took the place of until it keeps house.
pub(crate) const OPTIONS: [&str; 2] = ["--covered", "0"];

pub(crate) async fn measure(server: &mut Server) -> Result<Vec<Measurement>> {
    let classroom = Classroom::found(server, AUTHORS + 1).await?;
    let mut reader = server.connect(&classroom.members[READER]).await?;
    let left_at = end_of(&reader.open(classroom.id, None).await?).ok_or("the relay tells no position")?;
    drop(reader);

    let all = write(&classroom)?;
    let empty = server.stored_bytes()?;
    for (author, written) in all.iter().enumerate() {
        let mut client = classroom.open(server, author).await?;
        client.submit_segments(classroom.id, &written.segments).await?;
    }
    let before = (
        catch_up(server, &classroom, left_at).await?,
        server.stored_bytes()? - empty,
    );
    for (author, written) in all.iter().enumerate() {
        let mut client = classroom.open(server, author).await?;
        let fold = fold(&classroom, author, written)?;
        client.submit_segments(classroom.id, &[fold]).await?;
    }
    let after = (
        catch_up(server, &classroom, left_at).await?,
        server.stored_bytes()? - empty,
    );
    server.keep_house().await?;
    let kept = server.stored_bytes()?.saturating_sub(empty);

    let kilobytes = |bytes: usize| bytes as f64 / 1000.0;
    let bytes = Measurement {
        what: "catching up on 2,000 edits (20 a flush) by ten authors, folded",
        budget: Some("1 round trip, 8 KB"),
        measured: format!(
            "1 round trip, {:.1} KB ({:.1} KB before folding)",
            kilobytes(after.0),
            kilobytes(before.0)
        ),
        within: Some(after.0 <= BUDGET),
        how: format!(
            "{AUTHORS} members type {FLUSHES_EACH} times {EDITS} letters each into paragraphs of their own, in turns; one who was away \
             meanwhile opens the classroom: one message there, then all WebSocket frames until they have caught up"
        ),
    };
    let space = Measurement {
        what: "the relay's database for these edits",
        budget: Some("shrinks by folding"),
        measured: format!(
            "{:.0} KB before folding, {:.0} KB with the folds and what they took the place of, {:.0} KB with the folds alone",
            kilobytes(before.1),
            kilobytes(after.1),
            kilobytes(kept)
        ),
        within: Some(kept < before.1),
        how: "what its files grew by; it keeps both for 30 days, in case that somebody disputes a fold, and here lets go at once \
              when it is told to"
            .to_owned(),
    };
    Ok(vec![bytes, space])
}

/// Everybody in turn takes in what the others wrote, and types a flush.
fn write(classroom: &Classroom) -> Result<Vec<Written>> {
    let mut pages = Vec::new();
    for author in 0..AUTHORS {
        pages.push(Page::empty(classroom.log(author)?.actor())?);
    }
    let mut first = Page::new(classroom.log(0)?.actor())?;
    let paragraphs = (1..AUTHORS).map(|_| Edit::Split {
        block: 0,
        offset: 0,
        shape: Shape::paragraph(),
    });
    first.apply(&paragraphs.collect::<Vec<_>>())?;
    let mut news: Vec<Vec<u8>> = first.commit(0).into_iter().collect();
    pages[0] = first;
    for page in &mut pages[1..] {
        page.apply_changes(&news)?;
    }

    let text: Vec<char> = TEXT.chars().collect();
    let mut all: Vec<Written> = (0..AUTHORS).map(|_| Written::default()).collect();
    // The founder's first change, which made the page, is part of their log.
    all[0].changes.append(&mut news);
    for flush in 0..FLUSHES_EACH {
        for author in 0..AUTHORS {
            let page = &mut pages[author];
            for edit in 0..EDITS {
                let typed = flush * EDITS + edit;
                let letter = text[(typed + author * 31) % text.len()];
                page.apply(&[Edit::Text {
                    block: author,
                    offset: typed,
                    delete: 0,
                    insert: vec![Run {
                        text: letter.to_string(),
                        marks: Marks::new(),
                    }],
                }])?;
            }
            let change = page.commit(0).ok_or("nothing was typed")?;
            for (other, page) in pages.iter_mut().enumerate() {
                if other != author {
                    page.apply_changes(std::slice::from_ref(&change))?;
                }
            }
            all[author].changes.push(change);
        }
    }
    for (author, written) in all.iter_mut().enumerate() {
        let mut previous = SegmentHash::NONE;
        for (index, change) in written.changes.iter().enumerate() {
            let segment = classroom.seal(author, index as u64, previous, std::slice::from_ref(change))?;
            previous = segment.hash(&classroom.id)?;
            written.segments.push(segment);
        }
    }
    Ok(all)
}

fn fold(classroom: &Classroom, author: usize, written: &Written) -> Result<Segment> {
    let last = written.segments.last().ok_or("nothing was written")?;
    let covered = last.hash(&classroom.id)?;
    classroom.fold(author, last.header.last, covered, &written.changes)
}

/// The bytes that come to somebody who was there until `since`.
async fn catch_up(server: &Server, classroom: &Classroom, since: Position) -> Result<usize> {
    let mut reader = server.connect(&classroom.members[READER]).await?;
    let before = reader.received;
    let frames = reader.open_since(classroom.id, since).await?;
    let segments = frames
        .iter()
        .filter(|frame| matches!(frame, RelayFrame::Segment { .. }));
    if segments.count() < AUTHORS {
        return Err("not everything came".into());
    }
    Ok(reader.received - before)
}

/// Where the relay's log ends, by what it sent.
fn end_of(frames: &[RelayFrame]) -> Option<Position> {
    let mut position = None;
    for frame in frames {
        match frame {
            RelayFrame::Opened { from, .. } => position = Some(*from),
            RelayFrame::Entry { advance, .. } | RelayFrame::Segment { advance, .. } => {
                position.as_mut()?.index += advance;
            }
            _ => {}
        }
    }
    position
}
