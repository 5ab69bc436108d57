//! Sparse files in every dialect that GNU tar writes.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::process::Command;

use wharfie_testkit::needs;

use crate::shown::{Detail, Place, lines, same};

/// Files with holes at the start, in the middle, at the end, and everywhere.
fn holes(folder: &std::path::Path) {
    let write = |name: &str, size: u64, pieces: &[(u64, &[u8])]| {
        let mut file = File::create(folder.join(name)).expect("the folder is ours");
        file.set_len(size).expect("files have sizes");
        for (at, bytes) in pieces {
            file.seek(SeekFrom::Start(*at)).and_then(|_| file.write_all(bytes)).expect("the disk has room");
        }
    };
    write("middle", 300_000, &[(0, b"start"), (200_000, b"middle"), (299_997, b"end")]);
    write("start", 150_000, &[(149_000, &[b'x'; 1000])]);
    write("tail", 500_001, &[(0, &[b'y'; 4096])]);
    write("empty", 1 << 20, &[]);
    write("whole", 5000, &[(0, &[b'z'; 5000])]);
    let many: Vec<(u64, &[u8])> = (0..100).map(|n| (n * 16_384, &b"piece"[..])).collect();
    write("many", 100 * 16_384, &many);
    write("huge", 20 << 30, &[(10 << 30, b"far away")]);
}

#[test]
fn every_dialect_shows_the_same_files() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let source = place.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    holes(&source);
    // Reading 20 GiB of nothing again and again would take minutes: its size and pieces are compared.
    std::fs::remove_file(source.join("huge")).unwrap();
    let expected = lines(&source, Detail::Brief);
    for format in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let archive = place.folder.path().join("sparse.tar");
        let mut command = Command::new("tar");
        command.args(["--create", "--sparse", "--numeric-owner"]).args(format);
        needs::succeeds(command.arg("-f").arg(&archive).arg("-C").arg(&source).arg("."), "tar");
        let tar = std::fs::read(&archive).unwrap();
        assert!(tar.len() < 1_000_000, "{format:?}: GNU tar found no holes");
        same(&place.shown(&tar, Detail::Brief), &expected);
    }
}

#[test]
fn a_huge_file_of_holes_takes_no_room() {
    let place = Place::new();
    let kinds = place.kinds();
    if kinds.is_empty() {
        return;
    }
    let source = place.folder.path().join("source");
    std::fs::create_dir(&source).unwrap();
    holes(&source);
    let archive = place.folder.path().join("huge.tar");
    let mut command = Command::new("tar");
    command.args(["--create", "--sparse", "--format=pax", "-f"]).arg(&archive).arg("-C").arg(&source).arg("huge");
    needs::succeeds(&mut command, "tar");
    let diff_id = place.ingest(&std::fs::read(&archive).unwrap()).unwrap();
    for kind in kinds {
        place.look(&diff_id, kind, |folder| {
            use std::os::unix::fs::FileExt;
            let file = File::open(folder.join("huge")).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 20 << 30, "{kind:?}");
            let mut bytes = [1; 16];
            file.read_exact_at(&mut bytes, (10 << 30) - 4).unwrap();
            assert_eq!(&bytes, b"\0\0\0\0far away\0\0\0\0", "{kind:?}");
        });
    }
    // Reading all of the nothing in it would take half a minute, and days for larger files.
    crate::stack::image(&place, vec![diff_id]);
    assert_eq!(place.store.fsck(&|_| ()).expect("the store can be read").findings, []);
    let used = needs::succeeds(Command::new("du").arg("-sm").arg(place.store.root()), "coreutils");
    let megabytes: u64 = used.split_whitespace().next().unwrap().parse().unwrap();
    assert!(megabytes < 50, "{used}");
}
