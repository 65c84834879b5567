//! What was answered is stored: through shutdown, crash and kill.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use protocol::Refusal;
use protocol::frame::{self, ClientFrame, Position, RelayFrame};
use protocol::segment::Segment;
use sync_server::{Error, Settings};
use tokio::net::TcpListener;

use crate::classroom::{Classroom, Lane};
use crate::client::{CHANNEL, Client, start};

#[tokio::test]
async fn positions_go_on_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let classroom = Classroom::new();
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let relay = start(Settings::new(data.path())).await;
    let mut client = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    client.submit(&lane.write("one")).await;
    client.expect_stored(1).await;
    relay.shut_down().await.unwrap();

    let relay = start(Settings::new(data.path())).await;
    let mut client = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    assert_eq!(client.catch_up().await.len(), 2);
    let segment = lane.write("two");
    client.submit(&segment).await;
    // Its position is one behind the last of the old run.
    client.expect_stored(0).await;
    client.submit(&segment).await;
    client.expect_held(1).await;
}

/// A backup does not know of positions that clients have seen already: it passes over many when it starts, so that it gives
/// out none of these.
#[tokio::test]
async fn a_restored_relay_is_compared_and_gets_back_what_it_lost() {
    back_from_a_backup(false).await;
}

/// Nor when it is told.
#[tokio::test]
async fn a_relay_that_is_told_so_is_compared_by_everybody() {
    back_from_a_backup(true).await;
}

async fn back_from_a_backup(restored: bool) {
    let data = tempfile::tempdir().unwrap();
    let classroom = Classroom::new();
    let heads = vec![classroom.founding.hash()];
    let relay = start(Settings::new(data.path())).await;
    let mut client = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let kept = classroom.lane(&classroom.founder, heads.clone()).write("kept");
    client.submit(&kept).await;
    client.expect_stored(1).await;
    relay.shut_down().await.unwrap();
    let file = data.path().join("relay.sqlite");
    let backup = std::fs::read(&file).unwrap();

    let relay = start(Settings::new(data.path())).await;
    let mut client = Client::connect(relay.address(), &classroom.founder).await;
    client.submit_open(classroom.id, None, None).await;
    assert!(matches!(client.next().await, RelayFrame::Opened { .. }));
    assert_eq!(client.catch_up().await.len(), 2);
    let early = client.position;
    let lost = classroom.lane(&classroom.founder, heads.clone()).write("lost");
    client.submit(&lost).await;
    client.expect_stored(0).await;
    let seen = client.position;
    relay.shut_down().await.unwrap();
    std::fs::write(&file, backup).unwrap();

    let relay = start(Settings {
        restored,
        ..Settings::new(data.path())
    })
    .await;
    // What takes the position of what was lost is heard by those who saw that.
    let mut writer = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    writer.catch_up().await;
    let new = classroom.lane(&classroom.founder, heads).write("new");
    writer.submit(&new).await;
    writer.expect_stored(0).await;
    let mut client = Client::connect(relay.address(), &classroom.founder).await;
    client.submit_open(classroom.id, seen, None).await;
    assert!(matches!(client.next().await, RelayFrame::Opened { .. }));
    assert_ne!(client.position, seen);
    assert_eq!(client.position, writer.position);
    assert_eq!(
        incarnations([client.position, seen]),
        if restored { 2 } else { 1 }
    );
    // Names, so that each side sees what the other lacks.
    assert_eq!(client.catch_up().await, []);
    client.send(&ClientFrame::Inventory { channel: CHANNEL }).await;
    let told = client.next().await;
    let RelayFrame::Inventory { part, last: true, .. } = told else {
        panic!("not an inventory: {told:?}");
    };
    assert_eq!(part.entries, [classroom.founding.hash()]);
    let mut next: Vec<_> = part.logs.iter().map(|state| (state.log, state.next)).collect();
    let mut wanted = [(kept.header.log, 1), (new.header.log, 1)];
    next.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(next, wanted);
    client.submit(&lost).await;
    client.expect_stored(0).await;
    writer.expect_segment(&lost).await;
    let seen = client.position;
    relay.shut_down().await.unwrap();

    // Once is enough, and whoever saw nothing that was lost has nothing to compare.
    let relay = start(Settings::new(data.path())).await;
    for (since, told) in [(seen, 0), (early, if restored { 0 } else { 2 })] {
        let mut client = Client::connect(relay.address(), &classroom.founder).await;
        client.submit_open(classroom.id, since, None).await;
        assert!(matches!(client.next().await, RelayFrame::Opened { .. }));
        let is_compared = restored && since == early;
        assert_eq!(client.position == since, !is_compared);
        assert_eq!(client.catch_up().await.len(), told);
    }
}

