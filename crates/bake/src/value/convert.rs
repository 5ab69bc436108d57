//! Making a value one of another type, and finding the type that several values can have.

use std::collections::BTreeMap;

use super::{Number, Type, Value};

/// `value` as one of type `want`, or why it cannot be. Null stays null.
pub(crate) fn convert(value: Value, want: &Type) -> Result<Value, String> {
    match (value, want) {
        (Value::Null, _) => Ok(Value::Null),
        (value, Type::Any) => Ok(value),
        (value, Type::Bool | Type::Number | Type::String) => primitive(value, want),
        (value, Type::List(of)) => match into_sequence(value) {
            Ok(elements) => one_type(elements, of).map(|(of, elements)| Value::List(of, elements)),
            Err(value) => Err(mismatch(&value.kind(), want)),
        },
        (value, Type::Set(of)) => match into_sequence(value) {
            Ok(elements) => one_type(elements, of).map(|(of, elements)| Value::set(of, elements)),
            Err(value) => Err(mismatch(&value.kind(), want)),
        },
        (Value::Map(_, fields) | Value::Object(fields), Type::Map(of)) => {
            let of = element_type(fields.values(), of)?;
            let field = |(name, value)| match convert(value, &of) {
                Ok(value) => Ok((name, value)),
                Err(why) => Err(inside(&format!("\"{name}\""), why)),
            };
            let fields = fields.into_iter().map(field).collect::<Result<_, _>>()?;
            Ok(Value::Map(of, fields))
        }
        (Value::Map(_, fields) | Value::Object(fields), Type::Object(wanted)) => object(fields, wanted),
        (Value::Tuple(elements), Type::Tuple(wanted)) if elements.len() == wanted.len() => elements
            .into_iter()
            .zip(wanted)
            .map(|(value, want)| convert(value, want))
            .collect::<Result<_, _>>()
            .map(Value::Tuple),
        (Value::List(_, elements), Type::Tuple(wanted)) if elements.len() == wanted.len() => elements
            .into_iter()
            .zip(wanted)
            .map(|(value, want)| convert(value, want))
            .collect::<Result<_, _>>()
            .map(Value::Tuple),
        (value, want) => Err(mismatch(&value.kind(), want)),
    }
}

/// Why a `got` is no `want`.
pub(crate) fn mismatch(got: &Type, want: &Type) -> String {
    match (got, want) {
        (Type::Tuple(_), Type::List(of)) if **of == Type::Any => "all list elements must have the same type".to_owned(),
        (Type::Tuple(_), Type::Set(of)) if **of == Type::Any => "all set elements must have the same type".to_owned(),
        (Type::Object(_), Type::Map(of)) if **of == Type::Any => "all map elements must have the same type".to_owned(),
        _ => format!("{want} required"),
    }
}

/// The type that all `types` can be made, if there is one.
pub(crate) fn unify(types: &[Type]) -> Option<Type> {
    let mut known = types.iter().filter(|one| **one != Type::Any);
    let Some(first) = known.next() else { return Some(Type::Any) };
    known.try_fold(first.clone(), |so_far, next| both(&so_far, next))
}

