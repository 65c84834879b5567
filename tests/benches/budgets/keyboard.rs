use std::time::Duration;

use serde_json::{Value, json};
use tests::Browser;
use tokio::time::{Instant, sleep_until};

use crate::Result;

/// Types a small letter, as the keyboard does: the browser makes its own events of it.
pub(crate) async fn type_letter(browser: &Browser, letter: char) -> Result<()> {
    let upper = letter.to_ascii_uppercase();
    let mut down =
        json!({ "key": letter, "code": format!("Key{upper}"), "windowsVirtualKeyCode": u32::from(upper) });
    let up = down.clone();
    down["text"] = json!(letter);
    down["unmodifiedText"] = json!(letter);
    press(browser, down, up).await
}

/// Presses a key that writes nothing, by its name and number.
pub(crate) async fn press_key(browser: &Browser, name: &str, number: u32) -> Result<()> {
    let key = json!({ "key": name, "code": name, "windowsVirtualKeyCode": number });
    press(browser, key.clone(), key).await
}

async fn press(browser: &Browser, mut down: Value, mut up: Value) -> Result<()> {
    down["type"] = json!("keyDown");
    up["type"] = json!("keyUp");
    for event in [down, up] {
        browser
            .driver()
            .cdp()
            .send_raw("Input.dispatchKeyEvent", event)
            .await?;
    }
    Ok(())
}

/// A person's rhythm: between `shortest` and `longest` from one key to the next, unevenly, so that keys fall on no beat of the
/// screen or of a timer. The same every time.
pub(crate) struct Rhythm {
    shortest: Duration,
    longest: Duration,
    next: Instant,
    state: u32,
}

impl Rhythm {
    pub(crate) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            next: Instant::now(),
            state: 1,
        }
    }

    /// Waits until it is time for the next key.
    pub(crate) async fn beat(&mut self) {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let share = f64::from(self.state) / f64::from(u32::MAX);
        // From the last key on: the time that the driver takes for one does not add up.
        self.next = self.next.max(Instant::now() - self.longest)
            + self.shortest
            + (self.longest - self.shortest).mul_f64(share);
        sleep_until(self.next).await;
    }
}
