//! `scan` answers what OSV.dev answered: `tests/data/osv/README.md` says where that is from, and why four answers differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::host;

/// What is found here and not in the recorded answers, by package.
const MORE: &[(&str, &[&str])] = &[
    ("golang.org/x/image", &["GO-2026-6222"]),
    ("toolchain", &["GO-2026-6179", "GO-2026-6180"]),
    ("urllib3", &["PYSEC-2021-108"]),
    ("cryo", &["x_NSWG-ECO-461"]),
];

fn data(name: &str) -> Vec<Value> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/osv").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("the data are there")).expect("they are JSON")
}

/// The package of an answer as `sbom --format json` writes it.
fn package(answer: &Value) -> Value {
    let text = |key: &str| answer[key].as_str().expect("it is a text");
    let kind = match text("ecosystem").split(':').next().expect("there is a first part") {
        "Go" => "golang",
        "PyPI" => "pypi",
        "npm" => "npm",
        "crates.io" => "cargo",
        "Maven" => "maven",
        "NuGet" => "nuget",
        "Alpine" => "apk",
        other => panic!("nobody knows {other}"),
    };
    let name = text("name");
    let split = match kind {
        "maven" => name.split_once(':'),
        "npm" => name.split_once('/'),
        _ => None,
    };
    let (namespace, name) = split.unwrap_or(("", name));
    json!({"kind": kind, "namespace": namespace, "name": name, "version": text("version"), "path": "x"})
}

#[test]
fn recorded_answers_of_osv_are_ours() {
    let host = host();
    let (answers, records) = (data("answers.json"), data("records.json"));
    std::fs::create_dir(host.path().join("osv")).unwrap();
    for record in &records {
        host.file(&format!("osv/{}.json", record["id"].as_str().unwrap()), record.to_string().as_bytes());
    }
    let osv = host.path().join("osv").display().to_string();
    // One document for each system: which it is decides for all of its packages.
    let mut systems: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for answer in &answers {
        let release = answer["ecosystem"].as_str().unwrap().split_once(":v").map_or("", |(_, release)| release);
        systems.entry(release).or_default().push(answer);
    }
    let mut different = BTreeMap::new();
    for (release, answers) in systems {
        let packages: Vec<Value> = answers.iter().map(|answer| package(answer)).collect();
        let mut document = json!({"wharfieInventory": 1, "packages": packages});
        if !release.is_empty() {
            document["distro"] = json!({"id": "alpine", "versionId": format!("{release}.1")});
        }
        let path = host.file("inventory.json", document.to_string().as_bytes()).display().to_string();
        let told = host.run(&["scan", "--db", &osv, "--only", "vulnerabilities", "--format", "json", &path]);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        let mut found: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for finding in told["findings"].as_array().unwrap() {
            let of = &finding["package"];
            let key = (of["name"].as_str().unwrap().to_owned(), of["version"].as_str().unwrap().to_owned());
            let ids = finding["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
            found.entry(key).or_default().extend(ids);
        }
        for answer in answers {
            let (name, version) = (answer["name"].as_str().unwrap(), answer["version"].as_str().unwrap());
            let expected: BTreeSet<String> =
                answer["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            let found = found.remove(&(name.to_owned(), version.to_owned())).unwrap_or_default();
            assert!(expected.is_subset(&found), "{name} {version}: {expected:?} {found:?}");
            let more: Vec<String> = found.difference(&expected).cloned().collect();
            if !more.is_empty() {
                different.insert(name.to_owned(), more);
            }
        }
        assert!(found.is_empty(), "{found:?}");
    }
    let expected = MORE.iter().map(|(name, ids)| ((*name).to_owned(), ids.iter().map(|id| (*id).to_owned()).collect()));
    assert_eq!(different, expected.collect::<BTreeMap<_, Vec<String>>>());
    assert_eq!((answers.len(), records.len()), (32, 221));
}
