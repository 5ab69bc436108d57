//! RUN: a command in a container of its own, and what it changed as a layer.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharfie_build::plan::{Mount as WantedMount, Network as Wanted, Run, Security as WantedSecurity, Workdir};
use wharfie_content::{Stream, Task};
use wharfie_layer::graft::{Graft, Style};
use wharfie_oci::{Digest, Platform};
use wharfie_runtime::{
    Capabilities, Exit, Files as SmallFiles, Io, Mount, Network, Own, Process, Runtime, Security, Spec, Started,
    UserNamespace,
};
use wharfie_store::build_cache::{StepRow, StepTurn};
use wharfie_store::{Scratch, Store};

use super::copy::{chain, of_layer, owner_of};
use super::error::BuildError;
use super::fetch::file_error;
use super::key::{Key, SO_FAR};
use super::mounts::{Mounts, mount_directory, mount_parts};
use super::request::{StepNetwork, Terminal};
use super::worker::{Done, Ground, Worker};
use crate::container::rootfs::MOUNT_POINTS;
use crate::container::settings::Settings;
use crate::container::spec::{hosts_of, resolver_of};
use crate::container::{network, random};
use crate::engine::Engine;
use crate::error::{Error, Result};

impl Worker<'_, '_> {
    /// Does RUN on top of `ground`.
    pub(super) fn run(&self, run: &Run, ground: &Ground<'_>) -> Result<Done> {
        self.check_allowed(run)?;
        for mount in &run.mounts {
            if let WantedMount::Cache(cache) = mount {
                self.exports.mount(&cache.id, &mount_directory(&cache.id));
            }
        }
        // What is mounted from elsewhere must be there before it is known what the step is made of.
        let bound = self.bound_trees(run, ground)?;
        let key = self.run_key(run, ground, &bound);
        let digest = key.digest();
        let recall =
            || -> Result<Option<(Key, StepRow)>> { Ok(self.find_step(&digest)?.map(|step| (key.clone(), step))) };
        self.once(&digest, ground, &recall, || {
            self.explain(ground, &key, None)?;
            let scratch = self.lease.scratch(ground.layers.to_vec())?;
            let mounts = self.mounts(run, ground, &bound)?;
            let skip = skipped(&mounts);
            let code = self.execute(run, ground, &scratch, &mounts, None)?;
            if code != 0 {
                if let Some(terminal) = &self.build.shell_on_error {
                    ground.task.note(format!("exit code: {code}: a shell in the step, exit ends the build"));
                    self.execute(run, ground, &scratch, &mounts, Some(terminal))?;
                }
                let command = run.arguments.join(" ");
                return Err(BuildError::Command { command, code }.into());
            }
            let layer = scratch.capture_changes(self.lease, skip, ground.epoch)?;
            let size = layer.as_ref().map_or(0, |layer| layer.content_size);
            let step = self.result(&key, layer.as_ref().map(|layer| &layer.diff_id), size, ground);
            self.store.record_step(&step)?;
            Ok((key.clone(), step, false, None))
        })
    }

    /// Does WORKDIR: makes a directory that is missing.
    pub(super) fn workdir(&self, workdir: &Workdir, ground: &Ground<'_>) -> Result<Done> {
        let key = Key::new("WORKDIR")
            .with(SO_FAR, chain(ground.layers))
            .with("the directory", &workdir.path)
            .with("the user", workdir.user.as_deref().unwrap_or_default())
            .with("SOURCE_DATE_EPOCH", ground.epoch_word());
        let digest = key.digest();
        let recall =
            || -> Result<Option<(Key, StepRow)>> { Ok(self.find_step(&digest)?.map(|step| (key.clone(), step))) };
        self.once(&digest, ground, &recall, || {
            let below = self.view(ground)?;
            let below = below.as_ref().map(AsFd::as_fd);
            let maker = match workdir.user.as_deref() {
                Some(user) if !user.is_empty() => match owner_of(below, user) {
                    // Nobody asked for an owner: that the user is missing is said where something is run as it.
                    Err(Error::Build(BuildError::Owner(_))) => (0, 0),
                    owner => owner?,
                },
                _ => (0, 0),
            };
            let style = Style { maker, now: self.moment(), latest: self.latest(), ..Style::default() };
            let target = match below {
                Some(below) => {
                    use wharfie_layer::resolve::{Last, resolve};
                    let found = resolve(below, workdir.path.as_bytes(), Last::Followed);
                    let found = found.map_err(|why| super::files::cannot_read(workdir.path.as_bytes(), why))?;
                    if found.kind().is_some_and(|kind| kind != rustix::fs::FileType::Directory) {
                        return Err(BuildError::NotADirectory(workdir.path.clone()).into());
                    }
                    found.path
                }
                None => super::placing::clean(&workdir.path),
            };
            let write = |out: &mut dyn io::Write| -> Result<bool> {
                let mut nobody = ();
                let mut graft = Graft::new(below, &style, &mut nobody, out);
                graft.make_directory(&target).map_err(of_layer)?;
                Ok(graft.finish().map_err(of_layer)?.1)
            };
            self.explain(ground, &key, None)?;
            let (is_anything, layer) = self.lease.ingest_written(write)?;
            let layer = Some(layer.diff_id).filter(|_| is_anything);
            let step = self.result(&key, layer.as_ref(), 0, ground);
            self.store.record_step(&step)?;
            Ok((key.clone(), step, false, None))
        })
    }

