//! `cp`: files in and out, with and without a running container.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::box_host;

#[test]
fn files_go_in_and_out() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "c1", "box:1"]).succeeds();
    fs::create_dir_all(host.path().join("site/deep")).unwrap();
    fs::write(host.path().join("site/deep/page"), "hello").unwrap();
    host.run(&["cp", "site", "c1:/srv"]).prints("");
    host.run(&["cp", "site/.", "c1:/tmp"]).prints("");
    host.run(&["cp", "c1:/srv/deep/page", "out"]).prints("");
    assert_eq!(fs::read_to_string(host.path().join("out")).unwrap(), "hello");
    host.run(&["cp", "c1:/tmp/.", "all"]).prints("");
    assert_eq!(fs::read_to_string(host.path().join("all/deep/page")).unwrap(), "hello");
    let tar = host.run(&["cp", "c1:/srv/deep", "-"]).succeeds();
    assert!(tar.contains("deep/page") && !tar.contains("srv/deep"), "names start at the base name");
    assert_eq!(
        host.run(&["cp", "c1:/nope", "."]).words_without_help(),
        "Error response from daemon: Could not find the file /nope in container c1\n"
    );
    host.run(&["cp", "a", "b"]).fails(1, "must specify at least one container source");
    host.run(&["cp", "c1:/a", "c1:/b"]).fails(1, "copying between containers is not supported");
}

#[test]
fn a_link_that_is_resolved_into_a_tar_has_the_name_of_what_it_leads_to() {
    let Some(host) = box_host() else { return };
    host.run(&[
        "run",
        "--name",
        "c1",
        "box:1",
        "sh",
        "-c",
        "mkdir -p /s/real; echo 1 > /s/one; ln -s one /s/a; ln -s real /s/b",
    ])
    .succeeds();
    let check = |words: &[&str], name: &str| {
        let tar = host.run(&[&["cp"], words, &["-"]].concat()).succeeds();
        // What is no member by itself says more of the next one.
        let headers =
            tar.as_bytes().chunks(512).filter(|block| block.get(257..262) == Some(b"ustar") && block[156] != b'x');
        let first = headers.map(|block| block.split(|byte| *byte == 0).next().unwrap_or_default()).next();
        assert_eq!(first, Some(name.as_bytes()), "{words:?}");
    };
    check(&["-L", "c1:/s/a"], "one");
    check(&["c1:/s/a"], "a");
    check(&["-L", "c1:/s/b"], "real/");
    check(&["-L", "c1:/s/b/."], "./");
    check(&["c1:/s/b/"], "b/");
}

#[test]
fn names_in_a_container_have_nothing_to_do_with_the_hosts() {
    let Some(host) = box_host() else { return };
    let place = host.path().to_string_lossy().into_owned();
    fs::write(host.path().join("new"), "x").unwrap();
    std::os::unix::fs::symlink("new", host.path().join("link")).unwrap();
    host.run(&["run", "--name", "c1", "box:1", "mkdir", "-p", &place]).succeeds();
    host.run(&["cp", "new", &format!("c1:{place}/link")]).prints("");
    host.run(&["cp", "link", "c1:/tmp"]).prints("");
    let diff = host.run(&["diff", "c1"]).succeeds();
    assert!(diff.contains(&format!("A {place}/link\n")) && !diff.contains(&format!("{place}/new")), "{diff}");
    assert!(diff.contains("A /tmp/link\n"), "{diff}");
    host.run(&["cp", "new", "c1:/nope/"]).fails(1, "no such directory");
    host.run(&["cp", "c1:/tmp/link", "nope/"]).fails(1, "no such directory");
}

#[test]
fn links_of_a_container_do_not_lead_out_of_it() {
    let Some(host) = box_host() else { return };
    let outside = host.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let place = outside.to_string_lossy().into_owned();
    let script = format!("ln -s {place} /evil; ln -s ../../../../../..{place}/secret /tmp/steal");
    host.run(&["run", "--name", "c1", "box:1", "sh", "-c", &script]).succeeds();
    let stolen = host.run(&["cp", "-L", "c1:/tmp/steal", "stolen"]);
    assert!(stolen.code == 1 && !host.path().join("stolen").exists(), "{stolen:?}");
    fs::write(host.path().join("new"), "x").unwrap();
    host.run(&["cp", "new", "c1:/evil/new"]);
    assert!(!outside.join("new").exists(), "a link of the container was followed on the host");
}

