//! What a further process in a container has, and what containers share.

use super::box_host;

#[test]
fn a_further_process_has_the_containers_rights_and_limits() {
    let Some(host) = box_host() else { return };
    let flags =
        ["--security-opt", "no-new-privileges", "--ulimit", "nofile=123", "--oom-score-adj", "333", "-e", "TERM=vt100"];
    let words =
        [&["run", "-d", "--name", "web", "--group-add", "77"], &flags[..], &["box:1", "sleep", "1000"]].concat();
    host.run(&words).succeeds();
    let script =
        "busybox grep NoNewPrivs /proc/self/status; ulimit -n; cat /proc/self/oom_score_adj; echo $TERM; busybox id -G";
    host.run(&["exec", "web", "sh", "-c", script]).prints("NoNewPrivs:\t1\n123\n333\nvt100\n0 77\n");
}

#[test]
fn a_probe_has_the_containers_rights_and_limits() {
    let Some(host) = box_host() else { return };
    let probe =
        "busybox grep -q 'NoNewPrivs:.1' /proc/self/status && test $(ulimit -n) = 123 && test $HOSTNAME = there";
    let flags =
        ["--security-opt", "no-new-privileges", "--ulimit", "nofile=123", "-h", "there", "--health-interval", "200ms"];
    let words =
        [&["run", "-d", "--name", "web"], &flags[..], &["--health-cmd", probe, "box:1", "sleep", "1000"]].concat();
    host.run(&words).succeeds();
    let status = || host.run(&["ps", "--format", "{{.Status}}"]).succeeds();
    let mut seen = status();
    for _ in 0..200 {
        if !seen.contains("starting") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        seen = status();
    }
    assert!(seen.contains("(healthy)"), "{seen}");
    host.run(&["stop", "-t", "0", "web"]).prints("web\n");
    assert_eq!(host.run(&["inspect", "-f", "{{.State.Health.Status}}", "web"]).stdout, "unhealthy\n");
}

#[test]
fn a_further_process_with_a_terminal_outlives_the_command_that_started_it() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds();
    // More than a terminal holds unread.
    let script = "sleep 0.5; busybox seq 20000; echo 1 > /late";
    host.run(&["exec", "-dt", "web", "sh", "-c", script]).prints("");
    for _ in 0..100 {
        if host.run(&["exec", "web", "busybox", "test", "-e", "/late"]).code == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it was hung up");
}

#[test]
fn what_keeps_a_further_process_from_running_is_126() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds();
    for words in [&["-u", "nosuch"][..], &["-w", "relative"], &["-w", "/etc/passwd"], &["-u", "4294967296"]] {
        let refused = host.run(&[&["exec"], words, &["web", "id"]].concat());
        assert_eq!(refused.code, 126, "{refused:?}");
    }
    assert_eq!(host.run(&["exec", "web", "nosuchcommand"]).code, 127);
    host.run(&["pause", "web"]).prints("web\n");
    let refused = "Error response from daemon: Container web is paused, unpause the container before exec";
    host.run(&["exec", "web", "id"]).fails(1, refused);
    host.run(&["unpause", "web"]).prints("web\n");
}

#[test]
fn who_joins_a_containers_ipc_has_its_memory() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "open", "--ipc", "shareable", "--shm-size", "3m", "box:1", "sleep", "1000"])
        .succeeds();
    host.run(&["run", "--rm", "--ipc", "container:open", "box:1", "sh", "-c", "echo 1 > /dev/shm/f"]).succeeds();
    host.run(&["exec", "open", "busybox", "ls", "/dev/shm"]).prints("f\n");
    let size = host.run(&["exec", "open", "sh", "-c", "busybox df -k /dev/shm | busybox tail -1"]).succeeds();
    assert!(size.contains(" 3072 "), "{size}");
    host.run(&["run", "-d", "--name", "closed", "box:1", "sleep", "1000"]).succeeds();
    let refused = host.run(&["run", "--rm", "--ipc", "container:closed", "box:1", "true"]);
    assert!(refused.code == 125 && refused.stderr.contains("non-shareable IPC"), "{refused:?}");
    // Nothing of it is left on the host, and nothing of the next start's is from before.
    host.run(&["restart", "-t", "0", "open"]).prints("open\n");
    host.run(&["exec", "open", "busybox", "ls", "/dev/shm"]).prints("");
    host.run(&["rm", "-f", "open", "closed"]).succeeds();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*host.store().to_string_lossy()), "{mounts}");
}

