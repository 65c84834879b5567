//! Attachments: a file opens from its own chunks in their order, by its own reference, in its own classroom.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::prelude::*;
use protocol::attachment::{
    CHUNK_BODY, Chunk, DocumentChunk, MAX_CHUNK, MAX_CHUNKS, MAX_FILE, Reference, claim, verify_claim,
};
use protocol::{ChunkHash, ClassroomId, DocumentId, Error, MemberId, Signature};

use crate::example::{DOCUMENT, ORIGIN, Stream, person};
use crate::golden::{classroom, read, text, write, write_text};

const ELSEWHERE: ClassroomId = ClassroomId([9; 32]);

/// What the written attachments hold: one of one chunk, and one of several, whose chunks are not written.
pub(crate) const FILE: &[u8] = b"what a picture's file holds";

pub(crate) fn large_file() -> Vec<u8> {
    (0..CHUNK_BODY + 1000).map(|at| (at % 251) as u8).collect()
}

pub(crate) fn seal(label: &str, file: &[u8]) -> (Reference, Vec<Chunk>) {
    Reference::seal(&classroom(), file, &mut Stream::new(label)).unwrap()
}

fn claimed(chunk: &ChunkHash) -> Signature {
    claim(&person(2), ORIGIN, &classroom(), &DOCUMENT, chunk)
}

pub(crate) fn write_all() {
    let (reference, chunks) = seal("attachment", FILE);
    write_text("attachment", &reference.address().unwrap());
    write("attachment-chunk", chunks[0].as_bytes());
    write("attachment-claim", &claimed(&chunks[0].hash()).to_bytes());
    let (large, _) = seal("attachment of two chunks", &large_file());
    write_text("attachment-large", &large.address().unwrap());
}

pub(crate) fn check() {
    let reference = Reference::parse(&text("attachment")).unwrap();
    assert_eq!(reference.address(), Ok(text("attachment")));
    let chunk = Chunk::decode(read("attachment-chunk")).unwrap();
    assert_eq!(reference.chunks(), [chunk.hash()]);
    let name = chunk.hash();
    assert_eq!(reference.open(&classroom(), &[chunk]), Ok(FILE.to_vec()));

    let signature = Signature::from_bytes(read("attachment-claim").try_into().unwrap());
    assert_eq!(signature, claimed(&name));
    let member = person(2).id();
    verify_claim(&member, &signature, ORIGIN, &classroom(), &DOCUMENT, &name).unwrap();

    // The nonces follow from the label, so that the chunks are those of then.
    let large = Reference::parse(&text("attachment-large")).unwrap();
    assert_eq!(large.address(), Ok(text("attachment-large")));
    let (again, chunks) = seal("attachment of two chunks", &large_file());
    assert_eq!((again, chunks.len()), (large.clone(), 2));
    assert_eq!(large.open(&classroom(), &chunks), Ok(large_file()));
}

