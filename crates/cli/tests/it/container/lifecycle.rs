//! Containers that outlive the command that made them.

use std::time::{Duration, Instant};

use wharfie_testkit::Host;

use super::{box_host, crash, id, leftovers};

/// Waits until a condition holds; a minute is for ever.
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn state(host: &Host, name: &str, template: &str) -> String {
    host.run(&["inspect", "-f", template, name]).succeeds().trim_end().to_owned()
}

#[test]
fn a_detached_container_lives_logs_and_ends() {
    let Some(host) = box_host() else { return };
    let script = "echo out; echo err >&2; trap 'exit 5' TERM; while true; do sleep 0.1; done";
    let id = id(&host.run(&["run", "-d", "--name", "web", "box:1", "sh", "-c", script]).succeeds());
    let line = host.run(&["ps", "--format", "{{.ID}} {{.Image}} {{.Names}} {{.State}}"]).succeeds();
    assert_eq!(line, format!("{} box:1 web running\n", &id[..12]));
    until("both lines are in the log", || {
        let logs = host.run(&["logs", "web"]);
        (logs.stdout.as_str(), logs.stderr.as_str()) == ("out\n", "err\n")
    });
    let stamped = host.run(&["logs", "-t", "web"]).succeeds();
    assert!(stamped.ends_with("Z out\n") && stamped.find('Z') == Some(29), "{stamped}");
    host.run(&["rm", "web"]).fails(
        1,
        &format!(
            "Error response from daemon: You cannot remove a running container {id}. Stop the container before \
             attempting removal or force remove"
        ),
    );
    host.run(&["stop", "web"]).prints("web\n");
    assert_eq!(state(&host, "web", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}"), "exited 5 0");
    host.run(&["stop", "web"]).prints("web\n");
    host.run(&["wait", "web"]).prints("5\n");
    host.run(&["start", "web"]).prints("web\n");
    host.run(&["kill", "web"]).prints("web\n");
    assert_eq!(state(&host, "web", "{{.State.ExitCode}}"), "137");
    host.run(&["kill", "web"])
        .fails(1, &format!("Error response from daemon: Cannot kill container: web: Container {id} is not running"));
    host.run(&["rename", "web", "old"]).prints("");
    host.run(&["rm", "/old"]).prints("/old\n");
    host.run(&["rm", "old"]).fails(1, "Error response from daemon: No such container: old");
    let gone = host.run(&["rm", "-f", "old"]);
    assert_eq!((gone.code, gone.stderr.as_str()), (0, "Error response from daemon: No such container: old\n"));
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
}

#[test]
fn everything_says_that_there_is_no_such_container() {
    let Some(host) = box_host() else { return };
    let commands: &[&[&str]] = &[
        &["stop", "nope"],
        &["kill", "nope"],
        &["rm", "nope"],
        &["logs", "nope"],
        &["exec", "nope", "ls"],
        &["wait", "nope"],
        &["diff", "nope"],
        &["export", "nope"],
        &["commit", "nope"],
        &["pause", "nope"],
        &["cp", "nope:/x", "."],
    ];
    for words in commands {
        host.run(words).fails(1, "Error response from daemon: No such container: nope");
    }
    let start = host.run(&["start", "nope"]);
    let expected = "Error response from daemon: No such container: nope\nError: failed to start containers: nope\n";
    assert_eq!((start.code, start.words_without_help().as_str()), (1, expected));
}

#[test]
fn commands_run_inside() {
    let Some(host) = box_host() else { return };
    let id = id(&host.run(&["run", "-d", "--name", "web", "-e", "A=1", "box:1", "sleep", "1000"]).succeeds());
    host.run(&["exec", "-e", "B=2", "web", "sh", "-c", "echo $A $B"]).prints("1 2\n");
    host.run(&["exec", "-u", "web", "-w", "/tmp", "web", "sh", "-c", "id -u; pwd"]).prints("33\n/tmp\n");
    assert_eq!(host.run(&["exec", "web", "sh", "-c", "exit 4"]).code, 4);
    assert_eq!(host.run(&["exec", "web", "nope"]).code, 127);
    assert_eq!(host.run_with(&["exec", "-i", "web", "cat"], b"hello").succeeds(), "hello");
    host.run(&["exec", "-d", "web", "sh", "-c", "echo $$ > /tmp/mark"]).prints("");
    until("the detached command has run", || host.run(&["exec", "web", "cat", "/tmp/mark"]).code == 0);
    assert!(host.run(&["top", "web"]).succeeds().contains("sleep 1000"));
    host.run(&["pause", "web"]).prints("web\n");
    assert_eq!(state(&host, "web", "{{.State.Status}} {{.State.Paused}}"), "paused true");
    host.run(&["unpause", "web"]).prints("web\n");
    host.run(&["rm", "-f", "web"]).prints("web\n");
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
}

#[test]
fn a_restart_policy_is_kept() {
    let Some(host) = box_host() else { return };
    let words = ["run", "-d", "--name", "web", "--restart", "on-failure:2", "box:1", "sh", "-c", "echo again; exit 9"];
    host.run(&words).succeeds();
    until("it has given up", || state(&host, "web", "{{.State.Status}} {{.RestartCount}}") == "exited 2");
    host.run(&["logs", "web"]).prints("again\nagain\nagain\n");
    assert_eq!(state(&host, "web", "{{.State.ExitCode}}"), "9");
}

#[test]
fn the_truth_is_told_about_a_container_whose_monitor_was_killed() {
    let Some(host) = box_host() else { return };
    let id = id(&host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds());
    crash(&host, "web");
    // Nobody was there to write down its end and to clean up behind it; whoever looks first does, and says when that was.
    let status = host.run(&["ps", "-a", "--format", "{{.Status}}"]).succeeds();
    assert!(status.starts_with("Exited (255) ") && status.trim_end().ends_with(" ago") && !status.contains("years"));
    assert_eq!(leftovers(&host, std::slice::from_ref(&id)), Vec::<String>::new());
    host.run(&["start", "web"]).prints("web\n");
    host.run(&["rm", "-f", "web"]).prints("web\n");
    assert_eq!(leftovers(&host, &[id]), Vec::<String>::new());
}

#[test]
fn a_healthy_container_says_so() {
    let Some(host) = box_host() else { return };
    let health = ["--health-cmd", "true", "--health-interval", "100ms"];
    host.run(&[&["run", "-d", "--name", "web"], &health[..], &["box:1", "sleep", "1000"]].concat()).succeeds();
    // From the first moment on there is a health to look at.
    assert_ne!(state(&host, "web", "{{.State.Health.Status}}"), "");
    until("it is healthy", || state(&host, "web", "{{.State.Health.Status}}") == "healthy");
    assert!(host.run(&["ps"]).succeeds().contains("(healthy)"));
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn health_is_checked_in_the_foreground_too() {
    let Some(host) = box_host() else { return };
    let health = ["--health-cmd", "true", "--health-interval", "100ms"];
    let words = [&["run", "--name", "web"], &health[..], &["box:1", "sleep", "1000"]].concat();
    let mut child = host.command(&words).stdout(std::process::Stdio::null()).spawn().unwrap();
    until("it is healthy", || host.run(&["ps"]).succeeds().contains("(healthy)"));
    host.run(&["kill", "web"]).prints("web\n");
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

#[test]
fn images_in_use_stay() {
    let Some(host) = box_host() else { return };
    let id = id(&host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "1000"]).succeeds());
    let image = host.run(&["images", "-q", "box:1"]).succeeds().trim_end().to_owned();
    let short = &id[..12];
    host.run(&["rmi", "box:1"]).fails(
        1,
        &format!(
            "Error response from daemon: conflict: unable to remove repository reference \"box:1\" (must force) - \
             container {short} is using its referenced image {image}"
        ),
    );
    host.run(&["rmi", "-f", &image]).fails(
        1,
        &format!(
            "Error response from daemon: conflict: unable to delete {image} (cannot be forced) - image is being used by \
             running container {short}"
        ),
    );
    host.run(&["image", "prune", "-af"]).succeeds();
    host.run(&["stop", "-t", "0", "web"]).succeeds();
    host.run(&["rmi", &image]).fails(
        1,
        &format!(
            "Error response from daemon: conflict: unable to delete {image} (must be forced) - image is being used by \
             stopped container {short}"
        ),
    );
    // What it stands on is all there.
    host.run(&["start", "web"]).prints("web\n");
    host.run(&["rm", "-f", "web"]).succeeds();
}
