//! What names stand for, inner ones before outer ones.

use std::collections::BTreeMap;

use crate::value::Value;

/// Names with their values, and what is around them.
#[derive(Debug, Default)]
pub(crate) struct Scope<'a> {
    outer: Option<&'a Scope<'a>>,
    names: BTreeMap<String, Value>,
}

impl Scope<'static> {
    /// No names.
    pub(crate) const EMPTY: Self = Self { outer: None, names: BTreeMap::new() };
}

impl<'a> Scope<'a> {
    /// These names, and those of `outer`.
    pub(crate) fn inside(outer: &'a Scope<'a>, names: BTreeMap<String, Value>) -> Self {
        Self { outer: Some(outer), names }
    }

    /// What `name` stands for.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.names.get(name).or_else(|| self.outer.and_then(|outer| outer.value(name)))
    }

    /// Gives a name a value.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: Value) {
        self.names.insert(name.into(), value);
    }

    /// Takes a value out, to change it.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.names.remove(name)
    }

    /// All names, inner ones first.
    pub(crate) fn names(&self) -> Vec<&str> {
        let outer = self.outer.map(Self::names).unwrap_or_default();
        self.names.keys().map(String::as_str).chain(outer).collect()
    }
}
