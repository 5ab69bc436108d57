//! Which room may know which, which crates of others each may use, and which files of the command line reach past the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every room with the rooms it may know; `docs/ARCHITECTURE.md` says why.
const ROOMS: &[(&str, &[&str])] = &[
    ("wharfie-oci", &[]),
    ("wharfie-content", &["wharfie-oci"]),
    ("wharfie-build", &["wharfie-oci"]),
    ("wharfie-bake", &["wharfie-oci"]),
    ("wharfie-model", &[]),
    ("wharfie-scan", &["wharfie-oci"]),
    ("wharfie-trust", &["wharfie-oci"]),
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
            "wharfie-build",
            "wharfie-bake",
            "wharfie-model",
            "wharfie-scan",
            "wharfie-trust",
        ],
    ),
    ("wharfie-registry", &["wharfie-oci"]),
    (
        "wharfie",
        &[
            "wharfie-oci",
            "wharfie-content",
            "wharfie-model",
            "wharfie-engine",
            // Documents about what the engine found, as users read them.
            "wharfie-scan",
            // What `buildx bake` reads becomes command lines of `build`.
            "wharfie-bake",
            // A face that this one starts.
            "wharfie-registry",
            // In the files of `PAST_THE_ENGINE` only.
            "wharfie-layer",
            "wharfie-store",
            "wharfie-remote",
            "wharfie-runtime",
        ],
    ),
    ("wharfie-testkit", &["wharfie-oci", "wharfie-content", "wharfie-layer"]),
    ("wharfie-bench", &[]),
    ("xtask", &[]),
];

/// Tests may know the test kit, and nothing else that their room may not.
const TEST_KIT: &str = "wharfie-testkit";

/// Every crate of others with the rooms that may use it; none given: all. Why each was taken says `docs/dependencies.md`.
const FOREIGN: &[(&str, &[&str])] = &[
    ("base64", &["wharfie-remote", "wharfie-bake", "wharfie-registry", "wharfie-trust", "wharfie"]),
    // The registry's HTTP, and the asynchronous runtime that only it has.
    ("bcrypt", &["wharfie-registry"]),
    ("bytes", &["wharfie-registry"]),
    ("futures-core", &["wharfie-registry"]),
    ("futures-util", &["wharfie-registry"]),
    ("hyper", &["wharfie-registry"]),
    ("hyper-rustls", &["wharfie-registry"]),
    ("hyper-util", &["wharfie-registry"]),
    ("instant-acme", &["wharfie-registry"]),
    ("object_store", &["wharfie-registry"]),
    ("rcgen", &["wharfie-registry"]),
    ("ring", &["wharfie-registry", "wharfie-trust"]),
    ("tokio", &["wharfie-registry"]),
    ("tokio-rustls", &["wharfie-registry"]),
    ("bzip2", &["wharfie-layer"]),
    ("cargo_metadata", &["xtask"]),
    // How bad an advisory is, from its vector.
    ("cvss", &["wharfie-scan"]),
    ("flate2", &["wharfie-layer", "wharfie-engine", "wharfie-scan", "wharfie-testkit", "wharfie-bench"]),
    // Bake files: their syntaxes, and what their functions compute.
    ("hcl-edit", &["wharfie-bake"]),
    ("md-5", &["wharfie-bake"]),
    ("regex", &["wharfie-bake", "wharfie-engine"]),
    ("serde-saphyr", &["wharfie-bake", "wharfie"]),
    ("sha1", &["wharfie-bake"]),
    // Times of documents, dates of HTTP, and what people read. Nobody else needs more than those give.
    ("jiff", &["wharfie-oci", "wharfie-remote", "wharfie-bake", "wharfie"]),
    // Unsafe calls, which are made in one file.
    ("libc", &["wharfie-runtime"]),
    ("lzma-rust2", &["wharfie-layer"]),
    // What hides private keys in files.
    ("poly1305", &["wharfie-trust"]),
    ("salsa20", &["wharfie-trust"]),
    ("scrypt", &["wharfie-trust"]),
    ("proptest", &[]),
    ("rusqlite", &["wharfie-store"]),
    ("rustix", &[]),
    // The network. Whoever else wants something from a registry asks `remote`.
    ("rustls", &["wharfie-remote", "wharfie-registry"]),
    ("rustls-native-certs", &["wharfie-remote"]),
    ("rustls-pki-types", &["wharfie-trust"]),
    ("rustls-webpki", &["wharfie-remote", "wharfie-trust"]),
    ("serde", &[]),
    ("serde_json", &[]),
    ("sha2", &["wharfie-oci", "wharfie-bake", "wharfie-testkit", "wharfie-bench"]),
    ("signal-hook", &["wharfie"]),
    ("tempfile", &["wharfie-testkit"]),
    ("thiserror", &[]),
    // The settings file is the command line's: every other room is given values.
    ("toml", &["wharfie"]),
    ("unicode-width", &["wharfie"]),
    ("ureq", &["wharfie-remote"]),
    ("x509-cert", &["wharfie-registry", "wharfie-trust"]),
    ("zstd", &["wharfie-layer", "wharfie-testkit"]),
];

