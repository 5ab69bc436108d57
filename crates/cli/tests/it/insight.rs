//! `sbom` and `scan` of what is here, on a registry, in archives and directories.

use serde_json::{Value, json};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Image, Published, TestRegistry, archive, file};

use crate::{host, host_with};

const STATUS: &str =
    "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9\nArchitecture: amd64\n";
const SECOND: &str = "\nPackage: curl\nStatus: install ok installed\nVersion: 7.88.1-10\nArchitecture: amd64\n";
const SIX: &str = "usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO";

/// Debian with a package more in its second layer, things of other kinds, and one that the last layer removes.
pub(crate) fn image() -> Image {
    let base = [
        file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian 12\"\n"),
        file("var/lib/dpkg/status", STATUS),
        file("usr/share/doc/libc6/copyright", "See /usr/share/common-licenses/LGPL-2.1.\n"),
    ];
    let second = [
        file("var/lib/dpkg/status", &format!("{STATUS}{SECOND}")),
        file("var/lib/dpkg/info/curl.list", &format!("/.\n/{SIX}\n")),
        file(SIX, "Name: six\nVersion: 1.16.0\nLicense: MIT\n\n"),
        file("srv/node_modules/left-pad/package.json", r#"{"name":"left-pad","version":"1.0.0"}"#),
        file("srv/gone.dist-info/METADATA", "Name: gone\nVersion: 1\n"),
        file("srv/evil.dist-info/METADATA", "Name: evil\u{1b}[31m\nVersion: 1\n"),
    ];
    let third = tar(&[file("srv/.wh.gone.dist-info", "")]);
    Image::new().with_layer(tar(&base)).with_layer(tar(&second)).with_layer(third).with_config("User", json!("web"))
}

