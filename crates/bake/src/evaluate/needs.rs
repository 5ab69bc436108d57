//! Which names an expression uses, so that they can have values before it is evaluated.

use hcl_edit::expr::{Expression, ForExpr, FuncCall, Traversal};
use hcl_edit::template::ForDirective;
use hcl_edit::visit::{self, Visit};

use crate::syntax::path_of;

/// A name that an expression uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// It is called.
    Function(String),
    /// It stands for a value, of which this path of names is used.
    Variable { root: String, path: Vec<String> },
}

/// What `expression` uses besides the names that it gives itself.
pub(crate) fn needs(expression: &Expression) -> Vec<Need> {
    let mut found = Finder { found: Vec::new(), own: Vec::new() };
    found.visit_expr(expression);
    found.found
}

struct Finder {
    found: Vec<Need>,
    /// The names that loops around give.
    own: Vec<String>,
}

impl Finder {
    fn note(&mut self, need: Need) {
        if !self.found.contains(&need) {
            self.found.push(need);
        }
    }

    fn variable(&mut self, root: &str, path: &[&str]) {
        if !self.own.iter().any(|own| own == root) {
            self.note(Need::Variable {
                root: root.to_owned(),
                path: path.iter().map(|name| (*name).to_owned()).collect(),
            });
        }
    }

    fn within(&mut self, names: [Option<&str>; 2], inside: impl FnOnce(&mut Self)) {
        let before = self.own.len();
        self.own.extend(names.into_iter().flatten().map(str::to_owned));
        inside(self);
        self.own.truncate(before);
    }
}

impl Visit for Finder {
    fn visit_expr(&mut self, node: &Expression) {
        match node {
            Expression::Variable(name) => self.variable(name.as_str(), &[]),
            other => visit::visit_expr(self, other),
        }
    }

    fn visit_traversal(&mut self, node: &Traversal) {
        match path_of(node) {
            Some((root, path)) => {
                self.variable(root, &path);
                node.operators.iter().for_each(|operator| self.visit_traversal_operator(operator));
            }
            None => visit::visit_traversal(self, node),
        }
    }

    fn visit_func_call(&mut self, node: &FuncCall) {
        self.note(Need::Function(node.name.name.to_string()));
        node.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_for_expr(&mut self, node: &ForExpr) {
        self.visit_expr(&node.intro.collection_expr);
        let names = [node.intro.key_var.as_ref().map(|name| name.as_str()), Some(node.intro.value_var.as_str())];
        self.within(names, |finder| {
            node.key_expr.iter().for_each(|key| finder.visit_expr(key));
            finder.visit_expr(&node.value_expr);
            node.cond.iter().for_each(|condition| finder.visit_expr(&condition.expr));
        });
    }

    fn visit_for_directive(&mut self, node: &ForDirective) {
        let each = &node.for_expr;
        self.visit_expr(&each.collection_expr);
        let names = [each.key_var.as_ref().map(|name| name.as_str()), Some(each.value_var.as_str())];
        self.within(names, |finder| finder.visit_template(&each.template));
    }
}
