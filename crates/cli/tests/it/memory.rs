//! Peak memory stays under 32 MiB, whatever the size of the image. The program that is released has 7 MB of its own, the one under
//! test, which is not optimised, three times as much: so it is the rest that is held to.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wharfie_layer::tar::Writer;
use wharfie_testkit::{Host, TestRegistry, file, needs};

use crate::host;

/// The promise, in KiB, without what the program takes to do nothing.
const PROMISED: u64 = 25 << 10;

/// Runs a command under time(1) and insists on success and on the promise.
#[track_caller]
fn frugally(host: &Host, words: &[&str], input: Option<&Path>, output: Option<&Path>) {
    let own = peak(host, &["version"], None, None);
    let peak = peak(host, words, input, output) - own;
    assert!(peak < PROMISED, "`{}` took {peak} KiB besides its own {own}, more than {PROMISED}", words.join(" "));
}

/// KiB that a command takes at most.
#[track_caller]
fn peak(host: &Host, words: &[&str], input: Option<&Path>, output: Option<&Path>) -> u64 {
    let report = host.path().join("peak");
    let report_name = report.to_string_lossy().into_owned();
    let mut command = host.command_under(&["time", "-q", "-f", "%M", "-o", &report_name], words);
    command.stdin(input.map_or_else(Stdio::null, |path| File::open(path).expect("it was written").into()));
    if let Some(path) = output {
        command.stdout(File::create(path).expect("the host's own folder takes files"));
    }
    let done = needs::output(&mut command, "time");
    assert!(done.status.success(), "`{}`: {}", words.join(" "), String::from_utf8_lossy(&done.stderr));
    let peak = std::fs::read_to_string(&report).expect("time writes its report");
    peak.trim().parse().expect("which is a number")
}

/// A tar of one file of this many MiB that compresses by about half.
fn tar(host: &Host, megabytes: u64) -> PathBuf {
    let folder = host.path().join("root");
    std::fs::create_dir_all(&folder).expect("the host's own folder takes folders");
    let mut file = BufWriter::new(File::create(folder.join("big")).expect("the host's own folder takes files"));
    let mut state = 1_u64;
    for _ in 0..megabytes << 16 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = state.to_le_bytes();
        file.write_all(&word).and_then(|()| file.write_all(&[0; 8])).expect("the disk has room");
    }
    file.into_inner().expect("the disk has room");
    let tar = host.path().join("big.tar");
    needs::succeeds(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&folder).arg("."), "tar");
    std::fs::remove_dir_all(&folder).expect("it is ours");
    tar
}

/// The life of an image with one layer of this many MiB.
fn life(megabytes: u64) {
    let (registry, host) = (TestRegistry::start(), host());
    let tar = tar(&host, megabytes);
    let name = format!("{}/big:1", registry.address());
    frugally(&host, &["import", "-", &name], Some(&tar), None);
    std::fs::remove_file(&tar).expect("it is ours");
    frugally(&host, &["push", "-q", &name], None, None);
    let saved = host.path().join("saved.tar");
    frugally(&host, &["save", &name], None, Some(&saved));
    frugally(&host, &["system", "fsck"], None, None);
    frugally(&host, &["image", "prune", "-af"], None, None);
    frugally(&host, &["load", "-q"], Some(&saved), None);
    frugally(&host, &["image", "prune", "-af"], None, None);
    std::fs::remove_file(&saved).expect("it is ours");
    frugally(&host, &["pull", "-q", &name], None, None);
    let id = host.run(&["inspect", "-f", "{{.Id}}", &name]).succeeds();
    assert!(id.starts_with("sha256:"), "{id}");
}

#[test]
fn a_large_layer_is_moved_in_little_memory() {
    life(200);
}

/// Takes in a layer of so many files, called as `name` says.
fn index(files: u64, name: impl Fn(u64) -> String) {
    let host = host();
    let path = host.path().join("many.tar");
    let mut tar = Writer::new(BufWriter::new(File::create(&path).expect("the host's own folder takes files")));
    for n in 0..files {
        let (entry, content) = file(&name(n), "content");
        tar.append(&entry, content.as_slice()).expect("the disk has room");
    }
    let written = tar.finish().expect("the disk has room");
    drop(written.into_inner().expect("the disk has room"));
    frugally(&host, &["import", "-", "many:1"], Some(&path), None);
    std::fs::remove_file(&path).expect("it is ours");
    frugally(&host, &["system", "fsck"], None, None);
    host.run(&["images", "--format", "{{.Size}}"]).prints(&format!("{}MB\n", files as f64 * 7.0 / 1e6));
}