const TABLE: &str = "\
NAME          VERSION     TYPE            LICENCE    BROUGHT BY
curl          7.88.1-10   deb                        layer 1
libc6         2.36-9      deb             LGPL-2.1   layer 0
evil\u{fffd}[31m    1           pypi                       layer 1
six           1.16.0      pypi (of curl)  MIT        layer 1
left-pad      1.0.0       npm                        layer 1
";

/// Blanks at the ends of lines and how wide columns are, are the table's own business.
fn words(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn packages_are_told_with_what_brought_them() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let told = host.run(&["sbom", "web:1"]).succeeds();
    assert_eq!(words(&told), words(TABLE), "{told}");
    let document: Value = serde_json::from_str(&host.run(&["sbom", "--format", "json", "web:1"]).succeeds()).unwrap();
    let libc = document["packages"].as_array().unwrap().iter().find(|package| package["name"] == "libc6").unwrap();
    assert_eq!(
        *libc,
        json!({"kind": "deb", "name": "libc6", "version": "2.36-9", "architecture": "amd64", "layer": 0,
            "source": {"name": "glibc", "version": "2.36-9"}, "licences": ["LGPL-2.1"], "path": "var/lib/dpkg/status"})
    );
    assert_eq!(document["id"], image().id());
    assert_eq!(document["layers"].as_array().unwrap().len(), 3);
    assert_eq!(document["layers"][1]["createdBy"], "layer 1");
}

#[test]
fn it_is_the_same_wherever_the_image_lies() {
    let image = image();
    let here = host_with(&[(&image, &["web:1"])]);
    let expected = here.run(&["sbom", "web:1"]).succeeds();
    let bytes = archive(&[(&image, &["web:1"])]);
    let host = host();
    let path = host.file("web.tar", &bytes).display().to_string();
    assert_eq!(host.run(&["sbom", &path]).succeeds(), expected);
    assert_eq!(host.run_with(&["sbom", "-"], &bytes).succeeds(), expected);
    // A pipe gives its bytes once.
    let pipe = host.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for verb in ["sbom", "analyze"] {
        let (into, bytes) = (pipe.clone(), bytes.clone());
        let writer = std::thread::spawn(move || std::fs::write(into, bytes).unwrap());
        host.run(&[verb, &pipe.display().to_string()]).succeeds();
        writer.join().unwrap();
    }
    let registry = TestRegistry::start();
    let name = registry.publish("team/web:1", &Published::of(&image));
    let told = host.run(&["sbom", "--progress", "quiet", &name]);
    assert_eq!(told.succeeds(), expected);
    // Nothing of it stays.
    assert_eq!(host.run(&["images", "-aq"]).succeeds(), "");
    let left = std::fs::read_dir(host.store().join("layers")).unwrap().count();
    assert_eq!(left, 0);
    // A document that was written is as good as the image.
    for format in ["json", "cyclonedx-json", "spdx-json"] {
        let out = host.path().join(format!("{format}.json")).display().to_string();
        here.run(&["sbom", "--format", format, "-o", &out, "web:1"]).prints("");
        let again = host.run(&["sbom", &out]).succeeds();
        assert_eq!(words(&again).len(), words(&expected).len(), "{format}: {again}");
    }
}

#[test]
fn documents_do_not_repeat_the_secrets_of_instructions() {
    let token = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
    let make = format!("RUN |2 TOKEN={token} PASSWORD=two words /bin/sh -c make # buildkit");
    let curl = format!("RUN curl -H 'Authorization: {token}' https://x");
    let image = Image::new()
        .with_layer_by(tar(&[file("var/lib/dpkg/status", STATUS)]), &make)
        .with_layer_by(tar(&[file("var/lib/dpkg/status", &format!("{STATUS}{SECOND}"))]), &curl);
    let host = host_with(&[(&image, &["web:1"])]);
    let told = host.run(&["sbom", "web:1"]).succeeds();
    assert!(told.contains("RUN make") && told.contains("RUN curl -H 'Authorization: ghp_aB3d…'"), "{told}");
    for words in [
        &["sbom", "web:1"] as &[&str],
        &["sbom", "--format", "json", "web:1"],
        &["sbom", "--format", "cyclonedx-json", "web:1"],
        &["sbom", "--format", "spdx-json", "web:1"],
        &["scan", "--only", "leaks,checks", "web:1"],
        &["scan", "--only", "leaks,checks", "--format", "json", "web:1"],
        &["scan", "--only", "leaks,checks", "--format", "sarif", "web:1"],
        &["analyze", "--json", "/dev/stdout", "web:1"],
    ] {
        let told = host.run(words).succeeds();
        assert!(!told.contains(&token), "{words:?}: {told}");
        assert!(!told.contains("two words"), "{words:?}: {told}");
    }
}

#[test]
fn layers_of_an_archive_are_proven_before_they_are_believed() {
    let host = host();
    let mut bytes = archive(&[(&image(), &["web:1"])]);
    let at = bytes.windows(8).position(|eight| eight == b"2.36-9\nA").unwrap();
    bytes[at] = b'3';
    let path = host.file("web.tar", &bytes).display().to_string();
    for verb in ["sbom", "scan"] {
        let mut words = vec![verb];
        words.extend(["--only", "leaks"].iter().filter(|_| verb == "scan"));
        words.push(&path);
        let told = host.run(&words);
        assert_eq!(told.code, 1, "{}", told.stderr);
        assert!(told.stderr.starts_with("invalid diffID for layer "), "{}", told.stderr);
    }
}

#[test]
fn licences_have_the_names_that_spdx_has_for_them() {
    let format = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\n";
    let copyright = format!(
        "{format}License: GPL-2+ or Expat\n\nFiles: a\nLicense: BSD-3-clause\n\nFiles: b\nLicense: house\n rules\n"
    );
    let layer = [
        file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        file("var/lib/dpkg/status", STATUS),
        file("usr/share/doc/libc6/copyright", &copyright),
    ];
    let host = host_with(&[(&Image::new().with_layer(tar(&layer)), &["web:1"])]);
    let told = host.run(&["sbom", "web:1"]).succeeds();
    assert!(told.contains("BSD-3-Clause, GPL-2.0-or-later OR MIT, "), "{told}");
    let document = |words: &[&str]| -> Value {
        serde_json::from_str(&host.run(&[&["sbom", "--format", "spdx-json"], words].concat()).succeeds()).unwrap()
    };
    let ours = document(&["web:1"]);
    assert_eq!(
        ours["packages"][1]["licenseDeclared"],
        "BSD-3-Clause AND (GPL-2.0-or-later OR MIT) AND LicenseRef-house"
    );
    // A document of others: what it explains stays explained.
    let explained =
        json!([{"licenseId": "LicenseRef-Vendor-7", "name": "Vendor's terms", "extractedText": "Pay.\nThen use."}]);
    let theirs = json!({"spdxVersion": "SPDX-2.3", "name": "x", "hasExtractedLicensingInfos": explained, "packages": [{
        "name": "six", "licenseDeclared": "MIT AND LicenseRef-Vendor-7",
        "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:pypi/six@1.16.0"}]}]});
    let path = host.file("theirs.json", theirs.to_string().as_bytes()).display().to_string();
    assert!(host.run(&["sbom", &path]).succeeds().contains("MIT, Vendor's terms"));
    let again = document(&[&path]);
    assert_eq!(again["packages"][1]["licenseDeclared"], "MIT AND LicenseRef-Vendor-7");
    assert_eq!(again["hasExtractedLicensingInfos"], explained);
    let own = host.run(&["sbom", "--format", "json", &path]).succeeds();
    let own = host.file("own.json", own.as_bytes()).display().to_string();
    assert_eq!(document(&[&own])["hasExtractedLicensingInfos"], explained);
}

