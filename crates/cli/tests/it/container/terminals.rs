//! `run -it` on a real pseudo-terminal.

use std::io::{Read, Write};
use std::process::Stdio;

use super::box_host;
use crate::terminal::terminal;

#[test]
fn a_shell_on_a_terminal() {
    let Some(host) = box_host() else { return };
    let mut command = terminal(&host, 77, &["run", "--rm", "-it", "box:1", "sh"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bsdutils is installed");
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    keys.write_all(b"tty; stty -a; test -t 2 && echo all of it\nexit 6\n").unwrap();
    let mut shown = String::new();
    screen.read_to_string(&mut shown).unwrap();
    assert!(shown.contains("/dev/pts/0\r\n"), "{shown:?}");
    assert!(shown.contains("columns 77;"), "{shown:?}");
    assert!(shown.contains("\nall of it\r\n"), "{shown:?}");
    assert_eq!(child.wait().unwrap().code(), Some(6), "{shown:?}");
}

#[test]
fn detach_keys_leave_it_running() {
    let Some(host) = box_host() else { return };
    let words = ["run", "-it", "--name", "web", "box:1", "sh", "-c", "'echo ready; exec sleep 1000'"];
    let mut child = terminal(&host, 80, &words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut byte = [0];
    while !shown.ends_with(b"ready\r\n") && screen.read(&mut byte).is_ok_and(|n| n > 0) {
        shown.push(byte[0]);
    }
    assert!(keys.write_all(b"\x10\x11").is_ok(), "{}", String::from_utf8_lossy(&shown));
    screen.read_to_end(&mut shown).unwrap();
    child.wait().unwrap();
    host.run(&["inspect", "-f", "{{.State.Status}}", "web"]).prints("running\n");
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_terminal_needs_one() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "--rm", "-it", "box:1", "sh"]).fails(1, "the input device is not a TTY");
}
