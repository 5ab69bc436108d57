//! Runs a template: walks the tree, prints, and keeps the work within bounds.

use std::fmt::Display;

use super::Mode;
use super::ast::{Branch, Invocation, List, Node, Pipeline};
use super::error::ExecError;
use super::parser::Definitions;
use super::print;
use crate::render::quote::quote;
use crate::render::value::Value;

/// 16 MiB: more than any listing, far less than memory.
pub(super) const MAX_OUTPUT: usize = 16 << 20;
/// Work a template may cause, in bytes of text made. 256 MiB bounds both time (seconds) and memory.
const MAX_WORK: usize = 256 << 20;
/// What one step costs, whatever it does: a million of them are too many.
const STEP_COST: usize = 256;
/// Lists and templates inside each other while running.
const MAX_DEPTH: usize = 400;

/// Why a walk stops early.
pub(super) enum Stop {
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// An error; its whole text.
    Failed(String),
}

/// The result of anything that may fail; the error is the whole message.
pub(super) type Evaluated<T> = Result<T, String>;

/// The part of the template that is being evaluated, for messages.
#[derive(Clone, Copy)]
pub(super) struct At<'t> {
    pos: usize,
    part: &'t dyn Display,
}

/// Everything that changes while a template runs.
pub(super) struct Run<'t> {
    text: &'t str,
    defined: &'t Definitions,
    pub(super) mode: Mode,
    out: String,
    /// The name of the template being run.
    name: &'t str,
    pub(super) at: Option<At<'t>>,
    pub(super) variables: Vec<(&'t str, Value)>,
    depth: usize,
    work: usize,
}

