//! Where Dockerfiles and files come from: directories, streams, repositories, the web.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use wharfie_testkit::faulty_server::{FaultyServer, reply};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, file, needs};

use super::{context, listing, tree};
use crate::{host, host_with};

/// A Dockerfile that takes everything.
const ALL: &str = "FROM scratch\nCOPY . /\n";

fn streamed(host: &Host, words: &[&str], input: &[u8]) -> String {
    let all = [&["build", "-q", "-o", "type=tar,dest=tree.tar"], words].concat();
    host.run_with(&all, input).succeeds();
    listing(&std::fs::read(host.path().join("tree.tar")).expect("it was written"))
}

#[test]
fn streams_are_told_apart_by_what_they_are() {
    let host = host();
    let plain = tar(&[file("Dockerfile", ALL), file("a", "1"), file("d/b", "2")]);
    let expected = "644 0:0 Dockerfile: FROM scratch|COPY . /\n644 0:0 a: 1\n755 0:0 d/\n644 0:0 d/b: 2\n";
    assert_eq!(streamed(&host, &["-"], &plain), expected);
    let path = host.file("a.tar", &plain);
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let packed = needs::output(Command::new(program).arg("-c").arg(&path), program).stdout;
        assert_eq!(streamed(&host, &["-"], &packed), expected, "{program}");
    }
    assert_eq!(streamed(&host, &["-"], b"FROM scratch\nCOPY <<E /x\nhi\nE\n"), "644 0:0 x: hi\n");
    let lone = host.run_with(&["build", "-"], b"FROM scratch\nCOPY x /\n");
    assert!(lone.code == 1 && lone.stderr.contains("\"/x\": not found"), "{}", lone.stderr);
    assert!(host.run_with(&["build", "-"], b"").stderr.contains("cannot be empty"));
    let noise = host.run_with(&["build", "-"], &[0x1f, 0x8b, 8, 0, 1, 2, 3, 4]);
    assert_eq!(noise.code, 1, "{}", noise.stderr);
}

