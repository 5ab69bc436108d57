//! Archives that lie: what they claim is checked, and nothing of them is visible when it is not so.

use serde_json::json;
use wharfie_layer::entry::{Entry, Kind};
use wharfie_oci::Digest;
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, Packing, Published, archive};

use crate::host;

type Member = (Entry, Vec<u8>);

fn member(name: &str, bytes: &[u8]) -> Member {
    let entry = Entry { path: name.as_bytes().to_vec(), mode: 0o644, size: bytes.len() as u64, ..Entry::default() };
    (entry, bytes.to_vec())
}

fn link(kind: Kind, name: &str, target: &str) -> Member {
    let entry = Entry { path: name.as_bytes().to_vec(), kind, link: target.as_bytes().to_vec(), ..Entry::default() };
    (entry, Vec::new())
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// An OCI layout of what is published, called `name`; `change` may spoil its members.
fn layout(published: &Published, name: &str, change: impl FnOnce(&mut Vec<Member>)) -> Vec<u8> {
    let mut descriptor = json!(published.descriptor);
    descriptor["annotations"] = json!({"io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
    let mut members = vec![
        member("oci-layout", br#"{"imageLayoutVersion": "1.0.0"}"#),
        member("index.json", index.to_string().as_bytes()),
    ];
    let mut all = vec![published];
    while let Some(next) = all.pop() {
        members.push(member(&blob(&next.descriptor.digest), &next.bytes));
        members.extend(next.blobs.iter().map(|(descriptor, bytes)| member(&blob(&descriptor.digest), bytes)));
        all.extend(&next.members);
    }
    change(&mut members);
    tar(&members)
}

#[track_caller]
fn refuses(bytes: &[u8], reason: &str) {
    let host = host();
    let outcome = host.run_with(&["load"], bytes);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(reason), "{}", outcome.stderr);
    leaves_nothing(&host);
}

#[track_caller]
fn leaves_nothing(host: &Host) {
    host.run(&["images", "-a", "--digests", "-q"]).prints("");
    host.run(&["system", "fsck"]).prints("Checked 0 blobs, 0 layers and 0 images: no faults\n");
}

#[test]
fn every_blob_of_a_layout_is_proven() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let published = Published::packed(&web, packing);
        let name = "example.org/web:1";
        let host = host();
        host.run_with(&["load"], &layout(&published, name, |_| ())).prints(&format!("Loaded image: {name}\n"));
        host.run(&["inspect", "-f", "{{.Id}}", name]).prints(&format!("{}\n", web.id()));
        host.run(&["system", "fsck"]).succeeds();
        let spoil = |which: usize| {
            let mut digests = vec![published.descriptor.digest.clone()];
            digests.extend(published.blobs.iter().map(|(descriptor, _)| descriptor.digest.clone()));
            let path = blob(&digests[which]);
            layout(&published, name, |members| {
                let spoiled = members.iter_mut().find(|(entry, _)| entry.path == path.as_bytes()).unwrap();
                match which {
                    // Documents: the same JSON, one blank longer.
                    0 | 3 => spoiled.1.push(b' '),
                    _ => spoiled.1 = Published::packed(&Image::new().with_file("z", "9"), packing).blobs[0].1.clone(),
                }
                spoiled.0.size = spoiled.1.len() as u64;
            })
        };
        for which in [0, 1, 2, 3] {
            let outcome = crate::host().run_with(&["load"], &spoil(which));
            assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{packing:?} {which}");
        }
    }
}

#[test]
fn a_layout_of_several_platforms_gives_the_one_that_is_asked_for() {
    let [amd, arm] = ["amd64", "arm64"].map(|arch| Image::new().with_file("arch", arch).on("linux", arch));
    let (one, two) = (Published::of(&amd), Published::of(&arm));
    let attestation = Published::of(&Image::new().with_file("x", "x").on("unknown", "unknown"));
    let list = Published::index(&[("unknown/unknown", &attestation), ("linux/amd64", &one), ("linux/arm64", &two)]);
    let bytes = layout(&list, "web:1", |_| ());
    for (platform, image) in [("linux/amd64", &amd), ("linux/arm64", &arm)] {
        let host = host();
        host.run_with(&["load", "--platform", platform], &bytes).prints("Loaded image: web:1\n");
        host.run(&["inspect", "-f", "{{.Id}}", "web:1"]).prints(&format!("{}\n", image.id()));
    }
    let outcome = host().run_with(&["load", "--platform", "linux/s390x"], &bytes);
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    assert!(outcome.stderr.contains("linux/s390x"), "{}", outcome.stderr);
}

#[test]
fn an_archive_gives_names_but_no_digests() {
    // Whoever pulls by digest must get what the digest says: no archive may claim to be that.
    let web = Image::new().with_file("a", "1");
    let digest = format!("sha256:{}", "a".repeat(64));
    for name in [format!("web@{digest}"), format!("web:1@{digest}")] {
        refuses(&archive(&[(&web, &[&name])]), &format!("invalid tag \"{name}\""));
        refuses(&layout(&Published::of(&web), &name, |_| ()), &format!("invalid tag \"{name}\""));
    }
    refuses(&archive(&[(&web, &["UP:1"])]), "must be lowercase");
    refuses(&archive(&[(&web, &["good:1", "a b"])]), "invalid reference format");
}

#[test]
fn layers_may_be_links_inside_the_archive() {
    let web = Image::new().with_file("a", "1");
    let config = web.config_bytes();
    let manifest = br#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["two/layer.tar"]}]"#;
    let with = |links: Vec<Member>| {
        let mut members = vec![member("c.json", &config), member("one/layer.tar", &web.layers()[0])];
        members.extend(links);
        members.push(member("manifest.json", manifest));
        tar(&members)
    };
    for links in [
        vec![link(Kind::Symlink, "two/layer.tar", "../one/layer.tar")],
        vec![link(Kind::Hardlink, "two/layer.tar", "one/layer.tar")],
        vec![link(Kind::Symlink, "three", "one/layer.tar"), link(Kind::Symlink, "two/layer.tar", "/three")],
    ] {
        let host = host();
        host.run_with(&["load"], &with(links)).prints("Loaded image: web:1\n");
        host.run(&["inspect", "-f", "{{.Id}}", "web:1"]).prints(&format!("{}\n", web.id()));
    }
    for target in ["../../../../etc/passwd", "/etc/passwd", "layer.tar", "missing"] {
        refuses(&with(vec![link(Kind::Symlink, "two/layer.tar", target)]), "no such file or directory");
    }
}

#[test]
fn documents_that_are_too_large_or_too_many() {
    let big = format!("{{\"x\":\"{}\"}}", "y".repeat(25 << 20));
    refuses(&tar(&[member("c.json", big.as_bytes())]), "documents exceed");
    // Small ones count as well: each takes memory.
    let many: Vec<Member> = (0..300_000).map(|n| member(&n.to_string(), b"{}")).collect();
    refuses(&tar(&many), "documents exceed");
}

#[test]
fn a_history_with_more_layers_than_there_are_is_refused() {
    let web = Image::new().with_file("a", "1");
    let mut config: serde_json::Value = serde_json::from_slice(&web.config_bytes()).unwrap();
    config["history"] = json!([{"created_by": "one"}, {"created_by": "two"}]);
    let bytes = config.to_string();
    let host = host();
    let manifest = br#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["l/layer.tar"]}]"#;
    let tar = tar(&[
        member("c.json", bytes.as_bytes()),
        member("l/layer.tar", &web.layers()[0]),
        member("manifest.json", manifest),
    ]);
    host.run_with(&["load"], &tar).fails(1, "too many non-empty layers in History section");
    host.run(&["images", "-q"]).prints("");
}

#[test]
fn absurd_configurations_are_refused_or_shown_safely() {
    let web = Image::new().with_file("a", "1");
    for (member_name, value) in [
        ("rootfs", json!(null)),
        ("rootfs", json!({"type": "layers", "diff_ids": ["sha256:zz"]})),
        ("config", json!("text")),
        ("history", json!({})),
        ("architecture", json!(5)),
    ] {
        let mut config: serde_json::Value = serde_json::from_slice(&web.config_bytes()).unwrap();
        config[member_name] = value;
        let manifest = br#"[{"Config":"c.json","RepoTags":["web:1"],"Layers":["l/layer.tar"]}]"#;
        let tar = tar(&[
            member("c.json", config.to_string().as_bytes()),
            member("l/layer.tar", &web.layers()[0]),
            member("manifest.json", manifest),
        ]);
        let outcome = host().run_with(&["load"], &tar);
        assert_eq!(outcome.code, 1, "{member_name}: {}", outcome.stdout);
        assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
    let escape = Image::new()
        .with_file("a", "1")
        .with_step("\u{1b}[2Jclear\u{7}")
        .made("not a date")
        .with_config("Labels", json!({"\u{1b}[31m": "\u{1b}]0;title\u{7}"}));
    let host = host();
    host.run_with(&["load"], &archive(&[(&escape, &["web:1"])])).succeeds();
    for words in [&["images"][..], &["history", "--no-trunc", "web:1"], &["inspect", "web:1"], &["system", "df", "-v"]]
    {
        let shown = host.run(words).succeeds();
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{words:?}: {shown:?}");
    }
}
