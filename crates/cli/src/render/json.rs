//! JSON text in the exact form scripts compare: field order kept, map keys sorted, the escapes other tools print.

use std::fmt::Write as _;

use wharfie_oci::json::indented;

use super::time::rfc3339;
use super::value::{Struct, StructKind, Value};

/// Whether `<`, `>` and `&` are escaped so that the text may stand in a web page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Html {
    /// `\u003c`.
    Escaped,
    /// `<`.
    Plain,
}

/// On one line, without blanks.
pub fn compact(value: &Value, html: Html) -> String {
    let mut out = String::new();
    write(&mut out, value, html);
    out
}

/// On several lines, each level indented by `indent`; no newline at the end.
pub fn pretty(value: &Value, indent: &str, html: Html) -> String {
    indented(&compact(value, html), indent)
}

/// Appends `value` on one line.
pub fn write(out: &mut String, value: &Value, html: Html) {
    match value {
        Value::Missing | Value::Nil | Value::Method(_) | Value::List(None) | Value::Map(None) => {
            out.push_str("null");
        }
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Duration(value) => write!(out, "{value}").expect("a string accepts every write"),
        Value::Float(value) => out.push_str(&number(*value)),
        Value::Str(text) => write_text(out, text, html),
        Value::Time(moment) => write_text(out, &rfc3339(*moment), html),
        Value::List(Some(items)) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                comma(out, index);
                write(out, item, html);
            }
            out.push(']');
        }
        Value::Map(Some(entries)) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                comma(out, index);
                write_text(out, key, html);
                out.push(':');
                write(out, value, html);
            }
            out.push('}');
        }
        Value::Struct(object) => write_struct(out, object, html),
    }
}

fn write_struct(out: &mut String, object: &Struct, html: Html) {
    let mut fields: Vec<_> = object.fields.iter().filter(|field| !field.json.is_empty()).collect();
    let is_row = object.kind == StructKind::Row;
    if is_row {
        fields.sort_by(|a, b| a.json.cmp(&b.json));
    }
    let html = if is_row { Html::Escaped } else { html };
    out.push('{');
    for (index, field) in fields.into_iter().enumerate() {
        comma(out, index);
        write_text(out, &field.json, html);
        out.push(':');
        write(out, &field.value, html);
    }
    out.push('}');
}

fn comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// Whole floats without a fraction, very large and small ones with an exponent.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "null".to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return if size < 1.0 { text } else { text.replace('e', "e+") };
    }
    format!("{value}")
}

/// Appends `text` as a JSON string.
pub fn write_text(out: &mut String, text: &str, html: Html) {
    out.push('"');
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '<' if html == Html::Escaped => "\\u003c",
            '>' if html == Html::Escaped => "\\u003e",
            '&' if html == Html::Escaped => "\\u0026",
            '\u{2028}' => "\\u2028",
            '\u{2029}' => "\\u2029",
            '\0'..='\x1f' => "",
            _ => continue,
        };
        out.push_str(&text[start..at]);
        if escape.is_empty() {
            write!(out, "\\u{:04x}", c as u32).expect("a string accepts every write");
        } else {
            out.push_str(escape);
        }
        start = at + c.len_utf8();
    }
    out.push_str(&text[start..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::value::Field;
    use super::*;

    #[test]
    fn order_and_escapes() {
        let map = Value::map([("b", Value::Int(1)), ("a", Value::str("<&>\u{2028}\x01\"\\\n"))]);
        assert_eq!(compact(&map, Html::Plain), r#"{"a":"<&>\u2028\u0001\"\\\n","b":1}"#);
        assert_eq!(compact(&map, Html::Escaped), r#"{"a":"\u003c\u0026\u003e\u2028\u0001\"\\\n","b":1}"#);
        let object = Value::document(vec![
            Field::named("ID", "Id", "x"),
            Field::new("A", Value::Nil),
            Field::method("M", |_| Ok(Value::Nil)),
        ]);
        assert_eq!(compact(&object, Html::Plain), r#"{"Id":"x","A":null}"#);
        let row = Value::row("*t", vec![Field::new("Tag", "<none>"), Field::new("Digest", "a")]);
        assert_eq!(compact(&row, Html::Plain), r#"{"Digest":"a","Tag":"\u003cnone\u003e"}"#);
    }

    #[test]
    fn nil_and_empty() {
        let list =
            Value::list([Value::List(None), Value::list([]), Value::Map(None), Value::map::<String>([]), Value::Nil]);
        assert_eq!(compact(&list, Html::Plain), "[null,[],null,{},null]");
    }

    #[test]
    fn numbers_and_times() {
        for (value, expected) in
            [(1.0, "1"), (0.5, "0.5"), (1e21, "1e+21"), (1e-7, "1e-7"), (0.0, "0"), (123_456_789.0, "123456789")]
        {
            assert_eq!(compact(&Value::Float(value), Html::Plain), expected);
        }
        let time = Value::Time("2026-11-23T04:38:09.10Z".parse().unwrap());
        assert_eq!(compact(&time, Html::Plain), "\"2026-11-23T04:38:09.1Z\"");
    }

    #[test]
    fn indentation() {
        assert_eq!(pretty(&Value::map([("a", Value::Bool(true))]), "\t", Html::Plain), "{\n\t\"a\": true\n}");
    }
}