    /// The stage's files as they are, read-only; `None` if there are none.
    pub(super) fn view(&self, ground: &Ground<'_>) -> Result<Option<OwnedFd>> {
        match ground.layers.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.store.view(ground.layers, &wharfie_store::mounts::View::Image)?)),
        }
    }

    fn check_allowed(&self, run: &Run) -> Result<()> {
        if run.network == Wanted::Host && !self.build.allowed.network_host {
            return Err(BuildError::NotAllowed("network.host").into());
        }
        if run.security == WantedSecurity::Insecure && !self.build.allowed.security_insecure {
            return Err(BuildError::NotAllowed("security.insecure").into());
        }
        Ok(())
    }

    fn run_key(&self, run: &Run, ground: &Ground<'_>, bound: &[super::mounts::Bound]) -> Key {
        let words = |list: &[String]| serde_json::to_string(list).unwrap_or_default();
        let mut key = Key::new("RUN").with(SO_FAR, chain(ground.layers)).with("the command", words(&run.arguments));
        for (name, value) in &run.environment {
            key = key.with(format!("the variable {name}"), value);
        }
        for file in &run.files {
            key = key.with(format!("the script {}", file.name), &file.body);
        }
        for (name, value) in mount_parts(run, bound) {
            key = key.with(name, value);
        }
        let hosts: Vec<String> = self.build.extra_hosts.iter().map(|host| host.name.clone()).collect();
        let limits: Vec<String> = self.build.ulimits.iter().map(ToString::to_string).collect();
        key.with("the directory", &run.directory)
            .with("the user", &run.user)
            .with("the network", format!("{:?} {:?}", run.network, self.build.network))
            .with("--security", format!("{:?}", run.security))
            .with("--add-host", words(&hosts))
            .with("--ulimit", words(&limits))
            .with("the platform", ground.platform.to_string())
            .with("SOURCE_DATE_EPOCH", ground.epoch_word())
    }

    /// Runs the command, or a shell in its place on the user's terminal; gives the exit code.
    fn execute(
        &self,
        run: &Run,
        ground: &Ground<'_>,
        scratch: &Scratch,
        mounts: &Mounts<'_>,
        shell: Option<&Terminal>,
    ) -> Result<u8> {
        let engine = self.engine;
        let container = Container::begin(self)?;
        ground.task.started(&container.id[..12]);
        let (network, warning) = match (run.network, self.build.network) {
            (Wanted::None, _) | (Wanted::Default, StepNetwork::None) => (Network::None, None),
            (Wanted::Host, _) | (Wanted::Default, StepNetwork::Host) => (Network::Host, None),
            (Wanted::Default, StepNetwork::Default) => network::for_step(engine, &container.id),
        };
        if let Some(warning) = warning {
            ground.task.note(warning);
        }
        let (rootfs, mut handed) = engine.rootfs_of(scratch, true)?;
        let first = handed.len();
        let (mut all, descriptors) = mounts.numbered(first)?;
        handed.extend(descriptors);
        all.sort_by_key(|mount: &Mount| mount.target.components().count());
        let is_insecure = run.security == WantedSecurity::Insecure;
        let mut env: Vec<String> = Vec::with_capacity(run.environment.len() + run.proxies.len());
        for (name, value) in run.proxies.iter().chain(&run.environment).chain(&mounts.variables) {
            env.push(format!("{name}={value}"));
        }
        let mut spec = Spec {
            id: container.id.clone(),
            hostname: HOSTNAME.to_owned(),
            rootfs,
            process: Process {
                args: match shell {
                    Some(_) => vec![SHELL.to_owned()],
                    None => run.arguments.clone(),
                },
                env,
                cwd: run.directory.clone(),
                user: run.user.clone(),
                capabilities: if is_insecure { Capabilities::ALL } else { Capabilities::DEFAULT },
                rlimits: self.build.ulimits.iter().map(crate::container::words::Ulimit::to_runtime).collect(),
                ..Process::default()
            },
            mounts: all,
            files: self.small_files(scratch, &network)?,
            network,
            resources: self.build.resources.clone(),
            cgroup_parent: self.build.cgroup_parent.clone(),
            security: Security { privileged: is_insecure, ..Security::default() },
            die_with_parent: true,
            ..Spec::default()
        };
        if self.build.shm_size > 0 {
            spec.shm_size = self.build.shm_size;
        }
        if engine.config().is_rootless {
            spec.user_namespace = Some(UserNamespace::for_container()?);
        }
        let runtime = Own { program: engine.config().program.clone() };
        if let Some(terminal) = shell {
            let io = terminal.io().map_err(pipe_error)?;
            let started = runtime.start(&spec, handed, io).map_err(|why| of_start(why, run, ground.platform))?;
            return self.wait(&started);
        }
        let (out, out_writer) = io::pipe().map_err(pipe_error)?;
        let (err, err_writer) = io::pipe().map_err(pipe_error)?;
        let io = Io { stdin: None, stdout: Some(out_writer.into()), stderr: Some(err_writer.into()) };
        let started = runtime.start(&spec, handed, io).map_err(|why| of_start(why, run, ground.platform))?;
        let code = std::thread::scope(|scope| {
            for (stream, pipe) in [(Stream::Stdout, OwnedFd::from(out)), (Stream::Stderr, OwnedFd::from(err))] {
                let task = ground.task;
                scope.spawn(move || pump(pipe, stream, task));
            }
            self.wait(&started)
        })?;
        Ok(code)
    }

    /// Waits for a command, or ends it when the build is called off.
    fn wait(&self, started: &Started) -> Result<u8> {
        let limit = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            if self.observer.check().is_err() {
                started.cgroup.kill();
                let _ = started.wait();
                return Err(Error::Cancelled);
            }
            let mut fds = [PollFd::new(&started.pidfd, PollFlags::IN)];
            if matches!(poll(&mut fds, Some(&limit)), Ok(1..)) {
                break;
            }
        }
        let exit: Exit = started.wait()?;
        Ok(exit.code())
    }

    /// What stands in `/etc` of the container and is not the image's.
    fn small_files(&self, scratch: &Scratch, network: &Network) -> Result<SmallFiles> {
        let settings = Settings { extra_hosts: self.build.extra_hosts.clone(), ..Settings::default() };
        let directory = scratch.upper.parent().unwrap_or(Path::new("/"));
        let write = |name: &str, text: &str| -> Result<Option<PathBuf>> {
            let path = directory.join(name);
            std::fs::write(&path, text).map_err(file_error("write", &path))?;
            Ok(Some(path))
        };
        Ok(SmallFiles {
            hosts: write("hosts", &hosts_of(&settings, network, ""))?,
            resolv_conf: write("resolv.conf", &resolver_of(&settings, network))?,
            hostname: None,
        })
    }
}

