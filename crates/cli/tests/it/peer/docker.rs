//! dockerd 20.10 and docker's own command line.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;
use wharfie_testkit::{Image, Published, TestRegistry, archive, needs};

use super::{diff_ids, holds, rich};
use crate::{host, host_with};

/// A daemon for this process, started by the first test that wants it. It ends with the process, however that ends: its
/// keeper waits for the end of a pipe that only this process holds open.
pub(crate) struct Daemon {
    folder: PathBuf,
    _keeper: Child,
}

/// Starts the daemon, waits for the end of standard input, ends the daemon and removes its folder.
const KEEPER: &str = r#"
dockerd --iptables=false --bridge=none --data-root "$1/data" --exec-root "$1/exec" -H "unix://$1/socket" \
    -p "$1/pid" > "$1/log" 2>&1 &
daemon=$!
cat > /dev/null
kill $daemon
wait $daemon
rm -rf --one-file-system "$1"
"#;

/// 600 × 0.1 s: a minute, for machines under load.
const PATIENCE: usize = 600;

impl Daemon {
    /// The daemon, or `None` with a word about it for whoever is not root.
    pub(crate) fn get() -> Option<&'static Self> {
        static DAEMON: OnceLock<Daemon> = OnceLock::new();
        needs::root("dockerd").then(|| DAEMON.get_or_init(Self::start))
    }

    fn start() -> Self {
        let folder = TempDir::with_prefix("wharfie-dockerd-").expect("temporary folders can be made").keep();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(&folder).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = command.spawn().expect("there is a shell");
        let daemon = Self { folder, _keeper: keeper };
        for _ in 0..PATIENCE {
            if needs::output(&mut daemon.command(&["version"]), "docker-cli").status.success() {
                return daemon;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(daemon.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        panic!(
            "dockerd does not come up (is the package docker.io installed?):\n{}",
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}", self.folder.join("socket").display()));
        command.env("DOCKER_CONFIG", self.folder.join("config")).env("DOCKER_BUILDKIT", "0").args(words);
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, words: &[&str]) -> String {
        needs::succeeds(&mut self.command(words), "docker-cli")
    }

    /// Id and diff ids.
    #[track_caller]
    fn identity(&self, name: &str) -> (String, String) {
        let text = self.run(&["image", "inspect", "-f", "{{.Id}} {{.RootFS.Layers}}", name]);
        let (id, layers) = text.trim().split_once(' ').expect("the template has a blank");
        (id.to_owned(), layers.to_owned())
    }
}

/// A folder to build from.
fn context(host: &wharfie_testkit::Host, dockerfile: &str) -> PathBuf {
    host.file("context/a", b"hello\n");
    host.file("context/dir/b", b"b\n");
    host.file("context/Dockerfile", dockerfile.as_bytes());
    host.path().join("context")
}

#[test]
fn images_built_by_docker_are_loaded_with_their_ids() {
    let Some(docker) = Daemon::get() else { return };
    let host = host();
    let built = "FROM scratch\nCOPY a /a\nCOPY dir /d/\nENV X=1\nLABEL l=\"a b\"\nCMD [\"/a\"]\n";
    let folder = context(&host, built);
    docker.run(&["build", "-q", "-t", "built:1", "-t", "team/built:x", &folder.to_string_lossy()]);
    let archive = host.path().join("built.tar");
    docker.run(&["save", "-o", &archive.to_string_lossy(), "built:1", "team/built:x"]);
    host.run(&["load", "-i", &archive.to_string_lossy()]).prints("Loaded image: built:1\nLoaded image: team/built:x\n");
    let (id, layers) = docker.identity("built:1");
    holds(&host, "built:1", &id, &layers);
    // What both say about it is the same as well.
    let history = ["history", "--no-trunc", "--human=false", "--format"];
    let template = "{{.ID}}|{{.CreatedAt}}|{{.CreatedBy}}|{{.Size}}|{{.Comment}}";
    let theirs = docker.run(&[&history[..], &[template, "built:1"]].concat());
    let ours = host.run(&[&history[..], &[template, "built:1"]].concat()).succeeds();
    // An archive does not tell the ids of an image's parents.
    let without_ids = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split_once('|').map_or("", |(_, rest)| rest).to_owned()).collect()
    };
    assert_eq!(without_ids(&ours), without_ids(&theirs));
    let facts = "{{json .Config.Env}} {{json .Config.Cmd}} {{json .Config.Labels}} {{.Created}} {{.Os}}/{{.Architecture}} {{.RepoTags}}";
    let theirs = docker.run(&["image", "inspect", "-f", facts, "built:1"]);
    host.run(&["image", "inspect", "-f", facts, "built:1"]).prints(&theirs);
}