#[test]
fn a_directory_and_a_container_can_be_looked_into() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let root = host.path().join("root");
    std::fs::create_dir_all(root.join("lib/apk/db")).unwrap();
    std::fs::write(root.join("lib/apk/db/installed"), "P:musl\nV:1.2.4-r2\nL:MIT\n\n").unwrap();
    std::os::unix::fs::symlink("/", root.join("loop")).unwrap();
    let told = host.run(&["sbom", &root.display().to_string()]).succeeds();
    assert_eq!(words(&told)[1], ["musl", "1.2.4-r2", "apk", "MIT"]);
    host.run(&["create", "--name", "one", "web:1", "true"]).succeeds();
    let told = host.run(&["sbom", "container:one"]).succeeds();
    assert_eq!(words(&told), words(TABLE), "{told}");
}

#[test]
fn what_has_nothing_that_is_known_is_not_said_to_be_well() {
    let host = host();
    let at = |name: &str| host.path().join(name);
    std::fs::create_dir(at("empty")).unwrap();
    let told = host.run(&["sbom", "--format", "json", &at("empty").display().to_string()]);
    assert_eq!(told.code, 0);
    assert_eq!(told.stderr, "WARNING: no system and no package was found in it: nothing of it can be checked\n");
    // skopeo's `dir:` looks like a root file system without anything.
    std::fs::create_dir(at("skopeo")).unwrap();
    std::fs::write(at("skopeo/version"), "Directory Transport Version: 1.1\n").unwrap();
    std::fs::write(at("skopeo/manifest.json"), "{}").unwrap();
    let place = at("skopeo").display().to_string();
    let help = " help: `skopeo copy dir:DIRECTORY oci:OTHER` makes a layout of it, which is read";
    for verb in ["sbom", "scan", "analyze"] {
        let told = format!("{place} has an image as skopeo's `dir:` writes it, and is no root file system\n{help}");
        let mut words = vec![verb, &place];
        words.extend(["--only", "leaks"].iter().filter(|_| verb == "scan"));
        host.run(&words).fails(1, &told);
    }
}

