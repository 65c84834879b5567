//! A classroom that somebody has open: its roster, its newest items, and who listens. Lives as long as a connection
//! or an uncommitted submission needs it; everything in it comes from the store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use protocol::roster::{Entry, Roster};
use protocol::segment::{Header, Log};
use protocol::{ClassroomId, DocumentId, EntryHash, MemberId, SpaceId};

use super::catalog::Catalog;
use super::inbox::{ChannelKey, Inbox, Note, Whispered};
use crate::Error;
use crate::store::{Change, Item, Placed, Store, Totals};

/// How much of a classroom's log is kept at hand for those who are up to date.
const RECENT_ITEMS: usize = 1024;
const RECENT_BYTES: usize = 1024 * 1024;

/// Of how many logs it is remembered that their segments count.
const MAX_FITS: usize = 4096;

/// How long a classroom that was founded here waits for those who belong to it, in seconds: they come as soon as they can.
const FRESH: u64 = 600;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Classroom {
    id: ClassroomId,
    state: Mutex<State>,
    fits: Mutex<Fits>,
    /// Held while it is looked what the store took, so that nothing older is put in the place of what came since.
    settling: Mutex<()>,
    /// When it was founded here, if that was since the relay started.
    founded: AtomicU64,
}

#[derive(Debug)]
struct State {
    at_hand: AtHand,
    recent: VecDeque<Arc<Placed>>,
    recent_bytes: usize,
    listeners: BTreeMap<u64, Listener>,
    next_listener: u64,
    /// How many segments each document got since a snapshot, or since somebody was asked for one.
    grown: HashMap<DocumentId, u64>,
    /// Who was asked last.
    asked: u64,
    /// A commit failed: the store may hold more than is known here.
    is_doubtful: bool,
}

/// What is committed, as far as it is at hand.
#[derive(Debug, Clone)]
pub(crate) struct AtHand {
    pub(crate) roster: Arc<Roster>,
    /// The positions of its entries, in the order in which it got them.
    pub(crate) entries: Arc<Vec<u64>>,
    pub(crate) catalog: Catalog,
    /// The position of the newest item; 0 as long as the founding entry is not committed.
    pub(crate) last: u64,
    /// The positions that were passed over: those behind the first of each pair, up to the second.
    pub(crate) leaps: Arc<Vec<(u64, u64)>>,
    /// Of all items, about.
    pub(crate) bytes: u64,
    /// Of what is kept beside them.
    pub(crate) covered: u64,
}

#[derive(Debug)]
struct Listener {
    inbox: Arc<Inbox>,
    key: ChannelKey,
    member: MemberId,
}

/// Logs whose segments count by this roster, if they name the same space, epoch and heads.
#[derive(Debug)]
struct Fits {
    roster: Arc<Roster>,
    known: HashMap<Log, (SpaceId, u32, Vec<EntryHash>)>,
}

/// Of how many classrooms that were last wanted for an exchange the newest are kept in memory.
const KEPT: usize = 16;

/// What follows a position.
pub(crate) enum Following {
    /// Up to the wanted number of bytes, from memory; empty if there is nothing.
    Recent(Vec<Arc<Placed>>),
    /// Only the store has it.
    Older,
}

impl AtHand {
    /// Reads it from the store. Blocks. Who belongs is not guessed from a part of the roster: somebody who was removed might
    /// come back by that.
    fn load(id: &ClassroomId, store: &dyn Store) -> Result<Option<Self>, Error> {
        let Some(totals) = store.totals(id)? else {
            return Ok(None);
        };
        let damaged = |error: protocol::Error| {
            tracing::error!(
                classroom = id.to_hex(),
                error = &error as &dyn std::error::Error,
                "the roster is damaged: the classroom is not served"
            );
            Error::Damaged("roster")
        };
        let mut entries = store.entries(id)?.into_iter();
        let (first, founding) = entries.next().ok_or(Error::Damaged("roster"))?;
        let mut roster = Roster::found(Entry::decode(&founding).map_err(damaged)?).map_err(damaged)?;
        let mut positions = vec![first];
        for (position, entry) in entries {
            roster
                .add(Entry::decode(&entry).map_err(damaged)?)
                .map_err(damaged)?;
            positions.push(position);
        }
        Ok(Some(Self {
            roster: Arc::new(roster),
            entries: Arc::new(positions),
            catalog: Catalog::load(id, store)?,
            last: totals.last,
            leaps: Arc::new(store.leaps(id)?),
            bytes: totals.bytes,
            covered: totals.covered,
        }))
    }
}

