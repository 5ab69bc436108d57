//! Builds of an ordinary user: steps run in a namespace of the user's own.

use std::fs;
use std::os::unix::fs::MetadataExt;

use wharfie_testkit::{Image, archive};

use super::{Given, NOBODY, Nobody};

fn built(given: Given, dockerfile: &str) -> Option<(Nobody, String)> {
    let nobody = Nobody::with(given)?;
    nobody.load(&archive(&[(&Image::busybox(), &["box:1"])]));
    let context = nobody.folder("ctx");
    for (name, text) in [("Dockerfile", dockerfile), ("a", "1")] {
        fs::write(context.join(name), text).expect("the folder is there");
        std::os::unix::fs::chown(context.join(name), Some(NOBODY), Some(NOBODY)).expect("root gives files away");
    }
    let outcome = nobody.run(&["build", "--network=none", "-t", "web:1", "ctx"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let again = nobody.run(&["build", "--network=none", "ctx"]);
    let missed = again.stderr.lines().filter(|line| line.ends_with(" DONE")).count();
    assert_eq!((again.code, missed), (0, 0), "{}", again.stderr);
    let listed = nobody.run(&["run", "--rm", "--network", "none", "web:1", "stat", "-c", "%u:%g %a %n", "/a", "/made"]);
    Some((nobody, listed.succeeds()))
}

#[test]
fn one_id_is_enough_for_steps_of_root() {
    let text = "FROM box:1\nCOPY a /a\nRUN --mount=type=cache,target=/c echo 1 > /c/f && id -u > /made\n";
    let Some((nobody, listed)) = built(Given::Nothing, text) else { return };
    assert_eq!(listed, "0:0 644 /a\n0:0 644 /made\n");
    nobody.run(&["system", "fsck"]).succeeds();
    nobody.run(&["builder", "prune", "-af"]).succeeds();
    nobody.run(&["rmi", "-f", "web:1", "box:1"]).succeeds();
    nobody.run(&["image", "prune", "-af"]).succeeds();
    assert_eq!(nobody.left_in(&["layers", "cache-mounts", "steps", "containers"]), Vec::<String>::new());
}

#[test]
fn further_ids_become_other_users() {
    let text = "FROM box:1\nCOPY --chown=33:44 a /a\nRUN touch /made && chown 1000:1001 /made\nUSER 1000\nRUN [ $(id -u) = 1000 ] && cat /made\n";
    let Some((nobody, listed)) = built(Given::Everything, text) else { return };
    assert_eq!(listed, "33:44 644 /a\n1000:1001 644 /made\n");
    assert!(fs::metadata(nobody.host.store()).is_ok_and(|store| store.uid() == NOBODY));
    nobody.run(&["system", "fsck"]).succeeds();
}
