//! What is sealed opens for the right reader at the right place, and nowhere else.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::bounded::Bytes;
use protocol::identity::{Seed, answer_challenge, verify_answer};
use protocol::invite::{InviteLink, InviteProof};
use protocol::key::{EpochKey, SealedKey};
use protocol::roster::Entry;
use protocol::segment::{Body, Kind, Log, MAX_BODY, MAX_INDEX, MAX_SEGMENT, Segment, fits};
use protocol::whisper::{MAX_CONTENT, MAX_WHISPER, Whisper};
use protocol::{ClassroomId, DocumentId, EntryHash, Error, LaneId, SegmentHash, Signature, SpaceId};

use crate::example::{
    CHALLENGE, DOCUMENT, LANE, NORTH, ORIGIN, Stream, epoch_key, example, header, invite_keys, person,
    sealed_to,
};

const ELSEWHERE: ClassroomId = ClassroomId([9; 32]);

fn other_key() -> EpochKey {
    EpochKey::from_bytes([1; 32])
}

fn changes() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 1..300), 0..6)
}

proptest! {
    #[test]
    fn a_segment_opens_to_what_was_sealed(changes in changes()) {
        let example = example();
        let segment = example.segment(0, SegmentHash::NONE, &changes);
        let again = Segment::decode(&segment.encode().unwrap()).unwrap();
        prop_assert_eq!(&again, &segment);
        prop_assert!(again.verify(&example.classroom()).is_ok());
        prop_assert_eq!(again.open(&example.classroom(), &epoch_key()), Ok(Body::Changes(changes)));
    }

    #[test]
    fn a_whisper_opens_to_what_was_sealed(content in vec(any::<u8>(), 0..=MAX_CONTENT)) {
        let whisper = whisper(&content);
        let bytes = whisper.encode().unwrap();
        prop_assert!(bytes.len() <= MAX_WHISPER);
        let again = Whisper::decode(&bytes).unwrap();
        prop_assert_eq!(again.open(&example().classroom(), &epoch_key()).unwrap(), content);
    }

    #[test]
    fn a_login_card_brings_the_seed_back(bytes: [u8; 16]) {
        let words = Seed::from_bytes(bytes).to_words();
        prop_assert_eq!(words.split(' ').count(), 12);
        let seed = Seed::from_words(&words).unwrap();
        prop_assert_eq!(seed.as_bytes(), &bytes);
    }

    #[test]
    fn an_invite_link_comes_back(classroom: [u8; 32], secret: [u8; 16]) {
        let link = InviteLink::from_parts(ClassroomId(classroom), secret);
        prop_assert_eq!(InviteLink::parse(&link.to_fragment()).unwrap(), link.clone());
        prop_assert_eq!(InviteLink::parse(&format!(" https://a.example/join#{}\n", link.to_fragment())).unwrap(), link);
    }
}

/// Each thing that a segment is bound to, changed alone: the signature does not hold, and with a fresh signature by
/// the same author the body does not open.
#[test]
fn a_segment_belongs_to_its_place_only() {
    let example = example();
    let classroom = example.classroom();
    let first = example.segment(0, SegmentHash::NONE, &[b"first".to_vec()]);
    let segment = example.segment(1, first.hash(&classroom).unwrap(), &[b"second".to_vec()]);
    assert_eq!(segment.verify(&ELSEWHERE), Err(Error::BadSignature("segment")));
    assert_eq!(
        segment.open(&ELSEWHERE, &epoch_key()),
        Err(Error::CannotOpen("segment"))
    );
    assert_eq!(
        segment.open(&classroom, &other_key()),
        Err(Error::CannotOpen("segment"))
    );
    type Change = fn(&mut Segment);
    let moved: [(&str, Change); 10] = [
        ("document", |it| it.header.log.document = DocumentId([1; 16])),
        ("member", |it| it.header.log.member = person(1).id()),
        ("lane", |it| it.header.log.lane = LaneId([1; 16])),
        ("first", |it| it.header.first = 2),
        ("last", |it| it.header.last = 2),
        ("space", |it| it.header.space = SpaceId([1; 16])),
        ("epoch", |it| it.header.epoch = 1),
        ("roster", |it| it.header.roster.push(EntryHash([1; 32]))),
        ("previous", |it| it.previous = SegmentHash([1; 32])),
        ("nonce", |it| it.nonce[0] ^= 1),
    ];
    for (what, change) in moved {
        let mut other = segment.clone();
        change(&mut other);
        assert_ne!(other.hash(&classroom), segment.hash(&classroom), "{what}");
        assert!(other.verify(&classroom).is_err(), "{what}");
        assert_eq!(
            other.open(&classroom, &epoch_key()),
            Err(Error::CannotOpen("segment")),
            "{what}"
        );
    }
    let mut other = segment.clone();
    let mut sealed = other.sealed.to_vec();
    sealed[0] ^= 1;
    other.sealed = Bytes::new("body", sealed).unwrap();
    assert!(other.verify(&classroom).is_err());
    assert!(other.open(&classroom, &epoch_key()).is_err());
    let mut other = segment.clone();
    other.signature = Signature::from_bytes([0; 64]);
    assert!(other.verify(&classroom).is_err());
}

