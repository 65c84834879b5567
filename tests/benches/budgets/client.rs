//! A member without a browser.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use protocol::frame::{self, Channel, ClientFrame, Position, RelayFrame};
use protocol::identity::{Challenge, InviteKeys, MemberKeys, answer_challenge};
use protocol::invite::InviteProof;
use protocol::segment::Segment;
use protocol::wire::Packer;
use protocol::{ClassroomId, bounded::Bytes, roster::Entry};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Bytes as Payload, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::Result;

/// A client has one classroom open.
pub(crate) const CHANNEL: Channel = 0;

/// How long the relay may take for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection of a member.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    origin: String,
    challenge: Challenge,
    /// What came so far, in bytes of WebSocket frames.
    pub(crate) received: usize,
}

impl Client {
    /// Connects and says who this is. `origin` is what browsers know the relay by.
    pub(crate) async fn connect(address: SocketAddr, origin: &str, keys: &MemberKeys) -> Result<Self> {
        let mut request = format!("ws://{address}/sync").into_client_request()?;
        let subprotocol = HeaderValue::from_static(frame::SUBPROTOCOL);
        request
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            socket: client_async(request, stream).await?.0,
            origin: origin.to_owned(),
            challenge: [0; 32],
            received: 0,
        };
        let greeting = client.message().await?;
        let Some(Ok(RelayFrame::Challenge { challenge, .. })) = frame::decode(&greeting).next() else {
            return Err("the relay does not greet with a challenge".into());
        };
        client.challenge = challenge;
        let signature = answer_challenge(keys, origin, &challenge);
        let member = keys.id();
        client.send(&[ClientFrame::Answer { member, signature }]).await?;
        Ok(client)
    }

    /// Founds a classroom.
    pub(crate) async fn found(&mut self, founding: &Entry) -> Result<()> {
        let entry = Bytes::new("entry", founding.encode()?)?;
        let (channel, token) = (CHANNEL, None);
        self.send(&[ClientFrame::Found {
            channel,
            entry,
            token,
        }])
        .await?;
        self.catch_up().await?;
        Ok(())
    }

    /// Opens a classroom, with an invite if one is no member yet; answers with all that is there.
    pub(crate) async fn open(
        &mut self,
        classroom: ClassroomId,
        invite: Option<&InviteKeys>,
    ) -> Result<Vec<RelayFrame>> {
        let invite = invite.map(|keys| InviteProof::new(keys, &self.origin, &self.challenge, &classroom));
        self.open_with(classroom, None, invite).await
    }

    /// Opens a classroom of which everything up to `since` is known; answers with what came since.
    pub(crate) async fn open_since(
        &mut self,
        classroom: ClassroomId,
        since: Position,
    ) -> Result<Vec<RelayFrame>> {
        self.open_with(classroom, Some(since), None).await
    }

    async fn open_with(
        &mut self,
        classroom: ClassroomId,
        since: Option<Position>,
        invite: Option<InviteProof>,
    ) -> Result<Vec<RelayFrame>> {
        self.send(&[ClientFrame::Open {
            channel: CHANNEL,
            classroom,
            since,
            roster: Vec::new(),
            invite,
        }])
        .await?;
        self.catch_up().await
    }

    /// Submits roster entries and waits until they are stored.
    pub(crate) async fn submit_entries(&mut self, entries: &[Entry]) -> Result<()> {
        for entry in entries {
            let entry = Bytes::new("entry", entry.encode()?)?;
            let channel = CHANNEL;
            self.send(&[ClientFrame::Entry { channel, entry }]).await?;
        }
        self.stored(entries.len()).await
    }

    /// Submits segments and waits until they are stored.
    pub(crate) async fn submit_segments(
        &mut self,
        classroom: ClassroomId,
        segments: &[Segment],
    ) -> Result<()> {
        let mut packer = Packer::default();
        for segment in segments {
            let segment = Box::new(packer.pack(segment, segment.hash(&classroom)?));
            let channel = CHANNEL;
            self.send(&[ClientFrame::Segment { channel, segment }]).await?;
        }
        self.stored(segments.len()).await
    }

    /// Waits until so many submissions are stored.
    pub(crate) async fn stored(&mut self, submissions: usize) -> Result<()> {
        let mut stored = 0;
        while stored < submissions {
            let message = self.message().await?;
            for frame in frame::decode(&message) {
                match frame? {
                    RelayFrame::Stored { .. } => stored += 1,
                    RelayFrame::Refused { reason, .. } => return Err(format!("refused: {reason:?}").into()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn send(&mut self, frames: &[ClientFrame]) -> Result<()> {
        let mut message = Vec::new();
        for frame in frames {
            frame::append(&mut message, frame)?;
        }
        self.send_message(message).await
    }

    pub(crate) async fn send_message(&mut self, message: Vec<u8>) -> Result<()> {
        Ok(self.socket.send(Message::Binary(message.into())).await?)
    }

    /// The next message of frames. Nothing is lost if this is dropped while it waits.
    pub(crate) async fn message(&mut self) -> Result<Payload> {
        loop {
            let message = timeout(PATIENCE, self.socket.next())
                .await
                .map_err(|_| "nothing comes from the relay")?;
            match message {
                Some(Ok(Message::Binary(payload))) => {
                    self.received += with_header(payload.len());
                    return Ok(payload);
                }
                Some(Ok(Message::Close(_))) | None => return Err("the relay ended the connection".into()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    async fn catch_up(&mut self) -> Result<Vec<RelayFrame>> {
        let mut frames = Vec::new();
        loop {
            let message = self.message().await?;
            for frame in frame::decode(&message) {
                match frame? {
                    RelayFrame::CaughtUp { .. } => return Ok(frames),
                    RelayFrame::Closed { reason, .. } | RelayFrame::Ended { reason } => {
                        return Err(format!("not opened: {reason:?}").into());
                    }
                    frame => frames.push(frame),
                }
            }
        }
    }
}

/// The bytes of a WebSocket message from the relay, which sends each as one frame without a mask.
pub(crate) fn with_header(payload: usize) -> usize {
    let header = match payload {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    header + payload
}
