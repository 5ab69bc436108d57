//! What becomes of a result: images, directories, archives, layouts, registries; and what is written down of it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;
use wharfie_testkit::{Host, Image, TestRegistry};

use super::{box_host, context, listing};
use crate::{host, host_with};

fn small(host: &Host) {
    context(host, &[("Dockerfile", "FROM scratch\nCOPY a /d/a\nENV X=1\n"), ("a", "1")]);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
}

#[test]
fn results_go_to_directories_and_archives() {
    let host = host();
    small(&host);
    for words in [["-o", "out"], ["-o", "type=local,dest=out2"]] {
        host.run(&[&["build"], &words[..], &["ctx"]].concat()).succeeds();
    }
    for place in ["out", "out2"] {
        let path = host.path().join(place).join("d/a");
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
    }
    // Into what is there already, beside what is there.
    host.file("out/kept", b"k");
    host.run(&["build", "-o", "out", "ctx"]).succeeds();
    assert!(host.path().join("out/kept").exists());
    let mut command = host.command(&["build", "-q", "-o", "-", "ctx"]);
    let output = command.output().unwrap();
    assert_eq!(listing(&output.stdout), "755 0:0 d/\n644 0:0 d/a: 1\n", "{}", String::from_utf8_lossy(&output.stderr));
    let missing = host.run(&["images", "-aq"]).succeeds();
    assert_eq!(missing, "", "no image was asked for");
}

#[test]
fn archives_are_loaded_by_others() {
    let host = host();
    small(&host);
    for kind in ["oci", "docker"] {
        let words = ["build", "-q", "-t", "web:1", "-o", &format!("type={kind},dest={kind}.tar"), "ctx"];
        host.run(&words).succeeds();
        let other = crate::host();
        let archive = host.path().join(format!("{kind}.tar"));
        let loaded = other.run(&["load", "-i", &archive.to_string_lossy()]).succeeds();
        assert_eq!(loaded, "Loaded image: web:1\n", "{kind}");
        other.run(&["inspect", "-f", "{{index .Config.Env 1}}", "web:1"]).prints("X=1\n");
    }
    host.run(&["build", "-q", "-t", "web:1", "-o", "type=oci,dest=layout,tar=false", "ctx"]).succeeds();
    let index = json(&fs::read_to_string(host.path().join("layout/index.json")).unwrap());
    assert_eq!(index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "1");
    assert!(host.path().join("layout/oci-layout").exists());
}

#[test]
fn several_outputs_are_made_of_one_build() {
    let host = host();
    small(&host);
    let words = ["build", "-q", "-t", "web:1", "-o", "out", "-o", "type=tar,dest=all.tar", "-o", "type=image", "ctx"];
    host.run(&words).succeeds();
    assert!(host.path().join("out/d/a").exists() && host.path().join("all.tar").exists());
    host.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).prints("web:1\n");
    host.run(&["build", "-q", "-t", "other:1", "-o", "type=cacheonly", "ctx"]).succeeds();
    host.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).prints("web:1\n");
}

