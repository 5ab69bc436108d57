//! Ids of an ordinary user's containers: each is a subordinate id outside and itself inside.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::Reader;
use wharfie_testkit::image::tar;
use wharfie_testkit::{Image, Published, archive, file, needs};

use super::{FIRST, Given, NOBODY, Nobody, eventually, processes_with};

/// A busybox in which several users own something, also what nobody else may look into.
fn shared() -> Image {
    let directory = Entry { path: b"srv/".to_vec(), kind: Kind::Directory, mode: 0o700, ..Entry::default() };
    let mut of_web = [(directory, Vec::new()), file("srv/page", "hello"), file("etc/shadow", "secret")];
    for (entry, _) in &mut of_web[..2] {
        (entry.uid, entry.gid) = (33, 33);
    }
    (of_web[2].0.gid, of_web[2].0.mode) = (42, 0o640);
    Image::busybox().with_layer(tar(&of_web))
}

fn user() -> Option<Nobody> {
    let nobody = Nobody::with(Given::Everything)?;
    nobody.load(&archive(&[(&shared(), &["box:1"])]));
    Some(nobody)
}

/// Owners of a tar's entries by name.
fn owners(tar: &[u8]) -> BTreeMap<String, (u32, u32)> {
    let mut reader = Reader::new(tar);
    let mut owners = BTreeMap::new();
    while let Some(member) = reader.next_entry().expect("it is a tar") {
        let entry = member.entry();
        owners.insert(String::from_utf8_lossy(&entry.path).into_owned(), (entry.uid, entry.gid));
    }
    owners
}

#[test]
fn users_of_an_image_are_themselves_in_its_containers() {
    let Some(nobody) = user() else { return };
    let run = |user: &str, script: &str| {
        nobody.run(&["run", "--rm", "--network", "none", "-u", user, "box:1", "sh", "-c", script]).succeeds()
    };
    let show = "stat -c '%u:%g %n' /bin/busybox /srv /etc/shadow; cat /srv/page";
    assert_eq!(run("root", show), "0:0 /bin/busybox\n33:33 /srv\n0:42 /etc/shadow\nhello");
    assert_eq!(run("web", "id; cat /srv/page"), "uid=33(web) gid=33(web) groups=33(web),44(extra)\nhello");
    assert_eq!(
        run("1000:1000", "id; cat /srv/page 2>/dev/null || echo denied"),
        "uid=1000 gid=1000 groups=1000\ndenied\n"
    );
    assert_eq!(run("65536", "id -u"), "65536\n");
    let beyond = nobody.run(&["run", "--rm", "--network", "none", "-u", "65537", "box:1", "true"]);
    assert!(beyond.code == 125 && beyond.stderr.contains("cannot become user 65537"), "{beyond:?}");
    assert!(beyond.stderr.contains("usermod --add-subuids"), "{beyond:?}");
    // Outside it is the first subordinate id plus 32: the first one is 1 inside.
    let mut find = Command::new("find");
    find.arg(nobody.host.store().join("unpacked-mapped")).args(["-name", "page", "-printf", "%U:%G"]);
    assert_eq!(needs::succeeds(&mut find, "findutils"), format!("{0}:{0}", FIRST + 32));
}

