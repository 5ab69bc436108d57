//! Another runtime, runc, crun or youki, at work for us: we write the bundle, it makes the container.
//!
//! All of them understand the same few words. The container becomes our child when the runtime has left, so it is
//! waited for like our own. A bridge is connected between `create` and `start`, when the network is there and nothing
//! runs in it yet. What such a runtime writes down goes beneath our directory, not into its own.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, set_child_subreaper};
use rustix::termios::{Winsize, tcsetwinsize};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::{self, Bundle};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::launch::{Io, Kind, Started};
use crate::runtime::Runtime;
use crate::spec::{Process, Size, Spec};
use crate::target::Target;
use crate::{accounts, net, process_table, sys};

/// A runtime that is a program of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    state: PathBuf,
}

impl Foreign {
    /// The runtime `program`, called `name`, with words that come before every other one. What it and we remember of its containers goes beneath `state`, which is to
    /// be gone after the machine's next start, as its containers are.
    pub fn new(name: &str, program: &Path, args: &[String], state: &Path) -> Self {
        let name = name.replace('/', "-");
        Self { name, program: program.to_owned(), args: args.to_vec(), state: state.to_owned() }
    }

    fn try_start(&self, spec: &Spec, lowers: &[OwnedFd], io: Io) -> Result<Started> {
        let directory = self.bundle(&spec.id);
        // Environments hold secrets.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.state.join("bundles"));
        made.map_err(Error::system(format!("make {}", self.state.join("bundles").display())))?;
        let warnings = bundle::write(spec, lowers, &directory)?.warnings;
        let call = Call { directory: &directory, name: CREATE.to_owned(), size: spec.process.terminal };
        let mut command = self.command();
        command.arg("--log").arg(call.log()).arg("create").arg("--bundle").arg(&directory);
        let (pid, pidfd, terminal) = self.send(command, &call, &[&spec.id], io, &spec.process)?;
        let begun = (|| {
            spec.bridges().try_for_each(|bridge| net::connect(bridge, &spec.id, pid))?;
            if spec.bridges().next().is_some() {
                net::configure_in(pid, &spec.bridges().cloned().collect::<Vec<_>>())?;
            }
            self.tell("start", &spec.id, &[])
        })();
        if let Err(why) = begun {
            let _ = sys::send_signal(pidfd.as_fd(), libc::SIGKILL);
            let _ = crate::launch::wait(pidfd.as_fd());
            return Err(why);
        }
        let start_time = process_table::start_time(pid).unwrap_or(0);
        let cgroup = Cgroup::find(spec.cgroup_parent.as_deref(), &spec.id);
        let target = Target {
            pid,
            start_time,
            cgroup: cgroup.clone(),
            security: spec.security.clone(),
            has_user_namespace: false,
            foreign: Some((self.clone(), spec.id.clone())),
        };
        Ok(Started { pid, pidfd, terminal, start_time, cgroup, warnings, kind: Kind::Container(Box::new(target)) })
    }

    /// Lets the runtime make a process, which is our child afterwards. Gives its id and its terminal.
    fn send(
        &self,
        mut command: Command,
        call: &Call<'_>,
        last: &[&str],
        io: Io,
        process: &Process,
    ) -> Result<(u32, OwnedFd, Option<OwnedFd>)> {
        let (pid_file, console) = (call.file("pid"), call.file("tty"));
        command.arg("--pid-file").arg(&pid_file);
        let listener = match call.size {
            Some(_) => {
                let failed = || Error::system(format!("listen at {}", console.display()));
                let listener = UnixListener::bind(&console).map_err(failed())?;
                command.arg("--console-socket").arg(&console);
                Some(listener)
            }
            None => None,
        };
        let stdio = |end: Option<OwnedFd>| end.map_or_else(Stdio::null, Stdio::from);
        command.args(last).stdin(stdio(io.stdin)).stdout(stdio(io.stdout)).stderr(stdio(io.stderr));
        // What the runtime leaves behind comes to us, for as long as it takes: other orphans are none of ours.
        let one_by_one = ADOPTING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        set_child_subreaper(Pid::from_raw(1)).map_err(Error::system("adopt the container"))?;
        let status = command.status();
        let made = status.map_err(|why| self.missing(why)).and_then(|status| match status.success() {
            true => self.adopted(&pid_file),
            false => Err(self.refusal(call, process)),
        });
        let _ = set_child_subreaper(None);
        drop((one_by_one, command));
        let terminal = match (&made, &listener, call.size) {
            (Ok(_), Some(listener), Some(size)) => Some(receive_terminal(listener, size)),
            _ => None,
        };
        for path in [&pid_file, &console, &call.log()] {
            let _ = std::fs::remove_file(path);
        }
        let (pid, pidfd) = made?;
        Ok((pid, pidfd, terminal.transpose()?))
    }

