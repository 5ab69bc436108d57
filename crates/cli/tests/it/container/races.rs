//! Two commands at the same instant on one container, and commands that die half way.

use std::process::Stdio;
use std::time::{Duration, Instant};

use wharfie_testkit::Host;

use super::{box_host, id, leftovers};

/// Everything that changes what a container is.
const VERBS: &[&[&str]] = &[
    &["start", "web"],
    &["stop", "-t", "0", "web"],
    &["restart", "-t", "0", "web"],
    &["kill", "web"],
    &["pause", "web"],
    &["unpause", "web"],
    &["rm", "-f", "web"],
    &["container", "prune", "-f"],
    &["commit", "web", "made:1"],
    &["update", "--memory", "64m", "web"],
    &["rename", "web", "web"],
    &["exec", "web", "true"],
];

fn state(host: &Host, name: &str, format: &str) -> Option<String> {
    let outcome = host.run(&["inspect", "--type", "container", "-f", format, name]);
    (outcome.code == 0).then(|| outcome.stdout.trim_end().to_owned())
}

/// Processes of the test's containers: each has a name of its own as an argument.
fn living(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = words.split(|byte| *byte == 0);
        if words.next() == Some(b"sleep") && words.any(|word| word == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What is written down is what is: running with a process, frozen only if it says so, or at rest with nothing left.
#[track_caller]
fn is_consistent(host: &Host, ids: &[String], mark: &str, what: &str) {
    match state(host, "web", "{{.State.Status}} {{.State.Pid}}") {
        None => {
            until(what, || living(mark).is_empty());
            assert_eq!(leftovers(host, ids), Vec::<String>::new(), "{what}");
        }
        Some(state) => {
            let (status, pid) = state.split_once(' ').expect("status and process");
            let pid: u32 = pid.parse().expect("a number");
            match status {
                "running" | "paused" => {
                    assert_eq!(living(mark), [pid], "{what}: {state}");
                    assert_eq!(is_frozen(pid), status == "paused", "{what}: {state}");
                }
                "exited" | "created" => {
                    until(what, || living(mark).is_empty());
                    assert_eq!(leftovers(host, ids), Vec::<String>::new(), "{what}: {state}");
                }
                other => panic!("{what}: {other}"),
            }
        }
    }
    assert!(!host.run(&["ps", "-a"]).succeeds().contains("years ago"), "{what}");
}

/// Where the kernel can be asked whether it holds a process still, what it answers then, and where and with which word it is
/// told to.
fn freezers(pid: u32) -> Vec<(String, &'static str, String, &'static str)> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        match controllers {
            "freezer" => {
                let state = format!("/sys/fs/cgroup/freezer{path}/freezer.state");
                found.push((state.clone(), "FROZEN", state, "FROZEN"));
            }
            "" => found.extend(["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|root| {
                (format!("{root}{path}/cgroup.events"), "frozen 1", format!("{root}{path}/cgroup.freeze"), "1")
            })),
            _ => {}
        }
    }
    found
}

/// True if the kernel holds the process still.
fn is_frozen(pid: u32) -> bool {
    let says = |(file, word, ..): &(String, &str, String, &str)| {
        std::fs::read_to_string(file).is_ok_and(|text| text.contains(word))
    };
    freezers(pid).iter().any(says)
}

/// Who freezes a container at the moment it is killed holds its end back: what is written down about it does not say so yet.
#[test]
fn a_container_that_is_frozen_under_its_end_still_ends() {
    let Some(host) = box_host() else { return };
    for verb in
        [&["kill", "web"][..], &["stop", "-t", "0", "web"], &["rm", "-f", "web"], &["restart", "-t", "0", "web"]]
    {
        host.run(&["run", "-d", "--name", "web", "--network", "none", "box:1", "sleep", "1000"]).succeeds();
        let pid = state(&host, "web", "{{.State.Pid}}").unwrap().parse().unwrap();
        let told = freezers(pid)
            .iter()
            .any(|(.., file, word)| std::path::Path::new(file).exists() && std::fs::write(file, word).is_ok());
        assert!(told, "nothing here can freeze");
        until("it is frozen", || is_frozen(pid));
        host.run(verb).prints("web\n");
        host.run(&["rm", "-f", "web"]);
    }
}

