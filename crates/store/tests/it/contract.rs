//! What every snapshot kind promises, entry by entry: `check` takes a tar and the whole tree that it must make.

use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::file;
use wharfie_testkit::image::tar;

use crate::shown::{Detail, Place};

type Member = (Entry, Vec<u8>);

fn entry(path: &str, kind: Kind, mode: u16) -> Member {
    (Entry { path: path.as_bytes().to_vec(), kind, mode, ..Entry::default() }, Vec::new())
}

fn dir(path: &str) -> Member {
    entry(path, Kind::Directory, 0o755)
}

fn link(kind: Kind, path: &str, target: &str) -> Member {
    let mut member = entry(path, kind, 0o777);
    member.0.link = target.as_bytes().to_vec();
    member
}

fn symlink(path: &str, target: &str) -> Member {
    link(Kind::Symlink, path, target)
}

fn hardlink(path: &str, target: &str) -> Member {
    link(Kind::Hardlink, path, target)
}

fn with(mut member: Member, change: impl FnOnce(&mut Entry)) -> Member {
    change(&mut member.0);
    member
}

/// Insists that the members make exactly this tree, on every kind.
#[track_caller]
fn check(members: &[Member], expected: &[&str]) {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    assert_eq!(place.shown(&tar(members), Detail::Brief), expected);
}

/// Insists that the members are refused with this reason, and that nothing remains of them.
#[track_caller]
fn refuse(members: &[Member], reason: &str) {
    let place = Place::new();
    let why = place.ingest(&tar(members)).expect_err("the tar says what no extraction could do");
    let mut text = why.to_string();
    let mut source = std::error::Error::source(&why);
    while let Some(inner) = source {
        text += &format!(": {inner}");
        source = inner.source();
    }
    assert!(text.contains(reason), "{text}");
    let left = std::fs::read_dir(place.store.root().join("layers")).expect("it is there").count();
    assert_eq!(left, 0);
}

#[test]
fn nothing_at_all() {
    check(&[], &[". dir 0755"]);
}

#[test]
fn files_and_missing_parents() {
    check(
        &[file("a/b/c", "hello"), file("top", ""), with(dir("a/b"), |entry| entry.mode = 0o700)],
        &[". dir 0755", "a dir 0755", "a/b dir 0700", "a/b/c file 0644 =hello", "top file 0644 ="],
    );
}

#[test]
fn the_root_may_be_described() {
    let described = with(entry("./", Kind::Directory, 0o711), |entry| (entry.uid, entry.gid) = (1, 2));
    check(&[described, file("./a", "1")], &[". dir 0711 1:2", "a file 0644 =1"]);
}

#[test]
fn names_stay_beneath_the_root() {
    check(
        &[file("/abs", "1"), file("../../up", "2"), file("a/../b/./c", "3")],
        &[". dir 0755", "abs file 0644 =1", "b dir 0755", "b/c file 0644 =3", "up file 0644 =2"],
    );
}

#[test]
fn whiteouts_hide_what_is_below() {
    check(
        &[file(".wh.gone", ""), dir("d"), file("d/.wh.x", ""), file("d/.wh..wh..opq", ""), file(".wh..wh.plnk", "")],
        &[". dir 0755", "d dir 0755 trusted.overlay.opaque=y", "d/x char 0000 0:0", "gone char 0000 0:0"],
    );
}

#[test]
fn a_whiteout_beside_a_name_of_the_same_layer() {
    // A file hides what is below by being there; a directory must say so.
    check(
        &[file("f", "1"), file(".wh.f", ""), file(".wh.d", ""), file("d/x", "2"), file("e/x", "3"), file(".wh.e", "")],
        &[
            ". dir 0755",
            "d dir 0755 trusted.overlay.opaque=y",
            "d/x file 0644 =2",
            "e dir 0755 trusted.overlay.opaque=y",
            "e/x file 0644 =3",
            "f file 0644 =1",
        ],
    );
}

#[test]
fn an_opaque_root() {
    check(&[file(".wh..wh..opq", ""), file("a", "1")], &[". dir 0755 trusted.overlay.opaque=y", "a file 0644 =1"]);
}

#[test]
fn whiteouts_of_nothing_are_refused() {
    for name in [".wh.", "d/.wh..", ".wh..."] {
        refuse(&[file(name, "")], "is a whiteout of nothing");
    }
}

#[test]
fn whiteouts_in_a_directory_that_became_a_link_hide_nothing_elsewhere() {
    let expected = [". dir 0755", "a link -> /b", "b dir 0700", "b/x file 0644 =1"];
    let b = || [with(dir("b"), |entry| entry.mode = 0o700), file("b/x", "1")];
    for whiteout in ["a/.wh.x", "a/.wh..wh..opq", "a/deeper/.wh.x"] {
        let [directory, inside] = b();
        check(&[directory, inside, symlink("a", "/b"), file(whiteout, "")], &expected);
    }
    check(&[symlink("a", "/b"), file("a/.wh.x", "")], &[". dir 0755", "a link -> /b"]);
}

