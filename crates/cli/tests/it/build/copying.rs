//! COPY and ADD: where files go, whose they are and what they may be read by.

use std::os::unix::fs::{PermissionsExt, symlink};

use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::faulty_server::{FaultyServer, reply};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, file};

use super::{context, tree};
use crate::{host, host_with};

/// A context with something of everything.
fn rich(host: &Host) {
    let files = [
        ("a.txt", "a"),
        ("b.txt", "b"),
        ("dir/one", "1"),
        ("dir/sub/two", "2"),
        ("x/y/z/file", "f"),
        ("x/y/other", "o"),
        ("odd name", "odd"),
        ("exe", "#!"),
    ];
    context(host, &files);
    let at = |name: &str| host.path().join("ctx").join(name);
    symlink("a.txt", at("link")).expect("the context takes files");
    symlink("dir", at("dirlink")).expect("the context takes files");
    std::fs::set_permissions(at("exe"), PermissionsExt::from_mode(0o4755)).expect("the context takes files");
}

/// A base whose files are in the way.
fn base() -> Image {
    let directory =
        |path: &str| (Entry { path: path.into(), kind: Kind::Directory, mode: 0o755, ..Entry::default() }, Vec::new());
    let link = |path: &str, to: &str| {
        let (path, link) = (path.into(), to.into());
        (Entry { path, kind: Kind::Symlink, mode: 0o777, link, ..Entry::default() }, Vec::new())
    };
    let mut owned = file("owned", "o");
    (owned.0.uid, owned.0.gid, owned.0.mode) = (7, 8, 0o640);
    Image::new().with_layer(tar(&[
        file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34:web:/srv:/bin/sh\n"),
        file("etc/group", "root:x:0:\nweb:x:34:\nextra:x:44:web\n"),
        file("file", "old"),
        directory("real"),
        file("real/kept", "k"),
        link("link", "/real"),
        link("out", "../../../../../outside"),
        link("broken", "nowhere"),
        owned,
    ]))
}

