//! `--dry-run` and quoted patterns: what would go is what goes, and nothing goes before.

use wharfie_testkit::{Host, Image};

use crate::{host, host_with};

const DRY: &str = "This was a dry run: nothing was removed.\n";

/// Everything that a list shows, images that were removed and can be brought back included.
fn everything(host: &Host) -> String {
    let lists: [&[&str]; 5] = [
        &["images", "--digests"],
        &["image", "restore"],
        &["ps", "-a"],
        &["volume", "ls"],
        &["system", "df", "-v", "--format", "json"],
    ];
    lists.iter().map(|words| host.run(words).stdout).collect()
}

/// Runs a command as a dry run and then in earnest: both print the same, and only the second one changes anything.
#[track_caller]
fn check(host: &Host, words: &[&str], more: &[&str]) {
    let before = everything(host);
    let rehearsed = host.run(&[words, &["--dry-run"], more].concat());
    assert_eq!(rehearsed.stderr, DRY, "{words:?}");
    assert_eq!(everything(host), before, "{words:?} --dry-run");
    let done = host.run(&[words, more].concat());
    assert_eq!((done.code, done.stdout.as_str()), (rehearsed.code, rehearsed.stdout.as_str()), "{words:?}");
    assert_ne!(everything(host), before, "{words:?}");
}

#[test]
fn a_dry_run_of_removing_images_says_what_goes_and_keeps_it() {
    let image = |text: &str| Image::new().with_file("f", text);
    let (a, b, c) = (image("a"), image("b"), image("c"));
    let host = host_with(&[(&a, &["a:1", "a:2"]), (&b, &["b:1"]), (&c, &["c:1"])]);
    check(&host, &["rmi"], &["a:1"]);
    check(&host, &["rmi"], &["a:2", "b:1"]);
    check(&host, &["image", "prune", "-af"], &[]);
}

#[test]
fn a_dry_run_fails_where_the_command_would() {
    let host = host();
    let outcome = host.run(&["rmi", "--dry-run", "nope"]);
    let expected = format!("{DRY}Error response from daemon: No such image: nope:latest\n");
    assert_eq!((outcome.code, outcome.words_without_help()), (1, expected));
}

#[test]
fn a_pattern_means_every_image_whose_name_fits() {
    let image = |text: &str| Image::new().with_file("f", text);
    let (a, b, c) = (image("a"), image("b"), image("c"));
    let host = host_with(&[(&a, &["team/a:old", "team/a:new"]), (&b, &["team/b:old"]), (&c, &["c:old"])]);
    host.run(&["rmi", "team/*:old"]).fails(
        1,
        "Error response from daemon: invalid reference format\n help: an image is called [REGISTRY/]NAME[:TAG] or NAME@DIGEST, with a name in lower case\n help: with `--pattern` it means all names that fit",
    );
    let removed = host.run(&["rmi", "--pattern", "team/*:old"]).succeeds();
    assert!(removed.starts_with("Untagged: team/a:old\nUntagged: team/b:old\n"), "{removed}");
    assert_eq!(host.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).succeeds(), "c:old\nteam/a:new\n");
    host.run(&["rmi", "--pattern", "team/*:old"]).fails(1, "Error response from daemon: No such image: team/*:old");
    host.run(&["rmi", "--pattern", "["]).fails(1, "Error response from daemon: syntax error in pattern");
}

#[test]
fn volumes_go_by_patterns_and_dry_runs_keep_them() {
    let host = host();
    for name in ["data-1", "data-2", "other"] {
        host.run(&["volume", "create", name]).prints(&format!("{name}\n"));
    }
    check(&host, &["volume", "rm", "--pattern"], &["data-*"]);
    host.run(&["volume", "rm", "data-*"]).fails(1, "Error response from daemon: get data-*: no such volume");
    check(&host, &["volume", "prune", "-af"], &[]);
}
