//! `--runtime`: runc and crun run our containers.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use wharfie_testkit::{Host, needs};

use super::{box_host, crash, id, leftovers};

/// A host that knows both, and what to call them; nothing where containers cannot run.
fn with_runtimes() -> Option<(Host, Vec<&'static str>)> {
    let host = box_host()?;
    let mut found = Vec::new();
    for name in ["runc", "crun"] {
        match Command::new(name).arg("--version").output() {
            Ok(_) => found.push(name),
            Err(_) => needs::skipped(&format!("{name} is not installed")),
        }
    }
    // crun does not start where version 2 has a controller beside version 1, so it must not see it.
    let script =
        "#!/bin/sh\nexec unshare --mount sh -c 'umount /sys/fs/cgroup/unified; exec crun \"$@\"' crun \"$@\"\n";
    if std::fs::exists("/sys/fs/cgroup/unified/cgroup.controllers").is_ok_and(|there| there) {
        let wrapper = host.file("crun", script.as_bytes());
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        host.file("config.toml", format!("[runtimes.crun]\npath = {:?}\n", wrapper.display()).as_bytes());
    }
    Some((host, found))
}

#[test]
fn runtimes_that_are_none_are_refused() {
    let Some(host) = box_host() else { return };
    for words in [["run", "--runtime", "no-such", "box:1"], ["run", "--runtime", "/etc/passwd", "box:1"]] {
        let text = format!("wharfie: Error response from daemon: unknown or invalid runtime name: {}", words[2]);
        host.run(&words).fails(125, &format!("{text}\n\nRun 'wharfie run --help' for more information"));
    }
    let expected = "Error response from daemon: unknown or invalid runtime name: no-such";
    host.run(&["create", "--runtime", "no-such", "box:1"]).fails(1, expected);
    let init = host.run(&["run", "--init", "--runtime", "sh", "box:1"]);
    assert!(init.code == 125 && init.stderr.contains("--init is a part of wharfie's own runtime"), "{init:?}");
    // Something that is a program and no runtime.
    let other = host.run(&["run", "--rm", "--runtime", "false", "box:1"]);
    assert!(other.code == 125 && other.stderr.contains("OCI runtime create failed"), "{other:?}");
    host.run(&["run", "--rm", "--runtime", "wharfie", "box:1", "echo", "own"]).prints("own\n");
    host.run(&["ps", "-aq"]).prints("");
}

#[test]
fn the_configuration_names_runtimes_and_the_default_one() {
    let Some(host) = box_host() else { return };
    host.file(
        "config.toml",
        b"default-runtime = \"mine\"\n[runtimes.mine]\npath = \"/bin/sh\"\nargs = [\"-c\", \"exit 9\"]\n",
    );
    host.run(&["info", "-f", "{{.DefaultRuntime}} {{(index .Runtimes \"mine\").Path}}"]).prints("mine /bin/sh\n");
    host.run(&["create", "--name", "web", "box:1"]).succeeds();
    host.run(&["inspect", "-f", "{{.HostConfig.Runtime}}", "web"]).prints("mine\n");
    let failed = host.run(&["start", "web"]);
    assert!(failed.stderr.contains("OCI runtime create failed: it gave no reason"), "{failed:?}");
    host.run(&["rm", "web"]).prints("web\n");
}

#[test]
fn other_runtimes_run_containers_in_the_foreground() {
    let Some((host, runtimes)) = with_runtimes() else { return };
    for runtime in runtimes {
        let run = |words: &[&str]| host.run(&[&["run", "--rm", "--runtime", runtime][..], words].concat());
        run(&["-e", "A=1", "-u", "web", "-w", "/tmp", "box:1", "sh", "-c", "echo $A; id -u; pwd"])
            .prints("1\n33\n/tmp\n");
        assert_eq!(run(&["box:1", "sh", "-c", "exit 3"]).code, 3);
        assert_eq!(host.run_with(&["run", "-i", "--rm", "--runtime", runtime, "box:1", "cat"], b"in").succeeds(), "in");
        for (command, code, text) in [
            ("nope", 127, "exec: \"nope\": executable file not found in $PATH"),
            ("/nope", 127, "exec: \"/nope\": stat /nope: no such file or directory"),
            ("/etc/passwd", 126, "exec: \"/etc/passwd\": permission denied"),
        ] {
            let failed = run(&["box:1", command]);
            let expected = format!("wharfie: Error response from daemon: {text}\n\n");
            assert!(failed.code == code && failed.stderr.starts_with(&expected), "{failed:?}");
        }
        let memory = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true";
        run(&["-m", "64m", "--pids-limit", "50", "box:1", "sh", "-c", memory]).prints("67108864\n");
        run(&["--network", "none", "box:1", "ls", "/sys/class/net"]).prints("lo\n");
        let device = ["--device", "/dev/null:/dev/mine", "box:1", "sh", "-c", "echo x > /dev/mine && ls /dev/mine"];
        run(&device).prints("/dev/mine\n");
        let words = ["run", "-t", "--rm", "--runtime", runtime, "box:1", "sh", "-c", "tty; exit 4"];
        let terminal = host.run(&words);
        assert_eq!((terminal.code, terminal.stdout.as_str()), (4, "/dev/pts/0\r\n"), "{terminal:?}");
        assert_eq!(leftovers(&host, &[host.path().display().to_string()]), Vec::<String>::new());
    }
}

