//! `load` and `save`: archives of every kind, whole and broken.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use wharfie_testkit::image::tar;
use wharfie_testkit::{Image, archive, file};

use crate::{host, host_with};

#[test]
fn loading_prints_names_or_ids() {
    let (web, nameless) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let host = host();
    let bytes = archive(&[(&web, &["web:1", "team/web"]), (&nameless, &[])]);
    host.run_with(&["load"], &bytes)
        .prints(&format!("Loaded image: web:1\nLoaded image: team/web:latest\nLoaded image ID: {}\n", nameless.id()));
    host.run_with(&["load", "-q"], &bytes).succeeds();
    assert_eq!(host.run(&["images", "-q"]).succeeds().lines().count(), 3);
}

#[test]
fn every_compression_is_told_by_its_bytes() {
    let web = Image::new().with_file("a", "1");
    let bytes = archive(&[(&web, &["web:1"])]);
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let packed = pack(program, &bytes);
        let host = host();
        host.run_with(&["load"], &packed).prints("Loaded image: web:1\n");
        let path = host.file("packed", &packed);
        host.run(&["load", "-i", &path.to_string_lossy()]).prints("Loaded image: web:1\n");
    }
}

fn pack(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it is installed");
    let mut stdin = child.stdin.take().expect("it was asked for");
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes));
        child.wait_with_output().expect("it ends").stdout
    })
}

#[test]
fn compressed_layers_inside_are_the_same_layers() {
    let web = Image::new().with_file("a", "1");
    let plain = &web.layers()[0];
    let manifest = r#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["l/layer.tar"]}]"#;
    let member = |name: &str, bytes: &[u8]| {
        let mut member = file(name, "");
        member.0.size = bytes.len() as u64;
        member.1 = bytes.to_vec();
        member
    };
    for layer in [pack("gzip", plain), pack("zstd", plain), plain.clone()] {
        let bytes = tar(&[
            member("c.json", &web.config_bytes()),
            member("l/layer.tar", &layer),
            member("manifest.json", manifest.as_bytes()),
        ]);
        let host = host();
        host.run_with(&["load"], &bytes).prints("Loaded image: web:1\n");
        host.run(&["inspect", "-f", "{{.Id}}", "web:1"]).prints(&format!("{}\n", web.id()));
    }
}

#[test]
fn broken_archives_leave_nothing() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let whole = archive(&[(&web, &["web:1"])]);
    let host = host();
    for len in [1, 511, 512, 700, 1024, 2000, whole.len() / 2, whole.len() - 2000] {
        let outcome = host.run_with(&["load"], &whole[..len]);
        assert_eq!(outcome.code, 1, "{len}: {}", outcome.stderr);
        assert!(!outcome.stderr.is_empty() && outcome.stdout.is_empty(), "{len}");
    }
    host.run_with(&["load"], b"not a tar at all, not even close to one")
        .fails(1, "the tar ends at byte 39, inside a header block");
    host.run(&["images", "-aq"]).prints("");
    host.run(&["system", "fsck"]).prints("Checked 0 blobs, 0 layers and 0 images: no faults\n");
}

#[test]
fn contradictions_are_named() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let (first, second) = (&web.layers()[0], &web.layers()[1]);
    let config = String::from_utf8(web.config_bytes()).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let check = |manifest: &str, members: &[(&str, &str)], expected: &str| {
        let mut entries: Vec<_> = members.iter().map(|(name, content)| file(name, content)).collect();
        if !manifest.is_empty() {
            entries.push(file("manifest.json", manifest));
        }
        host().run_with(&["load"], &tar(&entries)).fails(1, expected);
    };
    let manifest = |layers: &str| format!(r#"[{{"Config":"c.json","RepoTags":["web:1"],"Layers":[{layers}]}}]"#);
    let (a, b) = (text(first), text(second));
    let members = [("c.json", config.as_str()), ("a/layer.tar", a.as_str()), ("b/layer.tar", b.as_str())];
    check("", &members, "invalid archive: does not contain a manifest.json");
    check("null", &members, "invalid manifest, manifest cannot be null (but can be [])");
    check(&manifest("\"a/layer.tar\""), &members, "invalid manifest, layers length mismatch: expected 1, got 2");
    check(&manifest("\"a/layer.tar\",\"x/layer.tar\""), &members, "open x/layer.tar: no such file or directory");
    let swapped = host().run_with(
        &["load"],
        &tar(&[
            file("c.json", &config),
            file("a/layer.tar", &a),
            file("b/layer.tar", &b),
            file("manifest.json", &manifest("\"b/layer.tar\",\"a/layer.tar\"")),
        ]),
    );
    assert!(swapped.stderr.starts_with("invalid diffID for layer 0: expected \"sha256:"), "{}", swapped.stderr);
    let broken = host().run_with(&["load"], &tar(&[file("manifest.json", "{]")]));
    assert!(broken.stderr.starts_with("invalid archive: failed to decode manifest.json: "), "{}", broken.stderr);
    host().run_with(&["load"], &tar(&[file("manifest.json", "[]")])).prints("");
}

