//! Instructions by stage: what a whole file says, still unexpanded.

use super::instruction::{From, Instruction, Kind};
use super::{Dockerfile, Lines};
use crate::lint::{Linter, Rule};
use crate::{Error, Result};

/// A file by stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stages {
    /// The ARGs before the first FROM.
    pub(crate) globals: Vec<Instruction>,
    /// What each FROM begins.
    pub(crate) all: Vec<Section>,
}

/// A FROM with what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// What FROM says.
    pub(crate) from: From,
    /// Its keyword as it is written.
    pub(crate) keyword: String,
    /// Where it stands.
    pub(crate) lines: Lines,
    /// As it is written.
    pub(crate) written: String,
    /// The comments before it.
    pub(crate) comments: Vec<String>,
    /// The instructions up to the next FROM.
    pub(crate) instructions: Vec<Instruction>,
}

impl Stages {
    /// Reads the instructions of a file.
    pub(crate) fn read(dockerfile: &Dockerfile, linter: &mut Linter) -> Result<Self> {
        for line in &dockerfile.empty_continuations {
            let lines = Lines { first: *line, last: *line };
            linter.report(Rule::NoEmptyContinuation, lines, "Empty continuation line", &[]);
        }
        let mut stages = Self { globals: Vec::new(), all: Vec::new() };
        for node in &dockerfile.nodes {
            let instruction = Instruction::check(node, linter)
                .map_err(|why| why.under(format_args!("dockerfile parse error on line {}: ", node.lines.first)))?;
            match instruction.kind {
                Kind::From(from) => stages.all.push(Section {
                    from,
                    keyword: instruction.keyword,
                    lines: instruction.lines,
                    written: instruction.written,
                    comments: instruction.comments,
                    instructions: Vec::new(),
                }),
                Kind::Arg(_) if stages.all.is_empty() => stages.globals.push(instruction),
                _ => match stages.all.last_mut() {
                    Some(stage) => stage.instructions.push(instruction),
                    None => return Err(Error::new("no build stage in current context").at(node.lines)),
                },
            }
        }
        Ok(stages)
    }
}