#[test]
fn hard_links() {
    check(
        &[file("a", "1"), hardlink("b", "a"), dir("d"), hardlink("d/c", "/a"), hardlink("d/e", "d/c")],
        &[
            ". dir 0755",
            "a file 0644 =1 4 names",
            "b file 0644 =1 4 names, as a",
            "d dir 0755",
            "d/c file 0644 =1 4 names, as a",
            "d/e file 0644 =1 4 names, as a",
        ],
    );
}

#[test]
fn a_hard_link_keeps_what_its_first_name_loses() {
    check(
        &[file("a", "old"), hardlink("b", "a"), file("a", "new"), file("c", "x"), hardlink("c", "b")],
        &[". dir 0755", "a file 0644 =new", "b file 0644 =old 2 names", "c file 0644 =old 2 names, as b"],
    );
}

#[test]
fn hard_links_to_links_devices_and_pipes() {
    check(
        &[symlink("s", "nowhere"), hardlink("t", "s"), entry("p", Kind::Fifo, 0o600), hardlink("q", "p")],
        &[
            ". dir 0755",
            "p fifo 0600 2 names",
            "q fifo 0600 2 names, as p",
            "s link -> nowhere 2 names",
            "t link -> nowhere 2 names, as s",
        ],
    );
}

#[test]
fn hard_links_that_cannot_be() {
    refuse(&[hardlink("a", "..")], "..");
    refuse(&[hardlink("a", "below"), file("a/b", "1")], "lies beneath something that is not a directory");
    refuse(&[dir("d"), hardlink("a", "d")], "is a hard link to a directory");
    refuse(&[file("d/f", "1"), hardlink("d", "d/f")], "d/f");
}

#[test]
fn hard_links_to_what_only_a_layer_below_can_have() {
    // Alone they are links to the place; what they become on other layers is for seams to say.
    check(&[hardlink("d/a", "./x/below")], &[". dir 0755", "d dir 0755", "d/a link -> /x/below"]);
    check(&[hardlink("a", "later"), file("later", "1")], &[". dir 0755", "a link -> /later", "later file 0644 =1"]);
}

#[test]
fn the_last_entry_of_a_name_wins() {
    check(
        &[file("a", "first"), with(file("a", "second"), |entry| entry.mode = 0o600), file("b/x", "1"), file("b", "2")],
        &[". dir 0755", "a file 0600 =second", "b file 0644 =2"],
    );
    check(&[file("d", "1"), dir("d"), file("d/x", "2")], &[". dir 0755", "d dir 0755", "d/x file 0644 =2"]);
    check(
        &[dir("d"), file("d/x", "1"), with(dir("d"), |entry| entry.mode = 0o1777)],
        &[". dir 0755", "d dir 1777", "d/x file 0644 =1"],
    );
    check(&[dir("d"), file("d/x", "1"), symlink("d", "e"), dir("d")], &[". dir 0755", "d dir 0755"]);
}

#[test]
fn nothing_lies_beneath_a_file() {
    refuse(&[file("a", "1"), file("a/b", "2")], "lies beneath something that is not a directory");
}

#[test]
fn symbolic_links_are_followed_only_as_parents_and_never_out() {
    check(
        &[
            dir("usr/bin"),
            symlink("bin", "usr/bin"),
            file("bin/sh", "1"),
            symlink("abs", "/usr"),
            file("abs/x", "2"),
            symlink("up", "../../../usr"),
            file("up/y", "3"),
            symlink("new", "made/by/link"),
            file("new/z", "4"),
        ],
        &[
            ". dir 0755",
            "abs link -> /usr",
            "bin link -> usr/bin",
            "made dir 0755",
            "made/by dir 0755",
            "made/by/link dir 0755",
            "made/by/link/z file 0644 =4",
            "new link -> made/by/link",
            "up link -> ../../../usr",
            "usr dir 0755",
            "usr/bin dir 0755",
            "usr/bin/sh file 0644 =1",
            "usr/x file 0644 =2",
            "usr/y file 0644 =3",
        ],
    );
    refuse(&[symlink("a", "b"), symlink("b", "a"), file("a/x", "")], "lies behind too many symbolic links");
}

#[test]
fn a_link_that_turns_elsewhere_is_followed_there() {
    check(
        &[symlink("l", "one"), file("l/x", "1"), symlink("l", "two"), file("l/x", "2"), file("one/y", "3")],
        &[
            ". dir 0755",
            "l link -> two",
            "one dir 0755",
            "one/x file 0644 =1",
            "one/y file 0644 =3",
            "two dir 0755",
            "two/x file 0644 =2",
        ],
    );
}

