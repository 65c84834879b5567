//! Folds: many changes in few bytes, given back exactly.
//!
//! A change by itself repeats its author's name, the hash of the change before and the layout of its columns, and is too
//! short to compress. A fold states these once, puts the same columns of all changes side by side, and deflates the
//! whole. It holds everything the changes hold and needs no document to be made or read. (Automerge has *bundles* for the
//! same purpose. Their format is called experimental, and reading one panics or allocates without bound on some bytes.)
//!
//! ```text
//! fold    = version (1 byte: 1) · deflated content
//! content = number of changes
//!         · number of actors · each: length, bytes
//!         · number of layouts · each: number of columns, their specifications
//!         · the length of each field, in the order of FIELD
//!         · the fields, each with its values for one change after the other
//!         · the columns' data, by specification in ascending order, then by change
//! ```
//! Numbers are LEB128.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::ops::{Index, IndexMut};

use automerge::{Change, ChangeHash};
use flate2::Compression;
use flate2::bufread::DeflateEncoder;

use crate::Error;
use crate::change::parts::{Parts, write_prefixed};
use crate::change::scan::{length_prefixed, signed, take, unsigned, write_signed, write_unsigned};
use crate::change::{self, inflate};

const VERSION: u8 = 1;

/// What reading a fold may cost at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub changes: usize,
    /// In all changes together.
    pub operations: usize,
    /// Of all changes together, not compressed.
    pub bytes: usize,
}

impl Limits {
    /// For a fold of one author.
    pub const FOLD: Limits = Limits {
        changes: 1 << 16,
        operations: 1 << 20,
        bytes: 8 << 20,
    };

    /// For a whole document.
    pub const SNAPSHOT: Limits = Limits {
        changes: 1 << 20,
        operations: 1 << 24,
        bytes: 256 << 20,
    };
}

/// Packs changes, in their order, into few bytes. They may be of any authors and depend on any others.
///
/// # Errors
/// [`Error::Change`] if one is malformed; [`Error::TooMuch`] beyond [`Limits::FOLD`]: fold fewer.
pub fn fold(changes: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let changes: Vec<Change> = changes
        .iter()
        .map(|bytes| change::decode(bytes))
        .collect::<Result<_, _>>()?;
    pack(&changes, Limits::FOLD)
}

/// Gives back the changes that [`fold`] was given, in their order, with the same hashes, each in the form in which
/// [`crate::document::Document::commit`] gives it. Safe for any bytes.
///
/// # Errors
/// [`Error::Fold`], [`Error::Change`], [`Error::TooMuch`]
pub fn unfold(bytes: &[u8], limits: Limits) -> Result<Vec<Vec<u8>>, Error> {
    Ok(unpack(bytes, limits)?.iter_mut().map(change::shortest).collect())
}

/// The fields of a change.
#[derive(Clone, Copy)]
enum Field {
    /// The index of the actor.
    Actor,
    /// How many; for each how many changes back it is in the fold, or 0 if its hash is stated.
    Dependencies,
    /// 32 bytes each.
    Hashes,
    /// How far from the number after its actor's last one. Signed, as all distances are.
    Sequence,
    /// How far from the number after the last operation of the dependencies in the fold, or else of the change before.
    Start,
    /// How far from the time of the change before.
    Time,
    /// Length and bytes.
    Message,
    /// How many; the index of each.
    Others,
    /// The index of the layout.
    Layout,
    /// The length of each column.
    Lengths,
    /// Length and bytes.
    Extra,
}

const FIELDS: usize = Field::Extra as usize + 1;

/// The bytes of each field.
#[derive(Default)]
struct Fields<T>([T; FIELDS]);

impl<T> Index<Field> for Fields<T> {
    type Output = T;

    fn index(&self, field: Field) -> &T {
        &self.0[field as usize]
    }
}

impl<T> IndexMut<Field> for Fields<T> {
    fn index_mut(&mut self, field: Field) -> &mut T {
        &mut self.0[field as usize]
    }
}

/// What the changes so far lead one to expect of the next.
#[derive(Default)]
struct Expected {
    /// The number after each actor's last change.
    sequences: HashMap<Vec<u8>, u64>,
    /// The number after each change's last operation.
    ends: Vec<u64>,
    time: i64,
}

impl Expected {
    fn sequence(&self, actor: &[u8]) -> u64 {
        self.sequences.get(actor).copied().unwrap_or(1)
    }

    /// `backs` says how far back in the fold the dependencies are.
    fn start(&self, backs: &[usize]) -> u64 {
        let end = |back: &usize| self.ends.get(self.ends.len().checked_sub(*back)?).copied();
        let of_dependencies = backs.iter().filter_map(end).max();
        of_dependencies.or_else(|| self.ends.last().copied()).unwrap_or(1)
    }