#[test]
fn who_shares_a_containers_network_has_its_names() {
    let Some(host) = box_host() else { return };
    let words =
        ["run", "-d", "--name", "web", "-h", "there", "--add-host", "other:10.9.8.7", "--dns", "10.1.1.1", "box:1"];
    host.run(&[&words[..], &["sleep", "1000"]].concat()).succeeds();
    let script =
        "busybox hostname; echo $HOSTNAME; cat /etc/hostname; busybox grep -c other /etc/hosts; cat /etc/resolv.conf";
    let shared = host.run(&["run", "--rm", "--network", "container:web", "box:1", "sh", "-c", script]).succeeds();
    assert!(shared.starts_with("there\nthere\nthere\n1\n") && shared.contains("nameserver 10.1.1.1"), "{shared}");
}

#[test]
fn a_container_can_be_recognised() {
    let Some(host) = box_host() else { return };
    let script = "test -e /.dockerenv && busybox readlink /etc/mtab";
    host.run(&["run", "--name", "one", "box:1", "sh", "-c", script]).prints("/proc/mounts\n");
    // They are no changes of the container's.
    assert!(!host.run(&["diff", "one"]).succeeds().contains("dockerenv"));
    let closed = "for f in hosts hostname resolv.conf; do (echo x >> /etc/$f) 2>/dev/null && echo $f; done; true";
    host.run(&["run", "--rm", "--read-only", "box:1", "sh", "-c", closed]).prints("");
}

#[test]
fn signals_without_a_fixed_meaning_arrive() {
    let Some(host) = box_host() else { return };
    let script = "trap 'echo got; exit 3' 37; echo ready; while :; do sleep 0.05; done";
    for signal in ["37", "RTMIN+3", "SIGRTMIN+3"] {
        host.run(&["run", "-d", "--name", "web", "--stop-signal", signal, "box:1", "sh", "-c", script]).succeeds();
        while host.run(&["logs", "web"]).stdout != "ready\n" {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        host.run(&["stop", "web"]).prints("web\n");
        host.run(&["wait", "web"]).prints("3\n");
        host.run(&["rm", "web"]).prints("web\n");
    }
    let refused = host.run(&["run", "--rm", "--stop-signal", "RTMIN+16", "box:1", "true"]);
    assert!(refused.code == 125 && refused.stderr.contains("Invalid signal: RTMIN+16"), "{refused:?}");
}

#[test]
fn files_of_variables_are_read_as_docker_reads_them() {
    let Some(host) = box_host() else { return };
    host.file("good", b"\xef\xbb\xbfFIRST=1\n# none\n  SECOND=two words\n");
    host.run(&["run", "--rm", "--env-file", "good", "box:1", "sh", "-c", "echo $FIRST $SECOND"])
        .prints("1 two words\n");
    for (name, text) in [("blank", "W = x\n"), ("nameless", "=x\n")] {
        host.file(name, text.as_bytes());
        assert_eq!(host.run(&["run", "--rm", "--env-file", name, "box:1", "true"]).code, 125, "{name}");
    }
    host.run(&["run", "--rm", "-e", "HOME=", "box:1", "sh", "-c", "echo $HOME"]).prints("/root\n");
}

#[test]
fn logs_end_when_they_are_told_to_and_are_read_from_where_they_stopped() {
    let Some(host) = box_host() else { return };
    let script = "while :; do echo x; sleep 0.05; done";
    host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", script]).succeeds();
    while host.run(&["logs", "web"]).stdout.lines().count() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(host.run(&["logs", "-f", "--until", "0.01s", "web"]).code, 0);
    for limits in [&["--since", ""][..], &["--since", "0", "--until", "0"], &["--since", "2020-01-01T00:00:00,5Z"]] {
        assert!(host.run(&[&["logs"], limits, &["web"]].concat()).succeeds().starts_with("x\n"), "{limits:?}");
    }
    assert_eq!(host.run(&["logs", "-n", "2", "web"]).stdout, "x\nx\n");
    host.run(&["rm", "-f", "web"]).prints("web\n");
    // A container that is started again while its log is followed is followed on, and what comes last is not missed.
    let script = "sleep 0.3; echo x; exit 1";
    host.run(&["run", "-d", "--name", "twice", "--restart", "on-failure:1", "box:1", "sh", "-c", script]).succeeds();
    host.run(&["logs", "-f", "twice"]).prints("x\nx\n");
    host.run(&["run", "-d", "--name", "mute", "--log-driver", "none", "box:1", "echo", "x"]).succeeds();
    host.run(&["logs", "mute"])
        .fails(1, "Error response from daemon: configured logging driver does not support reading");
}

#[test]
fn arguments_with_blanks_are_shown_in_quotes() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "/web", "box:1", "sh", "-c", "echo \"q q\""]).succeeds();
    let format = "{{.Command}} {{.Names}}";
    host.run(&["ps", "-a", "--no-trunc", "--format", format]).prints("\"sh -c 'echo \\\"q q\\\"'\" web\n");
    host.run(&["rm", "web"]).prints("web\n");
    let outcome = host.run_with(&["run", "--rm", "-i", "-a", "stdout", "box:1", "cat"], b"hi\n");
    outcome.prints("hi\n");
}