fn both(a: &Type, b: &Type) -> Option<Type> {
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Type::Any, other) | (other, Type::Any) => Some(other.clone()),
        (a, b) if a.is_primitive() && b.is_primitive() => {
            // Text is what both can be, except that a number is no truth.
            matches!((a, b), (Type::String, _) | (_, Type::String)).then_some(Type::String)
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| both(a, b)).collect::<Option<_>>().map(Type::Tuple)
        }
        (Type::Tuple(a), Type::Tuple(b)) => {
            unify(&a.iter().chain(b).cloned().collect::<Vec<_>>()).map(|of| Type::List(Box::new(of)))
        }
        (Type::Tuple(of), Type::List(one)) | (Type::List(one), Type::Tuple(of)) => {
            let all: Vec<_> = of.iter().chain([&**one]).cloned().collect();
            unify(&all).map(|of| Type::List(Box::new(of)))
        }
        (Type::Tuple(of), Type::Set(one)) | (Type::Set(one), Type::Tuple(of)) => {
            let all: Vec<_> = of.iter().chain([&**one]).cloned().collect();
            unify(&all).map(|of| Type::Set(Box::new(of)))
        }
        (Type::List(a), Type::List(b)) => both(a, b).map(|of| Type::List(Box::new(of))),
        (Type::Set(a), Type::Set(b)) => both(a, b).map(|of| Type::Set(Box::new(of))),
        (Type::List(a), Type::Set(b)) | (Type::Set(b), Type::List(a)) => both(a, b).map(|of| Type::List(Box::new(of))),
        (Type::Map(a), Type::Map(b)) => both(a, b).map(|of| Type::Map(Box::new(of))),
        (Type::Object(a), Type::Object(b)) if a.keys().eq(b.keys()) => {
            let fields =
                a.iter().zip(b.values()).map(|((name, a), b)| Some((name.clone(), (both(&a.0, &b.0)?, false))));
            fields.collect::<Option<_>>().map(Type::Object)
        }
        (Type::Object(a), Type::Object(b)) => {
            let all: Vec<_> = a.values().chain(b.values()).map(|(of, _)| of.clone()).collect();
            unify(&all).map(|of| Type::Map(Box::new(of)))
        }
        (Type::Object(fields), Type::Map(one)) | (Type::Map(one), Type::Object(fields)) => {
            let all: Vec<_> = fields.values().map(|(of, _)| of).chain([&**one]).cloned().collect();
            unify(&all).map(|of| Type::Map(Box::new(of)))
        }
        _ => None,
    }
}

fn primitive(value: Value, want: &Type) -> Result<Value, String> {
    match (value, want) {
        (value @ Value::Bool(_), Type::Bool)
        | (value @ Value::Number(_), Type::Number)
        | (value @ Value::String(_), Type::String) => Ok(value),
        (Value::Number(number), Type::String) => Ok(Value::String(number.to_string())),
        (Value::Bool(truth), Type::String) => Ok(Value::String(truth.to_string())),
        (Value::String(text), Type::Number) => {
            Number::parse(&text).map(Value::Number).ok_or_else(|| "a number is required".to_owned())
        }
        (Value::String(text), Type::Bool) => match text.as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => {
                let lower = text.to_lowercase();
                match lower.as_str() {
                    "true" | "false" => {
                        Err(format!("a bool is required; to convert from string, use lowercase \"{lower}\""))
                    }
                    _ => Err("a bool is required".to_owned()),
                }
            }
        },
        (value, want) => Err(mismatch(&value.kind(), want)),
    }
}

/// The elements, or the value that has none.
fn into_sequence(value: Value) -> Result<Vec<Value>, Value> {
    match value {
        Value::List(_, elements) | Value::Set(_, elements) | Value::Tuple(elements) => Ok(elements),
        other => Err(other),
    }
}

/// The type of all elements: the one that is asked for, or one that is found if any will do.
fn element_type<'v>(elements: impl Iterator<Item = &'v Value>, of: &Type) -> Result<Type, String> {
    if *of != Type::Any {
        return Ok(of.clone());
    }
    let kinds: Vec<_> = elements.map(Value::kind).collect();
    unify(&kinds).ok_or_else(|| "all elements must have the same type".to_owned())
}

/// `elements` as ones of one type.
fn one_type(elements: Vec<Value>, of: &Type) -> Result<(Type, Vec<Value>), String> {
    let of = &element_type(elements.iter(), of)?;
    let one = |(at, value)| convert(value, of).map_err(|why| inside(&at, why));
    let elements = elements.into_iter().enumerate().map(one).collect::<Result<_, _>>()?;
    Ok((of.clone(), elements))
}

/// Which element it is about, if it is about its type. Texts that are no numbers are told as they are.
fn inside(at: &dyn std::fmt::Display, why: String) -> String {
    if why.starts_with("a number ") || why.starts_with("a bool ") { why } else { format!("element {at}: {why}") }
}

fn object(mut fields: BTreeMap<String, Value>, wanted: &BTreeMap<String, (Type, bool)>) -> Result<Value, String> {
    let mut made = BTreeMap::new();
    for (name, (want, is_optional)) in wanted {
        let value = match fields.remove(name) {
            Some(value) => convert(value, want).map_err(|why| format!("attribute \"{name}\": {why}"))?,
            None if *is_optional => Value::Null,
            None => return Err(format!("attribute \"{name}\" is required")),
        };
        made.insert(name.clone(), value);
    }
    Ok(Value::Object(made))
}
