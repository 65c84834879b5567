//! Somebody whose program does not keep to the rules.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use getrandom::SysRng;
use protocol::SpaceId;
use protocol::bundle::{Event, Kind, Reader, Writer};
use protocol::identity::{InviteKeys, MemberKeys, Seed};
use protocol::invite::InviteLink;
use protocol::key::SealedKey;
use protocol::rand_core::UnwrapErr;
use protocol::roster::{Entry, Roster};
use protocol::segment::{Body, Segment};
use protocol::snapshot::{Header, Snapshot, coverage};
use tests::{AMINA, CLASSROOM, JONAS, Journey, Profile, Result, TITLE, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_leaves_something_out_is_refused_and_reported() -> Result<()> {
    let mut journey = Journey::start(2).await?;
    let (profile, other_profile) = (Profile::new()?, Profile::new()?);
    let (amina, jonas) = tokio::try_join!(journey.open(0, &profile), journey.open(1, &other_profile))?;
    amina.create_classroom(CLASSROOM, AMINA).await?;
    let (invite, staff_invite) = (amina.invite("Student").await?, amina.invite("Teacher").await?);
    amina.new_page(TITLE).await?;
    for word in ["The river is dry. ", "The factory was here."] {
        amina.write(word).await?;
        amina.wait_for_status("On the relay").await?;
    }

    // Amina's device knows better, and would say so: it hears of nothing yet.
    journey.link(0).cut();
    journey.relay.stop().await?;
    let folder = Profile::new()?;
    let (kept, forged) = (folder.path().join("kept"), folder.path().join("forged"));
    journey.relay.bundle("export", &kept).await?;
    let invite_keys = InviteLink::parse(&staff_invite).unwrap().keys().unwrap();
    forge(&kept, &invite_keys, &forged);
    journey.relay.bundle("import", &forged).await?;
    journey.relay.start_again().await?;

    jonas.join(&invite, JONAS).await?;
    jonas.open_page(TITLE).await?;
    jonas.wait_for_page("<p>The river is dry. </p>").await?;
    jonas.choose_from_menu("Document", "Verify history").await?;
    wait_until("it is said that the copy differs", async || {
        let text = "return document.querySelector('dialog[open] form')?.innerText ?? ''";
        let said = jonas.run(text).await?;
        Ok(said.as_str().is_some_and(|said| {
            said.contains("does not hold what its history holds. It was refused and reported")
        }))
    })
    .await?;
    jonas.confirm("Close").await?;
    jonas
        .wait_for_page("<p>The river is dry. The factory was here.</p>")
        .await?;
    jonas.press(&format!("Back to {CLASSROOM}")).await?;
    jonas.press("Kept aside: 1").await?;
    let reason = "A short form of a page that does not hold the same";
    jonas.wait_for_text("list", "Kept aside", reason).await?;

    // Nobody who comes after that is given it.
    let third_profile = Profile::new()?;
    let third = journey.open(1, &third_profile).await?;
    third.join(&invite, JONAS).await?;
    third.open_page(TITLE).await?;
    third
        .wait_for_page("<p>The river is dry. The factory was here.</p>")
        .await?;
    third.close().await?;
    journey.link(0).restore();
    amina.wait_for_status("On the relay").await?;
    amina.close().await?;
    jonas.close().await
}

/// From what a relay keeps of a classroom: somebody who came by an invite for staff says that a page ends before its last change.
fn forge(kept: &Path, invite: &InviteKeys, forged: &Path) {
    let rng = &mut UnwrapErr(SysRng);
    let mut reader = Reader::new();
    reader.push(&std::fs::read(kept).unwrap());
    let (mut entries, mut segments) = (Vec::new(), Vec::new());
    for event in reader {
        match event {
            Event::Record {
                kind: Kind::Entry,
                item,
                ..
            } => entries.push(Entry::decode(&item).unwrap()),
            Event::Record {
                kind: Kind::Segment,
                item,
                ..
            } => segments.push(Segment::decode(&item).unwrap()),
            _ => {}
        }
    }
    let mut entries = entries.into_iter();
    let mut roster = Roster::found(entries.next().unwrap()).unwrap();
    for entry in entries {
        roster.add(entry).unwrap();
    }
    let classroom = roster.classroom();

    let sealed = roster.sealed_for(&invite.exchange_key()).remove(0);
    let key = sealed
        .open(invite.exchange_secret(), &invite.exchange_key())
        .unwrap();
    let liar = MemberKeys::from_seed(&Seed::random(rng)).unwrap();
    let own_key = SealedKey::seal(&key, SpaceId::EVERYONE, 0, &liar.exchange_key(), rng).unwrap();
    let invited = roster.invite(&invite.id()).unwrap().entry;
    let parents = roster.heads_after(&invited);
    let school = roster.members().next().unwrap().school;
    let admission = Entry::admit(&liar, classroom, parents, invite, invited, school, vec![own_key]).unwrap();
    roster.add(admission.clone()).unwrap();

    segments.retain(|segment| segment.header.log.document != roster.document());
    segments.sort_unstable_by_key(|segment| segment.header.first);
    let changes = segments.iter().flat_map(|segment| {
        let Ok(Body::Changes(changes)) = segment.open(&classroom, &key) else {
            panic!("not a run: {:?}", segment.header);
        };
        changes
    });
    let mut changes: Vec<_> = changes.collect();
    changes.pop();
    let last = segments.last().unwrap();
    let log = last.header.log;
    let end = (log, last.header.last + 1, last.chain_hash(&classroom).unwrap());
    let header = Header {
        document: log.document,
        member: liar.id(),
        space: SpaceId::EVERYONE,
        epoch: 0,
        roster: vec![admission.hash()],
        covers: coverage(&log.document, [end]),
    };
    let saved = documents::fold::fold(&changes).unwrap();
    let (snapshot, pieces) = Snapshot::seal(&liar, &classroom, header, &key, &saved, rng).unwrap();

    let (mut writer, mut bytes) = Writer::begin();
    let mut write = |kind, item: &[u8]| bytes.extend(writer.record(&classroom, kind, item).unwrap());
    write(Kind::Entry, &admission.encode().unwrap());
    for piece in &pieces {
        write(Kind::Piece, piece.as_bytes());
    }
    write(Kind::Snapshot, &snapshot.encode().unwrap());
    bytes.extend(writer.end().unwrap());
    std::fs::write(forged, bytes).unwrap();
}
