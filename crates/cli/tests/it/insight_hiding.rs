//! `scan`, `sbom` and `maintain` of images that hide what they have, or are made to cost.

use serde_json::{Value, json};
use wharfie_testkit::image::{bytes, link, tar};
use wharfie_testkit::{Host, Image, file};

use crate::insight::advisories;
use crate::{host, host_with};

const DEBIAN: &str = "ID=debian\nVERSION_ID=\"12\"\n";
const GLIBC: &str = "Package: libc6\nSource: glibc\nStatus: install ok installed\nVersion: 2.36-9\n";

fn token() -> String {
    // Put together here, so that no scanner takes this file for a leak.
    format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6")
}

fn document(host: &Host, words: &[&str]) -> Value {
    let said = host.run(words);
    serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {} {}", said.stdout, said.stderr))
}

#[test]
fn packages_that_cannot_be_read_fail_a_gate() {
    // Before the first package there is more than is looked at.
    let padded = "\n".repeat(17 << 20) + GLIBC;
    let hidden = tar(&[file("etc/os-release", DEBIAN), file("var/lib/dpkg/status", &padded)]);
    let host = host_with(&[(&Image::new().with_layer(hidden), &["web:1"])]);
    let osv = advisories(&host);
    let scan = ["scan", "--only", "vulnerabilities", "--db", &osv, "web:1"];
    let said = host.run(&scan);
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "No known vulnerabilities; the packages of 1 file not checked\n")
    );
    let gate = host.run(&[&scan[..], &["--fail-on", "critical"]].concat());
    assert!(gate.code == 2 && gate.stderr.contains("not all that tells of packages could be read"), "{}", gate.stderr);
    assert_eq!(document(&host, &[&scan[..], &["--format", "json"]].concat())["unread"], 1);
    // So do many images at once.
    let said = host.run(&["maintain", "--db", &osv, "--fail-on", "critical"]);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains("WARNING: web:1: var/lib/dpkg/status is larger than 16 MiB"), "{}", said.stderr);
    assert!(said.stdout.contains("1 file of packages and 0 images could not be read"), "{}", said.stdout);
    assert_eq!(host.run(&["maintain", "--db", &osv]).code, 0);
}

#[test]
fn maintain_tells_what_it_cannot_judge() {
    let layers = [
        tar(&[file("etc/os-release", DEBIAN), file("var/lib/dpkg/status", GLIBC)]),
        tar(&[file("etc/os-release", "ID=plan9\n")]),
    ];
    let [base, top] = layers;
    let host = host_with(&[(&Image::new().with_layer(base).with_layer(top), &["web:1"])]);
    let osv = advisories(&host);
    let told = document(&host, &["maintain", "--format", "json", "--db", &osv]);
    let text = "the data base knows nothing of plan9: 1 package was not checked";
    assert_eq!(told["scan"]["warnings"], json!([{"image": "web:1", "text": text}]));
    assert_eq!((&told["scan"]["unchecked"], &told["scan"]["unread"]), (&1.into(), &0.into()));
    let said = host.run(&["maintain", "--db", &osv]);
    assert!(said.stderr.contains(&format!("WARNING: web:1: {text}")), "{}", said.stderr);
    assert!(said.stdout.contains("1 package was not checked"), "{}", said.stdout);
}

#[test]
fn what_takes_the_place_of_a_packages_file_is_nobodys() {
    let list = "/usr/lib/node_modules/left-pad/package.json\n/usr/share/site/index.html\n/usr/share/site/kept\n/opt/app/node_modules/six/package.json\n";
    let package = |name: &str| format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
    let base = tar(&[
        file("etc/os-release", DEBIAN),
        file("var/lib/dpkg/status", "Package: site\nStatus: install ok installed\nVersion: 1\n"),
        file("var/lib/dpkg/info/site.list", list),
        file("usr/lib/node_modules/left-pad/package.json", &package("left-pad")),
        file("usr/share/site/index.html", "welcome"),
        file("usr/share/site/kept", &token()),
        // No package of a system has files there, whatever its list says.
        file("opt/app/node_modules/six/package.json", &package("six")),
    ]);
    // As `chown` does it: the same bytes in another layer.
    let owned = tar(&[
        file("usr/lib/node_modules/left-pad/package.json", &package("left-pad")),
        file("usr/share/site/kept", &token()),
    ]);
    let replaced = tar(&[
        file("usr/lib/node_modules/left-pad/package.json", r#"{"name":"left-pad","version":"1.0.1"}"#),
        file("usr/share/site/index.html", &format!("key = {}", token())),
    ]);
    let image = Image::new().with_layer(base).with_layer(owned);
    let host = host_with(&[(&image, &["kept"]), (&image.clone().with_layer(replaced), &["replaced"])]);
    let osv = advisories(&host);
    let judged = |image: &str| {
        let told =
            document(&host, &["scan", "--only", "vulnerabilities,leaks", "--format", "json", "--db", &osv, image]);
        let texts = |list: &str, key: &str| -> Vec<String> {
            told[list].as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
        };
        (texts("findings", "id"), texts("leaks", "path"))
    };
    assert_eq!(judged("kept"), (Vec::new(), Vec::new()));
    let expected = (vec!["CVE-2018-1".to_owned()], vec!["usr/share/site/index.html".to_owned()]);
    assert_eq!(judged("replaced"), expected);
    let owners = document(&host, &["sbom", "--format", "json", "replaced"]);
    let owners: Vec<_> = owners["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["kind"] == "npm")
        .map(|one| &one["owner"])
        .collect();
    assert_eq!(owners, [&Value::Null, &Value::Null]);
}

#[test]
fn documents_tell_what_nobody_here_knows() {
    let host = host();
    let osv = advisories(&host);
    let text = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        {"type": "operating-system", "name": "debian", "version": "12"},
        {"type": "library", "name": "a", "version": "1", "purl": "pkg:hex/a@1"},
        {"type": "library", "name": "b", "version": "1"},
        {"type": "library", "name": "glibc", "version": "1", "purl": "pkg:deb/ubuntu/glibc@1?distro=ubuntu-22.04"}]});
    let path = host.file("web.cdx.json", text.to_string().as_bytes()).display().to_string();
    let said = host.run(&["scan", "--db", &osv, &path]);
    assert_eq!(said.stdout, "No known vulnerabilities; 3 not checked\n", "{}", said.stderr);
    for origin in ["hex", "nowhere in particular", "ubuntu"] {
        assert!(said.stderr.contains(&format!("knows nothing of {origin}: 1 package")), "{origin}: {}", said.stderr);
    }
}

