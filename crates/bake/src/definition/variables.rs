//! Variables: defaults, types, what overrides them, and what they have to be.

use super::{Definition, Missing, types};
use crate::csv;
use crate::error::{Error, Failures, Result};
use crate::evaluate::{World as _, evaluate};
use crate::syntax::Block;
use crate::value::{Number, Type, Value, convert, to_json, to_typed_json, typed_from_json};

/// A variable, as `--list=variables` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is for; empty if nobody said.
    pub description: String,
    /// The type that it was given; empty if none was.
    pub kind: String,
    /// Its value, as JSON unless it is a text; `None` for null.
    pub value: Option<String>,
}

impl<'a> Definition<'a> {
    pub(super) fn resolve_variables(&mut self) -> Result<Vec<Variable>> {
        let blocks: Vec<_> = self.variables.iter().map(|(name, block)| (*name, *block)).collect();
        let mut listed = Vec::new();
        for (name, block) in &blocks {
            self.resolve_name(name).map_err(|why| match why {
                Missing::Undefined(why) | Missing::Wrong(why) => {
                    why.located("Invalid value", Some(block.place.clone()))
                }
            })?;
            listed.push(self.list(name, block)?);
        }
        let mut failures = Failures::default();
        for (_, block) in &blocks {
            for rule in block.body.blocks.iter().filter(|inner| inner.kind == "validation") {
                failures.note(self.check(rule));
            }
        }
        failures.or(listed)
    }

    fn list(&self, name: &str, block: &Block) -> Result<Variable> {
        let constraint = self.constraint(block)?;
        let description = match block.body.attribute("description") {
            None => String::new(),
            Some(attribute) => match convert(evaluate(&attribute.value, &self.globals, self)?, &Type::String) {
                Ok(Value::String(text)) => text,
                _ => {
                    let place = Some(attribute.value.place());
                    return Err(Error::found("Unsuitable value type", "Unsuitable value: string required", place));
                }
            },
        };
        let value = match self.globals.value(name) {
            None | Some(Value::Null) => None,
            Some(value) => Some(match (&constraint, value) {
                // A typed text goes through JSON there, and comes back without its quotes only.
                (Some(Type::String), value) => to_json(value).trim_matches('"').to_owned(),
                (Some(kind), value) => to_typed_json(value, kind),
                (None, Value::String(text)) => text.clone(),
                (None, value) => to_json(value),
            }),
        };
        let kind = constraint.map(|kind| kind.to_string()).unwrap_or_default();
        Ok(Variable { name: name.to_owned(), description, kind, value })
    }

