use std::io::Cursor;

use super::*;
use crate::package::{Inventory, Package, PackageKind};
use crate::zip::tests::zip;
use crate::{Distro, Source as Upstream};

/// A data base of these records.
fn base(records: &[&str]) -> Vec<u8> {
    let mut builder = Builder::new(Cursor::new(Vec::new()));
    let files: Vec<(String, &str)> =
        records.iter().enumerate().map(|(n, record)| (format!("X-{n}.json"), *record)).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    builder.add_zip("all.zip", &zip(&files, true)).unwrap();
    let mut out = Cursor::new(Vec::new());
    builder.finish(&mut out, "2026-11-30T00:00:00Z").unwrap();
    out.into_inner()
}

fn inventory(packages: &[(PackageKind, &str, &str)]) -> Inventory {
    let packages = packages.iter().map(|(kind, name, version)| Package::new(*kind, *name, *version)).collect();
    let distro = Distro { id: "debian".to_owned(), version_id: "12".to_owned(), ..Distro::default() };
    Inventory { packages, distro: Some(distro), ..Inventory::default() }
}

#[track_caller]
fn check(records: &[&str], package: (PackageKind, &str, &str), expected: &[&str]) {
    let bytes = base(records);
    let index = Index::open(&bytes).unwrap();
    let found = find(&inventory(&[package]), &index).unwrap();
    let line = |f: &Finding| format!("{} {} {}", f.id, f.severity.word(), f.fixed.as_deref().unwrap_or("-"));
    let all: Vec<_> = found.iter().map(line).collect();
    assert_eq!(all, expected, "{found:?}");
}

fn record(id: &str, ecosystem: &str, name: &str, events: &str, more: &str) -> String {
    format!(
        r#"{{"id":"{id}","modified":"2026-01-01T00:00:00Z"{more},"affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ranges":[{{"type":"ECOSYSTEM","events":[{events}]}}]}}]}}"#
    )
}

#[test]
fn ranges_begin_and_end() {
    let events = r#"{"introduced":"0"},{"fixed":"1.2.3"},{"introduced":"2.0.0"},{"fixed":"2.0.5"},{"introduced":"3.0.0"},{"last_affected":"3.1.0"}"#;
    let record = record(
        "GHSA-1",
        "npm",
        "left-pad",
        events,
        r#","aliases":["CVE-2020-1"],"database_specific":{"severity":"HIGH"}"#,
    );
    for (version, expected) in [
        ("0.1.0", &["CVE-2020-1 high 1.2.3"][..]),
        ("1.2.3", &[]),
        ("1.9.0", &[]),
        ("2.0.0", &["CVE-2020-1 high 2.0.5"]),
        ("2.0.5", &[]),
        ("3.1.0", &["CVE-2020-1 high -"]),
        ("3.1.1", &[]),
        ("not a version", &[]),
    ] {
        check(&[&record], (PackageKind::Npm, "left-pad", version), expected);
    }
}

