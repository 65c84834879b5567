//! Two files of one program: what runs until a page is edited, and the rest.
//!
//! The rest works on the memory and the table of pointers of the first file. A function of the rest has a place in that
//! table: before the rest is there, the place is empty or holds a function that has it loaded, see `app/rest/rest.js`. The
//! first file calls the rest only through these places, and the rest the first file.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Range;

use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, ImportSection, Instruction, TableSection, TypeSection, ValType,
};
use wasmparser::{
    CodeSectionReader, CompositeInnerType, CustomSectionReader, Data, DataKind, ElementSectionReader,
    ExportSectionReader, FunctionSectionReader, ImportSectionReader, Operator, Parser, Payload,
    TableSectionReader, TypeSectionReader,
};

use super::module::{Code, Module, Reencoded};
use super::references::References;
use super::{Error, Result};

/// What the first file takes the function from that has the rest loaded, and its name there.
const LOADER: (&str, &str) = ("./app_bg.js", "rest_now");

/// What the rest takes from the first file: the memory has this name anyway.
const FIRST: &str = "first";
const MEMORY: &str = "memory";
const POINTERS: &str = "pointers";

/// Both files.
pub(in crate::front_end) struct Parts {
    pub(in crate::front_end) first: Vec<u8>,
    pub(in crate::front_end) rest: Vec<u8>,
}

/// Puts the functions that `may_wait`, and all that are the same, into the rest, and the data that nothing else uses.
pub(super) fn split(
    module: &Module<'_>,
    merged: &[u32],
    may_wait: &BTreeSet<u32>,
    references: &References,
) -> Result<Parts> {
    let types = Types::read(module.wasm)?;
    let mut plan = Plan::new(module, merged, may_wait, &types)?;
    plan.data = references.unused_by(plan.first.iter().filter_map(|number| module.function(*number)))?;
    Ok(Parts {
        first: plan.write_first(&types)?,
        rest: plan.write_rest()?,
    })
}

/// The types of functions.
struct Types {
    /// How many types the file has.
    count: u32,
    of: BTreeMap<u32, (Vec<ValType>, Vec<ValType>)>,
    /// That of a function that takes and gives nothing.
    nothing: u32,
}

impl Types {
    fn read(wasm: &[u8]) -> Result<Self> {
        let mut types = Self {
            count: 0,
            of: BTreeMap::new(),
            nothing: 0,
        };
        let mut nothing = None;
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::TypeSection(section) = payload? else {
                continue;
            };
            for group in section {
                for kind in group?.types() {
                    if let CompositeInnerType::Func(function) = &kind.composite_type.inner {
                        let values = |values: &[wasmparser::ValType]| -> Reencoded<Vec<ValType>> {
                            values.iter().map(|value| Same.val_type(*value)).collect()
                        };
                        let function = (values(function.params())?, values(function.results())?);
                        if function.0.is_empty() && function.1.is_empty() {
                            nothing.get_or_insert(types.count);
                        }
                        types.of.insert(types.count, function);
                    }
                    types.count += 1;
                }
            }
        }
        types.nothing = nothing.ok_or(Error::NotDivisible("no function takes and gives nothing"))?;
        Ok(types)
    }
}

/// Writes everything as it is.
struct Same;

impl Reencode for Same {
    type Error = Infallible;
}

/// Which function is where.
struct Plan<'a> {
    module: &'a Module<'a>,
    merged: &'a [u32],
    /// The functions of the first file, and of the rest.
    first: Vec<u32>,
    rest: Vec<u32>,
    /// Where in the table a function is called that is in the other file.
    places: BTreeMap<u32, u32>,
    /// The functions of the rest that stand in the table from the beginning, and at which place first.
    pointed: BTreeMap<u32, u32>,
    /// Functions of the first file that have no place of their own in the table: these are put behind the others.
    lent: Vec<u32>,
    /// The table's size before, and with what is added.
    size: (u32, u32),
    /// The types of the functions that the first file calls in empty places.
    awaited: Vec<u32>,
    /// Where in memory that is which only the rest uses.
    data: Vec<Range<u32>>,
}

