//! The simulator: many replicas on many devices, the relay's real core, and people who do things, in one process under a
//! seeded scheduler and virtual time. The same seed always gives the same history.
//!
//! A history is a list of acts (people work, things break, messages arrive), made of a seed by [`plan`]. After the last
//! one the faults stop, everybody comes online, and what Meridian promises is looked for: see [`Rule`]. To show that it
//! would be seen if it were missing, [`Mischief`] breaks rules on purpose.

mod act;
mod auditor;
mod broken;
mod edits;
mod ending;
mod mischief;
mod perform;
mod plan;
mod promises;
mod relay;
mod rng;
mod schedule;
mod secrets;
mod setting;
mod shorten;
mod store;
mod tab;
mod trace;
mod wire;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use act::{Act, Govern, How, Successor};
pub use broken::{Broken, Rule};
pub use mischief::Mischief;
pub use plan::{Kind, Plan, plan, seed_of};
pub use setting::Setting;
pub use trace::trace;

use world::World;

/// A history that broke a rule.
#[derive(Debug)]
pub struct Failure {
    pub seed: String,
    pub broken: Broken,
    /// The shortest list of acts found that breaks the same rule.
    pub acts: Vec<Act>,
}

/// Runs the history of a seed. Answers with a hash of everything that happened.
///
/// # Errors
/// The rule that it broke.
pub fn run(seed: &str, mischief: Option<Mischief>) -> Result<[u8; 32], Broken> {
    let plan = plan(seed);
    run_acts(seed, plan.setting, &plan.acts, mischief)
}

/// Runs a history; if it breaks a rule, makes it short.
///
/// # Errors
/// What it broke, and how.
pub fn run_and_shorten(seed: &str, mischief: Option<Mischief>) -> Result<[u8; 32], Box<Failure>> {
    let plan = plan(seed);
    let breaks = |acts: &[Act]| run_acts(seed, plan.setting, acts, mischief);
    let broken = match breaks(&plan.acts) {
        Ok(story) => return Ok(story),
        Err(broken) => broken,
    };
    let acts = shorten::shorten(&plan.acts, broken.rule, &|acts| {
        breaks(acts).err().map(|broken| broken.rule)
    });
    let broken = breaks(&acts).err().unwrap_or(broken);
    Err(Box::new(Failure {
        seed: seed.to_owned(),
        broken,
        acts,
    }))
}

/// Runs these acts, and the end that every history has.
///
/// # Errors
/// The rule that it broke.
pub fn run_acts(
    seed: &str,
    setting: impl Into<Setting>,
    acts: &[Act],
    mischief: Option<Mischief>,
) -> Result<[u8; 32], Broken> {
    let setting = setting.into();
    protocol::mischief::commit(mischief.and_then(Mischief::inside));
    let history = AssertUnwindSafe(|| {
        let mut world = World::new(seed, setting, mischief);
        for act in acts {
            world.perform(*act)?;
        }
        world.end()?;
        Ok(*world.story.finalize().as_bytes())
    });
    // Who looks on understands all.
    catch_unwind(|| protocol::next::play(true, history)).unwrap_or_else(|_| {
        let what = PANIC.with_borrow_mut(Option::take);
        Rule::Panics.broken(what.unwrap_or_default())
    })
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps quiet about panics in histories, which are told as broken rules. For the whole process.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|what| *what = Some(info.to_string()));
    }));
}