/// The lines of a Dockerfile upon `scratch`, and the files that come of them.
const UPON_NOTHING: &[(&str, &str)] = &[
    ("COPY a.txt /", "644 0:0 a.txt: a\n"),
    ("COPY a.txt /d/", "755 0:0 d/\n644 0:0 d/a.txt: a\n"),
    ("COPY a.txt /d", "644 0:0 d: a\n"),
    ("COPY a.txt b.txt /d/", "755 0:0 d/\n644 0:0 d/a.txt: a\n644 0:0 d/b.txt: b\n"),
    ("COPY dir /d", "755 0:0 d/\n644 0:0 d/one: 1\n755 0:0 d/sub/\n644 0:0 d/sub/two: 2\n"),
    ("COPY dir/ /d/", "755 0:0 d/\n644 0:0 d/one: 1\n755 0:0 d/sub/\n644 0:0 d/sub/two: 2\n"),
    ("COPY dir/sub/../one /", "644 0:0 one: 1\n"),
    ("COPY /a.txt ./", "644 0:0 a.txt: a\n"),
    ("COPY ../a.txt ../../b.txt /", "644 0:0 a.txt: a\n644 0:0 b.txt: b\n"),
    ("WORKDIR /w\nCOPY dir/sub .", "755 0:0 w/\n644 0:0 w/two: 2\n"),
    ("WORKDIR /w\nCOPY a.txt ../e/", "755 0:0 e/\n644 0:0 e/a.txt: a\n755 0:0 w/\n"),
    ("COPY *.txt /t/", "755 0:0 t/\n644 0:0 t/a.txt: a\n644 0:0 t/b.txt: b\n"),
    ("COPY [ab].tx? /t/", "755 0:0 t/\n644 0:0 t/a.txt: a\n644 0:0 t/b.txt: b\n"),
    ("COPY di*/su* /t/", "755 0:0 t/\n644 0:0 t/two: 2\n"),
    ("COPY link /l", "644 0:0 l: a\n"),
    ("COPY link /l/", "755 0:0 l/\n644 0:0 l/link: a\n"),
    ("COPY dirlink /d", "755 0:0 d/\n644 0:0 d/one: 1\n755 0:0 d/sub/\n644 0:0 d/sub/two: 2\n"),
    ("COPY [\"odd name\", \"/to here/\"]", "755 0:0 to here/\n644 0:0 to here/odd name: odd\n"),
    ("COPY exe /", "4755 0:0 exe: #!\n"),
    ("ARG D=/d\nENV E=$D/e\nCOPY a.txt ${E}/", "755 0:0 d/\n755 0:0 d/e/\n644 0:0 d/e/a.txt: a\n"),
    ("COPY --chown=7:8 a.txt /d/", "755 7:8 d/\n644 7:8 d/a.txt: a\n"),
    ("COPY --chown=7 dir/sub /d", "755 7:7 d/\n644 7:7 d/two: 2\n"),
    ("COPY --chmod=600 a.txt exe /d/", "600 0:0 d/\n600 0:0 d/a.txt: a\n600 0:0 d/exe: #!\n"),
    ("COPY --chmod=u=rwX,go=rX exe a.txt /", "644 0:0 a.txt: a\n755 0:0 exe: #!\n"),
    ("COPY --chmod=go-r,u+x a.txt /", "700 0:0 a.txt: a\n"),
    ("ARG M=4711\nCOPY --chmod=$M a.txt /", "4711 0:0 a.txt: a\n"),
    ("COPY --chmod=700 dir/sub /d", "700 0:0 d/\n700 0:0 d/two: 2\n"),
    (
        "COPY --parents x/y/z/file /d/",
        "755 0:0 d/\n755 0:0 d/x/\n755 0:0 d/x/y/\n755 0:0 d/x/y/z/\n644 0:0 d/x/y/z/file: f\n",
    ),
    ("COPY --parents x/./y/*/file /d/", "755 0:0 d/\n755 0:0 d/y/\n755 0:0 d/y/z/\n644 0:0 d/y/z/file: f\n"),
    ("COPY --parents x/./y/other /d", "755 0:0 d/\n755 0:0 d/y/\n644 0:0 d/y/other: o\n"),
    ("COPY --parents **/tw? /", "755 0:0 dir/\n755 0:0 dir/sub/\n644 0:0 dir/sub/two: 2\n"),
    ("COPY --exclude=sub dir /d", "755 0:0 d/\n644 0:0 d/one: 1\n"),
    ("COPY --exclude=**/two dir /d", "755 0:0 d/\n644 0:0 d/one: 1\n755 0:0 d/sub/\n"),
    ("COPY --exclude=a* *.txt /", "644 0:0 b.txt: b\n"),
    ("COPY <<E /f\none $X\nE", "644 0:0 f: one\n"),
    ("ENV X=1\nCOPY <<E <<\"F\" /d/\n$X\nE\n$X\nF", "755 0:0 d/\n644 0:0 d/E: 1\n644 0:0 d/F: $X\n"),
    ("COPY --chmod=755 --chown=1 <<-E /f\n\t\tcut\n\tE", "755 1:1 f: cut\n"),
    ("COPY a.txt /f\nCOPY b.txt /f", "644 0:0 f: b\n"),
    (
        "COPY dir /d\nCOPY x/y /d",
        "755 0:0 d/\n644 0:0 d/one: 1\n644 0:0 d/other: o\n755 0:0 d/sub/\n644 0:0 d/sub/two: 2\n755 0:0 d/z/\n644 0:0 d/z/file: f\n",
    ),
    ("COPY --link a.txt /d/", "755 0:0 d/\n644 0:0 d/a.txt: a\n"),
];