    fn adopted(&self, pid_file: &Path) -> Result<(u32, OwnedFd)> {
        let text = std::fs::read_to_string(pid_file).map_err(Error::system(format!("read {}", pid_file.display())))?;
        let pid = text.trim().parse::<i32>().ok().and_then(Pid::from_raw).ok_or(Error::InitDied)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(Error::system("open the process"))?;
        Ok((pid.as_raw_nonzero().get().cast_unsigned(), pidfd))
    }

    fn bundle(&self, id: &str) -> PathBuf {
        self.state.join("bundles").join(id)
    }

    fn root(&self) -> PathBuf {
        self.state.join("runtimes").join(&self.name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).arg("--root").arg(self.root()).args(["--log-format", "json"]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn tell(&self, word: &str, id: &str, more: &[&str]) -> Result<()> {
        let output = self.output(self.command().args([word, id]).args(more))?;
        self.heed(word, &output)
    }

    fn output(&self, command: &mut Command) -> Result<Output> {
        command.stdin(Stdio::null()).output().map_err(|why| self.missing(why))
    }

    fn missing(&self, why: std::io::Error) -> Error {
        Error::system(format!("run {}", self.program.display()))(why)
    }

    fn heed(&self, word: &str, output: &Output) -> Result<()> {
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::Foreign { doing: word.to_owned(), output: last_message(&said) })
    }

    fn refusal(&self, call: &Call<'_>, process: &Process) -> Error {
        let said = std::fs::read_to_string(call.log()).unwrap_or_default();
        let doing = if call.name == CREATE { CREATE } else { "exec" };
        refusal(doing, &last_message(&said), process)
    }
}

impl Runtime for Foreign {
    /// The container does not end with us, whatever `die_with_parent` says. Errors are in the runtime's words.
    fn start(&self, spec: &Spec, lowers: Vec<OwnedFd>, io: Io) -> Result<Started> {
        if spec.process.args.is_empty() {
            return Err(Error::NoCommand);
        }
        if spec.init {
            return Err(Error::invalid("runtime", &self.name, "`--init` is a part of wharfie's own"));
        }
        if spec.user_namespace.is_some() {
            return Err(Error::invalid("runtime", &self.name, "only root can use another than wharfie's own"));
        }
        // Of a run that nobody cleaned up behind.
        self.forget(&spec.id)?;
        let result = self.try_start(spec, &lowers, io);
        // The root stays mounted in the container's own view of the mounts.
        let unmounted = bundle::unmount(&self.bundle(&spec.id));
        match result.and_then(|started| unmounted.map(|()| started)) {
            Ok(started) => Ok(started),
            Err(why) => {
                let _ = self.forget(&spec.id);
                let _ = Cgroup::find(spec.cgroup_parent.as_deref(), &spec.id).remove();
                Err(why)
            }
        }
    }

    fn exec(&self, target: &Target, process: &Process, io: Io) -> Result<Started> {
        if process.args.is_empty() {
            return Err(Error::NoCommand);
        }
        let id = id_of(target)?;
        let root = format!("/proc/{}/root", target.pid);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&root, flags, Mode::empty()).map_err(Error::system(format!("open {root}")))?;
        let identity = accounts::look_up(root.as_fd(), &process.user, &process.groups)?;
        target.check()?;
        let mut warnings = Vec::new();
        let document = bundle::process(process, &identity, &mut warnings)?;
        let directory = self.bundle(id);
        // Told apart from those of other processes, and from earlier ones of this one.
        let name = format!("{}.{}", std::process::id(), ERRANDS.fetch_add(1, Ordering::Relaxed));
        let path = directory.join(format!("{name}.json"));
        std::fs::write(&path, document.to_string()).map_err(Error::system(format!("write {}", path.display())))?;
        let call = Call { directory: &directory, name, size: process.terminal };
        let mut command = self.command();
        command.arg("--log").arg(call.log()).args(["exec", "--detach", "--process"]).arg(&path);
        let sent = self.send(command, &call, &[id], io, process);
        let _ = std::fs::remove_file(&path);
        let (pid, pidfd, terminal) = sent?;
        let start_time = process_table::start_time(pid).unwrap_or(0);
        let cgroup = target.cgroup.clone();
        Ok(Started { pid, pidfd, terminal, start_time, cgroup, warnings, kind: Kind::Joined })
    }

    fn kill(&self, target: &Target, signal: u8) -> Result<()> {
        target.check()?;
        self.tell("kill", id_of(target)?, &[&signal.to_string()])
    }

    fn freeze(&self, target: &Target, is_frozen: bool) -> Result<()> {
        self.tell(if is_frozen { "pause" } else { "resume" }, id_of(target)?, &[])
    }

    /// True also if only we remember it.
    fn knows(&self, id: &str) -> bool {
        self.bundle(id).exists() || self.root().join(id).exists()
    }

    /// Ends the container if it runs, and removes its bundle, too.
    fn forget(&self, id: &str) -> Result<()> {
        if self.root().join(id).exists() {
            let output = self.output(self.command().args(["delete", "--force", id]))?;
            self.heed("delete", &output)?;
        }
        let directory = self.bundle(id);
        if !directory.exists() {
            return Ok(());
        }
        bundle::unmount(&directory)?;
        Bundle::remove(&directory).or_else(|_| {
            // Besides the bundle there can be what errands have left whose sender was killed. Nothing is mounted.
            std::fs::remove_dir_all(&directory).map_err(Error::system(format!("remove {}", directory.display())))
        })
    }
}

