//! Makes the WASM file smaller, after the compiler and wasm-bindgen are done with it, by what no browser needs to run it:
//!
//! - the text and the places of panics: nothing in a browser shows them, so a panic is the trap that ends it anyway;
//! - functions that are the same as another, or that nothing calls any more;
//! - names of functions and notes of tools. (rustc's own `strip` would also take what wasm-bindgen reads.)

mod merge;
mod module;
mod panics;
mod places;
mod profile;
mod references;
mod split;

use std::convert::Infallible;

use wasm_encoder::reencode;
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use module::Module;
pub(super) use profile::{Marks, Noting};
use references::References;
pub(super) use split::Parts;

/// Why a file stayed as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it is not a valid WASM file: {0}")]
    Invalid(#[from] BinaryReaderError),
    #[error("it can't be written again: {0}")]
    Unwritable(#[from] reencode::Error<Infallible>),
    #[error(
        "it has no function `{}`: either its names are stripped, or the compiler calls it otherwise now",
        panics::ROOT
    )]
    NoPanics,
    #[error("it can't be divided: {0}")]
    NotDivisible(&'static str),
}

type Result<T> = std::result::Result<T, Error>;

/// The same program without what it does not need, in two files: the functions of the second one `may_wait`. `linked` is the program
/// as the linker wrote it.
pub(super) fn slim(wasm: &[u8], linked: &[u8], may_wait: &Marks) -> Result<Parts> {
    let references = References::read(linked)?;
    slimmed(wasm, |module, merged| {
        let may_wait = profile::functions(module, may_wait)?;
        let parts = split::split(module, merged, &may_wait, &references)?;
        validate(&parts.first)?;
        validate(&parts.rest)?;
        Ok(parts)
    })
}

/// The same program in one file, which notes what of it runs.
pub(super) fn slim_noting(wasm: &[u8]) -> Result<Noting> {
    slimmed(wasm, |module, merged| {
        let noting = profile::noting(module, merged)?;
        validate(&noting.program)?;
        Ok(noting)
    })
}

