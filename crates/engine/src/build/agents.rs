//! Ssh agents for steps. A step talks to a socket of its own, which no path of this machine leads to. Behind it, listing keys
//! and signing go on to the agent of whoever builds; everything else (adding keys, removing them, locking the agent) is refused.
//!
//! Keys that are given as files are held by an `ssh-agent` that is started for the build: what they can be is its matter.
//! Source: draft-ietf-sshm-ssh-agent, sections 3 and 5.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat};
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Pid, Signal, kill_process};
use wharfie_build::plan::Ownership;

use super::error::BuildError;
use super::mounts::{MEMORY_FILE, memory_tree};
use super::request::AgentSource;
use crate::error::{Error, Result};

/// The agents of a build by their ids.
#[derive(Default)]
pub(super) struct Agents(BTreeMap<String, Agent>);

enum Agent {
    /// Somebody else's, at its socket.
    Socket(PathBuf),
    /// Our own.
    Keys(KeyAgent),
}

impl Agents {
    /// Starts an agent for every id that has keys instead of one.
    ///
    /// # Errors
    /// When there is no `ssh-agent`, or it does not take a key.
    pub(super) fn start(sources: &BTreeMap<String, AgentSource>) -> Result<Self> {
        let start = |(id, source): (&String, &AgentSource)| {
            let agent = match source {
                AgentSource::Socket(path) => Agent::Socket(path.clone()),
                AgentSource::Keys(keys) => Agent::Keys(KeyAgent::start(id, keys)?),
            };
            Ok((id.clone(), agent))
        };
        sources.iter().map(start).collect::<Result<_>>().map(Self)
    }

    /// A socket for a step that leads to the agent called `id`; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn forward(&self, id: &str, ownership: &Ownership) -> Result<Option<Forward>> {
        let socket = match self.0.get(id) {
            None => return Ok(None),
            Some(Agent::Socket(path)) => path.clone(),
            Some(Agent::Keys(agent)) => socket_in(&agent.tree),
        };
        Forward::open(socket, ownership).map(Some).map_err(|why| failed(id, why.to_string()))
    }
}

/// An `ssh-agent` with keys, which ends with us however we end.
struct KeyAgent {
    /// Where its socket is.
    tree: OwnedFd,
    pid: Option<Pid>,
    /// Whom it is there for: it ends when the pipe to it does.
    until: Child,
}

impl KeyAgent {
    fn start(id: &str, keys: &[PathBuf]) -> Result<Self> {
        let tree = memory_tree().map_err(|why| failed(id, why.to_string()))?;
        let socket = socket_in(&tree);
        let missing = |why: io::Error| match why.kind() {
            io::ErrorKind::NotFound => failed(id, "the program ssh-agent is not installed".to_owned()),
            _ => failed(id, why.to_string()),
        };
        let mut command = Command::new("ssh-agent");
        command.arg("-a").arg(&socket).args(["sh", "-c", "echo \"$SSH_AGENT_PID\"; exec cat >/dev/null"]);
        let mut until =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(missing)?;
        // It tells its number when it listens.
        let mut line = String::new();
        let _ = BufReader::new(until.stdout.take().expect("asked for")).read_line(&mut line);
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let mut agent = Self { tree, pid, until };
        if agent.pid.is_none() {
            let mut said = String::new();
            let _ = agent.until.stderr.take().expect("asked for").take(SAID).read_to_string(&mut said);
            return Err(failed(id, said.trim().to_owned()));
        }
        let mut add = Command::new("ssh-add");
        // Nobody is asked for a passphrase in the middle of a build.
        add.env("SSH_AUTH_SOCK", &socket).env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "/bin/false");
        let added = add.arg("-q").args(keys).stdin(Stdio::null()).output().map_err(missing)?;
        if !added.status.success() {
            let said = String::from_utf8_lossy(&added.stderr).trim().to_owned();
            let names: Vec<_> = keys.iter().map(|key| key.display().to_string()).collect();
            return Err(failed(id, format!("ssh-add takes no key of {}: {said}", names.join(", "))));
        }
        Ok(agent)
    }
}

impl Drop for KeyAgent {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        drop(self.until.stdin.take());
        let _ = self.until.wait();
    }
}

/// A step's socket, as long as the step runs.
pub(super) struct Forward {
    tree: OwnedFd,
    listener: Arc<UnixListener>,
    accepting: Option<JoinHandle<()>>,
}

