//! A client that says exactly what a test wants, right or wrong.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::bounded::Bytes;
use protocol::frame::{self, Channel, ClientFrame, Position, RelayFrame};
use protocol::identity::{Challenge, MemberKeys, answer_challenge};
use protocol::invite::InviteProof;
use protocol::roster::Entry;
use protocol::segment::Segment;
use protocol::wire::{Packer, Unpacker, WireSegment};
use protocol::{ClassroomId, Refusal};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use futures_util::{SinkExt as _, StreamExt as _};
use sync_server::{Relay, Settings};

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(20);

/// The channel that tests use unless they need two.
pub(crate) const CHANNEL: Channel = 7;

/// Starts a relay on a free port.
pub(crate) async fn start(settings: Settings) -> Relay {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    sync_server::start(listener, settings).await.unwrap()
}

/// A connection to a relay.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    pub(crate) challenge: Challenge,
    pub(crate) origin: String,
    received: VecDeque<RelayFrame>,
    packer: Packer,
    unpacker: Unpacker,
    classroom: Option<ClassroomId>,
    /// How far the classroom was told that is open.
    pub(crate) position: Option<Position>,
}

/// How [`connect`] went wrong.
pub(crate) type Rejected = tungstenite::Error;

/// Opens a WebSocket with these headers, if any.
pub(crate) async fn connect(
    address: SocketAddr,
    subprotocol: Option<&'static str>,
    origin: Option<&'static str>,
) -> Result<WebSocketStream<TcpStream>, Rejected> {
    let mut request = format!("ws://{address}/sync").into_client_request()?;
    if let Some(subprotocol) = subprotocol {
        let value = HeaderValue::from_static(subprotocol);
        request.headers_mut().insert("sec-websocket-protocol", value);
    }
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", HeaderValue::from_static(origin));
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(client_async(request, stream).await?.0)
}

impl Client {
    /// Connects and waits for the challenge.
    pub(crate) async fn greet(address: SocketAddr) -> Self {
        Self::try_greet(address).await.unwrap()
    }

    /// Connects for a classroom to a relay that may be gone, or go.
    pub(crate) async fn dial(address: SocketAddr, classroom: ClassroomId) -> Option<Self> {
        let socket = connect(address, Some(frame::SUBPROTOCOL), None).await.ok()?;
        let mut client = Self::on(socket, address);
        client.classroom = Some(classroom);
        match client.try_next().await? {
            RelayFrame::Challenge { challenge, .. } => client.challenge = challenge,
            other => panic!("not a challenge: {other:?}"),
        }
        Some(client)
    }

    fn on(socket: WebSocketStream<TcpStream>, address: SocketAddr) -> Self {
        Self {
            socket,
            challenge: [0; 32],
            origin: format!("http://{address}"),
            received: VecDeque::new(),
            packer: Packer::default(),
            unpacker: Unpacker::default(),
            classroom: None,
            position: None,
        }
    }

    /// Connects and waits for the challenge, or for the reason why there is none.
    pub(crate) async fn try_greet(address: SocketAddr) -> Result<Self, Refusal> {
        let socket = connect(address, Some(frame::SUBPROTOCOL), None).await.unwrap();
        let mut client = Self::on(socket, address);
        match client.next().await {
            RelayFrame::Challenge { challenge, .. } => {
                client.challenge = challenge;
                Ok(client)
            }
            RelayFrame::Ended { reason } => Err(reason),
            other => panic!("not a challenge: {other:?}"),
        }
    }

    /// Connects as a member.
    pub(crate) async fn connect(address: SocketAddr, keys: &MemberKeys) -> Self {
        let mut client = Self::greet(address).await;
        let signature = answer_challenge(keys, &client.origin, &client.challenge);
        let member = keys.id();
        client.send(&ClientFrame::Answer { member, signature }).await;
        client
    }

    /// Connects and founds a classroom; its founding entry is stored at the first position.
    pub(crate) async fn found(address: SocketAddr, keys: &MemberKeys, founding: &Entry) -> Self {
        let mut client = Self::connect(address, keys).await;
        client.submit_founding(founding, None).await;
        assert!(matches!(client.next().await, RelayFrame::Opened { from, .. } if from.index == 0));
        client.expect_stored(0).await;
        assert_eq!(client.next().await, RelayFrame::CaughtUp { channel: CHANNEL });
        client
    }

