//! Sets.

use super::Takes::{Any, Nullable, Set};
use super::{Builtin, Failure, Means, Outcome, elements, fixed, of, open, sequence};
use crate::value::{Type, Value, convert, unify};

pub(super) const TABLE: &[Builtin] = &[
    fixed("sethaselement", &[of("set", Set), of("elem", Any)], |all, _| {
        let of = element_type(&all[0]);
        Ok(Value::Bool(convert(all[1].clone(), &of).is_ok_and(|one| elements(all, 0).contains(&one))))
    }),
    open("setintersection", &[of("first_set", Set)], of("other_sets", Set), |all, _| {
        combined(all, |so_far, next| so_far.retain(|one| holds(next, one)))
    }),
    fixed("setsubtract", &[of("a", Set), of("b", Set)], |all, _| {
        combined(all, |so_far, next| so_far.retain(|one| !holds(next, one)))
    }),
    open("setsymmetricdifference", &[of("first_set", Set)], of("other_sets", Set), |all, _| {
        combined(all, |so_far, next| {
            let new: Vec<_> = next.iter().filter(|one| !holds(so_far, one)).cloned().collect();
            so_far.retain(|one| !holds(next, one));
            so_far.extend(new);
            so_far.sort_by(Value::order);
        })
    }),
    open("setunion", &[of("first_set", Set)], of("other_sets", Set), |all, _| {
        combined(all, |so_far, next| {
            so_far.extend_from_slice(next);
            so_far.sort_by(Value::order);
            so_far.dedup();
        })
    }),
    open("setproduct", &[], of("sets", Nullable), product),
];

fn element_type(set: &Value) -> Type {
    match set {
        Value::Set(of, _) => of.clone(),
        _ => Type::Any,
    }
}

/// Sets are in order.
fn holds(set: &[Value], one: &Value) -> bool {
    set.binary_search_by(|own| own.order(one)).is_ok()
}

fn combined(all: &[Value], combine: impl Fn(&mut Vec<Value>, &[Value])) -> Outcome {
    let kinds: Vec<_> = all.iter().map(element_type).collect();
    let of = unify(&kinds).ok_or("given sets must all have compatible element types")?;
    let wanted = Type::Set(Box::new(of.clone()));
    let mut sets = all.iter().map(|set| convert(set.clone(), &wanted));
    let mut so_far = match sets.next() {
        Some(first) => first?.sequence().unwrap_or_default().to_vec(),
        None => Vec::new(),
    };
    for next in sets {
        combine(&mut so_far, next?.sequence().unwrap_or_default());
    }
    Ok(Value::Set(of, so_far))
}

fn product(all: &[Value], _: &Means<'_>) -> Outcome {
    /// More combinations than anyone means.
    const MOST: usize = 100_000;
    if all.len() < 2 {
        return Err("at least two arguments are required".into());
    }
    let mut rows = vec![Vec::new()];
    for at in 0..all.len() {
        let elements = sequence(all, at)?;
        if rows.len().checked_mul(elements.len()).is_none_or(|count| count > MOST) {
            return Err(Failure::Call(format!("more than {MOST} combinations")));
        }
        rows = rows
            .iter()
            .flat_map(|row: &Vec<Value>| {
                elements.iter().map(move |one| [row.as_slice(), std::slice::from_ref(one)].concat())
            })
            .collect();
    }
    let rows: Vec<_> = rows.into_iter().map(Value::Tuple).collect();
    let kinds: Vec<_> = rows.iter().map(Value::kind).collect();
    let of = unify(&kinds).unwrap_or(Type::Any);
    let are_sets = all.iter().all(|one| matches!(one, Value::Set(..)));
    Ok(if are_sets { Value::set(of, rows) } else { Value::List(of, rows) })
}
