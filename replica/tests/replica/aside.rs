//! What a relay brings that cannot be applied, and what it does not take: both are kept and shown.

use documents::page::Page;
use protocol::roster::Role;
use protocol::segment::Segment;
use protocol::{Refusal, Signature};
use replica::store::Table;
use replica::view::Work;

use crate::script::{Script, Submitted};
use crate::tab::words;

/// A founder whose work is on the relay, and another author whom the replica knows.
async fn with_author(seed: &str) -> (Script, crate::script::Author) {
    let mut script = Script::new(seed).await;
    script.open(0).await;
    script.store_all_from(0).await;
    let before = u32::try_from(script.submitted.len()).unwrap();
    let author = script.author(Role::Student).await;
    script.store_all_from(before).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
    (script, author)
}

/// The same after a restart, with the classroom open on a fresh connection.
async fn restart(script: &mut Script, index: u64) {
    script.tab = script.world.restart_tab(script.tab);
    script.connect().await;
    script.open(index).await;
    let (classroom, document) = script.page;
    let open = replica::command::Command::OpenPage { classroom, document };
    script.world.give(script.tab, open);
    script.go().await;
}

#[tokio::test]
async fn what_comes_too_early_is_kept_and_applied_later() {
    let (mut script, mut author) = with_author("early").await;
    let changes: Vec<Vec<u8>> = (0..4).map(|word| author.word(&format!("[{word}]"))).collect();
    let segments: Vec<Segment> = changes.into_iter().map(|change| author.seal(&[change])).collect();
    // Before the replica knows the author, and in the wrong order.
    for segment in segments.iter().rev() {
        script.bring(segment).await;
    }
    assert_eq!((script.view().kept_aside, script.text().as_str()), (4, ""));
    restart(&mut script, 20).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (4, ""));

    script.bring_entry(&author.admission).await;
    assert_eq!(script.view().kept_aside, 0);
    assert_eq!(words(&script.text()).len(), 4);
    assert!(script.world.store(0).table(Table::Aside).is_empty());
    restart(&mut script, 30).await;
    assert_eq!(words(&script.text()).len(), 4);
}

#[tokio::test]
async fn entries_that_come_before_their_parents_wait_across_a_restart() {
    let mut script = Script::new("parents").await;
    script.open(0).await;
    script.store_all_from(0).await;
    let members = |script: &Script| script.view().members.len();
    let before = u32::try_from(script.submitted.len()).unwrap();
    let author = script.author(Role::Teacher).await;
    script.store_all_from(before).await;
    // The store of another tab, in which the invite is not yet: the admission comes first.
    let mut other = Script::new("parents").await;
    assert_eq!(
        other.classroom, script.classroom,
        "the same seed founds the same classroom"
    );
    other.open(0).await;
    other.bring_entry(&author.admission).await;
    assert_eq!(members(&other), 1);
    restart(&mut other, 9).await;
    // The invite, and that it is for the founder's school, from the last to the first.
    for entry in script.entries()[1..].iter().rev() {
        assert_eq!(members(&other), 1);
        other.bring_entry(entry).await;
    }
    assert_eq!(members(&other), 2);
}

#[tokio::test]
async fn one_bad_item_never_stops_the_rest() {
    let (mut script, mut author) = with_author("bad").await;
    script.bring_entry(&author.admission).await;

    // A forged signature.
    let good = author.word("[good]");
    let honest = author.seal(std::slice::from_ref(&good));
    let mut forged = honest.clone();
    forged.signature = Signature::from_bytes([1; 64]);
    script.bring(&forged).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (1, ""));
    script.bring(&honest).await;
    assert_eq!(script.text(), "[good]");

    // A change of another actor than the lane's, beside one that is right.
    let stranger = {
        let saved = author.page.save().unwrap();
        let mut page = Page::load(&saved, [7; 16]).unwrap();
        page.apply(&[crate::tab::word_at((0, 0), "[stranger]")]).unwrap();
        page.commit(0).unwrap()
    };
    let second = author.word("[second]");
    let mixed = author.seal(&[stranger, second]);
    script.bring(&mixed).await;
    assert_eq!(
        words(&script.text()),
        ["[good]", "[second]"].map(str::to_owned).into()
    );
    assert_eq!(script.view().kept_aside, 2);

    // No change at all.
    let nonsense = author.seal(&[vec![1, 2, 3]]);
    script.bring(&nonsense).await;
    assert_eq!(script.view().kept_aside, 3);

    // The log goes on.
    let third = author.word("[third]");
    let third = author.seal(&[third]);
    script.bring(&third).await;
    assert!(script.text().contains("[third]"));

    // Twice the same thing is aside once, and a restart keeps it.
    script.bring(&forged).await;
    assert_eq!(script.view().kept_aside, 3);
    restart(&mut script, 40).await;
    assert_eq!(script.view().kept_aside, 3);
    assert_eq!(words(&script.text()).len(), 3);
}

#[tokio::test]
async fn what_is_sealed_with_another_key_is_kept() {
    let (mut script, mut author) = with_author("keys").await;
    script.bring_entry(&author.admission).await;
    let change = author.word("[sealed]");
    let right = author.key.clone();
    author.key = protocol::key::EpochKey::from_bytes([6; 32]);
    let unreadable = author.seal(std::slice::from_ref(&change));
    script.bring(&unreadable).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (1, ""));
    // The log cannot go on without it; what follows is kept as well.
    author.key = right;
    let later = author.word("[later]");
    let later = author.seal(&[later]);
    script.bring(&later).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (2, ""));
    // An epoch that nobody handed to us.
    author.turn_to(protocol::DocumentId([8; 16]));
    let header = protocol::segment::Header {
        epoch: 7,
        ..author.header()
    };
    let unknown = author.seal_as(header, &[change]);
    script.bring(&unknown).await;
    assert_eq!(script.view().kept_aside, 3);
}

