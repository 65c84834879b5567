//! Turns for what takes a while, so many at once, shared fairly. One that comes free goes to whoever has fewest of those who wait; and
//! whoever waits for long gets one from those who have more than their share, if they take long.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use protocol::Refusal;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Of the time for which somebody waits, the part after which others are taken to take long, and after which it is looked again
/// whether one of them must give way: one in so many.
const LONG: u32 = 3;

/// What somebody has a turn for.
pub(crate) trait Work: Send + Sync {
    /// How many bytes of it are done: as much is lost if it has to begin again.
    fn done(&self) -> u64;

    /// Ends it, because others need the turn more.
    fn end(&self);
}

/// Turns of groups, and of each one in a group. See the [module](self).
pub(crate) struct Turns<Group, One> {
    most: usize,
    patience: Duration,
    state: Mutex<State<Group, One>>,
}

struct State<Group, One> {
    free: usize,
    /// Turns that were ended and are not free yet.
    ending: usize,
    /// Of those who wait, how many have waited for long.
    impatient: usize,
    /// The number of who comes next.
    next: u64,
    /// All who have turns, or wait for some.
    groups: HashMap<Group, Users<One>>,
}

struct Users<One> {
    held: Vec<Held<One>>,
    /// In the order in which they came.
    waiting: Vec<Waiter<One>>,
}

struct Held<One> {
    number: u64,
    whose: One,
    since: Instant,
    work: Arc<dyn Work>,
}

struct Waiter<One> {
    number: u64,
    whose: One,
    work: Arc<dyn Work>,
    /// How many turns their group may have.
    most: usize,
    is_impatient: bool,
    granted: oneshot::Sender<()>,
}

/// Somebody's turn, or that they wait for one. Free again when dropped.
pub(crate) struct Turn<Group: Copy + Eq + Hash, One: Copy + Eq + Hash> {
    turns: Arc<Turns<Group, One>>,
    group: Group,
    number: u64,
}

impl<Group: Copy + Eq + Hash, One: Copy + Eq + Hash> Turns<Group, One> {
    /// `most` turns, each waited for with this patience.
    pub(crate) fn new(most: usize, patience: Duration) -> Arc<Self> {
        let state = State {
            free: most,
            ending: 0,
            impatient: 0,
            next: 0,
            groups: HashMap::new(),
        };
        Arc::new(Self {
            most,
            patience,
            state: Mutex::new(state),
        })
    }

    /// Waits for a turn of one in a group that may have `most` of them.
    pub(crate) async fn take(
        self: &Arc<Self>,
        group: Group,
        whose: One,
        most: usize,
        work: Arc<dyn Work>,
    ) -> Result<Turn<Group, One>, Refusal> {
        let (granted, mut grant) = oneshot::channel();
        let turn = self.wait(group, |number| Waiter {
            number,
            whose,
            work,
            most,
            is_impatient: false,
            granted,
        });
        let long = self.patience / LONG;
        for looks_left in (0..LONG).rev() {
            match timeout(long, &mut grant).await {
                // Nobody gives up the other end but with a grant.
                Ok(granted) => return granted.map(|()| turn).map_err(|_| Refusal::Busy),
                Err(_) if looks_left > 0 => self.state.lock().end_one_for(&turn, self.most, long),
                Err(_) => {}
            }
        }
        Err(Refusal::Busy)
    }

    fn wait(self: &Arc<Self>, group: Group, waiter: impl FnOnce(u64) -> Waiter<One>) -> Turn<Group, One> {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        state.users(group).waiting.push(waiter(number));
        state.pass_on();
        Turn {
            turns: Arc::clone(self),
            group,
            number,
        }
    }
}

