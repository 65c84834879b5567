//! What of the program's initial memory which functions use. The linker says it in the file that it writes with `--emit-relocs`
//! (<https://github.com/WebAssembly/tool-conventions/blob/main/Linking.md>).

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Range;

use wasm_encoder::MemArg;
use wasm_encoder::reencode::{Reencode, utils};
use wasmparser::{
    DataKind, DefinedDataSymbol, KnownCustom, Linking, Operator, Parser, Payload, RelocSectionReader,
    RelocationEntry, SymbolInfo,
};

use super::module::{Code, Reencoded};
use super::{Error, Result};

/// Segments of what never changes have names that begin with this.
const CONSTANT: &str = ".rodata";

/// Shorter pieces stay where they are: a segment of their own would be as long.
const SHORTEST: u32 = 16;

/// By addresses in memory.
pub(super) struct References {
    /// Segments of what never changes.
    constant: Vec<Range<u32>>,
    /// Where each symbol is; nothing for what is no data.
    symbols: Vec<Range<u32>>,
    /// The numbers in the code that are addresses, and the symbols that each may mean.
    in_code: BTreeMap<u32, Vec<usize>>,
    /// Where an address stands in memory, and which symbol it means.
    in_memory: BTreeMap<u32, usize>,
}

impl References {
    /// Reads them from the file as the linker wrote it.
    pub(super) fn read(linked: &[u8]) -> Result<Self> {
        let mut file = Linked::read(linked)?;
        let mut references = Self {
            constant: Vec::new(),
            symbols: Vec::new(),
            in_code: BTreeMap::new(),
            in_memory: BTreeMap::new(),
        };
        for symbol in std::mem::take(&mut file.symbols) {
            references.symbols.push(match symbol {
                Some(symbol) => file.place_of(symbol)?,
                None => 0..0,
            });
        }
        for (segment, name) in file.segments.iter().zip(&file.names) {
            if name.starts_with(CONSTANT) {
                references.constant.push(segment.memory.clone());
            }
        }
        for (section, entry) in &file.relocations {
            let symbol = entry.index as usize;
            let Some(place) = references.symbols.get(symbol).filter(|place| **place != (0..0)) else {
                continue;
            };
            if Some(*section) == file.code {
                let number = i64::from(place.start).wrapping_add(entry.addend) as u32;
                references.in_code.entry(number).or_default().push(symbol);
            } else if let Some(address) = file.address_of(*section, entry.offset) {
                references.in_memory.insert(address, symbol);
            }
        }
        if references.constant.is_empty() || references.in_code.is_empty() {
            return Err(Error::NotDivisible(
                "the linker did not say what its data is used by",
            ));
        }
        Ok(references)
    }

    /// What never changes and these functions don't use, neither themselves nor by addresses in what they use. Bytes of which the
    /// linker says nothing count as used.
    pub(super) fn unused_by<'c>(
        &self,
        functions: impl Iterator<Item = &'c Code<'c>>,
    ) -> Result<Vec<Range<u32>>> {
        let mut used = vec![false; self.symbols.len()];
        let mut waiting: Vec<usize> = Vec::new();
        for code in functions {
            let numbers = Numbers::of(code)?;
            waiting.extend(
                numbers
                    .iter()
                    .filter_map(|number| self.in_code.get(number))
                    .flatten(),
            );
        }
        while let Some(symbol) = waiting.pop() {
            if !std::mem::replace(&mut used[symbol], true) {
                waiting.extend(
                    self.in_memory
                        .range(self.symbols[symbol].clone())
                        .map(|(_, to)| to),
                );
            }
        }
        let mut unused = Vec::new();
        for segment in &self.constant {
            let mut bytes = vec![Byte::Unknown; segment.len()];
            for (place, used) in self.symbols.iter().zip(&used) {
                if place.start < segment.start || place.end > segment.end {
                    continue;
                }
                let within = (place.start - segment.start) as usize..(place.end - segment.start) as usize;
                for byte in &mut bytes[within] {
                    if *used || *byte == Byte::Unknown {
                        *byte = if *used { Byte::Used } else { Byte::Unused };
                    }
                }
            }
            let mut start = segment.start;
            for run in bytes.chunk_by(|a, b| (*a == Byte::Unused) == (*b == Byte::Unused)) {
                let end = start + run.len() as u32;
                if run[0] == Byte::Unused && end - start >= SHORTEST {
                    unused.push(start..end);
                }
                start = end;
            }
        }
        Ok(unused)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Byte {
    Unknown,
    Unused,
    Used,
}

/// Gathers the numbers in the code that may be addresses: constants, and what is added to where something is read or written.
#[derive(Default)]
struct Numbers(Vec<u32>);

impl Numbers {
    fn of(code: &Code<'_>) -> Result<Vec<u32>> {
        let mut numbers = Self::default();
        for operator in &code.operators {
            if let Operator::I32Const { value } = operator {
                numbers.0.push(value.cast_unsigned());
            } else {
                numbers.instruction(operator.clone())?;
            }
        }
        Ok(numbers.0)
    }
}

impl Reencode for Numbers {
    type Error = Infallible;

    fn mem_arg(&mut self, place: wasmparser::MemArg) -> Reencoded<MemArg> {
        self.0.push(place.offset as u32);
        utils::mem_arg(self, place)
    }
}

/// A segment in memory, and in the file from the beginning of its section.
struct Segment {
    memory: Range<u32>,
    in_section: Range<u32>,
}

/// The linker's file, as far as data goes.
#[derive(Default)]
struct Linked<'a> {
    segments: Vec<Segment>,
    names: Vec<&'a str>,
    /// Where those that are data are defined.
    symbols: Vec<Option<DefinedDataSymbol>>,
    /// With the section in which something refers to something.
    relocations: Vec<(u32, RelocationEntry)>,
    /// Which sections these are.
    code: Option<u32>,
    data: Option<u32>,
}

