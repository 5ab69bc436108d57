//! Calls of functions: the standard ones and those that files define.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, FuncCall};

use super::{Evaluator, Scope, suggestion};
use crate::definition::type_of;
use crate::error::{Error, Failures, Result};
use crate::functions::{Builtin, Failure};
use crate::syntax::Code;
use crate::value::{Value, convert};

/// What can be called.
pub(crate) enum Callable<'a> {
    /// A standard function.
    Builtin(&'static Builtin),
    /// One that a file defines.
    Defined(&'a Function),
}

/// A function that a file defines.
#[derive(Debug)]
pub(crate) struct Function {
    /// The names of its arguments.
    pub(crate) parameters: Vec<String>,
    /// The name of all arguments beyond them.
    pub(crate) variadic: Option<String>,
    /// What it gives.
    pub(crate) result: Code,
}

impl Evaluator<'_> {
    pub(super) fn call(self, call: &FuncCall, scope: &Scope<'_>) -> Result<Value> {
        let name = call.name.name.as_str();
        match name {
            "try" => return self.first_of(call, scope),
            "can" => return self.works(call, scope),
            "convert" => return self.converted(call, scope),
            _ => {}
        }
        let Some(callable) = self.world.function(name) else {
            let known = self.world.function_names();
            let suggestion = suggestion(name, known.iter().map(String::as_str));
            let detail = format!("There is no function named \"{name}\".{suggestion}");
            return Err(self.wrong("Call to unknown function", &detail, call));
        };
        let arguments = self.arguments(call, scope)?;
        match callable {
            Callable::Builtin(builtin) => self.builtin(builtin, arguments, call),
            Callable::Defined(function) => self.defined(name, function, arguments, call),
        }
    }

    fn arguments(self, call: &FuncCall, scope: &Scope<'_>) -> Result<Vec<Value>> {
        let mut failures = Failures::default();
        let mut values: Vec<_> = call.args.iter().filter_map(|one| failures.note(self.value(one, scope))).collect();
        if call.args.expand_final() && values.len() == call.args.len() {
            let wrong = |detail: &str| self.wrong("Invalid expanding argument value", detail, call);
            match values.pop() {
                Some(Value::Null) => {
                    failures.note::<()>(Err(wrong("The expanding argument (indicated by ...) must not be null.")))
                }
                Some(last) => match last.sequence() {
                    Some(elements) => {
                        failures.note(self.world.budget().spend(last.size()));
                        values.extend_from_slice(elements);
                        None
                    }
                    None => failures.note::<()>(Err(wrong(
                        "The expanding argument (indicated by ...) must be of a tuple, list, or set type.",
                    ))),
                },
                None => None,
            };
        }
        failures.or(values)
    }

    fn builtin(self, builtin: &Builtin, mut arguments: Vec<Value>, call: &FuncCall) -> Result<Value> {
        let name = builtin.name;
        self.check_count(
            name,
            builtin.parameters.iter().map(|one| one.name),
            builtin.rest.is_some(),
            arguments.len(),
            call,
        )?;
        let parameters = || builtin.parameters.iter().chain(builtin.rest.iter().cycle());
        for ((at, value), parameter) in arguments.iter_mut().enumerate().zip(parameters()) {
            let given = std::mem::replace(value, Value::Null);
            if given == Value::Null && !parameter.takes.null() {
                return Err(self.invalid_argument(parameter.name, "argument must not be null", at, call));
            }
            *value = convert(given, &parameter.takes.of())
                .map_err(|why| self.invalid_argument(parameter.name, &why, at, call))?;
        }
        let cost = arguments.iter().map(Value::size).sum();
        self.world.budget().spend(cost).map_err(|why| self.failed(name, &why.to_string(), call))?;
        let result = (builtin.call)(&arguments, self.world.means()).map_err(|failure| match failure {
            Failure::Call(why) => self.failed(name, &why, call),
            Failure::Argument(at, why) => {
                let parameter = parameters().nth(at).map_or("", |one| one.name);
                self.invalid_argument(parameter, &why, at, call)
            }
        })?;
        self.world.budget().spend(result.size()).map_err(|why| self.failed(name, &why.to_string(), call))?;
        Ok(result)
    }

    fn defined(self, name: &str, function: &Function, mut arguments: Vec<Value>, call: &FuncCall) -> Result<Value> {
        let names = function.parameters.iter().map(String::as_str);
        self.check_count(name, names, function.variadic.is_some(), arguments.len(), call)?;
        let rest = arguments.split_off(function.parameters.len());
        let mut names: BTreeMap<_, _> = function.parameters.iter().cloned().zip(arguments).collect();
        names.extend(function.variadic.iter().map(|name| (name.clone(), Value::Tuple(rest.clone()))));
        let scope = Scope::inside(self.world.globals(), names);
        let inner = Evaluator { source: &function.result.source, world: self.world, depth: self.depth };
        let result = inner.value(&function.result.expression, &scope)?;
        if result.is_too_deep() {
            return Err(self.failed(name, "the result is nested too deeply", call));
        }
        Ok(result)
    }

    fn check_count<'n>(
        self,
        name: &str,
        mut parameters: impl ExactSizeIterator<Item = &'n str>,
        has_rest: bool,
        given: usize,
        call: &FuncCall,
    ) -> Result<()> {
        let wanted = parameters.len();
        if given < wanted {
            let missing = parameters.nth(given).unwrap_or_default();
            let least = if has_rest { " at least" } else { "" };
            let detail =
                format!("Function \"{name}\" expects{least} {wanted} argument(s). Missing value for \"{missing}\".");
            return Err(self.wrong("Not enough function arguments", &detail, call));
        }
        if given > wanted && !has_rest {
            let detail = format!("Function \"{name}\" expects only {wanted} argument(s).");
            return Err(self.wrong("Too many function arguments", &detail, call));
        }
        Ok(())
    }

    fn failed(self, name: &str, why: &str, call: &FuncCall) -> Error {
        self.wrong("Error in function call", &format!("Call to function \"{name}\" failed: {why}."), call)
    }

    fn invalid_argument(self, parameter: &str, why: &str, at: usize, call: &FuncCall) -> Error {
        let detail = format!("Invalid value for \"{parameter}\" parameter: {why}.");
        let place = call.args.get(at).map_or_else(|| call.span(), Span::span);
        Error::found("Invalid function argument", detail, Some(self.source.place(place)))
    }

    /// `try`: the first argument that works.
    fn first_of(self, call: &FuncCall, scope: &Scope<'_>) -> Result<Value> {
        if call.args.is_empty() {
            return Err(self.failed("try", "at least one argument is required", call));
        }
        let mut whys = Vec::new();
        for argument in call.args.iter() {
            match self.value(argument, scope) {
                Ok(value) => return Ok(value),
                Err(why) => whys.push(why.to_string()),
            }
        }
        let detail = format!(
            "no expression succeeded:\n- {}\n\nAt least one expression must produce a successful result",
            whys.join("\n- ")
        );
        Err(self.failed("try", &detail, call))
    }

    /// `can`: whether the argument works.
    fn works(self, call: &FuncCall, scope: &Scope<'_>) -> Result<Value> {
        let argument = self.only_arguments::<1>("can", &["expression"], call)?[0];
        Ok(Value::Bool(self.value(argument, scope).is_ok()))
    }

    /// `convert`: the first argument as one of the type that the second names.
    fn converted(self, call: &FuncCall, scope: &Scope<'_>) -> Result<Value> {
        let [value, want] = self.only_arguments::<2>("convert", &["value", "type"], call)?;
        let want = type_of(want, self.source)?;
        let value = self.value(value, scope)?;
        convert(value, &want).map_err(|why| self.invalid_argument("value", &why, 0, call))
    }

    fn only_arguments<'c, const N: usize>(
        self,
        name: &str,
        parameters: &[&str; N],
        call: &'c FuncCall,
    ) -> Result<[&'c Expression; N]> {
        self.check_count(name, parameters.iter().copied(), false, call.args.len(), call)?;
        let arguments: Vec<_> = call.args.iter().collect();
        arguments.try_into().map_err(|_| self.failed(name, "wrong number of arguments", call))
    }
}
