//! Reading maps and lists that others may have written: what is not of the wanted form is not there.

use automerge::{AutoCommit, ObjId, ObjType, Prop, ReadDoc, ScalarValue, Value};

use crate::classroom::unhex;

pub(crate) fn map(document: &AutoCommit, object: &ObjId, key: impl Into<Prop>) -> Option<ObjId> {
    match document.get(object, key).ok()?? {
        (Value::Object(ObjType::Map), map) => Some(map),
        _ => None,
    }
}

pub(crate) fn list(document: &AutoCommit, object: &ObjId, key: &str) -> Option<ObjId> {
    match document.get(object, key).ok()?? {
        (Value::Object(ObjType::List), list) => Some(list),
        _ => None,
    }
}

pub(crate) fn string(document: &AutoCommit, object: &ObjId, key: &str) -> Option<String> {
    match document.get(object, key).ok()?? {
        (Value::Scalar(scalar), _) => scalar.as_str().map(str::to_owned),
        // Other programs on Automerge write strings as texts.
        (Value::Object(ObjType::Text), text) => document.text(text).ok(),
        _ => None,
    }
}

pub(crate) fn integer(document: &AutoCommit, object: &ObjId, key: &str) -> Option<i64> {
    match document.get(object, key).ok()??.0 {
        Value::Scalar(scalar) => match scalar.as_ref() {
            ScalarValue::Int(integer) | ScalarValue::Timestamp(integer) => Some(*integer),
            ScalarValue::Uint(integer) => i64::try_from(*integer).ok(),
            _ => None,
        },
        Value::Object(_) => None,
    }
}

pub(crate) fn is_true(document: &AutoCommit, object: &ObjId, key: &str) -> bool {
    let Ok(Some((Value::Scalar(scalar), _))) = document.get(object, key) else {
        return false;
    };
    matches!(scalar.as_ref(), ScalarValue::Boolean(true))
}

/// Bytes that are written as hexadecimal digits.
pub(crate) fn id<const N: usize>(document: &AutoCommit, object: &ObjId, key: &str) -> Option<[u8; N]> {
    unhex(&string(document, object, key)?)
}