impl Classroom {
    fn new(id: ClassroomId, at_hand: AtHand) -> Arc<Self> {
        let roster = Arc::clone(&at_hand.roster);
        Arc::new(Self {
            id,
            state: Mutex::new(State {
                at_hand,
                recent: VecDeque::new(),
                recent_bytes: 0,
                listeners: BTreeMap::new(),
                next_listener: 0,
                grown: HashMap::new(),
                asked: 0,
                is_doubtful: false,
            }),
            fits: Mutex::new(Fits {
                roster,
                known: HashMap::new(),
            }),
            settling: Mutex::new(()),
            founded: AtomicU64::new(0),
        })
    }

    /// Notes that it was founded here, in seconds since 1970: for the first time, or again by somebody who has it.
    pub(crate) fn note_founded(&self, now: u64) {
        self.founded.store(now, Ordering::Relaxed);
    }

    /// Whether it was founded here a moment ago, so that those may still be missing who belong to it.
    pub(crate) fn is_fresh(&self, now: u64) -> bool {
        let founded = self.founded.load(Ordering::Relaxed);
        (founded..founded.saturating_add(FRESH)).contains(&now)
    }

    pub(crate) fn id(&self) -> &ClassroomId {
        &self.id
    }

    pub(crate) fn at_hand(&self) -> AtHand {
        self.state.lock().at_hand.clone()
    }

