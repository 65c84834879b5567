//! A tab: a replica, what it waits for, and what the tab itself has in memory, as the app does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use documents::page::Page;
use documents::page::edit::{Block, Edit};
use protocol::{ChunkHash, ClassroomId, DocumentId, LaneId, SpaceId};
use replica::Replica;
use replica::command::{Answer, Command, Problem, Profile};
use replica::store::{Batch, Ranges};
use replica::view::{self, Link, Update, Work};
use sync_server::core::{Claim, SessionId, UploadId};

use crate::broken::{Broken, Rule};
use crate::rng::SeededRng;
use crate::wire::{inventories_in, items_in};

/// A page of a classroom.
pub(crate) type PageKey = (ClassroomId, DocumentId);

pub(crate) struct Tab {
    pub(crate) device: usize,
    pub(crate) replica: Replica<SeededRng>,
    pub(crate) writing: Option<Batch>,
    /// The write is done, and the replica was never told.
    pub(crate) untold: bool,
    /// What is to be read, and how many rows of each range at most.
    pub(crate) reading: VecDeque<(u64, Ranges, Option<u32>)>,
    pub(crate) notes: VecDeque<Vec<u8>>,
    pub(crate) adopting: VecDeque<LaneId>,
    /// A row for the profile, if there is none.
    pub(crate) claiming: Option<Vec<u8>>,
    pub(crate) connecting: bool,
    pub(crate) wire: Option<usize>,
    pub(crate) posting: Option<Posting>,
    /// The chunk that it brings to a relay, and those that it asks for.
    pub(crate) bringing: Option<Bringing>,
    pub(crate) fetching: VecDeque<(ClassroomId, ChunkHash)>,
    /// Chunks of which a relay was asked whether it has them.
    pub(crate) claimed: BTreeSet<ChunkHash>,

    pub(crate) home: Option<view::Home>,
    pub(crate) classrooms: BTreeMap<ClassroomId, view::Classroom>,
    pub(crate) pages: BTreeMap<PageKey, Page>,
    pub(crate) opening: BTreeSet<PageKey>,
    /// As whom it writes in which page.
    pub(crate) actors: BTreeMap<PageKey, [u8; 16]>,
    /// Commands that were not answered, and what to do when they are.
    pub(crate) asked: BTreeMap<u32, Asked>,
    /// What is being exported, by the command's number.
    pub(crate) exported: BTreeMap<u32, Vec<u8>>,
    /// How many writes were done, ever.
    pub(crate) written: u64,
    pub(crate) traffic: Traffic,
}

/// A request on its way to a relay and back.
pub(crate) enum Posting {
    Asking(Vec<u8>),
    Answering {
        relay: usize,
        session: SessionId,
    },
    Answered(Vec<u8>),
    /// Something on the way broke.
    Lost,
}

/// A chunk on its way to a relay.
pub(crate) enum Bringing {
    Asking(Claim, Vec<u8>),
    Deciding {
        relay: usize,
        upload: UploadId,
        claim: Claim,
    },
    /// Something on the way broke.
    Lost(Claim),
}

/// What went over a tab's connections, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    /// Items that were submitted and received.
    pub(crate) submitted: usize,
    pub(crate) received: usize,
    /// How often items were asked for by name.
    pub(crate) fetches: usize,
    /// How many inventories came.
    pub(crate) inventories: usize,
}

/// A command that waits for its answer.
pub(crate) struct Asked {
    /// If it must be written first: how many writes were done when it was given.
    written: Option<u64>,
    pub(crate) then: Then,
}

/// What to do with an answer.
pub(crate) enum Then {
    Nothing,
    Join(String, Profile),
    ShowCard,
    KeepLink,
    KeepCard,
    KeepStick,
    SettleEdit,
    Opened(PageKey),
    /// What is attached to which page.
    ShowAttached(PageKey, Vec<u8>),
    /// The number of what is looked at.
    Look(usize),
}

impl Asked {
    pub(crate) fn new(command: &Command, then: Then, written: u64) -> Self {
        let is_kept = !matches!(
            command,
            Command::Preview { .. }
                | Command::OpenPage { .. }
                | Command::ClosePage { .. }
                | Command::Cursor { .. }
                | Command::Card
                | Command::Attachment { .. }
                | Command::Export { .. }
                // There may be nothing new in it.
                | Command::Import { .. }
        );
        Self {
            written: is_kept.then_some(written),
            then,
        }
    }
}

impl Traffic {
    /// A relay says something.
    pub(crate) fn hear(&mut self, message: &[u8]) {
        self.received += items_in(message);
        self.inventories += inventories_in(message);
    }
}

impl Tab {
    pub(crate) fn new(device: usize, replica: Replica<SeededRng>) -> Self {
        Self {
            device,
            replica,
            writing: None,
            untold: false,
            reading: VecDeque::new(),
            notes: VecDeque::new(),
            adopting: VecDeque::new(),
            claiming: None,
            connecting: false,
            wire: None,
            posting: None,
            bringing: None,
            fetching: VecDeque::new(),
            claimed: BTreeSet::new(),
            home: None,
            classrooms: BTreeMap::new(),
            pages: BTreeMap::new(),
            opening: BTreeSet::new(),
            actors: BTreeMap::new(),
            asked: BTreeMap::new(),
            exported: BTreeMap::new(),
            written: 0,
            traffic: Traffic::default(),
        }
    }