#[test]
fn results_are_pushed() {
    let registry = TestRegistry::start();
    let host = host();
    small(&host);
    let name = |tag: &str| format!("{}/team/web:{tag}", registry.address());
    host.run(&["build", "-q", "--push", "-t", &name("1"), "ctx"]).succeeds();
    host.run(&["build", "-q", "-o", &format!("type=registry,name={}", name("2")), "ctx"]).succeeds();
    host.run(&["build", "-q", "-o", &format!("type=image,\"name={},{}\",push=true", name("3"), name("4")), "ctx"])
        .succeeds();
    let digests: Vec<_> = ["1", "2", "3", "4"].iter().map(|tag| registry.digest(&format!("team/web:{tag}"))).collect();
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    let other = crate::host();
    other.run(&["pull", "-q", &name("1")]).succeeds();
    other.run(&["inspect", "-f", "{{index .Config.Env 1}}", &name("1")]).prints("X=1\n");
    let told =
        host.run(&["build", "--progress=plain", "--metadata-file", "meta.json", "--push", "-t", &name("5"), "ctx"]);
    let meta = json(&fs::read_to_string(host.path().join("meta.json")).unwrap());
    assert_eq!(meta["containerimage.digest"], registry.digest("team/web:5").to_string());
    assert_eq!(meta["image.name"], name("5"));
    assert!(told.stderr.contains("pushing layers"), "{}", told.stderr);
    let refused = host.run(&["build", "--push", "-t", "127.0.0.1:1/web:1", "ctx"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{}", refused.stderr);
    assert!(refused.stderr.contains("ERROR: failed to solve: "), "{}", refused.stderr);
}

#[test]
fn ids_and_facts_are_written_down() {
    let host = host();
    small(&host);
    let quiet =
        host.run(&["build", "-q", "--iidfile", "id", "--metadata-file", "meta", "-t", "web:1", "ctx"]).succeeds();
    let id = fs::read_to_string(host.path().join("id")).unwrap();
    assert_eq!(quiet.trim_end(), id.trim_end());
    assert!(!id.ends_with('\n'), "as BuildKit writes it");
    host.run(&["inspect", "-f", "{{.Id}}", "web:1"]).prints(&format!("{id}\n"));
    let meta = json(&fs::read_to_string(host.path().join("meta")).unwrap());
    assert_eq!(
        (&meta["containerimage.config.digest"], &meta["image.name"]),
        (&Value::from(id), &Value::from("docker.io/library/web:1"))
    );
    // Of a build that failed nothing is written, and an old id is not left to be taken for a new one.
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY missing /\n")]);
    assert_eq!(host.run(&["build", "--iidfile", "id", "ctx"]).code, 1);
    assert!(!host.path().join("id").exists());
}

#[test]
fn labels_from_outside_are_added() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch\nLABEL a=1 b=1\n")]);
    host.run(&["build", "-q", "-t", "web:1", "--label", "b=2", "--label", "c", "ctx"]).succeeds();
    host.run(&["inspect", "-f", "{{json .Config.Labels}}", "web:1"]).prints("{\"a\":\"1\",\"b\":\"2\",\"c\":\"\"}\n");
}

#[test]
fn a_name_moves_from_image_to_image() {
    let host = host();
    small(&host);
    let first = host.run(&["build", "-q", "-t", "web:1", "ctx"]).succeeds();
    context(&host, &[("a", "2")]);
    let second = host.run(&["build", "-q", "-t", "web:1", "ctx"]).succeeds();
    assert_ne!(first, second);
    host.run(&["images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}"])
        .prints(&format!("web {second}<none> {first}"));
}

#[test]
fn several_platforms_make_an_index() {
    let registry = TestRegistry::start();
    let host = host();
    let text = "FROM scratch\nARG TARGETPLATFORM TARGETVARIANT\nCOPY a /a\nLABEL p=$TARGETPLATFORM\n";
    context(&host, &[("Dockerfile", text), ("a", "1")]);
    let name = format!("{}/web:1", registry.address());
    let platforms = "--platform=linux/amd64,linux/arm64,linux/arm/v7";
    host.run(&["build", "-q", platforms, "--push", "-t", &name, "--iidfile", "id", "ctx"]).succeeds();
    let id = fs::read_to_string(host.path().join("id")).unwrap();
    assert_eq!(registry.digest("web:1").to_string(), id);
    let raw = host.run(&["buildx", "imagetools", "inspect", "--raw", &name]).succeeds();
    let index = json(&raw);
    let found: Vec<String> = index["manifests"]
        .as_array()
        .expect("an index has members")
        .iter()
        .map(|one| {
            [&one["platform"]["architecture"], &one["platform"]["variant"]]
                .map(|text| text.as_str().unwrap_or("-").to_owned())
                .join("/")
        })
        .collect();
    assert_eq!(found, ["amd64/-", "arm64/-", "arm/v7"]);
    // Here it is an image for each, and the name's is this machine's.
    host.run(&["build", "-q", platforms, "-t", "local:1", "ctx"]).succeeds();
    host.run(&["inspect", "-f", "{{.Architecture}} {{.Config.Labels.p}}", "local:1"]).prints("amd64 linux/amd64\n");
    let other = format!("{}/copy:1", registry.address());
    host.run(&["tag", "local:1", &other]).succeeds();
    host.run(&["push", "-q", &other]).succeeds();
    host.run(&["build", "-q", platforms, "-o", "out", "ctx"]).succeeds();
    for place in ["linux_amd64", "linux_arm64", "linux_arm_v7"] {
        assert!(host.path().join("out").join(place).join("a").exists(), "{place}");
    }
    let refused = host.run(&["build", platforms, "-o", "type=tar,dest=x.tar", "ctx"]);
    assert!(refused.code == 1 && refused.stderr.contains("choose one with --platform"), "{}", refused.stderr);
}

#[test]
fn foreign_programs_need_an_emulator() {
    let arm = Image::busybox().on("linux", "s390x");
    let host = host_with(&[(&arm, &["box:s390x"])]);
    if !wharfie_testkit::needs::root("running a step")
        || fs::exists("/proc/sys/fs/binfmt_misc/qemu-s390x").unwrap_or(false)
    {
        return;
    }
    context(&host, &[("Dockerfile", "FROM box:s390x\nCOPY a /a\n"), ("a", "1")]);
    host.run(&["build", "-q", "--platform=linux/s390x", "-t", "web:1", "ctx"]).succeeds();
    host.run(&["inspect", "-f", "{{.Architecture}}", "web:1"]).prints("s390x\n");
}

#[test]
fn notes_stand_where_they_are_meant_to() {
    let registry = TestRegistry::start();
    let host = host();
    small(&host);
    let name = format!("{}/web:1", registry.address());
    let words = [
        "build",
        "-q",
        "--push",
        "-t",
        &name,
        "--platform=linux/amd64,linux/arm64",
        "--annotation",
        "plain=1",
        "--annotation",
        "index:i=2",
        "--annotation",
        "manifest[linux/arm64]:arm=3",
        "--annotation",
        "manifest-descriptor,index:both=4",
        "ctx",
    ];
    host.run(&words).succeeds();
    let index = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &name]).succeeds());
    assert_eq!(index["annotations"], serde_json::json!({"i": "2", "both": "4"}));
    for (member, expected) in
        [(0, serde_json::json!({"plain": "1"})), (1, serde_json::json!({"plain": "1", "arm": "3"}))]
    {
        let descriptor = &index["manifests"][member];
        assert_eq!(descriptor["annotations"]["both"], "4");
        let at = format!("{}@{}", name.trim_end_matches(":1"), descriptor["digest"].as_str().unwrap());
        let manifest = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &at]).succeeds());
        assert_eq!(manifest["annotations"], expected);
    }
    let bad = host.run(&["build", "--annotation", "nothing", "ctx"]);
    assert!(bad.code != 0 && bad.stderr.contains("expected key=value"), "{}", bad.stderr);
}

