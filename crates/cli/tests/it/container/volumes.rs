//! Volumes and binds.

use std::fs;

use super::box_host;

#[test]
fn volumes_outlive_containers_and_begin_as_the_image() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--rm", "-v", "data:/etc", "box:1", "sh", "-c", "rm /etc/group; echo 1 > /etc/new"]).succeeds();
    host.run(&["run", "--rm", "-v", "data:/x:ro", "box:1", "sh", "-c", "ls /x; touch /x/y 2>/dev/null || echo ro"])
        // As with docker, what is mounted into a volume at /etc leaves its empty mount points there.
        .prints("hostname\nhosts\nnew\npasswd\nresolv.conf\nro\n");
    host.run(&["volume", "ls", "-q"]).prints("data\n");
    host.run(&["create", "--name", "user", "-v", "data:/x", "box:1"]).succeeds();
    let refused = host.run(&["volume", "rm", "data"]);
    assert!(refused.code == 1 && refused.stderr.contains("volume is in use"), "{refused:?}");
    host.run(&["rm", "user"]).succeeds();
    host.run(&["volume", "rm", "data"]).prints("data\n");
    host.run(&["volume", "ls", "-q"]).prints("");
}

#[test]
fn anonymous_volumes_go_with_who_asked_for_it() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--rm", "-v", "/data", "box:1", "touch", "/data/x"]).succeeds();
    host.run(&["volume", "ls", "-q"]).prints("");
    host.run(&["run", "--name", "c1", "-v", "/data", "box:1", "touch", "/data/x"]).succeeds();
    assert_eq!(host.run(&["volume", "ls", "-q"]).succeeds().lines().count(), 1);
    host.run(&["run", "--rm", "--volumes-from", "c1", "box:1", "ls", "/data"]).prints("x\n");
    host.run(&["rm", "-v", "c1"]).succeeds();
    host.run(&["volume", "ls", "-q"]).prints("");
}

#[test]
fn directories_of_the_host_can_be_bound() {
    let Some(host) = box_host() else { return };
    let place = host.path().join("made/for/it").to_string_lossy().into_owned();
    host.run(&["run", "--rm", "-v", &format!("{place}:/x"), "box:1", "sh", "-c", "echo 1 > /x/y"]).succeeds();
    assert_eq!(fs::read_to_string(host.path().join("made/for/it/y")).unwrap(), "1\n");
    let mount = format!("type=bind,source={place},target=/x,readonly");
    host.run(&["run", "--rm", "--mount", &mount, "box:1", "sh", "-c", "cat /x/y; touch /x/z 2>/dev/null || echo ro"])
        .prints("1\nro\n");
}
