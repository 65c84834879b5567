use std::collections::BTreeSet;
use std::convert::Infallible;

use wasm_encoder::Function;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasmparser::{
    CustomSectionReader, Element, ElementItems, ElementKind, ExternalKind, FunctionBody, KnownCustom, Name,
    Operator, Parser, Payload, TypeRef,
};

use super::Result;

/// A WASM file taken apart as far as functions go.
pub(super) struct Module<'a> {
    pub(super) wasm: &'a [u8],
    /// How many functions come from outside; they are numbered first.
    pub(super) imported: u32,
    /// Those of the file itself, in order.
    pub(super) functions: Vec<Code<'a>>,
    /// Numbers of functions that can be called from outside or by a pointer.
    reachable: BTreeSet<u32>,
    /// Those of them that are called otherwise than through `pointers`.
    pub(super) exported: BTreeSet<u32>,
    /// What stands in the table of pointers at first: place and function.
    pub(super) pointers: Vec<(u32, u32)>,
    /// How many global variables the file has, all its own.
    pub(super) globals: u32,
    /// The types of all functions, imported ones first.
    pub(super) kinds: Vec<u32>,
    /// Numbers and names of functions.
    pub(super) names: Vec<(u32, &'a str)>,
}

/// A function of the file.
pub(super) struct Code<'a> {
    pub(super) kind: u32,
    pub(super) body: FunctionBody<'a>,
    pub(super) operators: Vec<Operator<'a>>,
}

impl<'a> Module<'a> {
    pub(super) fn read(wasm: &'a [u8]) -> Result<Self> {
        let mut module = Self {
            wasm,
            imported: 0,
            functions: Vec::new(),
            reachable: BTreeSet::new(),
            exported: BTreeSet::new(),
            pointers: Vec::new(),
            globals: 0,
            kinds: Vec::new(),
            names: Vec::new(),
        };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if let TypeRef::Func(kind) = import?.ty {
                            module.imported += 1;
                            module.kinds.push(kind);
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for kind in section {
                        module.kinds.push(kind?);
                    }
                }
                Payload::GlobalSection(section) => module.globals = section.count(),
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.exported.insert(export.index);
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        module.note_pointers(element?)?;
                    }
                }
                Payload::StartSection { func, .. } => {
                    module.exported.insert(func);
                }
                Payload::CodeSectionEntry(body) => {
                    let operators = body
                        .get_operators_reader()?
                        .into_iter()
                        .collect::<std::result::Result<_, _>>()?;
                    let kind = module.kinds[module.imported as usize + module.functions.len()];
                    module.functions.push(Code {
                        kind,
                        body,
                        operators,
                    });
                }
                Payload::CustomSection(section) => module.note_names(&section)?,
                _ => {}
            }
        }
        module.reachable.extend(&module.exported);
        Ok(module)
    }

    fn note_pointers(&mut self, element: Element<'a>) -> Result<()> {
        let start = match element.kind {
            ElementKind::Active {
                table_index: None | Some(0),
                offset_expr,
            } => match offset_expr.get_operators_reader().read()? {
                Operator::I32Const { value } => Some(value.cast_unsigned()),
                _ => None,
            },
            _ => None,
        };
        match (element.items, start) {
            (ElementItems::Functions(functions), Some(start)) => {
                for (place, function) in (start..).zip(functions) {
                    let function = function?;
                    self.pointers.push((place, function));
                    self.reachable.insert(function);
                }
            }
            (ElementItems::Functions(functions), None) => {
                for function in functions {
                    self.exported.insert(function?);
                }
            }
            (ElementItems::Expressions(_, expressions), _) => {
                for expression in expressions {
                    for operator in expression?.get_operators_reader() {
                        if let Operator::RefFunc { function_index } = operator? {
                            self.exported.insert(function_index);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn note_names(&mut self, section: &CustomSectionReader<'a>) -> Result<()> {
        if let KnownCustom::Name(names) = section.as_known() {
            for name in names {
                if let Name::Function(functions) = name? {
                    for function in functions {
                        let function = function?;
                        self.names.push((function.index, function.name));
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of the function at this place in `functions`.
    pub(super) fn number(&self, place: usize) -> u32 {
        self.imported + place as u32
    }

    /// The function of this number, unless it comes from outside.
    pub(super) fn function(&self, number: u32) -> Option<&Code<'a>> {
        self.functions.get(number.checked_sub(self.imported)? as usize)
    }

    /// Numbers of all functions, imported ones first.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.number(self.functions.len())
    }

    /// All functions that may run, each replaced by the one that `merged` says.
    pub(super) fn called(&self, merged: &[u32]) -> BTreeSet<u32> {
        let mut called = BTreeSet::new();
        let mut waiting: Vec<u32> = self.reachable.iter().map(|root| merged[*root as usize]).collect();
        while let Some(number) = waiting.pop() {
            if called.insert(number)
                && let Some(code) = self.function(number)
            {
                for operator in &code.operators {
                    if let Operator::Call { function_index } | Operator::RefFunc { function_index } = operator
                    {
                        waiting.push(merged[*function_index as usize]);
                    }
                }
            }
        }
        called
    }
}

/// Writes functions under other numbers.
pub(super) struct Writer {
    numbers: Vec<u32>,
}

impl Writer {
    /// One for these numbers, by those that are read.
    pub(super) fn new(numbers: Vec<u32>) -> Self {
        Self { numbers }
    }

    /// A function that has the local variables of this one, and nothing in it yet.
    pub(super) fn locals(&mut self, code: &Code<'_>) -> Reencoded<Function> {
        utils::new_function_with_parsed_locals(self, &code.body)
    }

    pub(super) fn function(&mut self, code: &Code<'_>) -> Reencoded<Function> {
        let mut function = self.locals(code)?;
        for operator in &code.operators {
            function.instruction(&self.instruction(operator.clone())?);
        }
        Ok(function)
    }
}

pub(super) type Reencoded<T = ()> = std::result::Result<T, reencode::Error<Infallible>>;

impl Reencode for Writer {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Reencoded<u32> {
        Ok(self.numbers[number as usize])
    }
}
