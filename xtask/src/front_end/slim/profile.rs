//! Which functions run until a page is edited: found out once, kept in the repository as marks, found again in the next
//! build.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use sha2::{Digest, Sha256};
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{CodeSection, Encode, Function, FunctionSection, Instruction, MemArg, MemorySection};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, FunctionSectionReader, MemorySectionReader, Operator, Parser,
};

use super::Result;
use super::module::{Module, Reencoded, Writer};

const PAGE: u64 = 65_536;

/// Marks of functions. Another build may number and place them otherwise: a mark tells by the name, the operators and the names
/// of what is called. Of the compiler's hashes in the names it knows nothing.
pub(in crate::front_end) type Marks = BTreeSet<u32>;

/// A program that notes what runs.
pub(in crate::front_end) struct Noting {
    pub(in crate::front_end) program: Vec<u8>,
    /// Where in its memory it notes that: a byte for each of the functions whose marks are here.
    pub(in crate::front_end) notes_at: u64,
    pub(in crate::front_end) functions: Vec<Vec<u32>>,
}

/// The functions that have one of these marks.
pub(super) fn functions(module: &Module<'_>, marks: &Marks) -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for (number, mark) in marks_of(module)? {
        if marks.contains(&mark) {
            found.insert(number);
        }
    }
    Ok(found)
}

fn marks_of(module: &Module<'_>) -> Result<Vec<(u32, u32)>> {
    let names: BTreeMap<u32, &str> = module.names.iter().copied().collect();
    let name = |number: &u32| names.get(number).map_or("", |name| without_hash(name));
    let mut writer = Writer::new(module.numbers().collect());
    let mut marks = Vec::new();
    for (place, code) in module.functions.iter().enumerate() {
        let number = module.number(place);
        let mut told = name(&number).as_bytes().to_vec();
        for operator in &code.operators {
            let mut bytes = Vec::new();
            writer.instruction(operator.clone())?.encode(&mut bytes);
            told.extend(bytes.first());
            if let Operator::Call { function_index } = operator {
                told.extend(name(function_index).as_bytes());
            }
        }
        let hash = Sha256::digest(&told);
        marks.push((number, u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])));
    }
    Ok(marks)
}

/// `_ZN…17h0123456789abcdefE.12` → `_ZN…`
fn without_hash(name: &str) -> &str {
    match name.rfind("17h") {
        Some(place)
            if name[place + 3..]
                .bytes()
                .take(16)
                .all(|byte| byte.is_ascii_hexdigit()) =>
        {
            &name[..place]
        }
        _ => name,
    }
}

pub(super) fn noting(module: &Module<'_>, merged: &[u32]) -> Result<Noting> {
    let called = module.called(merged);
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (number, mark) in marks_of(module)? {
        let same = merged[number as usize];
        if called.contains(&same) {
            groups.entry(same).or_default().push(mark);
        }
    }
    let mut numbers = vec![0; merged.len()];
    for imported in 0..module.imported {
        numbers[imported as usize] = imported;
    }
    for (next, function) in (module.imported..).zip(groups.keys()) {
        numbers[*function as usize] = next;
    }
    let mut file = Notes {
        module,
        kept: groups.keys().copied().collect(),
        writer: Writer::new(merged.iter().map(|number| numbers[*number as usize]).collect()),
        notes_at: 0,
    };
    let mut written = wasm_encoder::Module::new();
    file.parse_core_module(&mut written, Parser::new(0), module.wasm)?;
    Ok(Noting {
        program: written.finish(),
        notes_at: file.notes_at,
        functions: groups.into_values().collect(),
    })
}

struct Notes<'a> {
    module: &'a Module<'a>,
    kept: Vec<u32>,
    writer: Writer,
    notes_at: u64,
}

impl Reencode for Notes<'_> {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Reencoded<u32> {
        self.writer.function_index(number)
    }

    /// A page more, of which the program knows nothing.
    fn parse_memory_section(
        &mut self,
        section: &mut MemorySection,
        reader: MemorySectionReader<'_>,
    ) -> Reencoded {
        for memory in reader {
            let mut kind = self.memory_type(memory?)?;
            self.notes_at = kind.minimum * PAGE;
            kind.minimum += 1;
            section.memory(kind);
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        section: &mut FunctionSection,
        _: FunctionSectionReader<'_>,
    ) -> Reencoded {
        for function in &self.kept {
            section.function(self.module.kinds[*function as usize]);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, section: &mut CodeSection, _: CodeSectionReader<'_>) -> Reencoded {
        for (index, number) in self.kept.iter().enumerate() {
            let Some(code) = self.module.function(*number) else {
                continue;
            };
            let mut function: Function = self.writer.locals(code)?;
            function.instruction(&Instruction::I32Const(
                (self.notes_at as u32 + index as u32).cast_signed(),
            ));
            function.instruction(&Instruction::I32Const(1));
            function.instruction(&Instruction::I32Store8(MemArg {
                offset: 0,
                align: 0,
                memory_index: 0,
            }));
            for operator in &code.operators {
                function.instruction(&self.writer.instruction(operator.clone())?);
            }
            section.function(&function);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        _: &mut wasm_encoder::Module,
        _: CustomSectionReader<'_>,
    ) -> Reencoded {
        Ok(())
    }
}
