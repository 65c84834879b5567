//! Attachments: files, such as pictures, that a document refers to. A file is sealed under a key of its own, in
//! [`Chunk`]s that are named by their hashes, which the relay keeps and gives without knowing more of them. What opens
//! them is the [`Reference`], which stands in the document.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::identity::{MemberKeys, verify};
use crate::padding::padded_length;
use crate::{ChunkHash, ClassroomId, DocumentId, Error, MemberId, Signature, bounded, part};

const VERSION: u8 = 1;

/// What the address of an attachment begins with.
const SCHEME: &str = "attachment:";

/// The most chunks of an attachment.
pub const MAX_CHUNKS: usize = 64;

/// The most bytes of the file in one chunk; each chunk but the last has as many.
pub const CHUNK_BODY: usize = part::BODY;

/// The most bytes of an encoded chunk.
pub const MAX_CHUNK: usize = part::MAX;

/// The most bytes of a file.
pub const MAX_FILE: usize = MAX_CHUNKS * CHUNK_BODY;

/// The most bytes of an encoded reference: version, key, length, names of chunks.
const MAX_REFERENCE: usize = 1 + 32 + 10 + 1 + MAX_CHUNKS * 32;

/// Where an attachment is and what opens it: whoever has this can read it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Reference {
    key: [u8; 32],
    /// Of the file, in bytes.
    length: u64,
    #[zeroize(skip)]
    #[serde(deserialize_with = "bounded::list::<_, _, MAX_CHUNKS>")]
    chunks: Vec<ChunkHash>,
}

/// A sealed part of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Chunk(Vec<u8>);

impl Reference {
    /// Seals a file into chunks, under a key that nothing else is sealed with.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the file is longer than [`MAX_FILE`]; [`Error::Malformed`] if it is empty.
    pub fn seal(
        classroom: &ClassroomId,
        file: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<Chunk>), Error> {
        if file.is_empty() {
            return Err(Error::Malformed("attachment"));
        }
        let mut body = file.to_vec();
        body.resize(padded_length(file.len()), 0);
        let count = body.len().div_ceil(CHUNK_BODY);
        if count > MAX_CHUNKS {
            return Err(Error::TooLarge {
                what: "attachment",
                max: MAX_FILE,
            });
        }
        let mut reference = Self {
            key: [0; 32],
            length: file.len() as u64,
            chunks: Vec::new(),
        };
        rng.fill_bytes(&mut reference.key);
        let cipher = reference.cipher();
        let mut chunks = Vec::new();
        for (index, part) in body.chunks(CHUNK_BODY).enumerate() {
            let data = associated_data(classroom, index, count);
            let chunk = Chunk(part::seal(&cipher, &data, part, rng)?);
            reference.chunks.push(chunk.hash());
            chunks.push(chunk);
        }
        Ok((reference, chunks))
    }

    /// The names of the chunks, in their order.
    pub fn chunks(&self) -> &[ChunkHash] {
        &self.chunks
    }

    /// Opens the file from all chunks, in their order.
    ///
    /// # Errors
    /// [`Error::MissingChunk`] if a chunk is missing or not the one that is named. [`Error::CannotOpen`] if they were sealed
    /// with another key or for another classroom; [`Error::Malformed`] if they hold something else than the reference says.
    pub fn open(&self, classroom: &ClassroomId, chunks: &[Chunk]) -> Result<Vec<u8>, Error> {
        let cipher = self.cipher();
        let mut body = Vec::new();
        for (index, name) in self.chunks.iter().enumerate() {
            let chunk = chunks
                .get(index)
                .filter(|chunk| chunk.hash() == *name)
                .ok_or(Error::MissingChunk(*name))?;
            let data = associated_data(classroom, index, self.chunks.len());
            body.extend_from_slice(&part::open(&cipher, &data, &chunk.0, "attachment")?);
        }
        let malformed = Error::Malformed("attachment");
        let Ok(length) = usize::try_from(self.length) else {
            return Err(malformed);
        };
        let is_padded = body
            .get(length..)
            .is_some_and(|padding| padding.iter().all(|&byte| byte == 0));
        if !is_padded {
            return Err(malformed);
        }
        body.truncate(length);
        Ok(body)
    }