#[test]
fn any_two_verbs_at_once_leave_a_container_that_is_what_it_says() {
    let Some(host) = box_host() else { return };
    let mark = format!("{}", 100_000 + std::process::id());
    let mut ids = Vec::new();
    for (at, first) in VERBS.iter().enumerate() {
        for second in &VERBS[at..] {
            for begin in ["create", "run -d"] {
                let what = format!("{begin}, then {} beside {}", first.join(" "), second.join(" "));
                let words: Vec<&str> =
                    begin.split(' ').chain(["--name", "web", "--network", "none", "box:1"]).collect();
                ids.push(id(&host.run(&[&words[..], &["sleep", &mark]].concat()).succeeds()));
                std::thread::scope(|scope| {
                    for verb in [first, second] {
                        scope.spawn(|| {
                            let outcome = host.run(verb);
                            // Refused is fine, broken is not.
                            for word in ["panicked", "os error", "fsck", "File exists", "Address already in use"] {
                                assert!(!outcome.stderr.contains(word), "{what}: {outcome:?}");
                            }
                            if verb[0] == "pause" && [first, second].iter().any(|verb| verb[0] == "exec") {
                                // Who is frozen together with the container would wait to be thawed, as with docker.
                                host.run(&["unpause", "web"]);
                            }
                        });
                    }
                });
                is_consistent(&host, &ids, &mark, &what);
                host.run(&["rm", "-f", "web"]);
                until(&what, || living(&mark).is_empty());
                ids.clear();
            }
        }
    }
}

#[test]
fn of_two_starts_at_once_both_succeed() {
    let Some(host) = box_host() else { return };
    for round in 0..10 {
        let name = format!("web{round}");
        host.run(&["create", "--name", &name, "box:1", "sleep", "1000"]).succeeds();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| host.run(&["start", &name]).prints(&format!("{name}\n")));
            }
        });
        assert_eq!(state(&host, &name, "{{.State.Status}}").as_deref(), Some("running"));
        host.run(&["rm", "-f", &name]).succeeds();
    }
}

#[test]
fn pruning_takes_nothing_from_those_who_are_about_to_run_it() {
    let Some(host) = box_host() else { return };
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                host.run(&["container", "prune", "-f"]).succeeds();
            }
        });
        let run = |_: u32| {
            let detached = id(&host.run(&["run", "-d", "--network", "none", "box:1", "sleep", "1000"]).succeeds());
            assert_eq!(state(&host, &detached, "{{.State.Running}}").as_deref(), Some("true"));
            host.run(&["rm", "-f", &detached]).succeeds();
            assert_eq!(host.run(&["run", "--rm", "--network", "none", "box:1", "sh", "-c", "exit 5"]).code, 5);
        };
        (0..15).for_each(run);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn who_waits_for_a_container_that_goes_with_its_end_gets_its_code() {
    let Some(host) = box_host() else { return };
    for _ in 0..5 {
        let id = id(&host.run(&["run", "-d", "--rm", "box:1", "sh", "-c", "sleep 0.2; exit 8"]).succeeds());
        host.run(&["wait", &id]).prints("8\n");
    }
    host.run(&["ps", "-aq"]).prints("");
}

#[test]
fn who_waits_sees_the_next_end_also_between_two_restarts() {
    let Some(host) = box_host() else { return };
    let words = ["run", "-d", "--name", "web", "--restart", "always", "box:1", "sh", "-c", "sleep 0.1; exit 4"];
    host.run(&words).succeeds();
    until("it waits to be started again", || state(&host, "web", "{{.State.Status}}").as_deref() == Some("restarting"));
    host.run(&["wait", "web"]).prints("4\n");
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_container_that_waits_to_be_started_again_is_stopped_and_killed() {
    let Some(host) = box_host() else { return };
    for verb in [&["stop", "web"][..], &["kill", "web"]] {
        host.run(&["run", "-d", "--name", "web", "--restart", "always", "box:1", "false"]).succeeds();
        until("it waits long enough", || {
            state(&host, "web", "{{.State.Status}} {{.RestartCount}}").is_some_and(|state| {
                state.strip_prefix("restarting ").is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 3))
            })
        });
        host.run(verb).prints("web\n");
        assert_eq!(state(&host, "web", "{{.State.Status}} {{.State.Restarting}}").as_deref(), Some("exited false"));
        // Nobody comes back to start it.
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(state(&host, "web", "{{.State.Status}}").as_deref(), Some("exited"));
        host.run(&["rm", "web"]).prints("web\n");
    }
}

#[test]
fn a_container_that_goes_with_its_end_is_restarted() {
    let Some(host) = box_host() else { return };
    let id = id(&host.run(&["run", "-d", "--rm", "--name", "web", "box:1", "sleep", "1000"]).succeeds());
    host.run(&["restart", "-t", "0", "web"]).prints("web\n");
    assert_eq!(state(&host, "web", "{{.State.Status}} {{.Id}}"), Some(format!("running {id}")));
    host.run(&["stop", "-t", "0", "web"]).prints("web\n");
    until("it is gone", || state(&host, "web", "{{.Id}}").is_none());
}

