//! "Did you mean": a line of help after docker's text, if something is near enough.

use wharfie_testkit::Image;

use crate::{host, host_with};

#[test]
fn mistyped_commands_and_flags_are_told_what_was_meant() {
    let host = host();
    host.run(&["imgaes"]).fails(
        1,
        "wharfie: unknown command: wharfie imgaes\n\nRun 'wharfie --help' for more information\n help: did you mean \
         `images`?",
    );
    host.run(&["volume", "craete"]).fails(
        1,
        "wharfie: unknown command: wharfie volume craete\n\nUsage:  wharfie volume COMMAND\n\nRun 'wharfie volume --help' for \
         more information\n help: did you mean `create`?",
    );
    host.run(&["tag", "--hepl"]).fails(
        125,
        "unknown flag: --hepl\n\nUsage:  wharfie tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]\n\nRun 'wharfie tag --help' \
         for more information",
    );
    let flag = host.run(&["images", "--qiuet"]);
    assert!(flag.stderr.ends_with("\n help: did you mean `--quiet`?\n"), "{}", flag.stderr);
    assert!(!host.run(&["deploy"]).stderr.contains("did you mean"));
}

#[test]
fn mistyped_names_are_told_what_was_meant_after_dockers_text() {
    let host = host_with(&[(&Image::new().with_file("a", "1"), &["alpine:3.20"])]);
    host.run(&["rmi", "alpnie"]).fails(
        1,
        "Error response from daemon: No such image: alpnie:latest\n help: did you mean `alpine:3.20`?\n help: `wharfie \
         images` lists the images that are here, `wharfie pull` gets others",
    );
    let inspected = host.run(&["inspect", "alpine"]);
    assert_eq!(inspected.stderr, "Error: No such object: alpine\n help: did you mean `alpine:3.20`?\n");
    host.run(&["volume", "create", "data-files"]).prints("data-files\n");
    host.run(&["volume", "rm", "data-flies"]).fails(
        1,
        "Error response from daemon: get data-flies: no such volume\n help: did you mean `data-files`?\n help: `wharfie \
         volume ls` lists all volumes",
    );
    host.run(&["volume", "rm", "other"]).fails(
        1,
        "Error response from daemon: get other: no such volume\n help: `wharfie volume ls` lists all volumes",
    );
}

#[test]
fn what_is_here_under_another_tag_is_not_what_a_pull_wanted() {
    let server = wharfie_testkit::FaultyServer::start(|_| {
        let denied = br#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;
        wharfie_testkit::faulty_server::reply(403, &[("Content-Type", "application/json")], denied)
    });
    let name = |rest: &str| format!("{}/{rest}", server.address());
    let host = host_with(&[(&Image::new().with_file("a", "1"), &[&name("web:1")])]);
    let meant = format!("did you mean `{}`?", name("web:1"));
    let denied = host.run(&["pull", &name("web:2")]);
    assert!(denied.stderr.contains("pull access denied") && !denied.stderr.contains("did you mean"), "{denied:?}");
    // Another name may be a slip of the finger; and what runs could run that.
    assert!(host.run(&["pull", &name("wbe:1")]).stderr.contains(&meant));
    assert!(host.run(&["create", &name("web:2")]).stderr.contains(&meant));
}