/// The files of the command line that speak to a room behind the engine, by room. First its surroundings, where what the
/// engine is given is put together and where the program becomes a container's init; they stay. The others are debts: what
/// they name should come from the engine, and the list should shrink.
const PAST_THE_ENGINE: &[(&str, &[&str])] = &[
    // The store's options, and the registries, credentials and proxies that the user's files name.
    ("wharfie-store", &["settings.rs"]),
    ("wharfie-remote", &["context.rs", "machine.rs", "network.rs", "commands/login.rs", "commands/logout.rs"]),
    // The program as init, and the user namespace that it enters before any thread runs.
    ("wharfie-runtime", &["main.rs", "env.rs", "rootless.rs"]),
    ("wharfie-store", &["commands/unshare.rs"]),
    // Debts: manifests that the face reads and writes on registries by itself, an error's words.
    (
        "wharfie-remote",
        &[
            "commands/buildx/attest.rs",
            "commands/buildx/inspect.rs",
            "commands/buildx/mod.rs",
            "commands/image/push.rs",
            "commands/manifest/mod.rs",
            "compat.rs",
        ],
    ),
    // Debts: sizes of terminals, limits and samples, which want words of their own in the engine.
    (
        "wharfie-runtime",
        &[
            "commands/container/exec.rs",
            "commands/container/limits.rs",
            "commands/container/terminal.rs",
            "compat/table.rs",
        ],
    ),
    // Debts: `cp` packs and unpacks what it copies, `diff` names kinds of changes.
    ("wharfie-layer", &["commands/container/changes.rs", "commands/container/cp.rs"]),
];

/// What a package of the workspace depends on.
pub(super) struct Dependency<'a> {
    pub(super) name: &'a str,
    pub(super) is_for_tests: bool,
}

/// What is wrong with the dependencies of `package`.
pub(super) fn of_package(package: &str, dependencies: &[Dependency<'_>]) -> Vec<String> {
    let rooms: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let foreign: BTreeMap<&str, &[&str]> = FOREIGN.iter().copied().collect();
    let Some(known) = rooms.get(package) else {
        return vec![format!("{package}: a room that xtask/src/tidy/arrows.rs does not know")];
    };
    let breach = |one: &Dependency<'_>| {
        let name = one.name;
        if rooms.contains_key(name) {
            let is_fine = known.contains(&name) || (one.is_for_tests && name == TEST_KIT);
            return (!is_fine).then(|| format!("{package}: must not depend on {name}"));
        }
        match foreign.get(name) {
            None => Some(format!("{package}: xtask/src/tidy/arrows.rs does not say who may use {name}")),
            Some(users) if users.is_empty() || users.contains(&package) || one.is_for_tests => None,
            Some(_) => Some(format!("{package}: must not depend on {name}")),
        }
    };
    dependencies.iter().filter_map(breach).collect()
}