#[test]
fn what_cannot_be_looked_into_is_told() {
    let host = host();
    host.run(&["sbom", "./missing"])
        .fails(1, "there is no ./missing\n help: name an image, a directory, an archive or an SBOM; `container:NAME` looks into a container");
    host.run(&["sbom", "--format", "yaml", "web:1"])
        .fails(1, "invalid format \"yaml\"\n help: the formats are table, json, cyclonedx-json, spdx-json");
    let path = host.file("no.json", b"{}").display().to_string();
    host.run(&["sbom", &path]).fails(
        1,
        &format!("{path} is neither CycloneDX nor SPDX 2 in JSON\n help: `wharfie sbom --format cyclonedx-json` writes a document that can be read"),
    );
    let two = archive(&[(&image(), &["a:1"]), (&Image::new().with_file("a", "b"), &["b:1"])]);
    let said = host.run_with(&["sbom", "-"], &two);
    assert_eq!(
        (said.code, said.words_without_help().as_str()),
        (1, "there are several images in the archive: a:1, b:1\n")
    );
    assert!(said.stderr.contains("`--image NAME` of sbom, scan and analyze chooses one"), "{}", said.stderr);
}

#[test]
fn one_of_several_images_can_be_chosen() {
    let host = host();
    let other = Image::new().with_file("srv/left.dist-info/METADATA", "Name: left\nVersion: 1\n");
    let path = host.file("two.tar", &archive(&[(&image(), &["a:1"]), (&other, &["b:1", "b:latest"])]));
    let path = path.display().to_string();
    for name in ["a:1", "docker.io/library/a:1"] {
        let told = host.run(&["sbom", "--image", name, &path]).succeeds();
        assert_eq!(words(&told), words(TABLE), "{told}");
    }
    assert_eq!(words(&host.run(&["sbom", "--image", "b", &path]).succeeds())[1][..2], ["left", "1"]);
    let piped = std::fs::read(&path).unwrap();
    assert!(
        host.run_with(&["scan", "--image", "b:1", "--only", "checks", "-"], &piped).succeeds().contains("user-root")
    );
    let analyzed = host.run(&["analyze", "--format", "json", "--image", "b:1", &path]).succeeds();
    assert_eq!(serde_json::from_str::<Value>(&analyzed).unwrap()["layer"].as_array().unwrap().len(), 1);
    host.run(&["sbom", "--image", "c:1", &path]).fails(1, "Error response from daemon: No such image: c:1");
    host.run(&["sbom", "--image", "a:1", "web"]).fails(
        1,
        "only an archive or a layout has several images that one is chosen from\n help: without `--image` the name alone says which",
    );
    host.run(&["analyze", "--image", "a:1", &path, &path]).fails(
        1,
        "--image is about one archive\n help: `wharfie load` takes all of an archive in; then compare by names",
    );
}

#[test]
fn broken_files_are_warnings_and_the_rest_is_told() {
    let layer = tar(&[
        file("var/lib/rpm/rpmdb.sqlite", "SQLite format 3\0 and nothing more"),
        file("app/broken.jar", "PK\u{3}\u{4}"),
        file("app/ok.dist-info/METADATA", "Name: ok\nVersion: 1\n"),
    ]);
    let host = host_with(&[(&Image::new().with_layer(layer), &["web:1"])]);
    let told = host.run(&["sbom", "web:1"]);
    assert_eq!(words(&told.stdout)[1], ["ok", "1", "pypi", "layer", "0"]);
    assert_eq!(
        told.stderr,
        "WARNING: app/broken.jar is no zip archive\nWARNING: var/lib/rpm/rpmdb.sqlite points outside of itself\n"
    );
}