#[test]
fn dockerfiles_in_streams_have_names_and_ignore_files_of_their_own() {
    let host = host();
    let packed = tar(&[
        file("one", "FROM scratch\nCOPY . /o/\n"),
        file("one.dockerignore", "one*\na\n"),
        file("sub/two", "FROM scratch\nCOPY . /o/\n"),
        file(".dockerignore", "b\nsub\none*\n.dockerignore"),
        file("a", "1"),
        file("b", "2"),
    ]);
    let one = streamed(&host, &["-f", "one", "-"], &packed);
    assert_eq!(
        one.lines().filter(|line| line.ends_with(": 1") || line.ends_with(": 2")).collect::<Vec<_>>(),
        ["644 0:0 o/b: 2"]
    );
    // The same files under other rules are other files, also from the cache.
    assert_eq!(streamed(&host, &["-f", "sub/two", "-"], &packed), "755 0:0 o/\n644 0:0 o/a: 1\n");
    let missing = host.run_with(&["build", "-f", "three", "-"], &packed);
    assert!(
        missing.code == 1 && missing.stderr.contains("open three: no such file or directory"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_dockerfile_may_come_from_elsewhere_than_the_context() {
    let host = host();
    context(&host, &[("a", "1"), ("Dockerfile", "FROM nothing-like-this\n")]);
    assert_eq!(streamed(&host, &["-f", "-", "ctx"], b"FROM scratch\nCOPY a /\n"), "644 0:0 a: 1\n");
    host.file("elsewhere/Other", b"FROM scratch\nCOPY a /other\n");
    assert_eq!(tree(&host, &["-f", "elsewhere/Other", "ctx"]), "644 0:0 other: 1\n");
    // Its ignore file is beside it, and counts alone.
    context(&host, &[(".dockerignore", "b\n"), ("b", "2")]);
    host.file("elsewhere/Other.dockerignore", b"a\n");
    let hidden = host.run(&["build", "-f", "elsewhere/Other", "ctx"]);
    assert!(hidden.code == 1 && hidden.stderr.contains("\"/a\": not found"), "{}", hidden.stderr);
    host.file("elsewhere/Other", b"FROM scratch\nCOPY b /other\n");
    assert_eq!(tree(&host, &["-f", "elsewhere/Other", "ctx"]), "644 0:0 other: 2\n");
    std::fs::remove_file(host.path().join("ctx/Dockerfile")).unwrap();
    context(&host, &[("Containerfile", "FROM scratch\nCOPY a /c\n")]);
    assert_eq!(tree(&host, &["ctx"]), "644 0:0 c: 1\n");
}

/// An ignore file and what is copied all the same.
const IGNORED: &[(&str, &str)] = &[
    ("", "a.log a.txt d/a.log d/a.txt d/e/a.log d/e/keep"),
    ("*.log", "a.txt d/a.log d/a.txt d/e/a.log d/e/keep"),
    ("**/*.log", "a.txt d/a.txt d/e/keep"),
    ("d", "a.log a.txt"),
    ("/d/", "a.log a.txt"),
    ("d\n!d/e/keep", "a.log a.txt d/e/keep"),
    ("*\n!*.txt", "a.txt"),
    ("*\n!**/*.txt", "a.txt d/a.txt"),
    ("# a.log\n\n  a.txt  \r\n", "a.log d/a.log d/a.txt d/e/a.log d/e/keep"),
    ("!a.log\na.log", "a.txt d/a.log d/a.txt d/e/a.log d/e/keep"),
    ("?.log\nd/[a-c]*", "a.txt d/e/a.log d/e/keep"),
    ("d/**", "a.log a.txt"),
];

#[test]
fn ignore_files_hide_what_they_name() {
    let host = host();
    let names = ["a.log", "a.txt", "d/a.log", "d/a.txt", "d/e/a.log", "d/e/keep"];
    for name in names {
        host.file(&format!("ctx/{name}"), b"");
    }
    host.file("Dockerfile", ALL.as_bytes());
    for (text, expected) in IGNORED {
        host.file("ctx/.dockerignore", format!("{text}\n.dockerignore\n").as_bytes());
        let found = tree(&host, &["-f", "Dockerfile", "ctx"]);
        let files: Vec<&str> = found.lines().filter_map(|line| line.split(' ').nth(2)?.strip_suffix(':')).collect();
        assert_eq!(files.join(" "), *expected, "{text:?}");
    }
    host.file("ctx/.dockerignore", b"[a-\n");
    let bad = host.run(&["build", "-f", "Dockerfile", "ctx"]);
    assert!(bad.code == 1 && bad.stderr.contains(".dockerignore"), "{}", bad.stderr);
}

#[test]
fn named_contexts_are_directories_images_and_layouts() {
    let image = Image::new().with_file("in-image", "i");
    let host = host_with(&[(&image, &["other:1"])]);
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY --from=more /x /\nFROM base\nCOPY --from=0 /x /y\n")]);
    host.file("more/x", b"1");
    host.file("more/hidden", b"2");
    host.file("more/.dockerignore", b"hidden\n");
    let words = ["--build-context", "more=more", "--build-context=base=docker-image://other:1", "ctx"];
    assert_eq!(tree(&host, &words), "644 0:0 in-image: i\n644 0:0 y: 1\n");
    host.run(&[
        "build",
        "-o",
        "type=oci,dest=layout,tar=false",
        "-t",
        "named:2",
        "--build-context",
        "more=more",
        "--build-context=base=docker-image://other:1",
        "ctx",
    ])
    .succeeds();
    context(&host, &[("Dockerfile", "FROM base\nCOPY --from=layout /y /z\n")]);
    let words =
        ["--build-context", "layout=oci-layout://layout:2", "--build-context=base=oci-layout://layout:2", "ctx"];
    assert_eq!(tree(&host, &words), "644 0:0 in-image: i\n644 0:0 y: 1\n644 0:0 z: 1\n");
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY --from=more /hidden /\n")]);
    let hidden = host.run(&["build", "--build-context=more=more", "ctx"]);
    assert!(hidden.code == 1 && hidden.stderr.contains("\"/hidden\": not found"), "{}", hidden.stderr);
    let missing = host.run(&["build", "--build-context=more=nowhere", "ctx"]);
    assert!(
        missing.code == 1 && missing.stderr.contains("failed to get build context more: stat nowhere"),
        "{}",
        missing.stderr
    );
}

/// Files on the web: a Dockerfile, a context, and one that leads to a file of this machine.
#[test]
fn the_web_gives_dockerfiles_and_archives() {
    let host = host();
    let packed = tar(&[
        file("Dockerfile", "FROM scratch\nCOPY a /\n"),
        file("a", "1"),
        file("other", "FROM scratch\nCOPY a /b\n"),
    ]);
    let packed = needs::output(Command::new("gzip").arg("-c").arg(host.file("a.tar", &packed)), "gzip").stdout;
    let server = FaultyServer::start(move |heard| match heard.target.as_str() {
        "/a.tar.gz" => reply(200, &[], &packed),
        "/Dockerfile" => reply(200, &[], b"FROM scratch\nCOPY <<E /from-web\nw\nE\n"),
        "/away" => reply(302, &[("Location", "file:///etc/passwd")], b""),
        _ => reply(404, &[], b""),
    });
    let url = |path: &str| format!("http://{}{path}", server.address());
    assert_eq!(tree(&host, &[&url("/a.tar.gz")]), "644 0:0 a: 1\n");
    assert_eq!(tree(&host, &["-f", "other", &url("/a.tar.gz")]), "644 0:0 b: 1\n");
    assert_eq!(tree(&host, &[&url("/Dockerfile")]), "644 0:0 from-web: w\n");
    context(&host, &[("a", "1")]);
    assert_eq!(tree(&host, &["-f", &url("/Dockerfile"), "ctx"]), "644 0:0 from-web: w\n");
    for path in ["/missing", "/away"] {
        let outcome = host.run(&["build", &url(path)]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{path}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("root:"), "{}", outcome.stderr);
    }
}

/// `git daemon` on a port of its own; it ends with the test.
struct GitServer {
    process: Child,
    port: u16,
}

impl GitServer {
    fn start(base: &Path) -> Self {
        // `git daemon` would start this and wait for it; whoever ends it must know it itself.
        let program = git(base, &["--exec-path"]).trim_end().to_owned() + "/git-daemon";
        for _ in 0..20 {
            let port = std::net::TcpListener::bind("127.0.0.1:0")
                .expect("the daemon can be looked at")
                .local_addr()
                .expect("loopback has ports")
                .port();
            let mut command = Command::new(&program);
            command.args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"]);
            command.arg(format!("--port={port}")).arg(format!("--base-path={}", base.display())).arg(base);
            let mut process =
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the package git is installed");
            for _ in 0..200 {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { process, port };
                }
                if process.try_wait().expect("the daemon can be looked at").is_some() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            drop(process.kill().and_then(|()| process.wait()));
        }
        panic!("git daemon does not come up")
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        drop(self.process.kill().and_then(|()| self.process.wait()));
    }
}

fn git(at: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(at)
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
        .args(words);
    needs::succeeds(command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1"), "git")
}

#[test]
fn repositories_are_checked_out() {
    let host = host();
    let repository = host.path().join("served/app.git");
    std::fs::create_dir_all(&repository).unwrap();
    git(&repository, &["init", "-q"]);
    host.file("served/app.git/Dockerfile", b"FROM scratch\nCOPY . /\n");
    host.file("served/app.git/sub/Dockerfile", b"FROM scratch\nCOPY f /f\n");
    host.file("served/app.git/sub/f", b"1");
    host.file("served/app.git/.dockerignore", b"Dockerfile\n.dockerignore\nsub/Dockerfile\n");
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-qm", "one"]);
    git(&repository, &["tag", "v1"]);
    host.file("served/app.git/sub/f", b"2");
    git(&repository, &["commit", "-qam", "two"]);
    let commit = git(&repository, &["rev-parse", "HEAD"]);
    let server = GitServer::start(&host.path().join("served"));
    let url = format!("git://127.0.0.1:{}/app.git", server.port);
    assert_eq!(tree(&host, &[&url]), "755 0:0 sub/\n644 0:0 sub/f: 2\n");
    assert_eq!(tree(&host, &[&format!("{url}#v1")]), "755 0:0 sub/\n644 0:0 sub/f: 1\n");
    assert_eq!(tree(&host, &[&format!("{url}#main:sub")]), "644 0:0 f: 2\n");
    assert_eq!(tree(&host, &[&format!("{url}#:sub")]), "644 0:0 f: 2\n");
    assert_eq!(tree(&host, &[&format!("{url}#{}", commit.trim())]), "755 0:0 sub/\n644 0:0 sub/f: 2\n");
    let missing = host.run(&["build", &format!("{url}#nowhere")]);
    assert!(missing.code == 1 && missing.stderr.contains("nowhere"), "{}", missing.stderr);
    let outside = host.run(&["build", &format!("{url}#main:../..")]);
    assert_eq!(outside.code, 1, "{}", outside.stderr);

    context(
        &host,
        &[("Dockerfile", &format!("FROM scratch\nADD {url}#v1:sub /g/\nADD --keep-git-dir=true {url} /k/\n"))],
    );
    let found = tree(&host, &["ctx"]);
    assert!(
        found.contains("644 0:0 g/f: 1\n") && found.contains("755 0:0 k/.git/\n") && !found.contains("g/.git"),
        "{found}"
    );
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD --checksum={} {url} /g/\n", commit.trim()))]);
    assert!(tree(&host, &["ctx"]).contains("644 0:0 g/sub/f: 2\n"));
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD --checksum={} {url}#v1 /g/\n", commit.trim()))]);
    assert_eq!(host.run(&["build", "ctx"]).code, 1);
}