/// What is wrong with `declared`, the crates of others that the workspace declares, beside `used` and what `reasons`
/// (`docs/dependencies.md`) says of them.
pub(super) fn of_workspace(declared: &BTreeSet<String>, used: &BTreeSet<String>, reasons: &str) -> Vec<String> {
    let unused = declared.difference(used).map(|name| format!("Cargo.toml: nobody uses {name}"));
    let unexplained = used.iter().filter(|name| !reasons.contains(&format!("`{name}`")));
    unused.chain(unexplained.map(|name| format!("docs/dependencies.md: does not say why {name} is here"))).collect()
}

/// What is wrong with the files of the command line: each with its path in the crate and its text.
pub(super) fn of_face<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let allowed: BTreeSet<(&str, &str)> =
        PAST_THE_ENGINE.iter().flat_map(|(room, files)| files.iter().map(move |file| (*room, *file))).collect();
    let behind = ["wharfie-layer", "wharfie-store", "wharfie-remote", "wharfie-runtime", "wharfie-archive"];
    let mut found = BTreeSet::new();
    for (file, text) in files {
        found.extend(behind.into_iter().filter(|room| names(text, room)).map(|room| (room, file)));
    }
    let new = found.difference(&allowed).map(|(room, file)| {
        format!("crates/cli/src/{file}: speaks to {room}; what it needs should come from wharfie-engine")
    });
    let old = allowed.difference(&found).map(|(room, file)| {
        format!("crates/cli/src/{file}: no longer speaks to {room}: take it from the list in xtask/src/tidy/arrows.rs")
    });
    new.chain(old).collect()
}

/// True if `text` names something of `room` outside its comments.
fn names(text: &str, room: &str) -> bool {
    let path = format!("{}::", room.replace('-', "_"));
    text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(&path))
}

/// The Rust files beneath `directory`, with their paths from there.
pub(super) fn sources(directory: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(directory).expect("it was found beneath").to_string_lossy().into_owned();
                found.push((name, std::fs::read_to_string(&path)?));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(package: &str, name: &str, is_for_tests: bool, expected: &[&str]) {
        assert_eq!(of_package(package, &[Dependency { name, is_for_tests }]), expected);
    }

    #[test]
    fn places_do_not_know_each_other() {
        check("wharfie-engine", "wharfie-store", false, &[]);
        check("wharfie-store", "wharfie-remote", false, &["wharfie-store: must not depend on wharfie-remote"]);
        check("wharfie-store", "wharfie-remote", true, &["wharfie-store: must not depend on wharfie-remote"]);
        check("wharfie-store", "wharfie-testkit", true, &[]);
        check("wharfie-store", "wharfie-testkit", false, &["wharfie-store: must not depend on wharfie-testkit"]);
        check("stranger", "serde", false, &["stranger: a room that xtask/src/tidy/arrows.rs does not know"]);
    }

    #[test]
    fn crates_of_others_stay_where_they_belong() {
        check("wharfie-remote", "ureq", false, &[]);
        check("wharfie-engine", "ureq", false, &["wharfie-engine: must not depend on ureq"]);
        check("wharfie-engine", "toml", false, &["wharfie-engine: must not depend on toml"]);
        check("wharfie-engine", "serde", false, &[]);
        check("wharfie-engine", "proptest", true, &[]);
        let unknown = "wharfie-engine: xtask/src/tidy/arrows.rs does not say who may use reqwest";
        check("wharfie-engine", "reqwest", false, &[unknown]);
    }

    #[test]
    fn what_nobody_uses_or_explains_is_told() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            of_workspace(&set(&["a", "b"]), &set(&["a", "c"]), "| `a` | letters |"),
            ["Cargo.toml: nobody uses b", "docs/dependencies.md: does not say why c is here"]
        );
    }

    #[test]
    fn a_new_way_past_the_engine_is_told() {
        let told = of_face([("new.rs", "// wharfie_remote::x\nuse wharfie_store::Store;\n")].into_iter());
        let new = "crates/cli/src/new.rs: speaks to wharfie-store; what it needs should come from wharfie-engine";
        assert!(told.iter().any(|breach| breach == new), "{told:?}");
        assert!(!told.iter().any(|breach| breach.contains("new.rs: speaks to wharfie-remote")), "{told:?}");
    }
}
