//! `inspect`, `image inspect` and `history`.

use serde_json::{Value, json};
use wharfie_testkit::Image;

use crate::{host_with, without_ages};

fn web() -> Image {
    Image::new()
        .with_file("motd", "hello")
        .with_step("/bin/sh -c #(nop)  CMD [\"sh\"]")
        .with_file("bin/sh", "#!")
        .with_config("Cmd", json!(["sh"]))
        .with_config("Labels", json!({"a": "1"}))
}

#[test]
fn the_document_has_dockers_shape() {
    let web = web();
    let host = host_with(&[(&web, &["web:1", "alpha:0"])]);
    let text = host.run(&["inspect", "web:1"]).succeeds();
    assert!(text.starts_with("[\n    {\n        \"Id\": \"sha256:"), "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    let found = &found[0];
    assert_eq!(found["Id"], json!(web.id()));
    assert_eq!(found["RepoTags"], json!(["alpha:0", "web:1"]));
    assert_eq!(found["RepoDigests"], json!([]));
    assert_eq!(found["Created"], json!("2020-01-01T00:00:00Z"));
    assert_eq!(found["Size"], json!(7));
    assert_eq!(found["Config"], json!({"Cmd": ["sh"], "Labels": {"a": "1"}}));
    assert_eq!(found["RootFS"]["Layers"].as_array().map(Vec::len), Some(2));
    let one_line = host.run(&["inspect", "-f", "json", "web:1"]).succeeds();
    assert_eq!(serde_json::from_str::<Value>(&one_line).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
}

#[test]
fn templates_find_what_is_there_and_what_is_not() {
    let web = web();
    let host = host_with(&[(&web, &["web:1"])]);
    let check = |template: &str, expected: &str| {
        host.run(&["inspect", "-f", template, "web:1"]).prints(&format!("{expected}\n"));
    };
    check("{{.Id}} {{.ID}}", &format!("{0} {0}", web.id()));
    check("{{.Config.Cmd}} {{.Config.Entrypoint}}", "[sh] []");
    check("{{json .Config.Entrypoint}}", "null");
    check("{{.Config.Hostname}}", "");
    check("{{.Config.Labels.nope}}", "<no value>");
    check("{{index .Config.Labels \"nope\"}}", "");
    check("{{index .Config.Labels \"a\"}}", "1");
    check("{{range .RepoTags}}{{.}};{{end}}", "web:1;");
    check("a\\tb", "a\\tb");
    let outcome = host.run(&["inspect", "-f", "{{.Nope}}", "web:1"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, "\n"));
    assert_eq!(
        outcome.words_without_help(),
        "template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"\n"
    );
    let outcome = host.run(&["inspect", "-f", "{{.Id", "web:1"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (64, ""));
    assert_eq!(outcome.stderr, "template parsing error: template: :1: unclosed action\n");
}

#[test]
fn missing_objects_are_named_after_the_found_ones() {
    let web = web();
    let host = host_with(&[(&web, &["web:1"])]);
    let outcome = host.run(&["inspect", "-f", "{{.Os}}", "nope", "web:1", "other"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, "linux\n"));
    assert_eq!(outcome.stderr, "Error: No such object: nope\nError: No such object: other\n");
    let outcome = host.run(&["inspect", "nope"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, "[]\n"));
    let outcome = host.run(&["image", "inspect", "nope"]);
    assert_eq!(outcome.words_without_help(), "Error response from daemon: No such image: nope:latest\n");
    let outcome = host.run(&["inspect", "--type", "container", "nope"]);
    assert_eq!(outcome.words_without_help(), "Error response from daemon: No such container: nope\n");
    let outcome = host.run(&["inspect", "--type", "foo", "nope"]);
    assert!(outcome.stderr.starts_with("unknown type: \"foo\": must be one of \"config\", \"container\","));
}

#[test]
fn lookups_follow_one_rule() {
    let (a, b) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let host = host_with(&[(&a, &["web"]), (&b, &["x:1"])]);
    // A repository called like another image's short id wins over the id.
    host.run(&["tag", "web", &b.short()]).prints("");
    host.run(&["inspect", "-f", "{{.Id}}", &b.short()]).prints(&format!("{}\n", a.id()));
    host.run(&["inspect", "-f", "{{.Id}}", &b.id()]).prints(&format!("{}\n", b.id()));
    host.run(&["inspect", "-f", "{{.Id}}", &b.id()["sha256:".len()..]]).prints(&format!("{}\n", b.id()));
    host.run(&["inspect", "-f", "{{.Id}}", &format!("sha256:{}", &a.short()[..6])]).prints(&format!("{}\n", a.id()));
    let outcome = host.run(&["history", "ABCDEF012345"]);
    let bad = "invalid reference format: repository name (library/ABCDEF012345) must be lowercase";
    assert_eq!(outcome.words_without_help(), format!("Error response from daemon: {bad}\n"));
}

#[test]
fn names_that_are_none_are_refused_by_who_reads_them() {
    let host = host_with(&[(&web(), &["web"])]);
    let bad = |word: &str| format!("invalid reference format: repository name (library/{word}) must be lowercase");
    // Docker's daemon looks these up, ...
    let by_daemon = format!("Error response from daemon: {}", bad("UP"));
    host.run(&["rmi", "UP"]).fails(1, &by_daemon);
    host.run(&["history", "UP"]).fails(1, &by_daemon);
    host.run(&["save", "UP"]).fails(1, &by_daemon);
    host.run(&["tag", "UP", "x"]).fails(1, &by_daemon);
    host.run(&["images", "-f", "since=UP"]).fails(1, &by_daemon);
    assert_eq!(host.run(&["image", "inspect", "UP"]).words_without_help(), format!("{by_daemon}\n"));
    assert_eq!(host.run(&["inspect", "UP"]).stderr, "Error: No such object: UP\n");
    // ... and its client reads these.
    host.run(&["create", "UP"]).fails(1, &bad("UP"));
    host.run(&["push", "UP"]).fails(1, &bad("UP"));
    let target = format!("Error parsing reference: \"UP\" is not a valid repository/tag: {}", bad("UP"));
    host.run(&["tag", "web", "UP"]).fails(1, &target);
    host.run(&["history", "--format", "raw", "web"]).succeeds().lines().for_each(|line| assert_eq!(line, "raw"));
    // Where the archive would go is asked first.
    let nowhere = "invalid output path: stat /nowhere: no such file or directory";
    host.run(&["save", "-o", "/nowhere/x", "nope"]).fails(1, &format!("failed to save image: {nowhere}"));
    host.run(&["export", "-o", "/nowhere/x", "nope"]).fails(1, &format!("failed to export container: {nowhere}"));
}

#[test]
fn platforms_are_checked() {
    let host = host_with(&[(&web().on("linux", "s390x"), &["web"])]);
    host.run(&["image", "inspect", "-f", "{{.Architecture}}", "web"]).prints("s390x\n");
    let outcome = host.run(&["image", "inspect", "--platform", "linux/arm64", "web"]);
    assert_eq!(
        outcome.words_without_help(),
        "Error response from daemon: image with reference web was found but its platform (linux/s390x) does not match \
         the specified platform (linux/arm64)\n"
    );
}

#[test]
fn history_is_told_newest_first() {
    let web = web();
    let host = host_with(&[(&web, &["web"])]);
    let expected = format!(
        "IMAGE          CREATED       CREATED BY                      SIZE      COMMENT\n\
         {}   N years ago   layer 1                         2B        \n\
         <missing>      N years ago   /bin/sh -c #(nop)  CMD [\"sh\"]   0B        \n\
         <missing>      N years ago   layer 0                         5B        \n",
        web.short()
    );
    assert_eq!(without_ages(&host.run(&["history", "web"]).succeeds()), expected);
    host.run(&["history", "-q", "web"]).prints(&format!("{}\n<missing>\n<missing>\n", web.short()));
    host.run(&["history", "--human=false", "--format", "{{.CreatedSince}}|{{.Size}}", "web"])
        .prints("2020-01-01T00:00:00Z|2\n2020-01-01T00:00:00Z|0\n2020-01-01T00:00:00Z|5\n");
    for (zone, moment) in [("CEST-2", "2020-01-01T02:00:00+02:00"), ("UTC0", "2020-01-01T00:00:00Z")] {
        let output = host.command(&["history", "--format", "{{.CreatedAt}}", "web"]).env("TZ", zone).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{moment}\n").repeat(3));
    }
    host.run(&["history", "nope"]).fails(1, "Error response from daemon: No such image: nope:latest");
}