/// The header names its author, so a segment sealed by somebody else under that name does not verify.
#[test]
fn nobody_signs_for_somebody_else() {
    let example = example();
    let log = Log {
        document: DOCUMENT,
        member: person(2).id(),
        lane: LANE,
    };
    let forged = Segment::seal(
        &person(3),
        &example.classroom(),
        header(log, 0, example.admission.hash()),
        SegmentHash::NONE,
        &epoch_key(),
        &[b"forged".to_vec()],
        &mut Stream::new("forged"),
    )
    .unwrap();
    assert_eq!(
        forged.verify(&example.classroom()),
        Err(Error::BadSignature("segment"))
    );
}

#[test]
fn a_segment_of_the_wrong_shape_is_not_decoded() {
    let example = example();
    let good = example.segment(0, SegmentHash::NONE, &[b"change".to_vec()]);
    type Change = fn(&mut Segment);
    let bent: [(&str, Change); 6] = [
        ("a run that covers two", |it| it.header.last = 1),
        ("a first one after another", |it| {
            it.previous = SegmentHash([1; 32]);
        }),
        ("a later one after none", |it| {
            (it.header.first, it.header.last) = (1, 1);
        }),
        ("an index that no store counts to", |it| {
            (it.header.first, it.header.last) = (MAX_INDEX + 1, MAX_INDEX + 1);
            it.previous = SegmentHash([1; 32]);
        }),
        ("no roster heads", |it| it.header.roster.clear()),
        ("less than a tag", |it| {
            it.sealed = Bytes::new("body", vec![0; 15]).unwrap();
        }),
    ];
    assert!(Segment::decode(&good.encode().unwrap()).is_ok());
    for (what, bend) in bent {
        let mut other = good.clone();
        bend(&mut other);
        assert_eq!(
            Segment::decode(&other.encode().unwrap()),
            Err(Error::Malformed("segment")),
            "{what}"
        );
    }
}

#[test]
fn the_largest_body_fits_and_a_larger_one_does_not() {
    let example = example();
    let largest = vec![vec![1; MAX_BODY - 5]];
    assert!(fits(&largest));
    let mut segment = example.segment(0, SegmentHash::NONE, &largest);
    segment.header.roster = vec![EntryHash([1; 32]); protocol::roster::MAX_HEADS];
    (segment.header.first, segment.header.last) = (MAX_INDEX, MAX_INDEX);
    segment.header.epoch = u32::MAX;
    segment.previous = SegmentHash([1; 32]);
    let bytes = segment.encode().unwrap();
    assert!(bytes.len() <= MAX_SEGMENT);
    assert_eq!(Segment::decode(&bytes), Ok(segment));

    let larger = vec![vec![1; MAX_BODY - 4]];
    assert!(!fits(&larger));
    let refused = Segment::seal(
        &person(2),
        &example.classroom(),
        example.segment(0, SegmentHash::NONE, &[]).header,
        SegmentHash::NONE,
        &epoch_key(),
        &larger,
        &mut Stream::new("larger"),
    );
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
}

