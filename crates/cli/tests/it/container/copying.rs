//! `cp`: files in and out, with and without a running container.

use std::fs;

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
        host.run(&["cp", "c1:/nope", "."]).stderr,
        "Error response from daemon: Could not find the file /nope in container c1\n"
    );
    host.run(&["cp", "a", "b"]).fails(1, "must specify at least one container source");
    host.run(&["cp", "c1:/a", "c1:/b"]).fails(1, "copying between containers is not supported");
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
