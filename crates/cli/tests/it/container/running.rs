//! `run` and `create`: what a container sees, and how its end becomes ours.

use super::box_host;

/// What `run` says when it cannot.
fn refused(text: &str) -> String {
    format!("wharfie: {text}\n\nRun 'wharfie run --help' for more information")
}

#[test]
fn exit_codes_are_the_containers_own() {
    let Some(host) = box_host() else { return };
    for (script, code) in [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -TERM $$; sleep 9", 143)] {
        // As the first process of its namespace a shell has no default handlers; under an init it has.
        let outcome = host.run(&["run", "--rm", "--init", "box:1", "sh", "-c", script]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (code, ""), "{script}");
    }
}

#[test]
fn what_cannot_start_says_why() {
    let Some(host) = box_host() else { return };
    let daemon = "Error response from daemon: ";
    let cases: &[(&[&str], i32, &str)] = &[
        (&["box:1", "nope"], 127, "exec: \"nope\": executable file not found in $PATH"),
        (&["box:1", "/etc/passwd"], 126, "exec: \"/etc/passwd\": permission denied"),
        (&["--entrypoint", "", "box:1"], 125, "No command specified"),
        (&["-u", "nobody9", "box:1"], 125, "unable to find user nobody9: no matching entries in passwd file"),
        (&["-u", "web:nogroup9", "box:1"], 125, "unable to find group nogroup9: no matching entries in group file"),
        (&["--name", "x", "box:1"], 125, "Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"),
        (&["--pull", "never", "nope:1"], 125, "No such image: nope:1"),
        (
            &["-v", "rel/path:/x", "box:1"],
            125,
            "create rel/path: \"rel/path\" includes invalid characters for a local volume name, only \
             \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path",
        ),
        (
            &["--mount", "type=bind,src=/nope/nope,dst=/x", "box:1"],
            125,
            "invalid mount config for type \"bind\": bind source path does not exist: /nope/nope",
        ),
    ];
    for (words, code, text) in cases {
        let all = [&["run", "--rm"], *words].concat();
        host.run(&all).fails(*code, &refused(&format!("{daemon}{text}")));
    }
    host.run(&["run", "--rm", "--restart", "always", "box:1"])
        .fails(125, &refused("conflicting options: cannot specify both --restart and --rm"));
    host.run(&["ps", "-aq"]).prints("");
}

#[test]
fn the_environment_is_put_together_as_docker_does() {
    let Some(host) = box_host() else { return };
    let file = host.file("vars", b"# a comment\n\nFROM_FILE=a b  c\nFROM_CALLER\nABSENT\n");
    let host = host.with("FROM_CALLER", "yes");
    let words = ["run", "--rm", "-h", "inside", "--env-file", &file.to_string_lossy(), "-e", "PATH=/bin", "-e", "GONE"];
    let mut text: Vec<String> = host
        .run(&[&words[..], &["-e", "X=1=2", "-u", "web", "box:1", "env"]].concat())
        .succeeds()
        .lines()
        .map(str::to_owned)
        .collect();
    text.sort();
    let expected = ["FROM_CALLER=yes", "FROM_FILE=a b  c", "HOME=/srv", "HOSTNAME=inside", "PATH=/bin", "X=1=2"];
    assert_eq!(text, expected);
}

