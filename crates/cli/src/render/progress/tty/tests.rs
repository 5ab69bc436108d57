//! Whole outputs, escapes shown as `\e`, carriage returns as `\r`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::fixture::{Screen, Tasks, diff_id, layer, upload};
use super::*;

/// A terminal of `width` columns whose clock stands still until it is moved, in milliseconds.
fn terminal(width: usize) -> (Tty, Screen, Screen, Arc<AtomicU64>) {
    let (out, err, time) = (Screen::default(), Screen::default(), Arc::new(AtomicU64::new(0)));
    let now = time.clone();
    let clock: Clock = Box::new(move || Duration::from_millis(now.load(Ordering::Relaxed)));
    (Tty::new(out.writer(), err.writer(), clock, Box::new(move || width)), out, err, time)
}

fn check(screen: &Screen, expected: &[&str]) {
    let shown = screen.text().replace('\x1b', "\\e").replace('\r', "\\r").replace('\n', "\\n");
    assert_eq!(shown, expected.concat());
}

#[test]
fn a_pull_of_two_layers() {
    let (tty, out, _, time) = terminal(0);
    let mut tasks = Tasks::new(&tty);
    let resolve = tasks.began(Subject::Resolve { tag: "1".to_owned(), repository: "x".to_owned() });
    let bottom = tasks.began(Subject::Fetch(layer('7')));
    let top = tasks.began(Subject::Fetch(layer('8')));
    tasks.advanced(bottom, 36_450, Some(1_065_000));
    tasks.advanced(bottom, 40_000, Some(1_065_000));
    time.store(2_000, Ordering::Relaxed);
    tasks.advanced(bottom, 500_000, Some(1_065_000));
    tasks.ended(top, Outcome::Exists);
    tasks.verified(bottom);
    tasks.advanced(bottom, 1_065_000, Some(1_065_000));
    tasks.ended(bottom, Outcome::Done);
    tasks.ended(resolve, Outcome::Manifest { digest: layer('a').digest, size: 1 });
    tty.line("Status: Downloaded newer image for x:1");
    let full = format!("[{}>]", "=".repeat(50));
    check(
        &out,
        &[
            r"1: Pulling from x\n",
            r"\n\e[1A\e[2K\r777777777777: Pulling fs layer \r\e[1B",
            r"\n\e[1A\e[2K\r888888888888: Pulling fs layer \r\e[1B",
            r"\e[2A\e[2K\r777777777777: Downloading [=>                                                 ]  36.45kB/1.065MB\r\e[2B",
            r"\e[2A\e[2K\r777777777777: Downloading [=======================>                           ]    500kB/1.065MB 2s (231.8kB/s)\r\e[2B",
            r"\e[1A\e[2K\r888888888888: Already exists \r\e[1B",
            r"\e[2A\e[2K\r777777777777: Verifying Checksum \r\e[2B",
            r"\e[2A\e[2K\r777777777777: Download complete \r\e[2B",
            &format!(r"\e[2A\e[2K\r777777777777: Extracting {full}  1.065MB/1.065MB\r\e[2B"),
            r"\e[2A\e[2K\r777777777777: Pull complete \r\e[2B",
            &format!(r"Digest: sha256:{}\n", "a".repeat(64)),
            r"Status: Downloaded newer image for x:1\n",
        ],
    );
}

#[test]
fn a_line_that_scrolls_begins_a_new_block() {
    let (tty, out, err, _) = terminal(80);
    let mut tasks = Tasks::new(&tty);
    let first = tasks.began(upload('d'));
    tasks.advanced(first, 1_000, Some(2_000));
    tasks.ended(first, Outcome::Done);
    tasks.began(Subject::Push { repository: "HOST/x".to_owned() });
    let second = tasks.began(upload('d'));
    tasks.retrying(second, 5);
    tasks.ended(second, Outcome::Mounted("ns/app".to_owned()));
    tty.observe(Event::Warned(wharfie_content::Warning::Note("note".to_owned())));
    tasks.began(upload('e'));
    check(
        &out,
        &[
            r"\n\e[1A\e[2K\rdddddddddddd: Preparing \r\e[1B",
            r"\e[1A\e[2K\rdddddddddddd: Pushing      1kB/2kB\r\e[1B",
            r"\e[1A\e[2K\rdddddddddddd: Pushed \r\e[1B",
            r"The push refers to repository [HOST/x]\n",
            r"\n\e[1A\e[2K\rdddddddddddd: Preparing \r\e[1B",
            r"\e[1A\e[2K\rdddddddddddd: Retrying in 5 seconds \r\e[1B",
            r"\e[1A\e[2K\rdddddddddddd: Mounted from ns/app \r\e[1B",
            r"\n\e[1A\e[2K\reeeeeeeeeeee: Preparing \r\e[1B",
        ],
    );
    check(&err, &[r"note\n"]);
}

#[test]
fn what_processes_write_scrolls() {
    let (tty, out, _, _) = terminal(80);
    let mut tasks = Tasks::new(&tty);
    let task = tasks.began(upload('d'));
    tasks.wrote(task, "one\ntwo\n");
    check(&out, &[r"\n\e[1A\e[2K\rdddddddddddd: Preparing \r\e[1B", r"one\ntwo\n"]);
}

#[test]
fn archives() {
    let (tty, out, _, _) = terminal(80);
    let mut tasks = Tasks::new(&tty);
    let load = tasks.began(Subject::Load { diff_id: Some(diff_id('1')) });
    tasks.advanced(load, 32_770, Some(2_007_000));
    tasks.ended(load, Outcome::Done);
    let unnamed = tasks.began(Subject::Load { diff_id: None });
    tasks.advanced(unnamed, 1, Some(2));
    let import = tasks.began(Subject::Import { from: "http://x/".to_owned() });
    tasks.advanced(import, 3_000, None);
    check(
        &out,
        &[
            r"\n\e[1A\e[2K\r111111111111: Loading layer  32.77kB/2.007MB\r\e[1B",
            r"\n\e[1A\e[2K\rImporting      3kB\r\e[1B",
        ],
    );
}

#[test]
fn redraws_are_ten_a_second_and_no_line_wraps() {
    let (tty, out, _, time) = terminal(20);
    let mut tasks = Tasks::new(&tty);
    let task = tasks.began(Subject::Fetch(layer('1')));
    for step in 0..1_000 {
        time.store(step, Ordering::Relaxed);
        tasks.advanced(task, step, Some(1_000_000));
    }
    let text = out.text();
    assert_eq!(text.matches("Downl").count(), 10);
    assert!(
        text.split('\r').all(|line| crate::render::width::columns(line) <= 20 || line.starts_with('\x1b')),
        "{text:?}"
    );
}
