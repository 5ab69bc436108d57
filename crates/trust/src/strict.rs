//! JSON in which no name stands twice: of two that contradict, each reader would take another one. Containers/image refuses it too.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, Result};

struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Once;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Once, A::Error> {
                let mut all = Map::new();
                while let Some(name) = object.next_key::<String>()? {
                    if all.contains_key(&name) {
                        let shown: String = name.chars().take(MAX_SHOWN).collect();
                        return Err(A::Error::custom(format!("{shown:?} stands twice in one object")));
                    }
                    let Once(value) = object.next_value()?;
                    all.insert(name, value);
                }
                Ok(Once(Value::Object(all)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<Once, A::Error> {
                let mut all = Vec::new();
                while let Some(Once(value)) = list.next_element()? {
                    all.push(value);
                }
                Ok(Once(Value::Array(all)))
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<Once, E> {
                Ok(Once(text.into()))
            }

            fn visit_bool<E>(self, value: bool) -> std::result::Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> std::result::Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> std::result::Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> std::result::Result<Once, E> {
                Ok(Once(value.into()))
            }

            fn visit_unit<E>(self) -> std::result::Result<Once, E> {
                Ok(Once(Value::Null))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// 64 letters of a name are shown.
const MAX_SHOWN: usize = 64;

/// Reads JSON.
///
/// # Errors
/// When it is none, or a name stands twice in one object.
pub(crate) fn parse(json: &[u8]) -> Result<Value> {
    let Once(value) = serde_json::from_slice(json).map_err(|why| Error::Policy(why.to_string()))?;
    Ok(value)
}

/// Refuses names in an object that are none of `known`.
pub(crate) fn only(object: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let shown: String = name.chars().take(MAX_SHOWN).collect();
            Err(Error::Policy(format!("{shown:?} is not known here")))
        }
        None => Ok(()),
    }
}
