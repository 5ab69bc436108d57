//! Killed at any moment: the store is whole, shows the old or the new state, and the command can simply be given again.
//!
//! `strace` kills the program when one of its threads is about to make its Nth system call that changes something. Every N
//! is tried in the slow tier, a spread of them in the quick one.

use std::process::{Command, Stdio};

use wharfie_testkit::{Host, Image, Published, TestRegistry, archive, needs};

use crate::{host, host_with};

/// Calls that change files; `close` is there because locks end with it.
const CHANGES: &str = "write,pwrite64,writev,linkat,link,rename,renameat,renameat2,fdatasync,fsync,unlink,unlinkat,ftruncate,\
                       copy_file_range,sendfile,mkdir,rmdir,flock,fcntl,openat";
/// 400: no command of these tests makes so many; one that does is not finished by chance.
const MOST: usize = 400;

/// What a crash may leave: nothing of the command, or all of it.
struct Crash<'a> {
    /// Brings a fresh host into the old state.
    prepare: &'a dyn Fn() -> Host,
    words: &'a [&'a str],
    input: &'a [u8],
}

/// Everything that listings show.
fn state(host: &Host) -> String {
    let images = host.run(&[
        "images",
        "-a",
        "--no-trunc",
        "--digests",
        "--format",
        "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}",
    ]);
    let kept = host.run(&["image", "restore"]).succeeds();
    // The age of what is kept changes.
    let kept: String =
        kept.lines().filter_map(|line| line.split("  ").next()).map(|id| format!("kept {id}\n")).collect();
    images.succeeds() + &kept
}

impl Crash<'_> {
    fn run(&self, host: &Host) -> wharfie_testkit::Outcome {
        host.run_with(self.words, self.input)
    }

    /// Runs the command and kills it at change number `when`. False if it ended before that.
    fn killed(&self, host: &Host, when: usize) -> bool {
        let inject = format!("inject={CHANGES}:signal=KILL:when={when}");
        let trace = format!("trace={CHANGES}");
        let wrapper = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let mut command = host.command_under(&wrapper, self.words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command
            .spawn()
            .unwrap_or_else(|why| panic!("the program strace cannot be run ({why}): install the package strace"));
        // Whoever is killed does not read to the end.
        let _read = std::io::Write::write_all(&mut child.stdin.take().expect("it was asked for"), self.input);
        !child.wait().expect("a started program ends").success()
    }

    /// Kills at every `step`th change.
    #[track_caller]
    fn at_every(&self, step: usize) {
        let finished = (self.prepare)();
        let old = state(&finished);
        self.run(&finished).succeeds();
        let new = state(&finished);
        assert_ne!(old, new, "`{}` changes nothing", self.words.join(" "));
        for when in (1..MOST).step_by(step) {
            let host = (self.prepare)();
            if !self.killed(&host, when) {
                assert_eq!(state(&host), new);
                return;
            }
            let place = format!("`{}` killed at change {when}", self.words.join(" "));
            let now = state(&host);
            assert!(now == old || now == new, "{place}: neither old nor new:\n{now}\nold:\n{old}\nnew:\n{new}");
            let checked = host.run(&["system", "fsck"]);
            let is_sound = |line: &str| line.starts_with("Deleted leftover ") || line.starts_with("Checked ");
            assert!(
                checked.code == 0 && checked.stdout.lines().all(is_sound),
                "{place}:\n{}{}",
                checked.stdout,
                checked.stderr
            );
            assert_eq!(state(&host), now, "{place}: fsck changes what is there");
            if now == old {
                let again = self.run(&host);
                assert_eq!(again.code, 0, "{place}, then again: {}", again.stderr);
                assert_eq!(state(&host), new, "{place}");
            }
            let checked = host.run(&["system", "fsck"]).succeeds();
            assert!(checked.ends_with(": no faults\n"), "{place}, then again: {checked}");
        }
        panic!("`{}` makes more than {MOST} changes", self.words.join(" "))
    }
}

/// Two layers that compress.
fn web() -> Image {
    Image::new().with_file("a", &"hello ".repeat(1000)).with_file("b", "2")
}

fn base() -> Image {
    Image::new().with_file("a", &"hello ".repeat(1000))
}

fn load(step: usize) {
    let input = archive(&[(&web(), &["web:1", "web:2"])]);
    Crash { prepare: &host, words: &["load"], input: &input }.at_every(step);
    // Onto something else of the same name.
    Crash { prepare: &|| host_with(&[(&base(), &["web:1"])]), words: &["load"], input: &input }.at_every(step);
}