#[test]
fn a_running_containers_mounts_are_seen() {
    let Some(host) = box_host() else { return };
    host.run(&[
        "run",
        "-d",
        "--name",
        "web",
        "--tmpfs",
        "/mem",
        "box:1",
        "sh",
        "-c",
        "echo 1 > /mem/x; exec sleep 1000",
    ])
    .succeeds();
    while host.run(&["exec", "web", "cat", "/mem/x"]).code != 0 {}
    host.run(&["cp", "web:/mem/x", "x"]).prints("");
    assert_eq!(fs::read_to_string(host.path().join("x")).unwrap(), "1\n");
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn archived_files_belong_to_the_containers_user() {
    let Some(host) = box_host() else { return };
    let file = host.file("note", b"hello\n").display().to_string();
    host.run(&["create", "--name", "one", "-u", "web", "box:1", "sh", "-c", "stat -c '%n %u %g' /tmp/*"]).succeeds();
    host.run(&["cp", "-a", &file, "one:/tmp/archived"]).prints("");
    host.run(&["cp", &file, "one:/tmp/plain"]).prints("");
    host.run(&["start", "-a", "one"]).prints("/tmp/archived 33 33\n/tmp/plain 0 0\n");
}

#[test]
fn files_that_come_out_belong_to_who_fetches_them() {
    let Some(host) = box_host() else { return };
    let script = "mkdir -m 755 /tmp/d; echo 1 > /tmp/d/f; busybox chown -R 33:44 /tmp/d; chmod 6755 /tmp/d/f; \
                  echo 1 > /tmp/own; chmod 4755 /tmp/own";
    host.run(&["run", "--name", "c1", "box:1", "sh", "-c", script]).succeeds();
    host.run(&["cp", "c1:/tmp/d", "out"]).prints("");
    host.run(&["cp", "c1:/tmp/d/f", "file"]).prints("");
    host.run(&["cp", "c1:/tmp/own", "own"]).prints("");
    host.run(&["cp", "-a", "c1:/tmp/d", "archived"]).prints("");
    let expected = [
        ("out", (0, 0, 0o755)),
        ("out/f", (0, 0, 0o755)),
        ("file", (0, 0, 0o755)),
        ("own", (0, 0, 0o4755)),
        ("archived/f", (33, 44, 0o6755)),
    ];
    for (path, expected) in expected {
        let found = fs::metadata(host.path().join(path)).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), expected, "{path}");
    }
    let output = host.command(&["cp", "c1:/tmp/d/f", "-"]).output().unwrap();
    let mut reader = wharfie_layer::tar::Reader::new(output.stdout.as_slice());
    let member = reader.next_entry().unwrap().unwrap();
    let entry = member.entry();
    assert_eq!((entry.uid, entry.gid, entry.mode), (33, 44, 0o6755), "a tar keeps owners");
}

#[test]
fn volumes_and_binds_of_a_container_that_does_not_run_are_its_files() {
    let Some(host) = box_host() else { return };
    let bind = host.path().join("bind");
    fs::create_dir(&bind).unwrap();
    fs::write(bind.join("h"), "H").unwrap();
    fs::write(host.path().join("y"), "Y").unwrap();
    let closed = format!("{}:/closed:ro", bind.display());
    let file = format!("{}:/one:ro", bind.join("h").display());
    let words = ["create", "--name", "c1", "-v", "data:/vol", "-v", &closed, "-v", &file, "box:1", "cat", "/vol/y"];
    host.run(&words).succeeds();
    host.run(&["cp", "y", "c1:/vol/y"]).prints("");
    host.run(&["cp", "y", "c1:/vol/../vol/./z"]).prints("");
    host.run(&["start", "-a", "c1"]).prints("Y");
    for (path, expected) in [("/vol/z", "Y"), ("/closed/h", "H"), ("/one", "H")] {
        host.run(&["cp", &format!("c1:{path}"), "back"]).prints("");
        assert_eq!(fs::read_to_string(host.path().join("back")).unwrap(), expected, "{path}");
    }
    let refused = "Error response from daemon: mounted volume is marked read-only";
    host.run(&["cp", "y", "c1:/closed/y"]).fails(1, refused);
    assert!(!bind.join("y").exists());
    host.run(&["create", "--name", "c2", "--read-only", "box:1", "true"]).succeeds();
    host.run(&["cp", "y", "c2:/tmp/y"]).fails(1, "Error response from daemon: container rootfs is marked read-only");
}

