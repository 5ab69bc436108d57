//! Within containers, user namespaces and chroots: what may be done is asked of the kernel, and what is missing is said.

use std::process::Command;

use wharfie_testkit::{Host, Image, Outcome, archive, needs};

use crate::host_with;

/// A host whose containers have our own program and an archive of an image in `/inner`.
fn outer() -> Option<Host> {
    if !needs::root("running a container in a container") {
        return None;
    }
    let host = host_with(&[(&Image::busybox(), &["box:1"])]);
    std::fs::create_dir(host.path().join("inner")).expect("the folder is new");
    let program = host.path().join("inner/wharfie");
    needs::succeeds(Command::new("cp").arg(env!("CARGO_BIN_EXE_wharfie")).arg(program), "coreutils");
    host.file("inner/box.tar", &archive(&[(&Image::busybox(), &["box:1"])]));
    Some(host)
}

/// Runs a script in a container with our program in it; where that is linked dynamically it needs the machine's libraries.
fn inside(host: &Host, flags: &[&str], script: &str) -> Outcome {
    let inner = format!("{}:/inner:ro", host.path().join("inner").display());
    let libraries = ["/lib", "/lib64", "/usr/lib"].into_iter().filter(|path| std::fs::exists(path).unwrap_or(false));
    let libraries: Vec<String> = libraries.map(|path| format!("{path}:{path}:ro")).collect();
    let mut words = vec!["run", "--rm", "--network", "none", "-v", &inner];
    words.extend(libraries.iter().flat_map(|volume| ["-v", volume.as_str()]));
    words.extend(flags);
    words.extend(["box:1", "sh", "-c", script]);
    host.run(&words)
}

/// Loads the image into the store and runs a container in the container.
fn script(store: &str) -> String {
    let program = format!("/inner/wharfie --root {store}");
    format!("{program} load -qi /inner/box.tar && {program} run --rm --network host box:1 echo fine")
}

#[test]
fn root_that_may_not_mount_does_as_an_ordinary_user() {
    let Some(host) = outer() else { return };
    let flags = ["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined", "-v", "st:/st"];
    let outcome = inside(&host, &flags, &script("/st/s"));
    assert!(outcome.code == 0 && outcome.stdout.ends_with("fine\n"), "{outcome:?}");
    // With parts of /proc hidden the inner container sees the processes around it, and its user is told.
    let flags = ["--security-opt", "seccomp=unconfined", "-v", "st:/st"];
    let outcome = inside(&host, &flags, &script("/st/t"));
    assert!(outcome.code == 0 && outcome.stdout.ends_with("fine\n"), "{outcome:?}");
    assert!(outcome.stderr.contains("sees the processes around it"), "{outcome:?}");
}

#[test]
fn what_an_outer_container_forbids_is_said_with_who_can_grant_it() {
    let Some(host) = outer() else { return };
    let outcome = inside(&host, &["-v", "st:/st"], &script("/st/s"));
    assert!(
        outcome.code == 125 && outcome.stderr.contains("help:") && outcome.stderr.contains("--privileged"),
        "{outcome:?}"
    );
    // Two overlays, one on the other.
    let outcome = inside(&host, &["--privileged"], &script("/st"));
    assert!(outcome.code == 125 && outcome.stderr.contains("the store is itself on an overlay"), "{outcome:?}");
    assert!(outcome.stderr.contains("help:"), "{outcome:?}");
    let outcome = inside(&host, &["--privileged", "-v", "st:/st"], &script("/st/p"));
    assert!(outcome.code == 0 && outcome.stdout.ends_with("fine\n"), "{outcome:?}");
}

#[test]
fn root_of_a_user_namespace_is_not_the_machines() {
    let Some(host) = outer() else { return };
    let script = script(&host.path().join("inside").to_string_lossy());
    let script = script.replace("/inner/", &format!("{}/", host.path().join("inner").display()));
    for flags in ["-Urm", "-Ur"] {
        let words = ["--reuid=65534", "--regid=65534", "--clear-groups", "unshare", flags, "sh", "-c", &script];
        needs::succeeds(Command::new("chown").args(["-R", "65534:65534"]).arg(host.path()), "coreutils");
        let output = Command::new("setpriv").args(words).env("HOME", host.path()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && out.ends_with("fine\n"), "{flags}: {out}{err}");
    }
}

#[test]
fn a_chroot_says_what_it_lacks() {
    let Some(host) = outer() else { return };
    let place = host.path().join("chroot");
    let copy = "mkdir -p \"$1/inner\" && cp \"$2\"/* \"$1/inner/\" && for l in $(ldd \"$2/wharfie\" | grep -o '/[^ ]*'); do \
                mkdir -p \"$1$(dirname $l)\"; cp -L $l \"$1$l\"; done";
    let words = ["-c", copy, "sh"];
    needs::succeeds(Command::new("sh").args(words).arg(&place).arg(host.path().join("inner")), "coreutils");
    let run = |words: &[&str]| {
        let output = Command::new("chroot").arg(&place).args(["/inner/wharfie", "--root", "/st"]).args(words).output();
        Outcome::of(words, &output.unwrap())
    };
    // Images need nothing of the machine's.
    run(&["load", "-qi", "/inner/box.tar"]).prints("Loaded image: box:1\n");
    let refused = run(&["run", "--rm", "--network", "host", "box:1", "true"]);
    assert!(refused.code == 125 && refused.stderr.contains("there is no /proc") && refused.stderr.contains("help:"));
}
