//! Roster entries, whatever their action (sections 3 and 4).

use blake3::{derive_key, hash};
use ed25519_dalek::SigningKey;
use hpke::{Deserializable as _, Kem as _, OpModeR, Serializable as _};

use super::{Cursor, EPOCH_KEY, check, key_with, open};
use crate::golden::read;

type Kem = hpke::kem::X25519HkdfSha256;
type HpkeCipher = hpke::aead::ChaCha20Poly1305;
type HpkeHash = hpke::kdf::HkdfSha256;
type Secret = <Kem as hpke::Kem>::PrivateKey;

pub(super) struct Entry {
    pub(super) hash: [u8; 32],
    classroom: Option<[u8; 32]>,
    parents: Vec<[u8; 32]>,
    author: [u8; 32],
    action: Action,
}

enum Action {
    Found {
        school: [u8; 16],
        exchange: [u8; 32],
        document: [u8; 16],
        keys: Vec<SealedKey>,
    },
    Invite {
        terms: Terms,
        keys: Vec<SealedKey>,
    },
    Admit {
        joining: Joining,
        keys: Vec<SealedKey>,
    },
    AskInvite(Terms),
    EndInvite {
        invite: [u8; 32],
        rotations: Vec<Rotation>,
    },
    Request {
        joining: Joining,
        note: Vec<u8>,
    },
    Approve {
        request: [u8; 32],
        keys: Vec<SealedKey>,
    },
    Decline {
        request: [u8; 32],
    },
    ChangeRole {
        member: [u8; 32],
        role: u64,
        cutoffs: Vec<Cutoff>,
        keys: Vec<SealedKey>,
        rotations: Vec<Rotation>,
    },
    Remove {
        members: Vec<([u8; 32], Vec<Cutoff>)>,
        rotations: Vec<Rotation>,
    },
    Consent {
        member: [u8; 32],
    },
    Rotate(Vec<Rotation>),
    NewSpace {
        members: Vec<[u8; 32]>,
        first: Rotation,
    },
    Lock {
        document: [u8; 16],
        locked: u8,
    },
    Close(u8),
    Erase {
        document: [u8; 16],
        successor: [u8; 16],
    },
    Extend {
        member: [u8; 32],
        cutoffs: Vec<Cutoff>,
    },
    PlaceInvite {
        invite: [u8; 32],
        school: [u8; 16],
    },
}

/// Of an invite, be it open or to ask.
struct Terms {
    key: [u8; 32],
    exchange: [u8; 32],
    role: u64,
    uses: u64,
    expires: u64,
    proof: [u8; 64],
}

/// Of an admission or a request.
struct Joining {
    invite: [u8; 32],
    exchange: [u8; 32],
    school: [u8; 16],
    proof: [u8; 64],
}

struct SealedKey {
    space: [u8; 16],
    epoch: u64,
    id: [u8; 32],
    encapsulated: [u8; 32],
    sealed: [u8; 48],
}

struct Rotation {
    space: [u8; 16],
    epoch: u64,
    id: [u8; 32],
    previous: Vec<Wrapped>,
    handed: Vec<([u8; 32], SealedKey)>,
}

struct Wrapped {
    epoch: u64,
    id: [u8; 32],
    nonce: [u8; 24],
    sealed: [u8; 48],
}

/// Document, lane, next.
type Cutoff = ([u8; 16], [u8; 16], u64);

impl Entry {
    /// Reads a golden file to its last byte, and checks the signature.
    pub(super) fn read(name: &str) -> Self {
        let file = read(name);
        let mut envelope = Cursor(&file);
        assert_eq!(envelope.byte(), 1, "version");
        let content = envelope.bytes();
        let signature = envelope.take(64);
        assert!(envelope.0.is_empty());

        let mut cursor = Cursor(content);
        let classroom = cursor.option(Cursor::array);
        let parents = cursor.list(Cursor::array);
        let author = cursor.array();
        let action = action(&mut cursor);
        assert!(cursor.0.is_empty(), "{name}");
        let hash = derive_key("meridian 2026-11 v1 roster entry", content);
        check(
            &author,
            &[b"meridian v1 roster entry\0".as_slice(), &hash].concat(),
            signature,
        );
        Self {
            hash,
            classroom,
            parents,
            author,
            action,
        }
    }
}