    /// The roster as far as it is committed.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.state.lock().at_hand.roster)
    }

    pub(crate) fn catalog(&self) -> Catalog {
        self.state.lock().at_hand.catalog.clone()
    }

    /// The position of the newest item; 0 as long as the founding entry is not committed.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().at_hand.last
    }

    /// Whether a position was given out, as far as the store knows: if not, it was put back from a backup.
    pub(crate) fn gave(&self, position: u64) -> bool {
        let state = self.state.lock();
        let leaps = &state.at_hand.leaps;
        let was_passed_over = leaps
            .iter()
            .any(|(after, last)| *after < position && position <= *last);
        position <= state.at_hand.last && !was_passed_over
    }

    /// Whether somebody lacks roster entries though they were told all up to a position: these are the heads that they know.
    pub(crate) fn is_short(&self, heads: &[EntryHash], position: u64) -> bool {
        let (roster, entries) = {
            let state = self.state.lock();
            (
                Arc::clone(&state.at_hand.roster),
                Arc::clone(&state.at_hand.entries),
            )
        };
        let told = entries.partition_point(|entry| *entry <= position);
        roster.shows_lack(heads, told)
    }

    /// Whether a segment with this header counts, for sure, by `roster`.
    pub(crate) fn is_known_to_fit(&self, roster: &Arc<Roster>, header: &Header) -> bool {
        let fits = self.fits.lock();
        Arc::ptr_eq(&fits.roster, roster)
            && fits.known.get(&header.log).is_some_and(|(space, epoch, heads)| {
                *space == header.space && *epoch == header.epoch && *heads == header.roster
            })
    }

    /// Remembers that a segment with this header counts by `roster`.
    pub(crate) fn remember_fit(&self, roster: &Arc<Roster>, header: &Header) {
        // Other indices of a log that is cut may not count.
        if roster.cutoff(&header.log).is_some() {
            return;
        }
        let mut fits = self.fits.lock();
        if !Arc::ptr_eq(&fits.roster, roster) {
            fits.roster = Arc::clone(roster);
            fits.known.clear();
        }
        if fits.known.len() >= MAX_FITS {
            fits.known.clear();
        }
        fits.known
            .insert(header.log, (header.space, header.epoch, header.roster.clone()));
    }

    /// What follows position `after`, up to position `until` and about `bytes`.
    pub(crate) fn following(&self, after: u64, until: u64, bytes: usize) -> Following {
        let state = self.state.lock();
        if after >= state.at_hand.last.min(until) {
            return Following::Recent(Vec::new());
        }
        match state.recent.front() {
            Some(oldest) if oldest.position <= after + 1 => {}
            _ => return Following::Older,
        }
        let start = state.recent.partition_point(|placed| placed.position <= after);
        let mut size = 0;
        let items = state
            .recent
            .range(start..)
            .take_while(|placed| {
                let wanted = placed.position <= until && size < bytes;
                size += placed.item.size();
                wanted
            })
            .cloned()
            .collect();
        Following::Recent(items)
    }

    /// Makes committed changes known; answers with the inboxes to wake. The answers to who submitted them must be in
    /// their inboxes already.
    pub(crate) fn publish(
        &self,
        changes: &[Change],
        roster: Option<Arc<Roster>>,
        catalog: Catalog,
    ) -> Vec<Arc<Inbox>> {
        let mut state = self.state.lock();
        if let Some(roster) = roster {
            state.at_hand.roster = roster;
        }
        state.at_hand.catalog = catalog;
        for change in changes {
            state.apply(change);
        }
        state.listening().collect()
    }

    /// Corrects how many bytes there are.
    pub(crate) fn weigh(&self, totals: Totals) {
        let mut state = self.state.lock();
        state.at_hand.bytes = totals.bytes;
        state.at_hand.covered = totals.covered;
    }

    /// Asks a writer who listens for a snapshot of each document that has got `after` segments since the last one.
    /// Answers with the inboxes to wake. Blocks if there is such a document.
    pub(crate) fn ask_for_snapshots(&self, after: u64, store: &dyn Store) -> Result<Vec<Arc<Inbox>>, Error> {
        let (mut due, catalog, roster): (Vec<DocumentId>, _, _) = {
            let mut state = self.state.lock();
            let due: Vec<_> = state
                .grown
                .extract_if(|_, grown| *grown >= after)
                .map(|(document, _)| document)
                .collect();
            if due.is_empty() {
                return Ok(Vec::new());
            }
            let AtHand { catalog, roster, .. } = state.at_hand.clone();
            (due, catalog, roster)
        };
        due.sort_unstable();
        let mut asked = Vec::new();
        for document in due {
            let Some(space) = catalog.space_of(&document) else {
                continue;
            };
            let newest = catalog.snapshots_of(&document).next();
            let covered = newest.map_or(0, |(_, snapshot)| snapshot.position);
            if store.count(&self.id, &document, covered)? < after {
                continue;
            }
            let mut state = self.state.lock();
            let may_write = |listener: &Listener| {
                roster
                    .member(&listener.member)
                    .is_some_and(|member| member.role.may_write())
                    && roster.is_in_space(&listener.member, &space)
            };
            // In turn, so that nobody is asked all the time.
            let after_last = state.listeners.range(state.asked + 1..);
            let chosen = after_last
                .chain(state.listeners.iter())
                .find(|(_, listener)| may_write(listener));
            if let Some((number, listener)) = chosen {
                let number = *number;
                listener.inbox.leave(Note::WantSnapshot {
                    key: listener.key,
                    document,
                });
                asked.push(Arc::clone(&listener.inbox));
                state.asked = number;
            }
        }
        Ok(asked)
    }

    /// Whether it is not known what the store holds.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.state.lock().is_doubtful
    }

    /// A commit failed: it is not known what the store holds until [`Classroom::settle`] looks.
    pub(crate) fn doubt(&self) {
        self.state.lock().is_doubtful = true;
    }

    /// Makes known what the store took although it said that it failed, so that no position is given twice. Blocks if
    /// there was a doubt.
    pub(crate) fn settle(&self, store: &dyn Store) -> Result<(), Error> {
        let _settling = self.settling.lock();
        if !self.is_doubtful() {
            return Ok(());
        }
        let loaded = AtHand::load(&self.id, store)?;
        let mut state = self.state.lock();
        if let Some(at_hand) = loaded {
            state.at_hand = at_hand;
        }
        state.recent.clear();
        state.recent_bytes = 0;
        state.is_doubtful = false;
        let listening: Vec<_> = state.listening().collect();
        drop(state);
        for inbox in listening {
            inbox.wake();
        }
        Ok(())
    }

    /// Puts a whisper into the inboxes of all members of its space who listen, except on the channel it came from.
    pub(crate) fn whisper(
        &self,
        inbox: &Arc<Inbox>,
        key: ChannelKey,
        space: &SpaceId,
        whisper: &Arc<[u8]>,
        max: usize,
    ) {
        let state = self.state.lock();
        for listener in state.listeners.values() {
            let is_sender = listener.key == key && Arc::ptr_eq(&listener.inbox, inbox);
            if !is_sender && state.at_hand.roster.is_in_space(&listener.member, space) {
                listener.inbox.whisper(
                    Whispered {
                        key: listener.key,
                        whisper: Arc::clone(whisper),
                    },
                    max,
                );
            }
        }
    }

    /// Wakes `inbox` for whatever is published from now on, until the answer is dropped.
    pub(crate) fn listen(
        self: &Arc<Self>,
        inbox: Arc<Inbox>,
        key: ChannelKey,
        member: MemberId,
    ) -> Listening {
        let mut state = self.state.lock();
        let number = state.next_listener;
        state.next_listener += 1;
        state.listeners.insert(number, Listener { inbox, key, member });
        drop(state);
        Listening {
            classroom: Arc::clone(self),
            number,
        }
    }
}

