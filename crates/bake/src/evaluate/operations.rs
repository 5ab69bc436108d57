//! Operators, and the choice between two values.

use hcl_edit::Span;
use hcl_edit::expr::{BinaryOp, BinaryOperator, Conditional, Expression, UnaryOp, UnaryOperator};

use super::{Evaluator, Scope};
use crate::error::{Failures, Result};
use crate::value::{Number, Type, Value, convert, unify};

impl Evaluator<'_> {
    pub(super) fn conditional(self, choice: &Conditional, scope: &Scope<'_>) -> Result<Value> {
        let condition = self.value(&choice.cond_expr, scope).and_then(|value| self.condition(value, &choice.cond_expr));
        let is_true = condition?;
        let (if_true, if_false) = (self.value(&choice.true_expr, scope), self.value(&choice.false_expr, scope));
        // What fails in the branch that is not taken does not matter; its type does, if it has one.
        let kind = |branch: &Result<Value>| branch.as_ref().map_or(Type::Any, Value::kind);
        let common = unify(&[kind(&if_true), kind(&if_false)]);
        let chosen = if is_true { if_true } else { if_false }?;
        let common = common.ok_or_else(|| {
            let detail = "The true and false result expressions must have consistent types.";
            self.wrong("Inconsistent conditional result types", detail, choice)
        })?;
        convert(chosen, &common).map_err(|why| {
            let detail = format!("The true and false result expressions must have consistent types: {why}.");
            self.wrong("Inconsistent conditional result types", &detail, choice)
        })
    }

    /// The truth that a condition is.
    pub(super) fn condition(self, value: Value, at: &impl Span) -> Result<bool> {
        match convert(value, &Type::Bool) {
            Ok(Value::Bool(truth)) => Ok(truth),
            Ok(_) => {
                let detail = "The condition value is null. Conditions must either be true or false.";
                Err(self.wrong("Null condition", detail, at))
            }
            Err(_) => Err(self.wrong("Incorrect condition type", "The condition expression must be of type bool.", at)),
        }
    }

    pub(super) fn unary(self, operation: &UnaryOp, scope: &Scope<'_>) -> Result<Value> {
        let value = self.value(&operation.expr, scope)?;
        match operation.operator.value() {
            UnaryOperator::Neg => {
                let number = self.number_operand(value, &operation.expr, "unary operand")?;
                let negated = Number::Whole(0).calculate(number, i128::checked_sub, |a, b| a - b);
                negated.map(Value::Number).ok_or_else(|| self.wrong("Operation failed", "Not a number.", operation))
            }
            UnaryOperator::Not => {
                self.truth_operand(value, &operation.expr, "unary operand").map(|truth| Value::Bool(!truth))
            }
        }
    }

    pub(super) fn binary(self, operation: &BinaryOp, scope: &Scope<'_>) -> Result<Value> {
        use BinaryOperator as Op;
        let operator = *operation.operator.value();
        if matches!(operator, Op::And | Op::Or) {
            return self.logical(operation, operator == Op::Or, scope);
        }
        let mut failures = Failures::default();
        let left = failures.note(self.value(&operation.lhs_expr, scope));
        let right = failures.note(self.value(&operation.rhs_expr, scope));
        let Some((left, right)) = left.zip(right) else { return failures.or(Value::Null) };
        match operator {
            Op::Eq => return Ok(Value::Bool(left == right)),
            Op::NotEq => return Ok(Value::Bool(left != right)),
            _ => {}
        }
        let left = self.number_operand(left, &operation.lhs_expr, "left operand")?;
        let right = self.number_operand(right, &operation.rhs_expr, "right operand")?;
        let result = match operator {
            Op::Less => return Ok(Value::Bool(left < right)),
            Op::LessEq => return Ok(Value::Bool(left <= right)),
            Op::Greater => return Ok(Value::Bool(left > right)),
            Op::GreaterEq => return Ok(Value::Bool(left >= right)),
            Op::Plus => left.calculate(right, i128::checked_add, |a, b| a + b),
            Op::Minus => left.calculate(right, i128::checked_sub, |a, b| a - b),
            Op::Mul => left.calculate(right, i128::checked_mul, |a, b| a * b),
            Op::Div => left.divide(right),
            _ => left.modulo(right),
        };
        let is_division = matches!(operator, Op::Div | Op::Mod);
        result.map(Value::Number).ok_or_else(|| match is_division {
            true => self.wrong("Division by zero", "The divisor must not be zero.", operation),
            false => self.wrong("Operation failed", "The result is not a number.", operation),
        })
    }

    /// `&&` and `||`: the right side does not matter if the left one decides.
    fn logical(self, operation: &BinaryOp, decisive: bool, scope: &Scope<'_>) -> Result<Value> {
        let left = self.value(&operation.lhs_expr, scope)?;
        if self.truth_operand(left, &operation.lhs_expr, "left operand")? == decisive {
            return Ok(Value::Bool(decisive));
        }
        let right = self.value(&operation.rhs_expr, scope)?;
        self.truth_operand(right, &operation.rhs_expr, "right operand").map(Value::Bool)
    }

    fn number_operand(self, value: Value, at: &Expression, which: &str) -> Result<Number> {
        match self.operand(value, &Type::Number, at, which)? {
            Value::Number(number) => Ok(number),
            other => Err(self.unsuitable(which, &other.kind().name(), at)),
        }
    }

    fn truth_operand(self, value: Value, at: &Expression, which: &str) -> Result<bool> {
        match self.operand(value, &Type::Bool, at, which)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(self.unsuitable(which, &other.kind().name(), at)),
        }
    }

    fn operand(self, value: Value, want: &Type, at: &Expression, which: &str) -> Result<Value> {
        match convert(value, want) {
            Ok(Value::Null) => Err(self.unsuitable(which, "argument must not be null", at)),
            Ok(value) => Ok(value),
            Err(why) => Err(self.unsuitable(which, &why, at)),
        }
    }

    fn unsuitable(self, which: &str, why: &str, at: &Expression) -> crate::error::Error {
        self.wrong("Invalid operand", &format!("Unsuitable value for {which}: {why}."), at)
    }
}
