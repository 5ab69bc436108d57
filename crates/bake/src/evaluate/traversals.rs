//! Ways into values: `.name`, `[key]` and splats.

use std::borrow::Cow;

use hcl_edit::Decorated;
use hcl_edit::Span;
use hcl_edit::expr::{Expression, Traversal, TraversalOperator};

use super::{Evaluator, Scope};
use crate::error::Result;
use crate::value::{Number, Type, Value, convert};

type Operators<'o> = &'o [Decorated<TraversalOperator>];

impl Evaluator<'_> {
    pub(super) fn traversal(self, traversal: &Traversal, scope: &Scope<'_>) -> Result<Value> {
        // A name is not copied as a whole just to take something out of it.
        let root = match &traversal.expr {
            Expression::Variable(name) => Cow::Borrowed(
                scope.value(name.as_str()).ok_or_else(|| self.unknown_variable(name.as_str(), name, scope))?,
            ),
            other => Cow::Owned(self.value(other, scope)?),
        };
        self.follow(root, &traversal.operators, traversal, scope)
    }

    fn follow(
        self,
        start: Cow<'_, Value>,
        operators: Operators<'_>,
        at: &Traversal,
        scope: &Scope<'_>,
    ) -> Result<Value> {
        let mut value = start;
        let mut rest = operators;
        while let Some((operator, next)) = rest.split_first() {
            self.world.budget().spend(1)?;
            value = match operator.value() {
                TraversalOperator::GetAttr(name) => self.step(&value, &Step::Name(name.as_str()), at)?,
                TraversalOperator::LegacyIndex(index) => {
                    let key = Value::Number(Number::Whole(i128::from(*index.value())));
                    self.step(&value, &Step::Key(key), at)?
                }
                TraversalOperator::Index(key) => {
                    let key = self.value(key, scope)?;
                    self.step(&value, &Step::Key(key), at)?
                }
                TraversalOperator::FullSplat(_) => return self.splat(&value, next, at, scope),
                TraversalOperator::AttrSplat(_) => {
                    let own = next.iter().take_while(|next| is_of_attribute_splat(next.value())).count();
                    let (own, further) = next.split_at(own);
                    rest = further;
                    value = Cow::Owned(self.splat(&value, own, at, scope)?);
                    continue;
                }
            };
            rest = next;
        }
        self.world.budget().spend(value.size())?;
        Ok(value.into_owned())
    }

    /// The same way into every element. Null has none, and what has no elements is one.
    fn splat(self, value: &Value, operators: Operators<'_>, at: &Traversal, scope: &Scope<'_>) -> Result<Value> {
        let elements = match value {
            Value::Null => &[],
            one => one.sequence().unwrap_or(std::slice::from_ref(one)),
        };
        let inner = Self { depth: self.depth + 1, ..self };
        let all = elements.iter().map(|element| inner.follow(Cow::Borrowed(element), operators, at, scope));
        all.collect::<Result<_>>().map(Value::Tuple)
    }

    /// One step into a value.
    fn step<'v>(self, value: &Cow<'v, Value>, step: &Step<'_>, at: &impl Span) -> Result<Cow<'v, Value>> {
        let found = match value {
            Cow::Borrowed(value) => step.into(value).map(Cow::Borrowed),
            Cow::Owned(value) => step.into(value).map(|found| Cow::Owned(found.clone())),
        };
        found.map_err(|(summary, detail)| self.wrong(summary, &detail, at))
    }
}

fn is_of_attribute_splat(operator: &TraversalOperator) -> bool {
    matches!(operator, TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_))
}

enum Step<'s> {
    Name(&'s str),
    Key(Value),
}

impl Step<'_> {
    fn into<'v>(&self, value: &'v Value) -> Result<&'v Value, (&'static str, String)> {
        match self {
            Self::Name(name) => attribute(value, name),
            Self::Key(key) => element(value, key),
        }
    }
}

fn attribute<'v>(value: &'v Value, name: &str) -> Result<&'v Value, (&'static str, String)> {
    match value {
        Value::Null => Err((
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes.".to_owned(),
        )),
        Value::Object(fields) => fields.get(name).ok_or_else(|| {
            ("Unsupported attribute", format!("This object does not have an attribute named \"{name}\"."))
        }),
        Value::Map(_, fields) => fields.get(name).ok_or_else(|| {
            ("Missing map element", format!("This map does not have an element with the key \"{name}\"."))
        }),
        Value::List(..) | Value::Tuple(_) => {
            let detail = "Can't access attributes on a list of values. Did you mean to access an attribute for a specific element of the list, or across all elements of the list?";
            Err(("Unsupported attribute", detail.to_owned()))
        }
        _ => Err(("Unsupported attribute", "This value does not have any attributes.".to_owned())),
    }
}

/// The element of a list or map with this key.
pub(crate) fn element<'v>(value: &'v Value, key: &Value) -> Result<&'v Value, (&'static str, String)> {
    const INVALID: &str = "Invalid index";
    const MISSING: &str = "The given key does not identify an element in this collection value";
    let as_key = |want: &Type| match convert(key.clone(), want) {
        Ok(Value::Null) => Err((INVALID, "Can't use a null value as an indexing key.".to_owned())),
        Ok(key) => Ok(key),
        Err(why) => {
            Err((INVALID, format!("The given key does not identify an element in this collection value: {why}.")))
        }
    };
    match value {
        Value::Null => Err((
            "Attempt to index null value",
            "This value is null, so it does not have any indices.".to_owned(),
        )),
        Value::List(_, elements) | Value::Tuple(elements) => {
            let Value::Number(number) = as_key(&Type::Number)? else {
                return Err((INVALID, format!("{MISSING}.")));
            };
            number.index().and_then(|at| elements.get(at)).ok_or_else(|| {
                let why = match number.whole() {
                    None => "indexing a sequence requires a whole number, but the given index has a fractional part",
                    Some(..0) => "a negative number is not a valid index for a sequence",
                    Some(_) if elements.is_empty() => "the collection has no elements",
                    Some(_) => "the given index is greater than or equal to the length of the collection",
                };
                (INVALID, format!("{MISSING}: {why}."))
            })
        }
        Value::Map(_, fields) | Value::Object(fields) => {
            let Value::String(name) = as_key(&Type::String)? else { return Err((INVALID, format!("{MISSING}."))) };
            fields.get(&name).ok_or_else(|| (INVALID, format!("{MISSING}.")))
        }
        Value::Set(..) => Err((
            INVALID,
            "Elements of a set are identified only by their value and don't have any separate index or key to select with, so it's only possible to perform operations across all elements of the set.".to_owned(),
        )),
        _ => Err((INVALID, "This value does not have any indices.".to_owned())),
    }
}
