//! The half that writes. Each open classroom has a position here; what follows it comes from the classroom's recent
//! items, or in pages from the store for whoever is far behind. Nothing queues up but positions and short notes.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use protocol::Refusal;
use protocol::bounded::Bytes;
use protocol::frame::{self, Channel, Position, RelayFrame};
use protocol::identity::Challenge;
use protocol::wire::Packer;
use tokio::time::{Duration, timeout};

use super::Shared;
use crate::Error;
use crate::classroom::{Classroom, Following};
use crate::inbox::{Answer, ChannelKey, Inbox, Note, Whispered};
use crate::progress::Progress;
use crate::store::{Item, Placed, Store};
use crate::writer::now;

/// Frames are collected into one message until it has so many bytes. The socket keeps a buffer of that size.
const MESSAGE: usize = 4 * 1024;

/// How much is read from a classroom at a time, so that other channels get their turn.
const PAGE: usize = 128 * 1024;

/// A packer that learnt more segments than this while catching up is forgotten with all it remembers.
const KEPT_PACKED: usize = 64;

/// See the [module](self).
pub(super) struct Sender<'a> {
    outgoing: Outgoing,
    inbox: Arc<Inbox>,
    shared: &'a Shared,
    /// Mostly one, and a map would reserve room for many.
    channels: Vec<Outbound>,
}

struct Outbound {
    key: ChannelKey,
    channel: Channel,
    classroom: Arc<Classroom>,
    /// Everything up to here was sent.
    position: u64,
    /// Everything up to here may be sent: the answers to own submissions up to here are known.
    until: u64,
    /// Where the client has caught up with what was there when it opened the classroom.
    goal: Option<u64>,
    packer: Packer,
    packed: usize,
    /// Submissions of this channel, by the positions they got, that must still be told.
    own: HashMap<u64, u32>,
}

/// The connection cannot be written to any more.
pub(super) struct Gone;

impl<'a> Sender<'a> {
    pub(super) fn new(
        sink: SplitSink<WebSocket, Message>,
        progress: Progress,
        inbox: Arc<Inbox>,
        shared: &'a Shared,
    ) -> Self {
        Self {
            outgoing: Outgoing {
                sink,
                progress,
                stalled: shared.limits.stalled,
                message: Vec::new(),
            },
            inbox,
            shared,
            channels: Vec::new(),
        }
    }

    /// Writes until it has said that the connection ends, or cannot write any more.
    pub(super) async fn run(&mut self, challenge: Challenge) -> Result<(), Gone> {
        let now = now();
        self.outgoing
            .frame(&RelayFrame::Challenge { challenge, now })
            .await?;
        loop {
            // In this order: the answers for all positions up to `until` are in the inbox by now.
            for outbound in &mut self.channels {
                outbound.until = outbound.classroom.last();
            }
            let (notes, whispers) = self.inbox.take();
            let mut is_behind = false;
            for note in notes {
                match note {
                    Note::Ended { reason } => {
                        self.outgoing.frame(&RelayFrame::Ended { reason }).await?;
                        self.outgoing.flush().await?;
                        return self.outgoing.close().await;
                    }
                    Note::Opened { .. } => is_behind = true,
                    _ => {}
                }
                self.tell(note).await?;
            }
            for whispered in whispers {
                self.whisper(&whispered).await?;
            }
            let mut broken = Vec::new();
            for outbound in &mut self.channels {
                match outbound
                    .advance(&mut self.outgoing, &self.inbox, &self.shared.store)
                    .await?
                {
                    Advanced::All => {}
                    Advanced::Part => is_behind = true,
                    Advanced::Broken => broken.push(outbound.key),
                }
            }
            for key in broken {
                self.forget(key);
            }
            self.outgoing.flush().await?;
            if !is_behind {
                self.inbox.news().await;
            }
        }
    }

    async fn tell(&mut self, note: Note) -> Result<(), Gone> {
        match note {
            Note::Opened {
                key,
                channel,
                classroom,
                from,
            } => {
                let position = Position {
                    incarnation: self.shared.store.incarnation(),
                    index: from,
                };
                let outbound = Outbound {
                    key,
                    channel,
                    position: from,
                    until: from,
                    goal: Some(classroom.last()),
                    classroom,
                    packer: Packer::default(),
                    packed: 0,
                    own: HashMap::new(),
                };
                self.channels.push(outbound);
                let from = position;
                self.outgoing.frame(&RelayFrame::Opened { channel, from }).await
            }
            Note::Forget { key } => {
                self.forget(key);
                Ok(())
            }
            Note::Closed { channel, reason } => {
                self.outgoing.frame(&RelayFrame::Closed { channel, reason }).await
            }
            Note::Answer {
                key,
                channel,
                submission,
                answer,
            } => {
                let frame = match (
                    answer,
                    self.channels.iter_mut().find(|outbound| outbound.key == key),
                ) {
                    (Answer::Stored { position }, Some(outbound)) => {
                        outbound.own.insert(position, submission);
                        return Ok(());
                    }
                    // The channel was closed: nobody waits for this.
                    (Answer::Stored { .. }, None) => {
                        self.inbox.answered(1);
                        return Ok(());
                    }
                    (Answer::Held, _) => RelayFrame::Held { channel, submission },
                    (Answer::Refused(reason), _) => RelayFrame::Refused {
                        channel,
                        submission,
                        reason,
                    },
                };
                self.inbox.answered(1);
                self.outgoing.frame(&frame).await
            }
            Note::Pong { nonce } => self.outgoing.frame(&RelayFrame::Pong { nonce }).await,
            Note::Ended { reason } => self.outgoing.frame(&RelayFrame::Ended { reason }).await,
        }
    }

