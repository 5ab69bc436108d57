//! Paths of contexts from the file that names them, instead of from where the user stands.
//! Source: buildx, `BUILDX_BAKE_FILE_RELATIVE_PATHS`.

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, TraversalOperator};

use super::Defined;
use crate::path;
use crate::syntax::{Block, path_of};

/// The folders that a target's contexts are named in.
#[derive(Debug, Default, Clone)]
pub(crate) struct Bases {
    /// Of the last file that has the target.
    default: String,
    /// Of the file that names its context.
    context: Option<String>,
    /// The target whose context it takes; that one's folder counts.
    reference: Option<String>,
    /// Of the files that name its other contexts.
    contexts: BTreeMap<String, String>,
}

impl Bases {
    /// Everything is in one folder, as it is with compose files.
    pub(crate) fn of_folder<'n>(folder: &str, contexts: impl Iterator<Item = &'n String>) -> Self {
        Self {
            default: folder.to_owned(),
            context: Some(folder.to_owned()),
            reference: None,
            contexts: contexts.map(|name| (name.clone(), folder.to_owned())).collect(),
        }
    }

    /// Adds what a block names.
    pub(super) fn add<'n>(&mut self, block: &Block, contexts: impl Iterator<Item = &'n String>) {
        let folder = folder(&block.place.file).to_owned();
        if let Some(context) = block.body.attribute("context") {
            self.context = Some(folder.clone());
            self.reference = referred(&context.value.expression);
        }
        self.contexts.extend(contexts.map(|name| (name.clone(), folder.clone())));
        self.default = folder;
    }
}

/// The folder of a file; nothing for one that is in none.
pub(crate) fn folder(file: &str) -> &str {
    match file.rsplit_once('/') {
        _ if path::is_remote(file) => "",
        Some((folder, _)) => folder,
        None if file == "-" || file.is_empty() => "",
        None => ".",
    }
}

/// The target whose context an expression is.
fn referred(expression: &Expression) -> Option<String> {
    let Expression::Traversal(traversal) = expression else { return None };
    let named =
        path_of(traversal).filter(|(root, names)| *root == "target" && names.len() == traversal.operators.len());
    if let Some([name, "context"]) = named.as_ref().map(|(_, names)| &names[..]) {
        return Some((*name).to_owned());
    }
    let [first, last] = &traversal.operators[..] else { return None };
    let (TraversalOperator::Index(key), TraversalOperator::GetAttr(field)) = (first.value(), last.value()) else {
        return None;
    };
    let is_target = matches!(&traversal.expr, Expression::Variable(root) if root.as_str() == "target");
    (is_target && field.as_str() == "context").then(|| key.as_str().map(str::to_owned))?
}

/// Says all contexts from where the user stands.
pub(crate) fn rebase(defined: &mut Defined) {
    let bases = &defined.bases;
    for target in &mut defined.targets {
        let Some(own) = bases.get(&target.name) else { continue };
        let referred = own.reference.as_ref().and_then(|name| bases.get(name));
        let base = match referred {
            Some(other) => other.context.as_ref().or(Some(&other.default)),
            None => own.context.as_ref(),
        };
        if let (Some(context), Some(base)) = (&mut target.context, base) {
            *context = rebased(base, context);
        }
        target.base = Some(rebased(&own.default, "."));
        for (name, context) in &mut target.contexts {
            if let Some(base) = own.contexts.get(name) {
                *context = rebased(base, context);
            }
        }
    }
}

fn rebased(base: &str, context: &str) -> String {
    let special = ["cwd://", "target:", "docker-image:", "oci-layout://", "/"];
    let is_special = special.iter().any(|prefix| context.starts_with(prefix)) || path::is_remote(context);
    if base.is_empty() || context.is_empty() || is_special {
        return context.to_owned();
    }
    path::clean(&format!("{base}/{context}"))
}