impl State {
    fn listening(&self) -> impl Iterator<Item = Arc<Inbox>> {
        self.listeners
            .values()
            .map(|listener| Arc::clone(&listener.inbox))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Place(placed) => {
                self.at_hand.last = placed.position;
                self.at_hand.bytes += placed.item.size() as u64;
                self.recent_bytes += placed.item.size();
                self.recent.push_back(Arc::clone(placed));
                if let Item::Entry { .. } = placed.item {
                    Arc::make_mut(&mut self.at_hand.entries).push(placed.position);
                }
                if let Some(header) = segment_of(placed) {
                    *self.grown.entry(header.log.document).or_default() += 1;
                }
                while self.recent.len() > RECENT_ITEMS || self.recent_bytes > RECENT_BYTES {
                    let Some(oldest) = self.recent.pop_front() else {
                        break;
                    };
                    self.recent_bytes -= oldest.item.size();
                }
            }
            Change::Leap { to } => {
                let last = self.at_hand.last;
                Arc::make_mut(&mut self.at_hand.leaps).push((last, *to));
                self.at_hand.last = *to;
            }
            Change::Remove { position } => self.forget_recent(|placed| placed.position == *position),
            Change::RemoveSegments { log, from, to } | Change::Cover { log, from, to } => {
                self.forget_recent(|placed| {
                    segment_of(placed)
                        .is_some_and(|header| header.log == *log && (*from..=*to).contains(&header.last))
                });
            }
            Change::Uncover { parts, position, .. } => {
                self.at_hand.last = position + (parts.len() as u64).saturating_sub(1);
                // They are read from the store.
                self.recent.clear();
                self.recent_bytes = 0;
            }
            Change::Erase { document } => {
                self.grown.remove(document);
                self.forget_recent(|placed| {
                    segment_of(placed).is_some_and(|header| header.log.document == *document)
                });
            }
            Change::Piece { bytes, .. } => self.at_hand.bytes += bytes.len() as u64,
            // How many bytes they come to is asked of the store.
            Change::Chunk { .. }
            | Change::Claim { .. }
            | Change::Unclaim { .. }
            | Change::RemovePiece { .. }
            | Change::KeepCovered { .. }
            | Change::ForgetCovered { .. } => {}
        }
    }

    fn forget_recent(&mut self, is_gone: impl Fn(&Placed) -> bool) {
        let mut freed = 0;
        self.recent.retain(|placed| {
            let goes = is_gone(placed);
            if goes {
                freed += placed.item.size();
            }
            !goes
        });
        self.recent_bytes -= freed;
    }
}