#[test]
fn names_in_an_image_forge_no_lines() {
    let layer = tar(&[
        file("lib/x\nWARNING: all is well\n/a.jar", "no zip"),
        file("app/\u{202e}x\u{9b}.dist-info/METADATA", "Name: six\u{202e}\u{9b}2J\nVersion: 1\n"),
    ]);
    let host = host_with(&[(&Image::new().with_layer(layer), &["web"])]);
    let osv = advisories(&host);
    for words in [
        &["sbom", "web"] as &[&str],
        &["sbom", "--format", "json", "web"],
        &["sbom", "--format", "spdx-json", "web"],
        &["sbom", "--format", "cyclonedx-json", "web"],
        &["scan", "--db", &osv, "web"],
        &["scan", "--db", &osv, "--format", "json", "web"],
        &["scan", "--db", &osv, "--format", "sarif", "web"],
    ] {
        let said = host.run(words);
        assert_eq!(said.code, 0, "{words:?}: {}", said.stderr);
        assert!(
            !said.stderr.lines().any(|line| line.starts_with("WARNING: all is well")),
            "{words:?}: {}",
            said.stderr
        );
        assert!(!said.stdout.contains(['\u{202e}', '\u{9b}']), "{words:?}: {}", said.stdout);
    }
}

#[test]
fn a_crowd_costs_what_it_has() {
    let folder = format!("P:musl\nV:1\nF:{}\n{}\n", "d".repeat(1_000_000), "R:a\n".repeat(100_000));
    let sections = {
        // 4,095 sections that share a text without an end.
        let (count, texts) = (4095_u16, vec![b'A'; 1 << 20]);
        let mut program = vec![0; 64];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        program[0x28..0x30].copy_from_slice(&64_u64.to_le_bytes());
        for (at, number) in [(0x36, 56_u16), (0x38, 0), (0x3a, 64), (0x3c, count), (0x3e, 1)] {
            program[at..at + 2].copy_from_slice(&number.to_le_bytes());
        }
        let mut section = [0; 64];
        section[24..32].copy_from_slice(&(64 + 64 * u64::from(count)).to_le_bytes());
        section[32..40].copy_from_slice(&(1_u64 << 20).to_le_bytes());
        program.extend(section.repeat(count.into()));
        program.extend(texts);
        program
    };
    let mut layer = vec![
        file("etc/os-release", "ID=alpine\nVERSION_ID=3.18.0\n"),
        file("lib/apk/db/installed", &folder),
        file("usr/lib/a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"),
        file("srv/web", &"-eyJ".repeat(1 << 18)),
        file("srv/mail", &format!("{}.example", "SG.".repeat(340_000))),
        link("opt/lib", &"x/".repeat(2000)),
        link("var", &"y/".repeat(2000)),
    ];
    layer.extend((0..20).map(|number| bytes(format!("bin/{number}").as_bytes(), sections.clone())));
    let host = host_with(&[(&Image::new().with_layer(tar(&layer)), &["web"])]);
    let told = document(&host, &["sbom", "--format", "json", "web"]);
    let names: Vec<_> = told["packages"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["musl", "a"]);
    assert_eq!(host.run(&["scan", "--only", "leaks", "web"]).stdout, "Nothing was found\n");
}

#[test]
fn nobody_waits_for_a_pipe_without_a_writer() {
    let host = host_with(&[(&Image::new().with_layer(tar(&[file("etc/os-release", DEBIAN)])), &["web"])]);
    let osv = advisories(&host);
    let pipe = host.path().join("pipe").display().to_string();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for words in [
        &["scan", "--db", &pipe, "web"] as &[&str],
        &["scan", "--db", &osv, "--vex", &pipe, "web"],
        &["scan", "--db", &osv, "--ignore-file", &pipe, "web"],
        &["scan", "db", "import", &pipe],
        &["trust", "signer", "add", "--key", &pipe, "ada", "localhost:1/web"],
    ] {
        let said = host.run(words);
        assert!(said.code == 1 && said.stderr.contains("it is a named pipe"), "{words:?}: {}", said.stderr);
    }
}
