//! Values of pipelines: commands, fields, variables and arguments.

use super::ast::{Command, Operand, Pipeline, Term};
use super::eval::{Evaluated, Run};
use super::functions::{Function, Param};
use super::literal::Number;
use crate::render::quote::quote;
use crate::render::value::{StructKind, Value};

impl<'t> Run<'t> {
    /// The value of a pipeline. Variables that it declares stay until the end of the list around it.
    pub(super) fn pipeline(&mut self, dot: &Value, pipe: &'t Pipeline) -> Evaluated<Value> {
        self.deeper(|run| {
            run.at(pipe.pos, pipe);
            let mut value = None;
            for command in &pipe.commands {
                value = Some(run.command(dot, command, value)?);
            }
            let value = value.unwrap_or(Value::Missing);
            for name in &pipe.variables {
                if pipe.assigns {
                    run.assign(name, value.clone())?;
                } else {
                    run.variables.push((name, value.clone()));
                }
            }
            Ok(value)
        })
    }

    /// Gives a variable that exists a new value.
    pub(super) fn assign(&mut self, name: &str, value: Value) -> Evaluated<()> {
        match self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            Some(slot) => slot.1 = value,
            None => return self.fail(format_args!("undefined variable: {name}")),
        }
        Ok(())
    }

    /// `last` is what the command before passes on.
    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Evaluated<Value> {
        self.charge(0)?;
        let [first, args @ ..] = command.args.as_slice() else {
            return Ok(Value::Missing);
        };
        match &first.what {
            Term::Field(_) | Term::Chain(..) | Term::Variable(_) => self.path(dot, first, args, last),
            Term::Function(function) => self.call(dot, function, args, last, &|run| run.at(command.pos, command)),
            Term::Pipeline(pipe) => {
                self.no_arguments(first, args, last.as_ref())?;
                self.pipeline(dot, pipe)
            }
            _ => {
                self.at(first.pos, first);
                self.no_arguments(first, args, last.as_ref())?;
                if matches!(first.what, Term::Nil) {
                    return self.fail("nil is not a command");
                }
                self.literal(dot, first)
            }
        }
    }

    fn no_arguments(&self, first: &Operand, args: &[Operand], last: Option<&Value>) -> Evaluated<()> {
        if args.is_empty() && last.is_none() {
            return Ok(());
        }
        self.fail(format_args!("can't give argument to non-function {first}"))
    }

    fn literal(&mut self, dot: &Value, operand: &'t Operand) -> Evaluated<Value> {
        Ok(match &operand.what {
            Term::Dot => dot.clone(),
            Term::Bool(value) => Value::Bool(*value),
            Term::Str(text, _) => Value::Str(text.clone()),
            Term::Number(number) => self.number(number)?,
            _ => Value::Nil,
        })
    }

    /// A number where nothing says which type is wanted: its form decides.
    fn number(&self, number: &Number) -> Evaluated<Value> {
        match (number.is_float(), number.float, number.int) {
            (true, Some(value), _) => Ok(Value::Float(value)),
            (_, _, Some(value)) => Ok(Value::Int(value)),
            _ => self.fail(format_args!("{} overflows int", number.text)),
        }
    }

    /// A variable, a field or a chain, perhaps called with arguments.
    fn path(
        &mut self,
        dot: &Value,
        operand: &'t Operand,
        args: &'t [Operand],
        last: Option<Value>,
    ) -> Evaluated<Value> {
        self.at(operand.pos, operand);
        let (start, names) = match &operand.what {
            Term::Field(names) => (dot.clone(), names.as_slice()),
            Term::Variable(names) => {
                let found = self.variables.iter().rev().find(|(known, _)| *known == names[0]);
                let Some((_, value)) = found else {
                    return self.fail(format_args!("undefined variable: {}", names[0]));
                };
                (value.clone(), &names[1..])
            }
            Term::Chain(inner, names) => {
                if matches!(inner.what, Term::Nil) {
                    return self.fail(format_args!("indirection through explicit nil in {operand}"));
                }
                (self.argument(dot, Param::Any, inner)?, names.as_slice())
            }
            _ => unreachable!("only these terms are paths"),
        };
        let Some((name, path)) = names.split_last() else {
            self.no_arguments(operand, args, last.as_ref())?;
            return Ok(start);
        };
        let mut value = start;
        for name in path {
            value = self.field(dot, &value, name, operand, &[], None)?;
        }
        self.field(dot, &value, name, operand, args, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        of: &Value,
        name: &str,
        operand: &'t Operand,
        args: &'t [Operand],
        last: Option<Value>,
    ) -> Evaluated<Value> {
        let found = match of {
            // A key that is missing, or anything below it, has no value; that is no error.
            Value::Missing | Value::Map(None) => return Ok(Value::Missing),
            Value::Nil => return self.fail(format_args!("nil pointer evaluating interface {{}}.{name}")),
            Value::Map(Some(entries)) => entries.get(name),
            Value::Struct(object) => match (object.field(name), object.kind) {
                (None, StructKind::Document) => {
                    return self.fail(format_args!("map has no entry for key {}", quote(name)));
                }
                (None, _) => return self.cannot_evaluate(of, name),
                (found, _) => found,
            },
            _ => return self.cannot_evaluate(of, name),
        };
        let has_arguments = !args.is_empty() || last.is_some();
        match found {
            Some(Value::Method(method)) => {
                let mut values = Vec::with_capacity(args.len() + 1);
                for arg in args {
                    values.push(self.argument(dot, Param::Any, arg)?);
                }
                values.extend(last);
                self.at(operand.pos, operand);
                method(&values).or_else(|why| self.called(name, &why))
            }
            _ if has_arguments => {
                let is_map = matches!(of, Value::Map(_));
                let rule = if is_map {
                    "is not a method but has arguments"
                } else {
                    "has arguments but cannot be invoked as function"
                };
                self.fail(format_args!("{name} {rule}"))
            }
            Some(value) => Ok(value.clone()),
            None => Ok(Value::Missing),
        }
    }

    fn cannot_evaluate<T>(&self, of: &Value, name: &str) -> Evaluated<T> {
        // Documents are read as docker reads them in the end: as JSON, whose values have no types.
        let is_document = matches!(self.variables.first(), Some((_, Value::Struct(object))) if object.is_document());
        let kind = if is_document { "interface {}" } else { of.type_name() };
        self.fail(format_args!("can't evaluate field {name} in type {kind}"))
    }

    /// The message of a call that failed. Wrong numbers of arguments are the template's mistake, not the function's.
    fn called<T>(&self, name: &str, why: &str) -> Evaluated<T> {
        if why.starts_with("wrong number of args for ") {
            return self.fail(why);
        }
        self.fail(format_args!("error calling {name}: {why}"))
    }

    /// Calls a function; `locate` points messages at the call.
    fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        args: &'t [Operand],
        last: Option<Value>,
        locate: &dyn Fn(&mut Self),
    ) -> Evaluated<Value> {
        let name = function.name;
        // Messages about the arguments' number point at the function's name, which every call begins with.
        locate(self);
        self.narrow(&function.name);
        let given = args.len() + usize::from(last.is_some());
        if function.is_variadic && given < function.params.len() {
            let (want, got) = (function.params.len(), args.len());
            return self.fail(format_args!("wrong number of args for {name}: want at least {want} got {got}"));
        }
        if !function.is_variadic && given != function.params.len() {
            return self
                .fail(format_args!("wrong number of args for {name}: want {} got {given}", function.params.len()));
        }
        if matches!(name, "and" | "or") {
            let mut value = Value::Missing;
            for arg in args {
                value = self.argument(dot, Param::Any, arg)?;
                if value.is_true() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let param = |index: usize| function.param(index, self.mode);
        let params: Vec<Param> = (0..given).map(param).collect();
        let mut values = Vec::with_capacity(given);
        for (arg, param) in args.iter().zip(&params) {
            values.push(self.argument(dot, *param, arg)?);
        }
        if let Some(last) = last {
            values.push(self.checked(params[args.len()], last)?);
        }
        locate(self);
        if let ("call", [called, ..], [value, ..]) = (name, args, values.as_slice())
            && !matches!(value, Value::Nil | Value::Missing)
        {
            let kind = value.type_name();
            return self.called(name, &format!("non-function {called} of type {kind}"));
        }
        let result = function.call(&values, self.mode).or_else(|why| self.called(name, &why))?;
        self.charge(weight(&result))?;
        Ok(result)
    }

    /// The value of one argument, which must suit `param`.
    fn argument(&mut self, dot: &Value, param: Param, operand: &'t Operand) -> Evaluated<Value> {
        self.at(operand.pos, operand);
        let value = match &operand.what {
            Term::Nil if param == Param::Any => return Ok(Value::Nil),
            Term::Nil => return self.fail(format_args!("cannot assign nil to {}", param.type_name())),
            Term::Dot => dot.clone(),
            Term::Field(_) | Term::Variable(_) | Term::Chain(..) => self.path(dot, operand, &[], None)?,
            Term::Pipeline(pipe) => self.pipeline(dot, pipe)?,
            Term::Function(function) => self.call(dot, function, &[], None, &|run| run.at(operand.pos, operand))?,
            Term::Number(number) if param == Param::Int => match number.int {
                Some(value) => Value::Int(value),
                None => return self.fail(format_args!("expected integer; found {operand}")),
            },
            Term::Bool(_) | Term::Str(..) | Term::Number(_) => {
                let value = self.literal(dot, operand)?;
                if !param.accepts(&value) {
                    return self.fail(format_args!("expected {}; found {operand}", param.noun()));
                }
                value
            }
        };
        self.checked(param, value)
    }

    fn checked(&self, param: Param, value: Value) -> Evaluated<Value> {
        if param.accepts(&value) {
            return Ok(value);
        }
        let wanted = param.type_name();
        match value {
            Value::Missing | Value::Nil => self.fail(format_args!("invalid value; expected {wanted}")),
            value => self.fail(format_args!("wrong type for value; expected {wanted}; got {}", value.type_name())),
        }
    }
}

/// What a result counts for in memory, roughly.
fn weight(value: &Value) -> usize {
    match value {
        Value::Str(text) => text.len(),
        Value::List(Some(items)) => items.len() * ELEMENT_BYTES,
        _ => 0,
    }
}

/// A short text in a list: the value, its count and its characters.
pub(super) const ELEMENT_BYTES: usize = 64;
