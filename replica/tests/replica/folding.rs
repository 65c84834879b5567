//! Folds: few segments in the place of many, by their author alone; others take one only if it holds the same.

use documents::fold::{Limits, unfold};
use documents::page::Page;
use protocol::frame::ClientFrame;
use protocol::roster::Role;
use protocol::segment::{Body, Kind, Segment};
use protocol::{LaneId, SegmentHash};
use replica::Event;
use replica::command::Command;
use replica::store::Table;
use replica::view::Work;

use crate::script::{Author, Script, Submitted};
use crate::tab::{word_at, words};

/// Longer than an own log is left alone before it is folded, in milliseconds.
const QUIET: u64 = 31_000;

impl Script {
    /// The rows of the page's logs, in the order of their indices.
    fn rows(&self, lane: Option<LaneId>) -> Vec<Segment> {
        let rows = self.world.store(0).table(Table::Segments).into_iter();
        let mut rows: Vec<Segment> = rows
            .map(|(_, row)| Segment::decode(&row).unwrap())
            .filter(|row| row.header.log.document == self.page.1)
            .filter(|row| lane.is_none_or(|lane| row.header.log.lane == lane))
            .collect();
        rows.sort_by_key(|row| (row.header.log, row.header.last));
        rows
    }

    fn page_segments(&self) -> Vec<Segment> {
        let segments = self.submitted.iter().filter_map(|submitted| match submitted {
            Submitted::Segment(segment) if segment.header.log.document == self.page.1 => {
                Some(segment.clone())
            }
            _ => None,
        });
        segments.collect()
    }

    fn spans(&self, lane: Option<LaneId>) -> Vec<(u64, u64)> {
        let rows = self.rows(lane);
        rows.iter()
            .map(|row| (row.header.first, row.header.last))
            .collect()
    }

    async fn reopen_page(&mut self) {
        self.tab = self.world.restart_tab(self.tab);
        self.go().await;
        let page = self.page;
        self.world.open_page(self.tab, page).await;
    }
}

/// Words, as they stand on the page.
fn wanted<'a>(words: impl IntoIterator<Item = &'a str>) -> std::collections::BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_week_offline_leaves_as_one_segment() {
    let mut script = Script::new("week").await;
    script.settle().await;
    script.disconnect();
    for day in 0..40 {
        script.write_word(&format!("[{day}]"));
        script.go().await;
    }
    assert_eq!(script.rows(None).len(), 41);
    script.connect().await;
    let sent = script.page_segments();
    assert_eq!(sent.len(), 1, "one fold");
    assert_eq!((sent[0].header.first, sent[0].header.last), (1, 40));
    assert!(matches!(sent[0].header.kind, Kind::Fold { .. }));
    assert_eq!(script.spans(None), [(0, 0), (1, 40)]);
    assert_eq!(script.view().work, Work::OnThisDevice);

    // It is sent with the same bytes again, and goes on behind the fold.
    script.disconnect();
    script.write_word("[more]");
    script.go().await;
    script.connect().await;
    let again = script.page_segments();
    assert_eq!(again[0], sent[0]);
    assert_eq!(again[1].previous, sent[0].chain_hash(&script.classroom).unwrap());
    script.settle().await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
    script.reopen_page().await;
    assert_eq!(words(&script.text()).len(), 41);
}

#[tokio::test]
async fn what_was_sent_and_not_answered_is_not_folded() {
    let mut script = Script::new("unanswered").await;
    script.settle().await;
    for word in ["[a]", "[b]", "[c]"] {
        script.write_word(word);
        script.go().await;
    }
    let sent = script.page_segments();
    script.pass(QUIET).await;
    script.disconnect();
    script.connect().await;
    let again = script.page_segments();
    assert_eq!(again.len(), 3);
    assert_eq!(again[..], sent[sent.len() - 3..]);
}

