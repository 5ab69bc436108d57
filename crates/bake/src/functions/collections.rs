//! Maps and objects, and what works on all collections.

use std::collections::BTreeMap;

use super::Takes::{Any, List, Nullable, String as S, Texts};
use super::{Builtin, Failure, Means, Outcome, elements, fixed, of, open, text};
use crate::value::{Number, Type, Value, convert, unify};

pub(super) const TABLE: &[Builtin] = &[
    fixed("hasindex", &[of("collection", Any), of("key", Any)], |all, _| {
        Ok(Value::Bool(crate::evaluate::element(&all[0], &all[1]).is_ok()))
    }),
    fixed("index", &[of("collection", Any), of("key", Any)], |all, _| {
        crate::evaluate::element(&all[0], &all[1]).cloned().map_err(|(_, detail)| Failure::Call(detail))
    }),
    fixed("keys", &[of("inputMap", Any)], |all, _| {
        let names = fields(all, 0)?.keys().map(Value::text).collect();
        Ok(if matches!(all[0], Value::Map(..)) { Value::List(Type::String, names) } else { Value::Tuple(names) })
    }),
    fixed("values", &[of("mapping", Any)], |all, _| {
        let values = fields(all, 0)?.values().cloned().collect();
        Ok(match &all[0] {
            Value::Map(of, _) => Value::List(of.clone(), values),
            _ => Value::Tuple(values),
        })
    }),
    fixed("length", &[of("collection", Any)], |all, _| {
        let count = all[0].sequence().map(<[_]>::len).or_else(|| all[0].fields().map(BTreeMap::len));
        let count =
            count.ok_or_else(|| Failure::Argument(0, "collection must be a list, a map or a tuple".to_owned()))?;
        Ok(Value::Number(Number::from(count)))
    }),
    fixed("lookup", &[of("inputMap", Any), of("key", S), of("default", Nullable)], |all, _| {
        let found = fields(all, 0)?.get(text(all, 1));
        match (&all[0], found) {
            (_, Some(found)) => Ok(found.clone()),
            (Value::Map(of, _), None) => Ok(convert(all[2].clone(), of)?),
            (_, None) => Ok(all[2].clone()),
        }
    }),
    open("merge", &[], of("maps", Nullable), merge),
    fixed("zipmap", &[of("keys", Texts), of("values", List)], zip),
];

fn fields(all: &[Value], at: usize) -> Result<&BTreeMap<String, Value>, Failure> {
    all[at].fields().ok_or_else(|| Failure::Argument(at, "must be a map or an object".to_owned()))
}

fn merge(all: &[Value], _: &Means<'_>) -> Outcome {
    let mut merged = BTreeMap::new();
    for (at, one) in all.iter().enumerate().filter(|(_, one)| **one != Value::Null) {
        let fields = one.fields().ok_or_else(|| {
            Failure::Argument(at, format!("arguments must be maps or objects, got \"{}\"", one.kind().name()))
        })?;
        merged.extend(fields.clone());
    }
    // Maps of one type stay one; everything else has fields of their own types.
    let kinds: Vec<_> = all.iter().filter(|one| **one != Value::Null).map(Value::kind).collect();
    Ok(match kinds.first() {
        Some(Type::Map(of)) if kinds.iter().all(|kind| *kind == kinds[0]) => Value::Map((**of).clone(), merged),
        _ => Value::Object(merged),
    })
}

fn zip(all: &[Value], _: &Means<'_>) -> Outcome {
    let (names, values) = (elements(all, 0), elements(all, 1));
    if names.len() != values.len() {
        return Err(
            format!("number of keys ({}) does not match number of values ({})", names.len(), values.len()).into()
        );
    }
    let mut zipped = BTreeMap::new();
    for (name, value) in names.iter().zip(values) {
        let Value::String(name) = name else { return Err(Failure::Argument(0, "keys must not be null".to_owned())) };
        zipped.insert(name.clone(), value.clone());
    }
    let kinds: Vec<_> = values.iter().map(Value::kind).collect();
    Ok(Value::Map(unify(&kinds).unwrap_or(Type::Any), zipped))
}