    /// Takes an answer: what was asked, and what is to be done then.
    pub(crate) fn answered(
        &mut self,
        request: u32,
        result: &Result<Answer, Problem>,
    ) -> Result<Then, Broken> {
        let Some(asked) = self.asked.remove(&request) else {
            return Rule::AnswersOnce.broken(format!("{result:?} to a command that does not wait"));
        };
        let is_early = result.is_ok() && asked.written.is_some_and(|before| self.written <= before);
        Rule::PersistsBeforeAnswering.holds(!is_early, || format!("{result:?}"))?;
        Ok(asked.then)
    }

    /// Shows what the replica says, as a real tab does.
    pub(crate) fn show(&mut self, update: Update) -> Result<(), Broken> {
        match update {
            Update::Home(home) => self.home = Some(home),
            Update::Classroom(classroom) => {
                self.classrooms.insert(classroom.id, classroom);
            }
            Update::Opened {
                classroom,
                document,
                saved,
                actor,
                ..
            } => {
                let page = Rule::Speaks.check(Page::load(&saved, actor))?;
                self.pages.insert((classroom, document), page);
                self.actors.insert((classroom, document), actor);
            }
            Update::Changes {
                classroom,
                document,
                changes,
            } => match self.pages.get_mut(&(classroom, document)) {
                Some(page) => {
                    let remote = Rule::Speaks.check(page.apply_changes(&changes))?;
                    Rule::Speaks.holds(remote.refused.is_empty(), || {
                        format!("the tab was handed bad changes: {:?}", remote.refused)
                    })?;
                }
                None => return Rule::Speaks.broken("changes of a page that is not open"),
            },
            Update::Exported { request, part } => {
                self.exported.entry(request).or_default().extend(part);
            }
            // Answers were taken before; the rest shows nothing that is looked at here.
            _ => {}
        }
        Ok(())
    }

    /// The connection is gone, and with it what was brought or asked for.
    pub(crate) fn end_requests(&mut self) {
        self.bringing = None;
        self.fetching.clear();
    }

    pub(crate) fn is_online(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.link != Link::Offline)
    }

    /// Nothing of its own is under way.
    pub(crate) fn is_idle(&self) -> bool {
        let has_asked = self.claiming.is_some() || !self.asked.is_empty();
        !has_asked
            && self.writing.is_none()
            && self.reading.is_empty()
            && self.notes.is_empty()
            && self.adopting.is_empty()
    }

    /// Whether it says that everything in the classroom is on the relay.
    pub(crate) fn is_on_relay(&self, classroom: &ClassroomId) -> bool {
        self.classrooms
            .get(classroom)
            .is_some_and(|classroom| classroom.work == Work::OnTheRelay)
    }

    /// The pages it knows, in a fixed order.
    pub(crate) fn listed(&self) -> Vec<PageKey> {
        let of_classroom = |classroom: &view::Classroom| {
            let id = classroom.id;
            let documents = classroom.documents.iter();
            let documents = documents
                .filter(|document| document.known_kind && classroom.spaces.contains(&document.space));
            documents.map(|document| (id, document.id)).collect::<Vec<_>>()
        };
        self.classrooms.values().flat_map(of_classroom).collect()
    }

    /// The pages of one space.
    pub(crate) fn listed_in(&self, space: SpaceId) -> BTreeSet<PageKey> {
        let is_in = |(classroom, document): &PageKey| {
            self.classrooms.get(classroom).is_some_and(|classroom| {
                let mut documents = classroom.documents.iter();
                documents.any(|shown| shown.id == *document && shown.space == space)
            })
        };
        self.listed().into_iter().filter(is_in).collect()
    }

    /// The text of an open page, a line for each block.
    pub(crate) fn text(&self, key: &PageKey) -> Option<String> {
        let lines: Vec<String> = self.pages.get(key)?.blocks().iter().map(Block::text).collect();
        Some(lines.join("\n"))
    }

    /// Makes an edit in an open page, and says how to tell the replica.
    pub(crate) fn edit(
        &mut self,
        key: &PageKey,
        edits: &[Edit],
        seconds: i64,
    ) -> Result<Option<Command>, Broken> {
        let Some(page) = self.pages.get_mut(key) else {
            return Ok(None);
        };
        Rule::Speaks.check(page.apply(edits))?;
        Ok(page.commit(seconds).map(|change| Command::Change {
            classroom: key.0,
            document: key.1,
            change,
        }))
    }

    /// The places between words of an open page: blocks and offsets.
    pub(crate) fn places(&self, key: &PageKey) -> Vec<(usize, usize)> {
        let blocks = self.pages.get(key).map(Page::blocks).unwrap_or_default();
        let of_block = |(at, block): (usize, &Block)| {
            let text = block.text();
            let ends: Vec<usize> = text.match_indices(']').map(|(end, _)| end + 1).collect();
            std::iter::once(0).chain(ends).map(move |offset| (at, offset))
        };
        blocks.iter().enumerate().flat_map(of_block).collect()
    }
}