/// A directory with records as OSV publishes them, one by one.
pub(crate) fn advisories(host: &wharfie_testkit::Host) -> String {
    let record = |id: &str, ecosystem: &str, name: &str, fixed: &str, more: Value| {
        let mut record = json!({"id": id, "modified": "2020-01-01T00:00:00Z", "summary": format!("{name} breaks"),
            "affected": [{"package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
        let (known, more) = (record.as_object_mut().expect("it is one"), more.as_object().expect("it is one"));
        known.extend(more.clone());
        let bytes = serde_json::to_vec(&record).expect("it can be written");
        host.file(&format!("osv/{id}.json"), &bytes)
    };
    let high = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}]);
    std::fs::create_dir(host.path().join("osv")).expect("the host's own folder takes folders");
    record("DSA-1-1", "Debian:12", "glibc", "2.36-9+deb12u4", json!({"upstream": ["CVE-2023-4911"]}));
    record("GHSA-1", "npm", "left-pad", "1.3.0", json!({"aliases": ["CVE-2018-1"], "severity": high}));
    record("PYSEC-1", "PyPI", "six", "2", json!({}));
    host.path().join("osv").display().to_string()
}

#[test]
fn a_scan_tells_what_is_wrong_and_who_brought_it() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let said = host.run(&["scan", "web:1"]);
    let index = host.store().join("advisories/index").display().to_string();
    assert_eq!(
        (said.code, said.words_without_help()),
        (1, format!("there is no data base of advisories in {index}\n"))
    );
    assert!(said.stderr.contains(" help: `wharfie scan db import DIR`"), "{}", said.stderr);
    let osv = advisories(&host);
    let told = host.run(&["scan", "--db", &osv, "web:1"]);
    let expected = "\
PACKAGE    INSTALLED   FIXED IN         VULNERABILITY   SEVERITY   BROUGHT BY
left-pad   1.0.0       1.3.0            CVE-2018-1      high       layer 1
libc6      2.36-9      2.36-9+deb12u4   CVE-2023-4911   unknown    layer 0

2 findings: 1 high, 1 unknown, 2 with a fix
";
    assert_eq!(words(&told.stdout), words(expected), "{}", told.stdout);
    assert!(told.stderr.starts_with("WARNING: the newest advisory of Debian is "), "{}", told.stderr);
    assert!(host.path().join("osv/.wharfie-advisories").exists());
    // The same from what was imported.
    assert_eq!(host.run(&["scan", "db", "import", &osv]).succeeds(), "3 advisories of 3 ecosystems\n");
    assert_eq!(host.run(&["image", "scan", "web:1"]).stdout, told.stdout);
    let status = host.run(&["scan", "db", "status"]).succeeds();
    assert_eq!(words(&status)[1], ["Debian", "1", "2020-01-01T00:00:00Z"]);
}

#[test]
fn what_cannot_be_checked_is_said() {
    let layer = tar(&[
        file("etc/os-release", "ID=plan9\nVERSION_ID=4\n"),
        file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n"),
        file("app/six.dist-info/METADATA", &format!("Name: six\nVersion: 1\nAuthor: {}\n", "many ".repeat(500))),
        file("app/long.dist-info/METADATA", &format!("Name: long\nVersion: {}\n", "1".repeat(5_000))),
    ]);
    let host = host_with(&[(&Image::new().with_layer(layer), &["web:1"])]);
    let osv = advisories(&host);
    let told = host.run(&["scan", "--only", "vulnerabilities", "--fail-on", "low", "--db", &osv, "web:1"]);
    assert!(told.stdout.contains("PYSEC-1") && told.stdout.ends_with("; 1 not checked\n"), "{}", told.stdout);
    assert_eq!(told.code, 0, "{}", told.stderr);
    let json = host.run(&["scan", "--only", "vulnerabilities", "--format", "json", "--db", &osv, "web:1"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["unchecked"], 1);
    assert!(json["warnings"].as_array().unwrap().iter().any(|said| said.as_str().unwrap().contains("plan9")), "{json}");
    for said in [
        "knows nothing of plan9 4: 1 package was not checked",
        "app/long.dist-info/METADATA tells of a package with a name or version of over 1024 bytes",
        "1 finding has a severity that nobody knows",
    ] {
        assert!(told.stderr.contains(said), "{said}: {}", told.stderr);
    }
}

#[test]
fn what_has_no_advisories_is_no_data_base() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let help = " help: take OSV's zips (<ecosystem>/all.zip) or records, Debian's tracker, Alpine's secdb, CISA's KEV or EPSS; \
                `wharfie scan db status` tells what is here";
    let text = host.file("passwd", b"root:x:0:0").display().to_string();
    let told = format!("{text} is not the JSON that belongs there: expected value at line 1 column 1\n{help}");
    host.run(&["scan", "db", "import", &text]).fails(1, &told);
    let empty = host.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let empty = empty.display().to_string();
    host.run(&["scan", "db", "import", &empty]).fails(1, &format!("{empty} has no advisories in it\n{help}"));
    // It is still as if nothing had been imported.
    assert_eq!(host.run(&["scan", "--fail-on", "low", "web:1"]).code, 1);
    // What is made beside a record is no record.
    let osv = advisories(&host);
    let one = format!("{osv}/PYSEC-1.json");
    host.run(&["scan", "--db", &one, "--only", "vulnerabilities", "web:1"]).succeeds();
    assert_eq!(host.run(&["scan", "db", "import", &osv]).succeeds(), "3 advisories of 3 ecosystems\n");
}