fn segment_of(placed: &Placed) -> Option<&Header> {
    match &placed.item {
        Item::Segment { segment, .. } => Some(&segment.header),
        _ => None,
    }
}

/// A connection that listens to a classroom.
#[derive(Debug)]
pub(crate) struct Listening {
    classroom: Arc<Classroom>,
    number: u64,
}

impl Listening {
    pub(crate) fn classroom(&self) -> &Arc<Classroom> {
        &self.classroom
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.classroom.state.lock().listeners.remove(&self.number);
    }
}

/// The classrooms that are open now, each once.
pub(crate) struct Classrooms {
    store: Arc<dyn Store>,
    open: Mutex<HashMap<ClassroomId, Weak<Classroom>>>,
    /// Held while one is loaded, so that no two copies of one exist.
    loading: Mutex<()>,
    /// Those that exchanges wanted last, the newest behind.
    kept: Mutex<VecDeque<Arc<Classroom>>>,
}

impl Classrooms {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            open: Mutex::default(),
            loading: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// The classroom, if somebody has it open.
    pub(crate) fn at_hand(&self, id: &ClassroomId) -> Option<Arc<Classroom>> {
        self.open.lock().get(id).and_then(Weak::upgrade)
    }

    /// The classroom, from memory or the store. Blocks.
    pub(crate) fn load(&self, id: &ClassroomId) -> Result<Option<Arc<Classroom>>, Error> {
        let _loading = self.loading.lock();
        self.load_once(id)
    }

    /// The classroom; a new one, with nothing committed, if it is not on this relay. Blocks.
    pub(crate) fn load_or_found(&self, roster: &Roster) -> Result<Arc<Classroom>, Error> {
        let _loading = self.loading.lock();
        if let Some(classroom) = self.load_once(&roster.classroom())? {
            return Ok(classroom);
        }
        let classroom = Classroom::new(
            roster.classroom(),
            AtHand {
                roster: Arc::new(roster.clone()),
                entries: Arc::default(),
                catalog: Catalog::default(),
                last: 0,
                leaps: Arc::default(),
                bytes: 0,
                covered: 0,
            },
        );
        self.remember(&classroom);
        Ok(classroom)
    }

    /// Keeps a classroom in memory for a while, whether somebody has it open or not.
    pub(crate) fn keep(&self, classroom: &Arc<Classroom>) {
        if classroom.last() == 0 {
            return;
        }
        let mut kept = self.kept.lock();
        kept.retain(|known| !Arc::ptr_eq(known, classroom));
        kept.push_back(Arc::clone(classroom));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }

    fn load_once(&self, id: &ClassroomId) -> Result<Option<Arc<Classroom>>, Error> {
        if let Some(classroom) = self.at_hand(id) {
            classroom.settle(self.store.as_ref())?;
            return Ok(Some(classroom));
        }
        let loaded = AtHand::load(id, self.store.as_ref())?;
        let loaded = loaded.map(|at_hand| Classroom::new(*id, at_hand));
        if let Some(classroom) = &loaded {
            self.remember(classroom);
        }
        Ok(loaded)
    }

    fn remember(&self, classroom: &Arc<Classroom>) {
        let mut open = self.open.lock();
        open.retain(|_, classroom| classroom.strong_count() > 0);
        open.insert(*classroom.id(), Arc::downgrade(classroom));
    }
}