impl<'a> Plan<'a> {
    fn new(
        module: &'a Module<'a>,
        merged: &'a [u32],
        may_wait: &BTreeSet<u32>,
        types: &Types,
    ) -> Result<Self> {
        let called = module.called(merged);
        // What is the same as something that comes first comes first.
        let mut waits: BTreeSet<u32> = called
            .iter()
            .copied()
            .filter(|number| module.function(*number).is_some_and(|code| !needs_first(code)))
            .collect();
        for number in module.numbers() {
            if !may_wait.contains(&number) || module.exported.contains(&number) {
                waits.remove(&merged[number as usize]);
            }
        }
        let referred = module.functions.iter().flat_map(|code| &code.operators);
        for operator in referred {
            if let Operator::RefFunc { function_index } = operator {
                waits.remove(&merged[*function_index as usize]);
            }
        }
        let size = table_size(module.wasm)?;
        let mut plan = Self {
            module,
            merged,
            first: Vec::new(),
            rest: Vec::new(),
            places: BTreeMap::new(),
            pointed: BTreeMap::new(),
            lent: Vec::new(),
            size: (size, size),
            awaited: Vec::new(),
            data: Vec::new(),
        };
        for number in called.iter().filter(|number| **number >= module.imported) {
            let part = if waits.contains(number) {
                &mut plan.rest
            } else {
                &mut plan.first
            };
            part.push(*number);
        }
        for (place, function) in &module.pointers {
            let function = merged[*function as usize];
            plan.places.entry(function).or_insert(*place);
            if waits.contains(&function) {
                plan.pointed.entry(function).or_insert(*place);
            }
        }
        let mut lent = BTreeSet::new();
        let mut awaited = BTreeSet::new();
        for number in &called {
            let Some(code) = module.function(*number) else {
                continue;
            };
            for operator in &code.operators {
                if let Operator::Call { function_index } = operator {
                    let other = merged[*function_index as usize];
                    let waiting = waits.contains(&other);
                    if waits.contains(number) != waiting && !plan.places.contains_key(&other) {
                        if waiting {
                            awaited.insert(other)
                        } else {
                            lent.insert(other)
                        };
                    }
                }
            }
        }
        plan.lent = lent.into_iter().collect();
        let mut kinds = BTreeSet::new();
        for function in plan.lent.iter().chain(&awaited) {
            plan.places.insert(*function, plan.size.1);
            plan.size.1 += 1;
        }
        for function in &awaited {
            let kind = module.kinds[*function as usize];
            if !types.of.contains_key(&kind) {
                return Err(Error::NotDivisible("a function has no function's type"));
            }
            kinds.insert(kind);
        }
        plan.awaited = kinds.into_iter().collect();
        Ok(plan)
    }

    fn write_first(&self, types: &Types) -> Result<Vec<u8>> {
        let mut numbers = vec![0; self.merged.len()];
        for imported in 0..self.module.imported {
            numbers[imported as usize] = imported;
        }
        // The function that has the rest loaded comes after the imported ones.
        let loader = self.module.imported;
        let own = self.first.iter().chain(self.pointed.keys());
        let mut next = loader + 1;
        for function in own {
            numbers[*function as usize] = next;
            next += 1;
        }
        let mut calls = BTreeMap::new();
        for function in &self.rest {
            if let Some(place) = self.places.get(function) {
                let kind = self.module.kinds[*function as usize];
                let through = if self.pointed.contains_key(function) {
                    Through::Pointer(kind)
                } else {
                    let place = self.awaited.binary_search(&kind).unwrap_or_default();
                    Through::Function(next + place as u32)
                };
                calls.insert(*function, (*place, through));
            }
        }
        let mut file = First {
            plan: self,
            types,
            calls: Calls {
                merged: self.merged,
                numbers: self
                    .merged
                    .iter()
                    .map(|number| numbers[*number as usize])
                    .collect(),
                elsewhere: calls,
                table: 0,
            },
            loader,
        };
        let mut written = wasm_encoder::Module::new();
        file.parse_core_module(&mut written, Parser::new(0), self.module.wasm)?;
        Ok(written.finish())
    }

