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
        let message = why.message();
        let (summary, detail) = match message.split_once("; ") {
            Some((what, rest)) => (capitalised(what), capitalised(rest)),
            None => ("Invalid expression".to_owned(), capitalised(message)),
        };
        Error::found(summary, format!("{detail}."), Some(place))
    })?;
    Ok(body(read, &source))
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
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