#[test]
fn images_imported_and_committed_by_docker_are_loaded_with_their_ids() {
    let Some(docker) = Daemon::get() else { return };
    let host = host();
    let tar = host.file("root.tar", &rich().layers()[0]);
    docker.run(&["import", "-c", "CMD [\"/x\"]", &tar.to_string_lossy(), "imported:1"]);
    let container = docker.run(&["create", "imported:1"]);
    let change = host.file("changed", b"changed\n");
    docker.run(&["cp", &change.to_string_lossy(), &format!("{}:/etc/motd", container.trim())]);
    docker.run(&["commit", "-m", "a word", container.trim(), "committed:1"]);
    let archive = host.path().join("both.tar");
    docker.run(&["save", "-o", &archive.to_string_lossy(), "imported:1", "committed:1"]);
    let loaded = host.run(&["load", "-i", &archive.to_string_lossy()]).succeeds();
    assert_eq!(loaded.lines().count(), 2, "{loaded}");
    for name in ["imported:1", "committed:1"] {
        let (id, layers) = docker.identity(name);
        holds(&host, name, &id, &layers);
    }
}

#[test]
fn what_wharfie_saves_docker_loads_and_saves_again() {
    let Some(docker) = Daemon::get() else { return };
    let (rich, base) = (rich(), Image::new().with_file("base", "1"));
    let top = base.clone().with_file("top", "2");
    let names: [(&Image, &[&str]); 3] =
        [(&rich, &["saved/rich:1", "saved/rich:2"]), (&base, &["saved/base:1"]), (&top, &["saved/top:1"])];
    let host = host_with(&names);
    let path = host.path().join("ours.tar");
    let arguments = ["save", "-o", &path.to_string_lossy(), "saved/rich", "saved/base:1", "saved/top:1"];
    host.run(&arguments).prints("");
    let loaded = docker.run(&["load", "-i", &path.to_string_lossy()]);
    for name in ["saved/rich:1", "saved/rich:2", "saved/base:1", "saved/top:1"] {
        assert!(loaded.contains(&format!("Loaded image: {name}\n")), "{loaded}");
    }
    for (image, names) in names {
        assert_eq!(docker.identity(names[0]), (image.id(), diff_ids(image)));
    }
    let back = host.path().join("theirs.tar");
    docker.run(&["save", "-o", &back.to_string_lossy(), "saved/rich:1"]);
    let other = crate::host();
    other.run(&["load", "-i", &back.to_string_lossy()]).prints("Loaded image: saved/rich:1\n");
    holds(&other, "saved/rich:1", &rich.id(), &diff_ids(&rich));
}

#[test]
fn what_wharfie_pushes_docker_pulls_and_the_reverse() {
    let Some(docker) = Daemon::get() else { return };
    let registry = TestRegistry::start();
    let rich = rich();
    let ours = format!("{}/ours:1", registry.address());
    let host = host_with(&[(&rich, &[&ours])]);
    let pushed = host.run(&["push", &ours]).succeeds();
    let pulled = docker.run(&["pull", &ours]);
    assert_eq!(docker.identity(&ours), (rich.id(), diff_ids(&rich)));
    let digest = registry.digest("ours:1");
    assert!(pushed.contains(&format!("1: digest: {digest} size: ")), "{pushed}");
    assert!(pulled.contains(&format!("\nDigest: {digest}\n")), "{pulled}");
    let digests = ["image", "inspect", "-f", "{{.RepoDigests}}", &ours];
    host.run(&digests).prints(&docker.run(&digests));

    let theirs = format!("{}/theirs:2", registry.address());
    docker.run(&["tag", &ours, &theirs]);
    docker.run(&["push", &theirs]);
    // Docker keeps no compressed layers, so its push may be another manifest; ours of what we pull is the same one.
    let other = crate::host();
    other.run(&["pull", "-q", &theirs]).succeeds();
    holds(&other, &theirs, &rich.id(), &diff_ids(&rich));
    let second = TestRegistry::start();
    let copy = format!("{}/copy:2", second.address());
    other.run(&["tag", &theirs, &copy]).prints("");
    other.run(&["push", "-q", &copy]).succeeds();
    assert_eq!(second.digest("copy:2"), registry.digest("theirs:2"));
    docker.run(&["pull", "-q", &copy]);
    assert_eq!(docker.identity(&copy).0, rich.id());
}

