//! From Automerge's spans and maps to blocks. Tolerant: what is missing or of another form is read as its default.

use automerge::marks::MarkSet;
use automerge::{AutoCommit, ObjId, ReadDoc, ScalarValue, Span, hydrate};

use super::edit::{Block, Marks, Run, Shape, Value, joined};
use crate::Error;

/// The largest whole number that JavaScript holds exactly.
const SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// All blocks of a Text object, and whether the first one has no marker. There is always one block.
pub(super) fn blocks(document: &AutoCommit, text: &ObjId) -> Result<(Vec<Block>, bool), Error> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut headless = false;
    for span in document.spans(text)? {
        match span {
            Span::Block(map) => blocks.push(Block::empty(shape(&map))),
            Span::Text { text, marks: set } => {
                if blocks.is_empty() {
                    headless = true;
                    blocks.push(Block::empty(Shape::paragraph()));
                }
                let run = Run {
                    text,
                    marks: set.map(|set| marks(&set)).unwrap_or_default(),
                };
                if let Some(block) = blocks.last_mut() {
                    block.runs.push(run);
                }
            }
        }
    }
    if blocks.is_empty() {
        headless = true;
        blocks.push(Block::empty(Shape::paragraph()));
    }
    for block in &mut blocks {
        block.runs = joined([std::mem::take(&mut block.runs)]);
    }
    Ok((blocks, headless))
}

/// A marker's shape. As `@automerge/prosemirror` reads it: what is no scalar string is a paragraph in nothing.
pub(super) fn shape(map: &hydrate::Map) -> Shape {
    let kind = map
        .get("type")
        .and_then(scalar_string)
        .unwrap_or_else(|| "paragraph".to_owned());
    let parents = match map.get("parents") {
        Some(hydrate::Value::List(list)) => list.iter().map(|item| scalar_string(&item.value)).collect(),
        _ => None,
    };
    let attrs = match map.get("attrs") {
        Some(hydrate::Value::Map(attrs)) => attrs
            .iter()
            .filter_map(|(name, attribute)| Some((name.clone(), attribute_value(&attribute.value)?)))
            .collect(),
        _ => std::collections::BTreeMap::new(),
    };
    let is_embed = matches!(
        map.get("isEmbed"),
        Some(hydrate::Value::Scalar(ScalarValue::Boolean(true)))
    );
    Shape {
        kind,
        parents: parents.unwrap_or_default(),
        attrs,
        is_embed,
    }
}

/// The marks that have a value an editor can hold. Others stay in the document, unseen.
pub(super) fn marks(set: &MarkSet) -> Marks {
    set.iter()
        .filter_map(|(name, scalar)| Some((name.to_owned(), value(scalar)?)))
        .filter(|(_, value)| *value != Value::Null)
        .collect()
}

/// A scalar as the editor holds it; none for bytes and kinds yet unknown.
pub(super) fn value(scalar: &ScalarValue) -> Option<Value> {
    match scalar {
        ScalarValue::Null => Some(Value::Null),
        ScalarValue::Boolean(boolean) => Some(Value::Boolean(*boolean)),
        ScalarValue::Int(integer) | ScalarValue::Timestamp(integer) => Some(Value::Integer(*integer)),
        ScalarValue::Uint(integer) => i64::try_from(*integer).ok().map(Value::Integer),
        ScalarValue::Counter(counter) => Some(Value::Integer(counter.into())),
        ScalarValue::F64(number) => Some(number_value(*number)),
        ScalarValue::Str(text) => Some(Value::Text(text.to_string())),
        ScalarValue::Bytes(_) | ScalarValue::Unknown { .. } => None,
    }
}

/// A number as the editor holds it: whole ones as integers, those JSON can't say as nothing.
pub(super) fn number_value(number: f64) -> Value {
    if !number.is_finite() {
        Value::Null
    } else if number.fract() == 0.0 && number.abs() <= SAFE_INTEGER {
        Value::Integer(number as i64)
    } else {
        Value::Number(number)
    }
}

fn attribute_value(attribute: &hydrate::Value) -> Option<Value> {
    match attribute {
        hydrate::Value::Scalar(scalar) => value(scalar),
        hydrate::Value::Text(text) => Some(Value::Text(text.to_string())),
        hydrate::Value::Map(_) | hydrate::Value::List(_) => None,
    }
}

fn scalar_string(value: &hydrate::Value) -> Option<String> {
    match value {
        hydrate::Value::Scalar(ScalarValue::Str(text)) => Some(text.to_string()),
        _ => None,
    }
}