fn incarnations(positions: [Option<Position>; 2]) -> usize {
    let [one, other] = positions.map(|position| position.unwrap().incarnation);
    if one == other { 1 } else { 2 }
}

#[tokio::test]
async fn a_data_folder_belongs_to_one_relay() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    match sync_server::start(listener, Settings::new(data.path())).await {
        Err(Error::InUse(folder)) => assert_eq!(folder, data.path()),
        other => panic!("{other:?}"),
    }
    drop(relay);
    start(Settings::new(data.path())).await;
}

#[tokio::test]
async fn a_dropped_relay_keeps_what_it_answered() {
    let data = tempfile::tempdir().unwrap();
    let classroom = Classroom::new();
    let mut author = Author::new(&classroom);
    let relay = start(Settings::new(data.path())).await;
    Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    drop(relay);
    for round in 0..4 {
        let relay = start(Settings::new(data.path())).await;
        let client = author.write_until(relay.address(), 10 + 10 * round).await;
        drop(relay);
        author.hear_the_rest(client).await;
    }
    let relay = start(Settings::new(data.path())).await;
    author.write_until(relay.address(), 1).await;
}

#[tokio::test]
async fn a_clean_shutdown_answers_what_was_submitted() {
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let mut client = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    for _ in 0..100 {
        client.submit(&lane.write("words")).await;
    }
    client.expect_stored(1).await;
    let shutting_down = tokio::spawn(relay.shut_down());
    let mut answered = 1;
    loop {
        match client.try_next().await {
            Some(RelayFrame::Stored { .. }) => answered += 1,
            Some(RelayFrame::Ended { reason }) => break assert_eq!(reason, Refusal::GoingAway),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(client.try_next().await, None);
    shutting_down.await.unwrap().unwrap();

    let relay = start(Settings::new(data.path())).await;
    let mut client = Client::open(relay.address(), &classroom.founder, classroom.id).await;
    assert_eq!(client.catch_up().await.len(), 1 + answered);
}

/// The program, killed under load again and again, loses nothing that it answered.
/// `MERIDIAN_KILLS` says how often; a few times unless it is set.
#[tokio::test]
async fn a_killed_relay_keeps_what_it_answered() {
    let kills = std::env::var("MERIDIAN_KILLS").map_or(4, |kills| kills.parse().unwrap());
    let data = tempfile::tempdir().unwrap();
    let classroom = Classroom::new();
    let mut author = Author::new(&classroom);
    let relay = Program::run(data.path());
    Client::found(relay.address, &classroom.founder, &classroom.founding).await;
    drop(relay);
    for _ in 0..kills {
        let relay = Program::run(data.path());
        let mut moment = [0; 1];
        getrandom::fill(&mut moment).unwrap();
        let client = author
            .write_until(relay.address, 1 + usize::from(moment[0]))
            .await;
        drop(relay);
        author.hear_the_rest(client).await;
        is_sound(data.path());
    }
    let relay = Program::run(data.path());
    author.write_until(relay.address, 1).await;
}

#[tokio::test]
async fn the_program_ends_cleanly_when_told_to() {
    let data = tempfile::tempdir().unwrap();
    let classroom = Classroom::new();
    let mut relay = Program::run(data.path());
    let mut client = Client::found(relay.address, &classroom.founder, &classroom.founding).await;
    let told = Command::new("kill").arg(relay.process.id().to_string()).status();
    assert!(told.unwrap().success());
    client.expect_ended(Refusal::GoingAway).await;
    let status = tokio::task::spawn_blocking(move || relay.process.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success());
    assert!(
        !data.path().join("relay.sqlite-wal").exists(),
        "the store was not closed"
    );
}

#[tokio::test]
async fn the_store_holds_nothing_that_can_be_read() {
    const WORDS: &str = "the swallows came back to Lisbon";
    let data = tempfile::tempdir().unwrap();
    let relay = start(Settings::new(data.path())).await;
    let classroom = Classroom::new();
    let mut lane = classroom.lane(&classroom.founder, vec![classroom.founding.hash()]);
    let mut client = Client::found(relay.address(), &classroom.founder, &classroom.founding).await;
    let segment = lane.write(WORDS);
    client.submit(&segment).await;
    client.expect_stored(1).await;
    // While it runs, with its write-ahead log, and after.
    assert_eq!(count(data.path(), WORDS.as_bytes()), 0);
    assert!(
        count(data.path(), &segment.sealed) > 0,
        "the test looks in the wrong place"
    );
    relay.shut_down().await.unwrap();
    assert_eq!(count(data.path(), WORDS.as_bytes()), 0);
    assert!(
        count(data.path(), &segment.sealed) > 0,
        "the test looks in the wrong place"
    );
}

/// Writes one log, and remembers what the relay said about it.
struct Author<'a> {
    classroom: &'a Classroom,
    lane: Lane<'a>,
    written: Vec<Segment>,
    /// So many were answered as stored.
    answered: usize,
    /// The submission that the first answer of the present connection is for.
    first: usize,
}

impl<'a> Author<'a> {
    fn new(classroom: &'a Classroom) -> Self {
        Self {
            classroom,
            lane: classroom.lane(&classroom.founder, vec![classroom.founding.hash()]),
            written: Vec::new(),
            answered: 0,
            first: 0,
        }
    }

    /// Connects, compares what is there with what was answered, sends what is missing and 300 more, and waits for
    /// `answers` answers.
    async fn write_until(&mut self, address: SocketAddr, answers: usize) -> Client {
        let mut client = Client::open(address, &self.classroom.founder, self.classroom.id).await;
        let mut there = 0;
        for frame in client.catch_up().await {
            match frame {
                RelayFrame::Entry { .. } => {}
                RelayFrame::Segment {
                    advance: 1..,
                    segment,
                    ..
                } => {
                    let segment = client.unpack(*segment);
                    assert_eq!(segment, self.written[there]);
                    there += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(there >= self.answered, "{there} of {} are there", self.answered);
        for _ in 0..300 {
            self.written.push(self.lane.write("words under load"));
        }
        let mut flight = Vec::new();
        for segment in &self.written[there..] {
            frame::append(&mut flight, &client.segment_frame(segment)).unwrap();
        }
        client.send_bytes(flight).await.unwrap();
        (self.first, self.answered) = (there, there);
        while self.answered < there + answers {
            let frame = client.next().await;
            self.hear(&frame);
        }
        client
    }

    /// Hears what still came through before the connection broke.
    async fn hear_the_rest(&mut self, mut client: Client) {
        while let Some(frame) = client.try_next().await {
            match frame {
                // The writer was gone before the connection.
                RelayFrame::Refused {
                    reason: Refusal::Storage,
                    ..
                } => break,
                frame => self.hear(&frame),
            }
        }
    }

    fn hear(&mut self, frame: &RelayFrame) {
        match frame {
            RelayFrame::Stored { submission, .. } if *submission as usize == self.answered - self.first => {
                self.answered += 1;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The file is whole, as far as SQLite can tell.
pub(crate) fn is_sound(data: &Path) {
    let file = rusqlite::Connection::open(data.join("relay.sqlite")).unwrap();
    let check = file.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(check.unwrap(), "ok");
}

/// The relay as a process of its own, killed when dropped.
pub(crate) struct Program {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Program {
    pub(crate) fn run(data: &Path) -> Self {
        Self::run_with(data, &[])
    }

    pub(crate) fn run_with(data: &Path, options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sync-server"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap();
        Self {
            address: address.parse().unwrap(),
            process,
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// How often `wanted` stands in the files of `folder`.
fn count(folder: &Path, wanted: &[u8]) -> usize {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(wanted.len()).filter(|part| *part == wanted).count()
        })
        .sum()
}