#[test]
fn two_imports_at_once_are_both_kept() {
    let host = host();
    let osv = advisories(&host);
    let ids = ["DSA-1-1", "GHSA-1", "PYSEC-1"];
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for id in ids {
                let (host, path) = (&host, format!("{osv}/{id}.json"));
                scope.spawn(move || host.run(&["scan", "db", "import", &path]).succeeds());
            }
        });
        let status = host.run(&["scan", "db", "status"]).succeeds();
        for ecosystem in ["Debian", "npm", "PyPI"] {
            assert!(status.contains(ecosystem), "{status}");
        }
        std::fs::remove_dir_all(host.store().join("advisories")).unwrap();
    }
}

#[test]
fn filters_count_for_output_and_exit_code() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    let scan = |words: &[&str]| host.run(&[&["scan", "--db", &osv, "--format", "json"], words, &["web:1"]].concat());
    let count = |words: &[&str]| {
        let outcome = scan(words);
        let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
        (document["findings"].as_array().unwrap().len(), outcome.code)
    };
    assert_eq!(count(&[]), (2, 0));
    assert_eq!(count(&["--fail-on", "high"]), (2, 2));
    assert_eq!(count(&["--fail-on", "critical"]), (2, 0));
    assert_eq!(count(&["--severity", "low,unknown", "--fail-on", "high"]), (1, 0));
    // What was not asked for is there all the same.
    let words = ["scan", "--db", &osv, "--only", "vulnerabilities", "--severity", "critical", "web:1"];
    assert_eq!(host.run(&words).succeeds(), "No known vulnerabilities of those asked for; 2 not asked for\n");
    let accepted =
        host.file("accepted", b"GHSA-1 package=left-pad until=2999-01-01 # it pads\nCVE-2023-4911 until=2021-01-01\n");
    let accepted = accepted.display().to_string();
    assert_eq!(count(&["--ignore-file", &accepted, "--fail-on", "high"]), (1, 0));
    let said = scan(&["--ignore-file", &accepted]).stderr;
    assert!(said.contains("CVE-2023-4911 was accepted until 2021-01-01"), "{said}");
    // A variable that is not set opens no gate.
    for verb in ["scan", "maintain"] {
        let mut words = vec![verb, "--fail-on", ""];
        words.extend(Some("web:1").filter(|_| verb == "scan"));
        assert!(host.run(&words).stderr.starts_with("invalid severity \"\""), "{verb}");
    }
    host.run(&["scan", "--fail-on", "bad", "web:1"])
        .fails(1, "invalid severity \"bad\"\n help: `--fail-on` takes unknown, negligible, low, medium, high, critical, kev; also several, with commas");
}

