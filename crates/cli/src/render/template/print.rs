//! Values as text, the way they appear without a format.

use std::fmt::Write as _;

use wharfie_oci::duration;

use super::float;
use crate::render::time::utc_full;
use crate::render::value::Value;

/// One value: text raw, lists `[a b]`, maps `map[k:v]`, structs `{a b}`.
pub(super) fn plain(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// Operands with a blank between two of them if neither is text.
pub(super) fn operands(values: &[Value]) -> String {
    let mut out = String::new();
    let mut after_text = true;
    for value in values {
        let is_text = matches!(value, Value::Str(_));
        if !after_text && !is_text {
            out.push(' ');
        }
        write(&mut out, value);
        after_text = is_text;
    }
    out
}

/// Operands with blanks between all of them, and a newline.
pub(super) fn line(values: &[Value]) -> String {
    let texts: Vec<String> = values.iter().map(plain).collect();
    texts.join(" ") + "\n"
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Missing | Value::Nil => out.push_str("<nil>"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => write!(out, "{value}").expect("a string accepts every write"),
        Value::Duration(value) => out.push_str(&duration::print(*value)),
        Value::Float(value) => out.push_str(&float::shortest(*value)),
        Value::Str(text) => out.push_str(text),
        Value::Time(moment) => out.push_str(&utc_full(*moment)),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.as_deref().unwrap_or_default().iter().enumerate() {
                blank(out, index);
                write(out, item);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push_str("map[");
            let entries = entries.iter().flat_map(|entries| entries.iter());
            for (index, (key, value)) in entries.filter(|(_, value)| !is_method(value)).enumerate() {
                blank(out, index);
                out.push_str(key);
                out.push(':');
                write(out, value);
            }
            out.push(']');
        }
        Value::Struct(object) => {
            out.push('{');
            for (index, field) in object.fields.iter().filter(|field| !is_method(&field.value)).enumerate() {
                blank(out, index);
                write(out, &field.value);
            }
            out.push('}');
        }
        Value::Method(_) => out.push_str("func"),
    }
}

fn is_method(value: &Value) -> bool {
    matches!(value, Value::Method(_))
}

fn blank(out: &mut String, index: usize) {
    if index > 0 {
        out.push(' ');
    }
}
