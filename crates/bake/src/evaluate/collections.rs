//! What is in brackets and braces: tuples, objects, and loops that make them.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::expr::{Array, Expression, ForExpr, Object, ObjectKey};

use super::{Evaluator, Scope};
use crate::error::{Failures, Result};
use crate::value::{Type, Value, convert};

impl Evaluator<'_> {
    pub(super) fn array(self, array: &Array, scope: &Scope<'_>) -> Result<Value> {
        let mut failures = Failures::default();
        let elements = array.iter().filter_map(|element| failures.note(self.value(element, scope))).collect();
        failures.or(Value::Tuple(elements))
    }

    pub(super) fn object(self, object: &Object, scope: &Scope<'_>) -> Result<Value> {
        let mut failures = Failures::default();
        let mut fields = BTreeMap::new();
        for (key, value) in object {
            let name = match key {
                ObjectKey::Ident(name) => Ok(name.to_string()),
                ObjectKey::Expression(key) => self.value(key, scope).and_then(|value| self.key(value, key)),
            };
            let (name, value) = (failures.note(name), failures.note(self.value(value.expr(), scope)));
            fields.extend(name.zip(value));
        }
        failures.or(Value::Object(fields))
    }

    fn key(self, value: Value, at: &impl Span) -> Result<String> {
        match convert(value, &Type::String) {
            Ok(Value::String(name)) => Ok(name),
            Ok(_) => Err(self.wrong("Null value as key", "Can't use a null value as a key.", at)),
            Err(why) => Err(self.wrong("Incorrect key type", &format!("Can't use this value as a key: {why}."), at)),
        }
    }

    pub(super) fn each(self, each: &ForExpr, scope: &Scope<'_>) -> Result<Value> {
        let mut elements = Vec::new();
        let mut fields = BTreeMap::new();
        for (key, value) in self.iterated(&each.intro.collection_expr, scope)? {
            let mut names = BTreeMap::from([(each.intro.value_var.to_string(), value)]);
            names.extend(each.intro.key_var.as_ref().map(|name| (name.to_string(), key)));
            let scope = &Scope::inside(scope, names);
            if let Some(condition) = &each.cond {
                let is_true = self.value(&condition.expr, scope)?;
                if !self.filter(is_true, &condition.expr)? {
                    continue;
                }
            }
            match &each.key_expr {
                None => elements.push(self.value(&each.value_expr, scope)?),
                Some(key) => {
                    let name = self.value(key, scope).and_then(|value| self.key(value, key))?;
                    let value = self.value(&each.value_expr, scope)?;
                    self.keyed(&mut fields, name, value, each)?;
                }
            }
        }
        Ok(if each.key_expr.is_some() { Value::Object(fields) } else { Value::Tuple(elements) })
    }

    /// Adds what a loop gives for a key; with `...` there may be several.
    fn keyed(self, fields: &mut BTreeMap<String, Value>, name: String, value: Value, each: &ForExpr) -> Result<()> {
        if each.grouping {
            match fields.entry(name).or_insert_with(|| Value::Tuple(Vec::new())) {
                Value::Tuple(group) => group.push(value),
                other => *other = value,
            }
            return Ok(());
        }
        if fields.contains_key(&name) {
            let detail = format!(
                "Two different items produced the key \"{name}\" in this 'for' expression. If duplicates are expected, use the ellipsis (...) after the value expression to enable grouping by key."
            );
            return Err(self.wrong("Duplicate object key", &detail, each));
        }
        fields.insert(name, value);
        Ok(())
    }

    /// The keys and elements that a loop goes through.
    pub(super) fn iterated(self, collection: &Expression, scope: &Scope<'_>) -> Result<Vec<(Value, Value)>> {
        let value = self.value(collection, scope)?;
        if value == Value::Null {
            let detail = "A null value cannot be used as the collection in a 'for' expression.";
            return Err(self.wrong("Iteration over null value", detail, collection));
        }
        self.world.budget().spend(value.size())?;
        value.elements().ok_or_else(|| {
            let name = value.kind().name();
            let detail = format!("A value of type {name} cannot be used as the collection in a 'for' expression.");
            self.wrong("Iteration over non-iterable value", &detail, collection)
        })
    }

    fn filter(self, value: Value, at: &impl Span) -> Result<bool> {
        match convert(value, &Type::Bool) {
            Ok(Value::Bool(truth)) => Ok(truth),
            Ok(_) => Err(self.wrong("Invalid 'for' condition", "The value of the 'if' clause must not be null.", at)),
            Err(why) => {
                Err(self.wrong("Invalid 'for' condition", &format!("The 'if' clause value is invalid: {why}."), at))
            }
        }
    }
}