    async fn whisper(&mut self, whispered: &Whispered) -> Result<(), Gone> {
        let whisper = Bytes::new("whisper", whispered.whisper.to_vec());
        let channel = self
            .channels
            .iter()
            .find(|outbound| outbound.key == whispered.key);
        match (channel, whisper) {
            (Some(Outbound { channel, .. }), Ok(whisper)) => {
                let channel = *channel;
                self.outgoing
                    .frame(&RelayFrame::Whisper { channel, whisper })
                    .await
            }
            _ => Ok(()),
        }
    }

    fn forget(&mut self, key: ChannelKey) {
        if let Some(place) = self.channels.iter().position(|outbound| outbound.key == key) {
            let outbound = self.channels.remove(place);
            self.inbox.answered(outbound.own.len());
        }
    }
}

/// How far [`Outbound::advance`] came.
enum Advanced {
    All,
    Part,
    /// The store does not give what it must have: the channel was closed.
    Broken,
}

impl Outbound {
    /// Sends up to a page of what follows.
    async fn advance(
        &mut self,
        outgoing: &mut Outgoing,
        inbox: &Inbox,
        store: &Arc<dyn Store>,
    ) -> Result<Advanced, Gone> {
        if self.position < self.until {
            let items = match self.classroom.following(self.position, self.until, PAGE) {
                Following::Recent(items) => items,
                Following::Older => self.page(store).await,
            };
            if items.is_empty() {
                let (channel, reason) = (self.channel, Refusal::Storage);
                outgoing.frame(&RelayFrame::Closed { channel, reason }).await?;
                return Ok(Advanced::Broken);
            }
            for placed in items {
                if placed.position > self.until {
                    break;
                }
                if let Some(frame) = self.frame(&placed, inbox) {
                    outgoing.frame(&frame).await?;
                }
            }
        }
        if self.goal.is_some_and(|goal| goal <= self.position) {
            self.goal = None;
            let channel = self.channel;
            outgoing.frame(&RelayFrame::CaughtUp { channel }).await?;
            if self.packed > KEPT_PACKED {
                self.packer = Packer::default();
            }
        }
        Ok(if self.position < self.until {
            Advanced::Part
        } else {
            Advanced::All
        })
    }

    /// A page from the store; empty if that fails.
    async fn page(&self, store: &Arc<dyn Store>) -> Vec<Arc<Placed>> {
        let (store, id, after) = (Arc::clone(store), *self.classroom.id(), self.position);
        let page = tokio::task::spawn_blocking(move || store.page(&id, after, PAGE))
            .await
            .map_err(|_| Error::Ended("reading a page"))
            .flatten();
        match page {
            Ok(page) => page.into_iter().map(Arc::new).collect(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot read a page");
                Vec::new()
            }
        }
    }

    /// The frame for an item, or for the place that an own submission took.
    fn frame(&mut self, placed: &Placed, inbox: &Inbox) -> Option<RelayFrame> {
        let channel = self.channel;
        let frame = if let Some(submission) = self.own.remove(&placed.position) {
            inbox.answered(1);
            RelayFrame::Stored {
                channel,
                advance: placed.position - self.position,
                submission,
            }
        } else {
            let advance = placed.position - self.position;
            match &placed.item {
                Item::Entry { bytes, .. } => RelayFrame::Entry {
                    channel,
                    advance,
                    // It came in a frame of the same size.
                    entry: Bytes::new("roster entry", bytes.clone()).ok()?,
                },
                Item::Segment { hash, segment } => {
                    self.packed += 1;
                    RelayFrame::Segment {
                        channel,
                        advance,
                        segment: Box::new(self.packer.pack(segment, *hash)),
                    }
                }
            }
        };
        self.position = placed.position;
        Some(frame)
    }
}

/// The socket, and the message that is being put together.
struct Outgoing {
    sink: SplitSink<WebSocket, Message>,
    progress: Progress,
    stalled: Duration,
    message: Vec<u8>,
}

impl Outgoing {
    async fn frame(&mut self, frame: &RelayFrame) -> Result<(), Gone> {
        frame::append(&mut self.message, frame).map_err(|_| Gone)?;
        if self.message.len() >= MESSAGE {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.message.is_empty() {
            return Ok(());
        }
        let message = std::mem::take(&mut self.message);
        self.send(Message::Binary(message.into())).await
    }

    async fn close(&mut self) -> Result<(), Gone> {
        self.send(Message::Close(None)).await
    }

    /// Waits as long as the socket takes bytes, however slowly.
    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        let sending = self.sink.send(message);
        tokio::pin!(sending);
        loop {
            let before = self.progress.taken();
            match timeout(self.stalled, &mut sending).await {
                Ok(sent) => return sent.map_err(|_| Gone),
                Err(_) if self.progress.taken() == before => return Err(Gone),
                Err(_) => {}
            }
        }
    }
}