#[test]
fn what_users_of_a_container_do_is_seen_and_kept_with_their_ids() {
    let Some(nobody) = user() else { return };
    let script = "echo 1 > /tmp/mine; mkdir -m 700 /tmp/closed; echo 2 > /tmp/closed/deep; sleep 1000";
    nobody
        .run(&["run", "-d", "--name", "c1", "--network", "none", "-u", "web", "box:1", "sh", "-c", script])
        .succeeds();
    assert!(eventually(|| nobody.run(&["exec", "c1", "cat", "/tmp/closed/deep"]).stdout == "2\n"));
    nobody.run(&["exec", "c1", "id", "-u"]).prints("33\n");
    nobody.run(&["exec", "-u", "7:8", "c1", "sh", "-c", "id -u; touch /tmp/seven"]).prints("7\n");
    let to_host = nobody.folder("out");
    let from_host = nobody.host.file("page", b"new");
    let (to_host, from_host) = (to_host.to_string_lossy(), from_host.to_string_lossy());
    // The same while it runs and afterwards.
    for round in ["running", "ended"] {
        let changed = nobody.run(&["diff", "c1"]).succeeds();
        for line in ["C /tmp", "A /tmp/closed", "A /tmp/closed/deep", "A /tmp/mine", "A /tmp/seven"] {
            assert!(changed.lines().any(|found| found == line), "{round}: {changed}");
        }
        nobody.run(&["cp", "c1:/tmp/closed", &format!("{to_host}/{round}")]).succeeds();
        let copied = fs::metadata(format!("{to_host}/{round}/deep")).unwrap();
        assert_eq!((copied.uid(), copied.gid()), (NOBODY, NOBODY), "{round}");
        nobody.run(&["cp", &from_host, &format!("c1:/tmp/closed/{round}")]).succeeds();
        let copied = needs::output(&mut nobody.command(&[], &["cp", "c1:/tmp/closed", "-"]), "util-linux");
        let inside = owners(&copied.stdout);
        assert_eq!(inside["closed/deep"], (33, 33), "{round}");
        assert_eq!(inside[&format!("closed/{round}")], (0, 0), "{round}");
        let exported = needs::output(&mut nobody.command(&[], &["export", "c1"]), "util-linux");
        let inside = owners(&exported.stdout);
        for (path, owner) in
            [("srv/page", (33, 33)), ("etc/shadow", (0, 42)), ("tmp/closed/deep", (33, 33)), ("tmp/seven", (7, 8))]
        {
            assert_eq!(inside[path], owner, "{round}: {path}");
        }
        let name = format!("made:{round}");
        nobody.run(&["commit", "c1", &name]).succeeds();
        let stat = ["run", "--rm", "--network", "none", &name, "stat", "-c", "%u:%g", "/tmp/closed/deep", "/tmp/seven"];
        nobody.run(&stat).prints("33:33\n7:8\n");
        if round == "running" {
            nobody.run(&["stop", "-t", "0", "c1"]).succeeds();
        }
    }
    assert!(nobody.run(&["ps", "-as"]).succeeds().contains("virtual"));
}

#[test]
fn nothing_is_left_of_what_other_ids_have_written() {
    let Some(mut nobody) = user() else { return };
    let script = "mkdir -m 700 /tmp/closed /data/closed; touch /tmp/closed/deep /data/closed/deep";
    let write = |name: &str, more: &[&str]| {
        let mut words = vec!["run", "--name", name, "--network", "none", "-u", "web", "-v", "data:/data"];
        words.extend_from_slice(more);
        words.extend(["box:1", "sh", "-c", script]);
        nobody.run(&words)
    };
    // A volume of the image's: it belongs to whom the place in the image belongs.
    nobody.run(&["run", "--rm", "--network", "none", "-v", "data:/data", "box:1", "chmod", "777", "/data"]).succeeds();
    write("c1", &[]).succeeds();
    nobody.run(&["rm", "c1"]).prints("c1\n");
    nobody.run(&["volume", "rm", "data"]).prints("data\n");
    assert_eq!(nobody.left_in(&["containers", "volumes", "tmp"]).iter().filter(|p| !p.contains("unpacked")).count(), 0);
    let nobodys = ["run", "--name", "c2", "--network", "none", "-u", "web", "-v", "/srv", "box:1", "sh", "-c"];
    nobody.run(&[&nobodys[..], &["mkdir -m 700 /tmp/x && touch /tmp/x/y /srv/z"]].concat()).succeeds();
    nobody.run(&["container", "prune", "-f"]).succeeds();
    nobody.run(&["volume", "prune", "-f"]).succeeds();
    // A leftover of a crash: a directory without a row, and it belongs to nobody outside.
    let leftover = nobody.host.store().join("containers/0123/upper/x");
    fs::create_dir_all(&leftover).unwrap();
    for place in leftover.ancestors().take(3) {
        std::os::unix::fs::chown(place, Some(FIRST + 10), Some(FIRST + 10)).unwrap();
        fs::set_permissions(place, fs::Permissions::from_mode(0o700)).unwrap();
    }
    std::os::unix::fs::chown(nobody.host.store().join("containers/0123"), Some(NOBODY), Some(NOBODY)).unwrap();
    // Without the ids it stays, and that is said.
    nobody.given = Given::Nothing;
    fs::write(nobody.host.path().join("etc/subuid"), "").unwrap();
    let stuck = nobody.run(&["system", "fsck"]);
    assert!(stuck.stdout.contains("Cannot delete leftover") && stuck.stdout.contains("containers/0123"), "{stuck:?}");
    fs::write(nobody.host.path().join("etc/subuid"), format!("{NOBODY}:{FIRST}:65536\n")).unwrap();
    let found = nobody.run(&["system", "fsck"]);
    assert!(found.stdout.contains("Deleted leftover") && found.stdout.contains("containers/0123"), "{found:?}");
    nobody.run(&["image", "prune", "-af"]).succeeds();
    let folders = ["containers", "volumes", "tmp", "unpacked-mapped", "unpacked-rootless", "layers"];
    assert_eq!(nobody.left_in(&folders), Vec::<String>::new());
    nobody.run(&["system", "fsck"]).prints("Checked 0 blobs, 0 layers and 0 images: no faults\n");
}

