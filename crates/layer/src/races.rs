//! A program inside a container that swaps files while they are copied: what forced the old faults within a second.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, mknodat};

use crate::entry::{Entry, Kind};
use crate::pack::pack_one;
use crate::tar::{Reader, Writer};
use crate::unpack::unpack;

/// Does `work` again and again for a second while another thread does `swap`.
fn beside(swap: impl Fn() + Sync, mut work: impl FnMut()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                swap();
            }
        });
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            work();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

fn open(directory: &Path) -> OwnedFd {
    std::fs::File::open(directory).unwrap().into()
}

#[test]
fn a_pipe_that_takes_a_files_name_is_never_read_as_one() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let directory = open(place.path());
    let swap = || {
        std::fs::write(at("new"), "data").unwrap();
        std::fs::rename(at("new"), at("f")).unwrap();
        mknodat(&directory, "new", FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        std::fs::rename(at("new"), at("f")).unwrap();
    };
    swap();
    beside(swap, || {
        let Ok(tar) = pack_one(directory.as_fd(), b"f", b"f", Vec::new()) else { return };
        let mut reader = Reader::new(tar.as_slice());
        let mut entry = reader.next_entry().unwrap().unwrap();
        if entry.entry().kind == Kind::File {
            let mut data = String::new();
            entry.read_to_string(&mut data).unwrap();
            assert_eq!(data, "data", "something else was read");
        }
    });
}

#[test]
fn a_link_that_takes_a_pipes_name_changes_nobodys_mode() {
    let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "secret").unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut writer = Writer::new(Vec::new());
    let pipe = Entry { path: b"f".to_vec(), kind: Kind::Fifo, mode: 0o666, ..Entry::default() };
    writer.append(&pipe, std::io::empty()).unwrap();
    let tar = writer.finish().unwrap();
    let directory = open(place.path());
    let swap = || {
        if symlink(&victim, place.path().join("new")).is_ok() {
            let _ = std::fs::rename(place.path().join("new"), place.path().join("f"));
        }
    };
    beside(swap, || {
        // It may fail on what it finds; it must not follow it.
        let _ = unpack(&mut tar.as_slice(), directory.as_fd());
        let mode = std::fs::metadata(&victim).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "the mode of a file outside was changed");
    });
}
