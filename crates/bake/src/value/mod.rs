//! What expressions give: the values of HCL's type system.

mod convert;
mod document;
mod number;
mod types;

use std::collections::BTreeMap;

pub(crate) use convert::{convert, mismatch, unify};
pub(crate) use document::{from_json, to_json, to_typed_json, typed_from_json};
pub(crate) use number::Number;
pub(crate) use types::Type;

/// A value. Lists, sets and maps have elements of one type; tuples and objects are what is written in brackets and braces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Type, Vec<Value>),
    /// In [`Value::order`], each once.
    Set(Type, Vec<Value>),
    Map(Type, BTreeMap<String, Value>),
    Tuple(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// A list of texts.
    pub(crate) fn texts(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::List(Type::String, texts.into_iter().map(Self::text).collect())
    }

    /// A set of these.
    pub(crate) fn set(of: Type, mut elements: Vec<Self>) -> Self {
        elements.sort_by(Self::order);
        elements.dedup();
        Self::Set(of, elements)
    }

    /// A text, or null.
    pub(crate) fn maybe(text: Option<&str>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// Its type. Null has any.
    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::Null => Type::Any,
            Self::Bool(_) => Type::Bool,
            Self::Number(_) => Type::Number,
            Self::String(_) => Type::String,
            Self::List(of, _) => Type::List(Box::new(of.clone())),
            Self::Set(of, _) => Type::Set(Box::new(of.clone())),
            Self::Map(of, _) => Type::Map(Box::new(of.clone())),
            Self::Tuple(elements) => Type::Tuple(elements.iter().map(Self::kind).collect()),
            Self::Object(fields) => {
                Type::Object(fields.iter().map(|(name, value)| (name.clone(), (value.kind(), false))).collect())
            }
        }
    }

    /// What copying it costs: one for each value, and for every eight bytes of text.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 1,
            Self::String(text) => 1 + text.len() / 8,
            Self::List(_, elements) | Self::Set(_, elements) | Self::Tuple(elements) => {
                1 + elements.iter().map(Self::size).sum::<usize>()
            }
            Self::Map(_, fields) | Self::Object(fields) => {
                1 + fields.iter().map(|(name, value)| 1 + name.len() / 8 + value.size()).sum::<usize>()
            }
        }
    }

    /// True if values nest further in it than anyone writes, though not further than the stack reaches.
    pub(crate) fn is_too_deep(&self) -> bool {
        const MAX_DEPTH: usize = 100;
        self.is_deeper_than(MAX_DEPTH)
    }

    fn is_deeper_than(&self, levels: usize) -> bool {
        let inner = levels.checked_sub(1);
        let is_deep = |value: &Self| inner.is_none_or(|inner| value.is_deeper_than(inner));
        match self {
            Self::List(_, elements) | Self::Set(_, elements) | Self::Tuple(elements) => elements.iter().any(is_deep),
            Self::Map(_, fields) | Self::Object(fields) => fields.values().any(is_deep),
            _ => false,
        }
    }

    /// True if it has no value inside.
    pub(crate) fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool(_) | Self::Number(_) | Self::String(_))
    }

    /// Its elements with their keys, if it has any to go through.
    pub(crate) fn elements(&self) -> Option<Vec<(Self, Self)>> {
        let numbered = |elements: &[Self]| {
            elements.iter().enumerate().map(|(at, value)| (Self::Number(Number::from(at)), value.clone())).collect()
        };
        match self {
            Self::List(_, elements) | Self::Tuple(elements) => Some(numbered(elements)),
            Self::Set(_, elements) => Some(elements.iter().map(|value| (value.clone(), value.clone())).collect()),
            Self::Map(_, fields) | Self::Object(fields) => {
                Some(fields.iter().map(|(name, value)| (Self::text(name), value.clone())).collect())
            }
            _ => None,
        }
    }

    /// The elements of a list, set or tuple.
    pub(crate) fn sequence(&self) -> Option<&[Self]> {
        match self {
            Self::List(_, elements) | Self::Set(_, elements) | Self::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The fields of a map or object.
    pub(crate) fn fields(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Map(_, fields) | Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// The order of sets: false before true, numbers by size, texts by bytes, all else by its form.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            _ => to_json(self).cmp(&to_json(other)),
        }
    }
}
