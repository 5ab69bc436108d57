//! Texts with lines, for saying where something stands.

use std::ops::Range;
use std::rc::Rc;

use hcl_edit::Span;

use crate::error::Place;

/// A file's name, and where its lines begin.
#[derive(Debug)]
pub(crate) struct Source {
    name: Rc<str>,
    /// The whole text; empty for JSON, whose expressions know no places in it.
    text: Box<str>,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    is_json: bool,
}

impl Source {
    /// A file in HCL.
    pub(super) fn hcl(name: &str, text: &str) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name: name.into(), text: text.into(), lines, is_json: false }
    }

    /// A file in JSON.
    pub(super) fn json(name: &str) -> Self {
        Self { name: name.into(), text: Box::default(), lines: Vec::new(), is_json: true }
    }

    /// True if texts are templates, and names are written as texts.
    pub(crate) fn is_json(&self) -> bool {
        self.is_json
    }

    /// Where `node` stands.
    pub(crate) fn place_of(&self, node: &impl Span) -> Place {
        self.place(node.span())
    }

    /// Where these bytes stand.
    pub(crate) fn place(&self, span: Option<Range<usize>>) -> Place {
        let file = Rc::clone(&self.name);
        match span {
            Some(span) if !self.is_json => {
                Place { file, start: self.position(span.start), end: self.position(span.end) }
            }
            _ => Place { file, start: (0, 0), end: (0, 0) },
        }
    }

    fn position(&self, byte: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= byte).max(1);
        let before = self.text.get(self.lines[line - 1]..byte).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}
