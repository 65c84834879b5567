//! Makes the WASM file smaller, after the compiler and wasm-bindgen are done with it, by what no browser needs to run it:
//!
//! - the text and the places of panics: nothing in a browser shows them, so a panic is the trap that ends it anyway;
//! - functions that are the same as another, or that nothing calls any more;
//! - names of functions and notes of tools. (rustc's own `strip` would also take what wasm-bindgen reads.)

mod merge;
mod module;
mod panics;
mod places;

use std::convert::Infallible;

use wasm_encoder::reencode;
use wasmparser::{BinaryReaderError, Validator, WasmFeatures};

use module::Module;

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
}

type Result<T> = std::result::Result<T, Error>;

/// The same program without what it does not need.
pub(super) fn slim(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut wasm = wasm.to_vec();
    places::blank(&mut wasm)?;
    let mut module = Module::read(&wasm)?;
    panics::silence(&mut module)?;
    let merged = merge::equal_functions(&module)?;
    let slimmed = module.write(&merged)?;
    Validator::new_with_features(WasmFeatures::all()).validate_all(&slimmed)?;
    Ok(slimmed)
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
        ImportSection, MemorySection, MemoryType, NameMap, NameSection, TypeSection,
    };
    use wasmparser::{Operator, Parser, Payload};

    use super::*;

    const PATH: &[u8] = b"src/lib.rs";

    /// An imported function, then what `rust_begin_unwind` is called here, a function that panics, two checks of a number that
    /// are the same, one that tells before it panics, and what is exported: a sum of all checks.
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
            code.call(0).call(2).unreachable().end();
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
        let mut named = NameMap::new();
        named.append(1, root);
        let mut names = NameSection::new();
        names.functions(&named);

        let mut module = wasm_encoder::Module::new();
        module
            .section(&types)
            .section(&imports)
            .section(&functions)
            .section(&memory)
            .section(&exports)
            .section(&code)
            .section(&data)
            .section(&names);
        let program = module.finish();
        Validator::new().validate_all(&program).unwrap();
        program
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
        let slimmed = slim(&program("__rustc[0123]::rust_begin_unwind")).unwrap();
        let functions = operators(&slimmed);
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
                Operator::Call { function_index: 0 },
                Operator::Unreachable,
                Operator::End
            ]
        ));
        let called = functions[2].iter().filter_map(|operator| match operator {
            Operator::Call { function_index } => Some(*function_index),
            _ => None,
        });
        assert_eq!(called.collect::<Vec<_>>(), [1, 1, 2]);
    }

    #[test]
    fn only_places_and_custom_sections_go_from_the_rest() {
        let slimmed = slim(&program("rust_begin_unwind")).unwrap();
        let mut pieces = Vec::new();
        for payload in Parser::new(0).parse_all(&slimmed) {
            match payload.unwrap() {
                Payload::DataSection(section) => {
                    pieces.extend(section.into_iter().map(|data| data.unwrap().data.to_vec()));
                }
                Payload::CustomSection(section) => panic!("{} is still there", section.name()),
                _ => {}
            }
        }
        assert_eq!(pieces[0], [0; PATH.len()]);
        assert_eq!(pieces[1], [[9, 9].as_slice(), &[0; 16], &[1, 2, 3]].concat());
    }

    #[test]
    fn a_file_without_names_or_none_at_all_is_refused() {
        assert!(matches!(slim(&program("something_else")), Err(Error::NoPanics)));
        assert!(matches!(slim(b"\x7fELF...."), Err(Error::Invalid(_))));
        let program = program("rust_begin_unwind");
        assert!(slim(&program[..program.len() / 2]).is_err());
    }
}
