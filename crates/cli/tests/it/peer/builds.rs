//! The same Dockerfile and context, built by docker's classic builder and by us: the same files and the same configuration.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use serde_json::Value;
use wharfie_layer::tar::Reader;
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, archive, file, needs};

use super::docker::Daemon;
use super::podman::Podman;
use crate::host_with;

/// Dockerfiles that both builders understand, and build the same of. Each stands upon `box:1`.
const DOCKERFILES: &[(&str, &str)] = &[
    (
        "files",
        "COPY . /ctx/\nCOPY dir /d\nCOPY a b.txt /e/\nCOPY link /followed\nCOPY di*/o* /wild/\nCOPY exe /bin/exe\nCOPY --chown=web:extra dir /owned/\nCOPY --chown=5 a /five\n",
    ),
    ("add", "ADD a.tar /u/\nADD a.tar.gz /v\nADD a.tar.bz2 /w/\nADD a /plain/\nADD a.tar.xz /x/\nADD dir /dd/\n"),
    (
        "run",
        "RUN mkdir -p /r/s && echo x > /r/s/f && chmod 640 /r/s/f && ln -s f /r/s/l && ln /r/s/f /r/s/h\nRUN rm /etc/group && chmod 700 /tmp && touch /r/new && rm -r /r/s && mkdir /r/s\nUSER web\nRUN id -u > /tmp/id || true\nUSER 0\nRUN mkfifo /r/p 2>/dev/null || true\n",
    ),
    ("workdir", "WORKDIR /one/two\nRUN echo x > here\nWORKDIR three\nCOPY a .\nWORKDIR /link/x\nRUN pwd > /where\n"),
    (
        "stages",
        "RUN echo 1 > /one && chmod 4711 /one\nFROM box:1 AS second\nCOPY --from=0 /one /two\nFROM second\nCOPY --from=second /two /three\nCOPY --from=0 /etc/ /etc2/\n",
    ),
    (
        "configuration",
        "ENV A=1 B=\"two words\"\nENV C three $A\nLABEL l=1 \"m n\"='o p'\nEXPOSE 80 81/udp 90-92\nVOLUME /v [\"/w\"]\nVOLUME [\"/x\", \"/y\"]\nUSER web:extra\nSTOPSIGNAL SIGUSR1\nHEALTHCHECK --interval=5s --timeout=1m --retries=4 CMD [\"true\"]\nONBUILD RUN echo child\nENTRYPOINT [\"sh\", \"-c\"]\nCMD [\"echo\"]\n",
    ),
    ("shell forms", "SHELL [\"/bin/sh\", \"-ec\"]\nENTRYPOINT exec top\nCMD one two\nHEALTHCHECK CMD exit 0\n"),
    ("none", "HEALTHCHECK NONE\nCMD [\"a\"]\nENTRYPOINT [\"b\"]\nMAINTAINER somebody\n"),
    (
        "arguments",
        "ARG V=1\nARG W\nENV V2=${V:-x} W2=${W:-y} U2=${U:+z} P2=${PATH}\nLABEL v=$V\nRUN echo $V $V2 $W > /v\nWORKDIR /$V/$W2\n",
    ),
    (
        "words",
        "ENV E='a b' F=a\\ b G=\"a\\\"b\" H=\"$E\" I='$E'\nLABEL k=\"one \\\n  two\"\nCOPY [\"a\", \"/with space/\"]\nENV X=1 Y=$X\n",
    ),
];

fn files(host: &Host) {
    for (name, text) in
        [("a", "1"), ("b.txt", "2"), ("dir/one", "3"), ("dir/sub/two", "4"), ("exe", "#!"), ("skipped", "s")]
    {
        host.file(&format!("ctx/{name}"), text.as_bytes());
    }
    host.file("ctx/.dockerignore", b"skipped\n*.tar*\n!a.tar*\nDockerfile\n");
    let at = |name: &str| host.path().join("ctx").join(name);
    symlink("a", at("link")).expect("the context takes links");
    symlink("nowhere", at("broken")).expect("the context takes links");
    for (name, mode) in [("exe", 0o755), ("dir/one", 0o600), ("dir/sub", 0o711)] {
        std::fs::set_permissions(at(name), PermissionsExt::from_mode(mode)).expect("they are ours");
    }
    let mut own = file("in/own", "o");
    (own.0.uid, own.0.gid, own.0.mode) = (5, 6, 0o750);
    let path = host.file("ctx/a.tar", &tar(&[own, file("top", "t")]));
    for (program, end) in [("gzip", "gz"), ("bzip2", "bz2"), ("xz", "xz")] {
        let packed = needs::output(Command::new(program).arg("-c").arg(&path), program).stdout;
        host.file(&format!("ctx/a.tar.{end}"), &packed);
    }
}

/// What is in the layers of a saved image, one after the other applied: kind, mode, owner, contents or target by path.
fn exported(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while let Some(mut member) = reader.next_entry().expect("it is a tar") {
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut member, &mut data).expect("it is whole");
        let entry = member.entry();
        let path = String::from_utf8_lossy(&entry.path).trim_matches('/').to_owned();
        // Made for containers, and by each in its own way.
        if ["", ".dockerenv", "dev", "proc", "sys"].contains(&path.as_str())
            || path.starts_with("dev/")
            || path.starts_with("etc/h")
            || path == "etc/resolv.conf"
            || path == "etc/mtab"
        {
            continue;
        }
        let data =
            if data.len() > 64 { format!("{} bytes", data.len()) } else { String::from_utf8_lossy(&data).into_owned() };
        let link = String::from_utf8_lossy(&entry.link).into_owned();
        found.push(format!("{path} {:?} {:o} {}:{} {link}{data:?}", entry.kind, entry.mode, entry.uid, entry.gid));
    }
    found.sort();
    found
}