#[test]
fn devices_pipes_and_set_id_bits() {
    let device = |path, kind, major, minor| with(entry(path, kind, 0o640), |e| (e.major, e.minor) = (major, minor));
    check(
        &[
            device("null", Kind::CharDevice, 1, 3),
            device("sda", Kind::BlockDevice, 8, 0),
            device("big", Kind::CharDevice, 4095, 1_048_575),
            entry("pipe", Kind::Fifo, 0o622),
            with(file("suid", "1"), |entry| entry.mode = 0o6755),
            with(dir("sticky"), |entry| entry.mode = 0o3777),
        ],
        &[
            ". dir 0755",
            "big char 0640 4095:1048575",
            "null char 0640 1:3",
            "pipe fifo 0622",
            "sda block 0640 8:0",
            "sticky dir 3777",
            "suid file 6755 =1",
        ],
    );
}

#[test]
fn owners_are_kept_however_large() {
    check(
        &[
            with(file("a", "1"), |entry| (entry.uid, entry.gid) = (4_000_000_000, 65_536)),
            with(file("suid", "1"), |entry| (entry.uid, entry.mode) = (1000, 0o4711)),
            with(symlink("l", "a"), |entry| (entry.uid, entry.gid) = (7, 8)),
        ],
        &[". dir 0755", "a file 0644 =1 4000000000:65536", "l link -> a 7:8", "suid file 4711 =1 1000:0"],
    );
}

#[test]
fn times_are_kept_to_the_nanosecond() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let at = |path: &str, seconds, nanos| with(file(path, ""), |e| (e.mtime, e.mtime_nanos) = (seconds, nanos));
    let far = 4_294_967_296 + 5;
    let members = [at("a", 1, 999_999_999), at("b", 0, 1), at("far", far, 0), with(dir("d"), |e| e.mtime = 42)];
    let shown = place.shown(&tar(&members), Detail::Full);
    for expected in ["a file 0644 = 0:0 @1.999999999", "b file 0644 = 0:0 @0.000000001", "d dir 0755 0:0 @42.000000000"]
    {
        assert!(shown.contains(&expected.to_owned()), "{shown:#?}");
    }
    assert!(shown.contains(&format!("far file 0644 = 0:0 @{far}.000000000")), "{shown:#?}");
}

#[test]
fn extended_attributes() {
    let attribute = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    check(
        &[
            with(file("ping", "1"), |entry| entry.xattrs = vec![attribute("security.capability", capability)]),
            with(file("notes", "1"), |entry| {
                entry.xattrs =
                    vec![attribute("user.b", b"2"), attribute("user.a", b"x\0y"), attribute("user.empty", b"")];
            }),
            with(dir("d"), |entry| entry.xattrs = vec![attribute("trusted.t", b"1")]),
            // What overlayfs uses for itself, and what no Linux knows.
            with(dir("e"), |entry| {
                entry.xattrs =
                    vec![attribute("trusted.overlay.opaque", b"y"), attribute("user.overlay.redirect", b"/")];
            }),
            with(file("f", ""), |entry| entry.xattrs = vec![attribute("apple.quarantine", b"x")]),
        ],
        &[
            ". dir 0755",
            "d dir 0755 trusted.t=1",
            "e dir 0755",
            "f file 0644 =",
            "notes file 0644 =1 user.a=x\\x00y user.b=2 user.empty=",
            "ping file 0644 =1 security.capability=\\x01\\x00\\x00\\x02\\x00 \\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00",
        ],
    );
}

#[test]
fn long_names_and_targets() {
    let long = "n".repeat(255);
    let deep = vec!["component"; 40].join("/");
    let target = "t".repeat(4000);
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let shown = place.shown(&tar(&[file(&long, "1"), file(&deep, "2"), symlink("l", &target)]), Detail::Brief);
    assert!(shown.contains(&format!("{long} file 0644 =1")));
    assert!(shown.contains(&format!("{deep} file 0644 =2")));
    assert!(shown.contains(&format!("l link -> {target}")));
    refuse(&[file(&"n".repeat(256), "")], "longer than Linux allows");
}

#[test]
fn names_are_bytes() {
    let raw = with(file("x", "1"), |entry| entry.path = b"caf\xe9 \t\n\\".to_vec());
    check(&[raw], &[". dir 0755", "caf\\xe9 \\t\\n\\\\ file 0644 =1"]);
}

#[test]
fn a_root_directory_of_any_length_can_be_seen() {
    // Names lie behind the inode as long as they fit into its block, then in blocks of their own: every border counts.
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    for count in [1, 10, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 40, 60, 200] {
        let names: Vec<String> = (0..count).map(|n| format!("name-{n:03}")).collect();
        let members: Vec<Member> = names.iter().map(|name| file(name, "")).collect();
        let expected: Vec<String> = std::iter::once(". dir 0755".to_owned())
            .chain(names.iter().map(|name| format!("{name} file 0644 =")))
            .collect();
        assert_eq!(place.shown(&tar(&members), Detail::Brief), expected);
    }
}