/// What the runtime calls a container.
fn id_of(target: &Target) -> Result<&str> {
    target.foreign.as_ref().map(|(_, id)| id.as_str()).ok_or(Error::NotRunning)
}

/// A call that makes a process, and its files.
struct Call<'a> {
    directory: &'a Path,
    name: String,
    size: Option<Size>,
}

impl Call<'_> {
    fn file(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.name))
    }

    fn log(&self) -> PathBuf {
        self.file("log")
    }
}

/// The terminal that the runtime has sent before it left, at the size it should have.
fn receive_terminal(listener: &UnixListener, size: Size) -> Result<OwnedFd> {
    let doing = "take the container's terminal";
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    if poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&second)).map_err(Error::system(doing))? == 0 {
        return Err(Error::InitDied);
    }
    let (stream, _) = listener.accept().map_err(Error::system(doing))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // The name of the terminal comes along; nobody needs it.
    let mut bytes = [0; 4096];
    recvmsg(&stream, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
        .map_err(Error::system(doing))?;
    let found = ancillary.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut passed) => passed.next(),
        _ => None,
    });
    let terminal = found.ok_or(Error::InitDied)?;
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).map_err(Error::system("size the terminal"))?;
    Ok(terminal)
}

/// The last error of a log whose lines are JSON objects, or whatever the last line is.
fn last_message(log: &str) -> String {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let message = lines.rfind(|line| line["level"] != "warning" && line["level"] != "debug");
    let message = message.as_ref().and_then(|line| line["msg"].as_str());
    message.or_else(|| log.lines().last()).unwrap_or("it gave no reason").trim().to_owned()
}

/// What a runtime says of a process that it cannot make. Commands that are not there are told apart, because their exit
/// codes are; each runtime has its own words for them.
fn refusal(doing: &str, said: &str, process: &Process) -> Error {
    let command = process.args.first().cloned().unwrap_or_default();
    let lower = said.to_ascii_lowercase();
    let has = |text: &str| lower.contains(text);
    let is_about_command = !has("chdir") && !has("mount") && (said.contains(&command) || has("executable"));
    if has("chdir") && has("no such file or directory") {
        return Error::WorkingDirectory { path: process.cwd.clone(), reason: "no such file or directory".to_owned() };
    }
    let reason = match () {
        () if has("not found in $path") && !command.contains('/') => "executable file not found in $PATH".to_owned(),
        () if is_about_command && (has("no such file or directory") || has("not found in $path")) => {
            format!("stat {command}: no such file or directory")
        }
        () if is_about_command
            && ["permission denied", "not permitted", "exec format error"].iter().any(|why| has(why)) =>
        {
            let reason = if has("exec format error") { "exec format error" } else { "permission denied" };
            return Error::NotExecutable { command, reason: reason.to_owned() };
        }
        () => return Error::Foreign { doing: doing.to_owned(), output: said.to_owned() },
    };
    Error::CommandNotFound { command, reason }
}

const CREATE: &str = "create";
static ERRANDS: AtomicU64 = AtomicU64::new(0);
/// Who adopts orphans is a fact about the whole process.
static ADOPTING: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_words_are_understood() {
        let check = |said: &str, command: &str, expected: &str| {
            let process = Process { args: vec![command.to_owned()], ..Process::default() };
            assert_eq!(refusal("create", said, &process).to_string(), expected);
        };
        let path = "exec: \"nope\": executable file not found in $PATH";
        check("unable to start container process: exec: \"nope\": executable file not found in $PATH", "nope", path);
        check("executable file `nope` not found in $PATH: No such file or directory", "nope", path);
        let stat = "exec: \"/nope\": stat /nope: no such file or directory";
        check("exec: \"/nope\": stat /nope: no such file or directory", "/nope", stat);
        check("open executable: No such file or directory", "/nope", stat);
        check("executable file `/nope` not found in $PATH: No such file or directory", "/nope", stat);
        check("open executable: Operation not permitted", "/etc", "exec: \"/etc\": permission denied");
        check("exec: \"/etc\": permission denied", "/etc", "exec: \"/etc\": permission denied");
        let other = "mount nope to rootfs: no such file or directory";
        check(other, "nope", &format!("OCI runtime create failed: {other}"));
    }

    #[test]
    fn the_last_error_of_a_log_is_its_message() {
        let log = "{\"level\":\"warning\",\"msg\":\"w\"}\n{\"level\":\"error\",\"msg\":\"e\"}\n{\"level\":\"warning\",\"msg\":\"x\"}";
        assert_eq!(last_message(log), "e");
        assert_eq!(last_message("plain\n"), "plain");
        assert_eq!(last_message(""), "it gave no reason");
    }
}
