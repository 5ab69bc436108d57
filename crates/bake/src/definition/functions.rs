//! Functions that files define.

use hcl_edit::expr::Expression;

use super::{Definition, Missing};
use crate::error::{Error, Failures, Result};
use crate::evaluate::Function;
use crate::functions;
use crate::syntax::{Block, Code, keyword};

impl Definition<'_> {
    pub(super) fn resolve_functions(&mut self) -> Result<()> {
        let names: Vec<&str> = self.functions.keys().copied().collect();
        for name in names {
            self.resolve_function(name).map_err(|why| match why {
                Missing::Undefined(why) | Missing::Wrong(why) => {
                    let block = self.functions[name];
                    let params = block.body.attribute("params").map(|params| params.place.clone());
                    why.located("Invalid function", params.or_else(|| Some(block.place.clone())))
                }
            })?;
        }
        Ok(())
    }

    /// Makes a function ready to be called.
    pub(super) fn resolve_function(&mut self, name: &str) -> Result<(), Missing> {
        if functions::names().any(|known| known == name) || self.ready.contains_key(name) {
            return Ok(());
        }
        let Some(block) = self.functions.get(name).copied() else {
            return Err(Missing::Undefined(Error::new(format!("function \"{name}\" does not exist: undefined"))));
        };
        if !self.begun_functions.insert(name.to_owned()) {
            return Err(Error::new(format!("function cycle not allowed for {name}")).into());
        }
        let function = read(name, block)?;
        let own: Vec<_> = function.parameters.iter().chain(&function.variadic).cloned().collect();
        self.deeper(|it| it.load(&function.result, None, &own, true))?;
        self.ready.insert(name.to_owned(), function);
        Ok(())
    }
}

fn read(name: &str, block: &Block) -> Result<Function> {
    let known = ["params", "variadic_params", "result"];
    if let Some(other) = block.body.attributes.iter().find(|one| !known.contains(&one.name.as_str())) {
        let detail = format!("An argument named \"{}\" is not expected here.", other.name);
        return Err(Error::found("Unsupported argument", detail, Some(other.place.clone())));
    }
    let code = |which: &str| block.body.attribute(which).map(|attribute| &attribute.value);
    let result = code("result").ok_or_else(|| Error::new(format!("empty result not allowed for {name}")))?;
    let params = code("params").ok_or_else(|| Error::new(format!("empty params not allowed for {name}")))?;
    let Expression::Array(array) = &params.expression else {
        let detail = "A static list expression is required.";
        return Err(Error::found("Invalid expression", detail, Some(params.place())));
    };
    let mut failures = Failures::default();
    let is_json = params.source.is_json();
    let parameters = array.iter().filter_map(|parameter| {
        let place = params.source.place_of(parameter);
        failures.note(keyword(parameter, is_json).map(str::to_owned).ok_or_else(|| no_name(place)))
    });
    let parameters = parameters.collect();
    let variadic = code("variadic_params")
        .map(|code: &Code| failures.note(code.keyword().map(str::to_owned).ok_or_else(|| no_name(code.place()))));
    let function = Function { parameters, variadic: variadic.flatten(), result: result.clone() };
    failures.or(function)
}

fn no_name(place: crate::error::Place) -> Error {
    Error::found("Invalid param element", "Each parameter name must be an identifier.", Some(place))
}