#[tokio::test]
async fn a_guest_who_writes_past_the_relay_is_not_heard() {
    let mut script = Script::new("guest writes").await;
    script.open(0).await;
    script.store_all_from(0).await;
    let mut guest = script.author(Role::Guest).await;
    script.bring_entry(&guest.admission).await;
    let change = guest.word("[guest]");
    let segment = guest.seal(&[change]);
    script.bring(&segment).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (1, ""));
}

#[tokio::test]
async fn what_follows_a_refused_segment_is_sent_again_behind_it() {
    let (mut script, _) = with_author("busy").await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    for word in ["[a]", "[b]", "[c]"] {
        script.write_word(word);
        script.go().await;
    }
    let sent = script.segments();
    let [.., (_, log, a), (_, _, b), (_, _, c)] = sent[..] else {
        panic!("{sent:?}")
    };
    script.refused(first, Refusal::Busy).await;
    assert_eq!(script.view().refused, Some(Refusal::Busy));
    script.refused(first + 1, Refusal::IndexGap).await;
    script.refused(first + 2, Refusal::IndexGap).await;
    // Not before a while.
    assert_eq!(script.segments(), sent);
    script.pass(1_000).await;
    assert_eq!(script.segments(), sent);
    // Work goes on meanwhile, and waits behind.
    script.write_word("[d]");
    script.go().await;
    assert_eq!(script.segments(), sent);
    script.pass(5_000).await;
    let again: Vec<_> = script.segments()[sent.len()..]
        .iter()
        .map(|(_, log, index)| (*log, *index))
        .collect();
    assert_eq!(again, [(log, a), (log, b), (log, c), (log, c + 1)]);
    script.store_all_from(first + 3).await;
    assert_eq!(
        (script.view().work, script.view().refused),
        (Work::OnTheRelay, None)
    );
}

#[tokio::test]
async fn a_refusal_for_good_is_shown_and_its_item_stays() {
    let (mut script, _) = with_author("for good").await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    script.write_word("[a]");
    script.go().await;
    script.refused(first, Refusal::TooLarge).await;
    for _ in 0..20 {
        script.pass(1_000).await;
    }
    assert_eq!(script.submitted.len(), usize::try_from(first).unwrap() + 1);
    // Not that all of the classroom is.
    assert_eq!(
        (script.view().refused, script.view().all_refused),
        (Some(Refusal::TooLarge), false)
    );
    assert_eq!(script.view().work, Work::OnThisDevice);
    let kept = script.world.store(0).table(Table::Outbox);
    assert_eq!(kept.len(), 1);
    // The next connection, or the next start, tries again with the same bytes.
    script.disconnect();
    script.connect().await;
    script.open(20).await;
    assert_eq!(script.segments().len(), 1);
    restart(&mut script, 20).await;
    assert_eq!(script.segments().len(), 1);
    assert_eq!(script.world.store(0).table(Table::Outbox), kept);
    script.stored(0).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
}

#[tokio::test]
async fn a_classroom_that_the_relay_closed_is_opened_again() {
    let (mut script, _) = with_author("closed").await;
    let opened = script.opened;
    script.closed(Refusal::Storage).await;
    let told = |script: &Script| (script.view().refused, script.view().all_refused);
    assert_eq!(told(&script), (Some(Refusal::Storage), true));
    script.write_word("[kept]");
    script.go().await;
    script.pass(1_500).await;
    assert_eq!(script.opened, opened + 1);
    script.open(9).await;
    assert_eq!(told(&script), (None, false));
    assert_eq!(script.segments().len(), 1);
    script.stored(0).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
}

#[tokio::test]
async fn an_entry_that_was_refused_holds_back_what_names_it() {
    let mut script = Script::new("entry refused").await;
    script.open(0).await;
    script.store_all_from(0).await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    script.author(Role::Student).await;
    script.write_word("[after]");
    script.go().await;
    script.refused(first, Refusal::Busy).await;
    script.refused(first + 1, Refusal::UnknownParent).await;
    let submitted = usize::try_from(first).unwrap() + 2;
    assert_eq!(script.submitted.len(), submitted);
    script.pass(5_500).await;
    assert!(matches!(
        script.submitted[submitted..],
        [Submitted::Entry(_), Submitted::Segment(_)]
    ));
    script.store_all_from(first + 2).await;
    assert_eq!(script.view().work, Work::OnTheRelay);
}

#[tokio::test]
async fn what_a_relay_calls_a_fork_is_kept_aside() {
    let (mut script, _) = with_author("only said").await;
    let first = u32::try_from(script.submitted.len()).unwrap();
    script.write_word("[a]");
    script.go().await;
    let (_, log, _) = *script.segments().last().unwrap();
    script.refused(first, Refusal::Fork).await;
    // What it refused is aside, and the page does not show what nobody else will see.
    assert_eq!((script.view().kept_aside, script.text().as_str()), (1, ""));
    assert_eq!(script.view().work, Work::OnTheRelay);
    // What comes now is written on another lane.
    script.write_word("[b]");
    script.go().await;
    let (_, other, index) = *script.segments().last().unwrap();
    assert_ne!(other.lane, log.lane);
    assert_eq!(index, 0);
    restart(&mut script, 20).await;
    assert_eq!((script.view().kept_aside, script.text().as_str()), (1, "[b]"));
    // Only what is left of the log is sent again.
    assert!(
        script
            .segments()
            .iter()
            .all(|(_, sent, _)| sent.lane == other.lane)
    );
}