#[test]
fn trees_of_other_mappings_are_not_used() {
    let Some(mut nobody) = user() else { return };
    let show = ["run", "--rm", "--network", "none", "box:1", "stat", "-c", "%u", "/srv"];
    nobody.run(&show).prints("33\n");
    // The ranges are taken away: the image is as it would be without them.
    nobody.given = Given::Nothing;
    fs::write(nobody.host.path().join("etc/subuid"), "").unwrap();
    nobody.run(&show).prints("0\n");
    fs::write(nobody.host.path().join("etc/subuid"), format!("{NOBODY}:{FIRST}:65536\n")).unwrap();
    nobody.run(&show).prints("33\n");
    // They become others.
    fs::write(nobody.host.path().join("etc/subuid"), format!("{NOBODY}:{}:65536\n", FIRST + 100_000)).unwrap();
    nobody.run(&show).prints("33\n");
}

#[test]
fn namespaces_of_a_container_can_be_shared() {
    let Some(nobody) = user() else { return };
    let first = ["run", "-d", "--name", "c1", "--network", "none", "-u", "web", "box:1", "sleep", "1000"];
    nobody.run(&first).succeeds();
    let net = ["run", "--rm", "--network", "container:c1", "box:1", "ls", "-l", "/proc/self/ns/net"];
    let shared = nobody.run(&net).succeeds();
    let own = nobody.run(&["exec", "c1", "ls", "-l", "/proc/self/ns/net"]).succeeds();
    let namespace = |line: &str| line.rsplit(' ').next().map(str::to_owned);
    assert_eq!(namespace(&shared), namespace(&own));
    // Processes of another namespace can be shown only by who owns it.
    let pid = ["run", "--rm", "--network", "none", "--pid", "container:c1", "box:1", "ps", "-o", "user,args"];
    assert!(nobody.run(&pid).succeeds().lines().any(|line| line.starts_with("web") && line.ends_with("sleep 1000")));
    let host = ["run", "--rm", "--network", "host", "--pid", "host", "box:1", "ps"];
    assert!(nobody.run(&host).succeeds().contains("sleep 1000"));
    nobody.run(&["rm", "-f", "c1"]).succeeds();
    assert!(eventually(|| processes_with(&nobody.host.store().to_string_lossy()).is_empty()), "a monitor is left");
}

#[test]
fn a_command_that_enters_stays_the_process_it_was() {
    let Some(nobody) = user() else { return };
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let mut command =
        nobody.command(&[], &["run", "--rm", "--network", "none", "-u", "web", "box:1", "sh", "-c", script]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    needs::succeeds(Command::new("kill").args(["-TERM", &child.id().to_string()]), "procps");
    assert_eq!(child.wait().unwrap().code(), Some(7));
    // Standard input, and a terminal.
    let mut owned = file("tmp/streamed", "1");
    (owned.0.uid, owned.0.gid) = (33, 44);
    let stream = nobody.host.file("stream.tar", &tar(&[owned]));
    nobody.run(&["create", "--name", "c1", "--network", "none", "box:1", "true"]).succeeds();
    let mut command = nobody.command(&[], &["cp", "-", "c1:/"]);
    let copied = needs::output(command.stdin(fs::File::open(stream).unwrap()), "util-linux");
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let exported = needs::output(&mut nobody.command(&[], &["export", "c1"]), "util-linux");
    assert_eq!(owners(&exported.stdout)["tmp/streamed"], (33, 44));
    let program = nobody.host.path().join("wharfie").to_string_lossy().into_owned();
    let line = format!("{program} run --rm -it --network none -u web box:1 sh -c 'tty; stty size; exit 5'");
    let mut command = nobody.command(&["sh", "-c", &format!("script -qec \"{line}\" /dev/null")], &[]);
    let shown = needs::output(command.stdin(Stdio::null()), "bsdutils");
    assert_eq!(shown.status.code(), Some(5), "{}", String::from_utf8_lossy(&shown.stdout));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("/dev/pts/0"));
}

