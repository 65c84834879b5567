//! A tab: a replica, its connection, and what the tab itself has in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use documents::page::Page;
use documents::page::edit::{Edit, Run};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use protocol::frame::{self, ClientFrame, RelayFrame, SUBPROTOCOL};
use protocol::segment::Segment;
use protocol::wire::Unpacker;
use protocol::{ChunkHash, ClassroomId, DocumentId, MemberId, Signature};
use replica::command::{Answer, Command, Problem};
use replica::store::{Batch, Ranges, Table};
use replica::view::{self, Update};
use replica::{Replica, Uploaded};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::rng::SeededRng;

/// A page of a classroom.
pub(crate) type PageKey = (ClassroomId, DocumentId);

pub(crate) struct Tab {
    pub(crate) profile: usize,
    pub(crate) replica: Replica<SeededRng>,
    pub(crate) writing: Option<Batch>,
    pub(crate) reading: VecDeque<(u64, Ranges, Option<u32>)>,
    /// How many rows were asked for at most, whenever more than one were of what is kept aside.
    pub(crate) looked_aside: Vec<Option<u32>>,
    pub(crate) notes: VecDeque<Vec<u8>>,
    pub(crate) adopting: VecDeque<protocol::LaneId>,
    pub(crate) claiming: Option<Vec<u8>>,
    pub(crate) connecting: bool,
    /// How many connections were asked for, ever.
    pub(crate) connections: usize,
    /// What is to be posted.
    pub(crate) posting: Option<Vec<u8>>,
    /// How many requests were posted, ever.
    pub(crate) exchanges: usize,
    /// The chunk of an attachment that is to be brought to the relay, and those that are to be had from there.
    pub(crate) bringing: Option<Bringing>,
    pub(crate) fetching: VecDeque<(ClassroomId, ChunkHash)>,
    /// Those that were brought, ever, and whether with their bytes.
    pub(crate) brought: Vec<(ChunkHash, bool)>,
    pub(crate) socket: Option<Socket>,
    pub(crate) home: Option<view::Home>,
    pub(crate) classrooms: BTreeMap<ClassroomId, view::Classroom>,
    pub(crate) pages: BTreeMap<PageKey, Page>,
    pub(crate) presence: BTreeMap<PageKey, Vec<view::Presence>>,
    pub(crate) answers: BTreeMap<u32, Result<Answer, Problem>>,
    /// Commands that change something, with how many writes were done when they were given.
    pub(crate) given: BTreeMap<u32, u64>,
    pub(crate) written: u64,
    /// How many items were submitted and received, ever.
    pub(crate) submitted: usize,
    pub(crate) received: usize,
    /// How many bytes the relay sent, ever.
    pub(crate) bytes: usize,
    /// How many times changes were handed over to be shown, ever.
    pub(crate) handed: usize,
    /// What was said while there is no socket, because a test plays the relay.
    pub(crate) said: Vec<Vec<u8>>,
    /// What was exported, by request.
    pub(crate) exported: BTreeMap<u32, Vec<u8>>,
    /// What was told to other tabs.
    pub(crate) told: Vec<Vec<u8>>,
    /// Whether it was told that another tab runs a newer version.
    pub(crate) is_outdated: bool,
}

/// A chunk of an attachment on its way to the relay.
pub(crate) struct Bringing {
    pub(crate) classroom: ClassroomId,
    pub(crate) document: DocumentId,
    pub(crate) chunk: ChunkHash,
    pub(crate) member: MemberId,
    pub(crate) signature: Signature,
    pub(crate) bytes: Option<Vec<u8>>,
}

/// What a replica has said on a connection, understood as the relay does.
#[derive(Default)]
pub(crate) struct Said {
    classrooms: HashMap<u16, ClassroomId>,
    unpackers: HashMap<u16, Unpacker>,
}

pub(crate) struct Socket {
    sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    arriving: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Messages that arrived, and that are on their way out.
    pub(crate) incoming: VecDeque<Vec<u8>>,
    pub(crate) outgoing: VecDeque<Vec<u8>>,
    pub(crate) ended: bool,
    pub(crate) said: Said,
    /// How many answers the relay owes: while it works on them, time must not run away from it.
    owed: usize,
}

