//! `import`.

use wharfie_testkit::image::{link, tar};
use wharfie_testkit::{FaultyServer, faulty_server, file};

use crate::host;

#[test]
fn a_tar_becomes_an_image() {
    let host = host();
    let rootfs = tar(&[file("etc/motd", "hello")]);
    let id = host.run_with(&["import", "-m", "mine", "-c", "CMD [\"sh\"]", "-", "base:1"], &rootfs).succeeds();
    let check = |template: &str, expected: &str| {
        host.run(&["inspect", "-f", template, "base:1"]).prints(&format!("{expected}\n"));
    };
    check("{{.Id}}", id.trim());
    check("{{.Comment}} {{.Config.Cmd}} {{.Size}}", "mine [sh] 5");
    assert!(host.run(&["history", "base:1"]).succeeds().ends_with("5B        mine\n"));
}

#[test]
fn nothing_makes_an_empty_image() {
    let host = host();
    host.run_with(&["import", "-"], b"").succeeds();
    host.run(&["images", "--format", "{{.Repository}} {{.Size}}"]).prints("<none> 0B\n");
}

#[test]
fn links_count_as_much_as_they_say() {
    let host = host();
    let rootfs = tar(&[file("a", "12345"), link("to-a", "a"), link("far", "/some/where")]);
    host.run_with(&["import", "-", "x"], &rootfs).succeeds();
    host.run(&["inspect", "-f", "{{.Size}}", "x"]).prints("17\n");
}

#[test]
fn what_is_no_tar_is_refused() {
    let host = host();
    let outcome = host.run_with(&["import", "-", "x"], &[b'x'; 2000]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""));
    host.run(&["import", "nope.tar"]).fails(1, "open nope.tar: no such file or directory");
    host.run(&["images", "-aq"]).prints("");
}

#[test]
fn names_and_changes_are_checked_first() {
    let host = host();
    let daemon = "Error response from daemon: ";
    host.run(&["import", "-", &format!("x@sha256:{}", "a".repeat(64))])
        .fails(1, &format!("{daemon}cannot import digest reference"));
    for name in ["sha256:1", "sha256"] {
        let refusal = "refusing to create an ambiguous tag using digest algorithm as name";
        host.run(&["import", "-", name]).fails(1, &format!("{daemon}{refusal}"));
    }
    host.run(&["import", "-", "UP"])
        .fails(1, "invalid reference format: repository name (library/UP) must be lowercase");
    host.run(&["import", "-c", "RUN x", "-"]).fails(1, &format!("{daemon}run is not a valid change command"));
    host.run(&["import", "--platform", "foo", "-"])
        .fails(1, "\"foo\": unknown operating system or architecture: invalid argument");
}

#[test]
fn urls_are_downloaded() {
    let rootfs = tar(&[file("etc/motd", "hello")]);
    let served = rootfs;
    let server = FaultyServer::start(move |heard| match heard.line().contains("/rootfs.tar") {
        true => faulty_server::reply(200, &[], &served),
        false => faulty_server::reply(404, &[], b"not here"),
    });
    let host = host();
    let url = format!("http://{}/rootfs.tar", server.address());
    let text = host.run(&["import", &url, "net"]).succeeds();
    assert!(text.starts_with(&format!("Downloading from {url}\nsha256:")), "{text}");
    host.run(&["inspect", "-f", "{{.Comment}}", "net"]).prints(&format!("Imported from {url}\n"));
    let gone = host.run(&["import", &format!("http://{}/gone", server.address())]);
    assert!(gone.stderr.contains("with status 404 Not Found: not here"), "{}", gone.stderr);
}

#[test]
fn the_platform_is_written_down() {
    let host = host();
    host.run_with(&["import", "--platform", "linux/arm64", "-", "x"], b"").succeeds();
    host.run(&["inspect", "-f", "{{.Os}}/{{.Architecture}}", "x"]).prints("linux/arm64\n");
}
