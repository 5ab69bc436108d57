//! `scan`, and what others say of what it finds: VEX documents, lists of what is exploited, ends of systems, base images.

use serde_json::{Value, json};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, Published, TestRegistry, file};

use crate::insight::{advisories, image};
use crate::{host, host_with};

fn document(host: &Host, words: &[&str]) -> Value {
    let told = host.run(&[&["scan", "--format", "json"], words].concat());
    serde_json::from_str(&told.stdout).unwrap_or_else(|why| panic!("{why}: {}{}", told.stdout, told.stderr))
}

fn ids(document: &Value) -> Vec<&str> {
    document["findings"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|finding| finding["id"].as_str().expect("it is a text"))
        .collect()
}

#[test]
fn what_a_vex_document_settles_is_left_out_with_its_reason() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    let statement = |id: &str, product: &str, status: &str| {
        json!({"vulnerability": {"name": id}, "products": [{"@id": product}], "status": status,
            "justification": "vulnerable_code_not_present", "impact_statement": "it pads no strings"})
    };
    let vex = |name: &str, statements: &[Value]| {
        let document = json!({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "x", "author": "the vendor",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements});
        host.file(name, document.to_string().as_bytes()).display().to_string()
    };
    let settled = vex("settled", &[statement("GHSA-1", "pkg:npm/left-pad@1.0.0", "not_affected")]);
    let other = vex("other", &[statement("CVE-2018-1", "pkg:npm/left-pad@2", "fixed")]);
    let affected = vex("affected", &[statement("CVE-2023-4911", "pkg:docker/web", "affected")]);
    let scan = |words: &[&str]| document(&host, &[&["--db", &osv], words, &["web:1"]].concat());
    let told = scan(&["--vex", &settled, "--vex", &affected]);
    assert_eq!(ids(&told), ["CVE-2023-4911"]);
    assert_eq!((&told["ignored"], told["suppressed"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(
        told["suppressed"][0]["vex"],
        json!({"status": "not_affected", "justification": "vulnerable_code_not_present",
            "statement": "it pads no strings", "author": "the vendor"})
    );
    assert_eq!(ids(&scan(&["--vex", &other])).len(), 2);
    // Of another image of such a name, and of another system's package.
    for product in ["pkg:oci/web", "pkg:docker/other/web", "pkg:deb/ubuntu/libc6", "pkg:deb/ubuntu/glibc"] {
        let foreign = vex("foreign", &[statement("CVE-2023-4911", product, "not_affected")]);
        assert_eq!(ids(&scan(&["--vex", &foreign])).len(), 2, "{product}");
    }
    // The exit code follows.
    let code =
        |words: &[&str]| host.run(&[&["scan", "--db", &osv, "--fail-on", "high"], words, &["web:1"]].concat()).code;
    assert_eq!((code(&["--only", "vulnerabilities"]), code(&["--only", "vulnerabilities", "--vex", &settled])), (2, 0));
    let none = host.file("none", b"{}").display().to_string();
    host.run(&["scan", "--vex", &none, "web:1"]).fails(1, &format!("{none} is no OpenVEX document"));
}

#[test]
fn what_is_exploited_and_how_probable_it_is_stands_beside_findings() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    host.run(&["scan", "db", "import", &osv]).succeeds();
    let plain = host.run(&["scan", "web:1"]).stdout;
    assert!(!plain.contains("EPSS"), "{plain}");
    assert_eq!(host.run(&["scan", "--fail-on", "high,kev", "web:1"]).code, 1, "nobody can say it");
    host.run(&["scan", "--kev", "web:1"]).fails(
        1,
        "the data base does not say what is exploited\n help: `wharfie scan db import known_exploited_vulnerabilities.json` takes CISA's list",
    );
    let kev = json!({"title": "x", "catalogVersion": "2026.11.30", "dateReleased": "2026-11-30T00:00:00Z", "count": 1,
        "vulnerabilities": [{"cveID": "CVE-2023-4911", "dateAdded": "2023-11-21",
            "knownRansomwareCampaignUse": "Known"}]});
    let kev = host.file("kev.json", kev.to_string().as_bytes()).display().to_string();
    let epss = "#model_version:v2026.03.01,score_date:2026-11-29T00:00:00+0000\ncve,epss,percentile\nCVE-2018-1,0.0123,0.5\nCVE-2023-4911,0.9,0.99\nCVE-0,nonsense,2\n";
    let epss = host.file("epss.csv", epss.as_bytes()).display().to_string();
    assert_eq!(
        host.run(&["scan", "db", "import", &kev, &epss]).succeeds(),
        "3 advisories of 3 ecosystems, 1 CVEs of CISA KEV, 2 CVEs of EPSS\n"
    );
    let told = host.run(&["scan", "web:1"]);
    let line = told.stdout.lines().find(|line| line.contains("CVE-2023-4911")).unwrap();
    assert!(line.contains("2023-11-21") && line.contains("90.0%"), "{}", told.stdout);
    // Lists that change every day do not make old advisories new.
    assert!(told.stderr.contains("WARNING: the newest advisory of Debian is "), "{}", told.stderr);
    let told = document(&host, &["--kev", "web:1"]);
    assert_eq!(ids(&told), ["CVE-2023-4911"]);
    assert_eq!(told["findings"][0]["kev"], json!({"added": "2023-11-21", "ransomware": true}));
    assert_eq!(told["findings"][0]["epss"], json!({"probability": 0.9, "percentile": 0.99}));
    let sarif: Value =
        serde_json::from_str(&host.run(&["scan", "--format", "sarif", "--kev", "web:1"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][0]["properties"]["tags"][2], "kev");
    // What is exploited is a failure, however bad anybody calls it; filters come first.
    let code = |words: &[&str]| host.run(&[&["scan"], words, &["web:1"]].concat()).code;
    assert_eq!([code(&["--fail-on", "critical"]), code(&["--fail-on", "critical,kev"])], [0, 2]);
    assert_eq!(code(&["--fail-on", "KEV"]), 2);
    assert_eq!(code(&["--fail-on", "kev", "--severity", "high"]), 0);
    let accepted = host.file("known", b"CVE-2023-4911 # we know\n").display().to_string();
    assert_eq!(code(&["--fail-on", "kev", "--ignore-file", &accepted]), 0);
    // What is imported later leaves them there, and does not grow by being imported twice.
    let size = || std::fs::metadata(host.store().join("advisories/index")).unwrap().len();
    host.run(&["scan", "db", "import", &osv]).succeeds();
    let before = size();
    host.run(&["scan", "db", "import", &osv]).succeeds();
    assert_eq!(size(), before);
    assert_eq!(ids(&document(&host, &["--kev", "web:1"])), ["CVE-2023-4911"]);
}

#[test]
fn the_age_of_advisories_is_told_by_ecosystem() {
    let host = host_with(&[(&image(), &["web:1"]), (&Image::new().with_layer(status("2.36-9")), &["base:1"])]);
    let record = |ecosystem: &str, name: &str, modified: &str| {
        let record = json!({"id": format!("X-{name}"), "modified": modified, "affected": [{
            "package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}]});
        host.file(&format!("osv/{name}.json"), record.to_string().as_bytes()).display().to_string()
    };
    std::fs::create_dir(host.path().join("osv")).unwrap();
    let old =
        [record("npm", "left-pad", "2020-01-01T00:00:00Z"), record("Go", "nobody.example/x", "2020-01-01T00:00:00Z")];
    let tracker = json!({"glibc": {"CVE-2024-1": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}}}});
    let tracker = host.file("tracker.json", tracker.to_string().as_bytes()).display().to_string();
    let new = record("PyPI", "six", "2999-01-01T00:00:00Z");
    host.run(&["scan", "db", "import", &old[0], &old[1], &new, &tracker]).succeeds();
    // Only what the image's packages are held against, and only the part of it that is old.
    let aged = |image: &str, words: &[&str]| -> Vec<String> {
        let said = host.run(&[&["scan", "--only", "vulnerabilities"], words, &[image]].concat());
        said.stderr.lines().filter(|line| line.contains("days")).map(str::to_owned).collect()
    };
    let told = aged("web:1", &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("WARNING: the newest advisory of npm is "), "{told:?}");
    assert_eq!(aged("base:1", &[]), Vec::<String>::new());
    let status = host.run(&["scan", "db", "status"]).succeeds();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(line("Debian").ends_with(" (imported)") && !line("npm").contains("imported"), "{status}");
    // A list that does not say how new it is, is as old as its import.
    let lists = host.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    let list = lists.join("tracker.json");
    std::fs::rename(&tracker, &list).unwrap();
    let file = std::fs::File::options().write(true).open(&list).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000)).unwrap();
    let told = aged("base:1", &["--db", &lists.display().to_string()]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("WARNING: the list of Debian was imported "), "{told:?}");
    let maintained = host.run(&["maintain", "--dry-run"]).stderr;
    assert_eq!(maintained.lines().filter(|line| line.contains("days")).count(), 1, "{maintained}");
}

#[test]
fn lists_of_debian_and_alpine_are_advisories() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let release = |status: &str, fixed: Option<&str>, urgency: &str| match fixed {
        Some(fixed) => json!({"bookworm": {"status": status, "fixed_version": fixed, "urgency": urgency}}),
        None => json!({"bookworm": {"status": status, "urgency": urgency}}),
    };
    let tracker = json!({
        "glibc": {
            "CVE-2024-1": {"description": "open", "releases": release("open", None, "unimportant")},
            "CVE-2024-2": {"releases": release("resolved", Some("2.36-10"), "not yet assigned")},
            "CVE-2024-3": {"releases": release("resolved", Some("2.36-1"), "low")},
            "CVE-2024-4": {"releases": release("resolved", Some("0"), "low")},
            "CVE-2024-5": {"releases": release("undetermined", None, "low")},
        },
        "other": {"TEMP-1": {"releases": {"sid": {"status": "open", "urgency": "low"}}}},
    });
    let tracker = host.file("tracker.json", tracker.to_string().as_bytes()).display().to_string();
    assert_eq!(host.run(&["scan", "db", "import", &tracker]).succeeds(), "3 advisories of 1 ecosystems\n");
    let told = document(&host, &["--only", "vulnerabilities", "web:1"]);
    let found: Vec<_> = told["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {}", one["id"], one["severity"], one["fixedIn"]).replace('"', ""))
        .collect();
    assert_eq!(found, ["CVE-2024-1 negligible null", "CVE-2024-2 unknown 2.36-10"]);
    let secdb = json!({"distroversion": "v3.11", "reponame": "main", "packages": [
        {"pkg": {"name": "musl", "secfixes": {"1.2.4-r3": ["CVE-2025-1 CVE-2025-2"], "1.2.4-r1": ["CVE-2025-3"], "0": ["CVE-2025-4"]}}}]});
    let secdb = host.file("main.json", secdb.to_string().as_bytes()).display().to_string();
    host.run(&["scan", "db", "import", &secdb]).succeeds();
    let root = host.path().join("root");
    std::fs::create_dir_all(root.join("lib/apk/db")).unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("lib/apk/db/installed"), "P:musl\nV:1.2.4-r2\nL:MIT\n\n").unwrap();
    std::fs::write(root.join("etc/os-release"), "ID=alpine\nVERSION_ID=3.11.5\n").unwrap();
    let root = root.display().to_string();
    assert_eq!(ids(&document(&host, &["--only", "vulnerabilities", &root])), ["CVE-2025-1", "CVE-2025-2"]);
    // A system that gets no updates any more is told of.
    let image = tar(&[file("etc/os-release", "ID=alpine\nVERSION_ID=3.11.5\nPRETTY_NAME=\"Alpine Linux v3.11\"\n")]);
    let old = host_with(&[(&Image::new().with_layer(image), &["old:1"])]);
    let told = document(&old, &["--only", "checks", "old:1"]);
    let check = told["checks"].as_array().unwrap().iter().find(|check| check["id"] == "system-end-of-life").unwrap();
    assert!(check["text"].as_str().unwrap().starts_with("Alpine Linux v3.11 has had no updates since 2021-11-01"));
    assert_eq!(old.run(&["scan", "--only", "checks", "--fail-on", "high", "old:1"]).code, 2);
    let accepted = old.file("accepted", b"system-end-of-life # soon\n").display().to_string();
    assert_eq!(
        old.run(&["scan", "--only", "checks", "--fail-on", "high", "--ignore-file", &accepted, "old:1"]).code,
        0
    );
}