impl Socket {
    pub(crate) async fn connect(address: std::net::SocketAddr) -> Option<Self> {
        let mut request = format!("ws://{address}/sync").into_client_request().unwrap();
        let value = SUBPROTOCOL.parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", value);
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).unwrap();
        let (socket, _) = client_async(request, stream).await.ok()?;
        let (sink, mut stream) = socket.split();
        let (sender, arriving) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Binary(bytes) = message
                    && sender.send(bytes.to_vec()).is_err()
                {
                    return;
                }
            }
        });
        Some(Self {
            sink,
            arriving,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
            ended: false,
            said: Said::default(),
            // The challenge.
            owed: 1,
        })
    }

    pub(crate) fn is_owed(&self) -> bool {
        self.owed > 0 && !self.ended
    }

    /// The relay takes too long, or will not answer.
    pub(crate) fn waives(&mut self) {
        self.owed = 0;
    }

    /// Takes what has arrived by now.
    pub(crate) fn poll(&mut self) {
        loop {
            match self.arriving.try_recv() {
                Ok(message) => {
                    let answers = frame::decode::<RelayFrame>(&message).filter(|frame| {
                        matches!(
                            frame,
                            Ok(RelayFrame::Challenge { .. }
                                | RelayFrame::CaughtUp { .. }
                                | RelayFrame::Closed { .. }
                                | RelayFrame::Stored { .. }
                                | RelayFrame::Held { .. }
                                | RelayFrame::Refused { .. }
                                | RelayFrame::Fetched { .. }
                                | RelayFrame::Inventory { last: true, .. }
                                | RelayFrame::Pong { .. })
                        )
                    });
                    self.owed = self.owed.saturating_sub(answers.count());
                    self.incoming.push_back(message);
                }
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.ended = true;
                    return;
                }
            }
        }
    }

    pub(crate) async fn flush_one(&mut self) {
        let Some(message) = self.outgoing.pop_front() else {
            return;
        };
        let asking = frame::decode::<ClientFrame>(&message).filter(|frame| {
            !matches!(
                frame,
                Ok(ClientFrame::Answer { .. } | ClientFrame::Whisper { .. } | ClientFrame::Close { .. })
            )
        });
        self.owed += asking.count();
        if self.sink.send(Message::Binary(message.into())).await.is_err() {
            self.ended = true;
        }
    }

    /// What was said before still goes out.
    pub(crate) async fn close(mut self) {
        while !self.outgoing.is_empty() && !self.ended {
            self.flush_one().await;
        }
    }
}

impl Said {
    /// The segments and roster entries that a message of the replica submits.
    pub(crate) fn submissions(&mut self, message: &[u8]) -> (Vec<Segment>, Vec<Vec<u8>>) {
        let (mut segments, mut entries) = (Vec::new(), Vec::new());
        for frame in frame::decode::<ClientFrame>(message) {
            match frame.expect("the replica's frame") {
                ClientFrame::Open {
                    channel, classroom, ..
                } => {
                    self.classrooms.insert(channel, classroom);
                    self.unpackers.insert(channel, Unpacker::default());
                }
                ClientFrame::Found { channel, entry, .. } => {
                    let founding = protocol::roster::Entry::decode(&entry).unwrap();
                    self.classrooms.insert(channel, ClassroomId(founding.hash().0));
                    self.unpackers.insert(channel, Unpacker::default());
                    entries.push(entry.to_vec());
                }
                ClientFrame::Entry { entry, .. } | ClientFrame::Erase { entry, .. } => {
                    entries.push(entry.to_vec());
                }
                ClientFrame::Segment { channel, segment } => {
                    let unpacker = self.unpackers.get_mut(&channel).expect("an open channel");
                    segments.push(unpacker.unpack(*segment, &self.classrooms[&channel]).unwrap());
                }
                _ => {}
            }
        }
        (segments, entries)
    }
}

/// Posts to the relay; nothing comes back if it is not there, or does not take it.
pub(crate) async fn post(address: std::net::SocketAddr, body: &[u8]) -> Option<Vec<u8>> {
    let content = "content-type: application/octet-stream";
    let (status, answer) = request(address, "POST /sync", content, body).await?;
    (status == 200).then_some(answer)
}

/// Brings a chunk to the relay.
pub(crate) async fn bring(address: std::net::SocketAddr, bringing: &Bringing) -> Uploaded {
    let line = format!(
        "PUT /attachments/{}/{}/{}",
        bringing.classroom.to_hex(),
        bringing.document.to_hex(),
        bringing.chunk.to_hex()
    );
    let headers = format!(
        "meridian-member: {}\r\nmeridian-signature: {}",
        bringing.member.to_hex(),
        bringing.signature.to_hex()
    );
    let body = bringing.bytes.as_deref().unwrap_or_default();
    match request(address, &line, &headers, body).await {
        Some((200 | 201, _)) => Uploaded::Done,
        Some((_, reason)) => {
            let reason = String::from_utf8(reason).unwrap();
            Uploaded::Refused(reason.parse::<u16>().unwrap().into())
        }
        None => Uploaded::Unanswered,
    }
}

/// Asks the relay for a chunk.
pub(crate) async fn fetch(
    address: std::net::SocketAddr,
    classroom: &ClassroomId,
    chunk: &ChunkHash,
) -> Option<Vec<u8>> {
    let line = format!("GET /attachments/{}/{}", classroom.to_hex(), chunk.to_hex());
    let (status, chunk) = request(address, &line, "accept: */*", &[]).await?;
    (status == 200).then_some(chunk)
}

async fn request(
    address: std::net::SocketAddr,
    line: &str,
    headers: &str,
    body: &[u8],
) -> Option<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()?;
    Some((status, answer.split_off(end)))
}

/// How many items a message of the relay brings.
pub(crate) fn items_in(message: &[u8]) -> usize {
    frame::decode::<RelayFrame>(message)
        .filter(|frame| matches!(frame, Ok(RelayFrame::Entry { .. } | RelayFrame::Segment { .. })))
        .count()
}

