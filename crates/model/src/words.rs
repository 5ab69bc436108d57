//! Values that are more than their JSON: renderings that are not JSON tell them by the names of these types.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// Seconds since 1970 at the beginning of year 1: what documents hold where nobody knows when.
pub const NEVER: i64 = -62_135_596_800;

/// A moment, as RFC 3339 text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment(pub String);

impl Moment {
    /// The type's name to a serializer.
    pub const NAME: &'static str = "Moment";
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_newtype_struct(Self::NAME, &self.0)
    }
}

/// A length of time in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duration(pub i64);

impl Duration {
    /// The type's name to a serializer.
    pub const NAME: &'static str = "Duration";

    /// True for none.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_newtype_struct(Self::NAME, &self.0)
    }
}

/// A list that is `null` when it is empty: Go's nil slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NilList<T>(pub Vec<T>);

impl<T> NilList<T> {
    /// The type's name to a serializer, where it is `null`.
    pub const NAME: &'static str = "NilList";
}

impl<T> Default for NilList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<Vec<T>> for NilList<T> {
    fn from(list: Vec<T>) -> Self {
        Self(list)
    }
}

impl<T> FromIterator<T> for NilList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for NilList<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() { to.serialize_newtype_struct(Self::NAME, &()) } else { self.0.serialize(to) }
    }
}

/// A map that is `null` when it is empty: Go's nil map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NilMap<T>(pub BTreeMap<String, T>);

impl<T> NilMap<T> {
    /// The type's name to a serializer, where it is `null`.
    pub const NAME: &'static str = "NilMap";
}

impl<T> Default for NilMap<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Serialize> Serialize for NilMap<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() { to.serialize_newtype_struct(Self::NAME, &()) } else { self.0.serialize(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &impl Serialize, expected: &str) {
        assert_eq!(serde_json::to_string(value).unwrap(), expected);
    }

    #[test]
    fn json_is_dockers() {
        check(&NilList::<u8>::default(), "null");
        check(&NilList(vec![1]), "[1]");
        check(&NilMap::<u8>::default(), "null");
        check(&Duration(5), "5");
        check(&Moment("x".to_owned()), "\"x\"");
    }
}
