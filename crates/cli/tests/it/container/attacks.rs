//! Attacks that once worked, here or elsewhere, by an image, a container, or another user of the machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, archive, needs};

use super::box_host;
use crate::terminal::terminal;
use crate::{host, host_with};

/// `nobody` on Debian.
const NOBODY: u32 = 65534;

/// An image whose `/dev` is a volume, with these links in it.
fn own_dev(links: &[(String, String)]) -> Image {
    let entry = |path: &str, kind, link: &str| {
        let (path, link) = (path.as_bytes().to_vec(), link.as_bytes().to_vec());
        (Entry { path, kind, mode: 0o755, link, ..Entry::default() }, Vec::new())
    };
    let directories = ["dev/", "dev/pts/", "dev/shm/", "dev/mqueue/"];
    let mut entries: Vec<_> = directories.iter().map(|path| entry(path, Kind::Directory, "")).collect();
    entries.extend(links.iter().map(|(path, target)| entry(path, Kind::Symlink, target)));
    Image::busybox().with_layer(tar(&entries)).with_config("Volumes", json!({"/dev": {}}))
}

fn link(path: impl Into<String>, target: &str) -> (String, String) {
    (path.into(), target.to_owned())
}

/// What a command shows on a terminal whose user types nothing.
fn shown(host: &Host, words: &[&str]) -> Output {
    needs::output(terminal(host, 80, words).stdin(Stdio::null()), "bsdutils")
}

#[test]
fn a_terminal_that_nobody_asked_for_stays_outside() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "--network", "none", "box:1", "sleep", "1000"]).succeeds();
    let look =
        "'for n in 0 1 2; do test -t $n && echo a terminal; busybox readlink /proc/$$/fd/$n; done; echo seen >&2'";
    let run = ["run", "--rm", "--network", "none"];
    let cases: [Vec<&str>; 4] = [
        [&run[..], &["box:1"]].concat(),
        [&run[..], &["-i", "box:1"]].concat(),
        vec!["exec", "web"],
        vec!["exec", "-i", "web"],
    ];
    for words in cases {
        let output = shown(&host, &[&words[..], &["sh", "-c", look]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("seen"), "{words:?}: {text}");
        assert!(text.matches("pipe:[").count() >= 2, "{words:?}: {text}");
        assert!(!text.contains("a terminal") && !text.contains("/dev/pts"), "{words:?}: {text}");
    }
    host.run(&["rm", "-f", "web"]).succeeds();
}

#[test]
fn a_null_device_that_is_a_link_changes_no_knob() {
    if !needs::root("running a container") {
        return;
    }
    // A knob of a network namespace, which is the test's own.
    let knob = "/proc/sys/net/ipv4/ip_default_ttl";
    let host = host_with(&[(&own_dev(&[link("dev/null", knob)]), &["evil:1"])]);
    let attack = "for p in /proc/keys /proc/timer_list /proc/interrupts; do cat $p; echo 61 > $p; done";
    let script = format!(
        "\"$0\" run -i --rm --network host evil:1 sh -c '{attack}' < \"$1\" > out 2> err; cat {knob}; cat out err"
    );
    let input = host.file("input", b"\n");
    let mut command = host.command_under(&["unshare", "-n", "sh", "-c", &script], &[]);
    let output = needs::output(command.arg(input), "util-linux");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text, "64\n", "{output:?}");
}

#[test]
fn a_terminal_that_is_a_link_opens_no_file() {
    if !needs::root("running a container") {
        return;
    }
    let place = host();
    let secret = place.file("secret", b"hidden\n");
    let target = secret.to_string_lossy().into_owned();
    let mut links = vec![link("dev/pts/ptmx", "/dev/ptmx")];
    links.extend((0..64).map(|number| link(format!("dev/pts/{number}"), &target)));
    let with_console = [&links[..], &[link("dev/console", &target)]].concat();
    let attack = "'cat /dev/console < /dev/null & sleep 0.3; echo owned >> /dev/console; echo ran; kill $!'";
    for (links, is_refused) in [(links, false), (with_console, true)] {
        let host = host_with(&[(&own_dev(&links), &["evil:1"])]);
        let words = ["run", "-t", "--rm", "--network", "none", "evil:1", "sh", "-c", attack];
        let output = shown(&host, &words);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(fs::read_to_string(&secret).unwrap(), "hidden\n", "{text}");
        assert!(!text.contains("hidden"), "{text}");
        assert_eq!(text.contains("ran"), !is_refused, "{text}");
    }
}