fn import(step: usize) {
    let input = web().layers()[0].clone();
    // The date of an import makes each one another image: only its name can be compared.
    let prepare = || {
        let host = host();
        host.file("config.toml", b"");
        host
    };
    let finished = prepare();
    finished.run_with(&["import", "-", "web:1"], &input).succeeds();
    for when in (1..MOST).step_by(step) {
        let host = prepare();
        let crash = Crash { prepare: &prepare, words: &["import", "-", "web:1"], input: &input };
        if !crash.killed(&host, when) {
            return;
        }
        let checked = host.run(&["system", "fsck"]).succeeds();
        assert!(!checked.contains("Broken") && !checked.contains("Missing"), "{when}: {checked}");
        crash.run(&host).succeeds();
        host.run(&["images", "--format", "{{.Repository}}:{{.Tag}}", "web"]).prints("web:1\n");
    }
}

fn remove(step: usize) {
    let prepare = || host_with(&[(&base(), &["base:1"]), (&web(), &["web:1", "web:2"])]);
    Crash { prepare: &prepare, words: &["rmi", "-f", &web().short()], input: b"" }.at_every_step_of_many(step);
    let at_once = || {
        let host = prepare();
        host.file("config.toml", b"grace = \"0\"\n");
        host
    };
    Crash { prepare: &at_once, words: &["rmi", "web:1"], input: b"" }.at_every(step);
    Crash { prepare: &at_once, words: &["rmi", "-f", &web().short()], input: b"" }.at_every_step_of_many(step);
}

fn prune_and_restore(step: usize) {
    let prepare = || host_with(&[(&base(), &["base:1"]), (&web(), &["web:1", "web:2"])]);
    Crash { prepare: &prepare, words: &["image", "prune", "-af"], input: b"" }.at_every_step_of_many(step);
    let removed = || {
        let host = prepare();
        host.run(&["rmi", "-f", &web().short()]).succeeds();
        host
    };
    Crash { prepare: &removed, words: &["image", "restore", "web:1"], input: b"" }.at_every(step);
    Crash { prepare: &removed, words: &["image", "prune", "-f"], input: b"" }.at_every(step);
    Crash { prepare: &prepare, words: &["tag", "web:1", "other:9"], input: b"" }.at_every(step);
}

impl Crash<'_> {
    /// As [`Self::at_every`] for commands that remove one image after the other: some may be gone.
    #[track_caller]
    fn at_every_step_of_many(&self, step: usize) {
        for when in (1..MOST).step_by(step) {
            let host = (self.prepare)();
            let old = state(&host);
            if !self.killed(&host, when) {
                return;
            }
            let now = state(&host);
            let place = format!("`{}` killed at change {when}", self.words.join(" "));
            // Names go first.
            let is_old =
                |line: &str| old.contains(line) || old.contains(line.trim_start_matches("<none> <none> <none> "));
            assert!(now.lines().all(|line| is_old(line) || line.starts_with("kept ")), "{place}: {now}");
            let checked = host.run(&["system", "fsck"]).succeeds();
            assert!(!checked.contains("Broken") && !checked.contains("Missing"), "{place}: {checked}");
            assert!(self.run(&host).code == 0 || now != old, "{place}");
            let checked = host.run(&["system", "fsck"]).succeeds();
            assert!(checked.ends_with(": no faults\n"), "{place}, then again: {checked}");
        }
        panic!("`{}` makes more than {MOST} changes", self.words.join(" "))
    }
}

fn pull(step: usize) {
    let registry = TestRegistry::start();
    let reference = registry.publish("web:1", &Published::of(&web()));
    Crash { prepare: &host, words: &["pull", "-q", &reference], input: b"" }.at_every(step);
}

fn push(step: usize) {
    let registry = TestRegistry::start();
    let name = format!("{}/web:1", registry.address());
    Crash { prepare: &|| host_with(&[(&web(), &[&name])]), words: &["push", "-q", &name], input: b"" }.at_every(step);
}

/// True if a process can be stopped at its system calls here.
fn can_stop() -> bool {
    let mut command = Command::new("strace");
    let output = needs::output(command.args(["-qqq", "-o", "/dev/null", "true"]), "strace");
    if !output.status.success() {
        needs::skipped(&format!("strace may not trace here: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    output.status.success()
}

#[test]
fn a_load_that_is_killed() {
    if can_stop() {
        load(9);
    }
}

#[test]
fn a_pull_that_is_killed() {
    if can_stop() {
        pull(11);
    }
}

#[test]
fn a_push_that_is_killed() {
    if can_stop() {
        push(11);
    }
}

#[test]
fn an_import_that_is_killed() {
    if can_stop() {
        import(13);
    }
}

#[test]
fn a_removal_that_is_killed() {
    if can_stop() {
        remove(7);
    }
}

#[test]
fn pruning_and_restoring_that_are_killed() {
    if can_stop() {
        prune_and_restore(5);
    }
}

#[test]
#[ignore = "slow: every single change of every command"]
fn every_command_killed_at_every_change() {
    if can_stop() {
        load(1);
        import(1);
        remove(1);
        prune_and_restore(1);
        pull(1);
        push(1);
    }
}