#[test]
fn input_output_and_errors_keep_their_ways() {
    let Some(host) = box_host() else { return };
    let script = "cat; echo out; echo err >&2";
    let outcome = host.run_with(&["run", "--rm", "-i", "box:1", "sh", "-c", script], b"in\n");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("in\nout\n", "err\n"));
    // Without -i there is nothing to read.
    let outcome = host.run_with(&["run", "--rm", "box:1", "sh", "-c", script], b"in\n");
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn options_reach_the_container() {
    let Some(host) = box_host() else { return };
    let cases: &[(&[&str], &str, &str)] = &[
        (&["-w", "/new/place"], "pwd", "/new/place\n"),
        (&["-u", "web"], "id", "uid=33(web) gid=33(web) groups=33(web),44(extra)\n"),
        (&["-u", "1234:44"], "id -u; id -g", "1234\n44\n"),
        (&["-h", "inside"], "hostname; cat /etc/hostname", "inside\ninside\n"),
        (&["--add-host", "db:10.0.0.9"], "tail -n 2 /etc/hosts | cut -f2 | sed q", "db\n"),
        (&["--dns", "10.9.8.7"], "sed q /etc/resolv.conf", "nameserver 10.9.8.7\n"),
        (&["--read-only", "--tmpfs", "/run"], "touch /x 2>/dev/null || touch /run/x && ls /run", "x\n"),
        (&["--cap-drop", "all"], "grep CapEff /proc/self/status | cut -f2", "0000000000000000\n"),
        (&[], "grep CapEff /proc/self/status | cut -f2", "00000000a80425fb\n"),
        (&["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status | cut -f2", "1\n"),
        (&[], "grep Seccomp: /proc/self/status | cut -f2", "2\n"),
        (&["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status | cut -f2", "0\n"),
        (&["--ulimit", "nofile=64:128"], "ulimit -n; ulimit -Hn", "64\n128\n"),
        (&["--sysctl", "net.ipv4.ip_default_ttl=42"], "cat /proc/sys/net/ipv4/ip_default_ttl", "42\n"),
        (&["--shm-size", "1m"], "df -k /dev/shm | tail -n 1 | awk '{print $2}'", "1024\n"),
        (&["--ipc", "none"], "test -e /dev/shm || echo nothing", "nothing\n"),
        (&["--init"], "cat /proc/1/cmdline | tr '\\0' '\\n' | wc -l | grep -c 0 || true", "0\n"),
        (&["--entrypoint", "echo"], "", "-c \n"),
    ];
    for (options, script, expected) in cases {
        let shell: &[&str] = if options.contains(&"--entrypoint") { &["box:1"] } else { &["box:1", "busybox", "sh"] };
        let script = with_applets(script);
        let words = [&["run", "--rm"], *options, shell, &["-c", &script]].concat();
        host.run(&words).prints(expected);
    }
}

/// The image has few commands by name; its one program has the others.
fn with_applets(script: &str) -> String {
    if script.is_empty() {
        return String::new();
    }
    let names = ["awk", "cut", "df", "grep", "sed", "tr"];
    let wrappers = names.map(|name| format!("{name}() {{ busybox {name} \"$@\"; }}; "));
    wrappers.concat() + script
}

#[test]
fn limits_hold() {
    let Some(host) = box_host() else { return };
    let forks = "i=0; while [ $i -lt 50 ]; do sleep 1 & i=$((i+1)); done";
    let outcome = host.run(&["run", "--rm", "--pids-limit", "5", "box:1", "sh", "-c", forks]);
    assert!(outcome.stderr.contains("can't fork"), "{outcome:?}");
    let script = "busybox tail -c 64m /dev/zero";
    let outcome = host.run(&["run", "--name", "hungry", "-m", "16m", "box:1", "sh", "-c", script]);
    assert_eq!(outcome.code, 137, "{outcome:?}");
    host.run(&["inspect", "-f", "{{.State.OOMKilled}} {{.HostConfig.Memory}}", "hungry"]).prints("true 16777216\n");
}

#[test]
fn a_cidfile_gets_the_id_once() {
    let Some(host) = box_host() else { return };
    let file = host.path().join("cid").to_string_lossy().into_owned();
    let words = ["create", "--cidfile", &file, "--name", "mine", "box:1"];
    let id = super::id(&host.run(&words).succeeds());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), id);
    host.run(&["run", "--cidfile", &file, "box:1"]).fails(
        125,
        &refused(&format!("container ID file found, make sure the other container isn't running or delete {file}")),
    );
    host.run(&["create", "--name", "mine", "box:1"]).fails(
        1,
        &format!(
            "Error response from daemon: Conflict. The container name \"/mine\" is already in use by container \
             \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
        ),
    );
}

#[test]
fn a_missing_image_is_pulled_first() {
    let Some(host) = box_host() else { return };
    let registry = wharfie_testkit::TestRegistry::builder().start();
    let name = format!("{}/box:1", registry.address());
    host.run(&["tag", "box:1", &name]).succeeds();
    host.run(&["push", "-q", &name]).succeeds();
    host.run(&["rmi", &name, "box:1"]).succeeds();
    let outcome = host.run(&["run", "--rm", &name, "echo", "hello"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "hello\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with(&format!("Unable to find image '{name}' locally\n")), "{}", outcome.stderr);
}

#[test]
fn signals_reach_a_container_in_the_foreground() {
    use std::io::Read;
    let Some(host) = box_host() else { return };
    let script = "trap 'echo got it; exit 7' TERM; echo ready; while true; do sleep 0.1; done";
    let mut command = host.command(&["run", "--rm", "box:1", "sh", "-c", script]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("got it\n", Some(7)));
    host.run(&["ps", "-aq"]).prints("");
}
