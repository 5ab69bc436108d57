//! JSON as Go's `encoding/json` reads it, which is how every other tool reads the documents of images: names of members
//! in any case, and `null` for whatever has a zero value. A member that stands there twice is refused all the same: two
//! readers could see two images in one document.

use std::fmt;
use std::iter;

use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};

/// Reads one document.
///
/// # Errors
/// When it is not JSON of this shape.
pub fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Lenient(&mut json))?;
    json.end()?;
    Ok(value)
}

/// Gives JSON text line breaks and `indent` per level without touching anything else: order, numbers and escapes stay as
/// they are. Empty objects and lists stay on one line. The text is taken to be valid.
pub fn indented(text: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    let mut fresh = false;
    let break_line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(iter::repeat_n(indent, depth));
    };
    for c in text.chars() {
        if in_text {
            out.push(c);
            in_text = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        if matches!(c, ' ' | '\t' | '\r' | '\n') {
            continue;
        }
        if fresh && !matches!(c, '}' | ']') {
            break_line(&mut out, depth);
        }
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !fresh {
                    break_line(&mut out, depth);
                }
            }
            '"' => in_text = true,
            _ => {}
        }
        fresh = matches!(c, '{' | '[');
        out.push(c);
        match c {
            ',' => break_line(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
    }
    out
}

/// A list whose members that make no sense are left out: one entry for somebody else does not spoil the others.
///
/// # Errors
/// When it is no list, or not JSON.
pub(crate) fn sensible<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let members = Vec::<serde_json::Value>::deserialize(from)?;
    Ok(members.into_iter().filter_map(|member| T::deserialize(Lenient(member)).ok()).collect())
}

/// A list of texts, or one text that stands for a list of one (docker's `StrSlice`).
///
/// # Errors
/// When it is neither.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    struct Words;
    impl<'de> Visitor<'de> for Words {
        type Value = Option<Vec<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts or one text")
        }
        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(vec![text.to_owned()]))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut words = Vec::new();
            while let Some(word) = list.next_element()? {
                words.push(word);
            }
            Ok(Some(words))
        }
    }
    from.deserialize_any(Words)
}

/// Passes everything on, but for names of members and for `null`.
struct Lenient<T>(T);

/// What a type wants to see; each has a zero that stands for `null`.
#[derive(Clone, Copy)]
enum Wanted {
    Bool,
    Signed,
    Unsigned,
    Text,
    List,
    Map,
    Struct(&'static str, &'static [&'static str]),
}

struct OrZero<V> {
    wanted: Wanted,
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OrZero<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        match self.wanted {
            Wanted::Bool => self.visitor.visit_bool(false),
            Wanted::Signed => self.visitor.visit_i64(0),
            Wanted::Unsigned => self.visitor.visit_u64(0),
            Wanted::Text => self.visitor.visit_str(""),
            Wanted::List => self.visitor.visit_seq(SeqDeserializer::<_, E>::new(iter::empty::<()>())),
            Wanted::Map | Wanted::Struct(..) => {
                self.visitor.visit_map(MapDeserializer::<_, E>::new(iter::empty::<(&str, ())>()))
            }
        }
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        let fields = if let Wanted::Struct(_, fields) = self.wanted { fields } else { &[] };
        let visitor = Members { visitor: self.visitor, fields };
        match self.wanted {
            Wanted::Bool => from.deserialize_bool(visitor),
            Wanted::Signed => from.deserialize_i64(visitor),
            Wanted::Unsigned => from.deserialize_u64(visitor),
            Wanted::Text => from.deserialize_str(visitor),
            Wanted::List => from.deserialize_seq(visitor),
            Wanted::Map => from.deserialize_map(visitor),
            Wanted::Struct(name, fields) => from.deserialize_struct(name, fields, visitor),
        }
    }
}

macro_rules! with_zero {
    ($($method:ident $wanted:ident;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.deserialize_option(OrZero { wanted: Wanted::$wanted, visitor })
        })*
    };
}

