//! The starter's side: running our own program again as an init, handing it everything, and waiting for its word.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mount::{MountAttrFlags, OpenTreeFlags};
use rustix::process::{WaitId, WaitIdOptions};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Handover, Report};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::spec::{Process, Seccomp, Spec};
use crate::sys::{self, Reach};
use crate::target::Target;
use crate::warning::Warning;
use crate::{Cgroup, INIT_WORD, process_table, rlimit, seccomp};

/// What the process reads and writes. `None` is `/dev/null`. With a terminal none of them is used.
#[derive(Debug, Default)]
pub struct Io {
    /// Standard input.
    pub stdin: Option<OwnedFd>,
    /// Standard output.
    pub stdout: Option<OwnedFd>,
    /// Standard error.
    pub stderr: Option<OwnedFd>,
}

/// A process that has been started: the command runs.
#[derive(Debug)]
pub struct Started {
    /// Its id as the caller sees it. For a container it is process 1 inside.
    pub pid: u32,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// The other end of its terminal, if it asked for one.
    pub terminal: Option<OwnedFd>,
    /// When it started, in ticks since boot: with `pid`, an identity that does not come again.
    pub start_time: u64,
    /// Where it is accounted.
    pub cgroup: Cgroup,
    /// What did not go as asked.
    pub warnings: Vec<Warning>,
    pub(crate) kind: Kind,
}

/// What a handle to this process needs to know besides.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Container(Box<Target>),
    Joined,
}

impl Started {
    /// Waits for its end. Only the process that started it can.
    ///
    /// # Errors
    /// When somebody else has waited for it already.
    pub fn wait(&self) -> Result<Exit> {
        wait(self.pidfd.as_fd())
    }

    /// What other processes need to handle this container later; `None` for a process that joined one.
    pub fn target(&self) -> Option<Target> {
        match &self.kind {
            Kind::Container(target) => Some(Target::clone(target)),
            Kind::Joined => None,
        }
    }
}

/// What the init is to do, as it is written to the sealed file.
#[derive(Debug, Serialize)]
#[serde(rename = "Job")]
enum JobRef<'a> {
    Start(&'a Spec),
    Exec(&'a Target, &'a Process),
}

/// What the init is to do, as it is read from the sealed file.
#[derive(Debug, Deserialize)]
pub(crate) enum Job {
    /// Make a container.
    Start(Box<Spec>),
    /// Join one.
    Exec(Box<Target>, Box<Process>),
}

/// Starts a container and returns when its command runs. `lowers` are the mounts that [`crate::Lower::Fd`] counts;
/// `init_program` is a program that calls [`crate::init_main`] when its first argument is [`INIT_WORD`].
///
/// The calling thread becomes the parent: with `die_with_parent` the container ends when it does.
///
/// # Errors
/// Whatever keeps the command from running; nothing of the container is left then.
pub fn start(spec: &Spec, lowers: Vec<OwnedFd>, io: Io, init_program: &Path) -> Result<Started> {
    if spec.process.args.is_empty() {
        return Err(Error::NoCommand);
    }
    if let Seccomp::Profile(text) = &spec.security.seccomp {
        seccomp::check(text)?;
    }
    let job = JobRef::Start(spec);
    let mut started = launch(&job, &spec.id, &lowers, io, init_program).inspect_err(|_| {
        // The init could not: it was in there itself.
        let _ = Cgroup::find(spec.cgroup_parent.as_deref(), &spec.id).remove();
    })?;
    // The overlay holds what it needs.
    drop(lowers);
    started.start_time = process_table::start_time(started.pid).unwrap_or(0);
    started.kind = Kind::Container(Box::new(Target {
        pid: started.pid,
        start_time: started.start_time,
        cgroup: started.cgroup.clone(),
        security: spec.security.clone(),
        has_user_namespace: spec.user_namespace.is_some(),
        foreign: None,
    }));
    Ok(started)
}

/// Runs one more process in a running container of our own, with the same walls around it.
///
/// # Errors
/// When the container is not running, or the command cannot be run.
pub fn exec(target: &Target, process: &Process, io: Io, init_program: &Path) -> Result<Started> {
    if process.args.is_empty() {
        return Err(Error::NoCommand);
    }
    target.check()?;
    let job = JobRef::Exec(target, process);
    let mut started = launch(&job, "exec", &[], io, init_program)?;
    started.start_time = process_table::start_time(started.pid).unwrap_or(0);
    started.cgroup = target.cgroup.clone();
    Ok(started)
}

impl Started {
    /// Reads the process's terminal and forgets what comes, from a process of its own that ends with the terminal: who
    /// started it wants to go, and a terminal that nobody holds hangs up.
    ///
    /// # Errors
    /// When no further process can be started.
    pub fn leave_terminal(&mut self, init_program: &Path) -> Result<()> {
        let Some(terminal) = self.terminal.take() else { return Ok(()) };
        let mut command = Command::new(init_program);
        command.arg0("wharfie").args([INIT_WORD, KEEPER_WORD]).env_clear().current_dir("/");
        command.stdin(Stdio::from(terminal)).stdout(Stdio::null()).stderr(Stdio::null());
        // The end of the caller's own terminal is not this one's.
        command.process_group(0);
        command.spawn().map(drop).map_err(Error::system("keep the terminal"))
    }
}