#[test]
fn the_same_time_gives_the_same_digest_anywhere() {
    let build = || {
        let host = box_host()?.with("SOURCE_DATE_EPOCH", "1000000000");
        let text = "FROM box:1\nRUN mkdir /made && echo x > /made/x && chmod 750 /made && touch /z\nCOPY . /ctx/\nWORKDIR /w/x\nADD sub/ /sub\nENV a=1\n";
        context(&host, &[("Dockerfile", text), ("a", "1"), ("sub/b", "2")]);
        let words = [
            "build",
            "-q",
            "-t",
            "web:1",
            "--rewrite-timestamp",
            "-o",
            "type=oci,dest=all.tar",
            "-o",
            "type=image",
            "ctx",
        ];
        let id = host.run(&words).succeeds();
        host.run(&["inspect", "-f", "{{.Created}}", "web:1"]).prints("2001-09-09T01:46:40Z\n");
        Some((id, wharfie_oci::Digest::of(&fs::read(host.path().join("all.tar")).expect("it was written"))))
    };
    let Some(first) = build() else { return };
    assert_eq!(build(), Some(first));
}

#[test]
fn what_it_was_made_from_stands_beside_the_image() {
    let registry = TestRegistry::start();
    let host = host_with(&[(&Image::new().with_file("b", "1"), &["base:1"])]);
    context(&host, &[("Dockerfile", "FROM base:1\nARG WORD\nCOPY a /a\n"), ("a", "1")]);
    let name = format!("{}/web:1", registry.address());
    let build = |more: &[&str]| -> Value {
        let words = ["build", "-q", "--push", "-t", &name, "--build-arg", "WORD=said"];
        host.run(&[&words[..], more, &["ctx"]].concat()).succeeds();
        json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &name]).succeeds())
    };
    assert!(build(&[])["manifests"].is_null(), "nobody asked for it");
    for (words, arguments) in [
        (&["--provenance=true"][..], Value::Null),
        (&["--attest", "type=provenance,mode=max"], serde_json::json!({"build-arg:WORD": "said"})),
    ] {
        let index = build(words);
        let [image, attestation] = &index["manifests"].as_array().expect("an index")[..] else { panic!("{index}") };
        let notes = &attestation["annotations"];
        assert_eq!(notes["vnd.docker.reference.type"], "attestation-manifest");
        assert_eq!(notes["vnd.docker.reference.digest"], image["digest"]);
        assert_eq!(attestation["platform"]["architecture"], "unknown");
        let repository = name.trim_end_matches(":1");
        let at = format!("{repository}@{}", attestation["digest"].as_str().unwrap());
        let manifest = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &at]).succeeds());
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let hex = layer.trim_start_matches("sha256:");
        let blob = registry.storage().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
        let statement: Value = serde_json::from_slice(&fs::read(blob).unwrap()).unwrap();
        assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v0.2");
        let digest = image["digest"].as_str().unwrap().trim_start_matches("sha256:");
        assert_eq!(statement["subject"][0]["digest"]["sha256"], digest);
        let parameters = &statement["predicate"]["invocation"]["parameters"];
        assert_eq!(parameters["args"], arguments, "{statement}");
        let materials = statement["predicate"]["materials"].to_string();
        assert!(materials.contains("base"), "{materials}");
    }
}