    fn follow(&mut self, change: &Change) {
        let actor = change.actor_id().to_bytes().to_vec();
        self.sequences.insert(actor, change.seq().wrapping_add(1));
        self.ends
            .push(change.start_op().get().wrapping_add(change.len() as u64));
        self.time = change.timestamp();
    }
}

/// See [`fold`].
pub(crate) fn pack(changes: &[Change], limits: Limits) -> Result<Vec<u8>, Error> {
    let mut budget = limits;
    let mut actors: Table<&[u8]> = Table::default();
    let mut layouts: Table<Vec<u64>> = Table::default();
    let mut fields: Fields<Vec<u8>> = Fields::default();
    let mut columns: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    let mut places: HashMap<ChangeHash, usize> = HashMap::new();
    let mut expected = Expected::default();
    for (place, change) in changes.iter().enumerate() {
        let body = change::body(change)?;
        budget.spend(body.len(), change.len())?;
        let parts = Parts::read(body)?;
        if parts.write() != body {
            return Err(Error::Change("numbers in a form of their own".to_owned()));
        }
        write_unsigned(&mut fields[Field::Actor], actors.index(parts.actor));
        write_unsigned(&mut fields[Field::Dependencies], parts.dependencies.len() as u64);
        let mut backs = Vec::new();
        for (hash, written) in change.deps().iter().zip(&parts.dependencies) {
            match places.get(hash) {
                Some(other) => {
                    backs.push(place - other);
                    write_unsigned(&mut fields[Field::Dependencies], (place - other) as u64);
                }
                None => {
                    write_unsigned(&mut fields[Field::Dependencies], 0);
                    fields[Field::Hashes].extend_from_slice(written);
                }
            }
        }
        let distance = |value: u64, expected: u64| value.wrapping_sub(expected) as i64;
        let sequence = distance(parts.sequence, expected.sequence(parts.actor));
        write_signed(&mut fields[Field::Sequence], sequence);
        write_signed(
            &mut fields[Field::Start],
            distance(parts.start, expected.start(&backs)),
        );
        write_signed(&mut fields[Field::Time], parts.time.wrapping_sub(expected.time));
        write_prefixed(&mut fields[Field::Message], parts.message);
        write_unsigned(&mut fields[Field::Others], parts.others.len() as u64);
        for actor in &parts.others {
            write_unsigned(&mut fields[Field::Others], actors.index(actor));
        }
        let layout = parts.columns.iter().map(|(column, _)| *column).collect();
        write_unsigned(&mut fields[Field::Layout], layouts.index(layout));
        for (column, data) in &parts.columns {
            write_unsigned(&mut fields[Field::Lengths], data.len() as u64);
            columns.entry(*column).or_default().extend_from_slice(data);
        }
        write_prefixed(&mut fields[Field::Extra], parts.extra);
        places.insert(change.hash(), place);
        expected.follow(change);
    }

    let mut content = Vec::new();
    write_unsigned(&mut content, changes.len() as u64);
    write_unsigned(&mut content, actors.values.len() as u64);
    for actor in &actors.values {
        write_prefixed(&mut content, actor);
    }
    write_unsigned(&mut content, layouts.values.len() as u64);
    for layout in &layouts.values {
        write_unsigned(&mut content, layout.len() as u64);
        for column in layout {
            write_unsigned(&mut content, *column);
        }
    }
    for field in &fields.0 {
        write_unsigned(&mut content, field.len() as u64);
    }
    for bytes in fields.0.iter().chain(columns.values()) {
        content.extend_from_slice(bytes);
    }
    if content.len() > limits.bytes {
        return Err(Error::TooMuch);
    }
    let mut packed = vec![VERSION];
    DeflateEncoder::new(content.as_slice(), Compression::best())
        .read_to_end(&mut packed)
        .map_err(|error| Error::Change(error.to_string()))?;
    Ok(packed)
}

