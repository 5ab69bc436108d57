//! Containers: the real binary, a real image, the real kernel.

mod attacks;
mod changes;
mod copying;
mod crowds;
mod deep;
mod dry_runs;
mod events;
mod filling;
mod firewall;
mod host_names;
mod hostile;
mod inside;
mod lifecycle;
mod network_races;
mod networks;
mod other_runtimes;
mod own_networks;
mod races;
mod running;
mod terminals;
mod updating;
mod volumes;
mod wording;

use wharfie_testkit::{Host, Image, needs};

use crate::host_with;

/// A host with busybox as `box:1`; nothing where containers cannot run, which is said.
fn box_host() -> Option<Host> {
    needs::root("running a container").then(|| host_with(&[(&Image::busybox(), &["box:1"])]))
}

/// What is left on the machine of containers of this host: mounts, cgroups and addresses.
fn leftovers(host: &Host, ids: &[String]) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
    let place = host.path().to_string_lossy().into_owned();
    let mut found: Vec<String> = mounts.lines().filter(|line| line.contains(&place)).map(str::to_owned).collect();
    for directory in ["/sys/fs/cgroup", "/run/wharfie"] {
        collect(directory.as_ref(), 4, ids, &mut found);
    }
    found
}

/// Files and directories whose names or contents are about one of these containers.
fn collect(directory: &std::path::Path, depth: u32, ids: &[String], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // Reading what is no file can have effects: runtimes wait for that.
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let is_address = directory.starts_with("/run") && is_file;
        let owner = if is_address { std::fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        if ids.iter().any(|id| name.contains(id.as_str()) || owner.split(' ').next() == Some(id)) {
            found.push(path.display().to_string());
        } else if is_directory && depth > 0 {
            collect(&path, depth - 1, ids, found);
        }
    }
}

/// Kills a detached container and the process that looks after it, as a crash would, and waits until that is seen.
fn crash(host: &Host, name: &str) {
    kill_with_monitor(host, name);
    while host.run(&["inspect", "-f", "{{.State.Status}}", name]).succeeds() != "exited\n" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// As [`crash`], seen by nobody yet.
fn kill_with_monitor(host: &Host, name: &str) {
    let pid = host.run(&["inspect", "-f", "{{.State.Pid}}", name]).succeeds();
    let pid: i32 = pid.trim_end().parse().expect("a running container has a process");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    let behind_name = &stat[stat.rfind(')').expect("a name in parentheses") + 4..];
    let monitor: i32 = behind_name.split(' ').next().and_then(|ppid| ppid.parse().ok()).expect("a parent");
    for victim in [monitor, pid] {
        let victim = rustix::process::Pid::from_raw(victim).expect("it has an id");
        rustix::process::kill_process(victim, rustix::process::Signal::KILL).expect("root may");
    }
}

/// The id that a detached container printed.
fn id(text: &str) -> String {
    let id = text.trim_end().to_owned();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "no id: {text}");
    id
}
