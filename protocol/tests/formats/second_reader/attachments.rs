//! Attachments (section 14).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use protocol::attachment::Chunk;

use super::roster::member;
use super::{Cursor, check, entry_hash, hash, open};
use crate::attachments::{FILE, large_file, seal};
use crate::example::ORIGIN;
use crate::golden::{read, text};

#[test]
fn attachments_are_read() {
    let chunk = read("attachment-chunk");
    read_attachment("attachment", &[&chunk], FILE);
    let (_, chunks) = seal("attachment of two chunks", &large_file());
    let chunks: Vec<&[u8]> = chunks.iter().map(Chunk::as_bytes).collect();
    read_attachment("attachment-large", &chunks, &large_file());
}

fn read_attachment(name: &str, chunks: &[&[u8]], file: &[u8]) {
    let address = text(name);
    let address = address.strip_prefix("attachment:").unwrap();
    let reference = BASE64_URL_SAFE_NO_PAD.decode(address).unwrap();
    let mut cursor = Cursor(&reference);
    assert_eq!(cursor.byte(), 1, "version");
    let key: [u8; 32] = cursor.array();
    let length = cursor.number() as usize;
    let names = cursor.list(Cursor::array::<32>);
    assert!(cursor.0.is_empty());
    assert_eq!(names.len(), chunks.len());
    let mut body = Vec::new();
    for (index, (name, chunk)) in names.iter().zip(chunks).enumerate() {
        assert_eq!(name, hash(chunk).as_bytes());
        let mut cursor = Cursor(chunk);
        assert_eq!(cursor.byte(), 1, "version");
        let nonce = cursor.take(24);
        let aad = [
            b"meridian v1 attachment part\0".as_slice(),
            &entry_hash("roster-found"),
            &(index as u32).to_be_bytes(),
            &(chunks.len() as u32).to_be_bytes(),
        ]
        .concat();
        body.extend(open(&key, nonce, cursor.0, &aad));
        assert!(index + 1 == chunks.len() || body.len() == (index + 1) * 262_144);
    }
    let (read, padding) = body.split_at(length);
    assert!(read == file);
    assert!(padding.iter().all(|&byte| byte == 0));
}

#[test]
fn a_claim_is_read() {
    let message = [
        b"meridian v1 attachment chunk\0".as_slice(),
        &entry_hash("roster-found"),
        &[0xd0; 16],
        hash(&read("attachment-chunk")).as_bytes(),
        ORIGIN.as_bytes(),
    ]
    .concat();
    check(&member(2), &message, &read("attachment-claim"));
}