#[tokio::test]
async fn a_quiet_log_is_folded_and_nothing_seems_unsent_meanwhile() {
    let mut script = Script::new("quiet").await;
    script.settle().await;
    let answered = script.submitted.len();
    for word in 0..30 {
        script.write_word(&format!("[{word}]"));
        script.go().await;
    }
    script.store_rest(answered).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    let end = script.rows(None).last().unwrap().hash(&script.classroom).unwrap();
    script.pass(10_000).await;
    assert_eq!(script.rows(None).len(), 31, "not quiet for long enough");
    script.pass(QUIET - 10_000).await;
    script.go().await;
    let fold = script.page_segments().pop().unwrap();
    assert_eq!(fold.header.kind, Kind::Fold { covered: end });
    assert_eq!(script.spans(None), [(0, 30)]);
    assert_eq!(
        script.view().work,
        Work::OnTheRelay,
        "the relay has all that it holds"
    );
    // Nor after a restart.
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(1).await;
    assert_eq!(script.page_segments().pop(), Some(fold));
    assert_eq!(script.view().work, Work::OnTheRelay);
    script.store_rest(0).await;
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
    // Nothing is left to fold.
    let before = script.submitted.len();
    script.pass(QUIET).await;
    script.pass(QUIET).await;
    assert_eq!(script.submitted.len(), before);
    script.reopen_page().await;
    assert_eq!(words(&script.text()).len(), 30);
}