impl Forward {
    fn open(agent: PathBuf, ownership: &Ownership) -> io::Result<Self> {
        let tree = memory_tree()?;
        let socket = socket_in(&tree);
        let listener = Arc::new(UnixListener::bind(&socket)?);
        let (uid, gid) = (Uid::from_raw(ownership.uid.unwrap_or(0)), Gid::from_raw(ownership.gid.unwrap_or(0)));
        chownat(&tree, MEMORY_FILE, Some(uid), Some(gid), AtFlags::empty())?;
        chmodat(&tree, MEMORY_FILE, Mode::from_raw_mode(ownership.mode.unwrap_or(0o600)), AtFlags::empty())?;
        let accepted = Arc::clone(&listener);
        let accepting = std::thread::Builder::new().spawn(move || accept(&accepted, &agent))?;
        Ok(Self { tree, listener, accepting: Some(accepting) })
    }

    /// A file system with nothing in it but the socket, which is called [`MEMORY_FILE`].
    pub(super) fn tree(&self) -> io::Result<OwnedFd> {
        self.tree.try_clone()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Wakes whoever waits for the next connection.
        let _ = shutdown(&self.listener, Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// The socket in a tree that is attached nowhere, as a path.
fn socket_in(tree: &OwnedFd) -> PathBuf {
    format!("/proc/{}/fd/{}/{MEMORY_FILE}", std::process::id(), tree.as_raw_fd()).into()
}

/// Serves connections until nobody wants them any more.
fn accept(listener: &UnixListener, agent: &Path) {
    let live = Arc::new(AtomicUsize::new(0));
    while let Ok((client, _)) = listener.accept() {
        if live.fetch_add(1, Ordering::Relaxed) >= MOST {
            live.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (agent, count) = (agent.to_owned(), Arc::clone(&live));
        let relayed = std::thread::Builder::new().spawn(move || {
            let _ = UnixStream::connect(agent).and_then(|agent| relay(client, agent));
            count.fetch_sub(1, Ordering::Relaxed);
        });
        if relayed.is_err() {
            live.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Passes requests on that only read, and answers; refuses the others.
fn relay(mut client: impl Read + Write, mut agent: impl Read + Write) -> io::Result<()> {
    while let Some(request) = message(&mut client)? {
        let answer = match request.first() {
            Some(&(LIST | SIGN)) => {
                put(&mut agent, &request)?;
                message(&mut agent)?.ok_or(io::ErrorKind::UnexpectedEof)?
            }
            _ => vec![FAILURE],
        };
        put(&mut client, &answer)?;
    }
    Ok(())
}

/// The next message; `None` at the end.
fn message(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut len = [0; 4];
    match from.read_exact(&mut len) {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(why) => return Err(why),
    }
    let len = u32::from_be_bytes(len);
    if len > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; len as usize];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

fn put(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let len = u32::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    to.write_all(&[&len.to_be_bytes(), message].concat())
}

fn failed(id: &str, why: String) -> Error {
    BuildError::Agent { id: id.to_owned(), why }.into()
}

/// `SSH_AGENTC_REQUEST_IDENTITIES`.
const LIST: u8 = 11;
/// `SSH_AGENTC_SIGN_REQUEST`.
const SIGN: u8 = 13;
/// `SSH_AGENT_FAILURE`.
const FAILURE: u8 = 5;
/// 256 KiB: OpenSSH takes no longer message either.
const LONGEST: u32 = 256 << 10;
/// Connections of a step at once.
const MOST: usize = 64;
/// 4 KiB of what a program says are enough.
const SAID: u64 = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read, and where what is written goes.
    struct Ends<'a>(&'a [u8], Vec<u8>);

    impl Read for Ends<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Ends<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_listing_and_signing_reach_the_agent() {
        // List, remove all, lock, add, sign.
        let asked =
            [&[0, 0, 0, 1, 11][..], &[0, 0, 0, 1, 19], &[0, 0, 0, 2, 22, 0], &[0, 0, 0, 1, 17], &[0, 0, 0, 2, 13, 9]];
        let asked = asked.concat();
        let answers = [&[0, 0, 0, 1, 12][..], &[0, 0, 0, 1, 14]].concat();
        let (mut client, mut agent) = (Ends(&asked, Vec::new()), Ends(&answers, Vec::new()));
        relay(&mut client, &mut agent).unwrap();
        assert_eq!(agent.1, [0, 0, 0, 1, 11, 0, 0, 0, 2, 13, 9]);
        assert_eq!(client.1, [0, 0, 0, 1, 12, 0, 0, 0, 1, 5, 0, 0, 0, 1, 5, 0, 0, 0, 1, 5, 0, 0, 0, 1, 14]);
    }

    #[test]
    fn long_and_broken_messages_end_the_connection() {
        for asked in [&[0xff, 0, 0, 0, 11][..], &[0, 0, 0, 9, 11], &[0, 0, 0, 1, 11]] {
            let (mut client, mut agent) = (Ends(asked, Vec::new()), Ends(&[], Vec::new()));
            assert!(relay(&mut client, &mut agent).is_err(), "{asked:?}");
            assert!(client.1.is_empty());
        }
    }
}
