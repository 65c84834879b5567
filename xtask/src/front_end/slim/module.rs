use std::collections::BTreeSet;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{CodeSection, Function, FunctionSection};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, ElementItems, ExternalKind, FunctionBody, FunctionSectionReader,
    KnownCustom, Name, Operator, Parser, Payload, TypeRef,
};

use super::Result;

/// A WASM file taken apart as far as functions go.
pub(super) struct Module<'a> {
    wasm: &'a [u8],
    /// How many functions come from outside; they are numbered first.
    pub(super) imported: u32,
    /// Those of the file itself, in order.
    pub(super) functions: Vec<Code<'a>>,
    /// Numbers of functions that can be called from outside or by a pointer.
    reachable: BTreeSet<u32>,
    /// Numbers and names of functions.
    pub(super) names: Vec<(u32, &'a str)>,
}

/// A function of the file.
pub(super) struct Code<'a> {
    pub(super) kind: u32,
    body: FunctionBody<'a>,
    pub(super) operators: Vec<Operator<'a>>,
}

impl<'a> Module<'a> {
    pub(super) fn read(wasm: &'a [u8]) -> Result<Self> {
        let mut module = Self {
            wasm,
            imported: 0,
            functions: Vec::new(),
            reachable: BTreeSet::new(),
            names: Vec::new(),
        };
        let mut kinds = Vec::new();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        if matches!(import?.ty, TypeRef::Func(_)) {
                            module.imported += 1;
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for kind in section {
                        kinds.push(kind?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            module.reachable.insert(export.index);
                        }
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        module.note_pointers(element?.items)?;
                    }
                }
                Payload::StartSection { func, .. } => {
                    module.reachable.insert(func);
                }
                Payload::CodeSectionEntry(body) => {
                    let operators = body
                        .get_operators_reader()?
                        .into_iter()
                        .collect::<std::result::Result<_, _>>()?;
                    let kind = kinds[module.functions.len()];
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
        Ok(module)
    }

    fn note_pointers(&mut self, items: ElementItems<'a>) -> Result<()> {
        match items {
            ElementItems::Functions(functions) => {
                for function in functions {
                    self.reachable.insert(function?);
                }
            }
            ElementItems::Expressions(_, expressions) => {
                for expression in expressions {
                    for operator in expression?.get_operators_reader() {
                        if let Operator::RefFunc { function_index } = operator? {
                            self.reachable.insert(function_index);
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
    fn called(&self, merged: &[u32]) -> BTreeSet<u32> {
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

    /// The file again, with the operators as they are now, each function replaced by the one that `merged` says, without
    /// functions that are not called and without custom sections.
    pub(super) fn write(&self, merged: &[u32]) -> Result<Vec<u8>> {
        let called = self.called(merged);
        let mut kept = Vec::new();
        let mut numbers = vec![0; merged.len()];
        let mut next = 0;
        for number in self.numbers() {
            let imported = number < self.imported;
            if imported || (merged[number as usize] == number && called.contains(&number)) {
                numbers[number as usize] = next;
                next += 1;
                kept.extend(self.function(number));
            }
        }
        let mut writer = Writer {
            numbers: merged.iter().map(|number| numbers[*number as usize]).collect(),
            kept,
        };
        let mut written = wasm_encoder::Module::new();
        writer.parse_core_module(&mut written, Parser::new(0), self.wasm)?;
        Ok(written.finish())
    }
}

/// Writes functions under other numbers.
pub(super) struct Writer<'a> {
    numbers: Vec<u32>,
    kept: Vec<&'a Code<'a>>,
}

impl<'a> Writer<'a> {
    /// One that can only write single functions.
    pub(super) fn of_functions(numbers: Vec<u32>) -> Self {
        Self {
            numbers,
            kept: Vec::new(),
        }
    }

    pub(super) fn function(&mut self, code: &Code<'_>) -> Reencoded<Function> {
        let mut function = utils::new_function_with_parsed_locals(self, &code.body)?;
        for operator in &code.operators {
            function.instruction(&self.instruction(operator.clone())?);
        }
        Ok(function)
    }
}

type Reencoded<T = ()> = std::result::Result<T, reencode::Error<Infallible>>;

impl Reencode for Writer<'_> {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Reencoded<u32> {
        Ok(self.numbers[number as usize])
    }

    fn parse_function_section(
        &mut self,
        section: &mut FunctionSection,
        _: FunctionSectionReader<'_>,
    ) -> Reencoded {
        for code in &self.kept {
            section.function(code.kind);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, section: &mut CodeSection, _: CodeSectionReader<'_>) -> Reencoded {
        for code in std::mem::take(&mut self.kept) {
            section.function(&self.function(code)?);
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