#[tokio::test]
async fn a_tab_that_closes_folds_what_was_never_sent() {
    let mut script = Script::new("closing offline").await;
    script.settle().await;
    script.disconnect();
    for word in ["[a]", "[b]", "[c]"] {
        script.write_word(word);
        script.go().await;
    }
    assert_eq!(script.spans(None), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    script.world.handle(script.tab, Event::Closing);
    script.go().await;
    assert_eq!(script.spans(None), [(0, 0), (1, 3)]);
    script.reopen_page().await;
    assert_eq!(words(&script.text()), wanted(["[a]", "[b]", "[c]"]));
}

#[tokio::test]
async fn a_tab_that_closes_folds_what_the_relay_has() {
    let mut script = Script::new("closing").await;
    script.settle().await;
    let answered = script.submitted.len();
    for word in ["[a]", "[b]", "[c]", "[d]"] {
        script.write_word(word);
        script.go().await;
    }
    script.store_rest(answered).await;
    assert_eq!(script.spans(None).len(), 5);
    script.world.handle(script.tab, Event::Closing);
    script.go().await;
    assert_eq!(script.spans(None), [(0, 4)]);
    // It is sent if there is time for that, and otherwise by the next tab.
    let fold = script.page_segments().pop().unwrap();
    assert_eq!((fold.header.first, fold.header.last), (0, 4));
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(1).await;
    assert_eq!(script.page_segments().pop(), Some(fold));
    assert_eq!(script.view().work, Work::OnTheRelay);
    script.store_rest(0).await;
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
}

#[tokio::test]
async fn a_fold_that_the_relay_does_not_take_is_given_up() {
    let mut script = Script::new("not taken").await;
    script.settle().await;
    let answered = script.submitted.len();
    for word in 0..10 {
        script.write_word(&format!("[{word}]"));
        script.go().await;
    }
    script.store_rest(answered).await;
    script.pass(QUIET).await;
    script.go().await;
    let folds = script.submitted.len();
    let fold = u32::try_from(folds - 1).unwrap();
    script.refused(fold, protocol::Refusal::FoldMismatch).await;
    assert_eq!(
        (script.view().work, script.view().refused),
        (Work::OnTheRelay, None)
    );
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
}

#[tokio::test]
async fn what_was_never_sent_is_not_folded_together_with_a_fold_of_what_the_relay_has() {
    let mut script = Script::new("both kinds").await;
    script.settle().await;
    let answered = script.submitted.len();
    for word in 1..10 {
        script.write_word(&format!("[{word}]"));
        script.go().await;
    }
    script.store_rest(answered).await;
    script.disconnect();
    script.pass(QUIET).await;
    script.go().await;
    assert_eq!(script.spans(None), [(0, 9)]);
    for word in ["[late]", "[later]"] {
        script.write_word(word);
        script.go().await;
    }
    // The attempt that was being made fails, and before the next one it folds.
    script.world.tab_mut(script.tab).connecting = false;
    script.disconnect();
    script.connect().await;
    assert_eq!(script.spans(None), [(0, 9), (10, 11)]);
    script.open(1).await;
    let sent = script.page_segments();
    let spans: Vec<_> = sent
        .iter()
        .map(|sent| (sent.header.first, sent.header.last))
        .collect();
    assert_eq!(spans, [(0, 9), (10, 11)]);
    // What the relay has it need not take once more.
    script.refused(0, protocol::Refusal::FoldMismatch).await;
    assert_eq!(script.view().work, Work::OnThisDevice);
    script.store_rest(1).await;
    assert_eq!(
        (script.view().work, script.view().refused),
        (Work::OnTheRelay, None)
    );
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
}

#[tokio::test]
async fn the_log_of_a_tab_that_is_gone_is_folded_by_the_next() {
    let mut script = Script::new("gone").await;
    script.settle().await;
    let answered = script.submitted.len();
    for word in 0..10 {
        script.write_word(&format!("[{word}]"));
        script.go().await;
    }
    script.store_rest(answered).await;
    let lane = script.rows(None)[0].header.log.lane;
    // Two tabs come and go before one stays long enough.
    for _ in 0..2 {
        script.tab = script.world.restart_tab(script.tab);
        script.go().await;
    }
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(1).await;
    script.pass(QUIET).await;
    script.go().await;
    assert_eq!(script.spans(Some(lane)), [(0, 10)]);
    script.store_rest(0).await;
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
}

/// A script with somebody else whose words `[0]` to `[9]` are here as ten segments, and the changes and hashes of these.
async fn with_author(seed: &str) -> (Script, Author, Vec<Vec<u8>>, Vec<SegmentHash>) {
    let mut script = Script::new(seed).await;
    script.settle().await;
    let mut author = script.author(Role::Student).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let (mut changes, mut hashes) = (Vec::new(), vec![SegmentHash::NONE]);
    for word in 0..10 {
        let change = author.word(&format!("[{word}]"));
        let segment = author.seal(std::slice::from_ref(&change));
        script.bring(&segment).await;
        changes.push(change);
        hashes.push(author.previous);
    }
    (script, author, changes, hashes)
}

#[tokio::test]
async fn a_fold_takes_the_place_of_what_it_covers() {
    let (mut script, mut author, changes, hashes) = with_author("covering").await;
    let lane = Some(author.log.lane);
    let part = author.fold((2, 5), (hashes[2], hashes[6]), &changes[2..6]);
    script.bring(&part).await;
    let mut spans: Vec<(u64, u64)> = (0..10).map(|index| (index, index)).collect();
    spans.splice(2..6, [(2, 5)]);
    assert_eq!(script.spans(lane), spans);
    let whole = author.fold((0, 9), (hashes[0], hashes[10]), &changes);
    script.bring(&whole).await;
    assert_eq!(script.rows(lane), [whole]);
    // A part of it is nothing new.
    script.bring(&part).await;
    assert_eq!(script.spans(lane), [(0, 9)]);
    assert_eq!(script.view().kept_aside, 0);
    // The log goes on as if it had not been folded.
    let change = author.word("[10]");
    let next = author.seal(&[change]);
    script.bring(&next).await;
    assert_eq!(words(&script.text()).len(), 11);
    script.reopen_page().await;
    assert_eq!(words(&script.text()).len(), 11);
    assert_eq!(script.view().kept_aside, 0);
}

#[tokio::test]
async fn a_fold_may_bring_more_than_is_here() {
    let (mut script, mut author, mut changes, mut hashes) = with_author("extending").await;
    let lane = Some(author.log.lane);
    for word in 10..15 {
        let change = author.word(&format!("[{word}]"));
        author.seal(std::slice::from_ref(&change));
        changes.push(change);
        hashes.push(author.previous);
    }
    let fold = author.fold((4, 12), (hashes[4], hashes[13]), &changes[4..13]);
    script.bring(&fold).await;
    script.go().await;
    assert_eq!(script.spans(lane), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 12)]);
    assert_eq!((words(&script.text()).len(), script.view().kept_aside), (13, 0));
    // And one that begins where the log ends.
    let next = author.fold((13, 14), (hashes[13], hashes[15]), &changes[13..]);
    script.bring(&next).await;
    assert_eq!((words(&script.text()).len(), script.view().kept_aside), (15, 0));
    script.reopen_page().await;
    assert_eq!(
        words(&script.text()),
        wanted(
            (0..15)
                .map(|n| format!("[{n}]"))
                .collect::<Vec<_>>()
                .iter()
                .map(String::as_str)
        )
    );
}

#[tokio::test]
async fn a_fold_that_holds_something_else_is_kept_aside() {
    let (mut script, mut author, changes, hashes) = with_author("differs").await;
    let lane = Some(author.log.lane);
    let before = script.rows(lane);
    let other = author.word("[other]");
    let mut longer = changes.clone();
    longer.push(other.clone());
    let mut swapped = changes.clone();
    swapped.swap(3, 4);
    let ends = (hashes[0], hashes[10]);
    let folds = [
        author.fold((0, 9), ends, &longer),
        author.fold((0, 9), ends, &changes[..9]),
        author.fold((0, 9), ends, &swapped),
        // It ends elsewhere than it says.
        author.fold((0, 9), (hashes[0], hashes[9]), &changes),
        author.fold((0, 8), (hashes[0], hashes[10]), &changes[..9]),
        // It would rewrite what is here, and go on.
        author.fold((8, 11), (hashes[8], hashes[10]), &[other.clone(), other]),
    ];
    for (number, fold) in (1..).zip(&folds) {
        script.bring(fold).await;
        script.go().await;
        assert_eq!(script.view().kept_aside, number);
    }
    let aside = script.world.store(0).reasons_aside();
    assert_eq!(aside, vec![FOLD_DIFFERS; folds.len()]);
    assert_eq!(script.rows(lane), before);
    assert_eq!(words(&script.text()).len(), 10);
}

