//! `sbom` and `scan` of systems as they really are, and of images that are made to harm.

use serde_json::Value;
use wharfie_testkit::image::{bytes, link, swelling_zip, tar};
use wharfie_testkit::{Host, Image, file};

use crate::host_with;

/// Of a data base that rpm made of packages with real names, as SQLite left it: two packages lie in the log alone.
const RPMDB: &[u8] = include_bytes!("../data/rpmdb.sqlite");
const LOG: &[u8] = include_bytes!("../data/rpmdb.sqlite-wal");
/// What `rpm -qa` says of all of them.
const RPMS: [&str; 6] = [
    "bash-bin 5.1.8-6.el9_1 bash",
    "kernel-core-bin 5.14.0-284.30.1.el9_2 kernel",
    "openssl-libs-bin 1:3.0.7-18.el9_2 openssl",
    "perl-Git-bin 2.39.3^20230501-1.el9 git",
    "python3-libs-bin 3.9.16-1.el9_2.2 python3.9",
    "tzdata-bin 2023c~rc1-1.el9 tzdata",
];

/// Name, version, source and layer of all packages, and the file that tells of them.
fn packages(host: &Host, image: &str) -> Vec<(String, u64, String)> {
    let document: Value =
        serde_json::from_str(&host.run(&["sbom", "--format", "json", image]).succeeds()).expect("it is JSON");
    let all = document["packages"].as_array().expect("it is a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |one: &Value| {
        let words = [&one["name"], &one["version"], &one["source"]["name"]].map(text);
        (words.join(" "), one["layer"].as_u64().expect("each has one"), text(&one["path"]))
    };
    all.iter().map(told).collect()
}

#[test]
fn the_log_beside_rpms_data_base_counts() {
    for folder in ["var/lib/rpm", "usr/lib/sysimage/rpm"] {
        let path = format!("{folder}/rpmdb.sqlite");
        let log = format!("{path}-wal");
        let base = tar(&[bytes(path.as_bytes(), RPMDB.to_vec())]);
        let log = tar(&[bytes(log.as_bytes(), LOG.to_vec())]);
        let alone = Image::new().with_layer(base.clone());
        let host = host_with(&[(&alone, &["alone"]), (&Image::new().with_layer(base).with_layer(log), &["logged"])]);
        let expected: Vec<_> = RPMS
            .iter()
            .enumerate()
            .map(|(at, rpm)| ((*rpm).to_owned(), u64::from(at == 0 || at == 4), path.clone()))
            .collect();
        assert_eq!(packages(&host, "logged"), expected);
        let kept: Vec<_> = expected.into_iter().filter(|(_, layer, _)| *layer == 0).collect();
        assert_eq!(packages(&host, "alone"), kept);
    }
}

#[test]
fn data_bases_behind_links_are_read_once() {
    let rpm = [
        bytes(b"usr/lib/sysimage/rpm/rpmdb.sqlite", RPMDB.to_vec()),
        link("var/lib/rpm", "../../usr/lib/sysimage/rpm"),
    ];
    let moved = [
        link("var/lib", "/srv/state"),
        link("srv/state", "there"),
        file("srv/there/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n"),
        file("srv/there/dpkg/info/a.list", "/usr/lib/six.dist-info/METADATA\n"),
        file("usr/lib/six.dist-info/METADATA", "Name: six\nVersion: 1\n"),
        bytes(b"srv/rpm", RPMDB.to_vec()),
        bytes(b"srv/rpm-wal", LOG.to_vec()),
        link("usr/lib/sysimage/rpm/rpmdb.sqlite", "../../../../srv/rpm"),
        // Circles lead nowhere.
        link("lib", "lib"),
    ];
    let images = [tar(&rpm), tar(&moved)].map(|layer| Image::new().with_layer(layer));
    let host = host_with(&[(&images[0], &["rpm"]), (&images[1], &["moved"])]);
    assert_eq!(packages(&host, "rpm").len(), 4);
    let found = packages(&host, "moved");
    assert_eq!(found.len(), 8, "{found:?}");
    assert!(found.contains(&("a 1 ".to_owned(), 0, "srv/there/dpkg/status".to_owned())), "{found:?}");
    assert_eq!(found.iter().filter(|(.., path)| path == "srv/rpm").count(), 6);
    let table = host.run(&["sbom", "moved"]).succeeds();
    assert!(table.contains("pypi (of a)"), "{table}");
}

