//! Dockerfiles and contexts of somebody who means no good, and of somebody with odd names.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use wharfie_layer::entry::{Entry, Kind};
use wharfie_testkit::image::tar;
use wharfie_testkit::{file, needs};

use super::{box_host, context, listing, tree};
use crate::host;

/// What no build may come to.
const SECRET: &str = "nobody-may-read-this";

#[test]
fn links_in_a_context_do_not_lead_out_of_it() {
    let host = host();
    let secret = host.file("outside/secret", SECRET.as_bytes());
    context(&host, &[("a", "1")]);
    let at = |name: &str| host.path().join("ctx").join(name);
    symlink(&secret, at("absolute")).unwrap();
    symlink("../outside/secret", at("relative")).unwrap();
    symlink(secret.parent().unwrap(), at("directory")).unwrap();
    symlink("loop", at("loop")).unwrap();
    for line in [
        "COPY absolute /x",
        "COPY relative /x",
        "COPY directory/secret /x",
        "COPY directory /x",
        "COPY directory/* /x/",
        "COPY --parents directory/./secret /x/",
        "ADD absolute /x",
        "COPY loop /x",
        "COPY ../outside/secret /x",
        "COPY /../outside/secret /x",
        "COPY ./../../outside/secret /x",
    ] {
        context(&host, &[("Dockerfile", &format!("FROM scratch\n{line}\n"))]);
        let outcome = host.run(&["build", "-o", "out", "ctx"]);
        assert_eq!(outcome.code, 1, "{line}");
        assert!(!outcome.stderr.contains(SECRET) && !host.path().join("out/x").exists(), "{line}: {}", outcome.stderr);
    }
    // Whole directories keep them as links.
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    let found = tree(&host, &["ctx"]);
    assert!(found.contains("relative -> ../outside/secret\n") && !found.contains(SECRET), "{found}");
}

#[test]
fn ignore_files_and_dockerfiles_are_read_in_the_context() {
    let host = host();
    let secret = host.file("outside/secret", b"FROM scratch\nLABEL a=secret\n");
    let link = |path: &str, to: &[u8]| {
        let (path, link) = (path.into(), to.to_vec());
        (Entry { path, kind: Kind::Symlink, mode: 0o777, link, ..Entry::default() }, Vec::new())
    };
    let packed = tar(&[link("Dockerfile", secret.as_os_str().as_bytes()), file("a", "1")]);
    let outcome = host.run_with(&["build", "-"], &packed);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
}

#[test]
fn archives_stay_where_they_are_unpacked() {
    let host = host();
    let outside = host.path().join("outside");
    let link = |kind, path: &str, to: &str| {
        let (path, link) = (path.into(), to.into());
        (Entry { path, kind, mode: 0o777, link, ..Entry::default() }, Vec::new())
    };
    let away = outside.to_string_lossy().into_owned();
    let evil = [
        ("parent", tar(&[file("../../../../escaped", "e")])),
        ("hard", tar(&[link(Kind::Hardlink, "h", "/etc/passwd")])),
        ("mark", tar(&[file(".wh..wh..opq", "")])),
    ];
    for (name, packed) in evil {
        host.file("ctx/evil.tar", &packed);
        context(&host, &[("Dockerfile", "FROM scratch\nADD evil.tar /d/\n")]);
        let outcome = host.run(&["build", "-o", "out", "ctx"]);
        assert_eq!(outcome.code, 1, "{name}: {}", outcome.stderr);
        let streamed = host.run_with(&["build", "-o", "out2", "-f", "Dockerfile", "-"], &packed);
        assert_eq!(streamed.code, 1, "{name}: {}", streamed.stderr);
    }
    // A link, and then something through it: it comes to lie in the tree.
    let through = tar(&[link(Kind::Symlink, "l", &away), file("l/escaped", "e")]);
    host.file("ctx/evil.tar", &through);
    context(&host, &[("Dockerfile", "FROM scratch\nADD evil.tar /d/\n")]);
    let _either = host.run(&["build", "-o", "out", "ctx"]);
    assert!(!outside.exists() && !host.path().join("escaped").exists());
    let _either = host.run_with(
        &["build", "-o", "out3", "-"],
        &tar(&[
            file("Dockerfile", "FROM scratch\nCOPY . /\n"),
            link(Kind::Symlink, "l", &away),
            file("l/escaped", "e"),
        ]),
    );
    assert!(!outside.exists(), "nothing is written through links");
}