/// The bytes of an address.
pub(crate) fn bytes_of(address: &str) -> Vec<u8> {
    let text = address.strip_prefix("attachment:").unwrap();
    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub(crate) fn address_of(bytes: &[u8]) -> String {
    format!("attachment:{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_file_opens_to_what_was_sealed(
        length in prop_oneof![1..3000usize, (CHUNK_BODY - 20)..(CHUNK_BODY + 20), 1..3 * CHUNK_BODY],
        byte: u8,
    ) {
        let file = vec![byte; length];
        let (reference, chunks) = seal("attachment", &file);
        let parsed = Reference::parse(&reference.address().unwrap()).unwrap();
        prop_assert_eq!(&parsed, &reference);
        prop_assert!(chunks.iter().all(|chunk| chunk.as_bytes().len() <= MAX_CHUNK));
        let chunks: Vec<Chunk> = chunks
            .into_iter()
            .map(|chunk| Chunk::decode(chunk.into_bytes()).unwrap())
            .collect();
        let names: Vec<ChunkHash> = chunks.iter().map(Chunk::hash).collect();
        prop_assert_eq!(parsed.chunks(), names);
        prop_assert_eq!(parsed.open(&classroom(), &chunks), Ok(file));
    }
}

proptest! {
    #[test]
    fn a_chunk_comes_back_with_its_document(document: [u8; 16], length in 1..3000usize) {
        let (_, mut chunks) = seal("attachment", &vec![1; length]);
        let of_document = DocumentChunk { document: DocumentId(document), chunk: chunks.remove(0) };
        let bytes = of_document.encode();
        prop_assert_eq!(&bytes[..16], document);
        prop_assert_eq!(DocumentChunk::decode(bytes), Ok(of_document));
    }
}

#[test]
fn chunks_are_those_of_their_attachment_in_their_order() {
    let (reference, chunks) = seal("attachment", &vec![7; 2 * CHUNK_BODY + 1]);
    let (other, others) = seal("another one", &vec![7; 2 * CHUNK_BODY + 1]);
    assert_eq!(chunks.len(), 3);
    let open = |chunks: &[Chunk]| reference.open(&classroom(), chunks);
    assert!(open(&chunks).is_ok());
    let missing = |index: usize| Err(Error::MissingChunk(chunks[index].hash()));
    assert_eq!(open(&chunks[..2]), missing(2));
    assert_eq!(open(&chunks[1..]), missing(0));
    assert_eq!(open(&others), missing(0));
    let mut changed = chunks[1].as_bytes().to_vec();
    changed[CHUNK_BODY / 2] ^= 1;
    let changed = Chunk::decode(changed).unwrap();
    assert_eq!(open(&[chunks[0].clone(), changed, chunks[2].clone()]), missing(1));
    let failed = Err(Error::CannotOpen("attachment"));
    assert_eq!(reference.open(&ELSEWHERE, &chunks), failed);

    // Whoever names them in another order, or under another key, names nothing that opens.
    let bytes = bytes_of(&reference.address().unwrap());
    let names = bytes.len() - 3 * 32;
    let swapped = [
        &bytes[..names],
        &bytes[names + 32..names + 64],
        &bytes[names..names + 32],
        &bytes[names + 64..],
    ];
    let swapped_chunks = [chunks[1].clone(), chunks[0].clone(), chunks[2].clone()];
    let swapped = Reference::parse(&address_of(&swapped.concat())).unwrap();
    assert_eq!(swapped.open(&classroom(), &swapped_chunks), failed);
    let key = &bytes_of(&other.address().unwrap())[1..33];
    let other_key = [&bytes[..1], key, &bytes[33..]].concat();
    let other_key = Reference::parse(&address_of(&other_key)).unwrap();
    assert_eq!(other_key.open(&classroom(), &chunks), failed);
}

#[test]
fn a_reference_says_how_long_its_file_is_and_has_one_spelling() {
    let (reference, chunks) = seal("attachment", &[1; 1000]);
    let bytes = bytes_of(&reference.address().unwrap());
    assert_eq!(bytes[33..36], [0xe8, 0x07, 1], "1000, and one chunk");
    let with = |length: &[u8]| {
        let bytes = [&bytes[..33], length, &bytes[35..]].concat();
        Reference::parse(&address_of(&bytes))
    };
    // Of the padding nothing is shown, and nothing of the file is left out.
    let malformed = Err(Error::Malformed("attachment"));
    assert_eq!(
        with(&[0xe7, 0x07]).unwrap().open(&classroom(), &chunks),
        malformed
    );
    assert_eq!(
        with(&[0xff, 0x3f]).unwrap().open(&classroom(), &chunks),
        malformed
    );
    for length in [
        [0].as_slice(),
        // More than one chunk holds, and more than anything.
        &[0x81, 0x80, 0x10],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        // Longer than it needs to be.
        &[0xe8, 0x87, 0x00],
    ] {
        assert_eq!(
            with(length).unwrap_err(),
            Error::Malformed("attachment"),
            "{length:?}"
        );
    }
    let address = reference.address().unwrap();
    for other in [
        address.replace("attachment:", "Attachment:"),
        address.replace("attachment:", "data:"),
        format!("{address}="),
        format!("{address} "),
        format!(" {address}"),
        format!("{address}AAAA"),
        address[..address.len() - 4].to_owned(),
        "attachment:".to_owned(),
        String::new(),
    ] {
        let refused = Reference::parse(&other);
        assert_eq!(refused, Err(Error::Malformed("attachment")), "{other}");
    }
    let mut newer = bytes.clone();
    newer[0] = 2;
    let newer = Reference::parse(&address_of(&newer));
    let (what, version) = ("attachment", 2);
    assert_eq!(newer, Err(Error::UnsupportedVersion { what, version }));
    assert!(Reference::is_address(&address) && !Reference::is_address("data:image/png;base64,"));
}

#[test]
fn a_file_has_a_largest_size() {
    let seal = |length| Reference::seal(&classroom(), &vec![1; length], &mut Stream::new("attachment"));
    assert_eq!(seal(0).unwrap_err(), Error::Malformed("attachment"));
    let too_large = Error::TooLarge {
        what: "attachment",
        max: MAX_FILE,
    };
    assert_eq!(seal(MAX_FILE + 1).unwrap_err(), too_large);
    let (reference, chunks) = seal(MAX_FILE).unwrap();
    assert_eq!(chunks.len(), MAX_CHUNKS);
    let parsed = Reference::parse(&reference.address().unwrap());
    assert_eq!(parsed.as_ref(), Ok(&reference));
    // As many names as there are chunks, and no more than there may be.
    let bytes = bytes_of(&reference.address().unwrap());
    let more = [bytes.as_slice(), &[0; 32]].concat();
    assert!(matches!(
        Reference::parse(&address_of(&more)),
        Err(Error::Malformed(_) | Error::TooLarge { .. })
    ));
}

#[test]
fn files_of_like_size_look_alike() {
    let lengths = |length| -> Vec<usize> {
        let (_, chunks) = seal("attachment", &vec![1; length]);
        chunks.iter().map(|chunk| chunk.as_bytes().len()).collect()
    };
    assert_eq!(lengths(1_000), lengths(1_020));
    assert_ne!(lengths(1_000), lengths(2_000));
    assert_eq!(lengths(300_000), lengths(301_000));
    // The same file sealed twice is not the same.
    let (one, other) = (seal("attachment", FILE), seal("another one", FILE));
    assert_ne!(one.1[0].hash(), other.1[0].hash());
}

#[test]
fn a_claim_is_worth_something_for_one_chunk_of_one_document_at_one_relay() {
    let (member, other, here) = (person(2).id(), person(1).id(), classroom());
    let chunk = ChunkHash([7; 32]);
    let signature = claimed(&chunk);
    let verify =
        |member: &MemberId, origin: &str, classroom: &ClassroomId, document: [u8; 16], chunk: [u8; 32]| {
            let (document, chunk) = (DocumentId(document), ChunkHash(chunk));
            verify_claim(member, &signature, origin, classroom, &document, &chunk)
        };
    assert_eq!(verify(&member, ORIGIN, &here, DOCUMENT.0, chunk.0), Ok(()));
    let failed = Err(Error::BadSignature("attachment chunk"));
    for wrong in [
        verify(&other, ORIGIN, &here, DOCUMENT.0, chunk.0),
        verify(&member, "https://other.example", &here, DOCUMENT.0, chunk.0),
        verify(&member, ORIGIN, &ELSEWHERE, DOCUMENT.0, chunk.0),
        verify(&member, ORIGIN, &here, [1; 16], chunk.0),
        verify(&member, ORIGIN, &here, DOCUMENT.0, [8; 32]),
    ] {
        assert_eq!(wrong, failed);
    }
}
