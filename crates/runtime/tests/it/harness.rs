//! A container for a test: what it runs, what it said, how it ended.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use wharfie_runtime::{Error, Exit, Io, Lower, Spec, Started, start};

/// How a container ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A container on busybox, with its own upper directory.
pub(crate) struct Container {
    pub(crate) spec: Spec,
    pub(crate) directory: TempDir,
}

impl Container {
    /// One that runs `script` in a shell.
    pub(crate) fn shell(script: &str) -> Self {
        Self::new(&["/bin/sh", "-c", script])
    }

    /// One that runs `words`.
    pub(crate) fn new(words: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let (upper, work) = (directory.path().join("upper"), directory.path().join("work"));
        for path in [&upper, &work] {
            std::fs::create_dir(path).expect("the directory is new");
        }
        let mut spec = Spec {
            id: format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)),
            hostname: "box".to_owned(),
            ..Spec::default()
        };
        spec.rootfs.lowers = vec![Lower::Directory(busybox().to_owned())];
        (spec.rootfs.upper, spec.rootfs.work) = (upper, work);
        spec.process.args = words.iter().map(|word| (*word).to_owned()).collect();
        spec.process.env = vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned(), "A=1".to_owned()];
        Self { spec, directory }
    }

    /// Changes the specification.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// Puts something into the image before it starts.
    pub(crate) fn image(self, change: impl FnOnce(&Path)) -> Self {
        change(&self.spec.rootfs.upper);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Outcome {
        self.try_run().expect("the container starts")
    }

    /// Runs it to its end, if it starts.
    pub(crate) fn try_run(&self) -> Result<Outcome, Error> {
        let ((out, stdout), (err, stderr)) = (pipe(), pipe());
        let io = Io { stdin: None, stdout: Some(stdout), stderr: Some(stderr) };
        let started = start(&self.spec, Vec::new(), io, init())?;
        let (stdout, stderr) = (read(out), read(err));
        let exit = started.wait()?;
        started.cgroup.remove()?;
        Ok(Outcome { exit, stdout, stderr })
    }

    /// Starts it and lets it run. `Running` cleans up when it is dropped.
    pub(crate) fn spawn(&self) -> Running {
        let (out, stdout) = pipe();
        let io = Io { stdin: None, stdout: Some(stdout), stderr: None };
        let started = start(&self.spec, Vec::new(), io, init()).expect("the container starts");
        Running { started, stdout: out }
    }

    /// Expects success and this output.
    #[track_caller]
    pub(crate) fn says(&self, expected: &str) {
        let outcome = self.run();
        assert_eq!((outcome.stdout.trim_end(), outcome.exit), (expected, Exit::Code(0)), "stderr: {}", outcome.stderr);
    }
}

/// A container that runs.
pub(crate) struct Running {
    pub(crate) started: Started,
    pub(crate) stdout: File,
}

impl Running {
    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.stdout.read(&mut byte).expect("a pipe can be read") == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("it speaks UTF-8")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(target) = self.started.target() {
            target.kill_all();
        }
        let _ = self.started.wait();
        let _ = self.started.cgroup.remove();
    }
}

/// Says why a test did nothing.
#[expect(clippy::print_stderr, reason = "a test that cannot run must not look like one that passed")]
pub(crate) fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Both ends of a pipe.
pub(crate) fn pipe() -> (File, OwnedFd) {
    let (read, write) = std::io::pipe().expect("a pipe can be made");
    (File::from(OwnedFd::from(read)), write.into())
}

/// All that comes until the other end is closed.
pub(crate) fn read(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).expect("a pipe can be read");
    text
}

/// The program that is the containers' init: an example of this crate, built beside the tests.
pub(crate) fn init() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let test = std::env::current_exe().expect("the test has a path");
        let target = test.parent().and_then(Path::parent).expect("tests are built in target/PROFILE/deps");
        let path = target.join("examples/runtime-init");
        assert!(path.exists(), "{} is missing: build the examples too", path.display());
        path
    })
}

/// A root file system of busybox, made once and shared as a layer.
pub(crate) fn busybox() -> &'static Path {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let at = |path: &str| root.path().join(path);
        for directory in ["bin", "etc", "proc", "sys", "dev", "tmp", "root", "home/app"] {
            std::fs::create_dir_all(at(directory)).expect("the directory is new");
        }
        let program = Path::new("/bin/busybox");
        std::fs::copy(program, at("bin/busybox")).expect("busybox-static is installed");
        let list = std::process::Command::new(program).arg("--list").output().expect("busybox runs");
        for name in String::from_utf8_lossy(&list.stdout).lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", at("bin").join(name)).expect("the name is new");
        }
        let files = [
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n"),
            ("etc/group", "root:x:0:\nwheel:x:10:app\napp:x:1001:\n"),
            ("etc/plain", "not a program\n"),
        ];
        for (path, text) in files {
            std::fs::write(at(path), text).expect("the file is new");
        }
        let temporary = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
        std::fs::set_permissions(at("tmp"), temporary).expect("it is ours");
        // Whoever the container runs as may look at it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.path(), open).expect("it is ours");
        root
    });
    root.path()
}