    fn write_rest(&self) -> Result<Vec<u8>> {
        let mut numbers = vec![0; self.merged.len()];
        for (number, function) in (0..).zip(&self.rest) {
            numbers[*function as usize] = number;
        }
        let mut elsewhere = BTreeMap::new();
        for (function, place) in &self.places {
            if self.rest.binary_search(function).is_err() {
                let kind = self.module.kinds[*function as usize];
                elsewhere.insert(*function, (*place, Through::Pointer(kind)));
            }
        }
        let mut calls = Calls {
            merged: self.merged,
            numbers: self
                .merged
                .iter()
                .map(|number| numbers[*number as usize])
                .collect(),
            elsewhere,
            table: 0,
        };

        let mut all_types = TypeSection::new();
        let mut imports = ImportSection::new();
        let mut data = DataSection::new();
        let mut globals = 0;
        for payload in Parser::new(0).parse_all(self.module.wasm) {
            match payload? {
                Payload::DataSection(section) => {
                    for piece in section {
                        let piece = piece?;
                        for (start, within) in self.waiting_in(&piece)? {
                            let place = ConstExpr::i32_const(start.cast_signed());
                            data.active(0, &place, piece.data[within].iter().copied());
                        }
                    }
                }
                Payload::TypeSection(section) => calls.parse_type_section(&mut all_types, section)?,
                Payload::MemorySection(section) => {
                    for memory in section {
                        imports.import(FIRST, MEMORY, EntityType::Memory(calls.memory_type(memory?)?));
                    }
                }
                Payload::TableSection(section) => {
                    if let Some(table) = section.into_iter().next() {
                        let mut kind = calls.table_type(table?.ty)?;
                        kind.minimum = self.size.1.into();
                        kind.maximum = kind.maximum.map(|_| self.size.1.into());
                        imports.import(FIRST, POINTERS, EntityType::Table(kind));
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        let kind = calls.global_type(global?.ty)?;
                        imports.import(FIRST, &global_name(globals), EntityType::Global(kind));
                        globals += 1;
                    }
                }
                _ => {}
            }
        }
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for function in &self.rest {
            functions.function(self.module.kinds[*function as usize]);
            if let Some(body) = self.module.function(*function) {
                code.function(&calls.function(body)?);
            }
        }
        let mut filled: BTreeMap<u32, u32> = BTreeMap::new();
        for (place, function) in &self.module.pointers {
            let function = self.merged[*function as usize];
            if self.pointed.contains_key(&function) {
                filled.insert(*place, numbers[function as usize]);
            }
        }
        for function in &self.rest {
            if let Some(place) = self.places.get(function) {
                filled.insert(*place, numbers[*function as usize]);
            }
        }
        let mut elements = ElementSection::new();
        let mut run: (u32, Vec<u32>) = (0, Vec::new());
        for (place, function) in filled {
            if place != run.0 + run.1.len() as u32 {
                write_run(&mut elements, &run);
                run = (place, Vec::new());
            }
            run.1.push(function);
        }
        write_run(&mut elements, &run);

        let mut written = wasm_encoder::Module::new();
        written
            .section(&all_types)
            .section(&imports)
            .section(&functions)
            .section(&elements)
            .section(&code)
            .section(&data);
        Ok(written.finish())
    }

    /// What of a piece of initial memory only the rest uses: addresses, and where that is in the piece.
    fn waiting_in(&self, piece: &Data<'_>) -> Reencoded<Vec<(u32, Range<usize>)>> {
        let Some(start) = start_of(piece)? else {
            return Ok(Vec::new());
        };
        let end = start.saturating_add(piece.data.len() as u32);
        let inside = self
            .data
            .iter()
            .filter(|range| start <= range.start && range.end <= end);
        Ok(inside
            .map(|range| {
                (
                    range.start,
                    (range.start - start) as usize..(range.end - start) as usize,
                )
            })
            .collect())
    }
}