fn action(cursor: &mut Cursor<'_>) -> Action {
    match cursor.number() {
        0 => {
            let _nonce: [u8; 16] = cursor.array();
            Action::Found {
                school: cursor.array(),
                exchange: cursor.array(),
                document: cursor.array(),
                keys: cursor.list(sealed_key),
            }
        }
        1 => Action::Invite {
            terms: terms(cursor),
            keys: cursor.list(sealed_key),
        },
        2 => Action::Admit {
            joining: joining(cursor),
            keys: cursor.list(sealed_key),
        },
        3 => Action::AskInvite(terms(cursor)),
        4 => Action::EndInvite {
            invite: cursor.array(),
            rotations: cursor.list(rotation),
        },
        5 => Action::Request {
            joining: joining(cursor),
            note: cursor.bytes().to_vec(),
        },
        6 => Action::Approve {
            request: cursor.array(),
            keys: cursor.list(sealed_key),
        },
        7 => Action::Decline {
            request: cursor.array(),
        },
        8 => Action::ChangeRole {
            member: cursor.array(),
            role: cursor.number(),
            cutoffs: cursor.list(cutoff),
            keys: cursor.list(sealed_key),
            rotations: cursor.list(rotation),
        },
        9 => Action::Remove {
            members: cursor.list(|cursor| (cursor.array(), cursor.list(cutoff))),
            rotations: cursor.list(rotation),
        },
        10 => Action::Consent {
            member: cursor.array(),
        },
        11 => Action::Rotate(cursor.list(rotation)),
        12 => Action::NewSpace {
            members: cursor.list(Cursor::array),
            first: rotation(cursor),
        },
        13 => Action::Lock {
            document: cursor.array(),
            locked: cursor.byte(),
        },
        14 => Action::Close(cursor.byte()),
        15 => Action::Erase {
            document: cursor.array(),
            successor: cursor.array(),
        },
        16 => Action::Extend {
            member: cursor.array(),
            cutoffs: cursor.list(cutoff),
        },
        17 => Action::PlaceInvite {
            invite: cursor.array(),
            school: cursor.array(),
        },
        other => panic!("{other} is no action"),
    }
}

fn terms(cursor: &mut Cursor<'_>) -> Terms {
    Terms {
        key: cursor.array(),
        exchange: cursor.array(),
        role: cursor.number(),
        uses: cursor.number(),
        expires: cursor.number(),
        proof: cursor.array(),
    }
}

fn joining(cursor: &mut Cursor<'_>) -> Joining {
    Joining {
        invite: cursor.array(),
        exchange: cursor.array(),
        school: cursor.array(),
        proof: cursor.array(),
    }
}

fn sealed_key(cursor: &mut Cursor<'_>) -> SealedKey {
    SealedKey {
        space: cursor.array(),
        epoch: cursor.number(),
        id: cursor.array(),
        encapsulated: cursor.array(),
        sealed: cursor.array(),
    }
}

/// With what a handed key leaves out put back.
fn rotation(cursor: &mut Cursor<'_>) -> Rotation {
    let (space, epoch, id) = (cursor.array(), cursor.number(), cursor.array());
    let previous = cursor.list(|cursor| Wrapped {
        epoch: cursor.number(),
        id: cursor.array(),
        nonce: cursor.array(),
        sealed: cursor.array(),
    });
    let handed = cursor.list(|cursor| {
        let recipient = cursor.array();
        let key = SealedKey {
            space,
            epoch,
            id,
            encapsulated: cursor.array(),
            sealed: cursor.array(),
        };
        (recipient, key)
    });
    Rotation {
        space,
        epoch,
        id,
        previous,
        handed,
    }
}

