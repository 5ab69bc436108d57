//! `images` in all its forms.

use serde_json::json;
use wharfie_testkit::Image;

use crate::{host, host_with, without_ages};

fn web() -> Image {
    Image::new().with_file("motd", "hello").with_config("Labels", json!({"a": "1", "b": ""}))
}

fn db() -> Image {
    Image::new().with_file("data", &"x".repeat(1999)).made("2021-06-01T12:00:00Z")
}

#[test]
fn an_empty_store_lists_its_header_and_stays_unwritten() {
    let host = host();
    host.run(&["images"]).prints("REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    host.run(&["images", "-q"]).prints("");
    assert!(!host.store().exists());
}

#[test]
fn newest_first_tags_together() {
    let (web, db) = (web(), db());
    let host = host_with(&[(&web, &["web:1", "team/web:2", "web:0"]), (&db, &["db"])]);
    let listed = host.run(&["images"]).succeeds();
    let expected = format!(
        "REPOSITORY   TAG       IMAGE ID       CREATED       SIZE\n\
         db           latest    {db}   N years ago   2kB\n\
         web          0         {web}   N years ago   5B\n\
         web          1         {web}   N years ago   5B\n\
         team/web     2         {web}   N years ago   5B\n",
        db = db.short(),
        web = web.short(),
    );
    assert_eq!(without_ages(&listed), expected);
    let ids = host.run(&["images", "-q", "web"]).succeeds();
    assert_eq!(ids, format!("{0}\n{0}\n", web.short()));
    host.run(&["image", "ls", "-q", "--no-trunc", "db"]).prints(&format!("{}\n", db.id()));
}

#[test]
fn filters_and_patterns_choose() {
    let (web, db) = (web(), db());
    let host = host_with(&[(&web, &["web:1", "web:2"]), (&db, &["team/db:1"])]);
    let check = |words: &[&str], expected: &[&str]| {
        let mut all = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        all.extend(words);
        let lines: Vec<String> = host.run(&all).succeeds().lines().map(str::to_owned).collect();
        assert_eq!(lines, expected, "{words:?}");
    };
    check(&["web"], &["web:1", "web:2"]);
    check(&["-f", "reference=team/*", "web:2"], &["team/db:1", "web:2"]);
    check(&["-f", "LABEL=a=1"], &["web:1", "web:2"]);
    check(&["-f", "until=2020-06-01"], &["web:1", "web:2"]);
    check(&[&web.short()], &[]);
}

#[test]
fn wrong_filters_are_refused_in_dockers_words() {
    let web = web();
    let host = host_with(&[(&web, &["web"])]);
    let daemon = "Error response from daemon: ";
    host.run(&["images", "-f", "foo=x"]).fails(1, &format!("{daemon}invalid filter 'foo'"));
    host.run(&["images", "-f", "until=xyz"])
        .fails(1, &format!("{daemon}failed to parse value as time or duration: \"xyz\""));
}

#[test]
fn templates_and_json() {
    let web = web();
    let host = host_with(&[(&web, &["web:1", "web:2"])]);
    let id = web.short();
    host.run(&["images", "--format", "table {{.Repository}}:{{.Tag}}\\tX\\t{{truncate .ID 4}}"]).prints(&format!(
        "REPOSITORY:TAG   X         IMAGE ID\nweb:1            X         {0}\nweb:2            X         {0}\n",
        &id[..4]
    ));
    let json = host.run(&["images", "--format", "json", "web:1"]).succeeds();
    let expected = format!(
        "{{\"Containers\":\"N/A\",\"CreatedAt\":\"2020-01-01 00:00:00 +0000 UTC\",\"CreatedSince\":\"N years ago\",\
         \"Digest\":\"\\u003cnone\\u003e\",\"ID\":\"{id}\",\"Repository\":\"web\",\"SharedSize\":\"N/A\",\
         \"Size\":\"5B\",\"Tag\":\"1\",\"UniqueSize\":\"N/A\",\"VirtualSize\":\"5B\"}}\n"
    );
    assert_eq!(without_ages(&json), expected);
    host.run(&["images", "--format", "{{.Nope}}"]).fails(
        1,
        "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type \
         *formatter.imageContext",
    );
    host.run(&["images", "--format", "{{.ID"]).fails(1, "template parsing error: template: :1: unclosed action");
    host.run(&["images", "-q", "--format", "table"]).prints(&format!("{id}\n{id}\n"));
    host.run(&["images", "-q", "--format", "raw", "web:1"]).prints(&format!("image_id: {id}\n"));
}

#[test]
fn a_format_in_dockers_configuration_is_the_default() {
    let web = web();
    let host = host_with(&[(&web, &["web:1"])]);
    host.file("home/.docker/config.json", br#"{"imagesFormat":"{{.Tag}} of {{.Repository}}"}"#);
    host.run(&["images"]).prints("1 of web\n");
    host.run(&["images", "-q"]).prints(&format!("{}\n", web.short()));
    host.run(&["images", "--format", "{{.Tag}}"]).prints("1\n");
}

#[test]
fn mistaken_subcommands_get_a_hint() {
    let host = host();
    let outcome = host.run(&["images", "ls"]);
    assert_eq!(outcome.code, 0);
    assert_eq!(outcome.stderr, "\nNo images found matching \"ls\": did you mean \"wharfie image ls\"?\n");
    assert_eq!(host.run(&["image", "ls", "ls"]).stderr, "");
}

#[test]
fn trees_show_platforms() {
    let arm = web().on("linux", "arm64");
    let host = host_with(&[(&arm, &["web:1"])]);
    let tree = host.run(&["images", "--tree"]).succeeds();
    assert!(tree.contains("└─ linux/arm64"), "{tree}");
    assert!(tree.starts_with("IMAGE            ID             DISK USAGE   CONTENT SIZE   EXTRA\n"), "{tree}");
    assert!(!tree.contains("   U\n"), "{tree}");
    if wharfie_testkit::needs::root("creating a container") {
        host.run(&["create", "web:1", "x"]).succeeds();
        assert_eq!(host.run(&["images", "--tree"]).succeeds().matches("   U\n").count(), 2);
    }
    host.run(&["images", "--tree", "-q"]).fails(1, "--quiet is not yet supported with --tree");
}