#[test]
fn a_docker_push_after_ours_sends_the_same_manifest_type_and_config() {
    let Some(docker) = Daemon::get() else { return };
    let (one, two) = (TestRegistry::start(), TestRegistry::start());
    let web = Image::new().with_file("once", "1");
    let (ours, theirs) = (format!("{}/m:1", one.address()), format!("{}/m:1", two.address()));
    let host = host_with(&[(&web, &[&ours])]);
    host.run(&["push", "-q", &ours]).succeeds();
    let path = host.file("m.tar", &archive(&[(&web, &[&theirs])]));
    docker.run(&["load", "-i", &path.to_string_lossy()]);
    docker.run(&["push", &theirs]);
    let shape = |registry: &TestRegistry| {
        let (_, answer) = registry.request("GET", "/v2/m/manifests/1", "", b"");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        let mut document: serde_json::Value = serde_json::from_str(&body).expect("a manifest is JSON");
        let layer = document["layers"][0].as_object_mut().expect("it has a layer");
        layer.retain(|key, _| key == "mediaType");
        // The indentation as well; which of size and digest comes first has changed between docker's releases.
        let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
        let mut lines: Vec<String> = body.lines().map(key).collect();
        lines.sort();
        (document, lines)
    };
    assert_eq!(shape(&one), shape(&two));
}

#[test]
fn both_print_the_same_lines() {
    let Some(docker) = Daemon::get() else { return };
    let registry = TestRegistry::start();
    let published = Published::of(&Image::new().with_file("lines", "1"));
    let (one, two) = (registry.publish("lines:1", &published), registry.publish("lines:2", &published));
    let host = host();
    let both = |words: &[&str]| {
        let theirs = needs::output(&mut docker.command(words), "docker-cli");
        let ours = host.run(words);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Our errors add what to do on a line of its own.
        let stderr: String =
            ours.stderr.lines().filter(|line| !line.starts_with(" help: ")).map(|line| format!("{line}\n")).collect();
        assert_eq!(
            (Some(ours.code), ours.stdout, stderr),
            (theirs.status.code(), text(&theirs.stdout), text(&theirs.stderr)),
            "{words:?}"
        );
    };
    let digest = format!("{}@{}", one.trim_end_matches(":1"), published.digest());
    both(&["pull", "-q", &one]);
    both(&["pull", &one]);
    both(&["pull", &two]);
    both(&["pull", &digest]);
    both(&["pull", &format!("{}:2@{}", one.trim_end_matches(":1"), published.digest())]);
    both(&["pull", "-a", one.trim_end_matches(":1")]);
    both(&["pull", &format!("{one}x")]);
    both(&["pull", &format!("{}/no/such", registry.address())]);
    both(&["image", "inspect", "-f", "{{.RepoTags}} {{.RepoDigests}}", &one]);
    both(&["push", &format!("{}/no/such:1", registry.address())]);
    both(&["push", &digest]);
    both(&["save", "no-such"]);
    both(&["rmi", &two]);
    both(&[
        "images",
        "--digests",
        "--format",
        "{{.Repository}} {{.Tag}} {{.Digest}} {{.ID}}",
        one.trim_end_matches(":1"),
    ]);
    both(&["rmi", &digest]);
    both(&["rmi", &one]);
}
