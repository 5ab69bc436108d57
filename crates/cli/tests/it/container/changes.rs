//! From a container to an image: `diff`, `commit`, `export`, `import`.

use super::box_host;

#[test]
fn changes_are_listed_committed_and_exported() {
    let Some(host) = box_host() else { return };
    let script = "rm /etc/group; echo more >> /etc/passwd; mkdir -p /srv/www; echo hi > /srv/www/index; ln -s index \
                  /srv/www/link; chmod 700 /tmp; busybox setfattr -n user.a -v 1 /srv/www/index 2>/dev/null; true";
    host.run(&["run", "--name", "c1", "box:1", "sh", "-c", script]).succeeds();
    host.run(&["diff", "c1"])
        .prints("C /etc\nD /etc/group\nC /etc/passwd\nA /srv\nA /srv/www\nA /srv/www/index\nA /srv/www/link\nC /tmp\n");
    let words =
        ["commit", "-a", "me", "-m", "why", "-c", "CMD [\"cat\", \"/srv/www/link\"]", "-c", "ENV A=b", "c1", "box:2"];
    let id = host.run(&words).succeeds();
    let template = "{{.Author}} {{.Comment}} {{.Config.Cmd}} {{.Config.Env}} {{len .RootFS.Layers}}";
    let shown = host.run(&["image", "inspect", "-f", template, "box:2"]).succeeds();
    assert!(shown.starts_with("me why [cat /srv/www/link] [") && shown.ends_with("A=b] 2\n"), "{shown}");
    assert_eq!(host.run(&["image", "inspect", "-f", "{{.Id}}", "box:2"]).succeeds(), id);
    host.run(&["run", "--rm", "box:2"]).prints("hi\n");
    host.run(&["run", "--rm", "box:2", "sh", "-c", "ls /etc; stat -c %a /tmp"]).succeeds();
    // What was committed is a layer on the image, and nothing more.
    host.run(&["run", "--name", "c2", "box:2", "true"]).succeeds();
    host.run(&["diff", "c2"]).prints("");
    // A whole container as one layer has the same files.
    let tar = host.path().join("c1.tar").to_string_lossy().into_owned();
    host.run(&["export", "-o", &tar, "c1"]).prints("");
    host.run(&["import", "-c", "CMD sh", &tar, "flat:1"]).succeeds();
    let list = "busybox find / -xdev -path /proc -prune -o -path /dev -prune -o -print | busybox sort; cat /etc/passwd";
    let (one, two) = (
        host.run(&["run", "--rm", "--network", "none", "box:2", "sh", "-c", list]).succeeds(),
        host.run(&["run", "--rm", "--network", "none", "flat:1", "sh", "-c", list]).succeeds(),
    );
    assert!(one.contains("/srv/www/link") && !one.contains("/etc/group\n"), "{one}");
    assert_eq!(one, two);
}

#[test]
fn an_opaque_directory_hides_what_was_below() {
    let Some(host) = box_host() else { return };
    let script = "rm -r /etc; mkdir /etc; echo new > /etc/new";
    host.run(&["run", "--name", "c1", "box:1", "sh", "-c", script]);
    host.run(&["commit", "c1", "box:2"]).succeeds();
    let listed = host.run(&["run", "--rm", "--network", "none", "box:2", "sh", "-c", "ls /etc"]).succeeds();
    assert!(listed.contains("new\n") && !listed.contains("passwd"), "{listed}");
}

#[test]
fn a_running_container_can_be_committed() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", "echo 1 > /mark; exec sleep 1000"]).succeeds();
    while host.run(&["exec", "web", "cat", "/mark"]).code != 0 {}
    for pause in ["--pause=true", "--pause=false"] {
        host.run(&["commit", pause, "web", "box:2"]).succeeds();
        host.run(&["run", "--rm", "box:2", "cat", "/mark"]).prints("1\n");
    }
    host.run(&["inspect", "-f", "{{.State.Status}}", "web"]).prints("running\n");
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_path_that_nobody_asked_for_is_not_committed() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "c1", "-e", "Q=1", "box:1"]).succeeds();
    host.run(&["commit", "-c", "ENV Q=2 P=$Q", "c1", "box:2"]).succeeds();
    host.run(&["inspect", "-f", "{{.Config.Env}}", "box:2"]).prints("[Q=2 P=1]\n");
    host.run(&["run", "--rm", "box:2", "sh", "-c", "echo $PATH"])
        .prints("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
}

#[test]
fn a_container_that_never_ran_is_exported_with_its_mount_points() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "one", "box:1", "true"]).succeeds();
    let archive = host.path().join("one.tar").display().to_string();
    host.run(&["export", "-o", &archive, "one"]).prints("");
    let listed = wharfie_testkit::needs::succeeds(std::process::Command::new("tar").args(["-tf", &archive]), "tar");
    let names: Vec<&str> = listed.lines().map(|name| name.trim_start_matches("./")).collect();
    for name in ["dev/", "proc/", "sys/", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", ".dockerenv"] {
        assert!(names.contains(&name), "no {name} in {listed}");
    }
    host.run(&["diff", "one"]).prints("");
    host.run(&["start", "-a", "one"]).prints("");
}