    /// What stands in a document: `attachment:` and the reference in base64url.
    pub fn address(&self) -> Result<String, Error> {
        let bytes = bounded::encode_versioned("attachment", VERSION, self)?;
        Ok(format!("{SCHEME}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Whether an address claims to be of an attachment.
    pub fn is_address(address: &str) -> bool {
        address.starts_with(SCHEME)
    }

    /// Reads an address.
    pub fn parse(address: &str) -> Result<Self, Error> {
        let malformed = || Error::Malformed("attachment");
        let text = address.strip_prefix(SCHEME).ok_or_else(malformed)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let reference: Self = bounded::decode_versioned("attachment", VERSION, MAX_REFERENCE, &bytes)?;
        // As many chunks as a file of that length is cut into.
        let length = usize::try_from(reference.length).map_err(|_| malformed())?;
        let count = padded_length(length).div_ceil(CHUNK_BODY);
        if count == 0 || count != reference.chunks.len() {
            return Err(malformed());
        }
        Ok(reference)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.key.into())
    }
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes in {:?}", self.length, self.chunks)
    }
}

impl Chunk {
    /// What a reference names it by.
    pub fn hash(&self) -> ChunkHash {
        ChunkHash(*blake3::hash(&self.0).as_bytes())
    }

    /// The encoded chunk: a version byte, the nonce and the sealed part.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Reads a chunk. Whether it is the one that is meant is for its [hash](Self::hash) to say.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Error> {
        part::check(&bytes, "attachment chunk")?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}, {} bytes", self.hash(), self.0.len())
    }
}

/// A chunk and the document that it belongs to: what a bundle holds of attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChunk {
    pub document: DocumentId,
    pub chunk: Chunk,
}

impl DocumentChunk {
    /// The document, then the chunk.
    pub fn encode(&self) -> Vec<u8> {
        [self.document.0.as_slice(), self.chunk.as_bytes()].concat()
    }

    /// Reads what [`encode`](Self::encode) made.
    pub fn decode(mut bytes: Vec<u8>) -> Result<Self, Error> {
        let (document, _) = bytes
            .split_first_chunk()
            .ok_or(Error::Malformed("attachment chunk"))?;
        let document = DocumentId(*document);
        let chunk = Chunk::decode(bytes.split_off(document.0.len()))?;
        Ok(Self { document, chunk })
    }
}

/// Which document a chunk belongs to, as a member says when they bring it to a relay. Said twice it says no more, so nothing
/// in it need be fresh.
pub fn claim(
    keys: &MemberKeys,
    origin: &str,
    classroom: &ClassroomId,
    document: &DocumentId,
    chunk: &ChunkHash,
) -> Signature {
    keys.sign(&claimed(origin, classroom, document, chunk))
}

/// Checks what [`claim`] made.
pub fn verify_claim(
    member: &MemberId,
    signature: &Signature,
    origin: &str,
    classroom: &ClassroomId,
    document: &DocumentId,
    chunk: &ChunkHash,
) -> Result<(), Error> {
    let message = claimed(origin, classroom, document, chunk);
    verify("attachment chunk", &member.0, &message, signature)
}

fn claimed(origin: &str, classroom: &ClassroomId, document: &DocumentId, chunk: &ChunkHash) -> Vec<u8> {
    [
        b"meridian v1 attachment chunk\0".as_slice(),
        &classroom.0,
        &document.0,
        &chunk.0,
        origin.as_bytes(),
    ]
    .concat()
}

fn associated_data(classroom: &ClassroomId, index: usize, count: usize) -> Vec<u8> {
    [
        b"meridian v1 attachment part\0".as_slice(),
        &classroom.0,
        &(index as u32).to_be_bytes(),
        &(count as u32).to_be_bytes(),
    ]
    .concat()
}
