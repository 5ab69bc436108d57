//! What holds for the source of every command.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{ROOT, Run};
use crate::flags::{Command, Needs};

const TYPES: [&str; 5] = ["Switch", "Text", "Number", "Texts", "Conditions"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

/// The names of constants that follow `before` in `text` and are followed by `after`.
fn names<'a>(text: &'a str, before: &str, after: &str) -> BTreeSet<&'a str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let parts = text.split(before).skip(1);
    let found = parts.filter_map(|part| {
        let end = part.find(|c| !is_name(c)).unwrap_or(part.len());
        (end > 0 && part[end..].starts_with(after)).then(|| &part[..end])
    });
    found.collect()
}

/// The names of constants before `after`.
fn before<'a>(text: &'a str, after: &str) -> BTreeSet<&'a str> {
    let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let parts: Vec<&str> = text.split(after).collect();
    let heads = parts[..parts.len() - 1].iter();
    heads.map(|head| &head[head.rfind(|c| !is_name(c)).map_or(0, |at| at + 1)..]).collect()
}

#[test]
fn every_command_declares_the_flags_that_it_asks_for() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands"), &mut paths);
    let texts: Vec<(PathBuf, String)> =
        paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    let listed = |text: &str| -> BTreeSet<String> {
        let spelled = [before(text, ".flag()"), before(text, ".also(")];
        spelled.into_iter().flatten().map(str::to_owned).collect()
    };
    let listed_anywhere: BTreeSet<String> = texts.iter().flat_map(|(_, text)| listed(text)).collect();
    let of_create = texts.iter().find(|(path, _)| path.ends_with("create_flags.rs")).map(|(_, text)| listed(text));
    let of_create = of_create.expect("run and create share their flags");
    let mut count = 0;
    for (path, text) in &texts {
        let mut listed = listed(text);
        if text.contains("create_flags![") {
            listed.extend(of_create.iter().cloned());
        }
        let text = &text.replace("create_flags::", "");
        for kind in TYPES {
            for name in names(text, "const ", &format!(": {kind} =")) {
                count += 1;
                let is_shared = text.contains(&format!("pub(crate) const {name}:"))
                    || text.contains(&format!("pub(super) const {name}:"));
                let known = if is_shared { &listed_anywhere } else { &listed };
                assert!(known.contains(name), "{}: no command declares {name}", path.display());
            }
        }
        // A file with commands of its own asks on their behalf; others ask for those who call them.
        if text.contains(": Command<Run> =") && !path.ends_with("commands/mod.rs") {
            let asked = ["get(&", "find(&", "is_given(&"].into_iter().flat_map(|how| names(text, how, ")"));
            for name in asked {
                assert!(
                    listed.contains(name),
                    "{}: asks for {name}, which its commands do not declare",
                    path.display()
                );
            }
        }
    }
    assert!(count > 150, "{count} flags were looked at");
}

#[test]
fn commands_that_touch_the_files_of_containers_users_enter_the_namespace() {
    fn collect(command: &Command<Run>, path: &str, needs: Needs, found: &mut Vec<String>) {
        if command.needs == needs {
            found.push(path.to_owned());
        }
        for entry in command.subcommands {
            collect(entry.command, format!("{path} {}", entry.name).trim_start(), needs, found);
        }
    }
    let check = |needs: Needs, expected: &[&str]| {
        let mut found = Vec::new();
        collect(&ROOT, "", needs, &mut found);
        found.sort();
        assert_eq!(found, expected, "{needs:?}");
    };
    check(
        Needs::Namespace,
        &[
            "__remove",
            "build",
            "builder build",
            "builder prune",
            "buildx bake",
            "buildx build",
            "buildx prune",
            "commit",
            "container commit",
            "container cp",
            "container create",
            "container diff",
            "container export",
            "container restart",
            "container run",
            "container start",
            "cp",
            "create",
            "diff",
            "export",
            "image build",
            "maintain",
            "restart",
            "run",
            "start",
            "unshare",
        ],
    );
    check(Needs::Sight, &["builder du", "buildx du", "system df"]);
    check(Needs::SightForSizes, &["container inspect", "container ls", "inspect", "ps"]);
}
