//! The house rules that compilers do not know: which room may know which, what licences may come in, how big a file gets.

mod arrows;

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use self::arrows::{Dependency, of_face, of_package, of_workspace, sources};
use crate::Result;
use crate::process::{output, root, say};

/// 600 lines: by then the second idea has a name and deserves a file.
const MAX_LINES: usize = 600;

/// Checks everything and reports all breaches at once.
pub(crate) fn run() -> Result {
    let metadata = MetadataCommand::new().current_dir(root()).exec().map_err(|why| why.to_string())?;
    let mut breaches = Vec::new();
    arrows(&metadata, &mut breaches)?;
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

/// The arrows of all packages, and of the command line's files.
fn arrows(metadata: &Metadata, breaches: &mut Vec<String>) -> Result {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut used = BTreeSet::new();
    for package in &packages {
        let dependencies: Vec<Dependency<'_>> = package.dependencies.iter().map(dependency).collect();
        breaches.extend(of_package(&package.name, &dependencies));
        used.extend(dependencies.iter().map(|one| one.name.to_owned()).filter(|name| !ours.contains(name.as_str())));
    }
    let declared = declared(&read("Cargo.toml")?);
    breaches.extend(of_workspace(&declared, &used, &read("docs/dependencies.md")?));
    let face = root().join("crates/cli/src");
    let files = sources(&face).map_err(|why| format!("cannot read {}: {why}", face.display()))?;
    breaches.extend(of_face(files.iter().map(|(name, text)| (name.as_str(), text.as_str()))));
    Ok(())
}

fn dependency(one: &cargo_metadata::Dependency) -> Dependency<'_> {
    Dependency { name: &one.name, is_for_tests: one.kind == DependencyKind::Development }
}

/// The crates of others that the workspace's `Cargo.toml` declares.
fn declared(text: &str) -> BTreeSet<String> {
    let lines = text.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let names = lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with("wharfie")).collect()
}

fn read(name: &str) -> std::result::Result<String, String> {
    std::fs::read_to_string(root().join(name)).map_err(|why| format!("cannot read {name}: {why}"))
}

/// Licences and sources against `deny.toml`, which `cargo deny` reads as well.
fn supply(packages: &[Package], breaches: &mut Vec<String>) -> Result {
    let text = read("deny.toml")?;
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
