//! The operations of a saved document, read from its columns. To have Automerge give its changes out and to decode these takes
//! longer than to load it.
//!
//! The format is Automerge's binary format (<https://automerge.org/automerge-binary-format-spec/>), document chunks only.

use crate::Error;
use crate::change::inflate;
use crate::change::scan::{LARGEST_DOCUMENT, length_prefixed, signed, take, unsigned};

/// What is asked of an operation. Actors are indices into [`Columns::actors`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation<'a> {
    /// Counter and actor of what it is in; none of the root.
    pub(super) object: Option<(u64, u64)>,
    pub(super) key: Option<&'a str>,
    pub(super) counter: u64,
    pub(super) actor: u64,
    pub(super) is_insert: bool,
    pub(super) action: u64,
}

/// The columns of a document's operations, inflated.
pub(super) struct Columns<'a> {
    pub(super) actors: Vec<&'a [u8]>,
    columns: Vec<(u64, Vec<u8>)>,
}

/// Numbers of columns.
const OBJECT_ACTOR: u64 = 0x01;
const OBJECT_COUNTER: u64 = 0x02;
const KEY: u64 = 0x15;
const ACTOR: u64 = 0x21;
const COUNTER: u64 = 0x23;
const INSERT: u64 = 0x34;
const ACTION: u64 = 0x42;

const DEFLATED: u64 = 0b1000;

/// A document's kind of chunk.
const DOCUMENT: u8 = 0;

impl<'a> Columns<'a> {
    /// Of a whole chunk, with its header. None if it is of another kind.
    pub(super) fn read(chunk: &'a [u8]) -> Result<Option<Self>, Error> {
        if chunk.get(8) != Some(&DOCUMENT) {
            return Ok(None);
        }
        let mut input = &chunk[9..];
        unsigned(&mut input)?;
        let mut actors = Vec::new();
        for _ in 0..unsigned(&mut input)? {
            actors.push(length_prefixed(&mut input)?);
        }
        let heads = unsigned(&mut input)?;
        take(&mut input, heads.saturating_mul(32))?;
        let changes = layout(&mut input)?;
        let operations = layout(&mut input)?;
        for (_, length) in changes {
            take(&mut input, length)?;
        }
        let mut columns = Vec::new();
        for (specification, length) in operations {
            let data = take(&mut input, length)?;
            let data = if specification & DEFLATED == 0 {
                data.to_vec()
            } else {
                inflate(data, LARGEST_DOCUMENT)?
            };
            columns.push((specification & !DEFLATED, data));
        }
        Ok(Some(Self { actors, columns }))
    }

    /// Hands all operations over: those of one object after the other, an object after that which it is in.
    pub(super) fn each(&self, mut take: impl FnMut(Operation<'_>)) -> Result<(), Error> {
        let mut object_actor = Runs::new(self.column(OBJECT_ACTOR), unsigned);
        let mut object_counter = Runs::new(self.column(OBJECT_COUNTER), unsigned);
        let mut key = Runs::new(self.column(KEY), length_prefixed);
        let mut actor = Runs::new(self.column(ACTOR), unsigned);
        let mut step = Runs::new(self.column(COUNTER), signed);
        let mut insert = Flags::new(self.column(INSERT));
        let mut action = Runs::new(self.column(ACTION), unsigned);
        let mut counter: i64 = 0;
        while let Some(kind) = action.next()? {
            counter = counter.saturating_add(step.next()?.flatten().unwrap_or_default());
            take(Operation {
                object: object_counter
                    .next()?
                    .flatten()
                    .zip(object_actor.next()?.flatten()),
                key: key
                    .next()?
                    .flatten()
                    .and_then(|key| std::str::from_utf8(key).ok()),
                counter: u64::try_from(counter).unwrap_or_default(),
                actor: actor.next()?.flatten().unwrap_or_default(),
                is_insert: insert.next()?,
                action: kind.unwrap_or_default(),
            });
        }
        Ok(())
    }

    fn column(&self, number: u64) -> &[u8] {
        let column = self.columns.iter().find(|(of, _)| *of == number);
        column.map_or(&[], |(_, data)| data)
    }
}

fn layout(input: &mut &[u8]) -> Result<Vec<(u64, u64)>, Error> {
    let mut layout = Vec::new();
    for _ in 0..unsigned(input)? {
        layout.push((unsigned(input)?, unsigned(input)?));
    }
    Ok(layout)
}

/// A run-length encoded column, value by value. A column that is not there has no values.
struct Runs<'a, T> {
    input: &'a [u8],
    read: fn(&mut &'a [u8]) -> Result<T, Error>,
    run: Run<T>,
}

enum Run<T> {
    /// So many more times the same.
    Same(T, u64),
    /// So many more that differ.
    Different(u64),
    /// So many more without a value.
    Nothing(u64),
}

impl<'a, T: Copy> Runs<'a, T> {
    fn new(input: &'a [u8], read: fn(&mut &'a [u8]) -> Result<T, Error>) -> Self {
        Self {
            input,
            read,
            run: Run::Nothing(0),
        }
    }

    /// The next value, which may be none; nothing at the end.
    fn next(&mut self) -> Result<Option<Option<T>>, Error> {
        loop {
            match &mut self.run {
                Run::Same(value, count @ 1..) => {
                    *count -= 1;
                    return Ok(Some(Some(*value)));
                }
                Run::Different(count @ 1..) => {
                    *count -= 1;
                    return Ok(Some(Some((self.read)(&mut self.input)?)));
                }
                Run::Nothing(count @ 1..) => {
                    *count -= 1;
                    return Ok(Some(None));
                }
                _ if self.input.is_empty() => return Ok(None),
                _ => {}
            }
            let count = signed(&mut self.input)?;
            self.run = match count {
                0 => Run::Nothing(unsigned(&mut self.input)?),
                1.. => Run::Same((self.read)(&mut self.input)?, count.unsigned_abs()),
                _ => Run::Different(count.unsigned_abs()),
            };
        }
    }
}

/// A column of truths: how many are false, how many are true, and so on. Behind its end all are false.
struct Flags<'a> {
    input: &'a [u8],
    value: bool,
    left: u64,
}

impl<'a> Flags<'a> {
    fn new(input: &'a [u8]) -> Self {
        // The first count is of those that are false.
        Self {
            input,
            value: true,
            left: 0,
        }
    }

    fn next(&mut self) -> Result<bool, Error> {
        while self.left == 0 {
            if self.input.is_empty() {
                return Ok(false);
            }
            self.left = unsigned(&mut self.input)?;
            self.value = !self.value;
        }
        self.left -= 1;
        Ok(self.value)
    }
}
