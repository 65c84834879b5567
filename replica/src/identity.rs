//! Who this is. Several tabs of a profile that has nobody yet may be asked at once to found or to join something: the
//! store says who came first, and all of them are that person.

use protocol::identity::{MemberKeys, Seed};
use protocol::rand_core::CryptoRng;

use crate::command::{Answer, Command, Problem};
use crate::event::Effect;
use crate::store::{self, Table};
use crate::tabs::Note;
use crate::writes::{After, RETRY};
use crate::{Error, Me, Replica};

/// The store is being asked who this is.
#[derive(Debug, Default)]
pub(crate) struct Claiming {
    /// What is carried out once that is known.
    commands: Vec<(u32, Command)>,
    /// When to ask again, since asking failed.
    again_at: Option<u64>,
}

impl<R: CryptoRng> Replica<R> {
    /// Makes this person, if they are nobody yet. Somebody who only looks behind an invite leaves nothing behind.
    pub(crate) fn become_somebody(&mut self) -> Result<(), Problem> {
        if self.me.is_some() {
            return Ok(());
        }
        let seed = Seed::random(&mut self.rng);
        self.me = Some(Me::new(seed, false).map_err(|_| Problem::Internal)?);
        Ok(())
    }

    /// Whether the store knows who this is. If not it is asked, and `command` is carried out once it does.
    pub(crate) fn is_stored_before(&mut self, request: u32, command: Command) -> Result<bool, Problem> {
        self.become_somebody()?;
        if self.me.as_ref().is_some_and(|me| me.stored) {
            return Ok(true);
        }
        let is_first = self.claiming.is_none();
        let claiming = self.claiming.get_or_insert_default();
        claiming.commands.push((request, command));
        if is_first {
            self.claim().map_err(|_| Problem::Internal)?;
        }
        Ok(false)
    }

    fn claim(&mut self) -> Result<(), Error> {
        if let Some(claiming) = &mut self.claiming {
            claiming.again_at = None;
        }
        if let Some(me) = &self.me {
            let row = store::encode(Table::Profile, &me.record())?;
            self.effects.push(Effect::ClaimProfile(row));
        }
        Ok(())
    }

    pub(crate) fn profile_claimed(&mut self, row: &[u8]) {
        let Some(claiming) = self.claiming.take() else {
            return;
        };
        let known = self.is_now(row);
        for (request, command) in claiming.commands {
            match known {
                Ok(()) => self.command(request, command),
                Err(_) => self.answer(request, Err(Problem::Internal)),
            }
        }
    }

    /// This is whom the store says it is.
    fn is_now(&mut self, row: &[u8]) -> Result<(), Error> {
        let record: store::Me = store::decode(Table::Profile, row)?;
        self.be_known_as(Seed::from_bytes(record.seed), record.card_kept)
    }

    /// This is somebody whom the store knows.
    pub(crate) fn be_known_as(&mut self, seed: Seed, card_kept: bool) -> Result<(), Error> {
        match &mut self.me {
            Some(me) if me.seed == seed => me.stored = true,
            _ => {
                self.me = Some(Me {
                    stored: true,
                    ..Me::new(seed, card_kept)?
                });
                // This tab had only looked behind an invite, as somebody else.
                if self.connection.is_up() {
                    self.give_up_connection();
                }
            }
        }
        Ok(())
    }

    pub(crate) fn profile_claim_failed(&mut self) {
        if let Some(claiming) = &mut self.claiming {
            claiming.again_at = Some(self.now + RETRY);
        }
    }

    pub(crate) fn tick_claim(&mut self) {
        let is_due = |claiming: &Claiming| claiming.again_at.is_some_and(|at| self.now >= at);
        if self.claiming.as_ref().is_some_and(is_due) && self.claim().is_err() {
            self.profile_claim_failed();
        }
    }

    /// The login card was printed or copied.
    pub(crate) fn card_kept(&mut self, request: u32) -> Result<(), Problem> {
        if let Some(me) = &mut self.me {
            me.card_kept = true;
            if me.stored {
                let batch = self.writes.next();
                batch
                    .put(Table::Profile, Vec::new(), &me.record())
                    .map_err(|_| Problem::Internal)?;
                batch.strict = true;
            }
        }
        self.tell_tabs(&Note::CardKept);
        self.writes.then(After::Answer(request, Answer::Done));
        Ok(())
    }
}

impl Me {
    fn new(seed: Seed, card_kept: bool) -> Result<Self, Error> {
        let keys = MemberKeys::from_seed(&seed)?;
        Ok(Self {
            seed,
            keys,
            card_kept,
            stored: false,
        })
    }

    /// Somebody whom the store knows.
    pub(crate) fn read(record: &store::Me) -> Result<Self, Error> {
        let me = Self::new(Seed::from_bytes(record.seed), record.card_kept)?;
        Ok(Self { stored: true, ..me })
    }

    fn record(&self) -> store::Me {
        store::Me {
            seed: *self.seed.as_bytes(),
            card_kept: self.card_kept,
        }
    }
}
