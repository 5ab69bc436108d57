//! Texts with expressions in them.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::template::{Directive, Element, ForDirective, IfDirective, StringTemplate, Strip, Template};

use super::{Evaluator, Scope};
use crate::error::{Failures, Result};
use crate::value::{Type, Value, convert, mismatch};

impl Evaluator<'_> {
    /// A text; what stands alone in `${}` keeps its type.
    pub(super) fn string_template(self, template: &StringTemplate, scope: &Scope<'_>) -> Result<Value> {
        let mut elements = template.iter();
        if let (Some(Element::Interpolation(alone)), None) = (elements.next(), elements.next()) {
            return self.value(&alone.expr, scope);
        }
        self.elements(template.iter(), [false; 2], scope).map(Value::String)
    }

    /// A text.
    pub(super) fn template(self, template: &Template, scope: &Scope<'_>) -> Result<String> {
        self.elements(template.iter(), [false; 2], scope)
    }

    /// A text; `strip` says whether blanks at its start and its end are left out.
    fn elements<'e>(
        self,
        elements: impl Iterator<Item = &'e Element>,
        strip: [bool; 2],
        scope: &Scope<'_>,
    ) -> Result<String> {
        let elements: Vec<_> = elements.collect();
        let mut failures = Failures::default();
        let mut out = String::new();
        for (at, element) in elements.iter().enumerate() {
            match element {
                Element::Literal(text) => {
                    let before = at.checked_sub(1).map_or(strip[0], |before| outer_strip(elements[before])[1]);
                    let after = elements.get(at + 1).map_or(strip[1], |after| outer_strip(after)[0]);
                    let text = if before { text.trim_start() } else { text.as_str() };
                    let text = if after { text.trim_end() } else { text };
                    out.push_str(text);
                }
                Element::Interpolation(part) => {
                    let value = self.value(&part.expr, scope).and_then(|value| self.included(value, &part.expr));
                    out.extend(failures.note(value));
                }
                Element::Directive(directive) => {
                    let part = match &**directive {
                        Directive::If(choice) => self.choice(choice, scope),
                        Directive::For(each) => self.loop_text(each, scope),
                    };
                    out.extend(failures.note(part));
                }
            }
        }
        failures.note(self.world.budget().spend(out.len() / 8));
        failures.or(out)
    }

    /// What a value adds to a text.
    fn included(self, value: Value, at: &impl Span) -> Result<String> {
        let wrong = |detail: &str| self.wrong("Invalid template interpolation value", detail, at);
        if value == Value::Null {
            return Err(wrong("The expression result is null. Cannot include a null value in a string template."));
        }
        match convert(value, &Type::String) {
            Ok(Value::String(text)) => Ok(text),
            Ok(other) => Err(wrong(&mismatch(&other.kind(), &Type::String))),
            Err(why) => Err(wrong(&format!("Cannot include the given value in a string template: {why}."))),
        }
    }

    fn choice(self, choice: &IfDirective, scope: &Scope<'_>) -> Result<String> {
        let condition = self.value(&choice.if_expr.cond_expr, scope)?;
        let is_true = self.condition(condition, &choice.if_expr.cond_expr)?;
        let end = strips(choice.endif_expr.strip)[0];
        let template = match (&choice.else_expr, is_true) {
            (_, true) => {
                let next = choice.else_expr.as_ref().map_or(end, |other| strips(other.strip)[0]);
                Some((&choice.if_expr.template, [strips(choice.if_expr.strip)[1], next]))
            }
            (Some(other), false) => Some((&other.template, [strips(other.strip)[1], end])),
            (None, false) => None,
        };
        template.map_or(Ok(String::new()), |(template, strip)| self.elements(template.iter(), strip, scope))
    }

    fn loop_text(self, each: &ForDirective, scope: &Scope<'_>) -> Result<String> {
        let (intro, end) = (&each.for_expr, &each.endfor_expr);
        let strip = [strips(intro.strip)[1], strips(end.strip)[0]];
        let mut out = String::new();
        for (key, value) in self.iterated(&intro.collection_expr, scope)? {
            let mut names = BTreeMap::from([(intro.value_var.to_string(), value)]);
            names.extend(intro.key_var.as_ref().map(|name| (name.to_string(), key)));
            out.push_str(&self.elements(intro.template.iter(), strip, &Scope::inside(scope, names))?);
        }
        Ok(out)
    }
}

/// Whether blanks before and behind an element are left out.
fn outer_strip(element: &Element) -> [bool; 2] {
    match element {
        Element::Literal(_) => [false; 2],
        Element::Interpolation(part) => strips(part.strip),
        Element::Directive(directive) => match &**directive {
            Directive::If(choice) => [strips(choice.if_expr.strip)[0], strips(choice.endif_expr.strip)[1]],
            Directive::For(each) => [strips(each.for_expr.strip)[0], strips(each.endfor_expr.strip)[1]],
        },
    }
}

fn strips(strip: Strip) -> [bool; 2] {
    [strip.strip_start(), strip.strip_end()]
}
