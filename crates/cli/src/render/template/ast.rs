//! The shape of a parsed template. `Display` writes a part back the way error messages quote it.

use std::fmt::{self, Display, Formatter};
use std::rc::Rc;

use super::functions::Function;
use super::literal::Number;
use crate::render::quote::quote;

/// Things that stand one after the other.
pub(super) type List = Vec<Node>;

/// Text or an action.
#[derive(Debug)]
pub(super) enum Node {
    /// Printed as it is.
    Text(String),
    /// A value to print, or a declaration.
    Action(Pipeline),
    /// `if`.
    If(Branch),
    /// `with`.
    With(Branch),
    /// `range`.
    Range(Branch),
    /// `template`, and the place of a `block`.
    Template(Invocation),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
}

/// A pipeline with what depends on it.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipeline,
    pub(super) then: List,
    pub(super) otherwise: Option<List>,
}

/// A call of a named template.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) pos: usize,
    pub(super) name: String,
    pub(super) pipe: Option<Pipeline>,
}

/// Commands that pass values on, with the variables that take the result.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) pos: usize,
    pub(super) variables: Vec<String>,
    /// Whether the variables exist already.
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// An operand, followed by arguments if it is called.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) pos: usize,
    pub(super) args: Vec<Operand>,
}

/// One word of a command.
#[derive(Debug)]
pub(super) struct Operand {
    pub(super) pos: usize,
    pub(super) what: Term,
}

/// What an operand is.
#[derive(Debug)]
pub(super) enum Term {
    /// `.`.
    Dot,
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A number or a character.
    Number(Number),
    /// Text, and how it was written.
    Str(Rc<str>, String),
    /// `.A.B`.
    Field(Vec<String>),
    /// `$x.A.B`; the first name keeps its `$`.
    Variable(Vec<String>),
    /// A function's name.
    Function(&'static Function),
    /// A pipeline in parentheses.
    Pipeline(Box<Pipeline>),
    /// Fields of something that is neither a field nor a variable.
    Chain(Box<Operand>, Vec<String>),
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            write!(f, "{} {} ", self.variables.join(", "), if self.assigns { "=" } else { ":=" })?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            write!(f, "{}{command}", if index > 0 { " | " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, arg) in self.args.iter().enumerate() {
            write!(f, "{}{arg}", if index > 0 { " " } else { "" })?;
        }
        Ok(())
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.what {
            Term::Dot => f.write_str("."),
            Term::Nil => f.write_str("nil"),
            Term::Bool(value) => write!(f, "{value}"),
            Term::Number(number) => f.write_str(&number.text),
            Term::Str(_, quoted) => f.write_str(quoted),
            Term::Field(names) => names.iter().try_for_each(|name| write!(f, ".{name}")),
            Term::Variable(names) => f.write_str(&names.join(".")),
            Term::Function(function) => f.write_str(function.name),
            Term::Pipeline(pipe) => write!(f, "({pipe})"),
            Term::Chain(operand, names) => {
                write!(f, "{operand}")?;
                names.iter().try_for_each(|name| write!(f, ".{name}"))
            }
        }
    }
}

impl Display for Invocation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{template {}", quote(&self.name))?;
        if let Some(pipe) = &self.pipe {
            write!(f, " {pipe}")?;
        }
        f.write_str("}}")
    }
}
