//! Containers of an ordinary user.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;
use wharfie_runtime::{IdMap, Lower, Network, Share, Spec, UserNamespace};

use crate::harness::{Container, busybox, init, skipped};

/// Nobody's number, in a range that distributions leave alone.
const USER: u32 = 61_234;

/// A container of that user, in a directory that it owns, with a copy of our program that it may execute.
struct Rootless {
    directory: TempDir,
    spec: Spec,
    /// What `/etc/subuid` says while it runs.
    ranges: Option<String>,
}

impl Rootless {
    fn shell(script: &str) -> Self {
        let mut spec = Container::shell(script).spec;
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let own = |path: &Path| chown(path, Some(USER), Some(USER)).expect("root may give away");
        own(directory.path());
        for (name, place) in [("upper", &mut spec.rootfs.upper), ("work", &mut spec.rootfs.work)] {
            *place = directory.path().join(name);
            std::fs::create_dir(&place).expect("the directory is new");
            own(place);
        }
        spec.rootfs.lowers = vec![Lower::Directory(layer().to_owned())];
        let program = directory.path().join("init");
        // By another process: a child that another test starts meanwhile must not hold it open for writing.
        let copied = Command::new("cp").arg(init()).arg(&program).status().expect("cp can be run");
        assert!(copied.success(), "the init can be copied");
        own(&program);
        let one = IdMap { inside: 0, outside: USER, count: 1 };
        spec.user_namespace = Some(UserNamespace { uids: vec![one], gids: vec![one] });
        Self { directory, spec, ranges: None }
    }

    fn with(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    fn with_ranges(mut self) -> Self {
        let more = IdMap { inside: 1, outside: 700_000, count: 65_536 };
        let namespace = self.spec.user_namespace.as_mut().expect("it is rootless");
        namespace.uids.push(more);
        namespace.gids.push(more);
        self.ranges = Some(format!("{USER}:700000:65536\n"));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `init` with `words`, as the user.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        let mut script = String::from("exec setpriv --reuid \"$0\" --regid \"$0\" --clear-groups \"$@\"");
        if let Some(ranges) = &self.ranges {
            let file = self.path("ranges");
            std::fs::write(&file, ranges).expect("the directory is there");
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("it is ours");
            // `newuidmap` wants its caller to have a name.
            let users = self.path("users");
            let known = std::fs::read_to_string("/etc/passwd").expect("there are users");
            let line = format!("wharfie-test:x:{USER}:{USER}::/:/bin/sh\n");
            std::fs::write(&users, known + &line).expect("the directory is there");
            std::fs::set_permissions(&users, PermissionsExt::from_mode(0o644)).expect("it is ours");
            let (file, users) = (file.display(), users.display());
            let binds = [("subuid", file.to_string()), ("subgid", file.to_string()), ("passwd", users.to_string())];
            for (name, file) in binds {
                script = format!("mount --bind {file} /etc/{name} && {script}");
            }
        }
        command.args(["-m", "sh", "-c", &script, &USER.to_string()]).arg(self.path("init")).args(words);
        command
    }

    fn run(&self) -> Output {
        let file = self.path("spec.json");
        std::fs::write(&file, serde_json::to_vec(&self.spec).expect("it is plain data")).expect("it can be written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("it is ours");
        self.command(&["run", &file.to_string_lossy()]).output().expect("unshare and setpriv are installed")
    }

    #[track_caller]
    fn says(&self, expected: &str) {
        let output = self.run();
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((said.trim_end(), output.status.code()), (expected, Some(0)), "stderr: {errors}");
    }
}

/// The layer as an ordinary user's store has it: all files are the user's.
fn layer() -> &'static Path {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let script = "cp -a \"$0/.\" \"$1\" && chown -hR \"$2:$2\" \"$1\"";
        let status =
            Command::new("sh").args(["-c", script]).arg(busybox()).arg(root.path()).arg(USER.to_string()).status();
        assert!(status.expect("there is a shell").success());
        root
    });
    root.path()
}

