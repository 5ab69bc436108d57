//! HCL's JSON notation: blocks are objects by their labels, texts are templates.

use std::fmt;
use std::rc::Rc;

use hcl_edit::expr::{Array, Expression, Object, ObjectKey, ObjectValue};
use hcl_edit::template::{Element, StringTemplate, Template};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Attribute, Block, Body, Code, LABELLED, Source};
use crate::error::{Error, Result};

/// Reads a file.
pub(super) fn read(name: &str, text: &str) -> Result<Body> {
    let source = Rc::new(Source::json(name));
    let wrong = |summary: &str, detail: String| Error::found(summary, detail, Some(source.place(None)));
    let document: Json = serde_json::from_str(text).map_err(|why| wrong("Invalid JSON", format!("{why}.")))?;
    let Json::Object(properties) = document else {
        return Err(wrong(
            "Root value must be object",
            "The root value in a JSON-based configuration must be either a JSON object or a JSON array of objects."
                .to_owned(),
        ));
    };
    Reader { source: Rc::clone(&source) }.body(properties, &LABELLED, true)
}

struct Reader {
    source: Rc<Source>,
}

impl Reader {
    /// Properties named in `blocks` are blocks, all others attributes.
    fn body(&self, properties: Properties, blocks: &[&str], are_labelled: bool) -> Result<Body> {
        let mut body = Body::default();
        for (name, value) in properties {
            if name == "//" {
                continue;
            }
            if blocks.contains(&name.as_str()) {
                if are_labelled {
                    for (label, content) in self.objects(value)?.into_iter().flatten() {
                        self.blocks(&name, Some(&label), content, &mut body.blocks)?;
                    }
                } else {
                    self.blocks(&name, None, value, &mut body.blocks)?;
                }
            } else {
                let expression = self.expression(value, 0)?;
                let place = self.source.place(None);
                let value = Code { expression, source: Rc::clone(&self.source) };
                body.attributes.push(Attribute { name, value, place });
            }
        }
        Ok(body)
    }

    fn blocks(&self, kind: &str, label: Option<&str>, content: Json, into: &mut Vec<Block>) -> Result<()> {
        let inner: &[&str] = if kind == "variable" { &["validation"] } else { &[] };
        for properties in self.objects(content)? {
            into.push(Block {
                kind: kind.to_owned(),
                labels: label.map(str::to_owned).into_iter().collect(),
                body: self.body(properties, inner, false)?,
                place: self.source.place(None),
            });
        }
        Ok(())
    }

    /// An object or several in an array; null is none.
    fn objects(&self, value: Json) -> Result<Vec<Properties>> {
        match value {
            Json::Null => Ok(Vec::new()),
            Json::Object(properties) => Ok(vec![properties]),
            Json::Array(elements) => {
                let objects: Vec<_> =
                    elements.into_iter().map(|element| self.objects(element)).collect::<Result<_>>()?;
                Ok(objects.into_iter().flatten().collect())
            }
            _ => Err(Error::found(
                "Incorrect JSON value type",
                "Either a JSON object or a JSON array of objects is required here, to define blocks.",
                Some(self.source.place(None)),
            )),
        }
    }

    fn expression(&self, value: Json, depth: usize) -> Result<Expression> {
        if depth > MAX_DEPTH {
            let detail = format!("Values nest at most {MAX_DEPTH} deep.");
            return Err(Error::found("Invalid expression", detail, Some(self.source.place(None))));
        }
        Ok(match value {
            Json::Null => Expression::null(),
            Json::Bool(truth) => Expression::from(truth),
            // Digits are an expression of HCL too.
            Json::Number(number) => self.parsed(hcl_edit::parser::parse_expr(&number.to_string()))?,
            Json::String(text) => self.template(&text)?,
            Json::Array(elements) => {
                let elements = elements.into_iter().map(|element| self.expression(element, depth + 1));
                Array::from(elements.collect::<Result<Vec<_>>>()?).into()
            }
            Json::Object(properties) => {
                let mut object = Object::new();
                for (name, value) in properties {
                    let key = ObjectKey::Expression(self.template(&name)?);
                    object.insert(key, ObjectValue::new(self.expression(value, depth + 1)?));
                }
                object.into()
            }
        })
    }

    fn template(&self, text: &str) -> Result<Expression> {
        if !text.contains("${") && !text.contains("%{") {
            return Ok(Expression::from(text));
        }
        let template: Template = self.parsed(hcl_edit::parser::parse_template(text))?;
        Ok(match template.as_single_element() {
            Some(Element::Literal(text)) => Expression::from(text.as_str()),
            _ => StringTemplate::from(template).into(),
        })
    }

    fn parsed<T>(&self, result: Result<T, hcl_edit::parser::Error>) -> Result<T> {
        result.map_err(|why| {
            Error::found("Invalid expression", format!("{}.", why.message()), Some(self.source.place(None)))
        })
    }
}

/// How deep values nest: deeper than anyone writes, shallower than the stack.
const MAX_DEPTH: usize = 48;

/// In the order of the file, with all of the same name.
type Properties = Vec<(String, Json)>;

/// JSON that keeps order and repetitions, which mean something for blocks.
enum Json {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    Array(Vec<Json>),
    Object(Properties),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(number).map(Json::Number).ok_or_else(|| E::custom("a number is too big"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut properties = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            properties.push(entry);
        }
        Ok(Json::Object(properties))
    }
}