#[test]
fn an_end_at_the_lowest_version_ends_nothing_above() {
    for end in [r#"{"fixed":"0"}"#, r#"{"last_affected":"0"}"#] {
        let record = record("GHSA-1", "npm", "a", &format!(r#"{{"introduced":"1.0.0"}},{end}"#), "");
        check(&[&record], (PackageKind::Npm, "a", "1.1.0"), &["GHSA-1 unknown -"]);
        check(&[&record], (PackageKind::Npm, "a", "0.1.0"), &[]);
    }
    let record = record("GHSA-1", "npm", "a", r#"{"introduced":"0"},{"fixed":"0"}"#, "");
    check(&[&record], (PackageKind::Npm, "a", "0.1.0"), &[]);
}

#[test]
fn lists_of_versions_and_limits_count() {
    let listed = r#"{"id":"PYSEC-1","aliases":["CVE-1"],"affected":[{"package":{"ecosystem":"PyPI","name":"Flask_X"},"versions":["1.0","1.1"]}]}"#;
    check(&[listed], (PackageKind::Pypi, "flask-x", "1.0.0"), &["CVE-1 unknown -"]);
    check(&[listed], (PackageKind::Pypi, "flask-x", "1.2"), &[]);
    let limited = record("A-1", "npm", "a", r#"{"introduced":"1.0.0"},{"limit":"2.0.0"}"#, "");
    check(&[&limited], (PackageKind::Npm, "a", "1.5.0"), &["A-1 unknown -"]);
    check(&[&limited], (PackageKind::Npm, "a", "2.5.0"), &[]);
}

#[test]
fn what_was_withdrawn_is_not_there() {
    let events = r#"{"introduced":"0"}"#;
    let gone = record("A-1", "npm", "a", events, r#","withdrawn":"2024-01-01T00:00:00Z""#);
    let other = record("A-2", "npm", "b", events, "");
    check(&[&gone, &other], (PackageKind::Npm, "a", "1.0.0"), &[]);
}

#[test]
fn systems_are_asked_for_the_source() {
    let dsa = record(
        "DSA-1-1",
        "Debian:12",
        "glibc",
        r#"{"introduced":"0"},{"fixed":"2.36-9+deb12u4"}"#,
        r#","upstream":["CVE-2023-4911","CVE-2023-5156"]"#,
    );
    let ghsa = record(
        "GHSA-9",
        "npm",
        "x",
        r#"{"introduced":"0"}"#,
        r#","aliases":["CVE-2023-4911"],"severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}]"#,
    );
    let bytes = base(&[&dsa, &ghsa]);
    let mut whole = inventory(&[(PackageKind::Deb, "libc6", "2.36-9+b2")]);
    whole.packages[0].source = Some(Upstream { name: "glibc".to_owned(), version: "2.36-9".to_owned() });
    let found = find(&whole, &Index::open(&bytes).unwrap()).unwrap();
    let all: Vec<_> = found.iter().map(|f| (f.id.as_str(), f.severity, f.score)).collect();
    // What nobody rates here is rated as others rate it.
    assert_eq!(all, [("CVE-2023-4911", Severity::High, Some(7.8)), ("CVE-2023-5156", Severity::Unknown, None)]);
    assert_eq!(found[0].fixed.as_deref(), Some("2.36-9+deb12u4"));
}

#[test]
fn a_package_of_a_language_that_the_system_brought_is_the_systems() {
    let pysec = record("PYSEC-1", "PyPI", "six", r#"{"introduced":"0"}"#, "");
    let bytes = base(&[&pysec]);
    let index = Index::open(&bytes).unwrap();
    let mut whole = inventory(&[(PackageKind::Pypi, "six", "1.16")]);
    assert_eq!(find(&whole, &index).unwrap().len(), 1);
    whole.packages[0].owner = Some("python3-six".to_owned());
    // Whoever knows nothing of the system does not know that it has mended it.
    assert_eq!(find(&whole, &index).unwrap().len(), 1);
    let bytes = base(&[&pysec, &record("DSA-1", "Debian:12", "other", r#"{"introduced":"0"}"#, "")]);
    let index = Index::open(&bytes).unwrap();
    assert!(find(&whole, &index).unwrap().is_empty());
    // One beside it that nobody owns is another one.
    let mut own = whole.packages[0].clone();
    own.owner = None;
    whole.packages.push(own);
    assert_eq!(find(&whole, &index).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_judged_is_counted() {
    let bytes = base(&[
        &record("A-1", "npm", "a", r#"{"introduced":"0"}"#, ""),
        &record("DSA-1", "Debian:11", "curl", r#"{"introduced":"0"}"#, ""),
    ]);
    let index = Index::open(&bytes).unwrap();
    let all = [
        (PackageKind::Npm, "a", "1.0.0"),
        (PackageKind::Npm, "a", ""),
        (PackageKind::Deb, "curl", "1"),
        (PackageKind::Gem, "rake", "1"),
    ];
    let mut whole = inventory(&all);
    let told = |whole: &Inventory| {
        unchecked(whole, index.meta())
            .into_iter()
            .map(|(origin, count)| format!("{count} {origin}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&whole), ["1 RubyGems", "1 debian 12", "1 nowhere in particular"]);
    assert_eq!(find(&whole, &index).unwrap().len(), 1);
    whole.distro = None;
    assert!(told(&whole)[1].contains("os-release"));
}

#[test]
fn other_ecosystems_are_kept() {
    let bytes = base(&[
        &record("A-1", "npm", "a", r#"{"introduced":"0"}"#, ""),
        &record("B-1", "PyPI", "b", r#"{"introduced":"0"}"#, ""),
    ]);
    let old = Index::open(&bytes).unwrap();
    let mut builder = Builder::new(Cursor::new(Vec::new()));
    builder.add_record(record("A-2", "npm", "a", r#"{"introduced":"0"}"#, "").as_bytes()).unwrap();
    builder.keep(&old).unwrap();
    let mut out = Cursor::new(Vec::new());
    let (meta, _) = builder.finish(&mut out, "now").unwrap();
    assert_eq!(meta.ecosystems.keys().collect::<Vec<_>>(), ["PyPI", "npm"]);
    let bytes = out.into_inner();
    let index = Index::open(&bytes).unwrap();
    let found = find(&inventory(&[(PackageKind::Npm, "a", "1.0.0"), (PackageKind::Pypi, "b", "1")]), &index).unwrap();
    let ids: Vec<_> = found.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids, ["A-2", "B-1"]);
}

/// A data base that is made in memory.
type Made = Builder<Cursor<Vec<u8>>>;

#[test]
fn a_record_replaces_only_what_it_is_for() {
    let debian: Vec<String> =
        (0..9).map(|n| record(&format!("D-{n}"), "Debian:12", &format!("p{n}"), r#"{"introduced":"0"}"#, "")).collect();
    let bytes = base(&debian.iter().map(String::as_str).collect::<Vec<_>>());
    let old = Index::open(&bytes).unwrap();
    let both = r#"{"id":"N-1","affected":[{"package":{"ecosystem":"npm","name":"x"}},{"package":{"ecosystem":"Debian:12","name":"q"}}]}"#;
    let made = |add: &dyn Fn(&mut Made)| {
        let mut builder = Builder::new(Cursor::new(Vec::new()));
        add(&mut builder);
        builder.keep(&old).unwrap();
        let (meta, warnings) = builder.finish(&mut Cursor::new(Vec::new()), "now").unwrap();
        (meta.ecosystems.get("Debian").map(|meta| meta.advisories), warnings)
    };
    let zipped = zip(&[("a.json", both.as_bytes())], true);
    assert_eq!(made(&|builder| builder.add_record(both.as_bytes()).unwrap()), (Some(10), vec![]));
    assert_eq!(made(&|builder| builder.add_zip("all.zip", &zipped).unwrap()), (Some(10), vec![]));
    assert_eq!(made(&|builder| builder.add_zip("osv/npm/all.zip", &zipped).unwrap()), (Some(10), vec![]));
    // Where it is for Debian, what went is told.
    let told = vec!["Debian had 9 advisories, and has 1 now".to_owned()];
    assert_eq!(made(&|builder| builder.add_zip("osv/Debian/all.zip", &zipped).unwrap()), (Some(1), told));
    // The same again is the same.
    assert_eq!(made(&|builder| drop(builder.take_record(debian[0].as_bytes()).unwrap())), (Some(9), vec![]));
    for name in ["CISA KEV", "EPSS", "*", "*:1"] {
        let record = record("X-1", name, "CVE-2026-1", r#"{"introduced":"0"}"#, "");
        assert!(Builder::new(Cursor::new(Vec::new())).add_record(record.as_bytes()).is_err(), "{name}");
    }
}

/// A data base of values that may lie anywhere: hash, place and length of each, over bytes of which the first value begins at 40.
fn crafted(text: &str, table: &[(u64, u64, u32)]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    let value = encoder.finish().unwrap();
    let meta = br#"{"made":"","ecosystems":{"npm":{"advisories":1,"newest":""}},"releases":["npm"],"sources":[]}"#;
    let at = index::HEAD + value.len() as u64;
    let facts = at + (table.len() * index::ENTRY) as u64;
    let mut bytes = index::MAGIC.to_vec();
    for number in [at, table.len() as u64, facts, meta.len() as u64] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(&value);
    for (hash, offset, len) in table {
        let len = if *len == 0 { value.len() as u32 } else { *len };
        bytes.extend([&hash.to_le_bytes()[..], &offset.to_le_bytes(), &len.to_le_bytes()].concat());
    }
    bytes.extend(meta);
    bytes
}

#[test]
fn a_value_is_told_once_however_often_the_table_names_it() {
    let a = index::hash("npm", "a");
    let line = "npm/a\t{\"i\":\"A-1\",\"r\":[[{\"i\":\"0\"}]]}\n";
    let asked = inventory(&[(PackageKind::Npm, "a", "1.0.0")]);
    let honest = crafted(line, &[(a, index::HEAD, 0)]);
    assert!(Index::open(&honest).unwrap().check().is_ok());
    // The same again, under its own name and under others; before it; beyond it.
    for table in [vec![(a, index::HEAD, 0); 1000], vec![(a, index::HEAD, 0), (a + 1, index::HEAD, 0)], vec![(a, 0, 0)]]
    {
        let bytes = crafted(line, &table);
        let index = Index::open(&bytes).unwrap();
        assert!(index.check().is_err());
        assert!(Builder::new(Cursor::new(Vec::new())).keep(&index).is_err());
        let found = find(&asked, &index).unwrap_or_default();
        assert!(found.len() <= 1, "{}", found.len());
    }
    assert!(Index::open(&crafted(line, &[(a, index::HEAD, 1 << 20)])).unwrap().check().is_err());
    // More of one package than anybody has.
    let crowd = crafted(&line.repeat(50_001), &[(a, index::HEAD, 0)]);
    let said = find(&asked, &Index::open(&crowd).unwrap()).unwrap_err().to_string();
    assert_eq!(said, "has more advisories of one package than are looked at");
    // A table that begins beyond all numbers.
    let mut bytes = honest;
    bytes[8..16].copy_from_slice(&(u64::MAX - 3).to_le_bytes());
    assert!(Index::open(&bytes).is_err());
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_damaged_data_base_never_panics(at in 0_usize..1000, byte: u8) {
            let record = record("A-1", "npm", "a", r#"{"introduced":"0"}"#, "");
            let mut bytes = base(&[&record]);
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(index) = Index::open(&bytes) {
                let _ = find(&inventory(&[(PackageKind::Npm, "a", "1.0.0")]), &index);
            }
        }

        #[test]
        fn records_of_any_shape_are_told_or_taken(text in "\\{\"id\":\"A\",\"affected\":\\[\\{\"package\":\\{\"ecosystem\":\"[a-z:/\\\\]{0,3}\",\"name\":\"x\"\\},\"(ranges|versions)\":(\\[\\]|null|\\[\"1\"\\]|3)\\}\\]\\}") {
            let _ = Builder::new(Cursor::new(Vec::new())).add_record(text.as_bytes());
        }
    }
}
