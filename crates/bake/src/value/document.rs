//! Values as JSON, and back.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Number, Type, Value, convert};
use crate::print::quote;

/// As JSON without blanks; Go's way with `<`, `>` and `&`.
pub(crate) fn to_json(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

/// As JSON of a value that was asked to be of this type. Where the type was left open, it is said beside the value.
pub(crate) fn to_typed_json(value: &Value, kind: &Type) -> String {
    let list = |of: &Type, elements: &[Value]| {
        let elements: Vec<_> = elements.iter().map(|element| to_typed_json(element, of)).collect();
        format!("[{}]", elements.join(","))
    };
    let object = |fields: &BTreeMap<String, Value>, of: &dyn Fn(&str) -> Type| {
        let field = |(name, field): (&String, &Value)| format!("{}:{}", quote(name), to_typed_json(field, &of(name)));
        format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
    };
    match (kind, value) {
        (_, Value::Null) => to_json(value),
        (Type::Any, value) => format!("{{\"value\":{},\"type\":{}}}", to_json(value), type_json(&value.kind())),
        (Type::List(of) | Type::Set(of), Value::List(_, elements) | Value::Set(_, elements)) => list(of, elements),
        (Type::Map(of), Value::Map(_, fields)) => object(fields, &|_| (**of).clone()),
        (Type::Object(known), Value::Object(fields)) => {
            object(fields, &|name| known.get(name).map_or(Type::Any, |(of, _)| of.clone()))
        }
        (Type::Tuple(known), Value::Tuple(elements)) => {
            let elements: Vec<_> = elements.iter().zip(known).map(|(one, of)| to_typed_json(one, of)).collect();
            format!("[{}]", elements.join(","))
        }
        (_, value) => to_json(value),
    }
}

/// A type as JSON.
fn type_json(kind: &Type) -> String {
    match kind {
        Type::Any => "\"dynamic\"".to_owned(),
        Type::List(of) => format!("[\"list\",{}]", type_json(of)),
        Type::Set(of) => format!("[\"set\",{}]", type_json(of)),
        Type::Map(of) => format!("[\"map\",{}]", type_json(of)),
        Type::Tuple(of) => format!("[\"tuple\",[{}]]", of.iter().map(type_json).collect::<Vec<_>>().join(",")),
        Type::Object(fields) => {
            let field = |(name, (of, _)): (&String, &(Type, bool))| format!("{}:{}", quote(name), type_json(of));
            format!("[\"object\",{{{}}}]", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        primitive => quote(&primitive.to_string()),
    }
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => write!(out, "{truth}").expect("strings take everything"),
        Value::Number(number) => write!(out, "{number}").expect("strings take everything"),
        Value::String(text) => out.push_str(&quote(text)),
        Value::List(_, elements) | Value::Set(_, elements) | Value::Tuple(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                write(element, out);
            }
            out.push(']');
        }
        Value::Map(_, fields) | Value::Object(fields) => {
            out.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(&quote(name));
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
    }
}

/// What JSON says: arrays are tuples, objects are objects.
pub(crate) fn from_json(text: &str) -> Result<Value, String> {
    let document: serde_json::Value = serde_json::from_str(text).map_err(|why| why.to_string())?;
    value(document)
}

/// What JSON says, which has to be of this type. Unlike [`convert`], a number does not become a text.
pub(crate) fn typed_from_json(text: &str, want: &Type) -> Result<Value, String> {
    let read = from_json(text)?;
    fits(&read, want)?;
    convert(read, want)
}

fn value(document: serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    Ok(match document {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => Value::Number(Number::parse(&number.to_string()).ok_or("a number is too big")?),
        Json::String(text) => Value::String(text),
        Json::Array(elements) => Value::Tuple(elements.into_iter().map(value).collect::<Result<_, _>>()?),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(name, field)| Ok((name, value(field)?)));
            Value::Object(fields.collect::<Result<BTreeMap<_, _>, String>>()?)
        }
    })
}

fn fits(value: &Value, want: &Type) -> Result<(), String> {
    match (value, want) {
        (Value::Null, _) | (_, Type::Any) | (Value::Bool(_), Type::Bool | Type::String) => Ok(()),
        // As cty: a quoted number is a number, and a bare one a text.
        (Value::Number(_), Type::Number | Type::String) => Ok(()),
        (Value::String(_), Type::String | Type::Number | Type::Bool) => Ok(()),
        (Value::Tuple(elements), Type::List(of) | Type::Set(of)) => elements.iter().try_for_each(|one| fits(one, of)),
        (Value::Tuple(elements), Type::Tuple(wanted)) if elements.len() == wanted.len() => {
            elements.iter().zip(wanted).try_for_each(|(one, want)| fits(one, want))
        }
        (Value::Object(fields), Type::Map(of)) => fields.values().try_for_each(|one| fits(one, of)),
        (Value::Object(fields), Type::Object(wanted)) => {
            if let Some(name) = fields.keys().find(|name| !wanted.contains_key(*name)) {
                return Err(format!("unsupported attribute \"{name}\""));
            }
            fields.iter().try_for_each(|(name, field)| fits(field, &wanted[name].0))
        }
        (_, want) => Err(format!("{want} is required")),
    }
}
