//! Types, and what messages call them.

use std::collections::BTreeMap;
use std::fmt;

/// The type of a value, or what a value has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// Whatever it is.
    Any,
    Bool,
    Number,
    String,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Tuple(Vec<Type>),
    /// Each field with its type, and whether it may be missing.
    Object(BTreeMap<String, (Type, bool)>),
}

impl Type {
    /// A map of texts.
    pub(crate) fn texts_by_name() -> Self {
        Self::Map(Box::new(Self::String))
    }

    /// True for texts, numbers and truth.
    pub(crate) fn is_primitive(&self) -> bool {
        matches!(self, Self::Bool | Self::Number | Self::String)
    }

    /// What messages call it as the type of a value.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Any => "dynamic".to_owned(),
            Self::List(of) => format!("list of {}", of.name()),
            Self::Set(of) => format!("set of {}", of.name()),
            Self::Map(of) => format!("map of {}", of.name()),
            other => other.to_string(),
        }
    }
}

/// What messages call it where it is asked for.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = |of: &Self| if *of == Self::Any { "any single type".to_owned() } else { of.to_string() };
        match self {
            Self::Any => f.write_str("any type"),
            Self::Bool => f.write_str("bool"),
            Self::Number => f.write_str("number"),
            Self::String => f.write_str("string"),
            Self::List(of) => write!(f, "list of {}", inside(of)),
            Self::Set(of) => write!(f, "set of {}", inside(of)),
            Self::Map(of) => write!(f, "map of {}", inside(of)),
            Self::Tuple(_) => f.write_str("tuple"),
            Self::Object(_) => f.write_str("object"),
        }
    }
}
