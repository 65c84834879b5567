//! A classroom that somebody has open: its roster, its newest items, and who listens. Lives as long as a connection
//! or an uncommitted submission needs it; everything in it comes from the store.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use protocol::roster::{Entry, Role, Roster};
use protocol::{ClassroomId, EntryHash, MemberId, Refusal};

use crate::Error;
use crate::inbox::{ChannelKey, Inbox, Whispered};
use crate::store::{Placed, Store};

/// How much of a classroom's log is kept at hand for those who are up to date.
const RECENT_ITEMS: usize = 1024;
const RECENT_BYTES: usize = 1024 * 1024;

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
    /// The position of the newest item.
    last: u64,
    recent: VecDeque<Arc<Placed>>,
    recent_bytes: usize,
    listeners: HashMap<u64, Listener>,
    next_listener: u64,
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
    /// Founds a classroom; its founding entry takes the first position when the writer publishes it.
    pub(crate) fn found(roster: Roster) -> Arc<Self> {
        Self::new(roster, 0)
    }

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
                listeners: HashMap::new(),
                next_listener: 0,
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

    /// The position of the newest item.
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
    pub(crate) fn publish(&self, items: Vec<Arc<Placed>>, roster: Option<Roster>) -> Vec<Arc<Inbox>> {
        let mut state = self.state.lock();
        if let Some(roster) = roster {
            state.roster = Arc::new(roster);
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
    /// Held while one is loaded or founded, so that no two copies of one exist.
    loading: tokio::sync::Mutex<()>,
}

impl Classrooms {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            open: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
        }
    }

    /// The classroom, from memory or the store.
    pub(crate) async fn open(&self, id: &ClassroomId) -> Result<Arc<Classroom>, Refusal> {
        if let Some(classroom) = self.at_hand(id) {
            return Ok(classroom);
        }
        let _loading = self.loading.lock().await;
        self.load(id).await?.ok_or(Refusal::UnknownClassroom)
    }

    /// The classroom if it is on this relay; otherwise runs `found`, which must commit it.
    pub(crate) async fn open_or_found(
        &self,
        id: &ClassroomId,
        found: impl Future<Output = Result<Arc<Classroom>, Refusal>>,
    ) -> Result<(Arc<Classroom>, Opened), Refusal> {
        let _loading = self.loading.lock().await;
        if let Some(classroom) = self.load(id).await? {
            return Ok((classroom, Opened::Known));
        }
        let classroom = found.await?;
        self.remember(&classroom);
        Ok((classroom, Opened::Founded))
    }

    async fn load(&self, id: &ClassroomId) -> Result<Option<Arc<Classroom>>, Refusal> {
        if let Some(classroom) = self.at_hand(id) {
            return Ok(Some(classroom));
        }
        let (store, id) = (Arc::clone(&self.store), *id);
        let loaded = tokio::task::spawn_blocking(move || Classroom::load(&id, store.as_ref()))
            .await
            .map_err(|_| Error::Ended("loading a classroom"))
            .flatten();
        match loaded {
            Ok(loaded) => {
                if let Some(classroom) = &loaded {
                    self.remember(classroom);
                }
                Ok(loaded)
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "cannot load a classroom"
                );
                Err(Refusal::Storage)
            }
        }
    }

    fn at_hand(&self, id: &ClassroomId) -> Option<Arc<Classroom>> {
        self.open.lock().get(id).and_then(Weak::upgrade)
    }

    fn remember(&self, classroom: &Arc<Classroom>) {
        let mut open = self.open.lock();
        open.retain(|_, classroom| classroom.strong_count() > 0);
        open.insert(*classroom.id(), Arc::downgrade(classroom));
    }
}

/// See [`Classrooms::open_or_found`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    Known,
    Founded,
}