/// What the replica said of folds.
fn disputes(script: &Script) -> Vec<SegmentHash> {
    let disputes = script.submitted.iter().filter_map(|submitted| match submitted {
        Submitted::Verdict(verdict) if !verdict.statement.matches => {
            Some(SegmentHash(verdict.statement.snapshot.0))
        }
        _ => None,
    });
    disputes.collect()
}

#[tokio::test]
async fn whoever_finds_that_a_fold_differs_says_so_and_brings_what_it_stands_for() {
    let (mut script, mut author, changes, hashes) = with_author("disputing").await;
    let rows = script.rows(Some(author.log.lane));
    let lie = author.fold((2, 8), (hashes[2], hashes[9]), &changes[..7]);
    let hash = lie.hash(&script.classroom).unwrap();
    let before = script.submitted.len();
    script.bring(&lie).await;
    script.go().await;
    let said = &script.submitted[before..];
    assert!(matches!(said, [Submitted::Verdict(_), .., Submitted::Verdict(_)]));
    assert_eq!(disputes(&script), [hash; 2]);
    let brought: Vec<Segment> = said
        .iter()
        .filter_map(|submitted| match submitted {
            Submitted::Segment(segment) => Some(segment.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(brought, rows[2..9]);
    // Once is enough, as long as the connection lasts.
    script.bring(&lie).await;
    script.go().await;
    assert_eq!(disputes(&script).len(), 2);
    // What came of it is not known after a restart.
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(1).await;
    assert_eq!(disputes(&script), [hash; 2]);
    assert_eq!(script.view().kept_aside, 1);
    script.reopen_page().await;
    assert_eq!(words(&script.text()).len(), 10);
}

/// A script with somebody else of whom only a fold is here, that holds `[other]` in place of `[0]` to `[4]`; that fold, and
/// what it should hold.
async fn with_lie(seed: &str) -> (Script, Author, Segment, Vec<Segment>) {
    let mut script = Script::new(seed).await;
    script.settle().await;
    let mut author = script.author(Role::Student).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let saved = author.page.save().unwrap();
    let mut liar = Page::load(&saved, author.log.actor()).unwrap();
    liar.apply(&[word_at((0, 0), "[other]")]).unwrap();
    let other = liar.commit(0).unwrap();
    let mut parts = Vec::new();
    for word in 0..5 {
        let change = author.word(&format!("[{word}]"));
        parts.push(author.seal(&[change]));
    }
    let lie = author.fold((0, 4), (SegmentHash::NONE, author.previous), &[other]);
    script.bring(&lie).await;
    script.go().await;
    assert_eq!(words(&script.text()), wanted(["[other]"]));
    (script, author, lie, parts)
}

impl Script {
    fn ranges_asked(&self) -> Vec<(u64, u64)> {
        let ranges = self.asked.iter().filter_map(|frame| match frame {
            ClientFrame::Fetch { wanted, .. } => wanted.logs.first().map(|range| (range.from, range.to)),
            _ => None,
        });
        ranges.collect()
    }

    async fn fetch_all(&mut self, parts: &[Segment]) {
        for part in parts {
            self.bring_by(part, 0).await;
        }
        self.fetched().await;
    }
}

#[tokio::test]
async fn whoever_took_a_fold_that_differs_takes_what_it_stands_for() {
    let (mut script, mut author, lie, parts) = with_lie("taken").await;
    let lane = Some(author.log.lane);
    let next = author.word("[5]");
    let next = author.seal(&[next]);
    script.bring_verdict(&author.dispute(&lie)).await;
    assert_eq!(script.ranges_asked(), [(0, 5)]);
    script.fetch_all(&parts).await;
    assert_eq!(script.rows(lane), parts);
    let all = wanted(["[0]", "[1]", "[2]", "[3]", "[4]"]);
    assert_eq!(words(&script.text()), all);
    assert_eq!(script.world.store(0).reasons_aside(), [FOLD_DIFFERS]);
    assert_eq!(disputes(&script), [], "the relay knows");
    script.bring(&next).await;
    assert_eq!(words(&script.text()).len(), 6);
    script.reopen_page().await;
    assert_eq!(words(&script.text()).len(), 6);
    // It is settled: nothing is asked for again.
    script.connect().await;
    script.open(1).await;
    assert_eq!(script.ranges_asked(), []);
}

#[tokio::test]
async fn a_dispute_outlives_a_restart_and_what_is_not_proved_changes_nothing() {
    let (mut script, mut author, lie, parts) = with_lie("proof").await;
    let lane = Some(author.log.lane);
    script.bring_verdict(&author.dispute(&lie)).await;
    let more = author.word("[5]");
    let more = author.seal(&[more]);
    for wrong in [&parts[..4], &parts[1..], &[lie.clone(), more][..], &[]] {
        script.fetch_all(wrong).await;
        assert_eq!(script.rows(lane), std::slice::from_ref(&lie));
        script.tab = script.world.restart_tab(script.tab);
        script.connect().await;
        script.open(1).await;
        assert_eq!(script.ranges_asked(), [(0, 5)]);
    }
    script.fetch_all(&parts).await;
    assert_eq!(script.rows(lane), parts);
}

/// Two copies of a profile may fold the same log by themselves.
#[tokio::test]
async fn a_fold_that_goes_on_from_within_another_takes_its_place_with_what_is_before_it() {
    let mut script = Script::new("overlapping").await;
    script.settle().await;
    let mut author = script.author(Role::Student).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let (changes, parts, hashes) = author.count_up(9);
    let lane = Some(author.log.lane);
    let one = author.fold((0, 5), (hashes[0], hashes[6]), &changes[..6]);
    script.bring_all(&[one.clone(), parts[6].clone()]).await;
    // What is here is not all in it.
    let lie = author.fold((2, 8), (hashes[2], hashes[9]), &changes[3..]);
    script.bring(&lie).await;
    assert_eq!(script.ranges_asked(), [(0, 6)]);
    script.fetch_all(&[parts[0].clone(), parts[1].clone(), lie]).await;
    assert_eq!(script.rows(lane), [one.clone(), parts[6].clone()]);
    assert_eq!((words(&script.text()).len(), script.view().kept_aside), (7, 1));
    // Each entry has it tried again, which leads to nothing new on this connection.
    let (classroom, role, ask_first) = (script.classroom, Role::Student, false);
    let invite = Command::Invite {
        classroom,
        role,
        ask_first,
    };
    script.world.give(script.tab, invite);
    script.go().await;
    assert_eq!(script.ranges_asked(), [(0, 6)]);
    let other = author.fold((2, 8), (hashes[2], hashes[9]), &changes[2..]);
    script.bring(&other).await;
    assert_eq!(script.ranges_asked(), [(0, 6), (0, 6)]);
    // Not before all is here that it takes.
    script.fetch_all(&parts[..2]).await;
    assert_eq!(script.rows(lane), [one, parts[6].clone()]);
    // Nor is it forgotten.
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(1).await;
    assert_eq!(script.ranges_asked(), [(0, 6)]);
    let all = [parts[0].clone(), parts[1].clone(), other];
    script.fetch_all(&all).await;
    assert_eq!(script.rows(lane), all);
    // The log goes on behind it, and the one that was no fold of it is left.
    let next = author.word("[9]");
    let next = author.seal(&[next]);
    script.bring(&next).await;
    script.reopen_page().await;
    assert_eq!((words(&script.text()).len(), script.view().kept_aside), (10, 1));
    script.connect().await;
    script.open(1).await;
    assert_eq!(script.ranges_asked(), []);
}

/// What one fold does not lead to, another that took its place may.
#[tokio::test]
async fn a_fold_that_took_the_place_of_another_is_looked_into_as_well() {
    let mut script = Script::new("in its place").await;
    script.settle().await;
    let mut author = script.author(Role::Student).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let (changes, parts, hashes) = author.count_up(9);
    let lane = Some(author.log.lane);
    let mut fold = |first: usize, last: usize| {
        let ends = (hashes[first], hashes[last + 1]);
        author.fold((first as u64, last as u64), ends, &changes[first..=last])
    };
    let [within, here, before, further] = [fold(2, 5), fold(0, 5), fold(0, 3), fold(4, 8)];
    script
        .bring_all(&[parts[0].clone(), parts[1].clone(), within.clone()])
        .await;
    script.bring(&further).await;
    assert_eq!(script.ranges_asked(), [(2, 6)]);
    // The relay has the log in others, none of which begins where that fold does.
    let there = [before, further];
    script.fetch_all(&there).await;
    assert_eq!(script.rows(lane), [parts[0].clone(), parts[1].clone(), within]);
    script.bring(&here).await;
    assert_eq!(script.rows(lane), [here]);
    assert_eq!(script.ranges_asked(), [(2, 6), (0, 6)]);
    script.fetch_all(&there).await;
    assert_eq!(script.rows(lane), there);
    assert_eq!((words(&script.text()).len(), script.view().kept_aside), (9, 0));
}

/// The relay takes no fold that begins within another, and can't tell whether they hold the same.
#[tokio::test]
async fn what_a_copy_of_the_profile_has_not_folded_is_folded_anew() {
    let mut script = Script::new("anew").await;
    script.settle().await;
    let answered = script.submitted.len();
    for word in ["[1]", "[2]"] {
        script.write_word(word);
        script.go().await;
    }
    script.store_rest(answered).await;
    let mut copy = script.double().await;
    script.disconnect();
    for word in 3..8 {
        script.write_word(&format!("[{word}]"));
        script.go().await;
    }
    let runs = script.rows(None);
    let hashes: Vec<SegmentHash> = runs
        .iter()
        .map(|run| run.hash(&script.classroom).unwrap())
        .collect();
    let mut changes = Vec::new();
    for run in &runs {
        match run.open(&script.classroom, &copy.key).unwrap() {
            Body::Changes(more) => changes.extend(more),
            Body::Bundle(_) => panic!("it was folded"),
        }
    }
    script.connect().await;
    let ours = script.page_segments().pop().unwrap();
    assert_eq!((ours.header.first, ours.header.last), (3, 7));
    let number = u32::try_from(script.submitted.len() - 1).unwrap();
    script.open(1).await;
    script.refused(number, protocol::Refusal::FoldMismatch).await;
    assert_eq!(script.ranges_asked(), [(3, 8)]);
    let theirs = copy.fold((0, 5), (SegmentHash::NONE, hashes[5]), &changes[..6]);
    script.fetch_all(std::slice::from_ref(&theirs)).await;
    let rest = script.page_segments().pop().unwrap();
    assert_eq!((rest.header.first, rest.header.last), (6, 7));
    assert_eq!(rest.previous, hashes[5]);
    assert_eq!(rest.header.kind, Kind::Fold { covered: hashes[7] });
    let bundle = match rest.open(&script.classroom, &copy.key).unwrap() {
        Body::Bundle(bundle) => bundle,
        Body::Changes(_) => panic!("it is no fold"),
    };
    assert_eq!(unfold(&bundle, Limits::FOLD).unwrap(), changes[6..]);
    assert_eq!(script.rows(None), [theirs, rest]);
    assert_eq!(script.view().refused, None);
    script.store_rest(0).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    assert!(script.world.store(0).table(Table::Outbox).is_empty());
    script.reopen_page().await;
    assert_eq!(words(&script.text()).len(), 7);
}

#[tokio::test]
async fn an_honest_fold_stays_whatever_is_said_of_it() {
    let mut script = Script::new("honest").await;
    script.settle().await;
    let mut author = script.author(Role::Student).await;
    let admission = author.admission.clone();
    script.bring_entry(&admission).await;
    let changes: Vec<_> = (0..5).map(|word| author.word(&format!("[{word}]"))).collect();
    let parts: Vec<Segment> = changes
        .iter()
        .map(|change| author.seal(std::slice::from_ref(change)))
        .collect();
    let fold = author.fold((0, 4), (SegmentHash::NONE, author.previous), &changes);
    script.bring(&fold).await;
    script.bring_verdict(&author.dispute(&fold)).await;
    script.fetch_all(&parts).await;
    assert_eq!(script.rows(Some(author.log.lane)), [fold]);
    assert_eq!((words(&script.text()).len(), script.view().kept_aside), (5, 0));
    // Nor is a dispute of what is not here anything to ask for.
    script.bring_verdict(&author.dispute(&parts[0])).await;
    assert_eq!(script.ranges_asked().len(), 1);
}

/// The number of [`replica::store::AsideReason::FoldDiffers`] in a row.
const FOLD_DIFFERS: u8 = replica::store::AsideReason::FoldDiffers as u8;