fn slimmed<T>(wasm: &[u8], write: impl FnOnce(&Module<'_>, &[u32]) -> Result<T>) -> Result<T> {
    let mut wasm = wasm.to_vec();
    places::blank(&mut wasm)?;
    let mut module = Module::read(&wasm)?;
    panics::silence(&mut module)?;
    let merged = merge::equal_functions(&module)?;
    write(&module, &merged)
}

fn validate(wasm: &[u8]) -> Result<()> {
    Validator::new_with_features(WasmFeatures::all()).validate_all(wasm)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ConstExpr, DataSection, ElementSection, Elements, ExportKind, ExportSection, Function,
        FunctionSection, ImportSection, MemorySection, MemoryType, NameMap, NameSection, RefType,
        TableSection, TableType, TypeSection,
    };
    use wasmparser::{DataKind, Operator, Parser, Payload};

    use super::references::tests::{NUMBER, told_by_linker};
    use super::*;

    const PATH: &[u8] = b"src/lib.rs";
    /// What only the function that tells refers to, and where it is.
    const TOLD: &[u8] = b"what is told, and nothing else is";
    const TOLD_AT: i32 = 3000;

    /// An imported function, then what `rust_begin_unwind` is called here, a function that panics, two checks of a number that
    /// are the same, one that tells before it panics and is called by a pointer too, and what is exported: a sum of all checks.
    fn program(root: &str) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        types
            .ty()
            .function([wasm_encoder::ValType::I32], [wasm_encoder::ValType::I32]);
        let mut imports = ImportSection::new();
        imports.import("outside", "tell", wasm_encoder::EntityType::Function(0));
        let mut functions = FunctionSection::new();
        for kind in [0, 0, 1, 1, 0, 1] {
            functions.function(kind);
        }
        let mut pointers = TableSection::new();
        pointers.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: 2,
            maximum: Some(2),
            table64: false,
            shared: false,
        });
        let mut pointed = ElementSection::new();
        pointed.active(
            None,
            &ConstExpr::i32_const(1),
            Elements::Functions([5].as_slice().into()),
        );
        let mut memory = MemorySection::new();
        memory.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports.export("sum", ExportKind::Func, 6);

        let mut code = CodeSection::new();
        let mut add = |write: &dyn Fn(&mut wasm_encoder::InstructionSink<'_>)| {
            let mut function = Function::new([]);
            write(&mut function.instructions());
            code.function(&function);
        };
        add(&|code| {
            code.unreachable().end();
        });
        add(&|code| {
            code.call(1).unreachable().end();
        });
        for _ in 0..2 {
            add(&|code| {
                code.block(wasm_encoder::BlockType::Empty)
                    .local_get(0)
                    .br_if(0)
                    .i32_const(8)
                    .i32_const(77)
                    .i32_store(wasm_encoder::MemArg {
                        offset: 0,
                        align: 2,
                        memory_index: 0,
                    })
                    .call(2)
                    .unreachable()
                    .end()
                    .local_get(0)
                    .end();
            });
        }
        add(&|code| {
            code.i32_const(TOLD_AT).drop().call(0).call(2).unreachable().end();
        });
        add(&|code| {
            code.local_get(0)
                .call(3)
                .local_get(0)
                .call(4)
                .i32_add()
                .local_get(0)
                .br_if(0)
                .call(5)
                .end();
        });

        let mut place = 1024_u32.to_le_bytes().to_vec();
        for word in [PATH.len() as u32, 12, 5] {
            place.extend(word.to_le_bytes());
        }
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(1024), PATH.to_vec());
        data.active(
            0,
            &ConstExpr::i32_const(2046),
            [[9, 9].as_slice(), &place, &[1, 2, 3]].concat(),
        );
        data.active(0, &ConstExpr::i32_const(TOLD_AT), TOLD.to_vec());
        let mut named = NameMap::new();
        named.append(1, root);
        let mut names = NameSection::new();
        names.functions(&named);

        let mut module = wasm_encoder::Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&pointers)
            .section(&memory)
            .section(&exports)
            .section(&pointed)
            .section(&code)
            .section(&data)
            .section(&names);
        let program = module.finish();
        Validator::new().validate_all(&program).unwrap();
        program
    }

    /// As the linker wrote it, and so that it is divided by these marks.
    fn divided(program: &[u8], may_wait: &Marks) -> Result<Parts> {
        let told = [(NUMBER, 0, 1, 0)];
        let symbols = [(2, 0, TOLD.len() as u32)];
        let linked = told_by_linker(program, &[".data", ".data", ".rodata"], &symbols, &[(7, &told)]);
        slim(program, &linked, may_wait)
    }

    /// What is in memory at first: addresses and bytes.
    fn data(wasm: &[u8]) -> Vec<(i32, Vec<u8>)> {
        let mut pieces = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::DataSection(section) = payload.unwrap() {
                for piece in section {
                    let piece = piece.unwrap();
                    let DataKind::Active { offset_expr, .. } = piece.kind else {
                        panic!("it has no place");
                    };
                    let Operator::I32Const { value } = offset_expr.get_operators_reader().read().unwrap()
                    else {
                        panic!("its place is not fixed");
                    };
                    pieces.push((value, piece.data.to_vec()));
                }
            }
        }
        pieces
    }

    fn operators(wasm: &[u8]) -> Vec<Vec<Operator<'_>>> {
        let mut functions = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap() {
                let operators = body.get_operators_reader().unwrap();
                functions.push(operators.into_iter().map(std::result::Result::unwrap).collect());
            }
        }
        functions
    }

    #[test]
    fn panics_become_traps_and_equal_functions_one() {
        let parts = divided(&program("__rustc[0123]::rust_begin_unwind"), &Marks::new()).unwrap();
        let functions = operators(&parts.first);
        // The check, once; what tells before it panics; the sum.
        assert_eq!(functions.len(), 3);
        assert!(matches!(
            functions[0][..],
            [
                Operator::Block { .. },
                Operator::LocalGet { .. },
                Operator::BrIf { .. },
                Operator::Unreachable,
                Operator::End,
                Operator::LocalGet { .. },
                Operator::End,
            ]
        ));
        assert!(matches!(
            functions[1][..],
            [
                Operator::I32Const { value: TOLD_AT },
                Operator::Drop,
                Operator::Call { function_index: 0 },
                Operator::Unreachable,
                Operator::End
            ]
        ));
        let called = functions[2].iter().filter_map(|operator| match operator {
            Operator::Call { function_index } => Some(*function_index),
            _ => None,
        });
        // What has the rest loaded is the second imported one.
        assert_eq!(called.collect::<Vec<_>>(), [2, 2, 3]);
        assert!(operators(&parts.rest).is_empty());
    }

    #[test]
    fn the_rest_is_called_by_pointers_and_calls_by_pointers() {
        let program = program("rust_begin_unwind");
        // The check, what tells, the sum.
        let marks = slim_noting(&program).unwrap().functions;
        let telling = marks[1].iter().copied().collect();
        let parts = divided(&program, &telling).unwrap();
        let (first, rest) = (operators(&parts.first), operators(&parts.rest));
        let pointer = |operators: &[Operator<'_>]| match operators {
            [Operator::I32Const { value }, Operator::CallIndirect { .. }] => Some(*value),
            _ => None,
        };
        // The check, the sum, and what stands in for what tells.
        assert_eq!(first.len(), 3);
        let sum = &first[1];
        assert_eq!(pointer(&sum[sum.len() - 3..sum.len() - 1]), Some(1));
        let stand_in = &first[2];
        assert!(matches!(stand_in[0], Operator::Call { function_index: 1 }));
        assert_eq!(pointer(&stand_in[1..3]), Some(1));
        // It tells by a pointer behind those that were there.
        assert_eq!(rest.len(), 1);
        assert_eq!(pointer(&rest[0][2..4]), Some(2));
    }

    #[test]
    fn data_that_only_the_rest_uses_goes_with_it() {
        let program = program("rust_begin_unwind");
        let marks = slim_noting(&program).unwrap().functions;
        let telling = marks[1].iter().copied().collect();
        let parts = divided(&program, &telling).unwrap();
        assert_eq!(data(&parts.rest), [(TOLD_AT, TOLD.to_vec())]);
        assert_eq!(data(&parts.first)[2], (TOLD_AT, vec![0; TOLD.len()]));
        let whole = divided(&program, &Marks::new()).unwrap();
        assert_eq!(data(&whole.first)[2], (TOLD_AT, TOLD.to_vec()));
        assert!(data(&whole.rest).is_empty());
    }

    #[test]
    fn what_is_the_same_as_something_that_comes_first_comes_first() {
        let program = program("rust_begin_unwind");
        let marks = slim_noting(&program).unwrap().functions;
        let checks: Vec<u32> = marks[0].clone();
        assert_eq!(checks.len(), 2);
        let one = checks.iter().copied().take(1).collect();
        let both = checks.into_iter().collect();
        let rest = |marks: &Marks| operators(&divided(&program, marks).unwrap().rest).len();
        // The names of both are unknown, so that their marks are the same: only both together can wait.
        assert_eq!(rest(&both), 1);
        assert_eq!(rest(&one), 1);
    }

    #[test]
    fn a_noting_program_has_a_byte_for_each_function_behind_its_memory() {
        let noting = slim_noting(&program("rust_begin_unwind")).unwrap();
        assert_eq!(noting.notes_at, 65_536);
        for (place, operators) in (noting.notes_at as i32..).zip(operators(&noting.program)) {
            assert!(matches!(operators[0], Operator::I32Const { value } if value == place));
        }
        assert_eq!(noting.functions.len(), 3);
    }

    #[test]
    fn only_places_and_custom_sections_go_from_the_rest() {
        let slimmed = divided(&program("rust_begin_unwind"), &Marks::new())
            .unwrap()
            .first;
        for payload in Parser::new(0).parse_all(&slimmed) {
            if let Payload::CustomSection(section) = payload.unwrap() {
                panic!("{} is still there", section.name());
            }
        }
        let pieces = data(&slimmed);
        assert_eq!(pieces[0].1, [0; PATH.len()]);
        assert_eq!(pieces[1].1, [[9, 9].as_slice(), &[0; 16], &[1, 2, 3]].concat());
    }

    #[test]
    fn a_file_without_names_or_none_at_all_is_refused() {
        let none = Marks::new();
        assert!(matches!(
            divided(&program("something_else"), &none),
            Err(Error::NoPanics)
        ));
        assert!(matches!(
            slim(b"\x7fELF....", b"\x7fELF....", &none),
            Err(Error::Invalid(_))
        ));
        let program = program("rust_begin_unwind");
        let half = &program[..program.len() / 2];
        assert!(slim(half, half, &none).is_err());
    }
}