macro_rules! as_it_is {
    ($($method:ident($($name:ident: $kind:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Members { visitor, fields: &[] })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lenient<D> {
    type Error = D::Error;

    with_zero! {
        deserialize_bool Bool;
        deserialize_i8 Signed;
        deserialize_i16 Signed;
        deserialize_i32 Signed;
        deserialize_i64 Signed;
        deserialize_u8 Unsigned;
        deserialize_u16 Unsigned;
        deserialize_u32 Unsigned;
        deserialize_u64 Unsigned;
        deserialize_str Text;
        deserialize_string Text;
        deserialize_seq List;
        deserialize_map Map;
    }

    as_it_is! {
        deserialize_any();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_identifier();
        deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrZero { wanted: Wanted::Struct(name, fields), visitor })
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Lenient<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Lenient(from))
    }
}

/// A visitor, with the names that the struct it fills knows.
struct Members<V> {
    visitor: V,
    fields: &'static [&'static str],
}

macro_rules! visits {
    ($($method:ident($kind:ty);)*) => {
        $(fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Members<V> {
    type Value = V::Value;

    visits! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Lenient(from))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Lenient(from))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Lenient(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Members { visitor: map, fields: self.fields })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(data)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Lenient<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Lenient(seed))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        if self.fields.is_empty() {
            return self.visitor.next_key_seed(seed);
        }
        let Some(name) = self.visitor.next_key::<String>()? else { return Ok(None) };
        let known = self.fields.iter().find(|field| field.eq_ignore_ascii_case(&name));
        seed.deserialize(StrDeserializer::new(known.copied().unwrap_or(&name))).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.visitor.next_value_seed(Lenient(seed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Outer {
        name: String,
        #[serde(default)]
        count: i64,
        #[serde(default)]
        inner: Option<Box<Outer>>,
        #[serde(default)]
        map: BTreeMap<String, String>,
        #[serde(default)]
        list: Vec<Option<String>>,
    }

    fn check(text: &str, expected: Result<(&str, i64), &str>) {
        let found = from_slice::<Outer>(text.as_bytes());
        let found = found.as_ref().map(|outer| (outer.name.as_str(), outer.count)).map_err(ToString::to_string);
        match (found, expected) {
            (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
            (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{text}"),
        }
    }

    #[test]
    fn names_count_in_any_case_and_null_is_zero() {
        check(r#"{"Name":"a","Count":3}"#, Ok(("a", 3)));
        check(r#"{"name":"a","COUNT":3,"other":{"name":[]}}"#, Ok(("a", 3)));
        check(r#"{"Name":null,"Count":null,"Inner":null,"Map":null,"List":null}"#, Ok(("", 0)));
        check(r#"{"name":"a","inner":{"NAME":"b"},"map":{"A":null,"a":"x"},"list":[null,"x"]}"#, Ok(("a", 0)));
        check(r#"{"Name":"a","name":"b"}"#, Err("duplicate field"));
        check(r#"{"Name":1}"#, Err("expected a string"));
        check(r#"{"Name":"a"} x"#, Err("trailing characters"));
    }

    #[test]
    fn keys_of_maps_stay_as_they_are() {
        let outer: Outer = from_slice(br#"{"name":"a","map":{"Name":"x","COUNT":null}}"#).unwrap();
        assert_eq!(
            outer.map.into_iter().collect::<Vec<_>>(),
            [("COUNT".to_owned(), String::new()), ("Name".to_owned(), "x".to_owned())]
        );
    }

    #[test]
    fn indenting_changes_nothing_but_white_space() {
        let text = r#"{ "a" : [1, 2.50, "x, {y}\" \\"], "b": { }, "c":[], "d":{"e": null}}"#;
        let expected = "{\n    \"a\": [\n        1,\n        2.50,\n        \"x, {y}\\\" \\\\\"\n    ],\n    \
            \"b\": {},\n    \"c\": [],\n    \"d\": {\n        \"e\": null\n    }\n}";
        assert_eq!(indented(text, "    "), expected);
        assert_eq!(indented(expected, "\t"), expected.replace("    ", "\t"));
        assert_eq!(indented("[]", " "), "[]");
        let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap();
        assert_eq!(indented(&pretty.replace(['\n', ' '], ""), "  ").replace(' ', ""), pretty.replace(' ', ""));
    }
}
