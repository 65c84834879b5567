use std::collections::HashMap;

use wasm_encoder::Encode;

use super::Result;
use super::module::{Module, Writer};

/// For each function the one to take in its place: itself, or the first that does the same. Two that differ only in whom they
/// call become the same when those do, so this looks until it finds no more.
pub(super) fn equal_functions(module: &Module<'_>) -> Result<Vec<u32>> {
    let mut merged: Vec<u32> = module.numbers().collect();
    loop {
        let mut writer = Writer::new(merged.clone());
        let mut first = HashMap::new();
        let mut found = false;
        for (place, code) in module.functions.iter().enumerate() {
            let number = module.number(place);
            if merged[number as usize] != number {
                continue;
            }
            let mut bytes = Vec::new();
            writer.function(code)?.encode(&mut bytes);
            let same = *first.entry((code.kind, bytes)).or_insert(number);
            if same != number {
                merged[number as usize] = same;
                found = true;
            }
        }
        if !found {
            return Ok(merged);
        }
        for number in 0..merged.len() {
            merged[number] = merged[merged[number] as usize];
        }
    }
}
