use std::collections::BTreeSet;

use wasmparser::Operator;

use super::module::Module;
use super::{Error, Result};

/// Where every panic ends: what the standard library hands its message to.
pub(super) const ROOT: &str = "rust_begin_unwind";

/// Makes a trap of each call that can only panic, and takes out what is computed for it.
pub(super) fn silence(module: &mut Module<'_>) -> Result<()> {
    let panicking = panicking(module)?;
    let imported = module.imported;
    for (place, code) in module.functions.iter_mut().enumerate() {
        let operators = std::mem::take(&mut code.operators);
        code.operators = if panicking.contains(&(imported + place as u32)) {
            vec![Operator::Unreachable, Operator::End]
        } else {
            without_calls(operators, &panicking)
        };
    }
    Ok(())
}

/// Functions that do nothing but panic: they never return, they lead to a panic, and they reach nothing outside, so that nobody
/// can tell what they do before it.
fn panicking(module: &Module<'_>) -> Result<BTreeSet<u32>> {
    let root = module.names.iter().find(|(_, name)| name.contains(ROOT));
    let (root, _) = root.ok_or(Error::NoPanics)?;
    let never_return: Vec<(u32, &[Operator<'_>])> = module
        .functions
        .iter()
        .enumerate()
        .map(|(place, code)| (module.number(place), code.operators.as_slice()))
        .filter(|(_, operators)| never_returns(operators))
        .collect();
    let mut panicking = BTreeSet::from([*root]);
    loop {
        let more: Vec<u32> = never_return
            .iter()
            .filter(|(number, _)| !panicking.contains(number))
            .filter(|(_, operators)| {
                operators
                    .iter()
                    .filter_map(called_by)
                    .any(|called| panicking.contains(&called))
            })
            .map(|(number, _)| *number)
            .filter(|number| !reaches_outside(module, *number, &panicking))
            .collect();
        if more.is_empty() {
            return Ok(panicking);
        }
        panicking.extend(more);
    }
}

/// Whether it calls something imported, other than through a panic.
fn reaches_outside(module: &Module<'_>, number: u32, panicking: &BTreeSet<u32>) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![number];
    while let Some(number) = waiting.pop() {
        if panicking.contains(&number) || !seen.insert(number) {
            continue;
        }
        let Some(code) = module.function(number) else {
            return true;
        };
        waiting.extend(code.operators.iter().filter_map(called_by));
    }
    false
}

/// Whether a function ends in a trap, and nothing in it jumps past that.
fn never_returns(operators: &[Operator<'_>]) -> bool {
    let mut depth = 0;
    for operator in operators {
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End => depth = u32::saturating_sub(depth, 1),
            Operator::Return => return false,
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth }
                if *relative_depth == depth =>
            {
                return false;
            }
            Operator::BrTable { targets } => {
                let mut all = targets.targets().chain([Ok(targets.default())]);
                if all.any(|target| target.is_ok_and(|target| target == depth)) {
                    return false;
                }
            }
            _ => {}
        }
    }
    matches!(operators, [.., Operator::Unreachable, Operator::End])
}

fn called_by(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::Call { function_index } => Some(*function_index),
        _ => None,
    }
}

fn without_calls<'a>(operators: Vec<Operator<'a>>, panicking: &BTreeSet<u32>) -> Vec<Operator<'a>> {
    let mut kept: Vec<Operator<'a>> = Vec::with_capacity(operators.len());
    for operator in operators {
        let after_trap = matches!(kept.last(), Some(Operator::Unreachable));
        match operator {
            Operator::Call { function_index } if panicking.contains(&function_index) => {
                // What stands before it on the way to the trap is of no effect. It may have taken values that were computed
                // earlier; they stay on the stack, which a trap allows.
                while kept.last().is_some_and(only_computes) {
                    kept.pop();
                }
                kept.push(Operator::Unreachable);
            }
            Operator::Unreachable if after_trap => {}
            operator => kept.push(operator),
        }
    }
    kept
}

/// Whether an operator changes only the stack, a local variable or the program's own memory, and what follows it is always the
/// next one.
fn only_computes(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::GlobalGet { .. }
            | O::GlobalSet { .. }
            | O::Drop
            | O::Select
            | O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. }
            | O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8U { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. }
            | O::I32Add
            | O::I32Sub
            | O::I32Mul
            | O::I32And
            | O::I32Or
            | O::I32Xor
            | O::I32Shl
            | O::I32ShrS
            | O::I32ShrU
            | O::I32Eqz
            | O::I32Eq
            | O::I32Ne
            | O::I64Add
            | O::I64Sub
            | O::I64And
            | O::I64Or
            | O::I64Shl
            | O::I64ShrU
            | O::I32WrapI64
            | O::I64ExtendI32U
            | O::I64ExtendI32S
    )
}
