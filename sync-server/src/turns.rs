//! Turns for what takes a while, so many at once, shared fairly: whoever waits for one gets it from those who have more than their
//! share, if they take long.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::Refusal;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Of the time for which somebody waits, the part after which others are taken to take long: one in so many.
const LONG: u32 = 3;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Turns<Of> {
    most: usize,
    patience: Duration,
    free: Arc<Semaphore>,
    users: Mutex<HashMap<Of, User>>,
}

/// Who has turns, or waits for some.
#[derive(Debug, Default)]
struct User {
    waiting: usize,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    over: Arc<Notify>,
}

/// Somebody's turn, free again when dropped.
#[derive(Debug)]
pub(crate) struct Turn<Of: Copy + Eq + Hash> {
    _free: OwnedSemaphorePermit,
    turns: Arc<Turns<Of>>,
    whose: Of,
    over: Arc<Notify>,
}

/// Somebody who waits, until that is dropped.
struct Waiting<'a, Of: Copy + Eq + Hash> {
    turns: &'a Turns<Of>,
    whose: Of,
}

impl<Of: Copy + Eq + Hash> Turns<Of> {
    /// `most` turns, each waited for with this patience.
    pub(crate) fn new(most: usize, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            most,
            patience,
            free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            users: Mutex::default(),
        })
    }

    /// Waits for a turn.
    pub(crate) async fn take(self: &Arc<Self>, whose: Of) -> Result<Turn<Of>, Refusal> {
        let waiting = self.wait(whose);
        let long = self.patience / LONG;
        let mut free = std::pin::pin!(Arc::clone(&self.free).acquire_owned());
        let taken = match timeout(long, &mut free).await {
            Ok(taken) => taken,
            Err(_) => {
                self.end_one_for(&whose, long);
                let rest = timeout(self.patience.saturating_sub(long), free).await;
                rest.map_err(|_| Refusal::Busy)?
            }
        };
        // That there are none any more does not happen.
        let free = taken.map_err(|_| Refusal::Busy)?;
        let over = Arc::new(Notify::new());
        self.users.lock().entry(whose).or_default().held.push(Held {
            since: Instant::now(),
            over: Arc::clone(&over),
        });
        drop(waiting);
        Ok(Turn {
            _free: free,
            turns: Arc::clone(self),
            whose,
            over,
        })
    }

    fn wait(&self, whose: Of) -> Waiting<'_, Of> {
        self.users.lock().entry(whose).or_default().waiting += 1;
        Waiting { turns: self, whose }
    }

    /// Ends the oldest turn of those who have most, if that is more than their share and more than who waits would have, and
    /// has taken long.
    fn end_one_for(&self, whose: &Of, long: Duration) {
        let mut users = self.users.lock();
        let share = (self.most / users.len().max(1)).max(1);
        let own = users.get(whose).map_or(0, |user| user.held.len());
        let Some(user) = users.values_mut().max_by_key(|user| user.held.len()) else {
            return;
        };
        if user.held.len() <= share.max(own + 1) {
            return;
        }
        let oldest = user.held.iter().enumerate().min_by_key(|(_, held)| held.since);
        if let Some((at, held)) = oldest
            && held.since.elapsed() >= long
        {
            user.held.swap_remove(at).over.notify_one();
        }
    }

    /// Somebody who neither has a turn nor waits for one is not known any more.
    fn forget(&self, whose: &Of, change: impl FnOnce(&mut User)) {
        let mut users = self.users.lock();
        if let Some(user) = users.get_mut(whose) {
            change(user);
            if user.waiting == 0 && user.held.is_empty() {
                users.remove(whose);
            }
        }
    }
}

impl<Of: Copy + Eq + Hash> Turn<Of> {
    /// Waits until others need the turn more.
    pub(crate) async fn over(&self) {
        self.over.notified().await;
    }
}

impl<Of: Copy + Eq + Hash> Drop for Turn<Of> {
    fn drop(&mut self) {
        let is_other = |held: &Held| !Arc::ptr_eq(&held.over, &self.over);
        self.turns.forget(&self.whose, |user| user.held.retain(is_other));
    }
}

impl<Of: Copy + Eq + Hash> Drop for Waiting<'_, Of> {
    fn drop(&mut self) {
        self.turns.forget(&self.whose, |user| user.waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use protocol::Refusal;

    use super::{Turn, Turns};

    const PATIENCE: Duration = Duration::from_millis(300);

    fn is_over(turn: &Turn<u8>) -> bool {
        turn.over().now_or_never().is_some()
    }

    #[tokio::test]
    async fn who_has_more_than_their_share_and_takes_long_gives_a_turn_to_who_waits() {
        let turns = Turns::new(4, PATIENCE);
        let greedy: Vec<_> = join_all((0..4).map(|_| turns.take(1))).await;
        let mut greedy: Vec<_> = greedy.into_iter().map(Result::unwrap).collect();
        let (second, ended) = tokio::join!(turns.take(2), async {
            greedy[0].over().await;
            // Others of theirs are left alone.
            assert!(!greedy[1..].iter().any(is_over));
            drop(greedy.remove(0));
            greedy
        });
        let (second, mut greedy) = (second.unwrap(), ended);
        // Three and one: a second one of these gets another, and then each has their share.
        let (third, _) = tokio::join!(turns.take(2), async {
            greedy[0].over().await;
            drop(greedy.remove(0));
        });
        third.as_ref().unwrap();
        assert_eq!(turns.take(2).await.unwrap_err(), Refusal::Busy);
        assert_eq!(turns.take(1).await.unwrap_err(), Refusal::Busy);
        assert!(!greedy.iter().any(is_over) && !is_over(&second));
        drop((greedy, second, third));
        assert!(turns.users.lock().is_empty());
        assert_eq!(turns.free.available_permits(), 4);
    }

    #[tokio::test]
    async fn who_waits_no_more_is_not_counted() {
        let turns = Turns::new(1, PATIENCE);
        let first = turns.take(1).await.unwrap();
        assert!(turns.take(2).now_or_never().is_none());
        assert_eq!(turns.users.lock().len(), 1);
        // The only turn is the share of whoever has it.
        assert_eq!(turns.take(2).await.unwrap_err(), Refusal::Busy);
        assert!(!is_over(&first));
    }
}