#[test]
fn paths_need_not_be_text_and_lists_need_their_package() {
    let status = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: there\nStatus: install ok installed\nVersion: 1\n";
    let layer = tar(&[
        file("var/lib/dpkg/status", status),
        file("var/lib/dpkg/info/gone.list", "/usr/lib/one.dist-info/METADATA\n"),
        file("var/lib/dpkg/info/there.list", "/usr/lib/two.dist-info/METADATA\n"),
        file("usr/lib/one.dist-info/METADATA", "Name: one\nVersion: 1\n"),
        file("usr/lib/two.dist-info/METADATA", "Name: two\nVersion: 1\n"),
        bytes(b"srv/\xff/three.dist-info/METADATA", b"Name: three\nVersion: 1\n".to_vec()),
    ]);
    let host = host_with(&[(&Image::new().with_layer(layer), &["web"])]);
    let document: Value = serde_json::from_str(&host.run(&["sbom", "--format", "json", "web"]).succeeds()).unwrap();
    let owner = |name: &str| {
        let one = document["packages"].as_array().unwrap().iter().find(|package| package["name"] == name).unwrap();
        (one["owner"].clone(), one["path"].as_str().unwrap().to_owned())
    };
    assert_eq!(owner("one").0, Value::Null);
    assert_eq!(owner("two").0, "there");
    assert_eq!(owner("three").1, "srv/\u{fffd}/three.dist-info/METADATA");
}

#[test]
fn many_bombs_cost_what_one_image_may_cost() {
    // Each would inflate 512 MiB, the most that is done for one file.
    let bomb = swelling_zip(40, 23 << 20);
    let bombs: Vec<_> = (0..60).map(|number| bytes(format!("app/{number:02}.jar").as_bytes(), bomb.clone())).collect();
    let rest = [
        file("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        file("srv/left.dist-info/METADATA", "Name: left\nVersion: 1\n"),
        file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n"),
    ];
    let image = Image::new().with_layer(tar(&bombs)).with_layer(tar(&rest));
    let host = host_with(&[(&image, &["web"])]);
    let told = host.run(&["sbom", "--format", "json", "web"]);
    let left_out: Vec<_> = told.stderr.lines().filter(|line| line.contains("left out, app/")).collect();
    let [line] = left_out[..] else { panic!("{}", told.stderr) };
    let count: usize = line.split_whitespace().nth(1).and_then(|count| count.parse().ok()).unwrap();
    assert!((50..60).contains(&count), "{line}");
    assert!(line.ends_with("more would have to be read and inflated than is done for one image"), "{line}");
    let document: Value = serde_json::from_str(&told.succeeds()).unwrap();
    let names: Vec<_> = document["packages"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["a", "left"]);
}

#[test]
fn secrets_are_found_where_no_package_has_its_files_and_in_two_byte_letters() {
    // Put together here, so that no scanner takes this file for a leak.
    let key = format!("{}{}", "AKIA", "QWERTZUIOPASDFGH");
    let wide: Vec<u8> = format!("\u{feff}key={key}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let status = "Package: a\nStatus: install ok installed\nVersion: 1\n";
    let base = tar(&[
        file("var/lib/dpkg/status", status),
        file("var/lib/dpkg/info/a.list", "/usr/share/a/example\n/lib/a/example\n"),
        file("usr/share/a/example", &key),
        // Before the merge of `/usr` it was there.
        file("usr/lib/a/example", &key),
        file("usr/share/app/settings", &key),
        file("usr/lib/app/settings", &key),
        bytes(b"srv/wide.txt", wide),
    ]);
    let top = tar(&[file("usr/share/app/.wh.settings", ""), file("usr/share/a/example", &format!("mine {key}"))]);
    let host = host_with(&[(&Image::new().with_layer(base).with_layer(top), &["web"])]);
    let told = host.run(&["scan", "--only", "leaks", "--format", "json", "web"]).stdout;
    let document: Value = serde_json::from_str(&told).unwrap();
    let all: Vec<_> = document["leaks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leak| (leak["path"].as_str().unwrap(), leak["isRemoved"].as_bool().unwrap()))
        .collect();
    let expected = [
        ("srv/wide.txt", false),
        ("usr/lib/app/settings", false),
        // What took the place of the package's own.
        ("usr/share/a/example", false),
        ("usr/share/app/settings", true),
    ];
    assert_eq!(all, expected);
    assert!(!told.contains(&key));
}
