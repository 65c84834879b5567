//! A classroom that somebody has open: its roster, its newest items, and who listens. Lives as long as a connection
//! or an uncommitted submission needs it; everything in it comes from the store.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use protocol::roster::{Entry, Role, Roster};
use protocol::{ClassroomId, EntryHash, MemberId};

use super::inbox::{ChannelKey, Inbox, Whispered};
use crate::Error;
use crate::store::{Item, Placed, Store};

/// How much of a classroom's log is kept at hand for those who are up to date.
const RECENT_ITEMS: usize = 1024;
const RECENT_BYTES: usize = 1024 * 1024;

/// How much is read at a time of what a failed commit may have left.
const SETTLED_BYTES: usize = 1024 * 1024;

/// How many answers to "which role had who at these heads" are remembered.
const MAX_ROLES: usize = 4096;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Classroom {
    id: ClassroomId,
    state: Mutex<State>,
    roles: Mutex<Roles>,
}

#[derive(Debug)]
struct State {
    roster: Arc<Roster>,
    /// The position of the newest item; 0 while nothing is committed.
    last: u64,
    recent: VecDeque<Arc<Placed>>,
    recent_bytes: usize,
    listeners: BTreeMap<u64, Listener>,
    next_listener: u64,
    /// A commit failed: the store may hold more than is known here.
    is_doubtful: bool,
}

#[derive(Debug)]
struct Listener {
    inbox: Arc<Inbox>,
    key: ChannelKey,
    member: MemberId,
}

/// A role at given heads never changes, for the heads name all that it depends on.
type Roles = HashMap<MemberId, HashMap<Vec<EntryHash>, Option<Role>>>;

/// What follows a position.
pub(crate) enum Following {
    /// Up to the wanted number of bytes, from memory; empty if there is nothing.
    Recent(Vec<Arc<Placed>>),
    /// Only the store has it.
    Older,
}

impl Classroom {
    /// Reads a classroom from the store. Blocks.
    fn load(id: &ClassroomId, store: &dyn Store) -> Result<Option<Arc<Self>>, Error> {
        let Some(last) = store.last(id)? else {
            return Ok(None);
        };
        let damaged = |_| Error::Damaged("roster");
        let mut entries = store.entries(id)?.into_iter();
        let founding = entries.next().ok_or(Error::Damaged("roster"))?;
        let mut roster = Roster::found(Entry::decode(&founding).map_err(damaged)?).map_err(damaged)?;
        for entry in entries {
            roster
                .add(Entry::decode(&entry).map_err(damaged)?)
                .map_err(damaged)?;
        }
        Ok(Some(Self::new(roster, last)))
    }

    fn new(roster: Roster, last: u64) -> Arc<Self> {
        Arc::new(Self {
            id: roster.classroom(),
            state: Mutex::new(State {
                roster: Arc::new(roster),
                last,
                recent: VecDeque::new(),
                recent_bytes: 0,
                listeners: BTreeMap::new(),
                next_listener: 0,
                is_doubtful: false,
            }),
            roles: Mutex::default(),
        })
    }

    pub(crate) fn id(&self) -> &ClassroomId {
        &self.id
    }

    /// The roster as far as it is committed.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.state.lock().roster)
    }

    /// The position of the newest item; 0 as long as the founding entry is not committed.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// [`Roster::role_at`], remembered. `roster` is this classroom's, perhaps with uncommitted entries, and knows
    /// `heads`.
    pub(crate) fn role_at(&self, roster: &Roster, member: &MemberId, heads: &[EntryHash]) -> Option<Role> {
        if let Some(role) = self.roles.lock().get(member).and_then(|roles| roles.get(heads)) {
            return *role;
        }
        let role = roster.role_at(member, heads);
        let mut roles = self.roles.lock();
        if roles.values().map(HashMap::len).sum::<usize>() >= MAX_ROLES {
            roles.clear();
        }
        roles.entry(*member).or_default().insert(heads.to_vec(), role);
        role
    }

    /// What follows position `after`, up to position `until` and about `bytes`.
    pub(crate) fn following(&self, after: u64, until: u64, bytes: usize) -> Following {
        let state = self.state.lock();
        if after >= state.last.min(until) {
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

    /// Makes committed items known; answers with the inboxes to wake. The answers to who submitted them must be in
    /// their inboxes already.
    pub(crate) fn publish(&self, items: Vec<Arc<Placed>>, roster: Option<Arc<Roster>>) -> Vec<Arc<Inbox>> {
        let mut state = self.state.lock();
        if let Some(roster) = roster {
            state.roster = roster;
        }
        for placed in items {
            state.last = placed.position;
            state.recent_bytes += placed.item.size();
            state.recent.push_back(placed);
        }
        while state.recent.len() > RECENT_ITEMS || state.recent_bytes > RECENT_BYTES {
            let Some(oldest) = state.recent.pop_front() else {
                break;
            };
            state.recent_bytes -= oldest.item.size();
        }
        state
            .listeners
            .values()
            .map(|listener| Arc::clone(&listener.inbox))
            .collect()
    }

    /// A commit failed: it is not known what the store holds until [`Classroom::settle`] looks.
    pub(crate) fn doubt(&self) {
        self.state.lock().is_doubtful = true;
    }

    /// Makes known what the store took although it said that it failed, so that no position is given twice. Blocks if
    /// there was a doubt.
    pub(crate) fn settle(&self, store: &dyn Store) -> Result<(), Error> {
        if !self.state.lock().is_doubtful {
            return Ok(());
        }
        loop {
            let items = store.page(&self.id, self.last(), SETTLED_BYTES)?;
            if items.is_empty() {
                break;
            }
            let mut roster = self.roster();
            for placed in &items {
                if let Item::Entry { bytes, .. } = &placed.item {
                    let damaged = |_| Error::Damaged("roster");
                    let entry = Entry::decode(bytes).map_err(damaged)?;
                    if !roster.knows(&[entry.hash()]) {
                        Arc::make_mut(&mut roster).add(entry).map_err(damaged)?;
                    }
                }
            }
            for inbox in self.publish(items.into_iter().map(Arc::new).collect(), Some(roster)) {
                inbox.wake();
            }
        }
        self.state.lock().is_doubtful = false;
        Ok(())
    }

    /// Puts a whisper into the inboxes of all members who listen, except on the channel it came from.
    pub(crate) fn whisper(&self, inbox: &Arc<Inbox>, key: ChannelKey, whisper: &Arc<[u8]>, max: usize) {
        let state = self.state.lock();
        for listener in state.listeners.values() {
            let is_sender = listener.key == key && Arc::ptr_eq(&listener.inbox, inbox);
            if !is_sender && state.roster.member(&listener.member).is_some() {
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
}

impl Classrooms {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            open: Mutex::default(),
            loading: Mutex::default(),
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
        let classroom = Classroom::new(roster.clone(), 0);
        self.remember(&classroom);
        Ok(classroom)
    }

    fn load_once(&self, id: &ClassroomId) -> Result<Option<Arc<Classroom>>, Error> {
        if let Some(classroom) = self.at_hand(id) {
            return Ok(Some(classroom));
        }
        let loaded = Classroom::load(id, self.store.as_ref())?;
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
