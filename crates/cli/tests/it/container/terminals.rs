//! `run -it` on a real pseudo-terminal.

use std::io::{Read, Write};
use std::process::Stdio;

use wharfie_testkit::Host;

use super::box_host;
use super::lifecycle::until;
use crate::terminal::terminal;

#[test]
fn a_shell_on_a_terminal() {
    let Some(host) = box_host() else { return };
    let mut command = terminal(&host, 77, &["run", "--rm", "-it", "box:1", "sh"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bsdutils is installed");
    let (mut keys, mut screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    keys.write_all(b"tty; stty -a; test -t 2 && echo all of it\nexit 6\n").unwrap();
    let mut shown = String::new();
    screen.read_to_string(&mut shown).unwrap();
    assert!(shown.contains("/dev/pts/0\r\n"), "{shown:?}");
    assert!(shown.contains("columns 77;"), "{shown:?}");
    assert!(shown.contains("\nall of it\r\n"), "{shown:?}");
    assert_eq!(child.wait().unwrap().code(), Some(6), "{shown:?}");
}

/// Runs `words` in a terminal, types `keys` once `ready` is on the screen, and gives all that was shown until it ended.
fn type_when_ready(host: &Host, words: &[&str], keys: &[u8]) -> String {
    let mut child =
        terminal(host, 80, words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bsdutils is installed");
    let (mut typed, mut screen) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    let mut shown = Vec::new();
    let mut byte = [0];
    while !shown.ends_with(b"ready\r\n") && screen.read(&mut byte).is_ok_and(|n| n > 0) {
        shown.push(byte[0]);
    }
    assert!(typed.write_all(keys).is_ok(), "{}", String::from_utf8_lossy(&shown));
    screen.read_to_end(&mut shown).expect("the pipe is read");
    child.wait().expect("it was started");
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn detach_keys_leave_it_running() {
    let Some(host) = box_host() else { return };
    let script = "'echo ready; exec sleep 1000'";
    type_when_ready(&host, &["run", "-it", "--name", "web", "box:1", "sh", "-c", script], b"\x10\x11");
    host.run(&["inspect", "-f", "{{.State.Status}}", "web"]).prints("running\n");
    // A further process keeps its terminal, and lives.
    let further = "'echo ready; read x; echo $x > /read; tty > /tty; touch /done; exec sleep 1000'";
    let shown = type_when_ready(&host, &["exec", "-it", "web", "sh", "-c", further], b"\x10\x10\x11");
    assert!(shown.contains("read escape sequence"), "{shown}");
    let living = host.run(&["top", "web"]).succeeds();
    assert!(living.contains("read x"), "{living}{shown}");
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn detach_keys_are_the_users() {
    let Some(host) = box_host() else { return };
    let config = host.path().join("own");
    std::fs::create_dir(&config).unwrap();
    std::fs::write(config.join("config.json"), r#"{"detachKeys":"ctrl-x,y"}"#).unwrap();
    let config = config.to_string_lossy().into_owned();
    let words =
        ["--config", &config, "run", "-it", "--name", "web", "box:1", "sh", "-c", "'echo ready; exec sleep 1000'"];
    type_when_ready(&host, &words, b"\x18y");
    let words = ["--config", &config, "exec", "-it", "--detach-keys", "ctrl-a", "web", "sh", "-c", "'echo ready; cat'"];
    assert!(type_when_ready(&host, &words, b"\x01").contains("read escape sequence"));
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_terminal_needs_one() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--rm", "-it", "box:1", "sh"]).fails(1, "the input device is not a TTY");
}

#[test]
fn who_asks_three_times_gets_out() {
    let Some(host) = box_host() else { return };
    // As process 1 it hears nothing that it does not ask for.
    let mut run = host.command(&["run", "--name", "web", "--network", "none", "box:1", "sleep", "1000"]);
    let mut run = run.stderr(Stdio::piped()).spawn().unwrap();
    until("it runs", || host.run(&["ps", "-q"]).stdout.len() > 1);
    let pid = rustix::process::Pid::from_raw(run.id().cast_signed()).unwrap();
    let mut asked = 0;
    until("it is gone", || {
        asked += 1;
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        run.try_wait().unwrap().is_some()
    });
    assert!(asked >= 3, "{asked}");
    assert_eq!(run.wait().unwrap().code(), Some(137));
    host.run(&["inspect", "-f", "{{.State.Status}}", "web"]).prints("exited\n");
}

#[test]
fn archives_end_silently_when_nobody_reads() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "web", "box:1"]).succeeds();
    for words in ["save box:1", "export web", "cp web:/bin -"] {
        let script = format!("\"$0\" {words} | head -c 1 > /dev/null; echo ${{PIPESTATUS[0]}}");
        let output = host.command_under(&["bash", "-c", &script], &[]).output().unwrap();
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((&*said, &*complained), ("141\n", ""), "{words}");
    }
}