    /// Connects and opens a classroom from the beginning.
    pub(crate) async fn open(address: SocketAddr, keys: &MemberKeys, classroom: ClassroomId) -> Self {
        let mut client = Self::connect(address, keys).await;
        client.submit_open(classroom, None, None).await;
        match client.next().await {
            RelayFrame::Opened { .. } => client,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) async fn submit_founding(&mut self, founding: &Entry, token: Option<&str>) {
        self.classroom = Some(ClassroomId(founding.hash().0));
        self.send(&ClientFrame::Found {
            channel: CHANNEL,
            entry: Bytes::new("entry", founding.encode().unwrap()).unwrap(),
            token: token.map(|token| Bytes::new("token", token.into()).unwrap()),
        })
        .await;
    }

    pub(crate) async fn submit_open(
        &mut self,
        classroom: ClassroomId,
        since: Option<Position>,
        invite: Option<InviteProof>,
    ) {
        self.classroom = Some(classroom);
        self.send(&ClientFrame::Open {
            channel: CHANNEL,
            classroom,
            since,
            roster: Vec::new(),
            invite,
        })
        .await;
    }

    pub(crate) async fn submit_entry(&mut self, entry: &Entry) {
        self.send(&ClientFrame::Entry {
            channel: CHANNEL,
            entry: Bytes::new("entry", entry.encode().unwrap()).unwrap(),
        })
        .await;
    }

    pub(crate) async fn submit(&mut self, segment: &Segment) {
        let frame = self.segment_frame(segment);
        self.send(&frame).await;
    }

    /// The frame that submits a segment; must be sent.
    pub(crate) fn segment_frame(&mut self, segment: &Segment) -> ClientFrame {
        let hash = segment.hash(&self.classroom.unwrap()).unwrap();
        ClientFrame::Segment {
            channel: CHANNEL,
            segment: Box::new(self.packer.pack(segment, hash)),
        }
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.send_bytes(frame::encode(frame).unwrap()).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), tungstenite::Error> {
        tokio::time::timeout(DEADLINE, self.socket.send(Message::Binary(bytes.into())))
            .await
            .expect("the relay does not read")
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> RelayFrame {
        self.try_next().await.expect("the relay ended the connection")
    }

    /// The next frame, or `None` if the connection ended.
    pub(crate) async fn try_next(&mut self) -> Option<RelayFrame> {
        while self.received.is_empty() {
            let message = tokio::time::timeout(DEADLINE, self.socket.next())
                .await
                .expect("nothing comes from the relay");
            match message {
                Some(Ok(Message::Binary(bytes))) => {
                    assert!(bytes.len() <= 512 * 1024, "a message of {} bytes", bytes.len());
                    self.received
                        .extend(frame::decode(&bytes).map(|frame| frame.expect("the relay's frame")));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
        let frame = self.received.pop_front()?;
        match &frame {
            RelayFrame::Opened { from, .. } => self.position = Some(*from),
            RelayFrame::Entry { advance, .. }
            | RelayFrame::Segment { advance, .. }
            | RelayFrame::Stored { advance, .. } => {
                if let Some(position) = &mut self.position {
                    position.index += advance;
                }
            }
            _ => {}
        }
        Some(frame)
    }

    pub(crate) async fn expect_stored(&mut self, submission: u32) {
        match self.next().await {
            RelayFrame::Stored {
                submission: stored,
                advance: 1..,
                ..
            } if stored == submission => {}
            other => panic!("submission {submission} not stored: {other:?}"),
        }
    }

    pub(crate) async fn expect_held(&mut self, submission: u32) {
        let channel = CHANNEL;
        assert_eq!(self.next().await, RelayFrame::Held { channel, submission });
    }

    pub(crate) async fn expect_refused(&mut self, submission: u32, reason: Refusal) {
        assert_eq!(
            self.next().await,
            RelayFrame::Refused {
                channel: CHANNEL,
                submission,
                reason
            }
        );
    }

    pub(crate) async fn expect_closed(&mut self, reason: Refusal) {
        let channel = CHANNEL;
        assert_eq!(self.next().await, RelayFrame::Closed { channel, reason });
    }

    pub(crate) async fn expect_ended(&mut self, reason: Refusal) {
        assert_eq!(self.next().await, RelayFrame::Ended { reason });
        assert_eq!(self.try_next().await, None);
    }

    /// Waits for the next segment and checks that it is `wanted`.
    pub(crate) async fn expect_segment(&mut self, wanted: &Segment) {
        let segment = self.next_segment().await;
        assert_eq!(segment, *wanted);
    }

    /// The next segment, past roster entries and the sign of having caught up.
    pub(crate) async fn next_segment(&mut self) -> Segment {
        loop {
            match self.next().await {
                RelayFrame::Segment { segment, advance, .. } => {
                    assert!(advance > 0);
                    return self.unpack(*segment);
                }
                RelayFrame::Entry { .. } | RelayFrame::CaughtUp { .. } => {}
                other => panic!("not a segment: {other:?}"),
            }
        }
    }

    pub(crate) fn unpack(&mut self, wire: WireSegment) -> Segment {
        let classroom = self.classroom.unwrap();
        let segment = self.unpacker.unpack(wire, &classroom).unwrap();
        segment.verify(&classroom).unwrap();
        segment
    }

    /// Everything up to the sign of having caught up.
    pub(crate) async fn catch_up(&mut self) -> Vec<RelayFrame> {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                RelayFrame::CaughtUp { .. } => return frames,
                frame => frames.push(frame),
            }
        }
    }
}
