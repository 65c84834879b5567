//! What one keystroke weighs on the wire to each receiver.

use std::time::Duration;

use protocol::frame::{self, RelayFrame};
use tests::{Journey, Profile};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::app::ADA;
use crate::client::{Client, with_header};
use crate::keyboard::{Rhythm, type_letter};
use crate::report::Measurement;
use crate::statistics::Samples;
use crate::{Result, app, newcomer};

const KEYSTROKES: usize = 40;
const BUDGET: f64 = 260.0;
/// After so much silence nothing more comes of what was typed, nor a new key for who joined: that may wait for five seconds.
const SILENCE: Duration = Duration::from_secs(7);

/// Bytes of each, with its share of the WebSocket's headers.
#[derive(Default)]
struct Received {
    segments: Vec<f64>,
    whispers: Vec<f64>,
}

pub(crate) async fn measure() -> Result<Vec<Measurement>> {
    let journey = Journey::start(1).await?;
    let profile = Profile::new()?;
    let writer = journey.open(0, &profile).await?;
    writer.create_classroom("Rivers", ADA).await?;
    let invite = writer.invite("Student").await?;
    writer.new_page("Our river").await?;
    app::paste_text(&writer, 5_000).await?;
    writer.wait_for_status("On the relay").await?;
    app::go_to_the_middle(&writer).await?;
    let mut receiver = newcomer::join(&journey.link(0).origin(), &invite).await?.client;
    // The writer greets the newcomer, and may have to say something in the classroom's own document.
    receive(&mut receiver).await?;
    // From now on the log is known to the receiver.
    type_letter(&writer, 'a').await?;
    receive(&mut receiver).await?;

    let receiving: JoinHandle<Result<Received>> = tokio::spawn(async move { receive(&mut receiver).await });
    let mut rhythm = Rhythm::new(Duration::from_millis(400), Duration::from_millis(600));
    for index in 0..KEYSTROKES {
        rhythm.beat().await;
        type_letter(&writer, char::from(b"etaoinshr"[index % 9])).await?;
    }
    let Received { segments, whispers } = receiving.await??;
    sleep(Duration::from_millis(100)).await;
    writer.close().await?;

    if segments.len() != KEYSTROKES {
        return Err(format!("{} segments came of {KEYSTROKES} keystrokes", segments.len()).into());
    }
    let all: f64 = segments.iter().chain(&whispers).sum();
    let each_whisper = whispers.len() as f64 / KEYSTROKES as f64;
    let (segments, whispers) = (Samples::new(segments)?, Samples::new(whispers)?);
    let figure = |samples: &Samples| format!("{:.0} B (max {:.0})", samples.median(), samples.max());
    Ok(vec![
        Measurement {
            what: "a flushed keystroke on the wire, whole frame, each receiver",
            budget: Some("260 B"),
            measured: figure(&segments),
            within: Some(segments.max() <= BUDGET),
            how: format!(
                "{KEYSTROKES} keys typed in the app, one a flush, counted by a member without a browser: the WebSocket's frame with its \
                 header, which holds the channel's number, the segment's place, nonce, sealed change and signature"
            ),
        },
        Measurement {
            what: "a cursor on the wire, whole frame, each receiver",
            budget: None,
            measured: format!("{}, {each_whisper:.1} a keystroke", figure(&whispers)),
            within: None,
            how: format!(
                "whispers of the same keystrokes; segments and whispers together {:.0} B a keystroke",
                all / KEYSTROKES as f64
            ),
        },
    ])
}

/// Receives until there is silence.
async fn receive(client: &mut Client) -> Result<Received> {
    let mut received = Received::default();
    while let Ok(message) = timeout(SILENCE, client.message()).await {
        let message = message?;
        let mut header = with_header(message.len()) - message.len();
        for frame in frame::decode(&message) {
            let frame: RelayFrame = frame?;
            let bytes = (frame::encode(&frame)?.len() + std::mem::take(&mut header)) as f64;
            match frame {
                RelayFrame::Segment { .. } => received.segments.push(bytes),
                RelayFrame::Whisper { .. } => received.whispers.push(bytes),
                _ => {}
            }
        }
    }
    Ok(received)
}
