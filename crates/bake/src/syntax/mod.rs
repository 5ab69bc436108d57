//! What a bake file says, before anything is evaluated: attributes and blocks. HCL and JSON are two notations of it.

mod hcl;
mod json;
mod source;

use std::rc::Rc;

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};

pub(crate) use source::Source;

use crate::error::{Error, Place, Result};

/// What stands in a file or between the braces of a block.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) blocks: Vec<Block>,
}

/// `name = expression`.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Code,
    pub(crate) place: Place,
}

/// `kind "label" { … }`.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) labels: Vec<String>,
    pub(crate) body: Body,
    /// Of its kind and labels.
    pub(crate) place: Place,
}

/// An expression and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) expression: Expression,
    pub(crate) source: Rc<Source>,
}

impl Body {
    /// The attribute of this name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

impl Code {
    /// Where it stands.
    pub(crate) fn place(&self) -> Place {
        self.source.place_of(&self.expression)
    }

    /// The one name that it is, if it is nothing else. JSON writes it as a text.
    pub(crate) fn keyword(&self) -> Option<&str> {
        keyword(&self.expression, self.source.is_json())
    }
}

/// The one name that an expression is.
pub(crate) fn keyword(expression: &Expression, is_json: bool) -> Option<&str> {
    match expression {
        Expression::Variable(name) => Some(name.as_str()),
        Expression::String(text) if is_json => {
            let is_name = hcl_edit::parser::parse_expr(text).is_ok_and(|read| matches!(read, Expression::Variable(_)));
            is_name.then(|| text.as_str())
        }
        _ => None,
    }
}

/// The root and the names that follow it, as far as they are written as `root.a.b`; no root if it is something else.
pub(crate) fn path_of(traversal: &Traversal) -> Option<(&str, Vec<&str>)> {
    let Expression::Variable(root) = &traversal.expr else { return None };
    let named = traversal.operators.iter().map_while(|operator| match operator.value() {
        TraversalOperator::GetAttr(name) => Some(name.as_str()),
        _ => None,
    });
    Some((root.as_str(), named.collect()))
}

/// More than any honest file has: the parser compares the keys of an object with each other.
const MAX_ASSIGNMENTS: usize = 16_384;

/// Reads a file whose name ends in `.json` or `.hcl`, or finds out which of the two it is. If it is neither, what the HCL
/// reader said is told.
pub(crate) fn read(name: &str, text: &str) -> Result<Body> {
    if text.bytes().filter(|byte| matches!(byte, b'=' | b':')).count() > MAX_ASSIGNMENTS {
        return Err(Error::new(format!("{name} has more than {MAX_ASSIGNMENTS} assignments")));
    }
    if name.ends_with(".json") {
        return json::read(name, text);
    }
    if name.ends_with(".hcl") {
        return hcl::read(name, text);
    }
    hcl::read(&format!("{name}.hcl"), text).or_else(|why| json::read(&format!("{name}.json"), text).map_err(|_| why))
}

/// Kinds of blocks that have a label; all others in a bake file are ignored.
const LABELLED: [&str; 4] = ["variable", "function", "group", "target"];
