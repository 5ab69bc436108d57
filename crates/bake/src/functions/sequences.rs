//! Lists and tuples.

use super::Takes::{Any, List, Nullable, Number as N};
use super::{Builtin, Failure, Means, Outcome, fixed, number, of, open, sequence, whole};
use crate::value::{Number, Type, Value, convert, unify};

pub(super) const TABLE: &[Builtin] = &[
    fixed("chunklist", &[of("list", List), of("size", N)], chunks),
    open("coalesce", &[], of("vals", Nullable), |all, _| {
        let kinds: Vec<_> = all.iter().map(Value::kind).collect();
        let kind = unify(&kinds).ok_or("all arguments must have the same type")?;
        let first = all.iter().find(|one| **one != Value::Null).ok_or("no non-null arguments")?;
        Ok(convert(first.clone(), &kind)?)
    }),
    open("coalescelist", &[], of("vals", Nullable), |all, _| {
        let full = all.iter().find(|one| one.sequence().is_some_and(|elements| !elements.is_empty()));
        full.cloned().ok_or_else(|| "no non-null arguments".into())
    }),
    open("concat", &[], of("seqs", Any), concat),
    fixed("contains", &[of("list", Any), of("value", Any)], |all, _| {
        Ok(Value::Bool(sequence(all, 0)?.contains(&all[1])))
    }),
    fixed("distinct", &[of("list", List)], |all, _| {
        let Value::List(kind, given) = &all[0] else { return Ok(Value::Null) };
        let mut seen: Vec<&Value> = Vec::new();
        if given.len() > MANY {
            return Err("the list is too long".into());
        }
        for one in given {
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
        Ok(Value::List(kind.clone(), seen.into_iter().cloned().collect()))
    }),
    fixed("element", &[of("list", Any), of("index", N)], |all, _| {
        let list = match &all[0] {
            Value::List(_, list) | Value::Tuple(list) => list,
            _ => return Err(Failure::Argument(0, "cannot read elements from this value".to_owned())),
        };
        let at = usize::try_from(whole(all, 1)?).map_err(|_| "cannot use element function with a negative index")?;
        if list.is_empty() {
            return Err("cannot use element function with an empty list".into());
        }
        Ok(list[at % list.len()].clone())
    }),
    fixed("flatten", &[of("list", Any)], |all, _| {
        let mut flat = Vec::new();
        flatten(sequence(all, 0)?, &mut flat);
        Ok(Value::Tuple(flat))
    }),
    fixed("indexof", &[of("list", Any), of("value", Any)], |all, _| {
        let (Value::List(_, list) | Value::Tuple(list)) = &all[0] else {
            return Err("argument must be a list or tuple".into());
        };
        if list.is_empty() {
            return Err("cannot search an empty list".into());
        }
        let found = list.iter().position(|one| *one == all[1]).ok_or("item not found")?;
        Ok(Value::Number(Number::from(found)))
    }),
    open("range", &[], of("params", N), range),
    fixed("slice", &[of("list", Any), of("start_index", N), of("end_index", N)], slice),
];

/// How many elements are compared with each other at most.
const MANY: usize = 4096;

fn chunks(all: &[Value], _: &Means<'_>) -> Outcome {
    let size = usize::try_from(whole(all, 1)?)
        .map_err(|_| Failure::Argument(1, "the size argument must be positive".to_owned()))?;
    let Value::List(kind, list) = &all[0] else { return Ok(Value::Null) };
    let inner = Type::List(Box::new(kind.clone()));
    let chunks = match (size, list.is_empty()) {
        (_, true) => Vec::new(),
        (0, false) => vec![all[0].clone()],
        (size, false) => list.chunks(size).map(|chunk| Value::List(kind.clone(), chunk.to_vec())).collect(),
    };
    Ok(Value::List(inner, chunks))
}

fn concat(all: &[Value], _: &Means<'_>) -> Outcome {
    if all.is_empty() {
        return Err("at least one argument is required".into());
    }
    let mut joined = Vec::new();
    for (at, one) in all.iter().enumerate() {
        match one {
            Value::List(_, elements) | Value::Tuple(elements) => joined.extend_from_slice(elements),
            _ => {
                return Err(Failure::Argument(
                    at,
                    "all arguments must be lists or tuples; got ".to_owned() + &one.kind().name(),
                ));
            }
        }
    }
    let kinds: Vec<_> = all.iter().map(Value::kind).collect();
    match unify(&kinds) {
        Some(list @ Type::List(_)) if all.iter().all(|one| matches!(one, Value::List(..))) => {
            Ok(convert(Value::Tuple(joined), &list)?)
        }
        _ => Ok(Value::Tuple(joined)),
    }
}

/// Recursion ends with the value's own depth, which the evaluation bounds.
fn flatten(elements: &[Value], flat: &mut Vec<Value>) {
    for element in elements {
        match element.sequence() {
            Some(inner) => flatten(inner, flat),
            None => flat.push(element.clone()),
        }
    }
}

fn range(all: &[Value], _: &Means<'_>) -> Outcome {
    const MOST: usize = 1024;
    let zero = Number::Whole(0);
    let (start, end, step) = match all.len() {
        1 => (zero, number(all, 0), None),
        2 => (number(all, 0), number(all, 1), None),
        3 => (number(all, 0), number(all, 1), Some(number(all, 2))),
        _ => return Err("must have one, two, or three arguments".into()),
    };
    let is_down = end < start;
    let step = step.unwrap_or(Number::Whole(if is_down { -1 } else { 1 }));
    if step == zero {
        return Err(Failure::Argument(2, "step must not be zero".to_owned()));
    }
    if is_down != (step < zero) && start != end {
        let why = match is_down {
            true => "end must be greater than start when step is positive",
            false => "end must be less than start when step is negative",
        };
        return Err(Failure::Argument(1, why.to_owned()));
    }
    let mut numbers = Vec::new();
    let mut next = start;
    while if is_down { next > end } else { next < end } {
        if numbers.len() >= MOST {
            return Err(format!("more than {MOST} values were generated; either decrease the difference between start and end or use a smaller step").into());
        }
        numbers.push(Value::Number(next));
        next = next.calculate(step, i128::checked_add, |a, b| a + b).ok_or("the range has no end")?;
    }
    Ok(Value::List(Type::Number, numbers))
}

fn slice(all: &[Value], _: &Means<'_>) -> Outcome {
    let (Value::List(_, list) | Value::Tuple(list)) = &all[0] else {
        return Err(Failure::Argument(0, "must be a list or tuple value".to_owned()));
    };
    let index = |at: usize, what: &str| match usize::try_from(whole(all, at)?) {
        Err(_) => Err(Failure::Argument(at, format!("{what} index must be a non-negative integer"))),
        Ok(index) if index > list.len() => {
            Err(Failure::Argument(at, format!("{what} index must not be greater than the length of the list")))
        }
        Ok(index) => Ok(index),
    };
    let (start, end) = (index(1, "start")?, index(2, "end")?);
    if start > end {
        return Err(Failure::Argument(1, "start index must not be greater than end index".to_owned()));
    }
    let part = list[start..end].to_vec();
    Ok(match &all[0] {
        Value::List(kind, _) => Value::List(kind.clone(), part),
        _ => Value::Tuple(part),
    })
}
