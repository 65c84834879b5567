//! Tells on the screen what happens in a history, as it happens.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::frame::{self, ClientFrame, RelayFrame};
use replica::store::Table;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::schedule::Step;
use crate::tab::Posting;
use crate::world::World;

/// How much of a frame is told.
const LENGTH: usize = 600;

static IS_ON: AtomicBool = AtomicBool::new(false);

/// From now on all histories are told. For the whole process.
pub fn trace() {
    IS_ON.store(true, Ordering::Relaxed);
}

pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

impl World {
    pub(crate) fn tell_step(&self, step: Step) {
        let seconds = (self.now - crate::world::START) as f64 / 1000.0;
        match step {
            Step::Up(number) => {
                if let Some(wire) = self.wires.get(&number)
                    && let Some(message) = wire.up.front()
                {
                    tell_frames::<ClientFrame>(&format!("{seconds} {:?} says", wire.tab), message);
                }
            }
            Step::Down(number) => {
                if let Some(wire) = self.wires.get(&number)
                    && let Some(message) = wire.down.front()
                {
                    tell_frames::<RelayFrame>(&format!("{seconds} {:?} hears", wire.tab), message);
                }
            }
            Step::Post(number) => match self.tabs.get(&number).and_then(|tab| tab.posting.as_ref()) {
                Some(Posting::Asking(request)) => {
                    tell_frames::<ClientFrame>(&format!("{seconds} {number} posts"), request);
                }
                Some(Posting::Answered(answer)) => {
                    tell_frames::<RelayFrame>(&format!("{seconds} {number} is answered"), answer);
                }
                _ => {}
            },
            Step::Tell(_) => {}
            Step::Write(number) => {
                let tab = self.tabs.get(&number);
                if let Some(batch) = tab.and_then(|tab| tab.writing.as_ref()) {
                    eprintln!("{seconds} {step:?}");
                    batch.changes.iter().for_each(tell_change);
                }
            }
            step => eprintln!("{seconds} {step:?}"),
        }
    }
}

/// Tells a row's key without its classroom, and how the row begins.
fn tell_change(((table, key), row): (&(Table, Vec<u8>), &Option<Vec<u8>>)) {
    let hex = |bytes: &[u8], most: usize| -> String {
        let some = bytes.iter().take(most);
        some.map(|byte| format!("{byte:02x}")).collect()
    };
    let key = hex(key.get(32..).unwrap_or_default(), 64);
    match row {
        Some(row) => eprintln!("    {table:?} {key}: {} bytes {}", row.len(), hex(row, 8)),
        None => eprintln!("    {table:?} {key}: gone"),
    }
}

fn tell_frames<F: Debug + Serialize + DeserializeOwned>(who: &str, message: &[u8]) {
    for frame in frame::decode::<F>(message) {
        let told = format!("{frame:?}");
        let end = told.floor_char_boundary(LENGTH);
        eprintln!("{who}: {}", &told[..end]);
    }
}