#[test]
fn proc_takes_no_mounts() {
    if !needs::root("running a container") {
        return;
    }
    let linked = Image::busybox().with_layer(wharfie_testkit::image::tar_of_link("x", "/proc"));
    let volume = linked.clone().with_config("Volumes", json!({"/x/sys/kernel": {}}));
    let host = host_with(&[(&linked, &["box:1"]), (&volume, &["evil:1"])]);
    fs::create_dir(host.path().join("mine")).unwrap();
    let mine = host.path().join("mine").to_string_lossy().into_owned();
    let refused = |words: &[&str]| {
        let outcome = host.run(&[&["run", "--rm", "--network", "none"], words, &["true"]].concat());
        let is_said = outcome.stderr.contains("cannot be mounted because it is inside /proc");
        assert!(outcome.code == 125 && is_said, "{words:?}: {outcome:?}");
    };
    for target in ["/proc/sys/kernel", "/proc/self/attr", "/x/sys/kernel", "/x/self"] {
        refused(&["-v", &format!("{mine}:{target}"), "box:1"]);
        refused(&["-v", &format!("named:{target}"), "box:1"]);
    }
    refused(&["--tmpfs", "/proc/sys", "box:1"]);
    refused(&["evil:1"]);
}

/// A store in a folder that everybody may enter, with a container that has a secret and a program with the set-user-id
/// bit; `beside` is another file in that folder.
fn open_store(beside: Option<&str>) -> Option<Host> {
    if !needs::root("becoming another user") {
        return None;
    }
    let host = host();
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    fs::create_dir(host.store()).expect("the folder is new");
    open(host.path());
    open(&host.store());
    if let Some(name) = beside {
        fs::write(host.store().join(name), "1").expect("the folder is ours");
    }
    host.run_with(&["load", "-q"], &archive(&[(&Image::busybox(), &["box:1"])])).succeeds();
    // A program of the host's: busybox gives a set-user-id bit's rights up.
    let words = ["create", "--name", "c1", "--network", "none", "-e", "PASS=hunter2", "box:1", "chmod", "4755", "/su"];
    host.run(&words).succeeds();
    host.run(&["cp", "-L", "/usr/bin/id", "c1:/su"]).succeeds();
    host.run(&["start", "-a", "c1"]).succeeds();
    Some(host)
}

/// What nobody's shell says.
fn nobody(host: &Host, script: &str) -> String {
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        &NOBODY.to_string(),
        "--regid",
        &NOBODY.to_string(),
        "--clear-groups",
        "sh",
        "-c",
        script,
    ]);
    let output = needs::output(command.arg(host.store()).current_dir("/"), "util-linux");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const INTRUDE: &str = "grep -aq hunter2 \"$0\"/metadata.db* 2>/dev/null && echo read; \
    for su in \"$0\"/containers/*/upper/su; do \"$su\" -u 2>/dev/null; done; \
    flock -xn \"$0/lock\" echo locked 2>/dev/null; \
    ls \"$0/layers\" 2>/dev/null | head -1; echo over";

/// Nobody gets in, not even after everything was open, once a command has run.
fn is_closed(host: &Host) {
    assert_eq!(nobody(host, INTRUDE), "over\n");
    let open = Command::new("chmod").arg("-R").arg("go+rX").arg(host.store()).status().expect("there is a chmod");
    assert!(open.success());
    // So it was all there to be had.
    let had = nobody(host, INTRUDE);
    assert!(had.starts_with("read\n0\nlocked\n") && !had.ends_with("locked\nover\n"), "{had}");
    host.run(&["tag", "box:1", "box:2"]).succeeds();
    assert_eq!(nobody(host, INTRUDE), "over\n");
}

#[test]
fn a_store_in_an_open_folder_is_closed() {
    let Some(host) = open_store(None) else { return };
    assert_eq!(fs::metadata(host.store()).unwrap().mode() & 0o777, 0o700);
    is_closed(&host);
}

