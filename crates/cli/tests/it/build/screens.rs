//! Builds on a real pseudo-terminal: the live tree, and a shell in the step that failed.

use std::io::{Read, Write};
use std::process::Stdio;

use super::{box_host, context};
use crate::terminal::terminal;

/// What is left of a screen's text without colours and moves of the cursor.
fn plain(shown: &str) -> String {
    let mut out = String::new();
    let mut rest = shown.chars();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => {
                // CSI: parameters, then a letter.
                let _ = rest.find(char::is_ascii_alphabetic);
            }
            '\r' => {}
            other => out.push(other),
        }
    }
    out
}

#[test]
fn a_terminal_shows_steps_with_their_times_and_the_last_lines_of_what_runs() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1\nRUN for i in 1 2 3 4 5 6 7 8 9; do echo said-$i; sleep 0.1; done\nCOPY a /a\n";
    context(&host, &[("Dockerfile", text), ("a", "1")]);
    let output = terminal(&host, 90, &["build", "-t", "web:1", "ctx"]).output().expect("bsdutils is installed");
    let raw = String::from_utf8(output.stdout).expect("the program writes text");
    let shown = plain(&raw);
    assert!(output.status.success(), "{shown}");
    assert!(raw.contains("\u{1b}["), "nothing is drawn anew: {raw:?}");
    assert!(shown.contains("said-9"), "{shown}");
    // At the end: what was done, a line for each, with its time, and no log of what went well.
    let last = &shown[shown.rfind("[+]").expect("a headline")..];
    assert!(last.contains("FINISHED"), "{last}");
    for label in ["[2/3] RUN for i in", "[3/3] COPY a /a"] {
        let line = last.lines().find(|line| line.contains(label)).unwrap_or_else(|| panic!("no {label}: {last}"));
        assert!(line.trim_end().ends_with('s'), "{line}");
        assert!(line.chars().count() <= 90, "{line}");
    }
    assert!(!last.contains("said-9"), "{last}");
}

#[test]
fn a_failed_step_can_be_looked_at_with_a_shell() {
    let Some(host) = box_host() else { return };
    let text =
        "FROM box:1\nENV WORD=kept\nRUN --mount=type=cache,target=/c echo in-cache > /c/f; echo here > /made; false\n";
    context(&host, &[("Dockerfile", text)]);
    let mut command = terminal(&host, 90, &["build", "--on-error=shell", "ctx"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bsdutils is installed");
    let (mut keys, mut screen) = (child.stdin.take().expect("asked for"), child.stdout.take().expect("asked for"));
    let mut shown = Vec::new();
    let mut byte = [0];
    let mut is_typed = false;
    while screen.read(&mut byte).is_ok_and(|n| n > 0) {
        shown.push(byte[0]);
        if !is_typed && shown.ends_with(b"# ") {
            is_typed = true;
            keys.write_all(b"echo $WORD-$(cat /made)-$(cat /c/f); exit\n").expect("the terminal takes keys");
        }
    }
    child.wait().expect("a started program ends");
    let shown = plain(&String::from_utf8_lossy(&shown));
    assert!(is_typed, "no shell: {shown}");
    assert!(shown.contains("kept-here-in-cache"), "{shown}");
    assert!(shown.contains("did not complete successfully: exit code: 1"), "{shown}");
    host.run(&["ps", "-aq"]).prints("");
    // Without a terminal there is nobody to type.
    let refused = host.run(&["build", "--on-error=shell", "ctx"]);
    assert!(refused.code != 0 && refused.stderr.contains("needs a terminal"), "{}", refused.stderr);
}
