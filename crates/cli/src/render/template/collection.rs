//! Parts of lists, maps and text: `index`, `slice`, `len`, `join`.

use super::functions::Returned;
use super::print;
use crate::render::value::Value;

/// `index x k…`: the element of the element… A key that a map lacks gives the empty value of its kind.
pub(super) fn index(item: &Value, keys: &[Value]) -> Returned {
    if matches!(item, Value::Missing) {
        return Err("index of untyped nil".to_owned());
    }
    let mut item = item.clone();
    for key in keys {
        item = element(&item, key)?;
    }
    Ok(item)
}

fn element(item: &Value, key: &Value) -> Returned {
    match item {
        Value::Missing | Value::Nil => Err("index of nil pointer".to_owned()),
        Value::List(items) => {
            let items = items.as_deref().unwrap_or_default();
            let at = position(key, items.len())?;
            items.get(at).cloned().ok_or_else(|| "reflect: slice index out of range".to_owned())
        }
        Value::Str(text) => {
            let at = position(key, text.len())?;
            let byte = text.as_bytes().get(at).ok_or("reflect: string index out of range")?;
            Ok(Value::Int(i64::from(*byte)))
        }
        Value::Map(entries) => {
            let key = map_key(key)?;
            let found = entries.as_ref().and_then(|entries| entries.get(key)).cloned();
            let first = entries.as_ref().and_then(|entries| entries.values().next());
            Ok(found.unwrap_or_else(|| first.map_or_else(|| Value::str(""), empty_like)))
        }
        Value::Struct(object) if object.is_document() => {
            Ok(object.field(map_key(key)?).cloned().unwrap_or(Value::Missing))
        }
        other => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn map_key(key: &Value) -> Result<&str, String> {
    match key {
        Value::Str(text) => Ok(text),
        Value::Missing | Value::Nil => Err("value is nil; should be of type string".to_owned()),
        other => Err(format!("value has type {}; should be string", other.type_name())),
    }
}

/// The empty value of the kind that `value` is.
fn empty_like(value: &Value) -> Value {
    match value {
        Value::Str(_) => Value::str(""),
        Value::Int(_) => Value::Int(0),
        Value::Duration(_) => Value::Duration(0),
        Value::Float(_) => Value::Float(0.0),
        Value::Bool(_) => Value::Bool(false),
        Value::List(_) => Value::List(None),
        Value::Map(_) => Value::Map(None),
        Value::Struct(object) if object.fields.is_empty() => value.clone(),
        Value::Struct(_) | Value::Nil => Value::Nil,
        Value::Missing | Value::Time(_) | Value::Method(_) => Value::Missing,
    }
}

/// A position in something of `length`; the end itself is allowed.
fn position(key: &Value, length: usize) -> Result<usize, String> {
    let at = match key {
        Value::Int(at) => *at,
        Value::Missing | Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    usize::try_from(at).ok().filter(|at| *at <= length).ok_or_else(|| format!("index out of range: {at}"))
}

/// `slice x i j`; text is cut by bytes.
pub(super) fn slice(item: &Value, bounds: &[Value]) -> Returned {
    let length = match item {
        Value::Missing | Value::Nil => return Err("slice of untyped nil".to_owned()),
        _ if bounds.len() > 3 => return Err(format!("too many slice indexes: {}", bounds.len())),
        Value::Str(_) if bounds.len() == 3 => return Err("cannot 3-index slice a string".to_owned()),
        Value::Str(text) => text.len(),
        Value::List(items) => items.as_ref().map_or(0, |items| items.len()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut places = [0, length, length];
    for (place, bound) in places.iter_mut().zip(bounds) {
        *place = position(bound, length)?;
    }
    let [from, to, capacity] = places;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    if to > capacity {
        return Err(format!("invalid slice index: {to} > {capacity}"));
    }
    match item {
        // Bounds inside a character leave parts of it, which show as U+FFFD.
        Value::Str(text) => Ok(Value::str(String::from_utf8_lossy(&text.as_bytes()[from..to]))),
        Value::List(Some(items)) => Ok(Value::list(items[from..to].iter().cloned())),
        other => Ok(other.clone()),
    }
}

/// `len x`.
pub(super) fn len(item: &Value) -> Returned {
    let length = match item {
        Value::Str(text) => text.len(),
        Value::List(items) => items.as_ref().map_or(0, |items| items.len()),
        Value::Map(entries) => entries.as_ref().map_or(0, |entries| entries.len()),
        Value::Struct(object) if object.is_document() => object.entries().len(),
        Value::Nil => return Err("len of nil pointer".to_owned()),
        Value::Missing => return Err("reflect: call of reflect.Value.Type on zero Value".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// `join list separator`; elements print as they would alone, values of maps are sorted.
pub(super) fn join(items: &Value, separator: &str) -> Returned {
    let mut texts: Vec<String> = match items {
        Value::Missing | Value::Nil | Value::List(None) | Value::Map(None) => Vec::new(),
        Value::List(Some(items)) => items.iter().map(print::plain).collect(),
        Value::Map(Some(entries)) => entries.values().map(print::plain).collect(),
        other => return Err(format!("expected slice, got {}", other.type_name())),
    };
    if matches!(items, Value::Map(_)) {
        texts.sort();
    }
    let length = texts.iter().map(|text| text.len() + separator.len()).fold(0, usize::saturating_add);
    if length > super::eval::MAX_OUTPUT {
        return Err(super::functions::too_long());
    }
    Ok(texts.join(separator).into())
}
