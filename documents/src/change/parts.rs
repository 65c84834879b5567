//! The body of a change, taken apart and put together again.

use super::scan::{length_prefixed, signed, take, unsigned, write_signed, write_unsigned};
use crate::Error;

/// What the body of a change consists of. Numbers are as written; nothing here is checked against the others.
#[derive(Debug, PartialEq)]
pub(crate) struct Parts<'a> {
    pub(crate) dependencies: Vec<&'a [u8]>,
    pub(crate) actor: &'a [u8],
    pub(crate) sequence: u64,
    pub(crate) start: u64,
    pub(crate) time: i64,
    pub(crate) message: &'a [u8],
    pub(crate) others: Vec<&'a [u8]>,
    /// Each column's specification and data.
    pub(crate) columns: Vec<(u64, &'a [u8])>,
    /// What newer versions may put behind.
    pub(crate) extra: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes a body apart.
    pub(crate) fn read(body: &'a [u8]) -> Result<Parts<'a>, Error> {
        let mut input = body;
        let dependencies = (0..unsigned(&mut input)?)
            .map(|_| take(&mut input, 32))
            .collect::<Result<_, _>>()?;
        let actor = length_prefixed(&mut input)?;
        let sequence = unsigned(&mut input)?;
        let start = unsigned(&mut input)?;
        let time = signed(&mut input)?;
        let message = length_prefixed(&mut input)?;
        let others = (0..unsigned(&mut input)?)
            .map(|_| length_prefixed(&mut input))
            .collect::<Result<_, _>>()?;
        let layout: Vec<(u64, u64)> = (0..unsigned(&mut input)?)
            .map(|_| Ok((unsigned(&mut input)?, unsigned(&mut input)?)))
            .collect::<Result<_, Error>>()?;
        let columns = layout
            .into_iter()
            .map(|(specification, length)| Ok((specification, take(&mut input, length)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Parts {
            dependencies,
            actor,
            sequence,
            start,
            time,
            message,
            others,
            columns,
            extra: input,
        })
    }

    /// How many bytes the parts have, without the numbers between them.
    pub(crate) fn length(&self) -> usize {
        let of_columns = self.columns.iter().map(|(_, data)| data);
        let all = self.dependencies.iter().chain(&self.others).chain(of_columns);
        let fixed = self.actor.len() + self.message.len() + self.extra.len();
        all.fold(fixed, |sum, bytes| sum.saturating_add(bytes.len()))
    }

    /// Puts the body together.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut body = Vec::new();
        write_unsigned(&mut body, self.dependencies.len() as u64);
        for dependency in &self.dependencies {
            body.extend_from_slice(dependency);
        }
        write_prefixed(&mut body, self.actor);
        write_unsigned(&mut body, self.sequence);
        write_unsigned(&mut body, self.start);
        write_signed(&mut body, self.time);
        write_prefixed(&mut body, self.message);
        write_unsigned(&mut body, self.others.len() as u64);
        for actor in &self.others {
            write_prefixed(&mut body, actor);
        }
        write_unsigned(&mut body, self.columns.len() as u64);
        for (specification, data) in &self.columns {
            write_unsigned(&mut body, *specification);
            write_unsigned(&mut body, data.len() as u64);
        }
        for (_, data) in &self.columns {
            body.extend_from_slice(data);
        }
        body.extend_from_slice(self.extra);
        body
    }
}

/// Writes bytes behind their length.
pub(crate) fn write_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    write_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
