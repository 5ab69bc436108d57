//! Equality and order of values.

use super::functions::Returned;
use super::print;
use crate::render::value::Value;

const INCOMPATIBLE: &str = "incompatible types for comparison";
const NO_ORDER: &str = "invalid type for comparison";

/// What can be compared with each other.
#[derive(Debug, PartialEq, Eq)]
enum Family {
    Bool,
    Int,
    Float,
    Str,
    Other,
}

fn family(value: &Value) -> Family {
    match value {
        Value::Bool(_) => Family::Bool,
        Value::Int(_) | Value::Duration(_) => Family::Int,
        Value::Float(_) => Family::Float,
        Value::Str(_) => Family::Str,
        _ => Family::Other,
    }
}

fn is_nothing(value: &Value) -> bool {
    matches!(value, Value::Missing | Value::Nil)
}

/// `eq a b c…`: whether the first equals any of the others.
pub(super) fn equal(args: &[Value]) -> Returned {
    let Some((first, [second, rest @ ..])) = args.split_first() else {
        return Err("missing argument for comparison".to_owned());
    };
    for other in std::iter::once(second).chain(rest) {
        if same(first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// `ne a b`.
pub(super) fn not_equal(a: &Value, b: &Value) -> Returned {
    Ok(Value::Bool(!same(a, b)?))
}

fn same(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (a, b) if is_nothing(a) || is_nothing(b) => is_nil(a) && is_nil(b),
        (a, b) if family(a) != family(b) => return Err(INCOMPATIBLE.to_owned()),
        (a, b) => {
            let (a_type, b_type) = (a.type_name(), b.type_name());
            let (a, b) = (print::plain(a), print::plain(b));
            return Err(format!("non-comparable types {a}: {a_type}, {b_type}: {b}"));
        }
    })
}

fn is_nil(value: &Value) -> bool {
    is_nothing(value) || matches!(value, Value::List(None) | Value::Map(None))
}

/// `lt a b`.
pub(super) fn less(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) => Ok(a < b),
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::Str(a), Value::Str(b)) => Ok(a < b),
        (a, b) if family(a) == Family::Other || family(b) == Family::Other => Err(NO_ORDER.to_owned()),
        (Value::Bool(_), Value::Bool(_)) => Err(NO_ORDER.to_owned()),
        _ => Err(INCOMPATIBLE.to_owned()),
    }
}

/// `le a b`.
pub(super) fn less_or_equal(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(less(a, b)? || same(a, b)?)
}
