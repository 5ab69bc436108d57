//! `update`, `stats`, and who is told of signals and restarts.

use std::process::{Command, Stdio};

use super::{box_host, id, leftovers};

/// What the kernel was told, by either version of cgroups.
fn limit(id: &str, files: [&str; 2]) -> String {
    let version1 = format!("/sys/fs/cgroup/{}", files[0].replacen('/', &format!("/wharfie/{id}/"), 1));
    let version2 = format!("/sys/fs/cgroup/wharfie/{id}/{}", files[1]);
    let read = std::fs::read_to_string(version1).or_else(|_| std::fs::read_to_string(version2));
    read.expect("the container has a cgroup").trim().to_owned()
}

#[test]
fn limits_change_while_a_container_runs() {
    let Some(host) = box_host() else { return };
    let id = id(&host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds());
    let memory = || limit(&id, ["memory/memory.limit_in_bytes", "memory.max"]);
    let pids = || limit(&id, ["pids/pids.max", "pids.max"]);
    host.run(&["update", "-m", "64m", "--cpus", "0.5", "--pids-limit", "30", "web"]).prints("web\n");
    assert_eq!((memory(), pids()), ("67108864".to_owned(), "30".to_owned()));
    assert!(limit(&id, ["cpu/cpu.cfs_quota_us", "cpu.max"]).starts_with("50000"));
    // Above the old limit of memory and swap, and unlimited again.
    host.run(&["update", "-m", "256m", "--pids-limit", "-1", "web"]).prints("web\n");
    assert_eq!((memory(), pids()), ("268435456".to_owned(), "max".to_owned()));
    let facts = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
    host.run(&["inspect", "-f", facts, "web"]).prints("268435456 500000000 -1\n");
    // They hold after the next start, too.
    host.run(&["restart", "-t", "0", "web"]).prints("web\n");
    assert_eq!(memory(), "268435456");
    host.run(&["update", "--memory-swap", "1m", "web"]).fails(
        1,
        &format!(
            "Error response from daemon: Cannot update container {id}: Memory limit should be smaller than already set \
             memoryswap limit, update the memoryswap at the same time"
        ),
    );
    host.run(&["update", "web"]).fails(1, "you must provide one or more flags when using this command");
    host.run(&["update", "-m", "1g", "nope"]).fails(1, "Error response from daemon: No such container: nope");
    host.run(&["rm", "-f", "web"]).prints("web\n");
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
}

#[test]
fn a_restart_policy_can_be_changed_while_a_container_runs() {
    let Some(host) = box_host() else { return };
    let script = "echo again; while [ ! -e /go ]; do sleep 0.1; done; exit 9";
    host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", script]).succeeds();
    host.run(&["update", "--restart", "on-failure:2", "web"]).prints("web\n");
    host.run(&["exec", "web", "sh", "-c", "> /go"]).prints("");
    while host.run(&["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "web"]).succeeds() != "exited 2\n" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    host.run(&["logs", "web"]).prints("again\nagain\nagain\n");
    let removed = host.run(&["run", "-d", "--rm", "--name", "gone", "box:1", "sleep", "1000"]);
    let id = id(&removed.succeeds());
    let text = "Restart policy cannot be updated because AutoRemove is enabled for the container";
    host.run(&["update", "--restart", "always", "gone"])
        .fails(1, &format!("Error response from daemon: Cannot update container {id}: {text}"));
    host.run(&["rm", "-f", "gone"]).prints("gone\n");
}

#[test]
fn a_foreground_container_is_started_again_by_its_policy() {
    let Some(host) = box_host() else { return };
    // The command sees the first run, as with docker; the container goes on.
    let words =
        ["run", "--name", "web", "--restart", "on-failure:2", "box:1", "sh", "-c", "echo out; echo err >&2; exit 7"];
    let first = host.run(&words);
    assert_eq!((first.code, first.stdout.as_str(), first.stderr.as_str()), (7, "out\n", "err\n"));
    while host.run(&["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "web"]).succeeds() != "exited 2\n" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(host.run(&["logs", "web"]).stdout, "out\nout\nout\n");
    let only = host.run(&[
        "run",
        "-a",
        "stderr",
        "--restart",
        "on-failure:1",
        "box:1",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    assert_eq!((only.code, only.stdout.as_str(), only.stderr.as_str()), (7, "", "err\n"));
}

#[test]
fn attached_commands_pass_signals_on_or_not() {
    let Some(host) = box_host() else { return };
    let script = "trap 'echo got; exit 3' TERM; echo ready; while true; do sleep 0.1; done";
    host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", script]).succeeds();
    while host.run(&["logs", "web"]).stdout != "ready\n" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let attach = |flag: &str| {
        let mut command: Command = host.command(&["attach", "--no-stdin", flag, "web"]);
        let child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        // Connected once it hears signals; before that it would simply die of one.
        let pid = child.id();
        let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let is_flagged = flag == "--sig-proxy=true";
        for _ in 0..500 {
            let caught =
                status().lines().find_map(|line| line.strip_prefix("SigCgt:").map(|mask| mask.trim().to_owned()));
            let mask = caught.and_then(|mask| u64::from_str_radix(&mask, 16).ok()).unwrap_or_default();
            // SIGWINCH is 28, SIGTERM 15.
            if mask & (1 << 27) != 0 && (!is_flagged || mask & (1 << 14) != 0) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let process = rustix::process::Pid::from_raw(pid.cast_signed()).expect("it has an id");
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
        child.wait_with_output().expect("it ends")
    };
    let deaf = attach("--sig-proxy=false");
    assert_eq!((deaf.status.code(), deaf.stdout.as_slice()), (None, &b""[..]));
    host.run(&["inspect", "-f", "{{.State.Status}}", "web"]).prints("running\n");
    let heard = attach("--sig-proxy=true");
    assert_eq!((heard.status.code(), String::from_utf8_lossy(&heard.stdout).as_ref()), (Some(3), "got\n"));
}

#[test]
fn stats_show_whom_they_are_asked_for() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds();
    host.run(&["create", "--name", "idle", "box:1", "true"]).succeeds();
    let names = ["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}"];
    host.run(&names).prints("web 1\n");
    host.run(&[&names[..], &["-a"]].concat()).prints("idle --\nweb 1\n");
    host.run(&[&names[..], &["idle"]].concat()).prints("idle --\n");
    host.run(&["stats", "--no-stream", "nope"]).fails(1, "Error response from daemon: No such container: nope");
    let header = "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS\n";
    host.run(&["rm", "-f", "web"]).succeeds();
    host.run(&["stats", "--no-stream"]).prints(header);
    // A stream of what does not run ends at once, from the corner of the screen.
    let stream = host.run(&["stats", "--format", "{{.Name}}", "idle"]);
    stream.prints("\u{1b}[Hidle\u{1b}[K\n\u{1b}[J");
}
