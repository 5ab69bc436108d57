//! FROM.

use super::flags::{Flags, Form};
use super::{description, judge_description, words};
use crate::dockerfile::{Node, quoted};
use crate::lint::{Linter, Rule};
use crate::{Error, Result};

/// FROM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// What it stands on, unexpanded.
    pub base: String,
    /// Its name in lower case; empty if it has none.
    pub name: String,
    /// `--platform`, unexpanded; empty if it was not given.
    pub platform: String,
    /// What the comment before it says of it; empty if nothing.
    pub description: String,
}

pub(super) fn parse(node: &Node, linter: &mut Linter) -> Result<From> {
    let words = words(node);
    judge_casing(node, words, linter);
    let name = match words {
        [_, keyword, name] if keyword.to_lowercase() == "as" => {
            let lower = name.to_lowercase();
            let is_name = lower.starts_with(|c: char| c.is_ascii_lowercase())
                && lower.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.'));
            if !is_name {
                let name = quoted(name);
                return Err(Error::new(format!(
                    "invalid name for build stage: {name}, name can't start with a number or contain symbols"
                )));
            }
            lower
        }
        [_] => String::new(),
        _ => return Err(Error::new("FROM requires either one or three arguments")),
    };
    let flags = Flags::read(&node.flags, &[("platform", Form::Text)])?;
    if !name.is_empty() {
        judge_description("FROM", &[&name], node, linter);
    }
    Ok(From {
        base: words[0].clone(),
        description: description(&node.comments, &name),
        platform: flags.text("platform"),
        name,
    })
}

fn judge_casing(node: &Node, words: &[String], linter: &mut Linter) {
    if let [_, _, name] = words
        && *name != name.to_lowercase()
    {
        let text = format!("Stage name '{name}' should be lowercase");
        linter.report(Rule::StageNameCasing, node.lines, text, &node.comments);
    }
    let [_, keyword, _, ..] = words else { return };
    let from = &node.keyword;
    let is_same = match () {
        () if *from == from.to_lowercase() => *keyword == keyword.to_lowercase(),
        () if *from == from.to_uppercase() => *keyword == keyword.to_uppercase(),
        // Of a keyword that is neither, something else is said.
        () => true,
    };
    if !is_same {
        let text = format!("'{keyword}' and '{from}' keywords' casing do not match");
        linter.report(Rule::FromAsCasing, node.lines, text, &node.comments);
    }
}