#[test]
fn what_is_in_it_stands_beside_the_image() {
    let registry = TestRegistry::start();
    let host = host();
    let status = "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2-3\n";
    let system = "ID=debian\nVERSION_ID=12\n";
    let text = "FROM scratch\nCOPY os-release /etc/os-release\nCOPY status /var/lib/dpkg/status\n";
    context(&host, &[("Dockerfile", text), ("status", status), ("os-release", system)]);
    let name = format!("{}/web:1", registry.address());
    host.run(&["build", "-q", "--push", "-t", &name, "--sbom=true", "--provenance=true", "ctx"]).succeeds();
    let index = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &name]).succeeds());
    let [image, attestation] = &index["manifests"].as_array().expect("an index")[..] else { panic!("{index}") };
    let at = format!("{}@{}", name.trim_end_matches(":1"), attestation["digest"].as_str().unwrap());
    let manifest = json(&host.run(&["buildx", "imagetools", "inspect", "--raw", &at]).succeeds());
    let kinds: Vec<&Value> = manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| &layer["annotations"]["in-toto.io/predicate-type"])
        .collect();
    assert_eq!(kinds, ["https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"]);
    let hex = manifest["layers"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let blob = registry.storage().join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
    let statement: Value = serde_json::from_slice(&fs::read(blob).unwrap()).unwrap();
    let digest = image["digest"].as_str().unwrap().trim_start_matches("sha256:");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest);
    let packages = statement["predicate"]["packages"].as_array().expect("SPDX lists packages");
    assert!(packages.iter().any(|one| one["name"] == "tool" && one["versionInfo"] == "1.2-3"), "{packages:?}");
    // An archive has them as well, also of an image that has no name here, and is loaded by others.
    host.file("ctx/status", status.replace("tool", "new").as_bytes());
    let words =
        ["build", "-q", "-t", "web:1", "--sbom=true", "--annotation", "a=b", "-o", "type=oci,dest=a.tar", "ctx"];
    host.run(&words).succeeds();
    host.run(&["copy", "-q", "archive:a.tar", "oci:layout:1"]).succeeds();
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("it has one").replace(':', "/");
        json(&fs::read_to_string(host.path().join("layout/blobs").join(digest)).expect("it is there"))
    };
    let index = blob(&json(&fs::read_to_string(host.path().join("layout/index.json")).unwrap())["manifests"][0]);
    let members = index["manifests"].as_array().expect("an index");
    assert_eq!(blob(&members[0])["annotations"]["a"], "b");
    assert_eq!(blob(&members[1])["layers"][0]["annotations"]["in-toto.io/predicate-type"], "https://spdx.dev/Document");
    let other = crate::host();
    let path = host.path().join("a.tar");
    other.run(&["load", "-i", &path.to_string_lossy()]).prints("Loaded image: web:1\n");
    let refused = host.run(&["build", "--sbom=generator=x", "ctx"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("generators that are images are not run"),
        "{}",
        refused.stderr
    );
}