/// The address of a piece of initial memory, if it has a fixed one.
fn start_of(piece: &Data<'_>) -> Reencoded<Option<u32>> {
    let DataKind::Active { offset_expr, .. } = &piece.kind else {
        return Ok(None);
    };
    Ok(match offset_expr.get_operators_reader().read()? {
        Operator::I32Const { value } => Some(value.cast_unsigned()),
        _ => None,
    })
}

fn write_run(elements: &mut ElementSection, (place, functions): &(u32, Vec<u32>)) {
    if !functions.is_empty() {
        elements.active(
            None,
            &ConstExpr::i32_const(place.cast_signed()),
            Elements::Functions(functions.into()),
        );
    }
}

fn global_name(global: u32) -> String {
    format!("global{global}")
}

/// Whether it does something with tables: these are numbered otherwise in the rest.
fn needs_first(code: &Code<'_>) -> bool {
    use Operator as O;
    code.operators.iter().any(|operator| {
        matches!(
            operator,
            O::TableGet { .. }
                | O::TableSet { .. }
                | O::TableGrow { .. }
                | O::TableSize { .. }
                | O::TableFill { .. }
                | O::TableCopy { .. }
                | O::TableInit { .. }
                | O::RefFunc { .. }
                | O::MemoryInit { .. }
                | O::DataDrop { .. }
                | O::ElemDrop { .. }
        )
    })
}

fn table_size(wasm: &[u8]) -> Result<u32> {
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::TableSection(section) = payload?
            && let Some(table) = section.into_iter().next()
            && let table = table?.ty
            && table.element_type.is_func_ref()
            && let Ok(size) = u32::try_from(table.initial)
        {
            return Ok(size);
        }
    }
    Err(Error::NotDivisible("it has no table of pointers"))
}

/// How a function of the other file is called.
#[derive(Clone, Copy)]
enum Through {
    /// By the pointer, as one of this type.
    Pointer(u32),
    /// By a function that takes the place as its last value.
    Function(u32),
}

/// Writes functions under other numbers, and calls of the other file.
struct Calls<'a> {
    merged: &'a [u32],
    numbers: Vec<u32>,
    elsewhere: BTreeMap<u32, (u32, Through)>,
    table: u32,
}

impl Calls<'_> {
    fn function(&mut self, code: &Code<'_>) -> Reencoded<Function> {
        let mut function = utils::new_function_with_parsed_locals(self, &code.body)?;
        for operator in &code.operators {
            if let Operator::Call { function_index } = operator
                && let Some((place, through)) = self.elsewhere.get(&self.merged[*function_index as usize])
            {
                function.instruction(&Instruction::I32Const(place.cast_signed()));
                function.instruction(&match through {
                    Through::Pointer(kind) => Instruction::CallIndirect {
                        type_index: *kind,
                        table_index: self.table,
                    },
                    Through::Function(number) => Instruction::Call(*number),
                });
            } else {
                function.instruction(&self.instruction(operator.clone())?);
            }
        }
        Ok(function)
    }
}

impl Reencode for Calls<'_> {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Reencoded<u32> {
        Ok(self.numbers[number as usize])
    }
}

/// Writes the first file.
struct First<'a> {
    plan: &'a Plan<'a>,
    types: &'a Types,
    calls: Calls<'a>,
    loader: u32,
}

impl First<'_> {
    /// In the place of a function of the rest: has it loaded, and calls what is there then.
    fn stand_in(&self, kind: u32, place: u32) -> Function {
        let mut function = Function::new([]);
        function.instruction(&Instruction::Call(self.loader));
        self.call(&mut function, kind, &Instruction::I32Const(place.cast_signed()));
        function
    }

    /// Calls the function of this type at the place that is its last value, and has the rest loaded if there is none.
    fn go_between(&self, kind: u32) -> Function {
        let place = Instruction::LocalGet(self.values_of(kind));
        let mut function = Function::new([]);
        function.instruction(&place);
        function.instruction(&Instruction::TableGet(0));
        function.instruction(&Instruction::RefIsNull);
        function.instruction(&Instruction::If(BlockType::Empty));
        function.instruction(&Instruction::Call(self.loader));
        function.instruction(&Instruction::End);
        self.call(&mut function, kind, &place);
        function
    }

    /// Ends a function: hands its values on to what is at a place in the table.
    fn call(&self, function: &mut Function, kind: u32, place: &Instruction<'_>) {
        for value in 0..self.values_of(kind) {
            function.instruction(&Instruction::LocalGet(value));
        }
        function.instruction(place);
        function.instruction(&Instruction::CallIndirect {
            type_index: kind,
            table_index: 0,
        });
        function.instruction(&Instruction::End);
    }

    fn values_of(&self, kind: u32) -> u32 {
        self.types
            .of
            .get(&kind)
            .map_or(0, |(values, _)| values.len() as u32)
    }
}