#[test]
fn a_frozen_container_is_started_by_nobody_and_killed_by_everybody() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds();
    host.run(&["pause", "web"]).prints("web\n");
    let refused = host.run(&["start", "web"]);
    assert!(refused.stderr.contains("cannot start a paused container, try unpause instead"), "{refused:?}");
    assert_eq!(refused.code, 1);
    let refused = host.run(&["attach", "web"]);
    assert!(refused.stderr.contains("You cannot attach to a paused container, unpause it first"), "{refused:?}");
    let refused = host.run(&["rm", "web"]);
    assert!(refused.stderr.contains("You cannot remove a paused container"), "{refused:?}");
    host.run(&["kill", "web"]).prints("web\n");
    assert_eq!(state(&host, "web", "{{.State.Status}} {{.State.ExitCode}}").as_deref(), Some("exited 137"));
}

/// Starts a command and sends it a signal after a moment.
fn interrupted(host: &Host, words: &[&str], after: Duration, signal: rustix::process::Signal) {
    let mut child = host
        .command(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    std::thread::sleep(after);
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, signal);
    child.wait().expect("a started program ends");
}

#[test]
fn a_commit_that_dies_leaves_nothing_frozen() {
    use rustix::process::Signal;
    let Some(host) = box_host() else { return };
    let script = "head -c 40000000 /dev/urandom > /f; sleep 1000";
    host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", script]).succeeds();
    std::thread::sleep(Duration::from_millis(600));
    let pid = state(&host, "web", "{{.State.Pid}}").unwrap().parse().unwrap();
    for (after, signal) in
        [(5, Signal::KILL), (20, Signal::TERM), (40, Signal::HUP), (60, Signal::KILL), (90, Signal::INT)]
    {
        interrupted(&host, &["commit", "web", "made:1"], Duration::from_millis(after), signal);
        // Nobody runs a command of ours meanwhile: whoever is left behind sees to it.
        until("it runs on", || !is_frozen(pid));
        assert_eq!(state(&host, "web", "{{.State.Status}}").as_deref(), Some("running"));
    }
    host.run(&["commit", "web", "made:1"]).succeeds();
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn two_commits_at_once_both_succeed() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", "echo 1 > /f; sleep 1000"]).succeeds();
    for _ in 0..4 {
        std::thread::scope(|scope| {
            for name in ["made:1", "made:2"] {
                let host = &host;
                scope.spawn(move || host.run(&["commit", "web", name]).succeeds());
            }
        });
        assert_eq!(state(&host, "web", "{{.State.Status}}").as_deref(), Some("running"));
    }
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_run_that_is_killed_leaves_no_container_that_was_to_go_with_it() {
    let Some(host) = box_host() else { return };
    for after in [2, 10, 20, 40, 200] {
        let words = ["run", "--rm", "--name", "web", "box:1", "sleep", "1000"];
        interrupted(&host, &words, Duration::from_millis(after), rustix::process::Signal::KILL);
        until("it is gone", || host.run(&["ps", "-aq"]).succeeds().is_empty());
    }
}

#[test]
fn what_the_caller_has_open_and_ignores_stays_with_the_caller() {
    let Some(host) = box_host() else { return };
    // Descriptors 3 and 9, a directory that is not the root, ignored signals.
    let script = "exec 3>held 9>lock; trap '' HUP USR1 CHLD; exec \"$0\" \"$@\"";
    let words = ["run", "-d", "--name", "web", "--network", "none", "box:1", "sleep", "1000"];
    let output = host.command_under(&["sh", "-c", script], &words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pid = state(&host, "web", "{{.State.Pid}}").unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field =
        |text: &str, name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let monitor = field(&status, "PPid:");
    for (who, pid) in [("container", &pid), ("monitor", &monitor)] {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let ignored = u64::from_str_radix(&field(&status, "SigIgn:"), 16).unwrap();
        for signal in [1, 10, 17] {
            assert_eq!(ignored >> (signal - 1) & 1, 0, "{who} ignores signal {signal}");
        }
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
            let target = std::fs::read_link(entry.path()).unwrap_or_default();
            assert!(!target.ends_with("held") && !target.ends_with("lock"), "{who} has {}", target.display());
        }
    }
    assert_eq!(std::fs::read_link(format!("/proc/{monitor}/cwd")).unwrap(), std::path::Path::new("/"));
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn exit_codes_arrive_although_the_caller_ignores_its_childrens_ends() {
    let Some(host) = box_host() else { return };
    let script =
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])";
    let words = ["run", "--rm", "--network", "none", "box:1", "sh", "-c", "exit 7"];
    let output = host.command_under(&["python3", "-c", script], &words).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    host.run(&["ps", "-aq"]).prints("");
}