#[test]
fn links_in_the_files_of_a_stage_do_not_lead_out_of_it() {
    let Some(host) = box_host() else { return };
    let secret = host.file("outside/secret", SECRET.as_bytes());
    let (secret, outside) = (secret.display().to_string(), host.path().join("outside").display().to_string());
    context(&host, &[("a", "1")]);
    let lines = [
        format!("RUN ln -s {secret} /l\nFROM scratch\nCOPY --from=one /l /x"),
        format!("RUN ln -s {outside} /l\nFROM scratch\nCOPY --from=one /l/secret /x"),
        format!("RUN true\nFROM box:1\nRUN --mount=from=one,source={secret},target=/x cat /x"),
        format!("RUN ln -s {outside} /l\nFROM box:1\nRUN --mount=from=one,source=/l,target=/x cat /x/secret"),
    ];
    for text in lines {
        context(&host, &[("Dockerfile", &format!("FROM box:1 AS one\n{text}\n"))]);
        let outcome = host.run(&["build", "--progress=plain", "-o", "out", "ctx"]);
        assert_eq!(outcome.code, 1, "{text}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains(SECRET), "{}", outcome.stderr);
    }
    // Destinations and directories of work, mount targets and outputs: they all stay inside.
    for text in [
        format!("RUN ln -s {outside} /l\nCOPY a /l/new"),
        format!("RUN ln -s {outside}/new /l\nCOPY a /l"),
        format!("RUN ln -s {outside} /l\nWORKDIR /l/new\nRUN touch here"),
        format!("RUN ln -s {outside} /l\nRUN --mount=type=cache,target=/l/new touch /l/new/x"),
        format!("RUN ln -s {outside} /l\nRUN --mount=type=tmpfs,target=/l touch /l/x || true"),
        format!("RUN ln -s {outside} /l\nADD a /l/"),
    ] {
        context(&host, &[("Dockerfile", &format!("FROM box:1\n{text}\n"))]);
        let outcome = host.run(&["build", "-q", "-o", "type=tar,dest=all.tar", "ctx"]);
        let left: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["secret"], "{text}: {}", outcome.stderr);
        assert_eq!(outcome.code, 0, "{text}: {}", outcome.stderr);
    }
    // The directory that results are written to is none of the result's.
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY <<E /d/new\nx\nE\n")]);
    std::fs::create_dir(host.path().join("linked")).unwrap();
    symlink(&outside, host.path().join("linked/d")).unwrap();
    let _either = host.run(&["build", "-o", "linked", "ctx"]);
    let left: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secret"], "an old link in the output leads nowhere");
}

