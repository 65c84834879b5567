//! Decoding that never trusts a length.
//!
//! postcard hands a sequence's claimed length to `Vec` as a size hint, and serde reserves up to a megabyte on it.
//! These helpers reserve nothing: they grow with what was really there, up to a stated maximum.

use std::fmt;
use std::marker::PhantomData;

use postcard::ser_flavors::Flavor;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// Decodes a whole value: bytes left over are an error.
pub fn decode<T: Serialize + DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Error> {
    match take(what, bytes)? {
        (value, []) => Ok(value),
        _ => Err(Error::Malformed(what)),
    }
}

/// Decodes one value from the front of `bytes` and answers with what follows it.
///
/// Only the bytes that [`encode`] would make of the value are taken. postcard by itself also reads numbers with
/// needless leading zeros, and how many of those depends on the width of `usize`: without this, a browser would refuse
/// what a relay took.
pub fn take<'a, T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<(T, &'a [u8]), Error> {
    let (value, rest): (T, _) = postcard::take_from_bytes(bytes).map_err(|_| Error::Malformed(what))?;
    let taken = &bytes[..bytes.len() - rest.len()];
    postcard::serialize_with_flavor(&value, Same { expected: taken }).map_err(|_| Error::Malformed(what))?;
    Ok((value, rest))
}

/// Takes the bytes of a value only as long as they are the expected ones, and stores none.
struct Same<'a> {
    expected: &'a [u8],
}

impl Flavor for Same<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.expected = self
            .expected
            .strip_prefix(bytes)
            .ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.expected.is_empty() {
            Ok(())
        } else {
            Err(postcard::Error::SerializeBufferFull)
        }
    }
}

/// Encodes a value.
pub fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(value).map_err(|_| Error::Malformed(what))
}

/// Encodes a value with its version in front.
pub(crate) fn encode_versioned<T: Serialize>(
    what: &'static str,
    version: u8,
    value: &T,
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![version];
    bytes.extend(encode(what, value)?);
    Ok(bytes)
}

/// Decodes what [`encode_versioned`] made, of at most `max` bytes.
pub(crate) fn decode_versioned<T: Serialize + DeserializeOwned>(
    what: &'static str,
    version: u8,
    max: usize,
    bytes: &[u8],
) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&first, rest)) if first == version => {
            if bytes.len() > max {
                return Err(Error::TooLarge { what, max });
            }
            decode(what, rest)
        }
        Some((&first, _)) if first > version => Err(Error::UnsupportedVersion { what, version: first }),
        _ => Err(Error::Malformed(what)),
    }
}

/// Bytes with their length in front, at most `MAX` of them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// Wraps `bytes`, unless there are more than `MAX`.
    pub fn new(what: &'static str, bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.len() > MAX {
            Err(Error::TooLarge { what, max: MAX })
        } else {
            Ok(Self(bytes))
        }
    }

    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> std::ops::Deref for Bytes<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Slice<const MAX: usize>;
        impl<'de, const MAX: usize> Visitor<'de> for Slice<MAX> {
            type Value = Bytes<MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} bytes")
            }

            fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
                if bytes.len() > MAX {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Slice::<MAX>)
    }
}

/// For `#[serde(deserialize_with)]`: a sequence of at most `MAX` items.
pub fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Items<T, const MAX: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} items")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = sequence.next_element()? {
                if items.len() == MAX {
                    return Err(A::Error::invalid_length(MAX + 1, &self));
                }
                items.push(item);
            }
            Ok(items)
        }
    }
    deserializer.deserialize_seq(Items::<T, MAX>(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::{Bytes, decode, take};
    use crate::Error;

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(decode::<u32>("number", &[0x81, 0x01]), Ok(129));
        assert_eq!(decode::<u32>("number", &[0x01]), Ok(1));
        assert_eq!(
            decode::<u32>("number", &[0x81, 0x00]),
            Err(Error::Malformed("number"))
        );
        // A length of one in six bytes: within a 64-bit `usize`, beyond a 32-bit one.
        let long = [0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 7];
        assert_eq!(decode::<Bytes<8>>("bytes", &long), Err(Error::Malformed("bytes")));
    }

    #[test]
    fn bytes_left_over_are_an_error_for_a_whole_value_only() {
        assert_eq!(decode::<u8>("byte", &[1, 2]), Err(Error::Malformed("byte")));
        assert_eq!(take::<u8>("byte", &[1, 2]), Ok((1, [2].as_slice())));
    }

    #[test]
    fn a_length_is_held_to_the_maximum_and_to_what_is_there() {
        assert!(decode::<Bytes<2>>("bytes", &[2, 7, 7]).is_ok());
        assert!(decode::<Bytes<2>>("bytes", &[3, 7, 7, 7]).is_err());
        assert!(decode::<Bytes<2>>("bytes", &[2, 7]).is_err());
    }
}
