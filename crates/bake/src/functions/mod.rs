//! The standard functions of bake files.
//! Source: buildx, `docs/bake-stdlib.md`. `bcrypt` and `rsadecrypt` are not among them: a build definition holds no secrets.

mod collections;
mod dates;
mod encodings;
mod formats;
mod networks;
mod numbers;
mod sequences;
mod sets;
mod texts;
mod versions;

use std::cmp::Ordering;

use crate::value::{Number, Type, Value};

/// What functions need from outside.
pub struct Means<'a> {
    /// Seconds since 1970.
    pub now: i64,
    /// Fills a buffer with random bytes.
    pub entropy: &'a dyn Fn(&mut [u8]),
    /// The user's home folder.
    pub home: &'a str,
}

/// A standard function.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// All arguments beyond the parameters.
    pub(crate) rest: Option<Parameter>,
    pub(crate) call: fn(&[Value], &Means<'_>) -> Outcome,
}

/// What a function gives.
type Outcome = Result<Value, Failure>;

/// An argument's name and type.
#[derive(Clone)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
}

/// What an argument has to be.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    /// Anything but null.
    Any,
    /// Anything.
    Nullable,
    Bool,
    Number,
    String,
    Texts,
    List,
    Set,
}

impl Takes {
    /// True if null will do.
    pub(crate) fn null(self) -> bool {
        matches!(self, Self::Nullable)
    }

    /// Its type.
    pub(crate) fn of(self) -> Type {
        match self {
            Self::Any | Self::Nullable => Type::Any,
            Self::Bool => Type::Bool,
            Self::Number => Type::Number,
            Self::String => Type::String,
            Self::Texts => Type::List(Box::new(Type::String)),
            Self::List => Type::List(Box::new(Type::Any)),
            Self::Set => Type::Set(Box::new(Type::Any)),
        }
    }
}

/// Why a function gives nothing.
pub(crate) enum Failure {
    /// Because of the call as a whole.
    Call(String),
    /// Because of one argument.
    Argument(usize, String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Call(why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self::Call(why.to_owned())
    }
}

/// The standard function of this name.
pub(crate) fn builtin(name: &str) -> Option<&'static Builtin> {
    all().find(|builtin| builtin.name == name)
}

/// The names of all standard functions, those included that the evaluation itself knows.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|builtin| builtin.name).chain(["can", "convert", "try"])
}

fn all() -> impl Iterator<Item = &'static Builtin> {
    let tables = [
        numbers::TABLE,
        texts::TABLE,
        formats::TABLE,
        sequences::TABLE,
        collections::TABLE,
        sets::TABLE,
        encodings::TABLE,
        dates::TABLE,
        networks::TABLE,
        versions::TABLE,
    ];
    tables.into_iter().flatten()
}

const fn of(name: &'static str, takes: Takes) -> Parameter {
    Parameter { name, takes }
}

const fn fixed(
    name: &'static str,
    parameters: &'static [Parameter],
    call: fn(&[Value], &Means<'_>) -> Outcome,
) -> Builtin {
    Builtin { name, parameters, rest: None, call }
}

const fn open(
    name: &'static str,
    parameters: &'static [Parameter],
    rest: Parameter,
    call: fn(&[Value], &Means<'_>) -> Outcome,
) -> Builtin {
    Builtin { name, parameters, rest: Some(rest), call }
}

/// The argument, which is a text by its parameter.
fn text(arguments: &[Value], at: usize) -> &str {
    match &arguments[at] {
        Value::String(text) => text,
        _ => "",
    }
}

/// The argument, which is a number by its parameter.
fn number(arguments: &[Value], at: usize) -> Number {
    match &arguments[at] {
        Value::Number(number) => *number,
        _ => Number::Whole(0),
    }
}

/// The argument as a whole number.
fn whole(arguments: &[Value], at: usize) -> Result<i64, Failure> {
    let whole = number(arguments, at).whole().and_then(|whole| i64::try_from(whole).ok());
    whole.ok_or_else(|| Failure::Argument(at, "value must be a whole number".to_owned()))
}

/// The argument, which is true or false by its parameter.
fn truth(arguments: &[Value], at: usize) -> bool {
    arguments[at] == Value::Bool(true)
}

/// The elements of an argument, which is a list or a set by its parameter.
fn elements(arguments: &[Value], at: usize) -> &[Value] {
    arguments[at].sequence().unwrap_or_default()
}

/// The elements of an argument that may be any value, if it has some.
fn sequence(arguments: &[Value], at: usize) -> Result<&[Value], Failure> {
    arguments[at].sequence().ok_or_else(|| Failure::Argument(at, "must be a list, set, or tuple".to_owned()))
}

/// A comparison's value.
fn compared(arguments: &[Value], is_so: fn(Ordering) -> bool) -> Value {
    Value::Bool(is_so(number(arguments, 0).cmp(&number(arguments, 1))))
}

/// 16 MiB: more text than any definition needs, little enough to make at once.
const MAX_TEXT: usize = 16 << 20;

/// Refuses to make a text of `size` bytes if that is too much.
fn check_size(size: Option<usize>) -> Result<(), Failure> {
    match size {
        Some(size) if size <= MAX_TEXT => Ok(()),
        _ => Err("the result would be too long".into()),
    }
}
