//! An ordinary user: with one id, and with the ranges of subordinate ids that systems give their users.

mod builds;
mod ids;
mod networks;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, Outcome, Published, TestRegistry, archive, file, needs};

/// `nobody` on Debian.
const NOBODY: u32 = 65534;

/// What the system gives an ordinary user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// No further ids, and no program for a network.
    Nothing,
    /// 65536 further ids, and a device for the programs that are installed.
    Everything,
}

/// The first subordinate id. Nobody needs to have a name for it.
const FIRST: u32 = 1_300_000;

/// A host whose commands are run by nobody, if we are root and can become somebody else. What the system gives them is
/// seen by them alone: each command has a mount namespace of its own.
struct Nobody {
    host: Host,
    given: Given,
}

impl Nobody {
    fn get() -> Option<Self> {
        Self::with(Given::Nothing)
    }

    fn with(given: Given) -> Option<Self> {
        if !needs::root("becoming an ordinary user") {
            return None;
        }
        // Wherever this was built need not be open to everybody.
        let host = Host::new(env!("CARGO_BIN_EXE_wharfie"));
        let own = host.path().join("wharfie");
        // By another process: a child that another test starts meanwhile must not hold it open for writing.
        needs::succeeds(Command::new("cp").arg(env!("CARGO_BIN_EXE_wharfie")).arg(&own), "coreutils");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&own, mode).expect("it is ours");
        let ranges = if given == Given::Everything { format!("{NOBODY}:{FIRST}:65536\n") } else { String::new() };
        host.file("etc/subuid", ranges.as_bytes());
        host.file("etc/subgid", ranges.as_bytes());
        host.file("etc/resolv.conf", format!("nameserver {NAME_SERVER}\nsearch example.test\n").as_bytes());
        let mut change = Command::new("chown");
        needs::succeeds(change.arg("-R").arg(format!("{NOBODY}:{NOBODY}")).arg(host.path()), "coreutils");
        // A stricter program than ours may look at who owns it.
        needs::succeeds(Command::new("chown").arg("-R").arg("0:0").arg(host.path().join("etc")), "coreutils");
        let tun = host.path().join("tun");
        needs::succeeds(Command::new("mknod").args(["-m", "666"]).arg(&tun).args(["c", "10", "200"]), "coreutils");
        let nobody = Self { host, given };
        let probe = needs::output(&mut nobody.command(&["true"], &[]), "util-linux");
        if !probe.status.success() {
            let why = String::from_utf8_lossy(&probe.stderr).trim().to_owned();
            needs::skipped(&format!("a mount namespace with an overlay on /etc cannot be had here: {why}"));
            return None;
        }
        Some(nobody)
    }

    fn command(&self, wrapper: &[&str], words: &[&str]) -> Command {
        let ids = format!("--reuid={NOBODY}");
        let group = format!("--regid={NOBODY}");
        let program = self.host.path().join("wharfie");
        let plain = self.host.command(words);
        let mut command = Command::new("unshare");
        let place = self.host.path().to_string_lossy().into_owned();
        // Two lower directories and no upper one: this works wherever the tests run, and nothing is written.
        let etc = format!("mount -t overlay -o lowerdir={place}/etc:/etc overlay /etc");
        let more = match self.given {
            Given::Everything => format!("[ ! -e /dev/net/tun ] || mount --bind {place}/tun /dev/net/tun"),
            Given::Nothing => "for p in pasta slirp4netns; do [ ! -e /usr/bin/$p ] || \
                               mount --bind /dev/null /usr/bin/$p; done"
                .to_owned(),
        };
        command.args(["--mount", "sh", "-ec", &format!("{etc}; {more}; exec \"$@\""), "sh"]);
        command.args(["setpriv", &ids, &group, "--clear-groups"]).args(wrapper).arg(program).args(words);
        command.current_dir(self.host.path()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    fn run(&self, words: &[&str]) -> Outcome {
        Outcome::of(words, &needs::output(&mut self.command(&[], words), "util-linux"))
    }

    fn load(&self, bytes: &[u8]) {
        let path = self.host.file("image.tar", bytes);
        let mut command = self.command(&[], &["load", "-q"]);
        let child = command.stdin(Stdio::from(fs::File::open(path).expect("it was written")));
        let output = needs::output(child, "util-linux");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.host.path().join(name);
        fs::create_dir(&folder).expect("the folder is new");
        std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root gives folders away");
        folder
    }

    /// Everything in the store that is not nobody's, and what `folders` of it hold.
    fn left_in(&self, folders: &[&str]) -> Vec<String> {
        let find = |arguments: &[&str]| {
            let mut command = Command::new("find");
            command.current_dir(self.host.store()).args(arguments);
            needs::succeeds(&mut command, "findutils")
        };
        let mut left = find(&[".", "!", "-uid", &NOBODY.to_string()]);
        for folder in folders.iter().filter(|folder| self.host.store().join(folder).exists()) {
            left += &find(&[folder, "-mindepth", "1"]);
        }
        left.lines().map(str::to_owned).collect()
    }
}

/// Host processes whose command line has `word` in it, without those that have ended.
fn processes_with(word: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("proc is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_word = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|part| String::from_utf8_lossy(part) == word)
    };
    pids.filter(has_word).collect()
}

/// Waits until something is so; false if it never is.
fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    (0..500).any(|_| {
        let is_so = is_so();
        if !is_so {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        is_so
    })
}

/// A name server of nobody's but the test's, on a loopback address of its own.
const NAME_SERVER: &str = "127.0.0.77";

fn web() -> Image {
    let mut owned = file("etc/owned", "1");
    (owned.0.uid, owned.0.gid) = (33, 33);
    Image::new().with_layer(tar(&[file("etc/gone", "1"), owned, file("opt/below", "1")])).with_layer(tar(&[
        file("etc/.wh.gone", ""),
        file("opt/.wh..wh..opq", ""),
        file("opt/above", "2"),
    ]))
}

#[test]
fn the_whole_life_of_an_image_needs_no_privileges() {
    let Some(nobody) = Nobody::get() else { return };
    let registry = TestRegistry::start();
    let web = web();
    let name = format!("{}/web:1", registry.address());
    nobody.load(&archive(&[(&web, &[&name])]));
    nobody.run(&["images", "-q", "--no-trunc"]).prints(&format!("{}\n", web.id()));
    nobody.run(&["push", "-q", &name]).prints(&format!("{name}\n"));
    nobody.run(&["rmi", &name]).succeeds();
    nobody.run(&["image", "restore", &name]).succeeds();
    nobody.run(&["image", "prune", "-af"]).succeeds();
    nobody.run(&["pull", "-q", &name]).prints(&format!("{name}\n"));
    let saved = needs::output(&mut nobody.command(&[], &["save", &name]), "util-linux");
    assert!(saved.status.success() && saved.stdout.len() > 10_000);
    nobody.run(&["system", "fsck"]).succeeds();
    nobody.run(&["system", "df"]).succeeds();
    nobody.run(&["info"]).succeeds();
    for entry in fs::read_dir(nobody.host.store()).unwrap() {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(entry.unwrap().metadata().unwrap().uid(), NOBODY);
    }
}

#[test]
fn mounting_needs_a_namespace_and_says_so() {
    let Some(nobody) = Nobody::get() else { return };
    nobody.load(&archive(&[(&web(), &["web:1"])]));
    let target = nobody.folder("target");
    let place = target.to_string_lossy().into_owned();
    let refused = nobody.run(&["image", "mount", "web:1", &place]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stderr.contains("`wharfie unshare`"), "{}", refused.stderr);

    let look = format!("\"$0\" image mount web:1 {place} && cd {place} && ls etc opt && cat opt/above");
    let program = nobody.host.path().join("wharfie");
    let words = ["unshare", "sh", "-c", &look, &program.to_string_lossy()];
    let output = nobody.run(&words);
    assert_eq!(output.stdout, "etc:\nowned\n\nopt:\nabove\n2", "{}", output.stderr);
    assert_eq!(nobody.run(&["unshare", "no-such-program"]).code, 127);
}

#[test]
fn somebody_elses_store_is_refused_with_advice() {
    let Some(nobody) = Nobody::get() else { return };
    let store = nobody.host.path().join("roots");
    let root = store.to_string_lossy().into_owned();
    let published = Published::of(&web());
    let server = published.served();
    let name = format!("{}/web:1", server.address());
    crate::host().run(&["--root", &root, "pull", "-q", &name]).succeeds();
    for words in [&["--root", &root, "images"][..], &["--root", &root, "pull", &name]] {
        let refused = nobody.run(words);
        assert_eq!(refused.code, 1, "{}", refused.stdout);
        assert!(refused.stderr.to_lowercase().contains("permission denied"), "{}", refused.stderr);
        assert!(refused.stderr.contains("\n help: "), "{}", refused.stderr);
    }
}

#[test]
fn containers_run_in_a_namespace_of_the_users_own() {
    let Some(nobody) = Nobody::get() else { return };
    nobody.load(&archive(&[(&Image::busybox(), &["box:1"])]));
    let script = "id -u; touch /new && echo made; exit 3";
    let ended = nobody.run(&["run", "--name", "c1", "--network", "none", "box:1", "sh", "-c", script]);
    assert_eq!((ended.code, ended.stderr.as_str()), (3, ""), "{}", ended.stdout);
    assert_eq!(ended.stdout, "0\nmade\n");
    nobody.run(&["logs", "c1"]).prints(&ended.stdout);
    nobody.run(&["run", "-d", "--name", "web", "--network", "none", "box:1", "sleep", "1000"]).succeeds();
    nobody.run(&["exec", "web", "id", "-u"]).prints("0\n");
    nobody.run(&["stop", "-t", "0", "web"]).prints("web\n");
    nobody.run(&["rm", "web", "c1"]).prints("web\nc1\n");
    assert_eq!(fs::read_dir(nobody.host.store().join("containers")).unwrap().count(), 0, "files are left");
    // What ordinary users cannot have is said, and not passed over.
    let warned = nobody.run(&["run", "--rm", "box:1", "true"]);
    assert!(warned.code == 0 && warned.stderr.contains("only root can make a bridge"), "{warned:?}");
    assert!(warned.stderr.contains("passt and slirp4netns"), "{warned:?}");
    for (network, package) in [("bridge", "passt and slirp4netns"), ("pasta", "passt"), ("slirp4netns", "slirp4netns")]
    {
        let refused = nobody.run(&["run", "--rm", "--network", network, "box:1", "true"]);
        assert!(refused.code == 125 && refused.stderr.contains(package), "{refused:?}");
    }
    let refused = nobody.run(&["run", "--rm", "-p", "80", "box:1", "true"]);
    assert!(refused.code == 125 && refused.stderr.contains("passt and slirp4netns"), "{refused:?}");
    let other = nobody.run(&["run", "--rm", "--network", "none", "-u", "1000", "box:1", "true"]);
    assert!(other.code == 125 && other.stderr.contains("cannot become user 1000"), "{other:?}");
    let limited = nobody.run(&["run", "--rm", "--network", "none", "-m", "64m", "box:1", "true"]);
    assert!(limited.code == 125 && limited.stderr.contains("cannot set memory"), "{limited:?}");
}
