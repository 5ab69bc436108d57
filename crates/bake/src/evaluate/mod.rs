//! What expressions give. Whoever evaluates says what names stand for; nothing here is looked up on the way.

mod call;
mod collections;
mod needs;
mod operations;
mod scope;
mod templates;
mod traversals;

use std::cell::Cell;

use hcl_edit::Span;
use hcl_edit::expr::Expression;

pub(crate) use call::{Callable, Function};
pub(crate) use needs::{Need, needs};
pub(crate) use scope::Scope;
pub(crate) use traversals::element;

use crate::error::{Error, Place, Result};
use crate::functions::Means;
use crate::syntax::{Code, Source};
use crate::value::{Number, Value};

/// What does not change from expression to expression.
pub(crate) trait World {
    /// What stands for this name in a call.
    fn function(&self, name: &str) -> Option<Callable<'_>>;
    /// The names of all functions, for suggestions.
    fn function_names(&self) -> Vec<String>;
    /// The names that functions of files see.
    fn globals(&self) -> &Scope<'_>;
    /// What functions need from outside.
    fn means(&self) -> &Means<'_>;
    /// How much work is left.
    fn budget(&self) -> &Budget;
}

/// How much work is left for all expressions together, so that a small file cannot ask for endless work.
#[derive(Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    /// Enough for any honest file: a step, or eight bytes copied, is one.
    const WHOLE: u64 = 4 << 20;

    /// Nothing spent.
    pub(crate) fn new() -> Self {
        Self(Cell::new(Self::WHOLE))
    }

    /// Notes work, or says that it was too much.
    pub(crate) fn spend(&self, work: usize) -> Result<()> {
        match self.0.get().checked_sub(work as u64) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(Error::new("the expressions of the bake definition take too much work")),
        }
    }
}

/// Evaluates `code` with the names of `scope`.
pub(crate) fn evaluate(code: &Code, scope: &Scope<'_>, world: &dyn World) -> Result<Value> {
    Evaluator { source: &code.source, world, depth: 0 }.value(&code.expression, scope)
}

/// An evaluation under way.
#[derive(Clone, Copy)]
struct Evaluator<'a> {
    source: &'a Source,
    world: &'a dyn World,
    depth: usize,
}

/// How deep expressions nest, functions of files included. The parser allows 192 in one expression.
const MAX_DEPTH: usize = 256;

impl Evaluator<'_> {
    fn value(self, expression: &Expression, scope: &Scope<'_>) -> Result<Value> {
        self.world.budget().spend(1).map_err(|why| why.located("Invalid expression", self.place(expression)))?;
        if self.depth >= MAX_DEPTH {
            return Err(self.wrong("Invalid expression", "The expression is nested too deeply.", expression));
        }
        let inner = Self { depth: self.depth + 1, ..self };
        match expression {
            Expression::Null(_) => Ok(Value::Null),
            Expression::Bool(truth) => Ok(Value::Bool(*truth.value())),
            Expression::Number(number) => inner.number(number.value()),
            Expression::String(text) => Ok(Value::text(text.as_str())),
            Expression::Parenthesis(parenthesis) => inner.value(parenthesis.inner(), scope),
            Expression::Array(array) => inner.array(array, scope),
            Expression::Object(object) => inner.object(object, scope),
            Expression::StringTemplate(template) => inner.string_template(template, scope),
            Expression::HeredocTemplate(heredoc) => inner.template(&heredoc.template, scope).map(Value::String),
            Expression::Variable(name) => inner.variable(name.as_str(), expression, scope),
            Expression::Conditional(conditional) => inner.conditional(conditional, scope),
            Expression::FuncCall(call) => inner.call(call, scope),
            Expression::Traversal(traversal) => inner.traversal(traversal, scope),
            Expression::UnaryOp(operation) => inner.unary(operation, scope),
            Expression::BinaryOp(operation) => inner.binary(operation, scope),
            Expression::ForExpr(each) => inner.each(each, scope),
        }
    }

    fn number(self, number: &hcl_edit::Number) -> Result<Value> {
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)).map(Number::Whole);
        let read = whole.or_else(|| number.as_f64().and_then(Number::of));
        read.map(Value::Number).ok_or_else(|| Error::new("a number is too big"))
    }

    fn variable(self, name: &str, at: &impl Span, scope: &Scope<'_>) -> Result<Value> {
        let value = scope.value(name).ok_or_else(|| self.unknown_variable(name, at, scope))?;
        self.world.budget().spend(value.size())?;
        Ok(value.clone())
    }

    fn unknown_variable(self, name: &str, at: &impl Span, scope: &Scope<'_>) -> Error {
        let suggestion = suggestion(name, scope.names());
        self.wrong("Unknown variable", &format!("There is no variable named \"{name}\".{suggestion}"), at)
    }

    fn place(self, node: &impl Span) -> Option<Place> {
        Some(self.source.place_of(node))
    }

    fn wrong(self, summary: &str, detail: &str, node: &impl Span) -> Error {
        Error::found(summary, detail, self.place(node))
    }
}

/// A name that is nearly the one that was looked for, as the end of a message.
fn suggestion<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let near = known.into_iter().find(|known| distance(name, known) < 3);
    near.map(|near| format!(" Did you mean \"{near}\"?")).unwrap_or_default()
}

/// How many letters have to be inserted, left out or replaced. Far apart for long names, which nobody mistypes that badly.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, a) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, b) in b.iter().enumerate() {
            let replaced = corner + usize::from(a != *b);
            corner = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}