fn status(version: &str) -> Vec<u8> {
    let package = format!(
        "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: {version}\nArchitecture: amd64\n"
    );
    tar(&[file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), file("var/lib/dpkg/status", &package)])
}

#[test]
fn of_several_bases_with_the_same_layers_the_digest_says_which() {
    let host = host();
    let registry = TestRegistry::start();
    let base = |number: &str| Image::new().with_layer(status("2.36-9")).with_config("Labels", json!({"n": number}));
    let bases = ["1", "2"].map(|number| Published::of(&base(number)));
    let names = ["1", "2"].map(|number| format!("base:{number}")).into_iter().zip(&bases);
    let names: Vec<_> = names.map(|(name, published)| registry.publish(&name, published)).collect();
    for name in &names {
        host.run(&["pull", "-q", name]).succeeds();
    }
    host.file("context/Dockerfile", format!("FROM {}\nCOPY x /srv/x\n", names[1]).as_bytes());
    host.file("context/x", b"x");
    let context = host.path().join("context").display().to_string();
    host.run(&["build", "-q", "-t", "web:1", &context]).succeeds();
    let remembered = json!({"name": names[1], "digest": bases[1].digest(), "layers": 1, "knownBy": "build"});
    assert_eq!(document(&host, &["--only", "checks", "web:1"])["base"], remembered);
    for (at, name) in names.iter().enumerate() {
        let note = format!("org.opencontainers.image.base.digest={}", bases[at].digest());
        host.run(&["build", "-q", "-t", "web:1", "--annotation", &note, &context]).succeeds();
        host.run(&["buildx", "history", "rm", "--all"]).succeeds();
        let told = document(&host, &["--only", "checks", "web:1"]);
        let digest = bases[at].digest();
        assert_eq!(told["base"], json!({"name": name, "digest": digest, "layers": 1, "knownBy": "image"}), "{note}");
    }
}

