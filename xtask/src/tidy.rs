//! The house rules that compilers do not know: which room may know which, what licences may come in, how big a file gets.

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::Result;
use crate::process::{output, root, say};

/// Every room with the rooms it may know; `docs/ARCHITECTURE.md` says why.
const ARROWS: &[(&str, &[&str])] = &[
    ("wharfie-oci", &[]),
    ("wharfie-content", &["wharfie-oci"]),
    ("wharfie-model", &[]),
    ("wharfie-layer", &["wharfie-oci"]),
    ("wharfie-store", &["wharfie-oci", "wharfie-content", "wharfie-layer"]),
    ("wharfie-remote", &["wharfie-oci", "wharfie-content", "wharfie-layer"]),
    ("wharfie-archive", &["wharfie-oci", "wharfie-content", "wharfie-layer"]),
    ("wharfie-runtime", &["wharfie-oci", "wharfie-content", "wharfie-layer"]),
    (
        "wharfie-engine",
        &[
            "wharfie-oci",
            "wharfie-content",
            "wharfie-layer",
            "wharfie-store",
            "wharfie-remote",
            "wharfie-archive",
            "wharfie-runtime",
            "wharfie-model",
        ],
    ),
    (
        "wharfie",
        &[
            "wharfie-oci",
            "wharfie-content",
            "wharfie-layer",
            "wharfie-store",
            "wharfie-remote",
            "wharfie-archive",
            "wharfie-runtime",
            "wharfie-engine",
            "wharfie-model",
        ],
    ),
    ("wharfie-testkit", &["wharfie-oci", "wharfie-layer"]),
    ("wharfie-bench", &[]),
    ("xtask", &[]),
];
/// Tests may know the test kit, and nothing else that their room may not.
const TEST_KIT: &str = "wharfie-testkit";
/// Crates that only the command line may use.
const TERMINAL: &[&str] = &["jiff", "toml"];
/// 600 lines: by then the second idea has a name and deserves a file.
const MAX_LINES: usize = 600;

/// Checks everything and reports all breaches at once.
pub(crate) fn run() -> Result {
    let metadata = MetadataCommand::new().current_dir(root()).exec().map_err(|why| why.to_string())?;
    let mut breaches = Vec::new();
    for package in metadata.workspace_packages() {
        arrows(package, &mut breaches);
    }
    supply(&metadata.packages, &mut breaches)?;
    sizes(&mut breaches)?;
    if breaches.is_empty() {
        return Ok(());
    }
    breaches.sort();
    for breach in &breaches {
        say(breach);
    }
    Err(format!("{} breaches of the house rules", breaches.len()))
}

fn arrows(package: &Package, breaches: &mut Vec<String>) {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let Some(known) = allowed.get(package.name.as_str()) else {
        breaches.push(format!("{}: a room that xtask/src/tidy.rs does not know", package.name));
        return;
    };
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let is_ours = allowed.contains_key(name);
        let is_test = dependency.kind == DependencyKind::Development;
        let is_fine = match is_ours {
            true => known.contains(&name) || (is_test && name == TEST_KIT),
            false => package.name.as_str() == "wharfie" || is_test || !TERMINAL.contains(&name) || name == "toml",
        };
        if !is_fine {
            breaches.push(format!("{}: must not depend on {name}", package.name));
        }
    }
}

/// Licences and sources against `deny.toml`, which `cargo deny` reads as well.
fn supply(packages: &[Package], breaches: &mut Vec<String>) -> Result {
    let path = root().join("deny.toml");
    let text = std::fs::read_to_string(&path).map_err(|why| format!("cannot read deny.toml: {why}"))?;
    let allowed: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("allow = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    if allowed.is_empty() {
        return Err("deny.toml allows no licence at all".to_owned());
    }
    for package in packages {
        let Some(licence) = &package.license else {
            breaches.push(format!("{} {}: no licence", package.name, package.version));
            continue;
        };
        // `A OR B` needs one of them, `A AND B` both; `/` is an old way to write OR.
        let licence = licence.replace('/', " OR ").replace(['(', ')'], " ");
        let is_fine =
            licence.split(" OR ").any(|choice| choice.split(" AND ").all(|one| allowed.contains(&one.trim())));
        if !is_fine {
            breaches.push(format!("{} {}: licence {licence} is not allowed", package.name, package.version));
        }
        if package.source.as_ref().is_some_and(|source| !source.is_crates_io()) {
            breaches.push(format!("{} {}: does not come from crates.io", package.name, package.version));
        }
    }
    Ok(())
}

fn sizes(breaches: &mut Vec<String>) -> Result {
    for file in output("git", &["ls-files", "*.rs"])?.lines() {
        let Ok(text) = std::fs::read_to_string(Path::new(&root()).join(file)) else { continue };
        let lines = text.lines().count();
        if lines > MAX_LINES {
            breaches.push(format!("{file}: {lines} lines; what is the second idea in it called?"));
        }
    }
    Ok(())
}
