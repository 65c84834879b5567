//! What people see or type: the login card and the invite link, and what follows from them (section 2).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bip39::{Language, Mnemonic};

use super::roster::{Entry, invite, invite_exchange, member, member_exchange};
use super::{Cursor, key_with};
use crate::golden::{read, text};

#[test]
fn a_login_card_is_read() {
    let words = text("login-card");
    assert_eq!(words.split(' ').count(), 12);
    let seed = Mnemonic::parse_in_normalized(Language::English, &words).unwrap();
    assert_eq!(seed.to_entropy(), (0..16).collect::<Vec<u8>>());
}

#[test]
fn an_invite_link_is_read() {
    let link = text("invite-link");
    let (_, fragment) = link.split_once('#').unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(fragment).unwrap();
    let mut cursor = Cursor(&bytes);
    assert_eq!(cursor.byte(), 1, "version");
    assert_eq!(cursor.array(), Entry::read("roster-found").hash);
    assert_eq!(cursor.array(), [0x77; 16]);
    assert!(cursor.0.is_empty());
}

#[test]
fn what_is_derived_from_seeds_and_secrets_is_the_same() {
    let file = read("segment-first");
    // Behind version and kind.
    let mut cursor = Cursor(&file[2..]);
    let (document, author, lane) = (cursor.take(16), cursor.take(32), cursor.take(16));
    let actor = key_with("meridian 2026-11 v1 actor", &[author, lane, document]);
    let written = text("derived-keys");
    let values = written.lines().map(|line| line.split_once(": ").unwrap().1);
    let derived = [
        hex(&member(1)),
        hex(&member_exchange(1).1),
        hex(&member(2)),
        hex(&member_exchange(2).1),
        hex(&invite(0x77)),
        hex(&invite_exchange(0x77).1),
        hex(&Entry::read("roster-found").hash),
        hex(&actor[..16]),
    ];
    assert_eq!(values.collect::<Vec<_>>(), derived);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
