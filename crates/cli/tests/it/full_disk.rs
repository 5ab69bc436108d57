//! A disk without room: an error that says so, nothing half-visible, and work goes on once there is room.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use wharfie_testkit::{Host, Image, Packing, Published, TestRegistry, archive, needs};

use crate::host;

/// A small disk of its own for the store, gone when dropped.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// A disk of this size, or `None` with a word about it for whoever may not mount one.
    fn on(host: &Host, size: &str) -> Option<Self> {
        if !needs::root("a small disk of its own") {
            return None;
        }
        let folder = host.path().join("disk");
        std::fs::create_dir(&folder).expect("the folder is new");
        let options = std::ffi::CString::new(format!("size={size}")).expect("it has no NUL");
        if let Err(why) = mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), options.as_c_str()) {
            needs::skipped(&format!("a tmpfs cannot be mounted here: {why}"));
            return None;
        }
        Some(Self { folder })
    }

    fn store(&self) -> String {
        self.folder.join("store").to_string_lossy().into_owned()
    }

    /// Takes all but about this many bytes.
    fn fill_but(&self, left: u64) -> PathBuf {
        let disk = rustix::fs::statvfs(&self.folder).expect("it is mounted");
        let path = self.folder.join("filler");
        let size = (disk.f_bavail * disk.f_frsize).saturating_sub(left);
        needs::succeeds(Command::new("fallocate").arg("-l").arg(size.to_string()).arg(&path), "util-linux");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nothing may stay mounted after a test that failed half way.
        let _unmounted = unmount(&self.folder, UnmountFlags::DETACH);
    }
}

/// Text that no compressor makes small.
fn noise(size: usize, mut state: u32) -> String {
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        char::from(b' ' + (state >> 8) as u8 % 64)
    };
    (0..size).map(|_| next()).collect()
}

#[track_caller]
fn is_full(outcome: &wharfie_testkit::Outcome) {
    assert_eq!(outcome.code, 1, "{}", outcome.stdout);
    let text = outcome.stderr.to_lowercase();
    assert!(text.contains("no space left on device") || text.contains("disk is full"), "{}", outcome.stderr);
}

#[test]
fn a_load_that_does_not_fit() {
    let host = host();
    let Some(disk) = SmallDisk::on(&host, "12M") else { return };
    let (small, big) = (Image::new().with_file("a", "1"), Image::new().with_file("b", &noise(8 << 20, 1)));
    let root = disk.store();
    let run = |words: &[&str], input: &[u8]| host.run_with(&[&["--root", &root], words].concat(), input);
    run(&["load"], &archive(&[(&small, &["small:1"])])).prints("Loaded image: small:1\n");
    let before = run(&["images", "--no-trunc"], b"").succeeds();
    let filler = disk.fill_but(5 << 20);
    is_full(&run(&["load"], &archive(&[(&big, &["big:1"])])));
    is_full(&run(&["import", "-", "big:2"], &big.layers()[0]));
    assert_eq!(run(&["images", "--no-trunc"], b"").succeeds(), before);
    run(&["inspect", "-f", "{{.Id}}", "small:1"], b"").prints(&format!("{}\n", small.id()));
    // There is nothing to free: what did not fit is gone.
    std::fs::remove_file(filler).unwrap();
    run(&["system", "fsck"], b"").prints("Checked 1 blob, 1 layer and 1 image: no faults\n");
    run(&["load"], &archive(&[(&big, &["big:1"])])).prints("Loaded image: big:1\n");
    run(&["system", "fsck"], b"").prints("Checked 2 blobs, 2 layers and 2 images: no faults\n");
}