/// The configuration without what each builder says in its own way.
fn configuration(text: &str) -> Value {
    let document: Value = serde_json::from_str(text).expect("inspect prints JSON");
    let mut config = document[0]["Config"].clone();
    let fields = config.as_object_mut().expect("it is an object");
    // What stands for "nothing said" differs between releases.
    fields.retain(|key, value| {
        let is_nothing = value.is_null()
            || *value == ""
            || *value == false
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(serde_json::Map::is_empty);
        !is_nothing && !["Hostname", "Image", "ArgsEscaped"].contains(&key.as_str())
    });
    config
}

/// What only one of two lists has, in words.
fn different(name: &str, theirs: &[String], ours: &[String]) -> Option<String> {
    let only = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|line| !other.contains(line)).cloned().collect()
    };
    let (left, right) = (only(theirs, ours), only(ours, theirs));
    (!left.is_empty() || !right.is_empty()).then(|| format!("{name}: they alone have {left:#?}, we alone {right:#?}"))
}

/// What buildah leaves in layers of its own: places of mounts, and of its hosts files copies.
const LEFT_BY_BUILDAH: [&str; 4] = ["run", "etc2/hostname", "etc2/hosts", "etc2/resolv.conf"];

#[test]
fn buildah_and_we_build_the_same() {
    let image = Image::busybox()
        .with_layer(wharfie_testkit::image::tar_of_link("link", "/tmp"))
        .with_config("Env", serde_json::json!(["PATH=/bin"]));
    let host = host_with(&[(&image, &["box:1"])]);
    let Some(podman) = Podman::within(&host) else { return };
    let base = host.file("box.tar", &archive(&[(&image, &["localhost/box:1"])]));
    podman.buildah(&["pull", "-q", &format!("docker-archive:{}", base.display())]);
    files(&host);
    let context = host.path().join("ctx").to_string_lossy().into_owned();
    let saved = host.path().join("theirs.tar").to_string_lossy().into_owned();
    let files_of = |image: &str| {
        let container = host.run(&["create", image, "x"]).succeeds();
        host.run(&["export", "-o", "all.tar", container.trim()]).succeeds();
        exported(&std::fs::read(host.path().join("all.tar")).expect("it was written"))
    };
    let mut wrong = Vec::new();
    for (name, lines) in DOCKERFILES {
        let text = format!("FROM box:1\n{lines}");
        host.file("ctx/Dockerfile", text.as_bytes());
        host.run(&["build", "-q", "--network=none", "-t", "ours:1", "ctx"]).succeeds();
        host.file("ctx/Dockerfile", text.replace("box:1", "localhost/box:1").as_bytes());
        let words =
            ["bud", "-q", "--isolation", "chroot", "--format", "docker", "--identity-label=false", "--pull-never"];
        podman.buildah(&[&words[..], &["-t", "localhost/theirs:1", &context]].concat());
        let _replaced = std::fs::remove_file(&saved);
        podman.buildah(&["push", "-q", "localhost/theirs:1", &format!("docker-archive:{saved}:theirs:1")]);
        host.run(&["load", "-q", "-i", &saved]).succeeds();
        let mut theirs = files_of("theirs:1");
        theirs.retain(|line| !LEFT_BY_BUILDAH.iter().any(|path| line.starts_with(&format!("{path} "))));
        wrong.extend(different(name, &theirs, &files_of("ours:1")));
        let [theirs, ours] =
            ["theirs:1", "ours:1"].map(|image| configuration(&host.run(&["image", "inspect", image]).succeeds()));
        // It keeps ranges of ports as they are written, and forgets the flags of SHELL; docker does neither.
        if theirs != ours && !["configuration", "shell forms"].contains(name) {
            wrong.push(format!("{name}: buildah has {theirs:#}, we {ours:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn docker_and_we_build_the_same() {
    let Some(docker) = Daemon::get() else { return };
    let image = Image::busybox()
        .with_layer(wharfie_testkit::image::tar_of_link("link", "/tmp"))
        .with_config("Env", serde_json::json!(["PATH=/bin"]));
    let host = host_with(&[(&image, &["box:1"])]);
    let base = host.file("box.tar", &archive(&[(&image, &["box:1"])]));
    docker.run(&["load", "-q", "-i", &base.to_string_lossy()]);
    files(&host);
    let context = host.path().join("ctx").to_string_lossy().into_owned();
    let mut wrong = Vec::new();
    for (name, lines) in DOCKERFILES {
        host.file("ctx/Dockerfile", format!("FROM box:1\n{lines}").as_bytes());
        docker.run(&["build", "-q", "--network=none", "-t", "theirs:1", &context]);
        host.run(&["build", "-q", "--network=none", "-t", "ours:1", "ctx"]).succeeds();
        let path = host.path().join("all.tar");
        let theirs = docker.run(&["create", "theirs:1", "x"]);
        docker.run(&["export", "-o", &path.to_string_lossy(), theirs.trim()]);
        let theirs = exported(&std::fs::read(&path).unwrap());
        let ours = host.run(&["create", "ours:1", "x"]).succeeds();
        host.run(&["export", "-o", "all.tar", ours.trim()]).succeeds();
        let ours = exported(&std::fs::read(&path).unwrap());
        wrong.extend(different(name, &theirs, &ours));
        let theirs = configuration(&docker.run(&["image", "inspect", "theirs:1"]));
        let ours = configuration(&host.run(&["image", "inspect", "ours:1"]).succeeds());
        if theirs != ours {
            wrong.push(format!("{name}: docker has {theirs:#}, we {ours:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
