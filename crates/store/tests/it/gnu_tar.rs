//! Tars made by GNU tar, against what GNU tar itself extracts as root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;
use wharfie_testkit::needs;

use crate::shown::{Detail, Place, lines, same};

fn run(program: &str, package: &str, words: &[&str], folder: &Path) {
    needs::succeeds(Command::new(program).args(words).current_dir(folder), package);
}

/// A folder with everything a file system can hold.
fn everything(folder: &Path) {
    let file = |name: &str, content: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("the folder is ours");
        fs::write(&path, content).expect("the disk has room");
        path
    };
    let long = format!("{}/{}", "d".repeat(150), "n".repeat(200));
    file("plain", b"hello");
    file("empty", b"");
    file("big", &[7; 1_000_001]);
    file(&long, b"long");
    file("caf\u{e9} \n odd", b"odd");
    let first = file("links/one", b"linked");
    for name in ["links/two", "links/three", "other"] {
        fs::hard_link(&first, folder.join(name)).expect("the file system has hard links");
    }
    symlink("links/one", folder.join("symlink")).expect("the file system has links");
    symlink("t".repeat(300), folder.join("dangling")).expect("the file system has links");
    chown(file("owned", b"1"), Some(3_000_000_000), Some(70_000)).expect("root gives files away");
    let suid = file("suid", b"#!/bin/sh\n");
    fs::set_permissions(&suid, fs::Permissions::from_mode(0o6755)).expect("the file is ours");
    fs::set_permissions(folder.join("links"), fs::Permissions::from_mode(0o1777)).expect("the folder is ours");
    run("mknod", "coreutils", &["null", "c", "1", "3"], folder);
    run("mknod", "coreutils", &["disk", "b", "8", "1"], folder);
    run("mkfifo", "coreutils", &["pipe"], folder);
    let attribute = |file: &str, name: &str, value: &[u8]| {
        let set = rustix::fs::setxattr(folder.join(file), name, value, XattrFlags::empty());
        set.expect("root sets attributes");
    };
    attribute("plain", "user.note", b"a word");
    // CAP_NET_RAW, effective and permitted, as setcap(8) writes it.
    attribute("big", "security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    run("touch", "coreutils", &["-d", "1999-12-31 23:59:59.123456789", "plain"], folder);
    run("touch", "coreutils", &["-d", "2040-01-01", "empty"], folder);
}

/// Extracts with GNU tar as root would.
fn extract(archive: &Path, folder: &Path) {
    fs::create_dir(folder).expect("the folder is new");
    let mut command = Command::new("tar");
    command.args(["--extract", "--same-owner", "--same-permissions", "--numeric-owner"]);
    command.args(["--xattrs", "--xattrs-include=*", "-f"]).arg(archive).arg("-C").arg(folder);
    needs::succeeds(&mut command, "tar");
}

#[test]
fn every_dialect_shows_what_tar_extracts() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let source = place.folder.path().join("source");
    fs::create_dir(&source).unwrap();
    everything(&source);
    for (number, words) in [
        &["--format=gnu"][..],
        &["--format=pax", "--xattrs", "--xattrs-include=*"],
        &["--format=posix", "--pax-option=exthdr.name=%d/PaxHeaders/%f"],
        &["--format=oldgnu"],
    ]
    .into_iter()
    .enumerate()
    {
        let archive = place.folder.path().join(format!("{number}.tar"));
        let mut command = Command::new("tar");
        command.args(["--create", "--numeric-owner"]).args(words).arg("-f").arg(&archive);
        needs::succeeds(command.arg("-C").arg(&source).arg("."), "tar");
        let extracted = place.folder.path().join(format!("{number}"));
        extract(&archive, &extracted);
        let expected = lines(&extracted, Detail::Full);
        assert!(expected.len() > 18, "{expected:#?}");
        same(&place.shown(&fs::read(&archive).unwrap(), Detail::Full), &expected);
    }
}

#[test]
fn archives_that_grew_show_their_last_state() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let source = place.folder.path().join("source");
    fs::create_dir(&source).unwrap();
    let archive = place.folder.path().join("grown.tar");
    let path = archive.to_string_lossy().into_owned();
    fs::write(source.join("a"), "first").unwrap();
    fs::create_dir(source.join("d")).unwrap();
    fs::write(source.join("d/x"), "1").unwrap();
    run("tar", "tar", &["-cf", &path, "a", "d"], &source);
    fs::write(source.join("a"), "second, longer").unwrap();
    fs::remove_dir_all(source.join("d")).unwrap();
    fs::write(source.join("d"), "a file now").unwrap();
    run("tar", "tar", &["-rf", &path, "a"], &source);
    fs::write(source.join("b"), "new").unwrap();
    run("tar", "tar", &["-rf", &path, "b"], &source);
    let extracted = place.folder.path().join("extracted");
    extract(&archive, &extracted);
    let without_root = |mut lines: Vec<String>| lines.split_off(1);
    same(
        &without_root(place.shown(&fs::read(&archive).unwrap(), Detail::Full)),
        &without_root(lines(&extracted, Detail::Full)),
    );
}

#[test]
fn old_archives_without_a_dialect() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let source = place.folder.path().join("source");
    fs::create_dir_all(source.join("dir")).unwrap();
    fs::write(source.join("dir/file"), "v7").unwrap();
    symlink("file", source.join("dir/link")).unwrap();
    for format in ["v7", "ustar"] {
        let archive = place.folder.path().join(format);
        run("tar", "tar", &["--create", "--format", format, "-f", &archive.to_string_lossy(), "dir"], &source);
        let extracted = place.folder.path().join(format!("{format}.d"));
        extract(&archive, &extracted);
        let shown = place.shown(&fs::read(&archive).unwrap(), Detail::Full);
        same(&shown[1..], &lines(&extracted, Detail::Full)[1..]);
    }
}

#[test]
#[ignore = "slow: builds a Debian root file system from packages"]
fn a_debian_root_shows_what_tar_extracts() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let archive = place.folder.path().join("debian.tar");
    let mut command = Command::new("mmdebstrap");
    command.args(["--variant=minbase", "--quiet", "bookworm"]).arg(&archive);
    needs::succeeds(&mut command, "mmdebstrap");
    let extracted = place.folder.path().join("extracted");
    extract(&archive, &extracted);
    let expected = lines(&extracted, Detail::Full);
    assert!(expected.len() > 5000, "{}", expected.len());
    same(&place.shown(&fs::read(&archive).unwrap(), Detail::Full), &expected);
}