fn cutoff(cursor: &mut Cursor<'_>) -> Cutoff {
    (cursor.array(), cursor.array(), cursor.number())
}

/// The member of the seed of sixteen times this byte.
pub(super) fn member(number: u8) -> [u8; 32] {
    let secret = derive_key("meridian 2026-11 v1 member signing key", &[number; 16]);
    SigningKey::from_bytes(&secret).verifying_key().to_bytes()
}

pub(super) fn member_exchange(number: u8) -> (Secret, [u8; 32]) {
    exchange("meridian 2026-11 v1 member exchange key", number)
}

/// The invite of the secret of sixteen times this byte.
pub(super) fn invite(number: u8) -> [u8; 32] {
    let secret = derive_key("meridian 2026-11 v1 invite signing key", &[number; 16]);
    SigningKey::from_bytes(&secret).verifying_key().to_bytes()
}

pub(super) fn invite_exchange(number: u8) -> (Secret, [u8; 32]) {
    exchange("meridian 2026-11 v1 invite exchange key", number)
}

fn exchange(context: &str, number: u8) -> (Secret, [u8; 32]) {
    let secret = Secret::from_bytes(&derive_key(context, &[number; 16])).unwrap();
    let public = Kem::sk_to_pk(&secret).to_bytes().as_slice().try_into().unwrap();
    (secret, public)
}

fn open_hpke(secret: &Secret, encapsulated: &[u8], info: &[u8], sealed: &[u8]) -> Vec<u8> {
    hpke::single_shot_open::<HpkeCipher, HpkeHash, Kem>(
        &OpModeR::Base,
        secret,
        &<Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).unwrap(),
        info,
        sealed,
        &[],
    )
    .unwrap()
}

impl SealedKey {
    /// The epoch key, which must have the stated id.
    fn open(&self, (secret, recipient): &(Secret, [u8; 32])) -> [u8; 32] {
        let epoch = u32::try_from(self.epoch).unwrap().to_be_bytes();
        let info = [
            b"meridian v1 epoch key\0".as_slice(),
            &self.space,
            &epoch,
            recipient,
        ]
        .concat();
        let key: [u8; 32] = open_hpke(secret, &self.encapsulated, &info, &self.sealed)
            .try_into()
            .unwrap();
        assert_eq!(self.id, key_id(&key));
        key
    }
}

fn key_id(key: &[u8; 32]) -> [u8; 32] {
    derive_key("meridian 2026-11 v1 epoch key id", key)
}

impl Rotation {
    /// Opens it as each of the members that it must be for. They get the same key; so do those, with it, who want the keys of
    /// the epoch before. Answers with all that was opened.
    fn open(&self, members: &[u8]) -> Vec<[u8; 32]> {
        let mut recipients: Vec<_> = self.handed.iter().map(|(recipient, _)| *recipient).collect();
        let mut expected: Vec<_> = members.iter().map(|number| member_exchange(*number).1).collect();
        recipients.sort_unstable();
        expected.sort_unstable();
        assert_eq!(recipients, expected);
        let mut keys = Vec::new();
        for number in members {
            let own = member_exchange(*number);
            let (_, key) = self
                .handed
                .iter()
                .find(|(recipient, _)| *recipient == own.1)
                .unwrap();
            keys.push(key.open(&own));
        }
        keys.dedup();
        let [new] = keys[..] else {
            panic!("several keys");
        };
        keys.extend(self.previous.iter().map(|wrapped| {
            let epoch = |epoch: u64| u32::try_from(epoch).unwrap().to_be_bytes();
            let data = [
                b"meridian v1 wrapped key\0".as_slice(),
                &self.space,
                &epoch(self.epoch),
                &self.id,
                &epoch(wrapped.epoch),
                &wrapped.id,
            ]
            .concat();
            let wrapping = derive_key("meridian 2026-11 v1 wrapping key", &new);
            let old: [u8; 32] = open(&wrapping, &wrapped.nonce, &wrapped.sealed, &data)
                .try_into()
                .unwrap();
            assert_eq!((wrapped.epoch + 1, wrapped.id), (self.epoch, key_id(&old)));
            old
        }));
        keys
    }
}