#[test]
fn bodies_of_like_size_look_alike() {
    let example = example();
    let sealed_length = |length| {
        let segment = example.segment(0, SegmentHash::NONE, &[vec![1; length]]);
        segment.sealed.len()
    };
    assert_eq!(sealed_length(1_000), sealed_length(1_020));
    assert_ne!(sealed_length(1_000), sealed_length(2_000));
}

fn whisper(content: &[u8]) -> Whisper {
    Whisper::seal(
        &person(2),
        &example().classroom(),
        SpaceId::EVERYONE,
        0,
        &epoch_key(),
        content,
        &mut Stream::new("whisper"),
    )
    .unwrap()
}

#[test]
fn a_whisper_belongs_to_its_author_and_classroom_only() {
    let classroom = example().classroom();
    let whisper = whisper(b"here");
    assert!(whisper.open(&classroom, &epoch_key()).is_ok());
    assert_eq!(
        whisper.open(&ELSEWHERE, &epoch_key()),
        Err(Error::BadSignature("whisper"))
    );
    assert_eq!(
        whisper.open(&classroom, &other_key()),
        Err(Error::CannotOpen("whisper"))
    );
    type Change = fn(&mut Whisper);
    let changes: [Change; 3] = [
        |it| it.member = person(1).id(),
        |it| it.space = SpaceId([1; 16]),
        |it| it.epoch = 1,
    ];
    for change in changes {
        let mut other = whisper.clone();
        change(&mut other);
        assert_eq!(
            other.open(&classroom, &epoch_key()),
            Err(Error::BadSignature("whisper"))
        );
    }
}

#[test]
fn a_whisper_has_a_largest_content() {
    let seal = |length| {
        Whisper::seal(
            &person(2),
            &ELSEWHERE,
            SpaceId::EVERYONE,
            0,
            &epoch_key(),
            &vec![0; length],
            &mut Stream::new("whisper"),
        )
    };
    assert!(seal(MAX_CONTENT).is_ok());
    assert!(matches!(seal(MAX_CONTENT + 1), Err(Error::TooLarge { .. })));
}

#[test]
fn a_sealed_key_opens_for_its_recipient_space_and_epoch_only() {
    let to = person(1);
    let sealed = sealed_to(&to, "key");
    let open = |sealed: &SealedKey| sealed.open(to.exchange_secret(), &to.exchange_key());
    assert_eq!(open(&sealed), Ok(epoch_key()));
    let failed = Err(Error::CannotOpen("sealed key"));
    let other = person(2);
    assert_eq!(
        sealed.open(other.exchange_secret(), &other.exchange_key()),
        failed
    );
    assert_eq!(sealed.open(to.exchange_secret(), &other.exchange_key()), failed);
    let mut moved = sealed.clone();
    moved.epoch = 1;
    assert_eq!(open(&moved), failed);
    let mut moved = sealed.clone();
    moved.space = SpaceId([1; 16]);
    assert_eq!(open(&moved), failed);
}

/// Whoever hands on another key under the right name is found out when it is opened.
#[test]
fn a_sealed_key_is_the_one_it_states() {
    let to = person(1);
    let right = sealed_to(&to, "right");
    let wrong = SealedKey::seal(
        &other_key(),
        SpaceId::EVERYONE,
        0,
        &to.exchange_key(),
        &mut Stream::new("wrong"),
    )
    .unwrap();
    assert!(right.name() != wrong.name());
    let encode = |key| protocol::bounded::encode("sealed key", key).unwrap();
    // Space and epoch are the first 17 bytes, the name of the key the next 32.
    let renamed = [&encode(&right)[..49], &encode(&wrong)[49..]].concat();
    let renamed: SealedKey = protocol::bounded::decode("sealed key", &renamed).unwrap();
    assert_eq!(right.name(), renamed.name());
    assert_eq!(
        renamed.open(to.exchange_secret(), &to.exchange_key()),
        Err(Error::CannotOpen("sealed key"))
    );
}

