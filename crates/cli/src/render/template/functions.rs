//! The functions of templates: their names, what they take, and the small ones themselves.

use super::Mode;
use super::eval::MAX_OUTPUT;
use super::pipeline::ELEMENT_BYTES;
use super::{collection, compare, escape, print, printf};
use crate::render::json::{self, Html};
use crate::render::value::Value;

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    /// Anything.
    Any,
    /// Text.
    Str,
    /// A whole number.
    Int,
}

impl Param {
    /// Its type in messages about values.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Param::Any => "interface {}",
            Param::Str => "string",
            Param::Int => "int",
        }
    }

    /// Its word in messages about literals.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Param::Any => "value",
            Param::Str => "string",
            Param::Int => "integer",
        }
    }

    /// Whether `value` suits it.
    pub(super) fn accepts(self, value: &Value) -> bool {
        match self {
            Param::Any => true,
            Param::Str => matches!(value, Value::Str(_)),
            Param::Int => matches!(value, Value::Int(_)),
        }
    }
}

/// A function's result, or why there is none.
pub(super) type Returned = Result<Value, String>;

/// A function.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    /// The parameters it must be given.
    pub(super) params: &'static [Param],
    /// Whether any number of further arguments may follow.
    pub(super) is_variadic: bool,
    /// Whether a table's header shows its first argument unchanged.
    is_silent_in_header: bool,
    run: fn(&[Value]) -> Returned,
}

impl Function {
    /// The function of that name.
    pub(super) fn named(name: &str) -> Option<&'static Function> {
        FUNCTIONS.iter().find(|function| function.name == name)
    }

    /// What its argument number `index` must be.
    pub(super) fn param(&self, index: usize, mode: Mode) -> Param {
        if mode == Mode::Header && self.is_silent_in_header {
            return Param::Any;
        }
        self.params.get(index).copied().unwrap_or(Param::Any)
    }

    /// Calls it; the arguments suit the parameters. A result longer than any output may be is an error.
    pub(super) fn call(&self, args: &[Value], mode: Mode) -> Returned {
        if mode == Mode::Header && self.is_silent_in_header {
            return Ok(args.first().cloned().unwrap_or(Value::Missing));
        }
        if mode == Mode::Document && self.name == "json" {
            return Ok(json::pretty(&args[0], "  ", Html::Plain).into());
        }
        match (self.run)(args)? {
            Value::Str(text) if text.len() > MAX_OUTPUT => Err(too_long()),
            value => Ok(value),
        }
    }
}

/// The error of a result that would not fit.
pub(super) fn too_long() -> String {
    format!("result is longer than {MAX_OUTPUT} bytes")
}

const fn fixed(name: &'static str, params: &'static [Param], run: fn(&[Value]) -> Returned) -> Function {
    Function { name, params, is_variadic: false, is_silent_in_header: false, run }
}

const fn variadic(name: &'static str, params: &'static [Param], run: fn(&[Value]) -> Returned) -> Function {
    Function { name, params, is_variadic: true, is_silent_in_header: false, run }
}

const fn shaping(name: &'static str, params: &'static [Param], run: fn(&[Value]) -> Returned) -> Function {
    Function { name, params, is_variadic: false, is_silent_in_header: true, run }
}

const ANY: Param = Param::Any;
const STR: Param = Param::Str;
const INT: Param = Param::Int;

