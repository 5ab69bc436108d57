//! Types that expressions name: `list(string)`, `object({ a = number })`.

use hcl_edit::Span;
use hcl_edit::expr::{Expression, FuncCall, Object, ObjectKey};

use crate::error::{Error, Result};
use crate::syntax::Source;
use crate::value::Type;

/// The type that an expression names.
pub(crate) fn type_of(expression: &Expression, source: &Source) -> Result<Type> {
    match expression {
        Expression::String(text) if source.is_json() => {
            let read = hcl_edit::parser::parse_expr(text).map_err(|why| wrong(why.message(), expression, source))?;
            of(&read, source)
        }
        other => of(other, source),
    }
}

/// Recursion ends with the expression, whose depth the parser bounds.
fn of(expression: &Expression, source: &Source) -> Result<Type> {
    match expression {
        Expression::Variable(name) => match name.as_str() {
            "any" => Ok(Type::Any),
            "bool" => Ok(Type::Bool),
            "number" => Ok(Type::Number),
            "string" => Ok(Type::String),
            "list" | "set" | "map" => {
                let detail = format!(
                    "The {} type constructor requires one argument specifying the element type.",
                    name.as_str()
                );
                Err(wrong(&detail, expression, source))
            }
            "object" => {
                let detail = "The object type constructor requires one argument specifying the attribute types and values as a map.";
                Err(wrong(detail, expression, source))
            }
            "tuple" => {
                let detail = "The tuple type constructor requires one argument specifying the element types as a list.";
                Err(wrong(detail, expression, source))
            }
            other => {
                Err(wrong(&format!("The keyword \"{other}\" is not a valid type specification."), expression, source))
            }
        },
        Expression::FuncCall(call) => constructed(call, expression, source),
        other => {
            let detail = "A type specification is either a primitive type keyword (bool, number, string) or a complex type constructor call, like list(string).";
            Err(wrong(detail, other, source))
        }
    }
}

fn constructed(call: &FuncCall, at: &Expression, source: &Source) -> Result<Type> {
    let name = call.name.name.as_str();
    if matches!(name, "bool" | "number" | "string" | "any") {
        let detail = format!("Primitive type keyword \"{name}\" does not expect arguments.");
        return Err(wrong(&detail, at, source));
    }
    if !matches!(name, "list" | "set" | "map" | "object" | "tuple") {
        return Err(wrong(&format!("Keyword \"{name}\" is not a valid type constructor."), at, source));
    }
    let mut arguments = call.args.iter();
    let (Some(argument), None) = (arguments.next(), arguments.next()) else {
        let detail = format!("The {name} type constructor requires one argument specifying the element type.");
        return Err(wrong(&detail, at, source));
    };
    match (name, argument) {
        ("list", of_what) => of(of_what, source).map(|of| Type::List(Box::new(of))),
        ("set", of_what) => of(of_what, source).map(|of| Type::Set(Box::new(of))),
        ("map", of_what) => of(of_what, source).map(|of| Type::Map(Box::new(of))),
        ("tuple", Expression::Array(elements)) => {
            elements.iter().map(|element| of(element, source)).collect::<Result<_>>().map(Type::Tuple)
        }
        ("tuple", other) => Err(wrong("Tuple type constructor requires a list of element types.", other, source)),
        (_, Expression::Object(fields)) => object(fields, source),
        (_, other) => {
            let detail = "Object type constructor requires a map whose keys are attribute names and whose values are the corresponding attribute types.";
            Err(wrong(detail, other, source))
        }
    }
}

fn object(fields: &Object, source: &Source) -> Result<Type> {
    let field = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
        let name = match key {
            ObjectKey::Ident(name) => name.to_string(),
            ObjectKey::Expression(Expression::String(text)) => text.value().clone(),
            ObjectKey::Expression(other) => {
                return Err(wrong("Object constructor map keys must be attribute names.", other, source));
            }
        };
        Ok((name, (of(value.expr(), source)?, false)))
    };
    fields.iter().map(field).collect::<Result<_>>().map(Type::Object)
}

fn wrong(detail: &str, at: &impl Span, source: &Source) -> Error {
    Error::found("Invalid type specification", detail, Some(source.place_of(at)))
}