fn check_terms(entry: &Entry, terms: &Terms, secret: u8) {
    assert_eq!(terms.key, invite(secret));
    assert_eq!(terms.exchange, invite_exchange(secret).1);
    assert_eq!(terms.expires, 1_800_000_000);
    let classroom = entry.classroom.unwrap();
    let message = [
        b"meridian v1 invite\0".as_slice(),
        &classroom,
        &entry.author,
        &terms.exchange,
    ]
    .concat();
    check(&terms.key, &message, &terms.proof);
}

fn check_joining(entry: &Entry, joining: &Joining, invited_by: &str, secret: u8) {
    assert_eq!(joining.invite, Entry::read(invited_by).hash);
    assert_eq!(joining.school, [0x22; 16]);
    let message = [
        b"meridian v1 admission\0".as_slice(),
        &entry.classroom.unwrap(),
        &joining.invite,
        &entry.author,
        &joining.exchange,
        &joining.school,
    ]
    .concat();
    check(&invite(secret), &message, &joining.proof);
}

/// Founding, an invite, and who came by it: all hold the first key.
#[test]
fn the_first_entries_are_read_with_seeds_alone() {
    let founding = Entry::read("roster-found");
    assert_eq!((founding.classroom, founding.parents.len()), (None, 0));
    assert_eq!(founding.author, member(1));
    let Action::Found {
        school,
        exchange,
        document,
        keys,
    } = &founding.action
    else {
        panic!("not a founding");
    };
    assert_eq!((school, document), (&[0x11; 16], &[0xd0; 16]));
    assert_eq!(*exchange, member_exchange(1).1);
    assert_eq!(keys[0].open(&member_exchange(1)), EPOCH_KEY);

    let entry = Entry::read("roster-invite");
    assert_eq!(entry.classroom, Some(founding.hash));
    assert_eq!(entry.parents, [founding.hash]);
    let Action::Invite { terms, keys } = &entry.action else {
        panic!("not an invite");
    };
    check_terms(&entry, terms, 0x77);
    assert_eq!((terms.role, terms.uses), (2, 30));
    assert_eq!(keys[0].open(&invite_exchange(0x77)), EPOCH_KEY);

    let admission = Entry::read("roster-admit");
    assert_eq!(admission.parents, [entry.hash]);
    assert_eq!(admission.author, member(2));
    let Action::Admit { joining, keys } = &admission.action else {
        panic!("not an admission");
    };
    check_joining(&admission, joining, "roster-invite", 0x77);
    assert_eq!(joining.exchange, member_exchange(2).1);
    assert_eq!(keys[0].open(&member_exchange(2)), EPOCH_KEY);
}

#[test]
fn asking_and_its_answers_are_read() {
    for (name, secret, role) in [
        ("roster-ask-invite", 0x78, 2),
        ("roster-ask-invite-placed", 0x79, 1),
    ] {
        let entry = Entry::read(name);
        let Action::AskInvite(terms) = &entry.action else {
            panic!("not an invite to ask");
        };
        check_terms(&entry, terms, secret);
        assert_eq!((terms.role, terms.uses), (role, 5));
    }
    for (name, number) in [("roster-request", 3), ("roster-request-declined", 4)] {
        let entry = Entry::read(name);
        assert_eq!(entry.author, member(number));
        let Action::Request { joining, note } = &entry.action else {
            panic!("not a request");
        };
        check_joining(&entry, joining, "roster-ask-invite", 0x78);
        let (secret, inviter) = member_exchange(1);
        let info = [b"meridian v1 note\0".as_slice(), &inviter].concat();
        let (encapsulated, sealed) = note.split_at(32);
        assert_eq!(open_hpke(&secret, encapsulated, &info, sealed), b"Amina");
    }
    let Action::Approve { request, keys } = Entry::read("roster-approve").action else {
        panic!("not an approval");
    };
    assert_eq!(request, Entry::read("roster-request").hash);
    assert_eq!((keys[0].epoch, keys.len()), (1, 1));
    keys[0].open(&member_exchange(3));
    let Action::Decline { request } = Entry::read("roster-decline").action else {
        panic!("not a refusal");
    };
    assert_eq!(request, Entry::read("roster-request-declined").hash);
    let placed = Entry::read("roster-place-invite");
    let Action::PlaceInvite { invite, school } = placed.action else {
        panic!("no invite is placed");
    };
    assert_eq!(invite, Entry::read("roster-ask-invite-placed").hash);
    assert_eq!((placed.parents, school), (vec![invite], [0x11; 16]));
}