#[test]
fn a_user_executes_only_what_it_may() {
    let Some(host) = box_host() else { return };
    let place = host.path().join("private");
    std::fs::create_dir(&place).unwrap();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| std::path::Path::new(path).exists());
    std::fs::copy(busybox.expect("the package busybox-static is installed"), place.join("busybox")).unwrap();
    let mode = |mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(place.join("busybox"), mode).unwrap();
    };
    let volume = format!("{}:/p", place.display());
    let run = |user: &str| {
        let words = ["run", "--rm", "--network", "none", "-u", user, "-v", &volume, "box:1", "/p/busybox", "id", "-u"];
        host.run(&words)
    };
    mode(0o700);
    let refused = run("1000");
    assert!(refused.code == 126 && refused.stderr.contains("permission denied"), "{refused:?}");
    run("0").prints("0\n");
    mode(0o755);
    run("1000").prints("1000\n");
}

#[test]
fn a_variable_that_we_do_not_have_is_taken_from_the_image() {
    let Some(host) = box_host() else { return };
    let image = wharfie_testkit::Image::busybox().with_config("Env", serde_json::json!(["FOO=bar", "PATH=/bin"]));
    host.run_with(&["load", "-q"], &wharfie_testkit::archive(&[(&image, &["env:1"])])).succeeds();
    let run = |flags: &[&str]| {
        let words = [&["run", "--rm", "--network", "none"], flags, &["env:1", "sh", "-c", "echo ${FOO-none}"]].concat();
        host.run(&words)
    };
    run(&[]).prints("bar\n");
    run(&["-e", "FOO"]).prints("none\n");
}

#[test]
fn who_has_no_network_of_its_own_has_no_ports() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "none", "--network", "none", "--expose", "80", "box:1", "sleep", "1000"])
        .succeeds();
    host.run(&["create", "--name", "made", "--expose", "80", "box:1", "sleep", "1000"]).succeeds();
    for name in ["none", "made"] {
        host.run(&["ps", "-a", "--filter", &format!("name={name}"), "--format", "[{{.Ports}}]"]).prints("[]\n");
        host.run(&["inspect", "-f", "{{json .NetworkSettings.Ports}}", name]).prints("{}\n");
    }
}