impl Tab {
    pub(crate) fn new(profile: usize, replica: Replica<SeededRng>) -> Self {
        Self {
            profile,
            replica,
            writing: None,
            reading: VecDeque::new(),
            looked_aside: Vec::new(),
            notes: VecDeque::new(),
            adopting: VecDeque::new(),
            claiming: None,
            connecting: false,
            connections: 0,
            posting: None,
            exchanges: 0,
            bringing: None,
            fetching: VecDeque::new(),
            brought: Vec::new(),
            socket: None,
            home: None,
            classrooms: BTreeMap::new(),
            pages: BTreeMap::new(),
            presence: BTreeMap::new(),
            answers: BTreeMap::new(),
            given: BTreeMap::new(),
            written: 0,
            submitted: 0,
            received: 0,
            bytes: 0,
            handed: 0,
            said: Vec::new(),
            exported: BTreeMap::new(),
            told: Vec::new(),
            is_outdated: false,
        }
    }

    pub(crate) fn read(&mut self, ticket: u64, ranges: Ranges, most: Option<u32>) {
        for (table, from, to) in &ranges {
            if *table == Table::Aside && *to != [from.as_slice(), &[0]].concat() {
                self.looked_aside.push(most);
            }
        }
        self.reading.push_back((ticket, ranges, most));
    }

    /// Shows what the replica says, as a real tab does.
    pub(crate) fn show(&mut self, update: Update) {
        match update {
            Update::Answered { request, result } => {
                if let Some(before) = self.given.remove(&request)
                    && result.is_ok()
                {
                    assert!(
                        self.written > before,
                        "answered before it was written: {result:?}"
                    );
                }
                assert!(self.answers.insert(request, result).is_none(), "answered twice");
            }
            Update::Home(home) => self.home = Some(home),
            Update::Classroom(classroom) => {
                self.classrooms.insert(classroom.id, classroom);
            }
            Update::Opened {
                classroom,
                document,
                saved,
                actor,
                ..
            } => {
                let page = Page::load(&saved, actor).unwrap();
                self.pages.insert((classroom, document), page);
            }
            Update::Changes {
                classroom,
                document,
                changes,
            } => {
                let page = self.pages.get_mut(&(classroom, document)).expect("an open page");
                let remote = page.apply_changes(&changes).unwrap();
                assert!(remote.refused.is_empty(), "the tab was handed bad changes");
                self.handed += 1;
            }
            Update::NewerVersion => self.is_outdated = true,
            Update::Exported { request, part } => self.exported.entry(request).or_default().extend(part),
            Update::Presence {
                classroom,
                document,
                people,
            } => {
                self.presence.insert((classroom, document), people);
            }
        }
    }

    /// The connection is gone, and with it what was brought or asked for.
    pub(crate) fn end_requests(&mut self) {
        self.bringing = None;
        self.fetching.clear();
    }

    pub(crate) fn is_online(&self) -> bool {
        self.home
            .as_ref()
            .is_some_and(|home| home.link != view::Link::Offline)
    }

    pub(crate) fn classroom(&self, id: &ClassroomId) -> &view::Classroom {
        &self.classrooms[id]
    }

    /// The text of an open page, a line for each block.
    pub(crate) fn text(&self, key: &PageKey) -> String {
        let lines = self.pages[key].blocks().iter();
        lines
            .map(documents::page::edit::Block::text)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Makes an edit in an open page, and says how to tell the replica.
    pub(crate) fn edit(&mut self, key: &PageKey, edits: &[Edit]) -> Command {
        self.try_edit(key, edits).expect("an edit")
    }

    /// The same for edits that may change nothing.
    pub(crate) fn try_edit(&mut self, key: &PageKey, edits: &[Edit]) -> Option<Command> {
        let page = self.pages.get_mut(key).expect("an open page");
        page.apply(edits).unwrap();
        Some(Command::Change {
            classroom: key.0,
            document: key.1,
            change: page.commit(1_700_000_000)?,
        })
    }

    /// The places between words of an open page: blocks and offsets.
    pub(crate) fn places(&self, key: &PageKey) -> Vec<(usize, usize)> {
        let blocks = self.pages[key].blocks().iter().enumerate();
        blocks
            .flat_map(|(at, block)| {
                let text = block.text();
                let ends: Vec<usize> = text.match_indices(']').map(|(end, _)| end + 1).collect();
                std::iter::once(0).chain(ends).map(move |offset| (at, offset))
            })
            .collect()
    }
}

/// The edit that puts a word at a place.
pub(crate) fn word_at(place: (usize, usize), word: &str) -> Edit {
    Edit::Text {
        block: place.0,
        offset: place.1,
        delete: 0,
        insert: vec![Run {
            text: word.to_owned(),
            marks: BTreeMap::new(),
        }],
    }
}

/// The words of a page: `[…]`, each once.
pub(crate) fn words(text: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for part in text.split_inclusive(']') {
        if let Some(start) = part.find('[') {
            assert!(
                words.insert(part[start..].to_owned()),
                "doubled: {part} in {text}"
            );
        }
    }
    words
}