#[test]
fn other_runtimes_containers_are_handled_like_ours() {
    let Some((host, runtimes)) = with_runtimes() else { return };
    for runtime in runtimes {
        let script =
            "echo started; trap 'exit 5' TERM; echo hello > /hello; httpd -p 80 -h /; while true; do sleep 0.1; done";
        let words =
            ["run", "-d", "--runtime", runtime, "--name", "web", "-p", "127.0.0.1::80", "box:1", "sh", "-c", script];
        let id = id(&host.run(&words).succeeds());
        host.run(&["inspect", "-f", "{{.HostConfig.Runtime}}", "web"]).prints(&format!("{runtime}\n"));
        host.run(&["exec", "-u", "web", "-e", "B=2", "-w", "/tmp", "web", "sh", "-c", "id -u; echo $B; pwd; exit 0"])
            .prints("33\n2\n/tmp\n");
        assert_eq!(host.run(&["exec", "web", "sh", "-c", "exit 6"]).code, 6);
        assert_eq!(host.run(&["exec", "web", "nope"]).code, 127);
        let terminal = host.run(&["exec", "-t", "web", "tty"]);
        assert_eq!(terminal.stdout, "/dev/pts/0\r\n", "{terminal:?}");
        let port = host.run(&["port", "web", "80"]).succeeds().trim_end().to_owned();
        let answer = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut stream = TcpStream::connect(&port).ok()?;
            std::io::Write::write_all(&mut stream, b"GET /hello HTTP/1.0\r\n\r\n").ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            Some(answer).filter(|answer| answer.ends_with("hello\n"))
        });
        assert!(answer.is_some(), "{runtime}: nobody answers at {port}");
        host.run(&["pause", "web"]).prints("web\n");
        host.run(&["inspect", "-f", "{{.State.Status}}", "web"]).prints("paused\n");
        host.run(&["unpause", "web"]).prints("web\n");
        host.run(&["stop", "web"]).prints("web\n");
        host.run(&["wait", "web"]).prints("5\n");
        host.run(&["logs", "web"]).prints("started\n");
        assert_eq!(leftovers(&host, std::slice::from_ref(&id)), Vec::<String>::new());
        host.run(&["start", "web"]).prints("web\n");
        host.run(&["kill", "web"]).prints("web\n");
        host.run(&["inspect", "-f", "{{.State.ExitCode}}", "web"]).prints("137\n");
        host.run(&["diff", "web"]).prints("A /hello\n");
        host.run(&["start", "web"]).prints("web\n");
        host.run(&["rm", "-f", "web"]).prints("web\n");
        assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
    }
}

#[test]
fn what_another_runtime_remembers_after_a_crash_is_taken_away() {
    let Some((host, runtimes)) = with_runtimes() else { return };
    for runtime in runtimes {
        let id =
            id(&host.run(&["run", "-d", "--runtime", runtime, "--name", "web", "box:1", "sleep", "1000"]).succeeds());
        let state = format!("/run/wharfie/runtimes/{runtime}/{id}");
        assert!(std::fs::exists(&state).unwrap());
        crash(&host, "web");
        host.run(&["wait", "web"]).prints("255\n");
        assert!(!std::fs::exists(&state).unwrap());
        assert_eq!(leftovers(&host, std::slice::from_ref(&id)), Vec::<String>::new());
        host.run(&["start", "web"]).prints("web\n");
        host.run(&["rm", "-f", "web"]).prints("web\n");
        assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
    }
}