/// From one key to the next: who has the newest opens all before it.
#[test]
fn rotations_are_opened() {
    let Action::EndInvite { invite, rotations } = Entry::read("roster-end-invite").action else {
        panic!("no invite is ended");
    };
    assert_eq!(invite, Entry::read("roster-invite").hash);
    let [first] = &rotations[..] else {
        panic!("not one rotation");
    };
    assert_eq!((first.space, first.epoch), ([0; 16], 1));
    let first = first.open(&[1, 2]);
    assert_eq!(first[1..], [EPOCH_KEY]);

    let Action::Remove { members, rotations } = Entry::read("roster-remove").action else {
        panic!("nobody is removed");
    };
    assert_eq!(members, [(member(2), vec![([0xd1; 16], [0xaa; 16], 300)])]);
    let second = rotations[0].open(&[1, 3]);
    assert_eq!((rotations.len(), &second[1..]), (1, &first[..1]));

    let Action::Rotate(rotations) = Entry::read("roster-rotate").action else {
        panic!("not a rotation");
    };
    let third = rotations[0].open(&[1, 3]);
    assert_eq!((rotations.len(), &third[1..]), (1, &second[..1]));
    assert_eq!(rotations[0].epoch, 3);
    assert_eq!(third[0], *hash(b"third rotation").as_bytes());

    let entry = Entry::read("roster-new-space");
    let Action::NewSpace { members, first } = &entry.action else {
        panic!("not a new space");
    };
    assert_eq!(*members, [member(1), member(3)]);
    assert_eq!((first.epoch, first.previous.len()), (0, 0));
    first.open(&[1, 3]);
    let parts = [&entry.author, &members[0], &members[1], &first.id];
    let name = key_with("meridian 2026-11 v1 group id", &parts.map(<[u8; 32]>::as_slice));
    assert_eq!(first.space, name[..16]);
}

#[test]
fn what_is_said_of_members_and_documents_is_read() {
    let page = [0xd1; 16];
    let Action::ChangeRole {
        member: changed,
        role,
        cutoffs,
        keys,
        rotations,
    } = Entry::read("roster-change-role").action
    else {
        panic!("not a change of role");
    };
    assert_eq!((changed, role), (member(2), 3));
    assert_eq!(cutoffs, [(page, [0xaa; 16], 300)]);
    assert!(keys.is_empty() && rotations.is_empty());
    let Action::Consent { member: removed } = Entry::read("roster-consent").action else {
        panic!("not a consent");
    };
    assert_eq!(removed, member(3));
    let Action::Extend {
        member: extended,
        cutoffs,
    } = Entry::read("roster-extend").action
    else {
        panic!("nothing is extended");
    };
    assert_eq!(
        (extended, &cutoffs[..]),
        (member(2), &[(page, [0xab; 16], 200)][..])
    );
    let Action::Lock { document, locked } = Entry::read("roster-lock").action else {
        panic!("not a lock");
    };
    assert_eq!((document, locked), (page, 1));
    let Action::Close(closed) = Entry::read("roster-close").action else {
        panic!("nothing is closed");
    };
    assert_eq!(closed, 1);
    let Action::Erase { document, successor } = Entry::read("roster-erase").action else {
        panic!("nothing is erased");
    };
    assert_eq!((document, successor), (page, [0xd2; 16]));
}