#[test]
fn a_pull_and_a_push_that_do_not_fit() {
    let (registry, host) = (TestRegistry::start(), host());
    let Some(disk) = SmallDisk::on(&host, "16M") else { return };
    let big = Image::new().with_file("b", &noise(6 << 20, 2));
    let reference = registry.publish("big:1", &Published::packed(&big, Packing::Gzip));
    let root = disk.store();
    let run = |words: &[&str]| host.run(&[&["--root", &root], words].concat());
    run(&["tag", "x", "y"]);
    let filler = disk.fill_but(4 << 20);
    is_full(&run(&["pull", "-q", &reference]));
    run(&["images", "-aq"]).prints("");
    std::fs::remove_file(filler).unwrap();
    run(&["pull", "-q", &reference]).prints(&format!("{reference}\n"));
    run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", big.id()));
    // The layer of a loaded image has no compressed form yet: a push has to make it.
    run(&["image", "prune", "-af"]).succeeds();
    let name = format!("{}/loaded:1", registry.address());
    let bytes = archive(&[(&big, &[&name])]);
    host.run_with(&["--root", &root, "load", "-q"], &bytes).succeeds();
    let filler = disk.fill_but(1 << 20);
    is_full(&run(&["push", "-q", &name]));
    std::fs::remove_file(filler).unwrap();
    run(&["push", "-q", &name]).prints(&format!("{name}\n"));
    let checked = run(&["system", "fsck"]).succeeds();
    assert!(checked.ends_with(": no faults\n"), "{checked}");
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_can_still_be_freed() {
    let host = host();
    let Some(disk) = SmallDisk::on(&host, "80M") else { return };
    let big = Image::new().with_file("b", &noise(4 << 20, 3));
    let root = disk.store();
    let run = |words: &[&str], input: &[u8]| host.run_with(&[&["--root", &root], words].concat(), input);
    run(&["load"], &archive(&[(&big, &["big:1"]), (&Image::new().with_file("a", "1"), &["small:1"])])).succeeds();
    let _filler = disk.fill_but(0);
    run(&["images", "-q"], b"").succeeds();
    let saved = host.path().join("saved.tar");
    run(&["save", "-o", &saved.to_string_lossy(), "small:1"], b"").prints("");
    let outcome = run(&["rmi", "big:1"], b"");
    let outcome = if outcome.code == 0 { run(&["image", "prune", "-f"], b"") } else { outcome };
    assert!(free(&disk.folder) > 3 << 20, "nothing was freed: {}{}", outcome.stdout, outcome.stderr);
    run(&["system", "fsck"], b"").succeeds();
}

#[test]
fn a_build_that_does_not_fit() {
    let host = host();
    let Some(disk) = SmallDisk::on(&host, "32M") else { return };
    let root = disk.store();
    let run = |words: &[&str]| host.run(&[&["--root", &root], words].concat());
    let loaded = host.run_with(&["--root", &root, "load", "-q"], &archive(&[(&Image::busybox(), &["box:1"])]));
    loaded.succeeds();
    host.file("ctx/big", noise(6 << 20, 4).as_bytes());
    host.file("ctx/small", b"1");
    host.file("ctx/Dockerfile", b"FROM box:1\nCOPY small /small\nCOPY big /big\n");
    host.file("ctx/run", b"FROM box:1\nCOPY small /small\nRUN dd if=/dev/urandom of=/big bs=1M count=9\n");
    let filler = disk.fill_but(3 << 20);
    is_full(&run(&["build", "-t", "web:1", "ctx"]));
    let outcome = run(&["build", "-t", "web:1", "-f", "ctx/run", "ctx"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.to_lowercase().contains("no space left on device"), "{}", outcome.stderr);
    run(&["images", "-q", "web"]).prints("");
    std::fs::remove_file(filler).unwrap();
    assert!(run(&["system", "fsck"]).succeeds().ends_with(": no faults\n"));
    // What was finished is not done again.
    let next = run(&["build", "-t", "web:1", "ctx"]);
    assert_eq!(next.code, 0, "{}", next.stderr);
    assert_eq!(next.stderr.lines().filter(|line| line.ends_with(" CACHED")).count(), 1, "{}", next.stderr);
    assert!(run(&["system", "fsck"]).succeeds().ends_with(": no faults\n"));
}

/// A container may say or write more than there is room for; it still ends as it ends, and goes.
#[test]
fn a_container_that_fills_the_disk_can_be_stopped_and_removed() {
    let host = host();
    let Some(disk) = SmallDisk::on(&host, "90M") else { return };
    let store = disk.store();
    let run = |words: &[&str]| host.run(&[&["--root", &store], words].concat());
    host.run_with(&["--root", &store, "load"], &archive(&[(&Image::busybox(), &["box:1"])])).succeeds();
    for (script, ends_with) in
        [("trap 'exit 5' TERM; yes & wait", "5"), ("trap 'exit 6' TERM; yes > /all; sleep 1000 & wait", "6")]
    {
        run(&["run", "-d", "--name", "web", "--network", "none", "box:1", "sh", "-c", script]).succeeds();
        // Longer than either needs to fill it.
        let full = || free(&disk.folder) < 2 << 20;
        while !full() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
        run(&["stop", "web"]).succeeds();
        let code = run(&["inspect", "-f", "{{.State.ExitCode}}", "web"]);
        assert_eq!(code.stdout.trim(), ends_with, "{script}: {code:?}");
        run(&["logs", "--tail", "1", "web"]).succeeds();
        run(&["rm", "web"]).succeeds();
        assert!(free(&disk.folder) > 2 << 20, "{script}: {}", free(&disk.folder));
    }
}

fn free(folder: &Path) -> u64 {
    let disk = rustix::fs::statvfs(folder).expect("it is mounted");
    disk.f_bavail * disk.f_frsize
}

#[test]
fn a_save_that_does_not_fit_leaves_the_old_file() {
    let host = host();
    let Some(disk) = SmallDisk::on(&host, "4M") else { return };
    let big = Image::new().with_file("b", &noise(6 << 20, 4));
    host.run_with(&["load", "-q"], &archive(&[(&big, &["big:1"])])).succeeds();
    let target = disk.folder.join("saved.tar");
    std::fs::write(&target, "old").unwrap();
    is_full(&host.run(&["save", "-o", &target.to_string_lossy(), "big:1"]));
    assert_eq!(std::fs::read(&target).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(&disk.folder).unwrap().count(), 1, "litter");
    let mut onto_full = host.command(&["save", "big:1"]);
    let output = onto_full.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
    is_full(&wharfie_testkit::Outcome::of(&["save"], &output));
}