#[test]
fn saving_twice_gives_the_same_bytes_and_loading_the_same_image() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let host = host_with(&[(&web, &["web:1", "web:2"])]);
    let (one, two) = (host.path().join("1.tar"), host.path().join("2.tar"));
    host.run(&["save", "-o", &one.to_string_lossy(), "web"]).prints("");
    host.run(&["save", "-o", &two.to_string_lossy(), "web:2", "web:1"]).prints("");
    let bytes = std::fs::read(&one).unwrap();
    assert_eq!(bytes, std::fs::read(&two).unwrap());
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(one.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let other = crate::host();
    other.run_with(&["load"], &bytes).prints("Loaded image: web:1\nLoaded image: web:2\n");
    other.run(&["inspect", "-f", "{{.Id}}", "web:2"]).prints(&format!("{}\n", web.id()));
    let again = other.command(&["save", "web"]).output().unwrap();
    assert!(again.status.success());
    assert_eq!(again.stdout, bytes);
}

#[test]
fn a_saved_archive_is_both_layouts() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1", "127.0.0.1:5000/team/web:2"])]);
    let path = host.path().join("x.tar");
    host.run(&["save", "-o", &path.to_string_lossy(), "web:1", "127.0.0.1:5000/team/web:2"]).prints("");
    let member = |name: &str| -> Value {
        let output = Command::new("tar").args(["-xOf"]).arg(&path).arg(name).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{name} is JSON"))
    };
    let manifest = member("manifest.json");
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["127.0.0.1:5000/team/web:2", "web:1"]));
    assert_eq!(manifest[0]["Config"], format!("blobs/sha256/{}", &web.id()["sha256:".len()..]));
    assert_eq!(member("oci-layout")["imageLayoutVersion"], "1.0.0");
    let index = member("index.json");
    let names: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["annotations"]["io.containerd.image.name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["127.0.0.1:5000/team/web:2", "docker.io/library/web:1"]);
    assert_eq!(member("repositories")["web"]["1"].as_str().map(str::len), Some(64));
}

#[test]
fn saving_what_is_not_there_writes_nothing() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1"])]);
    let kept = host.file("kept.tar", b"old");
    let daemon = "Error response from daemon: ";
    host.run(&["save", "-o", &kept.to_string_lossy(), "web:1", "nope"])
        .fails(1, &format!("{daemon}No such image: nope"));
    assert_eq!(std::fs::read(&kept).unwrap(), b"old");
    host.run(&["save", "nope"]).fails(1, &format!("{daemon}No such image: nope"));
    let digest = format!("web@sha256:{}", "a".repeat(64));
    host.run(&["save", &digest]).fails(1, &format!("{daemon}reference does not exist"));
    host.run(&["save", "-o", "/nonexistent/x.tar", "web:1"])
        .fails(1, "failed to save image: invalid output path: stat /nonexistent: no such file or directory");
    host.run(&["save", "-o", "/", "web:1"]).fails(1, "failed to save image: cannot write to a directory");
    std::os::unix::fs::symlink(&kept, host.path().join("link")).unwrap();
    host.run(&["save", "-o", "link", "web:1"])
        .fails(1, "failed to save image: cannot write to a symbolic link directly");
}

#[test]
fn files_that_are_not_there() {
    host().run(&["load", "-i", "nope.tar"]).fails(1, "open nope.tar: no such file or directory");
    host().run(&["load", "x"]).fails(
        1,
        "wharfie: 'wharfie load' accepts no arguments\n\nUsage:  wharfie load [OPTIONS]\n\nRun 'wharfie load --help' \
         for more information",
    );
}

#[test]
fn a_layout_in_a_directory_is_loaded_as_it_stands() {
    let (web, host) = (Image::new().with_file("a", "1").with_file("b", "2"), host());
    host.run_with(&["load", "-q"], &archive(&[(&web, &["web:1"])])).succeeds();
    let place = tempfile::tempdir().unwrap();
    let (file, directory) = (place.path().join("web.tar"), place.path().join("layout"));
    host.run(&["save", "-o", file.to_str().unwrap(), "web:1"]).prints("");
    std::fs::create_dir(&directory).unwrap();
    assert!(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&directory).status().unwrap().success());
    let other = self::host();
    other.run(&["load", "-q", "-i", directory.to_str().unwrap()]).prints("Loaded image: web:1\n");
    other.run(&["images", "-q", "--no-trunc"]).prints(&format!("{}\n", web.id()));
    // A layer that is not what it is called.
    let layer = wharfie_oci::Digest::of(&web.layers()[1]);
    let layer = directory.join("blobs/sha256").join(layer.hex());
    let mut bytes = std::fs::read(&layer).unwrap();
    bytes[512] ^= 1;
    std::fs::write(&layer, bytes).unwrap();
    let third = self::host();
    let outcome = third.run(&["load", "-q", "-i", directory.to_str().unwrap()]);
    assert!(outcome.code == 1 && outcome.stderr.contains("verification failed for digest"), "{outcome:?}");
    third.run(&["images", "-aq"]).prints("");
    std::fs::remove_file(directory.join("oci-layout")).unwrap();
    third
        .run(&["load", "-i", directory.to_str().unwrap()])
        .fails(1, &format!("{} is not an OCI image layout: it has no oci-layout file", directory.display()));
}