impl<'a> Linked<'a> {
    fn read(wasm: &'a [u8]) -> Result<Self> {
        let mut file = Self::default();
        let mut section = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            match &payload {
                Payload::CodeSectionStart { .. } => file.code = Some(section),
                Payload::DataSection(data) => {
                    file.data = Some(section);
                    for piece in data.clone() {
                        file.segments.push(segment(&piece?, data.range().start)?);
                    }
                }
                Payload::CustomSection(custom) => match custom.as_known() {
                    KnownCustom::Linking(linking) => {
                        for part in linking {
                            file.note(part?)?;
                        }
                    }
                    KnownCustom::Reloc(entries) => file.note_relocations(&entries)?,
                    _ => {}
                },
                _ => {}
            }
            if payload.as_section().is_some() {
                section += 1;
            }
        }
        Ok(file)
    }

    fn note(&mut self, part: Linking<'a>) -> Result<()> {
        match part {
            Linking::SegmentInfo(segments) => {
                for segment in segments {
                    self.names.push(segment?.name);
                }
            }
            Linking::SymbolTable(symbols) => {
                for symbol in symbols {
                    self.symbols.push(match symbol? {
                        SymbolInfo::Data { symbol, .. } => symbol,
                        _ => None,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn note_relocations(&mut self, section: &RelocSectionReader<'a>) -> Result<()> {
        for entry in section.entries() {
            self.relocations.push((section.section_index(), entry?));
        }
        Ok(())
    }

    fn place_of(&self, symbol: DefinedDataSymbol) -> Result<Range<u32>> {
        let segment = self.segments.get(symbol.index as usize);
        let start = segment.and_then(|segment| segment.memory.start.checked_add(symbol.offset));
        let end = start.and_then(|start| start.checked_add(symbol.size));
        match (start, end) {
            (Some(start), Some(end)) => Ok(start..end),
            _ => Err(Error::NotDivisible("a symbol is nowhere in its data")),
        }
    }

    /// Where in memory something is that is in the section of data.
    fn address_of(&self, section: u32, offset: u32) -> Option<u32> {
        if Some(section) != self.data {
            return None;
        }
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.in_section.contains(&offset))?;
        Some(segment.memory.start + (offset - segment.in_section.start))
    }
}

fn segment(piece: &wasmparser::Data<'_>, section: usize) -> Result<Segment> {
    let DataKind::Active { offset_expr, .. } = &piece.kind else {
        return Err(Error::NotDivisible("its data has no place"));
    };
    let Operator::I32Const { value } = offset_expr.get_operators_reader().read()? else {
        return Err(Error::NotDivisible("its data has no fixed place"));
    };
    let length = piece.data.len() as u32;
    let (start, end) = (value.cast_unsigned(), (piece.range.end - section) as u32);
    Ok(Segment {
        memory: start..start + length,
        in_section: end - length..end,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use wasm_encoder::{
        CodeSection, ConstExpr, CustomSection, DataSection, Encode, Function, FunctionSection, MemorySection,
        MemoryType, TypeSection,
    };

    use super::super::module::Module;
    use super::*;

    /// What refers to something, as numbers of [`RelocationType`](wasmparser::RelocationType).
    const OFFSET: u8 = 3;
    pub(in super::super) const NUMBER: u8 = 4;
    const IN_MEMORY: u8 = 5;

    /// How something refers to what, where in its section, and how far behind its beginning.
    type Relocation = (u8, u32, u32, i32);

    /// Adds what the linker says: the names of segments; symbols, of which the first is no data, as segment, offset and size; and
    /// what refers to them, by the numbers of sections.
    pub(in super::super) fn told_by_linker(
        wasm: &[u8],
        names: &[&str],
        symbols: &[(u32, u32, u32)],
        relocations: &[(u32, &[Relocation])],
    ) -> Vec<u8> {
        let mut segments = Vec::new();
        names.len().encode(&mut segments);
        for name in names {
            name.encode(&mut segments);
            // Its alignment and its flags.
            segments.extend([0, 0]);
        }
        let mut table = Vec::new();
        (symbols.len() + 1).encode(&mut table);
        // The kind, flags and the number of a function, then its name.
        table.extend([0, 0, 0]);
        "a function".encode(&mut table);
        for (segment, offset, size) in symbols {
            // The kind, flags, and an empty name.
            table.extend([1, 0, 0]);
            for number in [segment, offset, size] {
                number.encode(&mut table);
            }
        }
        // The version.
        let mut linking = vec![2];
        for (kind, part) in [(5, segments), (8, table)] {
            linking.push(kind);
            part.encode(&mut linking);
        }
        let mut wasm = with_section(wasm.to_vec(), "linking", linking);
        for (section, entries) in relocations {
            let mut told = Vec::new();
            section.encode(&mut told);
            entries.len().encode(&mut told);
            for (kind, offset, symbol, behind) in *entries {
                told.push(*kind);
                offset.encode(&mut told);
                symbol.encode(&mut told);
                behind.encode(&mut told);
            }
            wasm = with_section(wasm, "reloc.some", told);
        }
        wasm
    }

    fn with_section(mut wasm: Vec<u8>, name: &str, data: Vec<u8>) -> Vec<u8> {
        wasm.push(0);
        let section = CustomSection {
            name: name.into(),
            data: data.into(),
        };
        section.encode(&mut wasm);
        wasm
    }

    /// The first function has the address of the first of four constants of 16 bytes, in which, 4 bytes on, is that of the third;
    /// the second reads 8 bytes behind the beginning of the fourth. Of 16 bytes behind them nothing is known; 16 in another
    /// segment may change.
    fn program() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut functions = FunctionSection::new();
        functions.function(0).function(0);
        let mut memory = MemorySection::new();
        memory.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut code = CodeSection::new();
        let mut first = Function::new([]);
        first.instructions().i32_const(1024).drop().end();
        let mut second = Function::new([]);
        let place = MemArg {
            offset: 1080,
            align: 2,
            memory_index: 0,
        };
        second.instructions().i32_const(7).i32_load(place).drop().end();
        code.function(&first).function(&second);
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(1024), [1; 80]);
        data.active(0, &ConstExpr::i32_const(2048), [2; 16]);
        let mut module = wasm_encoder::Module::new();
        module
            .section(&types)
            .section(&functions)
            .section(&memory)
            .section(&code)
            .section(&data);
        module.finish()
    }

    /// Where the first segment is in the section of data: behind how many there are, of what kind it is, where, and how long.
    const IN_SECTION: u32 = 1 + 1 + 4 + 1;

    #[test]
    fn unused_is_what_no_function_and_nothing_used_refers_to() {
        let wasm = program();
        let symbols = [(0, 0, 16), (0, 16, 16), (0, 32, 16), (0, 48, 16), (1, 0, 16)];
        let in_code = [(NUMBER, 4, 1, 0), (OFFSET, 12, 4, 8)];
        let in_memory = [(IN_MEMORY, IN_SECTION + 4, 3, 0)];
        let linked = told_by_linker(
            &wasm,
            &[".rodata.x", ".data"],
            &symbols,
            &[(3, &in_code), (4, &in_memory)],
        );
        let references = References::read(&linked).unwrap();
        let module = Module::read(&wasm).unwrap();
        let unused = |functions: &[usize]| {
            let functions = functions.iter().map(|place| &module.functions[*place]);
            let unused = references.unused_by(functions).unwrap();
            unused
                .iter()
                .map(|range| (range.start, range.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(unused(&[0]), [(1040, 1056), (1072, 1088)]);
        assert_eq!(unused(&[1]), [(1024, 1072)]);
        assert_eq!(unused(&[0, 1]), [(1040, 1056)]);
    }

    #[test]
    fn a_file_that_does_not_say_what_is_used_is_refused() {
        let wasm = program();
        assert!(matches!(References::read(&wasm), Err(Error::NotDivisible(_))));
        let silent = told_by_linker(&wasm, &[".rodata"], &[(0, 0, 16)], &[]);
        assert!(matches!(References::read(&silent), Err(Error::NotDivisible(_))));
        let nowhere = told_by_linker(&wasm, &[".rodata"], &[(9, 0, 16)], &[]);
        assert!(References::read(&nowhere).is_err());
    }
}
