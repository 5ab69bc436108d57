//! Builds that are called off or killed: nothing is left on the machine, nothing half done in the store, and what was finished
//! is taken by the next build.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wharfie_testkit::Host;

use super::{box_host, context};

/// A build that has finished a step and sleeps in the next one.
struct Started {
    host: Host,
    build: Child,
    mark: String,
}

fn started(mark: u32) -> Option<Started> {
    let host = box_host()?;
    let mark = format!("{mark}");
    let text = format!(
        "FROM box:1\nRUN cat /proc/sys/kernel/random/uuid > /uuid\nRUN --mount=type=cache,target=/c,id=c,sharing=locked echo x > /c/x; sleep {mark}\n"
    );
    context(&host, &[("Dockerfile", &text)]);
    let mut command = host.command(&["build", "ctx"]);
    let build = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let started = Started { host, build, mark };
    until("the second step sleeps", || !sleepers(&started.mark).is_empty());
    Some(started)
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes that sleep for as long as the test's own do.
fn sleepers(mark: &str) -> Vec<i32> {
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

/// Mounts of this host that this machine has, and control groups of the step that has `mark`.
fn mounts(host: &Host) -> Vec<String> {
    let all = std::fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
    let place = host.path().to_string_lossy().into_owned();
    all.lines().filter(|line| line.contains(&place)).map(str::to_owned).collect()
}

/// The control group of a process, as a directory.
fn group(pid: i32) -> std::path::PathBuf {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    std::path::Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'))
}

/// The next build takes the first step from the cache, and the store is whole.
#[track_caller]
fn goes_on(host: &Host, mark: &str) {
    host.run(&["system", "fsck"]).succeeds();
    let text = std::fs::read_to_string(host.path().join("ctx/Dockerfile")).expect("it is there");
    context(host, &[("Dockerfile", &text.replace(&format!("sleep {mark}"), "sleep 0"))]);
    let next = host.run(&["build", "--progress=plain", "ctx"]);
    assert_eq!(next.code, 0, "{}", next.stderr);
    assert_eq!(next.stderr.lines().filter(|line| line.ends_with(" CACHED")).count(), 1, "{}", next.stderr);
    host.run(&["system", "fsck"]).succeeds();
    assert_eq!(host.run(&["ps", "-aq"]).succeeds(), "");
    let steps: Vec<_> = std::fs::read_dir(host.store().join("steps")).into_iter().flatten().flatten().collect();
    assert!(steps.is_empty(), "{steps:?}");
}

#[test]
fn a_build_that_is_called_off_leaves_nothing() {
    for (signal, mark) in [(Signal::INT, 86_401), (Signal::TERM, 86_402)] {
        let Some(Started { host, mut build, mark }) = started(mark) else { return };
        let group = group(sleepers(&mark)[0]);
        kill_process(Pid::from_child(&build), signal).unwrap();
        let status = build.wait().unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status).map(|n| n + 128).or(status.code()),
            Some(128 + signal.as_raw())
        );
        until("its processes end", || sleepers(&mark).is_empty());
        assert!(!group.exists() || group == std::path::Path::new("/sys/fs/cgroup"), "{}", group.display());
        assert_eq!(mounts(&host), Vec::<String>::new());
        goes_on(&host, &mark);
    }
}

#[test]
fn a_build_that_is_killed_harms_nothing() {
    let Some(Started { host, mut build, mark }) = started(86_403) else { return };
    let group = group(sleepers(&mark)[0]);
    build.kill().unwrap();
    build.wait().unwrap();
    until("its processes end with it", || sleepers(&mark).is_empty());
    goes_on(&host, &mark);
    assert!(
        !group.exists() || group == std::path::Path::new("/sys/fs/cgroup"),
        "the next build clears away: {}",
        group.display()
    );
    assert_eq!(mounts(&host), Vec::<String>::new());
    host.run(&["builder", "history", "ls", "--format", "{{.Status}}"]).succeeds();
}

#[test]
fn a_step_that_another_build_was_doing_is_taken_over() {
    let Some(Started { host, mut build, mark }) = started(86_404) else { return };
    let mut second = host.command(&["build", "ctx"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(sleepers(&mark).len(), 1, "it waits for the first");
    build.kill().unwrap();
    build.wait().unwrap();
    until("the second does it", || sleepers(&mark).len() == 1);
    kill_process(Pid::from_child(&second), Signal::INT).unwrap();
    second.wait().unwrap();
    until("its processes end", || sleepers(&mark).is_empty());
    goes_on(&host, &mark);
}