#[test]
fn a_store_among_other_files_is_closed() {
    let Some(host) = open_store(Some("others-notes")) else { return };
    is_closed(&host);
    // What is not the store's stays as it was.
    assert_eq!(nobody(&host, "cat \"$0/others-notes\""), "1");
}

#[test]
fn root_leaves_another_users_store_alone() {
    if !needs::root("giving files away") {
        return;
    }
    let host = host_with(&[(&Image::busybox(), &["box:1"])]);
    let mut change = Command::new("chown");
    needs::succeeds(change.arg("-R").arg(format!("{NOBODY}:{NOBODY}")).arg(host.store()), "coreutils");
    for words in [&["tag", "box:1", "box:2"][..], &["images"], &["run", "--rm", "--network", "none", "box:1", "true"]] {
        let refused = host.run(words);
        let is_said = refused.stderr.contains(&format!("belongs to the user with id {NOBODY}, not 0"));
        assert!(refused.code != 0 && is_said, "{refused:?}");
    }
    let mut find = Command::new("find");
    let roots = needs::succeeds(find.arg(host.store()).args(["-uid", "0"]), "findutils");
    assert_eq!(roots, "", "root left files in another user's store");
    // A link of another user's where the store's own files should be is no road either.
    let victim = host.file("victim", b"precious");
    chown(host.store(), Some(0), Some(0)).unwrap();
    fs::remove_file(host.store().join("lock")).unwrap();
    std::os::unix::fs::symlink(&victim, host.store().join("lock")).unwrap();
    assert_ne!(host.run(&["tag", "box:1", "box:2"]).code, 0);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn the_lock_of_addresses_is_roots_alone() {
    let Some(host) = box_host() else { return };
    // As an older version left it, on a machine whose /run is the test's.
    let script = "mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p -m 755 /run/wharfie/wharfie0 && \
        : > /run/wharfie/wharfie0/lock && ip link set lo up && \"$0\" run --rm --network bridge box:1 true && \
        setpriv --reuid 65534 --regid 65534 --clear-groups \
            sh -c 'flock -xn /run/wharfie/wharfie0/lock echo held; ls /run/wharfie'; stat -c %a /run/wharfie /run/wharfie/wharfie0";
    let output = needs::output(
        &mut host.command_under(&["unshare", "-mn", "--propagation", "private", "sh", "-c", script], &[]),
        "util-linux",
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "700\n700\n", "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"), "{output:?}");
}

#[test]
fn a_mounted_image_gives_nobody_its_rights() {
    let Some(host) = box_host() else { return };
    let place = host.path().join("look");
    fs::create_dir(&place).unwrap();
    let place = place.to_string_lossy().into_owned();
    host.run(&["image", "mount", "box:1", &place]).succeeds();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(&format!(" {place} "))).map(str::to_owned);
    host.run(&["image", "unmount", &place]).succeeds();
    let options = line.as_deref().and_then(|line| line.split(' ').nth(5)).unwrap_or_default();
    // Else every user of the machine could run what is setuid in it.
    for option in ["ro", "nosuid", "nodev"] {
        assert!(options.split(',').any(|one| one == option), "{option}: {line:?}");
    }
}

#[test]
fn what_hides_files_of_the_kernel_is_not_the_hosts_to_change() {
    let Some(host) = box_host() else { return };
    let null = || {
        let found = fs::symlink_metadata("/dev/null").unwrap();
        (found.mode(), found.uid(), found.gid())
    };
    let before = null();
    // Each of these is the machine's null device, or something of the container's own.
    let script = "for file in /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
        /proc/timer_list /proc/timer_stats /dev/null; do \
        chmod 600 $file; chown 7:7 $file; touch -d '2001-01-01 00:00' $file; done 2> /dev/null; \
        echo still > /dev/null; chmod 666 /dev/null; cat /proc/interrupts /proc/keys && echo hidden";
    host.run(&["run", "--rm", "box:1", "sh", "-c", script]).prints("hidden\n");
    host.run(&["run", "--rm", "--privileged", "box:1", "sh", "-c", "chmod 600 /dev/null /dev/zero /dev/tty"])
        .succeeds();
    assert_eq!(null(), before);
}