/// Runs the unnamed template of `defined`, which was parsed from `text`.
pub(super) fn run(text: &str, defined: &Definitions, dot: &Value, mode: Mode) -> Result<String, ExecError> {
    let mut run = Run {
        text,
        defined,
        mode,
        out: String::new(),
        name: "",
        at: None,
        variables: vec![("$", dot.clone())],
        depth: 0,
        work: 0,
    };
    let root = defined.get("").expect("parsing defines the unnamed template");
    match run.list(dot, root) {
        Ok(()) => Ok(run.out),
        Err(Stop::Failed(text)) => Err(ExecError { text, rendered: run.out }),
        Err(Stop::Break | Stop::Continue) => unreachable!("the parser refuses break and continue outside of range"),
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Stop {
        Stop::Failed(text)
    }
}

impl<'t> Run<'t> {
    /// Notes what messages should point at.
    pub(super) fn at(&mut self, pos: usize, part: &'t dyn Display) {
        self.at = Some(At { pos, part });
    }

    /// Points messages at a piece of what they point at, which begins there.
    pub(super) fn narrow(&mut self, part: &'t dyn Display) {
        self.at = self.at.map(|at| At { part, ..at });
    }

    /// A message with the position and the part being evaluated.
    pub(super) fn error(&self, message: impl Display) -> String {
        let Some(At { pos, part }) = self.at else {
            return format!("template: : {message}");
        };
        let before = &self.text[..pos];
        let line = 1 + before.matches('\n').count();
        let column = pos - before.rfind('\n').map_or(0, |newline| newline + 1);
        format!("template: :{line}:{column}: executing {} at <{part}>: {message}", quote(self.name))
    }

    pub(super) fn fail<T>(&self, message: impl Display) -> Evaluated<T> {
        Err(self.error(message))
    }

    /// Accounts for `bytes` of work.
    pub(super) fn charge(&mut self, bytes: usize) -> Evaluated<()> {
        self.work = self.work.saturating_add(bytes).saturating_add(STEP_COST);
        if self.work > MAX_WORK { self.fail("the template does too much") } else { Ok(()) }
    }

    /// Runs `inner` one level deeper.
    pub(super) fn deeper<T, E: From<String>>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format_args!("exceeded maximum template depth ({MAX_DEPTH})")).into());
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn print(&mut self, text: &str) -> Evaluated<()> {
        if self.out.len() + text.len() > MAX_OUTPUT {
            return self.fail(format_args!("output is longer than {MAX_OUTPUT} bytes"));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn list(&mut self, dot: &Value, list: &'t List) -> Result<(), Stop> {
        self.deeper(|run| list.iter().try_for_each(|node| run.node(dot, node)))
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Result<(), Stop> {
        self.charge(0)?;
        match node {
            Node::Text(text) => self.print(text)?,
            Node::Action(pipe) => self.action(dot, pipe)?,
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                // Variables of the pipeline, even of one in parentheses, end with the branch.
                let mark = self.variables.len();
                let value = self.pipeline(dot, &branch.pipe)?;
                match node {
                    Node::Range(_) => self.range(dot, &value, branch)?,
                    Node::With(_) => self.branch(dot, value.is_true().then_some(&value), branch)?,
                    _ => self.branch(dot, value.is_true().then_some(dot), branch)?,
                }
                self.variables.truncate(mark);
            }
            Node::Template(invocation) => self.template(dot, invocation)?,
            Node::Break => return Err(Stop::Break),
            Node::Continue => return Err(Stop::Continue),
        }
        Ok(())
    }

    fn action(&mut self, dot: &Value, pipe: &'t Pipeline) -> Evaluated<()> {
        let value = self.pipeline(dot, pipe)?;
        if !pipe.variables.is_empty() {
            return Ok(());
        }
        self.at(pipe.pos, pipe);
        match &value {
            Value::Str(text) => self.print(text),
            Value::Method(_) => self.fail(format_args!("can't print {{{{{pipe}}}}} of type func")),
            Value::Missing => self.print("<no value>"),
            value => {
                let text = print::plain(value);
                self.charge(text.len())?;
                self.print(&text)
            }
        }
    }

    /// Runs the first list with `taken` as dot, or the second one without it.
    fn branch(&mut self, outside: &Value, taken: Option<&Value>, branch: &'t Branch) -> Result<(), Stop> {
        match (taken, &branch.otherwise) {
            (Some(dot), _) => self.list(dot, &branch.then),
            (None, Some(list)) => self.list(outside, list),
            (None, None) => Ok(()),
        }
    }

    fn range(&mut self, outside: &Value, value: &Value, branch: &'t Branch) -> Result<(), Stop> {
        let any = self.iterate(value, branch)?;
        match &branch.otherwise {
            Some(list) if !any => self.list(outside, list),
            _ => Ok(()),
        }
    }

    /// Whether there was anything to go through.
    fn iterate(&mut self, value: &Value, branch: &'t Branch) -> Result<bool, Stop> {
        match value {
            Value::List(Some(items)) => self.each(branch, (0_i64..).map(Value::Int).zip(items.iter().cloned())),
            Value::Map(Some(entries)) => {
                let visible = entries.iter().filter(|(_, value)| !matches!(value, Value::Method(_)));
                self.each(branch, visible.map(|(key, value)| (Value::str(key), value.clone())))
            }
            Value::Struct(object) if object.is_document() => {
                self.each(branch, object.entries().into_iter().map(|(key, value)| (Value::str(key), value.clone())))
            }
            Value::Int(count) => {
                if branch.pipe.variables.len() > 1 {
                    return self.fail(format_args!("can't use {count} to iterate over more than one variable"))?;
                }
                self.each(branch, (0..*count).map(|number| (Value::Missing, Value::Int(number))))
            }
            Value::Missing | Value::Nil | Value::List(None) | Value::Map(None) => Ok(false),
            other => self.fail(format_args!("range can't iterate over {}", print::plain(other)))?,
        }
    }

    fn each(&mut self, branch: &'t Branch, items: impl Iterator<Item = (Value, Value)>) -> Result<bool, Stop> {
        let mark = self.variables.len();
        let mut any = false;
        for (index, element) in items {
            any = true;
            self.charge(0)?;
            let names = &branch.pipe.variables;
            let values = [index, element.clone()];
            // With one variable it is the element, with two the index comes first.
            for (place, (name, value)) in names.iter().zip(&values[2 - names.len()..]).enumerate() {
                if branch.pipe.assigns {
                    self.assign(name, value.clone())?;
                } else {
                    self.variables[mark - names.len() + place].1 = value.clone();
                }
            }
            let result = self.list(&element, &branch.then);
            self.variables.truncate(mark);
            match result {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(failed) => return Err(failed),
            }
        }
        Ok(any)
    }

    fn template(&mut self, dot: &Value, invocation: &'t Invocation) -> Result<(), Stop> {
        self.at(invocation.pos, invocation);
        let Some((name, list)) = self.defined.get_key_value(&invocation.name) else {
            return Ok(self.fail(format_args!("template {} not defined", quote(&invocation.name)))?);
        };
        let dot = match &invocation.pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Missing,
        };
        let outside = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let caller = std::mem::replace(&mut self.name, name);
        self.list(&dot, list)?;
        self.variables = outside;
        self.name = caller;
        Ok(())
    }
}
