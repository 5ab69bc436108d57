//! Limits, pausing, figures.

use wharfie_runtime::{Error, Exit, Rlimit, Warning};

use crate::harness::{Container, init, skipped};

/// True if the controller is here; says so on standard error if not.
fn has(controller: &str) -> bool {
    let lists = ["/sys/fs/cgroup/cgroup.controllers", "/proc/cgroups"];
    let is_here = std::path::Path::new("/sys/fs/cgroup").join(controller).is_dir()
        || std::fs::read_to_string(lists[0]).is_ok_and(|text| text.contains(controller));
    if !is_here {
        skipped(&format!("this machine has no cgroup controller {controller}"));
    }
    is_here
}

#[test]
fn too_much_memory_ends_it() {
    if !has("memory") {
        return;
    }
    let container = Container::shell("x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo ${#x}")
        .with(|spec| spec.resources.memory = Some(20 << 20));
    let outcome = container.run();
    assert!([137, 1, 2].contains(&outcome.exit.code()) && outcome.stdout.is_empty(), "{outcome:?}");
    let container =
        Container::new(&["tail", "-c", "200000000", "/dev/zero"]).with(|spec| spec.resources.memory = Some(20 << 20));
    assert_eq!(container.run().exit, Exit::Signal(9));
}

#[test]
fn processes_are_counted() {
    if !has("pids") {
        return;
    }
    let container = Container::shell("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; echo all")
        .with(|spec| spec.resources.pids = Some(5));
    let outcome = container.run();
    assert_ne!(outcome.exit, Exit::Code(0));
    assert!(outcome.stderr.contains("fork"), "{}", outcome.stderr);
}

#[test]
fn impossible_limits_are_errors_and_leave_nothing() {
    if !has("cpu") {
        return;
    }
    let container = Container::new(&["true"]).with(|spec| spec.resources.cpuset_cpus = Some("4095".to_owned()));
    let outcome = container.try_run();
    assert!(matches!(outcome, Err(Error::Limit { .. })), "{outcome:?}");
    assert_eq!(wharfie_runtime::Cgroup::find(None, &container.spec.id), Default::default());
}

#[test]
fn limits_show_inside() {
    if !std::path::Path::new("/sys/fs/cgroup/memory").is_dir() {
        skipped("version 1 of cgroups is not here");
        return;
    }
    Container::shell("cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us")
        .with(|spec| {
            spec.resources.memory = Some(64 << 20);
            spec.resources.milli_cpus = Some(500);
        })
        .says("67108864\n50000");
}

#[test]
fn a_paused_container_stands_still() {
    let mut running = Container::shell("while :; do echo tick; sleep 0.01; done").spawn();
    assert_eq!(running.line(), "tick");
    running.started.cgroup.pause().unwrap();
    let pid = running.started.pid;
    let stats = running.started.cgroup.stats(pid);
    assert!(stats.pids >= 1, "{stats:?}");
    running.started.cgroup.unpause().unwrap();
    assert_eq!(running.line(), "tick");
    assert!(running.started.cgroup.processes().contains(&pid));
    running.started.cgroup.pause().unwrap();
    // Dropping it must end it although it is frozen.
}

#[test]
fn ulimits_are_set_and_clamped() {
    let container = Container::shell("ulimit -n; ulimit -Hn").with(|spec| {
        spec.process.rlimits = vec![Rlimit { name: "nofile".to_owned(), soft: 100, hard: 200 }];
    });
    container.says("100\n200");
    let container = Container::shell("ulimit -Hn").with(|spec| {
        spec.process.rlimits = vec![Rlimit { name: "nofile".to_owned(), soft: 1_048_576, hard: 1_048_576 }];
    });
    let started = wharfie_runtime::start(&container.spec, Vec::new(), Default::default(), init()).unwrap();
    let is_clamped = started.warnings.iter().any(|warning| matches!(warning, Warning::RlimitClamped { .. }));
    assert_eq!(started.wait().unwrap(), Exit::Code(0));
    started.cgroup.remove().unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    let may_raise = u64::from_str_radix(held, 16).unwrap() & (1 << 24) != 0;
    let (_, hard) = (0, rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum);
    assert_eq!(is_clamped, !may_raise && hard.is_some_and(|hard| hard < 1_048_576));
}
