//! A program that serves all tests of this process, and ends with it however that ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A running program; its keeper ends it when this process is gone.
#[derive(Debug)]
pub struct Service {
    keeper: Child,
    pid: Pid,
}

/// Starts the program, says its number, waits for the end of standard input, and ends it.
const KEEPER: &str = "\"$0\" \"$@\" < /dev/null > /dev/null 2>&1 & echo $!; cat > /dev/null; kill -9 $!";
/// Waits for the end of standard input, and for what is killed then, and removes a folder.
const CLEANER: &str = "cat > /dev/null; sleep 1; rm -rf \"$0\"";

impl Service {
    /// Starts it; `None` if there is no such program.
    ///
    /// # Panics
    /// When there is no shell.
    pub fn start(program: &Path, words: &[&str]) -> Option<Self> {
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER]).arg(program).args(words);
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = keeper.spawn().expect("there is a shell");
        let mut line = String::new();
        let _said = BufReader::new(keeper.stdout.take().expect("it was asked for")).read_line(&mut line);
        let Some(pid) = line.trim().parse().ok().and_then(Pid::from_raw) else {
            let _reaped = keeper.wait();
            return None;
        };
        Some(Self { keeper, pid })
    }

    /// Ends it as a machine ends whose power is cut.
    pub fn kill(mut self) {
        // The keeper has not waited for it, so the number is nobody else's.
        let _already_gone = kill_process(self.pid, Signal::KILL);
        drop(self.keeper.stdin.take());
        let _reaped = self.keeper.wait();
    }

    /// Has a folder removed when this process is gone.
    ///
    /// # Panics
    /// When there is no shell.
    pub fn clean(folder: &Path) -> Child {
        let mut cleaner = Command::new("sh");
        cleaner.args(["-c", CLEANER]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        cleaner.spawn().expect("there is a shell")
    }
}
