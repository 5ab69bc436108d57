//! Containers that one engine commits and another runs: the same files, owners, attributes and configuration.

use std::path::Path;
use std::process::Command;

use wharfie_layer::entry::Kind;
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, file, needs};

use super::docker::Daemon;
use super::podman::Podman;
use crate::host;

/// Something that understands docker's words.
trait Engine {
    fn say(&self, words: &[&str]) -> String;
    /// Flags without which its `run` cannot work everywhere.
    fn run_flags(&self) -> &'static [&'static str] {
        &["--network", "none"]
    }
}

impl Engine for Host {
    fn say(&self, words: &[&str]) -> String {
        self.run(words).succeeds()
    }
}

impl Engine for Daemon {
    fn say(&self, words: &[&str]) -> String {
        self.run(words)
    }
}

impl Engine for Podman {
    fn say(&self, words: &[&str]) -> String {
        // Where both versions of cgroups are mounted crun does not start.
        self.podman(&[&["--runtime", "runc"], words].concat())
    }

    fn run_flags(&self) -> &'static [&'static str] {
        // Its defaults may be above what this process may have.
        &["--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
    }
}

/// What is changed: files, directories, links, owners and modes come, go and are replaced.
const CHANGES: &str = "\
    rm /data/gone; echo changed > /data/changed; chmod 640 /data/changed; chown 33:33 /data/changed; \
    rm -r /dir; mkdir /dir; echo new > /dir/new; rm /file; mkdir /file; ln -s /dir/new /link; ln /data/changed /data/hard; \
    mkfifo /data/pipe; mkdir -m 1777 /sticky; mkdir /opt; cp /bin/busybox /opt/busybox; touch /ready; sleep 1000";

/// Everything that can be seen of it, whoever runs the image.
const SHOW: &str = "\
    pwd; echo $X $Y; id -u; ls -AF /data /dir /file; cat /dir/new /data/changed; readlink /link; \
    stat -c '%n %a %u %g %h' /data/keep /data/changed; stat -c '%n %a %u %g' /sticky /dir; /opt/busybox grep CapEff /proc/self/status";

const SEEN: &str = "\
/data\none two\n33\n/data:\nchanged\nhard\nkeep\npipe|\n\n/dir:\nnew\n\n/file:\nnew\nchanged\n/dir/new\n\
/data/keep 644 0 0 1\n/data/changed 640 33 33 2\n/sticky 1777 0 0\n/dir 755 0 0\nCapEff:\t0000000000000400\n";

const BASE: &str = "example.org/base:1";
const NAME: &str = "example.org/committed:1";

/// The image that is changed, as an archive.
fn base(host: &Host) -> String {
    let directory = |path: &str| {
        let mut entry = file(path, "");
        (entry.0.kind, entry.0.mode) = (Kind::Directory, 0o755);
        entry
    };
    let layer = tar(&[
        directory("data"),
        file("data/keep", "kept\n"),
        file("data/gone", "gone\n"),
        file("data/changed", "old\n"),
        directory("dir"),
        file("dir/old", "old\n"),
        file("file", "a file\n"),
    ]);
    let image = Image::busybox().with_layer(layer);
    host.file("base.tar", &wharfie_testkit::archive(&[(&image, &[BASE])])).display().to_string()
}

/// Changes a container of the base image, commits it and saves the image.
fn make(engine: &dyn Engine, host: &Host) -> String {
    engine.say(&["load", "-i", &base(host)]);
    let words = ["run", "-d", "--name", "changed"];
    engine.say(&[&words, engine.run_flags(), &[BASE, "sh", "-c", CHANGES]].concat());
    let pid = engine.say(&["inspect", "-f", "{{.State.Pid}}", "changed"]);
    let root = Path::new("/proc").join(pid.trim()).join("root");
    while !root.join("ready").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let tool = root.join("opt/busybox");
    needs::succeeds(Command::new("setcap").arg("cap_net_bind_service+ep").arg(&tool), "libcap2-bin");
    let configuration =
        ["-c", "ENV X=one", "-c", "ENV Y=two", "-c", "WORKDIR /data", "-c", "USER 33", "-c", "LABEL org.example=here"];
    engine.say(&[&["commit"], &configuration[..], &["-c", &command(), "changed", NAME]].concat());
    engine.say(&["rm", "-f", "changed"]);
    let archive = host.path().join("committed.tar").display().to_string();
    engine.say(&["save", "-o", &archive, NAME]);
    archive
}

fn command() -> String {
    format!("CMD {}", serde_json::json!(["sh", "-c", SHOW]))
}

/// Loads the image and insists on what its command sees.
#[track_caller]
fn shows(engine: &dyn Engine, archive: &str) {
    engine.say(&["load", "-i", archive]);
    let seen = engine.say(&[&["run", "--rm"], engine.run_flags(), &[NAME]].concat());
    assert_eq!(seen, SEEN);
    let label = "{{index .Config.Labels \"org.example\"}}";
    assert_eq!(engine.say(&["image", "inspect", "-f", label, NAME]).trim(), "here");
}

#[test]
fn what_wharfie_commits_docker_runs_and_the_reverse() {
    let Some(docker) = Daemon::get() else { return };
    let (maker, runner) = (host(), host());
    let ours = make(&maker, &maker);
    shows(&maker, &ours);
    shows(docker, &ours);
    docker.say(&["rmi", "-f", NAME]);
    let theirs = make(docker, &runner);
    shows(docker, &theirs);
    shows(&runner, &theirs);
    docker.say(&["rmi", "-f", NAME, BASE]);
    runner.run(&["system", "fsck"]).succeeds();
}

#[test]
fn what_wharfie_commits_podman_runs_and_the_reverse() {
    let (maker, runner, theirs) = (host(), host(), host());
    let Some(podman) = Podman::within(&runner) else { return };
    let ours = make(&maker, &maker);
    shows(&podman, &ours);
    podman.say(&["rmi", "-f", NAME]);
    let archive = make(&podman, &theirs);
    shows(&podman, &archive);
    shows(&theirs, &archive);
    theirs.run(&["system", "fsck"]).succeeds();
}