fn in_packages(n: u64) -> String {
    format!("usr/lib/modules/package-{}/lib/file-number-{n}.js", n / 40)
}

#[test]
fn a_layer_of_many_files_is_indexed_in_little_memory() {
    index(300_000, in_packages);
}

#[test]
#[ignore = "slow: layers of 2 million files, and of 500,000 in one directory"]
fn a_layer_of_absurdly_many_files_is_indexed_in_little_memory() {
    index(2_000_000, in_packages);
    // In no order that would help anybody.
    index(500_000, |n| format!("all/{:08x}", n.wrapping_mul(2_654_435_761) & 0xffff_ffff));
}

#[test]
#[ignore = "slow: a layer of 1 GiB"]
fn a_layer_of_a_gibibyte_is_moved_in_little_memory() {
    life(1024);
}

/// KiB of the promise for hostile images: 64 MiB, of which the released program has 7 of its own.
const BOUNDED: u64 = 57 << 10;

/// Runs a command on something hostile, and insists on that.
#[track_caller]
fn in_bounds(host: &Host, words: &[&str]) {
    let own = peak(host, &["version"], None, None);
    let peak = peak(host, words, None, None) - own;
    assert!(peak < BOUNDED, "`{}` took {peak} KiB besides its own {own}, more than {BOUNDED}", words.join(" "));
}

/// A layer of so many empty files, compressed to almost nothing.
fn many_files(count: u32) -> Vec<u8> {
    let mut tar = Writer::new(wharfie_layer::compression::gzip_encoder(Vec::new()));
    for n in 0..count {
        let (entry, content) = file(&format!("{:03}/a-name-that-is-longer-than-most-{n}", n % 1000), "");
        tar.append(&entry, content.as_slice()).expect("a vector takes every byte");
    }
    tar.finish().map(|gzip| gzip.finish().expect("a vector takes every byte")).expect("it is a tar")
}

#[test]
fn an_image_of_half_a_million_names_is_analyzed_in_bounded_memory() {
    let host = host();
    let layer = many_files(500_000);
    let diff_id = wharfie_oci::Digest::of(b"whatever");
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let member = |name: &str, bytes: &[u8]| {
        let (mut entry, _) = file(name, "");
        entry.size = bytes.len() as u64;
        (entry, bytes.to_vec())
    };
    let manifest = br#"[{"Config":"c.json","RepoTags":null,"Layers":["l/layer.tar"]}]"#;
    let archive = wharfie_testkit::image::tar(&[
        member("c.json", config.as_bytes()),
        member("l/layer.tar", &layer),
        member("manifest.json", manifest),
    ]);
    let path = host.file("many.tar", &archive).display().to_string();
    in_bounds(&host, &["analyze", "--format", "json", "-o", "out.json", &path]);
    let said = host.run(&["analyze", &path]);
    assert!(said.stderr.contains("there are more files than are looked at"), "{}", said.stderr);
    assert!(said.stdout.contains("in 1 layer"), "{}", said.stdout);
}

#[test]
fn documents_that_are_made_to_be_large_are_read_in_bounded_memory() {
    let host = host();
    // In a list in a list: limits of each alone would not hold.
    let nested = |part: &str, list: &str| format!("{{{part}\"components\":[{list}]}}");
    let cyclonedx = nested("\"bomFormat\":\"CycloneDX\",", &nested("", &vec!["{}"; 2 << 20].join(",")));
    let php = format!("{{\"packages\":[{}]}}", vec!["{}"; 1 << 21].join(","));
    let members: Vec<String> = (0..1 << 19).map(|n| format!("\"a/{n}\":{{}}")).collect();
    let dotnet = format!("{{\"libraries\":{{{}}}}}", members.join(","));
    let dpkg = format!("Package: a\nStatus: install ok installed\nVersion: 1\n{}", "a:\n".repeat(5 << 20));
    for (path, text) in [
        ("app/bom.json", cyclonedx),
        ("app/vendor/composer/installed.json", php),
        ("app/app.deps.json", dotnet),
        ("var/lib/dpkg/status", dpkg),
    ] {
        let root = host.path().join("root");
        let place = root.join(path);
        std::fs::create_dir_all(place.parent().expect("it is in a folder"))
            .expect("the host's own folder takes folders");
        std::fs::write(&place, text).expect("the disk has room");
        in_bounds(&host, &["sbom", "-o", "out", &root.display().to_string()]);
        std::fs::remove_dir_all(&root).expect("it is ours");
    }
}