/// See [`unfold`].
pub(crate) fn unpack(bytes: &[u8], limits: Limits) -> Result<Vec<Change>, Error> {
    let Some((&VERSION, deflated)) = bytes.split_first() else {
        return Err(Error::Fold("of another version"));
    };
    let content = inflate(deflated, limits.bytes)?;
    let mut input = content.as_slice();
    let count = unsigned(&mut input)?;
    let actors = (0..unsigned(&mut input)?)
        .map(|_| length_prefixed(&mut input))
        .collect::<Result<Vec<_>, _>>()?;
    let layouts = (0..unsigned(&mut input)?)
        .map(|_| (0..unsigned(&mut input)?).map(|_| unsigned(&mut input)).collect())
        .collect::<Result<Vec<Vec<u64>>, Error>>()?;
    let mut lengths = [0; FIELDS];
    for length in &mut lengths {
        *length = unsigned(&mut input)?;
    }
    let mut fields: Fields<&[u8]> = Fields::default();
    for (field, length) in fields.0.iter_mut().zip(lengths) {
        *field = take(&mut input, length)?;
    }
    let mut columns = split_columns(input, &layouts, &fields, count)?;

    let mut budget = limits;
    let mut changes: Vec<Change> = Vec::new();
    let mut hashes: Vec<[u8; 32]> = Vec::new();
    let mut expected = Expected::default();
    for _ in 0..count {
        let actor = *at(&actors, unsigned(&mut fields[Field::Actor])?)?;
        let mut backs = Vec::new();
        let mut dependencies: Vec<&[u8]> = Vec::new();
        for _ in 0..unsigned(&mut fields[Field::Dependencies])? {
            let back = usize::try_from(unsigned(&mut fields[Field::Dependencies])?).unwrap_or(usize::MAX);
            if back == 0 {
                dependencies.push(take(&mut fields[Field::Hashes], 32)?);
                continue;
            }
            let place = hashes.len().checked_sub(back);
            let place = place.ok_or(Error::Fold("a change before the first"))?;
            dependencies.push(&hashes[place]);
            backs.push(back);
        }
        let reached = |expected: u64, distance: i64| expected.wrapping_add(distance as u64);
        let parts = Parts {
            dependencies,
            actor,
            sequence: reached(expected.sequence(actor), signed(&mut fields[Field::Sequence])?),
            start: reached(expected.start(&backs), signed(&mut fields[Field::Start])?),
            time: expected.time.wrapping_add(signed(&mut fields[Field::Time])?),
            message: length_prefixed(&mut fields[Field::Message])?,
            others: (0..unsigned(&mut fields[Field::Others])?)
                .map(|_| at(&actors, unsigned(&mut fields[Field::Others])?).copied())
                .collect::<Result<_, _>>()?,
            columns: at(&layouts, unsigned(&mut fields[Field::Layout])?)?
                .iter()
                .map(|column| {
                    let left = columns.get_mut(column).ok_or(Error::Fold("no such column"))?;
                    Ok((*column, take(left, unsigned(&mut fields[Field::Lengths])?)?))
                })
                .collect::<Result<_, Error>>()?,
            extra: length_prefixed(&mut fields[Field::Extra])?,
        };
        budget.spend(parts.length(), 0)?;
        let change = change::from_body(&parts.write())?;
        budget.operations = budget
            .operations
            .checked_sub(change.len())
            .ok_or(Error::TooMuch)?;
        hashes.push(change.hash().0);
        expected.follow(&change);
        changes.push(change);
    }
    if fields.0.iter().any(|field| !field.is_empty()) {
        return Err(Error::Fold("fields of no change"));
    }
    Ok(changes)
}

/// The data of each column, one change's after the other's.
fn split_columns<'a>(
    data: &'a [u8],
    layouts: &[Vec<u64>],
    fields: &Fields<&[u8]>,
    count: u64,
) -> Result<BTreeMap<u64, &'a [u8]>, Error> {
    let mut totals: BTreeMap<u64, u64> = BTreeMap::new();
    let mut layout = fields[Field::Layout];
    let mut lengths = fields[Field::Lengths];
    for _ in 0..count {
        for column in at(layouts, unsigned(&mut layout)?)? {
            let total = totals.entry(*column).or_default();
            *total = total.saturating_add(unsigned(&mut lengths)?);
        }
    }
    let mut left = data;
    let mut columns = BTreeMap::new();
    for (column, total) in totals {
        columns.insert(column, take(&mut left, total)?);
    }
    if !left.is_empty() {
        return Err(Error::Fold("something follows"));
    }
    Ok(columns)
}

fn at<T>(table: &[T], index: u64) -> Result<&T, Error> {
    let index = usize::try_from(index).ok();
    index
        .and_then(|index| table.get(index))
        .ok_or(Error::Fold("an index beyond a table"))
}

impl Limits {
    fn spend(&mut self, bytes: usize, operations: usize) -> Result<(), Error> {
        let left = |have: usize, cost: usize| have.checked_sub(cost).ok_or(Error::TooMuch);
        self.changes = left(self.changes, 1)?;
        self.bytes = left(self.bytes, bytes)?;
        self.operations = left(self.operations, operations)?;
        Ok(())
    }
}

/// Values by their index, each once.
#[derive(Default)]
struct Table<T> {
    values: Vec<T>,
    indices: HashMap<T, u64>,
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    fn index(&mut self, value: T) -> u64 {
        if let Some(index) = self.indices.get(&value) {
            return *index;
        }
        let index = self.values.len() as u64;
        self.values.push(value.clone());
        self.indices.insert(value, index);
        index
    }
}