impl Reencode for First<'_> {
    type Error = Infallible;

    fn function_index(&mut self, number: u32) -> Reencoded<u32> {
        self.calls.function_index(number)
    }

    fn parse_type_section(&mut self, section: &mut TypeSection, reader: TypeSectionReader<'_>) -> Reencoded {
        utils::parse_type_section(self, section, reader)?;
        for kind in &self.plan.awaited {
            if let Some((values, results)) = self.types.of.get(kind) {
                let values = values.iter().copied().chain([ValType::I32]);
                section
                    .ty()
                    .function(values.collect::<Vec<_>>(), results.iter().copied());
            }
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        section: &mut ImportSection,
        reader: ImportSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_import_section(self, section, reader)?;
        section.import(LOADER.0, LOADER.1, EntityType::Function(self.types.nothing));
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        section: &mut FunctionSection,
        _: FunctionSectionReader<'_>,
    ) -> Reencoded {
        for function in self.plan.first.iter().chain(self.plan.pointed.keys()) {
            section.function(self.plan.module.kinds[*function as usize]);
        }
        for place in 0..self.plan.awaited.len() as u32 {
            section.function(self.types.count + place);
        }
        Ok(())
    }

    fn parse_table_section(
        &mut self,
        section: &mut TableSection,
        reader: TableSectionReader<'_>,
    ) -> Reencoded {
        for (index, table) in reader.into_iter().enumerate() {
            let mut kind = self.table_type(table?.ty)?;
            if index == 0 {
                kind.minimum = self.plan.size.1.into();
                kind.maximum = kind.maximum.map(|_| self.plan.size.1.into());
            }
            section.table(kind);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        section: &mut ExportSection,
        reader: ExportSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_export_section(self, section, reader)?;
        section.export(POINTERS, ExportKind::Table, 0);
        for global in 0..self.plan.module.globals {
            section.export(&global_name(global), ExportKind::Global, global);
        }
        Ok(())
    }

    fn parse_element_section(
        &mut self,
        section: &mut ElementSection,
        reader: ElementSectionReader<'_>,
    ) -> Reencoded {
        utils::parse_element_section(self, section, reader)?;
        let lent: Vec<u32> = self
            .plan
            .lent
            .iter()
            .map(|function| self.calls.numbers[*function as usize])
            .collect();
        write_run(section, &(self.plan.size.0, lent));
        Ok(())
    }

    fn parse_code_section(&mut self, section: &mut CodeSection, _: CodeSectionReader<'_>) -> Reencoded {
        for function in &self.plan.first {
            if let Some(code) = self.plan.module.function(*function) {
                section.function(&self.calls.function(code)?);
            }
        }
        for (function, place) in &self.plan.pointed {
            section.function(&self.stand_in(self.plan.module.kinds[*function as usize], *place));
        }
        for kind in &self.plan.awaited {
            section.function(&self.go_between(*kind));
        }
        Ok(())
    }

    /// Zeros stand for what the rest brings.
    fn parse_data(&mut self, section: &mut DataSection, piece: Data<'_>) -> Reencoded {
        let mut bytes = piece.data.to_vec();
        for (_, within) in self.plan.waiting_in(&piece)? {
            bytes[within].fill(0);
        }
        utils::parse_data(
            self,
            section,
            Data {
                data: &bytes,
                ..piece
            },
        )
    }

    fn parse_custom_section(
        &mut self,
        _: &mut wasm_encoder::Module,
        _: CustomSectionReader<'_>,
    ) -> Reencoded {
        Ok(())
    }
}
