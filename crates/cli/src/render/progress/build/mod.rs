//! Progress of builds: BuildKit's plain lines, its live tree, the classic builder's text, and its stream for machines.

mod classic;
mod lines;
mod rawjson;
mod tree;

use std::io;

use super::{Clock, Json, Out, Progress, Quiet};

/// Columns and rows of the terminal; 0 if unknown.
pub type Size = Box<dyn Fn() -> (usize, usize) + Send + Sync>;

/// How a build is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// BuildKit's plain lines.
    Plain,
    /// A live tree, on a terminal.
    Tree,
    /// As the builder before BuildKit, on stdout.
    Classic,
    /// BuildKit's status objects.
    RawJson,
    /// Our own objects, as of every other command.
    Json,
    /// Warnings only.
    Quiet,
}

/// The renderer for `style`, which writes to `out`, its own stream; the classic one writes warnings to `err`.
pub fn renderer(style: Style, out: Out, err: Out, clock: Clock, size: Size) -> Box<dyn Progress> {
    match style {
        Style::Plain => Box::new(lines::Lines::new(out, clock)),
        Style::Tree => Box::new(tree::Tree::new(out, clock, size)),
        Style::Classic => Box::new(classic::Classic::new(out, err)),
        Style::RawJson => Box::new(rawjson::RawJson::new(out)),
        Style::Json => Box::new(Json::new(out, clock)),
        Style::Quiet => Box::new(Quiet::new(out, err)),
    }
}

/// The stream that a style is on.
pub fn stream(style: Style) -> Out {
    match style {
        Style::Classic | Style::Json => Box::new(io::stdout()),
        _ => Box::new(io::stderr()),
    }
}