/// What [`crate::init_main`] gets instead of a name when it only keeps a terminal.
pub(crate) const KEEPER_WORD: &str = "__terminal";

fn launch(job: &JobRef<'_>, name: &str, lowers: &[OwnedFd], io: Io, init_program: &Path) -> Result<Started> {
    for needed in ["/proc/self", "/dev/null"] {
        if !Path::new(needed).exists() {
            return Err(Error::Bare(needed.trim_end_matches("/self").to_owned()));
        }
    }
    let sealed =
        sealed(&serde_json::to_vec(job).map_err(std::io::Error::from).map_err(Error::system("write the spec"))?)?;
    let (ours, theirs) = Channel::pair()?;
    let (path, _held) = protected(init_program)?;
    let mut child = Command::new(&path)
        .arg0("wharfie")
        .args([INIT_WORD, name])
        // What stays of it for the container's network keeps nobody's directory busy.
        .current_dir("/")
        .args(rlimit::files_word())
        .env_clear()
        .stdin(Stdio::from(theirs.into_fd()))
        .stdout(Stdio::null())
        .spawn()
        .map_err(Error::system(format!("run {}", init_program.display())))?;
    let outcome = hand_over(&ours, &sealed, lowers, io).and_then(|()| listen(&ours));
    // It ends by itself once the container stands, or when the channel closes.
    drop(ours);
    let _ = child.wait();
    outcome
}

fn hand_over(channel: &Channel, sealed: &OwnedFd, lowers: &[OwnedFd], io: Io) -> Result<()> {
    let stdio = [io.stdin, io.stdout, io.stderr];
    let mut files: Vec<BorrowedFd<'_>> = vec![sealed.as_fd()];
    files.extend(stdio.iter().flatten().map(AsFd::as_fd));
    let present = [stdio[0].is_some(), stdio[1].is_some(), stdio[2].is_some()];
    channel.send(&Handover { lowers: lowers.len(), stdio: present }, &files)?;
    channel.send_files(lowers)
}

/// Takes reports until the channel closes: by success, since it closes on execution, or by failure.
fn listen(channel: &Channel) -> Result<Started> {
    let mut started: Option<Started> = None;
    let mut terminal = None;
    let mut warnings = Vec::new();
    let mut failure = None;
    while let Some((report, mut files)) = channel.receive::<Report>()? {
        match report {
            Report::Started { pid, cgroup } => {
                let pidfd = files.pop().ok_or(Error::InitDied)?;
                let (warnings, terminal, start_time) = (Vec::new(), None, 0);
                started = Some(Started { pid, pidfd, terminal, start_time, cgroup, warnings, kind: Kind::Joined });
            }
            Report::Terminal => terminal = files.pop(),
            Report::Warned(warning) => warnings.push(warning),
            Report::Failed(why) => failure = failure.or(Some(why)),
        }
    }
    let Some(mut started) = started else { return Err(failure.unwrap_or(Error::InitDied)) };
    if let Some(why) = failure {
        let _ = sys::send_signal(started.pidfd.as_fd(), libc::SIGKILL);
        let _ = started.wait();
        return Err(why);
    }
    (started.terminal, started.warnings) = (terminal, warnings);
    Ok(started)
}

pub(crate) fn wait(pidfd: BorrowedFd<'_>) -> Result<Exit> {
    loop {
        match rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED) {
            Ok(Some(status)) => return Ok(Exit::from_wait(&status)),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(why) => return Err(Error::system("wait for the container")(why)),
        }
    }
}

/// Bytes in a file that nobody can change any more, not even who wrote them.
fn sealed(bytes: &[u8]) -> Result<OwnedFd> {
    let failed = "make a sealed file";
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create("wharfie-spec", flags).map_err(Error::system(failed))?;
    let mut file = std::fs::File::from(fd);
    std::io::Write::write_all(&mut file, bytes).map_err(Error::system(failed))?;
    std::io::Seek::rewind(&mut file).map_err(Error::system(failed))?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, seals).map_err(Error::system(failed))?;
    Ok(file.into())
}

/// Our own program by a path that cannot be written through.
///
/// A container can make its init execute `/proc/self/exe`, or look at it from beside, and then holds our program open
/// (CVE-2019-5736). Root sees it through a read-only mount that nobody else has. Who cannot mount, and could be
/// tricked into overwriting the file, runs a sealed copy of it.
fn protected(program: &Path) -> Result<(PathBuf, Option<OwnedFd>)> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mounted = rustix::mount::open_tree(rustix::fs::CWD, program, flags).and_then(|mount| {
        let set = sys::set_mount_attributes(&mount, Reach::One, MountAttrFlags::MOUNT_ATTR_RDONLY, 0);
        set.map(|()| mount).map_err(|why| rustix::io::Errno::from_io_error(&why).unwrap_or(rustix::io::Errno::IO))
    });
    let held = match mounted {
        Ok(mount) => mount,
        Err(_) if rustix::fs::access(program, rustix::fs::Access::WRITE_OK).is_err() => {
            return Ok((program.to_owned(), None));
        }
        Err(_) => sealed(&std::fs::read(program).map_err(Error::system(format!("read {}", program.display())))?)?,
    };
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&held));
    Ok((path.into(), Some(held)))
}