#[test]
fn findings_are_documents_for_others() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    let document = |format: &str| -> Value {
        let told = host.run(&["scan", "--db", &osv, "--format", format, "web:1"]);
        serde_json::from_str(&told.stdout).unwrap()
    };
    for (short, long) in [("cyclonedx", "cyclonedx-json"), ("spdx", "spdx-json")] {
        let same = |command: &[&str]| {
            let told = |form: &str| {
                let text = host.run(&[command, &["--format", form, "web:1"]].concat()).stdout;
                let document: Value = serde_json::from_str(&text).unwrap();
                // What follows the clock aside.
                [&document["components"], &document["packages"], &document["vulnerabilities"]].map(Clone::clone)
            };
            assert_eq!(told(short), told(long), "{command:?}");
        };
        same(&["sbom"]);
        same(&["scan", "--db", &osv]);
    }
    let spdx = document("spdx");
    let advisories: Vec<&Value> = spdx["packages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|one| one["externalRefs"].as_array().into_iter().flatten())
        .filter(|one| one["referenceCategory"] == "SECURITY")
        .map(|one| &one["referenceLocator"])
        .collect();
    assert_eq!(advisories, ["https://osv.dev/vulnerability/CVE-2023-4911", "https://osv.dev/vulnerability/CVE-2018-1"]);
    let sarif = document("sarif");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let rated: Vec<_> = rules.iter().map(|rule| (&rule["id"], &rule["properties"]["security-severity"])).collect();
    assert!(rated.contains(&(&json!("CVE-2018-1"), &json!("7.5"))), "{rated:?}");
    assert_eq!((sarif["version"].as_str(), run["results"].as_array().unwrap().len()), (Some("2.1.0"), 2));
    assert!(run["tool"]["driver"]["rules"].as_array().unwrap().iter().any(|rule| rule["id"] == "CVE-2018-1"));
    let bom = document("cyclonedx");
    let told = bom["vulnerabilities"].as_array().unwrap();
    let left_pad = told.iter().find(|one| one["id"] == "CVE-2018-1").unwrap();
    let component = bom["components"].as_array().unwrap().iter().find(|one| one["name"] == "left-pad").unwrap();
    assert_eq!(left_pad["affects"][0]["ref"], component["bom-ref"]);
    // What was written is scanned as the image is.
    let path = host.path().join("web.cdx.json").display().to_string();
    host.run(&["sbom", "--format", "cyclonedx-json", "-o", &path, "web:1"]).succeeds();
    let again: Value =
        serde_json::from_str(&host.run(&["scan", "--db", &osv, "--format", "json", &path]).stdout).unwrap();
    assert_eq!(again["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn secrets_are_found_in_every_layer_and_settings_are_judged() {
    // Put together here, so that no scanner takes this file for a leak.
    let token = format!("ghp_{}", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");
    let image = Image::new()
        .with_file("app/.env", &format!("A=1\nTOKEN={token}\n"))
        .with_layer(tar(&[file("app/.wh..env", ""), file("root/.netrc", "machine a login b password c\n")]))
        .with_config("Env", json!(["DB_PASSWORD=x"]));
    let host = host_with(&[(&image, &["web:latest"])]);
    let expected = "\
LEAK                   SEVERITY  WHERE            STATE                              BROUGHT BY
GitHub token           high      /app/.env:2      removed later, still in the layer  layer 0
credentials of hosts   high      /root/.netrc:1   there                              layer 1
";
    let told = host.run(&["scan", "--only", "leaks", "web"]).succeeds();
    assert_eq!(words(&told), words(expected), "{told}");
    assert!(!told.contains(&token));
    let scan =
        |words: &[&str]| host.run(&[&["scan", "--format", "json", "--only", "leaks,checks"], words, &["web"]].concat());
    let document: Value = serde_json::from_str(&scan(&[]).stdout).unwrap();
    let ids: Vec<_> =
        document["checks"].as_array().unwrap().iter().map(|check| check["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["user-root", "env-secret", "tag-latest"]);
    assert_eq!(document["leaks"][0]["isRemoved"], true);
    assert_eq!(scan(&["--fail-on", "high"]).code, 2);
    let accepted = host.file("accepted", b"leak package=/app/.env # revoked\nleak package=root/.netrc\nenv-secret\n");
    let accepted = accepted.display().to_string();
    assert_eq!(scan(&["--fail-on", "high", "--ignore-file", &accepted]).code, 0);
    host.run(&["scan", "--only", "all", "web"])
        .fails(1, "cannot look for \"all\"\n help: it can be vulnerabilities, leaks, checks");
}
