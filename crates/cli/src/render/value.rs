//! What templates and JSON output see: a small model of values with ordered structs, shared cheaply.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;

/// A value. Copies share their contents.
#[derive(Clone)]
pub enum Value {
    /// What a missing map key gives; prints as `<no value>`.
    Missing,
    /// A nil pointer; prints as `<nil>`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A length of time in nanoseconds: a number in JSON and in comparisons, `1m30s` where it is printed.
    Duration(i64),
    /// A fractional number.
    Float(f64),
    /// Text.
    Str(Rc<str>),
    /// A moment: printed the long way, RFC 3339 in JSON.
    Time(Timestamp),
    /// A list; `None` is a nil list, `null` in JSON.
    List(Option<Rc<[Value]>>),
    /// A map with text keys; `None` is a nil map, `null` in JSON.
    Map(Option<Rc<BTreeMap<String, Value>>>),
    /// Named fields in their own order.
    Struct(Rc<Struct>),
    /// A method: a field that takes arguments. Never printed, never in JSON.
    Method(Method),
}

/// A method of a struct: arguments to result, or the text of an error.
pub type Method = Rc<dyn Fn(&[Value]) -> Result<Value, String>>;

/// Named fields in order.
#[derive(Clone)]
pub struct Struct {
    /// The type's name in error messages, for example `*formatter.imageContext`.
    pub type_name: Cow<'static, str>,
    /// What kind of thing it is.
    pub kind: StructKind,
    /// The fields.
    pub fields: Vec<Field>,
}

/// How a struct answers for fields it does not have, and how it becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructKind {
    /// A typed object: an unknown field is an error naming the type; JSON keeps the order of fields.
    Plain,
    /// The row of a list command: like `Plain`, but JSON is sorted and escapes `<`, `>` and `&`.
    Row,
    /// A document as `inspect` shows it: an unknown field is `map has no entry for key`; JSON keeps the order of fields.
    Document,
}

/// One field.
#[derive(Clone)]
pub struct Field {
    /// Its name in templates.
    pub name: Cow<'static, str>,
    /// Its name in JSON, also understood in templates; empty keeps it out of JSON.
    pub json: Cow<'static, str>,
    /// What it holds.
    pub value: Value,
}

impl Field {
    /// A field with the same name in templates and in JSON.
    pub fn new(name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Field {
        let name = name.into();
        Field { json: name.clone(), name, value: value.into() }
    }

    /// A field whose name in JSON differs, as `ID` and `Id`.
    pub fn named(
        name: impl Into<Cow<'static, str>>,
        json: impl Into<Cow<'static, str>>,
        value: impl Into<Value>,
    ) -> Field {
        Field { name: name.into(), json: json.into(), value: value.into() }
    }

    /// `{{.Label "k"}}`: the value of one label, empty if there is none of that name.
    pub fn label(labels: BTreeMap<String, String>) -> Field {
        Field::method("Label", move |args| {
            let name = args.first().and_then(Value::as_str).unwrap_or_default();
            Ok(Value::str(labels.get(name).map(String::as_str).unwrap_or_default()))
        })
    }

    /// A field that takes arguments in templates, as in `{{.Label "k"}}`.
    pub fn method(
        name: impl Into<Cow<'static, str>>,
        method: impl Fn(&[Value]) -> Result<Value, String> + 'static,
    ) -> Field {
        Field { name: name.into(), json: Cow::Borrowed(""), value: Value::Method(Rc::new(method)) }
    }
}

impl Struct {
    /// The field called `name`, in templates or in JSON.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let by_name = self.fields.iter().find(|field| field.name == name);
        by_name
            .or_else(|| self.fields.iter().find(|field| !field.json.is_empty() && field.json == name))
            .map(|field| &field.value)
    }
}

impl Struct {
    /// Whether it stands for a JSON document: keys instead of fields.
    pub fn is_document(&self) -> bool {
        self.kind == StructKind::Document
    }

    /// The fields that JSON shows, sorted by their names there.
    pub fn entries(&self) -> Vec<(&str, &Value)> {
        let fields = self.fields.iter().filter(|field| !field.json.is_empty());
        let mut entries: Vec<_> = fields.map(|field| (&*field.json, &field.value)).collect();
        entries.sort_by_key(|(key, _)| *key);
        entries
    }
}

impl Value {
    /// Text.
    pub fn str(text: impl AsRef<str>) -> Value {
        Value::Str(Rc::from(text.as_ref()))
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(Some(items.into_iter().collect()))
    }

    /// A map.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(Some(Rc::new(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())))
    }

    /// A typed object.
    pub fn object(type_name: impl Into<Cow<'static, str>>, fields: Vec<Field>) -> Value {
        Value::Struct(Rc::new(Struct { type_name: type_name.into(), kind: StructKind::Plain, fields }))
    }

    /// A row of a list command.
    pub fn row(type_name: impl Into<Cow<'static, str>>, fields: Vec<Field>) -> Value {
        Value::Struct(Rc::new(Struct { type_name: type_name.into(), kind: StructKind::Row, fields }))
    }

    /// An `inspect` document, or an object inside one.
    pub fn document(fields: Vec<Field>) -> Value {
        Value::Struct(Rc::new(Struct {
            type_name: Cow::Borrowed("map[string]interface {}"),
            kind: StructKind::Document,
            fields,
        }))
    }

    /// Whether conditions take it for true.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Missing | Value::Nil => false,
            Value::Bool(value) => *value,
            Value::Int(value) | Value::Duration(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::List(items) => items.as_ref().is_some_and(|items| !items.is_empty()),
            Value::Map(entries) => entries.as_ref().is_some_and(|entries| !entries.is_empty()),
            Value::Time(_) | Value::Struct(_) | Value::Method(_) => true,
        }
    }

    /// The type's name in error messages and for `%T`.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Missing | Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Duration(_) => "time.Duration",
            Value::Float(_) => "float64",
            Value::Str(_) => "string",
            Value::Time(_) => "time.Time",
            Value::List(Some(items)) if is_text(items.iter()) => "[]string",
            Value::List(_) => "[]interface {}",
            Value::Map(Some(entries)) if is_text(entries.values()) => "map[string]string",
            Value::Map(_) => "map[string]interface {}",
            Value::Struct(object) => &object.type_name,
            Value::Method(_) => "func",
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }
}

/// Whether there are values and all of them are text.
fn is_text<'a>(mut values: impl ExactSizeIterator<Item = &'a Value>) -> bool {
    values.len() > 0 && values.all(|value| matches!(value, Value::Str(_)))
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(Rc::from(text))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Value {
        Value::Time(value)
    }
}

impl From<&serde_json::Value> for Value {
    /// Objects become maps; their keys are sorted.
    fn from(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64().unwrap_or_default()),
            },
            serde_json::Value::String(text) => Value::str(text),
            serde_json::Value::Array(items) => Value::list(items.iter().map(Value::from)),
            serde_json::Value::Object(entries) => {
                Value::map(entries.iter().map(|(key, value)| (key.as_str(), value.into())))
            }
        }
    }
}