    /// The type that the file gives a variable.
    fn constraint(&self, block: &Block) -> Result<Option<Type>> {
        let Some(attribute) = block.body.attribute("type") else { return Ok(None) };
        let code = &attribute.value;
        match types::type_of(&code.expression, &code.source) {
            Ok(kind) => Ok(Some(kind)),
            // Null is as good as no type.
            Err(_) if code.expression.is_null() => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Gives a name its value.
    pub(super) fn resolve_name(&mut self, name: &str) -> Result<(), Missing> {
        if self.globals.value(name).is_some() {
            return Ok(());
        }
        let attribute = self.attributes.get(name).copied();
        let block = self.variables.get(name).copied();
        if attribute.is_none() && block.is_none() {
            return Err(Missing::Undefined(Error::new(format!("variable \"{name}\" does not exist: undefined"))));
        }
        if !self.begun.insert(name.to_owned()) {
            return Err(Error::new(format!("variable cycle not allowed for {name}")).into());
        }
        // An attribute decides over the variable's own default, and over its type.
        let (code, kind) = match (attribute, block) {
            (Some(attribute), _) => (Some(&attribute.value), None),
            (None, Some(block)) => {
                (block.body.attribute("default").map(|default| &default.value), self.constraint(block)?)
            }
            (None, None) => (None, None),
        };
        let default = match code {
            None => None,
            Some(code) => {
                self.deeper(|it| it.load(code, None, &[], false))?;
                let value = evaluate(code, &self.globals, self)?;
                let wanted = kind.clone().unwrap_or(Type::Any);
                Some(convert(value, &wanted).map_err(|why| {
                    Error::new(format!("invalid type {} for variable {name} default value: {why}", wanted.name()))
                })?)
            }
        };
        let overridden = if block.is_some() { self.given(name, kind.is_some()) } else { None };
        let value = match (overridden, default) {
            (Some((text, is_json)), default) => overriding(name, &text, is_json, kind.as_ref(), default.as_ref())?,
            (None, Some(default)) => default,
            // Nothing at all is an empty text, unless a type was asked for.
            (None, None) if kind.is_some() => Value::Null,
            (None, None) => Value::text(""),
        };
        if value.is_too_deep() {
            return Err(Error::new(format!("the value of {name} is nested too deeply")).into());
        }
        self.budget().spend(value.size())?;
        self.globals.set(name, value);
        Ok(())
    }

    /// What a variable is overridden with, and whether that is JSON: `NAME_JSON` is, unless a variable has this very name.
    fn given(&self, name: &str, prefers_json: bool) -> Option<(String, bool)> {
        let plain = (self.surroundings.lookup)(name);
        if plain.is_some() && !prefers_json {
            return plain.map(|text| (text, false));
        }
        let json_name = format!("{name}_JSON");
        let is_taken =
            self.variables.contains_key(json_name.as_str()) || self.surroundings.builtin.contains_key(&json_name);
        let json = if is_taken { None } else { (self.surroundings.lookup)(&json_name) };
        json.map(|text| (text, true)).or(plain.map(|text| (text, false)))
    }

    /// Insists on one rule.
    fn check(&self, rule: &'a Block) -> Result<()> {
        let code = |name: &str| {
            rule.body.attribute(name).map(|attribute| &attribute.value).ok_or_else(|| {
                let detail = format!("The argument \"{name}\" is required, but no definition was found.");
                Error::found("Missing required argument", detail, Some(rule.place.clone()))
            })
        };
        let (condition, message) = (code("condition")?, code("error_message")?);
        let invalid = |detail: &str| Error::found("Invalid condition result", detail, Some(condition.place()));
        match convert(evaluate(condition, &self.globals, self)?, &Type::Bool) {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(Value::Bool(false)) => {
                let message = match evaluate(message, &self.globals, self)? {
                    Value::String(text) => text,
                    _ => "This check failed, but has an invalid error message.".to_owned(),
                };
                Err(Error::found("Validation failed", message, Some(condition.place())))
            }
            Ok(_) => Err(invalid("Condition expression must return either true or false, not null.")),
            Err(why) => Err(invalid(&format!("Invalid condition result value: {why}"))),
        }
    }

    pub(super) fn resolve_attributes(&mut self) -> Result<()> {
        let attributes: Vec<_> = self.attributes.iter().map(|(name, attribute)| (*name, *attribute)).collect();
        for (name, attribute) in attributes {
            self.resolve_name(name).map_err(|why| match why {
                Missing::Undefined(why) | Missing::Wrong(why) => {
                    why.located("Invalid attribute", Some(attribute.place.clone()))
                }
            })?;
        }
        Ok(())
    }
}

/// The value that a text from outside gives.
fn overriding(name: &str, text: &str, is_json: bool, kind: Option<&Type>, default: Option<&Value>) -> Result<Value> {
    match kind {
        Some(kind) if is_json => typed_from_json(text, kind)
            .map_err(|why| Error::new(format!("failed to convert variable {name} from JSON: {why}"))),
        Some(kind @ (Type::List(_) | Type::Set(_) | Type::Tuple(_) | Type::Map(_))) => from_csv(name, text, kind)
            .map_err(|why| Error::new(format!("failed to convert variable {name} from CSV: {why}"))),
        Some(kind) if kind.is_primitive() => primitive(name, text, kind).map_err(Error::new),
        Some(kind) => Err(Error::new(format!("unsupported type {} for variable {name}", kind.name()))),
        None => match default {
            None | Some(Value::Null | Value::String(_)) => Ok(Value::text(text)),
            Some(default) if default.is_primitive() => primitive(name, text, &default.kind()).map_err(Error::new),
            Some(other) => Err(Error::new(format!("unsupported type {} for variable {name}", other.kind().name()))),
        },
    }
}

fn primitive(name: &str, text: &str, kind: &Type) -> Result<Value, String> {
    match kind {
        Type::String => Ok(Value::text(text)),
        Type::Bool => csv::truth(text).map(Value::Bool).ok_or_else(|| {
            format!("failed to parse {name} as bool: strconv.ParseBool: parsing \"{text}\": invalid syntax")
        }),
        Type::Number => Number::parse(text).map(Value::Number).ok_or_else(|| {
            let is_number = text.parse::<f64>().is_ok();
            let why = match is_number {
                true => "invalid number value".to_owned(),
                false => format!("strconv.ParseFloat: parsing \"{text}\": invalid syntax"),
            };
            format!("failed to parse {name} as number: {why}")
        }),
        other => Err(format!("{name} of type {} is not a primitive", other.name())),
    }
}

/// Lists, sets and tuples as `a,b`, maps as `a:1,b:2`.
fn from_csv(name: &str, text: &str, kind: &Type) -> Result<Value, String> {
    let fields = csv::fields(text).map_err(|why| format!("failed to parse {text} as CSV: {why}"))?;
    let unsupported = || format!("unsupported type {} for CSV specification", kind.name());
    let element = |text: &str, of: &Type, preposition: &str| {
        primitive(name, text, of)
            .map_err(|why| format!("failed to parse element {preposition} type {}: {why}", kind.name()))
    };
    match kind {
        Type::List(of) | Type::Set(of) | Type::Map(of) if !of.is_primitive() => Err(unsupported()),
        Type::List(of) => {
            let elements = fields.iter().map(|field| element(field, of, "of")).collect::<Result<_, _>>()?;
            Ok(Value::List((**of).clone(), elements))
        }
        Type::Set(of) => {
            let elements = fields.iter().map(|field| element(field, of, "of")).collect::<Result<_, _>>()?;
            Ok(Value::set((**of).clone(), elements))
        }
        Type::Tuple(wanted) => {
            if wanted.len() != fields.len() {
                return Err(format!(
                    "{} expects {} elements but only {} provided",
                    kind.name(),
                    wanted.len(),
                    fields.len()
                ));
            }
            let one = |(field, of): (&String, &Type)| match of.is_primitive() {
                true => element(field, of, "of"),
                false => Err(unsupported()),
            };
            fields.iter().zip(wanted).map(one).collect::<Result<_, _>>().map(Value::Tuple)
        }
        Type::Map(of) => {
            let entry = |field: &String| {
                let parts = csv::fields_by(field, ':')
                    .map_err(|why| format!("failed to parse {field} as k/v for variable {name}: {why}"))?;
                match &parts[..] {
                    [key, value] => Ok((key.clone(), element(value, of, "from")?)),
                    parts => Err(format!("expected one k/v pair but got {} pieces from {field}", parts.len())),
                }
            };
            let entries = fields.iter().map(entry).collect::<Result<_, String>>()?;
            Ok(Value::Map((**of).clone(), entries))
        }
        _ => Err(unsupported()),
    }
}