impl<Group: Copy + Eq + Hash, One: Copy + Eq + Hash> State<Group, One> {
    fn users(&mut self, group: Group) -> &mut Users<One> {
        self.groups.entry(group).or_insert_with(|| Users {
            held: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// Gives what is free to those who wait: to the group that has fewest, in it to who has fewest, and of several to who has waited
    /// longest.
    fn pass_on(&mut self) {
        while self.free > 0 {
            let may_have = |users: &&mut Users<One>| {
                let waiter = users.waiting.first();
                waiter.is_some_and(|waiter| users.held.len() < waiter.most)
            };
            let waited = |users: &Users<One>| users.waiting.first().map(|waiter| waiter.number);
            let groups = self.groups.values_mut().filter(may_have);
            let Some(users) = groups.min_by_key(|users| (users.held.len(), waited(users))) else {
                return;
            };
            let next = users.waiting.iter().enumerate();
            let next = next.min_by_key(|(_, waiter)| (users.count(&waiter.whose), waiter.number));
            let Some((at, _)) = next else {
                return;
            };
            let waiter = users.waiting.remove(at);
            self.impatient -= usize::from(waiter.is_impatient);
            self.free -= 1;
            users.held.push(Held {
                number: waiter.number,
                whose: waiter.whose,
                since: Instant::now(),
                work: waiter.work,
            });
            // Who does not wait any more gives it back.
            waiter.granted.send(()).ok();
        }
    }

    /// Ends a turn that has taken long, unless as many end already as are waited for: of a group that has most, if that is more than
    /// its share and more than the group of who waits would have; else of the own group, by the same measure between those in it.
    fn end_one_for(&mut self, waits: &Turn<Group, One>, most: usize, long: Duration) {
        let share = (most / self.groups.len().max(1)).max(1);
        let highest = self.groups.values().map(|users| users.held.len()).max();
        let Some(own) = self.groups.get_mut(&waits.group) else {
            return;
        };
        let Some(at) = own
            .waiting
            .iter()
            .position(|waiter| waiter.number == waits.number)
        else {
            return;
        };
        let was_impatient = std::mem::replace(&mut own.waiting[at].is_impatient, true);
        self.impatient += usize::from(!was_impatient);
        if self.ending >= self.impatient {
            return;
        }
        let (held, waiter) = (own.held.len(), &own.waiting[at]);
        let highest = highest.unwrap_or_default();
        let is_of_others = held < waiter.most && highest > share.max(held + 1);
        let least = if is_of_others {
            1
        } else {
            let share = held / own.members();
            share.max(own.count(&waiter.whose) + 1) + 1
        };
        let from = self.groups.iter_mut().filter(|(group, users)| {
            if is_of_others {
                users.held.len() == highest
            } else {
                **group == waits.group
            }
        });
        let ends =
            from.filter_map(|(_, users)| users.costs_least(least, long).map(|(at, cost)| (users, at, cost)));
        if let Some((users, at, _)) = ends.min_by_key(|(_, _, cost)| *cost) {
            let held = users.held.swap_remove(at);
            self.ending += 1;
            held.work.end();
        }
    }

    /// Takes somebody out, who may wait or have a turn.
    fn leave(&mut self, turn: &Turn<Group, One>) {
        let users = self.users(turn.group);
        let is_it = |number: u64| number == turn.number;
        let waits = users.waiting.iter().position(|waiter| is_it(waiter.number));
        let holds = users.held.iter().position(|held| is_it(held.number));
        if let Some(at) = waits {
            let waiter = users.waiting.remove(at);
            self.impatient -= usize::from(waiter.is_impatient);
        } else {
            match holds {
                Some(at) => drop(users.held.swap_remove(at)),
                None => self.ending -= 1,
            }
            self.free += 1;
        }
        let users = self.users(turn.group);
        if users.held.is_empty() && users.waiting.is_empty() {
            self.groups.remove(&turn.group);
        }
        self.pass_on();
    }
}

impl<One: Copy + Eq + Hash> Users<One> {
    /// How many turns one of them has.
    fn count(&self, whose: &One) -> usize {
        self.held.iter().filter(|held| held.whose == *whose).count()
    }

    /// How many they are.
    fn members(&self) -> usize {
        let held = self.held.iter().map(|held| held.whose);
        let waiting = self.waiting.iter().map(|waiter| waiter.whose);
        let members: HashSet<_> = held.chain(waiting).collect();
        members.len().max(1)
    }

    /// Of whoever has most turns, if `least` or more, the one that has taken long and has least done, the newest of several: the
    /// others are nearer to their end, and less is lost. With what it costs.
    fn costs_least(&self, least: usize, long: Duration) -> Option<(usize, (u64, Reverse<Instant>))> {
        let counts: Vec<_> = self.held.iter().map(|held| self.count(&held.whose)).collect();
        let most = *counts.iter().max()?;
        let ends = self.held.iter().zip(counts).enumerate();
        let ends =
            ends.filter(|(_, (held, count))| *count == most && most >= least && held.since.elapsed() >= long);
        let costs = ends.map(|(at, (held, _))| (at, (held.work.done(), Reverse(held.since))));
        costs.min_by_key(|(_, cost)| *cost)
    }
}

impl<Group: Copy + Eq + Hash, One: Copy + Eq + Hash> Drop for Turn<Group, One> {
    fn drop(&mut self) {
        self.turns.state.lock().leave(self);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use protocol::Refusal;
    use tokio::sync::Notify;

    use super::{Turn, Turns, Work};

    const PATIENCE: Duration = Duration::from_millis(300);

    #[derive(Default)]
    struct Task {
        done: AtomicU64,
        is_over: AtomicBool,
        over: Notify,
    }

    impl Work for Task {
        fn done(&self) -> u64 {
            self.done.load(Ordering::Relaxed)
        }

        fn end(&self) {
            self.is_over.store(true, Ordering::Relaxed);
            self.over.notify_one();
        }
    }

    type OfTwo = Turns<u8, char>;

    /// A turn, and what it is for.
    type Taken = (Turn<u8, char>, Arc<Task>);

    async fn take_some(turns: &Arc<OfTwo>, group: u8, whose: char, most: usize) -> Result<Taken, Refusal> {
        let task = Arc::new(Task::default());
        let turn = turns.take(group, whose, most, Arc::clone(&task) as _).await?;
        Ok((turn, task))
    }

    async fn take(turns: &Arc<OfTwo>, group: u8, whose: char) -> Result<Taken, Refusal> {
        take_some(turns, group, whose, usize::MAX).await
    }

    async fn take_all<const N: usize>(turns: &Arc<OfTwo>, whose: [(u8, char); N]) -> Vec<Taken> {
        let taken = join_all(whose.map(|(group, whose)| take(turns, group, whose))).await;
        taken.into_iter().map(Result::unwrap).collect()
    }

    fn is_over((_, task): &Taken) -> bool {
        task.is_over.load(Ordering::Relaxed)
    }

    fn is_as_new(turns: &OfTwo, most: usize) -> bool {
        let state = turns.state.lock();
        state.groups.is_empty() && (state.free, state.ending, state.impatient) == (most, 0, 0)
    }

    #[tokio::test]
    async fn who_has_more_than_their_share_and_takes_long_gives_a_turn_to_who_waits() {
        let turns = Turns::new(4, PATIENCE);
        let mut greedy = take_all(&turns, [(1, 'a'); 4]).await;
        // Of these least is lost with the third; of the others, which are as far, the newest.
        for (taken, done) in greedy.iter().zip([10, 10, 3, 10]) {
            taken.1.done.store(done, Ordering::Relaxed);
        }
        let (second, mut greedy) = tokio::join!(take(&turns, 2, 'b'), async {
            greedy[2].1.over.notified().await;
            drop(greedy.remove(2));
            greedy
        });
        assert!(!greedy.iter().any(is_over));
        // Three and one: a second one of these gets another, and then each has their share.
        let (third, mut greedy) = tokio::join!(take(&turns, 2, 'b'), async {
            greedy[2].1.over.notified().await;
            drop(greedy.pop());
            greedy
        });
        let others = [second.unwrap(), third.unwrap()];
        for (group, whose) in [(2, 'b'), (1, 'a')] {
            let refused = take(&turns, group, whose).await;
            assert_eq!(refused.err(), Some(Refusal::Busy));
        }
        assert!(!greedy.iter().chain(&others).any(is_over));
        drop(greedy.pop());
        drop((greedy, others));
        assert!(is_as_new(&turns, 4));
    }

    #[tokio::test]
    async fn in_a_group_it_is_the_same_between_those_in_it() {
        let turns = Turns::new(4, PATIENCE);
        let mut taken = take_all(&turns, [(1, 'a'), (1, 'a'), (1, 'a'), (1, 'b')]).await;
        for (taken, done) in taken.iter().zip([5, 4, 5, 0]) {
            taken.1.done.store(done, Ordering::Relaxed);
        }
        let (third, taken) = tokio::join!(take(&turns, 1, 'c'), async {
            taken[1].1.over.notified().await;
            drop(taken.remove(1));
            taken
        });
        third.as_ref().unwrap();
        assert!(!taken.iter().any(is_over));
        // Another group has a share of all: the one who has most in the first gives way, not who has least done.
        let (of_other, taken) = tokio::join!(take(&turns, 2, 'd'), async {
            let mut taken = taken;
            taken[1].1.over.notified().await;
            drop(taken.remove(1));
            taken
        });
        of_other.as_ref().unwrap();
        assert!(!taken.iter().any(is_over));
        drop((third, taken, of_other));
        assert!(is_as_new(&turns, 4));
    }

    #[tokio::test]
    async fn what_comes_free_goes_to_who_has_fewest_whoever_waits_in_front() {
        let turns = Turns::new(2, Duration::from_secs(60));
        let mut first = take_all(&turns, [(1, 'a'); 2]).await;
        let mut in_front = Box::pin(take(&turns, 1, 'a'));
        let mut behind_of_group = Box::pin(take(&turns, 1, 'b'));
        let mut behind = Box::pin(take(&turns, 2, 'c'));
        assert!(in_front.as_mut().now_or_never().is_none());
        assert!(behind_of_group.as_mut().now_or_never().is_none());
        assert!(behind.as_mut().now_or_never().is_none());
        drop(first.pop());
        assert!(in_front.as_mut().now_or_never().is_none());
        let behind = behind.as_mut().now_or_never().unwrap().unwrap();
        drop(first.pop());
        let in_front = in_front.as_mut().now_or_never().unwrap().unwrap();
        drop(in_front);
        let behind_of_group = behind_of_group.as_mut().now_or_never().unwrap().unwrap();
        drop((behind, behind_of_group));
        assert!(is_as_new(&turns, 2));
    }

    #[tokio::test]
    async fn of_several_who_have_none_who_waits_longest_comes_first() {
        let turns = Turns::new(3, PATIENCE);
        let mut greedy = take_all(&turns, [(1, 'a'); 3]).await;
        let mut waits = Box::pin(take(&turns, 2, 'b'));
        let newest = Arc::clone(&greedy[2].1);
        tokio::select! {
            _ = &mut waits => panic!("nothing is free"),
            () = newest.over.notified() => {}
        }
        let mut between = Box::pin(take(&turns, 3, 'c'));
        assert!(between.as_mut().now_or_never().is_none());
        drop(greedy.pop());
        let waits = waits.as_mut().now_or_never().unwrap().unwrap();
        let (between, ()) = tokio::join!(between, async {
            greedy[1].1.over.notified().await;
            drop(greedy.pop());
        });
        drop((waits, between.unwrap(), greedy));
        assert!(is_as_new(&turns, 3));
    }

    #[tokio::test]
    async fn a_group_has_so_many_and_leaves_the_others_alone() {
        let turns = Turns::new(4, PATIENCE);
        let others = take_all(&turns, [(2, 'b'); 2]).await;
        let own = take_some(&turns, 1, 'a', 1).await.unwrap();
        // One is free, but not for them; nobody gives way in vain.
        let refused = take_some(&turns, 1, 'c', 1).await;
        assert_eq!(refused.err(), Some(Refusal::Busy));
        assert!(!others.iter().chain([&own]).any(is_over));
        drop((others, own));
        assert!(is_as_new(&turns, 4));
    }

    #[tokio::test]
    async fn who_waits_no_more_is_not_counted() {
        let turns = Turns::new(1, PATIENCE);
        let first = take(&turns, 1, 'a').await.unwrap();
        assert!(take(&turns, 2, 'b').now_or_never().is_none());
        assert_eq!(turns.state.lock().groups.len(), 1);
        // The only turn is the share of whoever has it.
        assert_eq!(take(&turns, 2, 'b').await.err(), Some(Refusal::Busy));
        assert!(!is_over(&first));
        drop(first);
        assert!(is_as_new(&turns, 1));
    }
}
