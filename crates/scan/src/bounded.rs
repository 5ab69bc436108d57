//! Lists and objects of JSON that are made to be long: what is beyond a limit is read past, and never built.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The first so many elements of a list. `null` is an empty one.
#[derive(Debug, Clone)]
pub(crate) struct AtMost<T, const N: usize>(pub(crate) Vec<T>);

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for List<T, N> {
            type Value = AtMost<T, N>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(AtMost::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while all.len() < N {
                    let Some(one) = list.next_element()? else { return Ok(AtMost(all)) };
                    all.push(one);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(AtMost(all))
            }
        }
        deserializer.deserialize_any(List(PhantomData))
    }
}

/// The first so many members of an object, in its order.
#[derive(Debug, Clone)]
pub(crate) struct Members<T, const N: usize>(pub(crate) Vec<(String, T)>);

impl<T, const N: usize> Default for Members<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for Members<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Object<T, N> {
            type Value = Members<T, N>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while all.len() < N {
                    let Some(one) = object.next_entry()? else { return Ok(Members(all)) };
                    all.push(one);
                }
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// A value of which every list and object has 32 parts at most, four deep: for what should be a word or two.
#[derive(Debug, Clone)]
pub(crate) struct Small(pub(crate) Value);

/// 32 parts.
const PARTS: usize = 32;
/// Four deep.
const DEPTH: usize = 4;

impl<'de> Deserialize<'de> for Small {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Part(DEPTH).deserialize(deserializer).map(Self)
    }
}

/// A part that may have so many levels.
struct Part(usize);

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            0 => IgnoredAny::deserialize(deserializer).map(|_| Value::Null),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while all.len() < PARTS {
            let Some(one) = list.next_element_seed(Self(self.0 - 1))? else { return Ok(all.into()) };
            all.push(one);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut all = serde_json::Map::new();
        while all.len() < PARTS {
            let Some(key) = object.next_key::<String>()? else { return Ok(all.into()) };
            all.insert(key, object.next_value_seed(Self(self.0 - 1))?);
        }
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_is_read_past() {
        let list = format!("[{}]", vec!["1"; 1000].join(","));
        let kept: AtMost<u8, 10> = serde_json::from_str(&list).unwrap();
        assert_eq!(kept.0.len(), 10);
        assert_eq!(serde_json::from_str::<AtMost<u8, 10>>("null").unwrap().0.len(), 0);
        let object = r#"{"b":1,"a":2,"c":{"d":[]}}"#;
        let kept: Members<u8, 2> = serde_json::from_str(object).unwrap();
        assert_eq!(kept.0, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
        let Small(value) = serde_json::from_str(&list).unwrap();
        assert_eq!(value.as_array().unwrap().len(), PARTS);
        let Small(value) =
            serde_json::from_str("[[[[[[1]]]],\"MIT\",1.5,null,{\"a\":[true]}]").unwrap_or(Small(Value::Null));
        assert_eq!(value, Value::Null, "it is no JSON");
        let Small(value) = serde_json::from_str("[[[[[[1]]]]],\"MIT\",-1,null,{\"a\":[true]}]").unwrap();
        assert_eq!(value, serde_json::json!([[[[null]]], "MIT", -1, null, {"a": [true]}]));
    }
}