#[test]
fn a_link_of_the_image_leads_into_a_volume() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--name", "made", "box:1", "ln", "-s", "/vol", "/short"]).succeeds();
    host.run(&["commit", "made", "linked:1"]).succeeds();
    host.run(&["create", "--name", "c1", "-v", "data:/vol", "linked:1", "cat", "/vol/y"]).succeeds();
    fs::write(host.path().join("y"), "Y").unwrap();
    host.run(&["cp", "y", "c1:/short/y"]).prints("");
    host.run(&["start", "-a", "c1"]).prints("Y");
}

#[test]
fn a_link_that_is_followed_keeps_the_name_that_was_given() {
    let Some(host) = box_host() else { return };
    let script = "mkdir -p /s/sub; echo A > /s/one; echo B > /s/sub/two; ln -s one /s/first; ln -s first /s/link; ln -s sub /s/dir";
    host.run(&["run", "--name", "c1", "box:1", "sh", "-c", script]).succeeds();
    let out = host.path().join("out");
    fs::create_dir(&out).unwrap();
    for (words, made) in [
        (&["cp", "-L", "c1:/s/link", "out/a"][..], "a"),
        (&["cp", "-L", "c1:/s/link", "out/"], "link"),
        (&["cp", "-L", "c1:/s/dir", "out/b"], "b/two"),
        (&["cp", "c1:/s/dir/", "out/c"], "c/two"),
    ] {
        host.run(words).prints("");
        assert!(fs::read_to_string(out.join(made)).is_ok_and(|text| text == "A\n" || text == "B\n"), "{words:?}");
    }
    let mut names: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c", "link"]);
    // Without it a link is copied as what it is.
    host.run(&["cp", "c1:/s/dir", "out/d"]).prints("");
    assert_eq!(fs::read_link(out.join("d")).unwrap(), std::path::Path::new("sub"));
}

#[test]
fn a_link_that_leads_to_nothing_is_written_through() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--name", "c1", "box:1", "ln", "-s", "/nowhere", "/dangling"]).succeeds();
    fs::write(host.path().join("a"), "A").unwrap();
    host.run(&["cp", "a", "c1:/dangling"]).prints("");
    let diff = host.run(&["diff", "c1"]).succeeds();
    assert!(diff.contains("A /nowhere\n"), "{diff}");
    std::os::unix::fs::symlink("target", host.path().join("link")).unwrap();
    host.run(&["cp", "c1:/nowhere", "link"]).prints("");
    assert_eq!(fs::read_to_string(host.path().join("target")).unwrap(), "A");
}

#[test]
fn a_compressed_tar_is_unpacked_and_a_directory_is_not_replaced_by_a_file() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "c1", "box:1", "true"]).succeeds();
    fs::write(host.path().join("a"), "A").unwrap();
    for flag in ["-cz", "-cj", "-cJ", "-c"] {
        let tar = std::process::Command::new("tar").arg("-C").arg(host.path()).args([flag, "a"]).output().unwrap();
        let outcome = host.run_with(&["cp", "-", "c1:/tmp"], &tar.stdout);
        assert_eq!(outcome.code, 0, "{flag}: {outcome:?}");
    }
    host.run(&["cp", "c1:/tmp/a", "b"]).prints("");
    fs::create_dir_all(host.path().join("dir/a")).unwrap();
    host.run(&["cp", "dir", "c1:/"]).prints("");
    let refused = host.run(&["cp", "a", "c1:/dir"]);
    assert!(refused.code == 1 && refused.stderr.contains("cannot overwrite directory"), "{refused:?}");
    host.run(&["cp", "c1:/dir", "a"]).fails(1, "cannot copy directory");
    assert_eq!(fs::read_to_string(host.path().join("a")).unwrap(), "A");
}

#[test]
fn devices_and_pipes_of_the_host_are_not_replaced() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "c1", "box:1"]).succeeds();
    for (name, kind, what) in [("null", &["c", "1", "3"][..], "a device"), ("pipe", &["p"], "an irregular file")] {
        let place = host.path().join(name).to_string_lossy().into_owned();
        let mut mknod = std::process::Command::new("mknod");
        assert!(mknod.arg(&place).args(kind).status().expect("coreutils are installed").success());
        let before = fs::symlink_metadata(&place).unwrap();
        let text = format!("invalid output path: {place:?} must be a directory or a regular file: got {what}");
        host.run(&["cp", "c1:/bin/busybox", &place]).fails(1, &text);
        let link = host.path().join(format!("to-{name}"));
        std::os::unix::fs::symlink(&place, &link).unwrap();
        assert_eq!(host.run(&["cp", "c1:/bin/busybox", &link.to_string_lossy()]).code, 1);
        let after = fs::symlink_metadata(&place).unwrap();
        assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()), "{name}");
    }
}