/// The shell that a failed step is looked at with.
const SHELL: &str = "/bin/sh";

/// What steps call the machine they are on.
const HOSTNAME: &str = "buildkitsandbox";

/// The container of a step. Its name is locked as long as it is there, so that nobody takes its address for a lost one.
struct Container<'a> {
    engine: &'a Engine,
    store: &'a Store,
    cgroup_parent: Option<&'a str>,
    id: String,
    name: Digest,
    turn: Option<StepTurn>,
}

impl<'a> Container<'a> {
    fn begin(worker: &Worker<'a, '_>) -> Result<Self> {
        let Worker { engine, store, build, .. } = *worker;
        let cgroup_parent = build.cgroup_parent.as_deref();
        loop {
            let name = Digest::of(&random::bytes::<32>()?);
            if let Some(turn) = store.try_step(&name)? {
                let id = name.hex().to_owned();
                return Ok(Self { engine, store, cgroup_parent, id, name, turn: Some(turn) });
            }
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        forget(self.engine, &self.id, self.cgroup_parent);
        if let Some(turn) = self.turn.take() {
            self.store.end_step(&self.name, turn);
        }
    }
}

/// Takes away what a step's container has left on the machine.
pub(super) fn forget(engine: &Engine, id: &str, cgroup_parent: Option<&str>) {
    let subnets = if engine.config().is_rootless { Vec::new() } else { vec![network::subnet(engine)] };
    let _ = wharfie_runtime::cleanup(id, cgroup_parent, &subnets);
}

/// Hands on what a command writes.
fn pump(pipe: OwnedFd, stream: Stream, task: &Task<'_>) {
    let mut pipe = std::fs::File::from(pipe);
    let mut buffer = vec![0; CHUNK];
    while let Ok(n @ 1..) = pipe.read(&mut buffer) {
        task.output(stream, &buffer[..n]);
    }
}

/// 32 KiB: half of what a pipe holds.
const CHUNK: usize = 32 << 10;

/// Paths that are there only because something is mounted on them.
fn skipped(mounts: &Mounts<'_>) -> BTreeSet<Vec<u8>> {
    let targets = mounts.targets().map(|target| target.trim_matches('/').as_bytes().to_vec());
    MOUNT_POINTS.iter().map(|path| path.as_bytes().to_vec()).chain(targets).collect()
}

fn pipe_error(source: io::Error) -> Error {
    Error::File { doing: "make", path: "a pipe".into(), source }
}

/// A program of another platform cannot be run without an emulator.
fn of_start(why: wharfie_runtime::Error, run: &Run, platform: &Platform) -> Error {
    let is_foreign = platform.architecture != Platform::host().architecture;
    if is_foreign && matches!(why, wharfie_runtime::Error::NotExecutable { .. }) {
        return BuildError::Platform(platform.to_string()).into();
    }
    BuildError::NotStarted { command: run.arguments.join(" "), source: Box::new(why.into()) }.into()
}