#[test]
fn files_go_where_docker_puts_them() {
    let host = host();
    rich(&host);
    let mut wrong = Vec::new();
    for (lines, expected) in UPON_NOTHING {
        host.file("Dockerfile", format!("FROM scratch\n{lines}\n").as_bytes());
        let words = ["build", "-q", "-f", "Dockerfile", "-o", "type=tar,dest=tree.tar", "ctx"];
        let outcome = host.run(&words);
        let found = match outcome.code {
            0 => super::listing(&std::fs::read(host.path().join("tree.tar")).unwrap()),
            _ => outcome.stderr,
        };
        if found != **expected {
            wrong.push(format!("{lines}\n is {found} not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// As above, upon [`base`]: what is different from it.
const UPON_OTHERS: &[(&str, &str)] = &[
    ("COPY --chown=web a.txt /n/", "+755 33:34 n/ +644 33:34 n/a.txt: a"),
    ("COPY --chown=web:extra a.txt /n", "+644 33:44 n: a"),
    ("COPY --chown=:extra a.txt /n", "+644 0:44 n: a"),
    ("COPY --chown=33:extra a.txt /n", "+644 33:44 n: a"),
    ("COPY a.txt /link/", "+644 0:0 real/a.txt: a"),
    ("COPY a.txt /link", "+644 0:0 real/a.txt: a"),
    ("COPY dir/sub /link", "+644 0:0 real/two: 2"),
    ("COPY dir/sub /link/", "+644 0:0 real/two: 2"),
    ("COPY a.txt /link/x/", "+755 0:0 real/x/ +644 0:0 real/x/a.txt: a"),
    ("COPY --link a.txt /link/", "-link -> /real +755 0:0 link/ +644 0:0 link/a.txt: a"),
    ("COPY a.txt /out/", "+755 0:0 outside/ +644 0:0 outside/a.txt: a"),
    ("COPY a.txt /out", "+644 0:0 outside: a"),
    ("COPY a.txt /broken", "+644 0:0 nowhere: a"),
    ("COPY a.txt /real", "+644 0:0 real/a.txt: a"),
    ("COPY a.txt /file", "-644 0:0 file: old +644 0:0 file: a"),
    ("WORKDIR /link/in", "+755 0:0 real/in/"),
    ("WORKDIR /real", ""),
    ("USER web\nWORKDIR /mine/deep", "+755 33:34 mine/ +755 33:34 mine/deep/"),
    ("USER web\nCOPY a.txt /n/", "+755 0:0 n/ +644 0:0 n/a.txt: a"),
    ("COPY --from=base:1 /owned /copy", "+640 7:8 copy: o"),
    ("COPY --from=base:1 --chown=0:0 /owned /copy", "+640 0:0 copy: o"),
    ("COPY --from=base:1 /link /copy", "+755 0:0 copy/ +644 0:0 copy/kept: k"),
    ("COPY --from=base:1 /real/../owned /etc/../", ""),
];

#[test]
fn files_of_the_base_are_heeded() {
    let host = host_with(&[(&base(), &["base:1"])]);
    rich(&host);
    host.file("Dockerfile", b"FROM base:1\n");
    let before = tree(&host, &["-f", "Dockerfile", "ctx"]);
    let mut wrong = Vec::new();
    for (lines, expected) in UPON_OTHERS {
        host.file("Dockerfile", format!("FROM base:1\n{lines}\n").as_bytes());
        let outcome = host.run(&["build", "-q", "-f", "Dockerfile", "-o", "type=tar,dest=tree.tar", "ctx"]);
        let found = match outcome.code {
            0 => difference(&before, &super::listing(&std::fs::read(host.path().join("tree.tar")).unwrap())),
            _ => outcome.stderr,
        };
        if found != **expected {
            wrong.push(format!("{lines}\n is {found}\nnot {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lines that are gone and lines that are new.
fn difference(before: &str, after: &str) -> String {
    let gone = before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| format!("-{line}"));
    let new = after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("+{line}"));
    gone.chain(new).collect::<Vec<_>>().join(" ")
}

#[test]
fn directories_replace_links_and_files_and_the_reverse() {
    let host = host();
    context(&host, &[("one/thing/in", "1"), ("two/other", "2"), ("three/thing", "3")]);
    symlink("other", host.path().join("ctx/two/thing")).unwrap();
    let cases = [
        ("one", "two", "644 0:0 other: 2\nthing -> other\n"),
        ("two", "one", "644 0:0 other: 2\n755 0:0 thing/\n644 0:0 thing/in: 1\n"),
        ("three", "two", "644 0:0 other: 2\nthing -> other\n"),
        ("two", "three", "644 0:0 other: 2\n644 0:0 thing: 3\n"),
    ];
    for (first, second, expected) in cases {
        host.file("Dockerfile", format!("FROM scratch\nCOPY {first} /\nCOPY {second} /\n").as_bytes());
        assert_eq!(tree(&host, &["-f", "Dockerfile", "ctx"]), expected, "{first}, then {second}");
    }
    host.file("Dockerfile", b"FROM scratch\nCOPY one /\nCOPY three /\n");
    let refused = host.run(&["build", "-f", "Dockerfile", "ctx"]);
    let text = "ERROR: failed to solve: cannot replace to directory /thing with file\n";
    assert!(refused.code == 1 && refused.stderr.contains(text), "{}", refused.stderr);
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    let host = host();
    let mut own = file("in/own", "o");
    (own.0.uid, own.0.gid, own.0.mode) = (5, 6, 0o4755);
    let plain = tar(&[own]);
    context(&host, &[("text", "t")]);
    host.file("ctx/a.tar", &plain);
    for program in ["gzip", "bzip2", "xz", "zstd"] {
        let path = host.path().join("ctx/a.tar");
        let output = wharfie_testkit::needs::output(std::process::Command::new(program).arg("-c").arg(path), program);
        host.file(&format!("ctx/a.{program}"), &output.stdout);
    }
    let unpacked = "755 0:0 d/\n755 0:0 d/in/\n4755 5:6 d/in/own: o\n";
    let cases = [
        ("ADD a.tar /d", unpacked),
        ("ADD a.gzip /d/", unpacked),
        ("ADD a.bzip2 /d", unpacked),
        ("ADD a.xz /d", unpacked),
        ("ADD a.zstd /d", unpacked),
        ("ADD text /d/", "755 0:0 d/\n644 0:0 d/text: t\n"),
        ("ADD --chown=9:9 a.tar /d", "755 9:9 d/\n755 9:9 d/in/\n4755 9:9 d/in/own: o\n"),
        ("ADD --unpack=false a.gzip /d/", ""),
        ("COPY a.tar /d/", ""),
    ];
    for (line, expected) in cases {
        host.file("Dockerfile", format!("FROM scratch\n{line}\n").as_bytes());
        let found = tree(&host, &["-f", "Dockerfile", "ctx"]);
        match expected {
            "" => assert!(found.contains(" d/a.") && !found.contains("in/own"), "{line}: {found}"),
            expected => assert_eq!(found, expected, "{line}"),
        }
    }
}

#[test]
fn what_comes_from_the_web_is_private_and_checked() {
    let host = host();
    let packed = tar(&[file("in", "i")]);
    let server = FaultyServer::start(move |heard| match heard.target.as_str() {
        "/file" => reply(200, &[("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")], b"body"),
        "/a.tar" => reply(200, &[], &packed),
        "/named" => reply(200, &[("Content-Disposition", "attachment; filename=given")], b"n"),
        _ => reply(404, &[], b""),
    });
    context(&host, &[]);
    let url = format!("http://{}", server.address());
    let sum = wharfie_oci::Digest::of(b"body");
    let other = wharfie_oci::Digest::of(b"other");
    let build = |line: &str| {
        host.file("Dockerfile", format!("FROM scratch\n{line}\n").as_bytes());
        host.run(&["build", "-q", "-f", "Dockerfile", "-o", "type=tar,dest=tree.tar", "ctx"])
    };
    let good = [
        (format!("ADD {url}/file /"), "600 0:0 file: body\n"),
        (format!("ADD {url}/file /f"), "600 0:0 f: body\n"),
        (format!("ADD --checksum={sum} {url}/file /d/"), "755 0:0 d/\n600 0:0 d/file: body\n"),
        (format!("ADD --chmod=755 --chown=3:4 {url}/file /"), "755 3:4 file: body\n"),
        (format!("ADD --unpack=true {url}/a.tar /d/"), "755 0:0 d/\n644 0:0 d/in: i\n"),
    ];
    for (line, expected) in good {
        build(&line).succeeds();
        let tar = std::fs::read(host.path().join("tree.tar")).unwrap();
        assert_eq!(super::listing(&tar), expected, "{line}");
    }
    let bad = build(&format!("ADD --checksum={other} {url}/file /"));
    assert!(bad.code == 1 && bad.stderr.contains(&format!("digest mismatch {sum}: {other}")), "{}", bad.stderr);
    let missing = build(&format!("ADD {url}/missing /"));
    assert!(missing.code == 1 && missing.stderr.contains("404"), "{}", missing.stderr);
    let nameless = build(&format!("ADD {url}/ /"));
    assert!(nameless.code == 1, "{}", nameless.stderr);
}