#[test]
fn what_run_pulls_is_as_if_it_were_pulled_before() {
    let Some(nobody) = Nobody::with(Given::Everything) else { return };
    let published = Published::of(&shared());
    let server = published.served();
    let name = format!("{}/web:1", server.address());
    let run = nobody.run(&["run", "--rm", "--network", "none", "-q", "-u", "web", &name, "cat", "/srv/page"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "hello"), "{run:?}");
    nobody.run(&["images", "-q", "--no-trunc"]).prints(&format!("{}\n", shared().id()));
    nobody.run(&["pull", "-q", &name]).prints(&format!("{name}\n"));
    nobody.run(&["image", "prune", "-af"]).succeeds();
    let folders = ["blobs/sha256", "containers", "tmp", "unpacked-mapped", "layers"];
    assert_eq!(nobody.left_in(&folders), Vec::<String>::new());
}

#[test]
fn one_id_is_enough_to_look_at_and_keep_a_container() {
    let Some(nobody) = Nobody::get() else { return };
    nobody.load(&archive(&[(&shared(), &["box:1"])]));
    let script = "mkdir -m 700 /tmp/closed && echo 1 > /tmp/closed/deep";
    nobody.run(&["run", "--name", "c1", "--network", "none", "box:1", "sh", "-c", script]).succeeds();
    assert_eq!(nobody.run(&["diff", "c1"]).succeeds(), "C /tmp\nA /tmp/closed\nA /tmp/closed/deep\n");
    let out = nobody.folder("out").to_string_lossy().into_owned();
    nobody.run(&["cp", "c1:/tmp/closed/deep", &out]).succeeds();
    nobody.run(&["cp", &format!("{out}/deep"), "c1:/tmp/again"]).succeeds();
    let exported = needs::output(&mut nobody.command(&[], &["export", "c1"]), "util-linux");
    assert_eq!(owners(&exported.stdout)["tmp/again"], (0, 0));
    nobody.run(&["commit", "c1", "made:1"]).succeeds();
    nobody.run(&["run", "--rm", "--network", "none", "made:1", "cat", "/tmp/again"]).prints("1\n");
    nobody.run(&["rm", "c1"]).succeeds();
    assert_eq!(nobody.left_in(&["containers", "tmp"]), Vec::<String>::new());
}

#[test]
fn a_further_process_joins_what_is_the_hosts() {
    for given in [Given::Nothing, Given::Everything] {
        let Some(nobody) = Nobody::with(given) else { return };
        nobody.load(&archive(&[(&Image::busybox(), &["box:1"])]));
        for flags in [
            &["--network", "host"][..],
            &["--network", "none", "--pid", "host"],
            &["--network", "none", "--ipc", "host"],
        ] {
            let words = [&["run", "-d", "--name", "web"], flags, &["box:1", "sleep", "1000"]].concat();
            nobody.run(&words).succeeds();
            nobody.run(&["exec", "web", "id", "-u"]).prints("0\n");
            nobody.run(&["rm", "-f", "web"]).prints("web\n");
        }
    }
}

#[test]
fn a_group_without_an_id_outside_is_refused() {
    let Some(nobody) = Nobody::with(Given::Everything) else { return };
    nobody.load(&archive(&[(&Image::busybox(), &["box:1"])]));
    let run =
        |groups: &[&str]| nobody.run(&[&["run", "--rm", "--network", "none"], groups, &["box:1", "id", "-G"]].concat());
    run(&["--group-add", "5000"]).prints("0 5000\n");
    let refused = run(&["--group-add", "5000", "--group-add", "99999"]);
    assert!(refused.code == 125 && refused.stderr.contains("setgroups"), "{refused:?}");
    assert_eq!(refused.stdout, "");
}
