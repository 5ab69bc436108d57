//! HCL's own notation.

use std::rc::Rc;

use hcl_edit::Span;
use hcl_edit::structure::{self, BlockLabel, Structure};

use super::{Attribute, Block, Body, Code, Source};
use crate::error::{Error, Place, Result};

/// Reads a file. Depth is bounded by the parser.
pub(super) fn read(name: &str, text: &str) -> Result<Body> {
    let source = Rc::new(Source::hcl(name, text));
    let read = hcl_edit::parser::parse_body(text).map_err(|why| {
        let at = (why.location().line(), why.location().column());
        let place = Place { file: name.into(), start: at, end: (at.0, at.1 + 1) };
        let rest = text.get(why.location().offset()..).unwrap_or_default();
        let (summary, detail) = told(why.message(), rest);
        Error::found(summary, detail, Some(place))
    })?;
    Ok(body(read, &source))
}

/// The words of HCL's own parser for what this one says of `rest`.
fn told(message: &str, rest: &str) -> (&'static str, String) {
    let (what, expected) = message.split_once("; ").unwrap_or(("", message));
    let name = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '-').next();
    let name = name.unwrap_or_default();
    let (summary, detail) = match (what, expected) {
        ("nesting depth" | "binary operation", _) | ("invalid nesting depth" | "invalid binary operation", _) => {
            return ("Invalid expression", format!("The expression is nested too deeply: {expected}."));
        }
        (_, expected) if expected.contains("redefined attribute") => {
            return (
                "Attribute redefined",
                format!("The argument \"{name}\" was already set. Each argument may be set only once."),
            );
        }
        (_, expected) if expected.contains("redefined object key") => {
            return (
                "Invalid object key",
                format!("The key \"{name}\" was already set. Each key may be set only once."),
            );
        }
        ("invalid structure", _) => (
            "Argument or block definition required",
            "An argument or block definition is required here. To set an argument, use the equals sign \"=\" to introduce the argument value.",
        ),
        ("invalid block body", _) => (
            "Unclosed configuration block",
            "There is no closing brace for this block before the end of the file. This may be caused by incorrect brace nesting elsewhere in this file.",
        ),
        ("invalid expression", _) => {
            ("Invalid expression", "Expected the start of an expression, but found an invalid expression token.")
        }
        (_, "expected newline or eof") => {
            ("Missing newline after argument", "An argument definition must end with a newline.")
        }
        (_, "expected `{`") => (
            "Invalid block definition",
            "A block definition must have block content delimited by \"{\" and \"}\", starting on the same line as the block header.",
        ),
        (_, "expected `]`") => ("Missing item separator", "Expected a comma to mark the beginning of the next item."),
        (_, other) => return ("Invalid expression", format!("There is something else than what is {other} here.")),
    };
    (summary, detail.to_owned())
}

fn body(read: structure::Body, source: &Rc<Source>) -> Body {
    let mut body = Body::default();
    for structure in read {
        match structure {
            Structure::Attribute(read) => body.attributes.push(Attribute {
                name: read.key.to_string(),
                place: source.place(read.span()),
                value: Code { expression: read.value, source: Rc::clone(source) },
            }),
            Structure::Block(read) => body.blocks.push(block(read, source)),
        }
    }
    body
}

fn block(read: structure::Block, source: &Rc<Source>) -> Block {
    let start = read.ident.span().map_or(0, |span| span.start);
    let end = read.labels.last().and_then(Span::span).or_else(|| read.ident.span()).map_or(start, |span| span.end);
    let label = |label: &BlockLabel| match label {
        BlockLabel::Ident(name) => name.to_string(),
        BlockLabel::String(text) => text.value().clone(),
    };
    Block {
        kind: read.ident.to_string(),
        labels: read.labels.iter().map(label).collect(),
        body: body(read.body, source),
        place: source.place(Some(start..end)),
    }
}
