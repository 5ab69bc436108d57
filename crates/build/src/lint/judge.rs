//! What makes a finding, where that takes more than a look.

use std::collections::BTreeSet;

use wharfie_oci::Platform;

use super::{Linter, Rule};
use crate::Ignore;
use crate::dockerfile::instruction::Instruction;
use crate::dockerfile::stages::Section;
use crate::dockerfile::{Expanded, Lines, quoted};
use crate::path::clean;

/// Names of stages that mean something else, or are given twice.
pub(crate) fn stage_names(sections: &[Section], linter: &mut Linter) {
    let mut seen = BTreeSet::new();
    for section in sections {
        let name = section.from.name.as_str();
        if name.is_empty() {
            continue;
        }
        if matches!(name, "context" | "scratch") {
            let text = format!("Stage name should not use the same name as reserved stage {}", quoted(name));
            linter.report(Rule::ReservedStageName, section.lines, text, &[]);
        }
        if !seen.insert(name) {
            let text = format!("Duplicate stage name {}, stage names should be unique", quoted(name));
            linter.report(Rule::DuplicateStageName, section.lines, text, &[]);
        }
    }
}

/// Keywords that are not written as most are.
pub(crate) fn casing(sections: &[Section], linter: &mut Linter) {
    let keywords = || {
        sections.iter().flat_map(|section| {
            let own = section.instructions.iter().map(|found| (found.keyword.as_str(), found.lines));
            std::iter::once((section.keyword.as_str(), section.lines)).chain(own)
        })
    };
    let is_lower = |word: &str| word == word.to_lowercase();
    let is_upper = |word: &str| word == word.to_uppercase();
    let lower = keywords().filter(|(word, _)| is_lower(word)).count();
    let upper = keywords().filter(|(word, _)| is_upper(word) && !is_lower(word)).count();
    for (word, lines) in keywords() {
        let wanted = match lower > upper {
            true if !is_lower(word) => "lowercase",
            false if !is_upper(word) => "uppercase",
            _ => continue,
        };
        let text = format!("Command '{word}' should match the case of the command majority ({wanted})");
        linter.report(Rule::ConsistentInstructionCasing, lines, text, &[]);
    }
}

/// `--platform` that says what goes without saying, or always the same. `target` is the variable's value.
pub(crate) fn platform(section: &Section, expanded: &Expanded, target: Option<&str>, linter: &mut Linter) {
    let Expanded { text: value, matched, unmatched, .. } = expanded;
    if let ([only], []) = (matched.as_slice(), unmatched.as_slice())
        && only == "TARGETPLATFORM"
        && value == target.unwrap_or_default()
    {
        let written = &section.from.platform;
        let text =
            format!("Setting platform to predefined {written} in FROM is redundant as this is the default behavior");
        linter.report(Rule::RedundantTargetPlatform, section.lines, text, &section.comments);
    }
    if !matched.is_empty() || !unmatched.is_empty() {
        return;
    }
    let Ok(Platform { os, architecture, .. }) = value.parse() else { return };
    // A stage that is called after its platform is meant to be for that one.
    if section.from.name.contains(&os) || section.from.name.contains(&architecture) {
        return;
    }
    let text = format!("FROM --platform flag should not use constant value {}", quoted(value));
    linter.report(Rule::FromPlatformFlagConstDisallowed, section.lines, text, &section.comments);
}

/// A variable that sounds like a secret.
pub(crate) fn secret(keyword: &str, name: &str, instruction: &Instruction, linter: &mut Linter) {
    let has = |words: &[&str]| name.split('_').any(|part| words.iter().any(|word| word.eq_ignore_ascii_case(part)));
    if has(SECRETS) && !has(NO_SECRETS) {
        let name = quoted(name);
        let text = format!("Do not use ARG or ENV instructions for sensitive data ({keyword} {name})");
        linter.report(Rule::SecretsUsedInArgOrEnv, instruction.lines, text, &instruction.comments);
    }
}

const SECRETS: &[&str] =
    &["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
const NO_SECRETS: &[&str] = &["public", "file", "version"];

/// An instruction of which only the last counts; `before` is where it was given before.
pub(crate) fn once(instruction: &Instruction, before: Option<Lines>, linter: &mut Linter) {
    let Some(before) = before else { return };
    let keyword = &instruction.keyword;
    let text = format!(
        "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used"
    );
    linter.report(Rule::MultipleInstructionsDisallowed, before, text, &instruction.comments);
}

/// A source in the context that the ignore file hides.
pub(crate) fn copied(instruction: &Instruction, source: &str, is_add: bool, ignore: &Ignore, linter: &mut Linter) {
    // With exceptions it cannot be told: something below may be seen.
    if ignore.is_empty() || ignore.has_exceptions() {
        return;
    }
    let source = clean(source);
    if matches!(source.as_str(), "." | "/") && !ignore.hides_everything() {
        return;
    }
    if ignore.is_ignored(&source) {
        let verb = if is_add { "Add" } else { "Copy" };
        let text = format!("Attempting to {verb} file {} that is excluded by .dockerignore", quoted(&source));
        linter.report(Rule::CopyIgnoredFile, instruction.lines, text, &instruction.comments);
    }
}