#[test]
fn an_answer_is_worth_something_at_one_relay_once() {
    let keys = person(1);
    let signature = answer_challenge(&keys, ORIGIN, &CHALLENGE);
    let verify = |member: &_, origin, challenge: &_| verify_answer(member, origin, challenge, &signature);
    assert_eq!(verify(&keys.id(), ORIGIN, &CHALLENGE), Ok(()));
    let failed = Err(Error::BadSignature("challenge"));
    assert_eq!(verify(&keys.id(), "https://other.example", &CHALLENGE), failed);
    assert_eq!(verify(&keys.id(), ORIGIN, &[0; 32]), failed);
    assert_eq!(verify(&person(2).id(), ORIGIN, &CHALLENGE), failed);
}

#[test]
fn an_invite_proof_is_worth_something_at_one_relay_for_one_classroom_once() {
    let classroom = example().classroom();
    let proof = InviteProof::new(&invite_keys(), ORIGIN, &CHALLENGE, &classroom);
    assert_eq!(proof.verify(ORIGIN, &CHALLENGE, &classroom), Ok(()));
    let failed = Err(Error::BadSignature("invite"));
    assert_eq!(
        proof.verify("https://other.example", &CHALLENGE, &classroom),
        failed
    );
    assert_eq!(proof.verify(ORIGIN, &[0; 32], &classroom), failed);
    assert_eq!(proof.verify(ORIGIN, &CHALLENGE, &ELSEWHERE), failed);
    let mut other = proof;
    other.key = protocol::InviteKey(person(1).id().0);
    assert_eq!(other.verify(ORIGIN, &CHALLENGE, &classroom), failed);
}

#[test]
fn an_entry_that_no_reader_would_take_is_not_signed() {
    let keys = person(1);
    let found = |keys_in_it| Entry::found(&keys, NORTH, DOCUMENT, keys_in_it, &mut Stream::new("found"));
    let key = sealed_to(&keys, "key");
    let largest = found(vec![key.clone(); 256]).unwrap();
    assert_eq!(Entry::decode(&largest.encode().unwrap()), Ok(largest));
    assert!(matches!(found(vec![key; 257]), Err(Error::TooLarge { .. })));
    let admit = |parents| {
        Entry::admit(
            &keys,
            ELSEWHERE,
            vec![EntryHash([1; 32]); parents],
            &invite_keys(),
            EntryHash([1; 32]),
            NORTH,
            Vec::new(),
        )
    };
    assert!(Entry::decode(&admit(32).unwrap().encode().unwrap()).is_ok());
    assert!(matches!(admit(33), Err(Error::TooLarge { .. })));
}

/// The points of small order: with one of them as a key, one signature would fit many messages.
#[test]
fn keys_of_small_order_sign_nothing() {
    for point in [[0; 32], std::array::from_fn(|at| u8::from(at == 0))] {
        for signature in [[0; 64], std::array::from_fn(|at| u8::from(at == 0))] {
            assert!(
                verify_answer(
                    &protocol::MemberId(point),
                    ORIGIN,
                    &CHALLENGE,
                    &Signature::from_bytes(signature)
                )
                .is_err()
            );
        }
    }
}

#[test]
fn a_segment_of_a_newer_kind_is_kept_and_not_taken() {
    let example = example();
    let mut segment = example.segment(0, SegmentHash::NONE, &[vec![1]]);
    segment.header.kind = Kind::Other(2);
    segment.header.last = 40;
    let again = Segment::decode(&segment.encode().unwrap()).unwrap();
    assert_eq!(again, segment);
    assert!(matches!(
        again.verify(&example.classroom()),
        Err(Error::UnsupportedVersion { version: 2, .. })
    ));
    assert!(matches!(
        again.open(&example.classroom(), &epoch_key()),
        Err(Error::UnsupportedVersion { version: 2, .. })
    ));
    // A known kind has one name only.
    for known in [0, 1] {
        segment.header.kind = Kind::Other(known);
        assert!(segment.encode().is_err());
    }
}