static FUNCTIONS: [Function; 27] = [
    // `and` and `or` are evaluated where they stand, because they look at as few arguments as they can.
    variadic("and", &[ANY], |_| Ok(Value::Missing)),
    variadic("or", &[ANY], |_| Ok(Value::Missing)),
    fixed("not", &[ANY], |args| Ok(Value::Bool(!args[0].is_true()))),
    variadic("eq", &[ANY], compare::equal),
    fixed("ne", &[ANY, ANY], |args| compare::not_equal(&args[0], &args[1])),
    fixed("lt", &[ANY, ANY], |args| Ok(Value::Bool(compare::less(&args[0], &args[1])?))),
    fixed("le", &[ANY, ANY], |args| Ok(Value::Bool(compare::less_or_equal(&args[0], &args[1])?))),
    fixed("gt", &[ANY, ANY], |args| Ok(Value::Bool(!compare::less_or_equal(&args[0], &args[1])?))),
    fixed("ge", &[ANY, ANY], |args| Ok(Value::Bool(!compare::less(&args[0], &args[1])?))),
    variadic("index", &[ANY], |args| collection::index(&args[0], &args[1..])),
    variadic("slice", &[ANY], |args| collection::slice(&args[0], &args[1..])),
    fixed("len", &[ANY], |args| collection::len(&args[0])),
    variadic("call", &[ANY], call),
    variadic("print", &[], |args| Ok(print::operands(args).into())),
    variadic("println", &[], |args| Ok(print::line(args).into())),
    variadic("printf", &[STR], |args| printf::sprintf(text(args, 0), &args[1..]).map(Value::from)),
    variadic("html", &[], |args| Ok(escape::html(&print::operands(args)).into())),
    variadic("js", &[], |args| Ok(escape::js(&print::operands(args)).into())),
    variadic("urlquery", &[], |args| Ok(escape::url_query(&print::operands(args)).into())),
    shaping("json", &[ANY], |args| Ok(json::compact(&args[0], Html::Plain).into())),
    shaping("join", &[ANY, STR], |args| collection::join(&args[0], text(args, 1))),
    shaping("split", &[STR, STR], |args| split(text(args, 0), text(args, 1))),
    shaping("title", &[STR], |args| Ok(title(text(args, 0)).into())),
    shaping("lower", &[STR], |args| Ok(text(args, 0).to_lowercase().into())),
    shaping("upper", &[STR], |args| Ok(text(args, 0).to_uppercase().into())),
    shaping("truncate", &[STR, INT], |args| truncate(text(args, 0), int(args, 1))),
    fixed("pad", &[STR, INT, INT], |args| pad(text(args, 0), int(args, 1), int(args, 2))),
];

fn text(args: &[Value], index: usize) -> &str {
    args.get(index).and_then(Value::as_str).unwrap_or_default()
}

fn int(args: &[Value], index: usize) -> i64 {
    match args.get(index) {
        Some(Value::Int(value)) => *value,
        _ => 0,
    }
}

/// Methods are called where they are named, so what arrives here is never one.
fn call(args: &[Value]) -> Returned {
    match &args[0] {
        Value::Method(method) => method(&args[1..]),
        Value::Missing | Value::Nil => Err("call of nil".to_owned()),
        other => Err(format!("non-function {} of type {}", print::plain(other), other.type_name())),
    }
}

fn split(text: &str, separator: &str) -> Returned {
    let pieces = if separator.is_empty() { text.chars().count() } else { text.matches(separator).count() + 1 };
    if pieces.saturating_mul(ELEMENT_BYTES) > 2 * MAX_OUTPUT {
        return Err(too_long());
    }
    if separator.is_empty() {
        return Ok(Value::list(text.chars().map(|c| Value::from(c.to_string()))));
    }
    Ok(Value::list(text.split(separator).map(Value::from)))
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for c in text.chars() {
        if in_word {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        in_word = c == '_' || c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace() && in_word);
    }
    out
}

/// The first `length` bytes; a character that does not fit whole is left out, so that the result stays text.
fn truncate(text: &str, length: i64) -> Returned {
    let Ok(length) = usize::try_from(length) else {
        return Err(format!("runtime error: slice bounds out of range [:{length}]"));
    };
    Ok(Value::str(&text[..text.floor_char_boundary(length)]))
}

/// Blanks before and after, unless there is nothing between them.
fn pad(text: &str, before: i64, after: i64) -> Returned {
    if text.is_empty() {
        return Ok(Value::str(text));
    }
    let (Ok(before), Ok(after)) = (usize::try_from(before), usize::try_from(after)) else {
        return Err("strings: negative Repeat count".to_owned());
    };
    if before.saturating_add(after) > MAX_OUTPUT {
        return Err(too_long());
    }
    Ok(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)).into())
}