#[test]
fn odd_files_are_taken_as_they_are() {
    let host = host();
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY . /\n"), (".dockerignore", "Dockerfile\n.dockerignore\n")]);
    let at = |name: &[u8]| host.path().join("ctx").join(std::ffi::OsStr::from_bytes(name));
    std::fs::write(at(b"latin-\xe9"), "1").unwrap();
    std::fs::write(at(b"line\nbreak"), "2").unwrap();
    std::fs::write(at(b"\x1b[31mred"), "3").unwrap();
    symlink("nowhere", at(b"broken")).unwrap();
    let _socket = UnixListener::bind(at(b"socket")).unwrap();
    needs::succeeds(Command::new("mkfifo").arg(at(b"fifo")), "coreutils");
    std::fs::write(at(&[b'n'; 255]), "4").unwrap();
    let outcome = host.run(&["build", "-q", "-o", "type=tar,dest=all.tar", "ctx"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let bytes = std::fs::read(host.path().join("all.tar")).unwrap();
    let found = listing(&bytes);
    assert!(bytes.windows(7).any(|window| window == b"latin-\xe9"), "{found}");
    for part in ["broken -> nowhere\n", "fifo Fifo\n", "line\nbreak: 2\n", &"n".repeat(255)] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert!(!found.contains("socket"), "{found}");
    // Named alone as well.
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY latin* red* *red /\n")]);
    let outcome = host.run(&["build", "-q", "ctx"]);
    assert!(!outcome.stderr.contains('\x1b'), "{}", outcome.stderr);
    context(&host, &[("Dockerfile", "FROM scratch\nCOPY latin* *red /x/\n")]);
    let outcome = host.run(&["build", "-o", "out", "ctx"]);
    assert!(!outcome.stderr.contains('\x1b'), "{}", outcome.stderr);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(std::fs::read_dir(host.path().join("out/x")).unwrap().count(), 2);
}

#[test]
fn nothing_foreign_reaches_a_terminal_as_it_is() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1\nRUN printf '\\033]0;title\\007\\033[2Jtext\\n'; printf '\\033[31mred\\n' >&2\nLABEL a=\"\u{1b}[31m\"\nRUN echo \u{1b}[2J; false\n";
    context(&host, &[("Dockerfile", text)]);
    for mode in ["plain", "none"] {
        let outcome = host.run(&["build", "--no-cache", "--progress", mode, "ctx"]);
        assert_eq!(outcome.code, 1);
        assert!(!outcome.stderr.contains('\x1b') && !outcome.stderr.contains('\x07'), "{mode}: {:?}", outcome.stderr);
    }
    context(&host, &[("Dockerfile", "FROM scratch\n\u{1b}[31mFOO x\n")]);
    let outcome = host.run(&["build", "ctx"]);
    assert!(outcome.code == 1 && !outcome.stderr.contains('\x1b'), "{:?}", outcome.stderr);
    let classic = host.command(&["build", "ctx"]).env("DOCKER_BUILDKIT", "0").output().unwrap();
    assert!(!classic.stderr.contains(&0x1b), "{:?}", String::from_utf8_lossy(&classic.stderr));
}

#[test]
fn size_is_no_weapon() {
    let host = host();
    let many: String = (0..1000).map(|i| format!("LABEL l{i}={i}\n")).collect();
    context(&host, &[("Dockerfile", &format!("FROM scratch\nCOPY a /\n{many}")), ("a", "1")]);
    let checked = host.run(&["build", "--check", "ctx"]);
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    let more: String = (0..5000).map(|i| format!("LABEL l{i}={i}\n")).collect();
    context(&host, &[("Dockerfile", &format!("FROM scratch\n{more}"))]);
    let outcome = host.run(&["build", "ctx"]);
    assert!(outcome.code == 1 && outcome.stderr.contains("has 5001 instructions"), "{}", outcome.stderr);
    let line = "x".repeat(70_000);
    context(&host, &[("Dockerfile", &format!("FROM scratch\nLABEL a={line}\n"))]);
    let long = host.run(&["build", "ctx"]);
    assert!(
        long.code == 1 && long.stderr.contains("dockerfile line greater than max allowed size of 65535"),
        "{}",
        long.stderr
    );
    context(&host, &[("Dockerfile", &format!("FROM scratch\nLABEL a={}\n", "${A:-".repeat(20_000)))]);
    assert_eq!(host.run(&["build", "ctx"]).code, 1);
    let noise = vec![b'x'; 5 << 20];
    let streamed = host.run_with(&["build", "-"], &noise);
    assert_eq!((streamed.code, streamed.stdout.as_str()), (1, ""), "{}", streamed.stderr);
    let circle = "FROM b AS a\nFROM a AS b\nFROM b\nCOPY --from=c /x /\nFROM scratch AS c\nCOPY --from=c / /\n";
    context(&host, &[("Dockerfile", circle)]);
    let outcome = host.run(&["build", "ctx"]);
    assert!(outcome.code == 1 && outcome.stderr.contains("circular dependency"), "{}", outcome.stderr);
}
