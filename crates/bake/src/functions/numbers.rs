//! Numbers and truth.

use super::Takes::{Bool, Nullable, Number as N, String as S};
use super::{Builtin, Failure, Outcome, compared, fixed, number, of, open, text, truth, whole};
use crate::value::{Number, Value};

pub(super) const TABLE: &[Builtin] = &[
    fixed("absolute", &[of("num", N)], |all, _| {
        let given = number(all, 0);
        match given < Number::Whole(0) {
            true => real_or_exact(given.whole().and_then(i128::checked_neg), -given.real()),
            false => Ok(Value::Number(given)),
        }
    }),
    fixed("add", &[of("a", N), of("b", N)], |all, _| calculate(all, i128::checked_add, |a, b| a + b)),
    fixed("subtract", &[of("a", N), of("b", N)], |all, _| calculate(all, i128::checked_sub, |a, b| a - b)),
    fixed("multiply", &[of("a", N), of("b", N)], |all, _| calculate(all, i128::checked_mul, |a, b| a * b)),
    fixed("divide", &[of("a", N), of("b", N)], |all, _| {
        number(all, 0).divide(number(all, 1)).map(Value::Number).ok_or_else(|| "divide by zero".into())
    }),
    fixed("modulo", &[of("a", N), of("b", N)], |all, _| {
        number(all, 0).modulo(number(all, 1)).map(Value::Number).ok_or_else(|| "divide by zero".into())
    }),
    fixed("negate", &[of("num", N)], |all, _| {
        real_or_exact(number(all, 0).whole().and_then(i128::checked_neg), -number(all, 0).real())
    }),
    fixed("ceil", &[of("num", N)], |all, _| real_or_exact(number(all, 0).whole(), number(all, 0).real().ceil())),
    fixed("floor", &[of("num", N)], |all, _| real_or_exact(number(all, 0).whole(), number(all, 0).real().floor())),
    fixed("int", &[of("num", N)], |all, _| real_or_exact(number(all, 0).whole(), number(all, 0).real().trunc())),
    fixed("log", &[of("num", N), of("base", N)], |all, _| {
        real_or_exact(None, number(all, 0).real().ln() / number(all, 1).real().ln())
    }),
    fixed("pow", &[of("num", N), of("power", N)], |all, _| {
        let exact = number(all, 0).whole().zip(number(all, 1).index().and_then(|power| u32::try_from(power).ok()));
        real_or_exact(
            exact.and_then(|(base, power)| base.checked_pow(power)),
            number(all, 0).real().powf(number(all, 1).real()),
        )
    }),
    fixed("signum", &[of("num", N)], |all, _| {
        Ok(Value::Number(Number::Whole(match number(all, 0).cmp(&Number::Whole(0)) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        })))
    }),
    fixed("parseint", &[of("number", S), of("base", N)], |all, _| {
        let base = whole(all, 1)?;
        let base = u32::try_from(base).ok().filter(|base| (2..=62).contains(base));
        let base = base
            .ok_or_else(|| Failure::Argument(1, "base must be a whole number between 2 and 62 inclusive".to_owned()))?;
        parse_digits(text(all, 0), base)
            .map(|whole| Value::Number(Number::Whole(whole)))
            .ok_or_else(|| Failure::Argument(0, format!("cannot parse \"{}\" as a base {base} integer", text(all, 0))))
    }),
    open("max", &[], of("numbers", N), |all, _| extreme(all, Iterator::max)),
    open("min", &[], of("numbers", N), |all, _| extreme(all, Iterator::min)),
    fixed("greaterthan", &[of("a", N), of("b", N)], |all, _| Ok(compared(all, std::cmp::Ordering::is_gt))),
    fixed("greaterthanorequalto", &[of("a", N), of("b", N)], |all, _| Ok(compared(all, std::cmp::Ordering::is_ge))),
    fixed("lessthan", &[of("a", N), of("b", N)], |all, _| Ok(compared(all, std::cmp::Ordering::is_lt))),
    fixed("lessthanorequalto", &[of("a", N), of("b", N)], |all, _| Ok(compared(all, std::cmp::Ordering::is_le))),
    fixed("and", &[of("a", Bool), of("b", Bool)], |all, _| Ok(Value::Bool(truth(all, 0) && truth(all, 1)))),
    fixed("or", &[of("a", Bool), of("b", Bool)], |all, _| Ok(Value::Bool(truth(all, 0) || truth(all, 1)))),
    fixed("not", &[of("val", Bool)], |all, _| Ok(Value::Bool(!truth(all, 0)))),
    fixed("equal", &[of("a", Nullable), of("b", Nullable)], |all, _| Ok(Value::Bool(all[0] == all[1]))),
    fixed("notequal", &[of("a", Nullable), of("b", Nullable)], |all, _| Ok(Value::Bool(all[0] != all[1]))),
];

fn calculate(all: &[Value], exact: fn(i128, i128) -> Option<i128>, real: fn(f64, f64) -> f64) -> Outcome {
    let result = number(all, 0).calculate(number(all, 1), exact, real);
    result.map(Value::Number).ok_or_else(|| "the result is not a number".into())
}

fn real_or_exact(exact: Option<i128>, real: f64) -> Outcome {
    let result = exact.map(Number::Whole).or_else(|| Number::of(real).filter(|_| real.is_finite()));
    result.map(Value::Number).ok_or_else(|| "the result is not a number".into())
}

fn extreme(all: &[Value], pick: fn(std::vec::IntoIter<Number>) -> Option<Number>) -> Outcome {
    let numbers: Vec<_> = (0..all.len()).map(|at| number(all, at)).collect();
    pick(numbers.into_iter()).map(Value::Number).ok_or_else(|| "must pass at least one number".into())
}

/// Digits, then small letters, then capital ones; up to base 36 either will do.
fn parse_digits(text: &str, base: u32) -> Option<i128> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return None;
    }
    let mut result: i128 = 0;
    for digit in digits.chars() {
        let value = match digit {
            '0'..='9' => u32::from(digit) - u32::from('0'),
            'a'..='z' => u32::from(digit) - u32::from('a') + 10,
            'A'..='Z' if base <= 36 => u32::from(digit) - u32::from('A') + 10,
            'A'..='Z' => u32::from(digit) - u32::from('A') + 36,
            _ => return None,
        };
        if value >= base {
            return None;
        }
        result = result.checked_mul(i128::from(base))?.checked_add(i128::from(value))?;
    }
    Some(if is_negative { -result } else { result })
}
