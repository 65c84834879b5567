use std::time::{Duration, Instant};

use crate::{Error, Result};

/// How long a journey waits for what must happen. Long, because it is never waited for in full unless a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until the condition holds.
///
/// # Errors
/// If it does not hold within [`PATIENCE`]; and any error of the condition itself, at once.
pub async fn wait_until(what: &str, condition: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    wait_until_within(PATIENCE, what, condition).await
}

/// Looks again and again, no longer than `patience`.
///
/// # Errors
/// As [`wait_until`].
pub async fn wait_until_within(
    patience: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !condition().await? {
        if start.elapsed() > patience {
            return Err(Error::Waited {
                what: what.to_owned(),
                waited: start.elapsed(),
            });
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    Ok(())
}