#[test]
fn the_base_is_told_apart_and_a_newer_one_is_known() {
    let base = Image::new().with_layer(status("2.36-9"));
    let newer = Image::new().with_layer(status("2.36-9+deb12u9"));
    let own = tar(&[file("srv/node_modules/left-pad/package.json", r#"{"name":"left-pad","version":"1.0.0"}"#)]);
    let web = Image::new().with_layer(status("2.36-9")).with_layer(own);
    let host = host_with(&[(&web, &["web:1"]), (&base, &["base:1"]), (&newer, &["base:2"])]);
    let osv = advisories(&host);
    let told = document(&host, &["--db", &osv, "web:1"]);
    assert_eq!(told["base"], json!({"name": "base:1", "layers": 1, "knownBy": "image"}));
    let of_base: Vec<_> = told["findings"].as_array().unwrap().iter().map(|one| &one["isOfBase"]).collect();
    assert_eq!(of_base, [&json!(true), &Value::Null]);
    assert_eq!(told["advice"], "Update the base base:1 to base:2: 1 of its 1 vulnerabilities are gone");
    let table = host.run(&["scan", "--db", &osv, "web:1"]).stdout;
    let (own, of_base) = table.split_once("In the base image base:1 (1 layer):\n").unwrap();
    assert!(own.contains("left-pad") && !own.contains("libc6") && of_base.contains("libc6"), "{table}");
    let only = document(&host, &["--db", &osv, "--ignore-base", "--only", "vulnerabilities", "web:1"]);
    assert_eq!((ids(&only), &only["advice"]), (vec!["CVE-2018-1"], &Value::Null));
    // Without the base's image its history lets one guess.
    host.run(&["rmi", "base:1", "base:2"]).succeeds();
    let told = document(&host, &["--db", &osv, "web:1"]);
    assert_eq!(told["base"], Value::Null);
    let said = host.run(&["scan", "--db", &osv, "--ignore-base", "web:1"]);
    assert!(said.stderr.contains("it is not known what the image was made from"), "{}", said.stderr);
    let guessed = Image::new()
        .with_layer(status("2.36-9"))
        .with_step("/bin/sh -c #(nop)  CMD [\"bash\"]")
        .with_layer(tar(&[file("srv/x", "y")]));
    host.run_with(&["load", "-q"], &wharfie_testkit::archive(&[(&guessed, &["guessed:1"])])).succeeds();
    let told = document(&host, &["--db", &osv, "guessed:1"]);
    assert_eq!(told["base"], json!({"layers": 1, "knownBy": "history"}));
}

#[test]
fn a_record_replaces_only_what_it_is_for_and_no_list_of_cves() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    host.run(&["scan", "db", "import", &osv]).succeeds();
    let before = document(&host, &["web:1"]);
    let before = ids(&before);
    assert!(before.contains(&"CVE-2023-4911"), "{before:?}");
    let record = |name: &str, ecosystems: &[&str]| {
        let affected: Vec<Value> =
            ecosystems.iter().map(|name| json!({"package": {"ecosystem": name, "name": "nothing"}})).collect();
        let record = json!({"id": "X-1", "modified": "2026-11-01T00:00:00Z", "affected": affected});
        host.file(name, record.to_string().as_bytes()).display().to_string()
    };
    // What tells of Debian beside its own does not take Debian's place.
    host.run(&["scan", "db", "import", &record("pypi.json", &["PyPI", "Debian:12"])]).succeeds();
    assert_eq!(ids(&document(&host, &["web:1"])), before);
    // What would stand where lists of CVEs are is not taken.
    let said = host.run(&["scan", "db", "import", &record("kev.json", &["npm", "CISA KEV", "EPSS", "*"])]);
    assert!(
        said.code == 1 && said.stderr.contains("names an ecosystem that only lists of CVEs have"),
        "{}",
        said.stderr
    );
    assert_eq!(ids(&document(&host, &["web:1"])), before);
}

#[test]
fn what_makers_of_a_data_base_left_behind_is_removed() {
    let host = host_with(&[(&image(), &["web:1"])]);
    let osv = advisories(&host);
    host.run(&["scan", "db", "import", &osv]).succeeds();
    let folder = host.store().join("advisories");
    let leave = || {
        std::fs::write(folder.join(".index.4000-0.tmp"), "half").unwrap();
        std::fs::create_dir_all(folder.join("fetched-4000/npm")).unwrap();
    };
    let is_clean = || std::fs::read_dir(&folder).unwrap().count() == 1;
    leave();
    host.run(&["scan", "db", "import", &osv]).succeeds();
    assert!(is_clean(), "the next one who comes removes it");
    leave();
    let said = host.run(&["system", "fsck"]);
    assert!(said.stdout.contains("Deleted leftover") && said.stdout.contains(".index.4000-0.tmp"), "{}", said.stdout);
    assert!(is_clean());
    // What somebody still writes stays.
    leave();
    let writing = std::fs::File::open(folder.join(".index.4000-0.tmp")).unwrap();
    writing.lock().unwrap();
    host.run(&["scan", "db", "import", &osv]).succeeds();
    assert!(folder.join(".index.4000-0.tmp").exists() && !folder.join("fetched-4000").exists());
}
