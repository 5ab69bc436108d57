//! Directories that are deeper than a process has open files, a path has bytes, or a stack has frames.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use wharfie_testkit::{Host, Outcome};

use super::{box_host, id};

/// More than a path can name, and than a stack has room for.
const ABYSS: usize = 10_000;

/// Makes `depth` directories called `d` in one that is there, each in the one before, and a file in the last.
fn deep(top: &Path, depth: usize) {
    let mut at: OwnedFd = std::fs::File::open(top).expect("it is there").into();
    for _ in 0..depth {
        mkdirat(&at, "d", Mode::from_raw_mode(0o755)).expect("it is new");
        at = openat(&at, "d", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("it was made");
    }
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    drop(openat(&at, "f", flags, Mode::from_raw_mode(0o644)).expect("it is new"));
}

/// Runs a command that may have 256 files open.
fn run(host: &Host, words: &[&str]) -> Outcome {
    let mut command = host.command_under(&["sh", "-c", "ulimit -n 256 && exec \"$@\"", "sh"], words);
    Outcome::of(words, &command.output().expect("there is a shell"))
}

/// A container that was made and not started, with directories in its `/tmp`.
fn made(host: &Host, name: &str, depth: usize) -> String {
    let id = id(&host.run(&["create", "--name", name, "--network", "none", "box:1", "true"]).succeeds());
    let tmp = host.store().join("containers").join(&id).join("upper/tmp");
    std::fs::create_dir(&tmp).expect("the container has changed nothing yet");
    deep(&tmp, depth);
    id
}

#[test]
fn a_command_has_its_own_exit_code_however_deep_its_directories() {
    let Some(host) = box_host() else { return };
    let script = "cd /tmp; i=0; while test $i -lt 1200; do mkdir d && cd -P d && i=$((i+1)) || exit 9; done; exit 3";
    for more in [&["run", "--rm"][..], &["run", "--rm", "-v", "/anonymous"]] {
        let outcome = run(&host, &[more, &["--network", "none", "box:1", "sh", "-c", script]].concat());
        assert!(outcome.code == 3 && outcome.stderr.is_empty(), "{outcome:?}");
    }
    assert_eq!(std::fs::read_dir(host.store().join("containers")).unwrap().count(), 0);
}

#[test]
fn deep_directories_are_seen_copied_and_deleted() {
    let Some(host) = box_host() else { return };
    let id = made(&host, "c1", 1500);
    let last = format!("/tmp{}/f", "/d".repeat(1500));
    let diff = run(&host, &["diff", "c1"]).succeeds();
    assert!(diff.ends_with(&format!("A {last}\n")) && diff.lines().count() == 1502, "{}", diff.len());
    assert!(run(&host, &["export", "c1"]).succeeds().contains(&last[1..]));
    run(&host, &["cp", "c1:/tmp/d", "out"]).prints("");
    assert!(host.path().join(format!("out{}/f", "/d".repeat(1499))).exists());
    run(&host, &["create", "--name", "c2", "--network", "none", "box:1", "true"]).succeeds();
    run(&host, &["cp", "out", "c2:/tmp"]).prints("");
    run(&host, &["ps", "-a", "-s"]).succeeds();
    run(&host, &["commit", "c1", "deep:1"]).succeeds();
    // A volume is filled from there, and measured.
    run(&host, &["run", "--rm", "--network", "none", "-v", "dv:/tmp", "deep:1", "busybox", "test", "-e", &last])
        .prints("");
    run(&host, &["system", "df", "-v"]).succeeds();
    run(&host, &["rm", "c1", "c2"]).prints("c1\nc2\n");
    run(&host, &["volume", "rm", "dv"]).prints("dv\n");
    assert!(!host.store().join("containers").join(id).exists());
}

#[test]
fn directories_that_no_path_reaches_are_deleted() {
    let Some(host) = box_host() else { return };
    made(&host, "c1", ABYSS);
    // What has no name cannot be named.
    for words in [&["diff", "c1"][..], &["commit", "c1", "deep:1"]] {
        let refused = run(&host, words);
        assert!(refused.code == 1 && refused.stderr.len() < 10_000, "{} {}", refused.code, refused.stderr.len());
        assert!(refused.stderr.contains("long"), "{}", refused.stderr);
    }
    run(&host, &["rm", "c1"]).prints("c1\n");
    host.run(&["volume", "create", "dv"]).succeeds();
    deep(&host.store().join("volumes/dv/_data"), ABYSS);
    run(&host, &["system", "df", "-v"]).succeeds();
    run(&host, &["volume", "rm", "dv"]).prints("dv\n");
    // As a removal that was killed leaves it.
    let left = host.store().join("containers").join("0".repeat(64));
    std::fs::create_dir(&left).unwrap();
    deep(&left, ABYSS);
    let found = run(&host, &["system", "fsck"]).succeeds();
    assert!(found.contains("Deleted leftover") && !left.exists(), "{found}");
    for place in ["containers", "volumes", "tmp"] {
        assert_eq!(std::fs::read_dir(host.store().join(place)).unwrap().count(), 0, "{place}");
    }
}
