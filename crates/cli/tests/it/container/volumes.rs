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

#[test]
fn a_volumes_name_is_never_a_path() {
    let Some(host) = box_host() else { return };
    let victim = host.path().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("precious"), "1").unwrap();
    host.run(&["volume", "create", "kept"]).succeeds();
    let absolute = victim.to_string_lossy().into_owned();
    for name in [absolute.as_str(), "../../victim", "..", ".", "a/b"] {
        let mount = format!("type=volume,src={name},dst=/m");
        let refused = host.run(&["run", "--rm", "--mount", &mount, "box:1", "true"]);
        assert!(refused.code == 125 && refused.stderr.contains("volume name"), "{name}: {refused:?}");
        assert_ne!(host.run(&["volume", "create", name]).code, 0, "{name}");
        host.run(&["volume", "rm", name]).fails(1, &format!("Error response from daemon: get {name}: no such volume"));
    }
    assert!(victim.join("precious").exists() && host.store().join("volumes/kept/_data").exists());
}

#[test]
fn an_empty_volume_is_filled_with_what_the_image_has_there() {
    let Some(host) = box_host() else { return };
    for (volume, expected) in [("made:/etc", "1\n"), ("plain:/etc:nocopy", "0\n")] {
        host.run(&["volume", "create", volume.split(':').next().unwrap()]).succeeds();
        let script = "test -e /etc/passwd && echo 1 || echo 0";
        host.run(&["run", "--rm", "-v", volume, "box:1", "sh", "-c", script]).prints(expected);
    }
    // What is in a volume stays what it is.
    host.run(&["volume", "create", "used"]).succeeds();
    host.run(&["run", "--rm", "-v", "used:/m", "box:1", "sh", "-c", "echo 1 > /m/mine"]).succeeds();
    host.run(&["run", "--rm", "-v", "used:/etc", "box:1", "/bin/busybox", "ls", "/etc"]).succeeds();
    let data = host.store().join("volumes/used/_data");
    assert!(data.join("mine").exists() && !data.join("passwd").exists());
}

#[test]
fn a_volume_can_be_more_than_a_directory() {
    let Some(host) = box_host() else { return };
    let place = host.path().join("elsewhere");
    fs::create_dir(&place).unwrap();
    let device = format!("device={}", place.display());
    host.run(&["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", &device, "there"]).succeeds();
    host.run(&["run", "--rm", "-v", "there:/m", "box:1", "sh", "-c", "echo 1 > /m/here"]).succeeds();
    assert!(place.join("here").exists());
    host.run(&["create", "--name", "c1", "-v", "there:/m", "box:1", "true"]).succeeds();
    host.run(&["cp", "c1:/m/here", "copied"]).prints("");
    host.run(&["rm", "c1"]).prints("c1\n");
    // What is mounted in a volume is not the volume's.
    host.run(&["volume", "rm", "there"]).prints("there\n");
    assert!(place.join("here").exists());

    let words =
        ["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=2m,uid=7,mode=700", "fast"];
    host.run(&words).succeeds();
    let script = "busybox stat -c '%u %a' /m; echo 1 > /m/x; sleep 1000";
    host.run(&["run", "-d", "--name", "one", "-v", "fast:/m", "box:1", "sh", "-c", script]).succeeds();
    host.run(&["run", "--rm", "-v", "fast:/m", "box:1", "sh", "-c", "until test -e /m/x; do sleep 0.1; done"])
        .succeeds();
    assert!(host.run(&["logs", "one"]).stdout.starts_with("7 700\n"));
    let options = host.run(&["volume", "inspect", "-f", "{{json .Options}}", "fast"]).succeeds();
    assert_eq!(options, "{\"device\":\"tmpfs\",\"o\":\"size=2m,uid=7,mode=700\",\"type\":\"tmpfs\"}\n");
    host.run(&["rm", "-f", "one"]).prints("one\n");
    host.run(&["volume", "rm", "fast"]).prints("fast\n");
    let mount = "type=volume,src=labelled,dst=/m,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=device=tmpfs";
    host.run(&["run", "--rm", "--mount", mount, "box:1", "sh", "-c", "busybox grep -q ' /m tmpfs' /proc/mounts"])
        .prints("");
    host.run(&["volume", "inspect", "-f", "{{.Labels.a}} {{.Options.type}}", "labelled"]).prints("b tmpfs\n");
    for (options, why) in [
        (&["-o", "foo=1"][..], "create: invalid option: \"foo\""),
        (&["-o", "type=nfs"], "create: missing required option: \"device\""),
    ] {
        let refused = host.run(&[&["volume", "create"], options].concat());
        assert!(refused.code == 1 && refused.stderr.contains(why), "{refused:?}");
    }
}

#[test]
fn modes_that_are_not_understood_are_refused_and_nothing_is_made() {
    let Some(host) = box_host() else { return };
    let source = host.path().join("not-yet");
    for mode in ["r0", "RO", "bogus", "rw,ro", "ro,", "nocopy"] {
        let volume = format!("{}:/m:{mode}", source.display());
        assert_eq!(host.run(&["create", "-v", &volume, "box:1", "true"]).code, 1, "{mode}");
        let refused = host.run(&["run", "--rm", "-v", &volume, "box:1", "true"]);
        assert_eq!(refused.code, 125, "{mode}: {refused:?}");
    }
    let bind = format!("{}:/m", source.display());
    host.run(&["create", "--pull", "never", "-v", &bind, "nosuchimage", "true"]);
    assert!(!source.exists(), "parsing words makes no directories");
    let twice = host.run(&["create", "-v", "data:/m", "--tmpfs", "/m/", "box:1", "true"]);
    assert!(twice.stderr.contains("Duplicate mount point"), "{twice:?}");
    host.run(&["create", "-v", &bind, "box:1", "true"]).succeeds();
    assert!(source.is_dir());
}

#[test]
fn what_a_volume_holds_stays_mounted_for_who_is_about_to_use_it() {
    let Some(host) = box_host() else { return };
    host.run(&["volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "fast"]).succeeds();
    let script = "busybox grep -q ' /m tmpfs' /proc/mounts || echo elsewhere";
    for round in 0..60_u32 {
        // One ends while the other starts, each time a little later.
        let words =
            |script: &'static str| ["run", "--rm", "--network", "none", "-v", "fast:/m", "box:1", "sh", "-c", script];
        let mut first = host.command(&words("true")).spawn().expect("wharfie starts");
        std::thread::sleep(std::time::Duration::from_micros(u64::from(round) * 700));
        host.run(&words(script)).prints("");
        assert!(first.wait().expect("it was started").success());
    }
    // And it goes with its last user.
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
    assert!(!mounts.contains(&host.store().to_string_lossy().into_owned()), "{mounts}");
}

#[test]
fn a_volume_that_cannot_be_filled_leaves_no_container_and_says_why() {
    let Some(host) = box_host() else { return };
    let mut refused = 0;
    for files in 4..16 {
        let limit = format!("--nofile={files}");
        let volume = format!("few{files}:/bin");
        let mut command = host.command_under(&["prlimit", &limit], &["create", "-v", &volume, "box:1", "true"]);
        let output = wharfie_testkit::needs::output(&mut command, "util-linux");
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            refused += 1;
            host.run(&["ps", "-aq"]).prints("");
            assert!(!said.contains("it is forgotten all the same"), "{files}: {said}");
        }
        host.run(&["container", "prune", "-f"]).succeeds();
    }
    assert!(refused > 0, "some of these are too few");
}
