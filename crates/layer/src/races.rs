//! A program inside a container that swaps files while they are copied: what forced the old faults within a second.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, mknodat};

use crate::apply::{Privilege, apply};
use crate::entry::{Entry, Kind};
use crate::erofs::{Inodes, TAR_OFFSET};
use crate::pack::pack_one;
use crate::tar::{Reader, Writer};
use crate::unpack::unpack;

/// Does `work` again and again for a second while another thread does `swap`.
fn beside(swap: impl Fn() + Sync, mut work: impl FnMut()) {
    /// Ends the other thread also when the work fails.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                swap();
            }
        });
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            work();
        }
    });
}

fn open(directory: &Path) -> OwnedFd {
    File::open(directory).unwrap().into()
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

#[test]
fn a_link_that_takes_a_directorys_name_gives_no_name_to_files_outside() {
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("target");
    std::fs::write(&victim, "secret").unwrap();
    let file = |path: String| Entry { path: path.into_bytes(), mode: 0o644, ..Entry::default() };
    let link = Entry { kind: Kind::Hardlink, link: b"d/target".to_vec(), ..file("z/got".into()) };
    let mut writer = Writer::new(vec![0; TAR_OFFSET as usize]);
    writer.append(&file("d/target".into()), std::io::empty()).unwrap();
    for number in 0..200 {
        writer.append(&file(format!("e/{number}")), std::io::empty()).unwrap();
    }
    writer.append(&link, std::io::empty()).unwrap();
    let tar = writer.finish().unwrap();
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    let swap = || {
        if at("root/e/1").exists() && std::fs::rename(at("root/d"), at("root/old")).is_ok() {
            let _ = symlink(outside.path(), at("root/d"));
        }
    };
    beside(swap, || {
        let _ = std::fs::remove_dir_all(at("root"));
        if std::fs::create_dir(at("root")).is_err() {
            return;
        }
        std::fs::write(at("layer"), &tar).unwrap();
        let layer = File::options().read(true).write(true).open(at("layer")).unwrap();
        let layer = Inodes::of_tar(layer, (tar.len() - TAR_OFFSET as usize) as u64, place.path()).unwrap();
        // It may fail on what it finds; it must not follow it.
        let _ = apply(layer, open(&at("root")).as_fd(), Privilege::Root);
        let names = std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(&victim).unwrap());
        assert_eq!(names, 1, "a file outside has got another name");
    });
}
