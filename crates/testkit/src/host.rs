//! A machine of its own for each test: a store, a home and an environment that nothing else uses.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use tempfile::TempDir;

/// A sandboxed user of the program under test.
pub struct Host {
    place: TempDir,
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// How a command ended and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The words after the program's name, for messages.
    pub words: String,
    /// Exit code; 128 + n after signal n.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Host {
    /// A host with nothing in it. `program` is the binary under test: `env!("CARGO_BIN_EXE_wharfie")`.
    ///
    /// # Panics
    /// When there is no place for temporary files.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let place = TempDir::with_prefix("wharfie-test-").expect("temporary files can be made");
        std::fs::create_dir(place.path().join("home")).expect("the folder is new");
        Self { place, program: program.into(), environment: Vec::new() }
    }

    /// Adds a variable to the environment of every command.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A folder for the test's own files, removed with the host.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Where the store is.
    pub fn store(&self) -> PathBuf {
        self.place.path().join("store")
    }

    /// Docker's configuration folder.
    pub fn docker_config(&self) -> PathBuf {
        self.place.path().join("home/.docker")
    }

    /// Writes a file of the test's own and gives its path.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.place.path().join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).expect("the host's own folder takes folders");
        }
        std::fs::write(&path, bytes).expect("the host's own folder takes files");
        path
    }

    /// A command line, not yet started: the environment is set, nothing is inherited but the path.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_under(&[], words)
    }

    /// As [`Self::command`], started by another program, given with the words that come before ours.
    pub fn command_under(&self, wrapper: &[&str], words: &[&str]) -> Command {
        let mut command = match wrapper {
            [] => Command::new(&self.program),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.program);
                command
            }
        };
        command
            .args(words)
            .current_dir(self.place.path())
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.place.path().join("home"))
            .env("TZ", "UTC")
            .env("WHARFIE_ROOT", self.store())
            .env("WHARFIE_CONFIG", self.place.path().join("config.toml"))
            .env("WHARFIE_RETRY_UNIT_MS", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command with nothing on its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, words: &[&str]) -> Outcome {
        self.run_with(words, b"")
    }

    /// Runs a command with `input` on its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_with(&self, words: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program under test can be started");
        let mut stdin = child.stdin.take().expect("it was asked for");
        let pid = child.id();
        let (ended, end) = mpsc::channel::<()>();
        let output = std::thread::scope(|scope| {
            // A command that does not read its input closes the pipe; that is its right.
            scope.spawn(move || stdin.write_all(input));
            scope.spawn(move || end_if_it_hangs(pid, words, &end));
            let output = child.wait_with_output().expect("a started program ends");
            drop(ended);
            output
        });
        Outcome::of(words, &output)
    }
}

/// A command that has not ended by now never will: no test is about how long something takes.
const HANGS: Duration = Duration::from_secs(600);

/// Kills a command that hangs and says what everybody was waiting for: else all that a run of the tests in the dark would
/// tell is that it took too long. Returns once nobody can send on `end` any more.
fn end_if_it_hangs(pid: u32, words: &[&str], end: &Receiver<()>) {
    if end.recv_timeout(HANGS) == Err(RecvTimeoutError::Disconnected) {
        return;
    }
    // Past what the test harness keeps to itself until the test has ended.
    let _ = writeln!(std::io::stderr(), "killed, it hung: {pid}: {}\n{}", words.join(" "), everybody());
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    if end.recv_timeout(HANGS / 60) == Err(RecvTimeoutError::Timeout) {
        let _ = writeln!(std::io::stderr(), "somebody still has its output open");
        std::process::abort();
    }
}

/// Every process of the machine with its parent, its state and where in the kernel it waits.
fn everybody() -> String {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        if words.is_empty() {
            continue;
        }
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let state: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().take(2).collect();
        let waits = String::from_utf8_lossy(&read("wchan")).into_owned();
        let short: String = words.chars().take(200).collect();
        lines.push(format!("{} {} {waits} {short}", entry.file_name().to_string_lossy(), state.join(" ")));
    }
    lines.join("\n")
}

impl Outcome {
    /// The outcome of a finished process.
    pub fn of(words: &[&str], output: &std::process::Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Self {
            words: words.join(" "),
            code: code.unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Insists on success and gives what was printed.
    ///
    /// # Panics
    /// When the command failed.
    #[track_caller]
    pub fn succeeds(self) -> String {
        assert_eq!(self.code, 0, "`{}` failed:\n{}{}", self.words, self.stdout, self.stderr);
        self.stdout
    }

    /// Insists on success and on what is printed, nothing on stderr.
    ///
    /// # Panics
    /// When anything is different.
    #[track_caller]
    pub fn prints(self, expected: &str) {
        let (code, stdout, stderr) = (self.code, self.stdout.as_str(), self.stderr.as_str());
        assert_eq!((code, stdout, stderr), (0, expected, ""), "`{}`", self.words);
    }

    /// Insists on failure with this code and this text on stderr, nothing on stdout. Lines that say what to do count only if
    /// the text has some.
    ///
    /// # Panics
    /// When anything is different.
    #[track_caller]
    pub fn fails(self, code: i32, stderr: &str) {
        let expected = format!("{stderr}\n");
        let said = if stderr.contains("\n help: ") { self.stderr.clone() } else { self.words_without_help() };
        assert_eq!((self.code, self.stdout.as_str(), said.as_str()), (code, "", &*expected), "`{}`", self.words);
    }

    /// What stands on standard error but for the lines that say what to do: those are wharfie's own, and docker's words are
    /// above them.
    pub fn words_without_help(&self) -> String {
        self.stderr.split_inclusive('\n').filter(|line| !line.starts_with(" help: ")).collect()
    }
}
