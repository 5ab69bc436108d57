//! Images that mean harm: refused or contained.

use serde_json::json;
use wharfie_testkit::image::{Image, file, tar};
use wharfie_testkit::{Host, needs};

use crate::host_with;

fn run(image: &Image, words: &[&str]) -> Option<(Host, wharfie_testkit::Outcome)> {
    if !needs::root("running a container") {
        return None;
    }
    let host = host_with(&[(image, &["evil:1"])]);
    let outcome = host.run(&[&["run", "--rm", "--network", "none", "evil:1"], words].concat());
    Some((host, outcome))
}

#[test]
fn links_in_place_of_mount_points_lead_nowhere() {
    for target in ["proc", "dev", "sys"] {
        let evil = Image::busybox().with_layer(wharfie_testkit::image::tar_of_link(target, "/tmp"));
        let Some((_, outcome)) = run(&evil, &["true"]) else { return };
        assert!(outcome.code == 125 && outcome.stderr.contains("is not a plain directory"), "{target}: {outcome:?}");
    }
    // Small files that are bound over: the link's target inside, never the host's.
    let evil =
        Image::busybox().with_layer(wharfie_testkit::image::tar_of_link("etc/hosts", "../../../../../etc/passwd"));
    let before = std::fs::read("/etc/passwd").unwrap();
    let Some((_, _)) = run(&evil, &["sh", "-c", "echo evil >> /etc/hosts"]) else { return };
    assert_eq!(std::fs::read("/etc/passwd").unwrap(), before);
}

#[test]
fn a_huge_passwd_is_read_in_vain() {
    let lines = "x:x:1:1::/:\n".repeat(1 << 20);
    let evil = Image::busybox().with_layer(tar(&[file("etc/passwd", &lines)]));
    let Some((_, outcome)) = run(&evil, &["true"]) else { return };
    assert!(matches!(outcome.code, 0 | 125), "{outcome:?}");
}

#[test]
fn absurd_settings_are_refused_or_harmless() {
    let cases = [
        ("User", json!("../../root")),
        ("User", json!("99999999999999999999")),
        ("WorkingDir", json!("../../../../../../etc")),
        ("Env", json!(["=x", "A", "\u{1}=\u{2}"])),
        ("Cmd", json!([""])),
        ("Entrypoint", json!(["/../../../../bin/true"])),
    ];
    for (key, value) in cases {
        let evil = Image::busybox().with_config(key, value.clone());
        let Some((host, outcome)) = run(&evil, &[]) else { return };
        assert!(matches!(outcome.code, 0 | 1 | 125..=127), "{key} {value}: {outcome:?}");
        assert!(!outcome.stderr.contains("panicked"), "{key} {value}: {outcome:?}");
        host.run(&["ps", "-aq"]).prints("");
    }
}