/// False, with a word about it, where an ordinary user cannot have namespaces.
fn possible() -> bool {
    let script = format!("exec setpriv --reuid {USER} --regid {USER} --clear-groups unshare -Ur true");
    let output = Command::new("sh").args(["-c", &script]).output().expect("there is a shell");
    if !output.status.success() {
        skipped(&format!("no user namespaces here: {}", String::from_utf8_lossy(&output.stderr)));
    }
    output.status.success()
}

#[test]
fn one_id_is_enough_for_root_alone() {
    if !possible() {
        return;
    }
    Rootless::shell(
        "id -u; hostname; echo x > /new && cat /new; ls /sys/class/net; cat /proc/self/uid_map | tr -s ' '",
    )
    .says(&format!("0\nbox\nx\nlo\n 0 {USER} 1"));
    Rootless::shell(
        "echo x > /dev/null; ls /dev/pts; head -c 2 /dev/zero | wc -c; mount -t tmpfs x /tmp || echo refused",
    )
    .says("ptmx\n2\nrefused");
    let output = Rootless::shell("exit 5").run();
    assert_eq!(output.status.code(), Some(5));
    let output = Rootless::shell("true").with(|spec| spec.process.args = vec!["nope".to_owned()]).run();
    assert_eq!(output.status.code(), Some(127), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_hosts_namespaces_can_be_used() {
    if !possible() {
        return;
    }
    let net = std::fs::read_link("/proc/self/ns/net").unwrap();
    Rootless::shell("readlink /proc/self/ns/net; ls -d /sys/class")
        .with(|spec| {
            spec.network = Network::Host;
            spec.sharing.uts = Share::Host;
        })
        .says(&format!("{}\n/sys/class", net.display()));
}

#[test]
fn ranges_make_other_users_possible() {
    if !possible() {
        return;
    }
    if Command::new("newuidmap").output().is_err() {
        skipped("newuidmap (package uidmap) is not installed");
        return;
    }
    if !Path::new("/etc/subuid").exists() || !Path::new("/etc/subgid").exists() {
        skipped("there are no /etc/subuid and /etc/subgid to stand in for");
        return;
    }
    Rootless::shell("id -u; id -G; touch /tmp/own; stat -c %u /tmp/own")
        .with_ranges()
        .with(|spec| spec.process.user = "app".to_owned())
        .with(|spec| spec.mounts = vec![tmp()])
        .says("1000\n1001 10\n1000");
}

fn tmp() -> wharfie_runtime::Mount {
    let kind = wharfie_runtime::MountKind::Tmpfs(wharfie_runtime::Tmpfs::default());
    wharfie_runtime::Mount { target: "/tmp".into(), kind, read_only: false }
}

#[test]
fn deleted_files_of_layers_stay_deleted() {
    if !possible() {
        return;
    }
    let container = Rootless::shell("rm /etc/plain && ls /etc | grep -c plain; true");
    container.says("0");
    container.with(|spec| spec.process.args = ["ls", "/etc"].map(str::to_owned).to_vec()).says("group\nmtab\npasswd");
}

#[test]
fn a_second_process_can_join() {
    if !possible() {
        return;
    }
    let container = Rootless::shell("echo up > /up; while [ ! -e /stop ]; do sleep 0.02; done");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| container.run());
        let target = container.path("spec.target");
        while !container.spec.rootfs.upper.join("up").exists() || !target.exists() {
            assert!(!running.is_finished(), "it ended");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let joined =
            container.command(&["exec", &target.to_string_lossy(), "sh", "-c", "hostname; touch /stop"]).output();
        let joined = joined.unwrap();
        let errors = String::from_utf8_lossy(&joined.stderr);
        assert_eq!(String::from_utf8_lossy(&joined.stdout), "box\n", "{errors}");
        assert_eq!(running.join().unwrap().status.code(), Some(0));
    });
}
