//! What was erased is in no file of the data folder.

use std::path::Path;

use protocol::DocumentId;
use protocol::roster::{Action, Entry};
use protocol::segment::Segment;
use sync_server::Settings;

use crate::classroom::Classroom;
use crate::client::{Client, start};

/// Which of these a file in the folder holds.
fn found(data: &Path, segments: &[Segment]) -> Vec<u64> {
    let files: Vec<Vec<u8>> = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let is_there = |segment: &&Segment| {
        let sealed = &segment.sealed[..24];
        let holds = |file: &Vec<u8>| file.windows(sealed.len()).any(|part| part == sealed);
        files.iter().any(holds)
    };
    segments
        .iter()
        .filter(is_there)
        .map(|segment| segment.header.first)
        .collect()
}

#[tokio::test]
async fn nothing_of_an_erased_page_stays_in_any_file() {
    let data = tempfile::tempdir().unwrap();
    let classroom = Classroom::new();
    let (founder, heads) = (&classroom.founder, vec![classroom.founding.hash()]);
    let mut lane = classroom.lane(founder, heads.clone());
    let page: Vec<Segment> = (0..6).map(|_| lane.write("a small page")).collect();
    let fold = lane.fold(&page, 0, 3);
    let mut other = classroom.lane(founder, heads.clone());
    other.log.document = DocumentId([8; 16]);
    let kept = [other.write("another page")];

    let relay = start(Settings::new(data.path())).await;
    let mut client = Client::found(relay.address(), founder, &classroom.founding).await;
    for (segment, submission) in page.iter().chain([&fold, &kept[0]]).zip(1..) {
        client.submit(segment).await;
        client.expect_stored(submission).await;
    }
    // What was folded is kept for a while.
    let all: Vec<Segment> = page.iter().chain([&fold]).cloned().collect();
    assert_eq!(found(data.path(), &all).len(), all.len());

    let erase = Action::Erase {
        document: lane.log.document,
        successor: DocumentId([10; 16]),
    };
    let erase = Entry::act(founder, classroom.id, heads, erase).unwrap();
    client.submit_entry(&erase).await;
    client.expect_stored(9).await;
    assert_eq!(found(data.path(), &all), Vec::<u64>::new());
    assert_eq!(found(data.path(), &kept), [0]);
    drop(relay);
}
