//! What is done again and what is not, and what is said of it.

use std::time::{Duration, SystemTime};

use wharfie_testkit::faulty_server::{FaultyServer, reply};
use wharfie_testkit::{Host, Image, Outcome};

use super::{box_host, context};
use crate::host_with;

/// Builds `ctx` with plain lines; the instructions that were done, by their text, and those that were not.
#[derive(Debug, PartialEq, Eq)]
struct Steps {
    done: Vec<String>,
    cached: Vec<String>,
    id: String,
    text: String,
}

#[track_caller]
fn steps(host: &Host, words: &[&str]) -> Steps {
    let outcome = host.run(&[&["build", "--progress=plain", "--iidfile", "id"], words, &["ctx"]].concat());
    let Outcome { stderr: text, .. } = outcome.clone();
    outcome.succeeds();
    let (mut done, mut cached) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let Some((number, label)) = line.split_once(" [") else { continue };
        let Some((place, instruction)) = label.split_once("] ") else { continue };
        if !number.starts_with('#') || number.contains(' ') || place == "internal" || instruction.starts_with("FROM ") {
            continue;
        }
        let (instruction, end) = (instruction.to_owned(), format!("{number} CACHED"));
        match text.lines().any(|line| line == end) {
            true => cached.push(instruction),
            false => done.push(instruction),
        }
    }
    let id = std::fs::read_to_string(host.path().join("id")).expect("it was written");
    Steps { done, cached, id, text }
}

const WEB: &str = "\
FROM box:1
ARG V=1
RUN echo first > /first
COPY src /src/
RUN cat /src/a > /second; echo $V
ENV X=1
WORKDIR /w
";
const ALL: &[&str] = &["RUN echo first > /first", "COPY src /src/", "RUN cat /src/a > /second; echo 1", "WORKDIR /w"];

/// A host on which [`WEB`] was built, and its image.
fn built() -> Option<(Host, String)> {
    let host = box_host()?;
    context(&host, &[("Dockerfile", WEB), ("src/a", "1"), ("src/b", "2")]);
    let first = steps(&host, &["-t", "web"]);
    assert_eq!(first.done, ALL, "{}", first.text);
    Some((host, first.id))
}

#[test]
fn what_was_built_is_not_built_again() {
    let Some((host, id)) = built() else { return };
    let second = steps(&host, &["-t", "web"]);
    assert_eq!((second.done.as_slice(), second.id), (&[][..], id.clone()), "{}", second.text);
    assert_eq!(second.cached, ALL);
    // Nor for another tag, another place, another name of the Dockerfile.
    std::fs::rename(host.path().join("ctx/Dockerfile"), host.path().join("other")).unwrap();
    let third = steps(&host, &["-t", "more", "-f", "other"]);
    assert_eq!((third.done.as_slice(), third.id), (&[][..], id));
    assert_eq!(host.run(&["images", "-q"]).succeeds().lines().count(), 3);
}

#[test]
fn files_count_by_what_is_in_them() {
    let Some((host, id)) = built() else { return };
    let source = host.path().join("ctx/src/a");
    let touched = std::fs::File::options().write(true).open(&source).unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    let second = steps(&host, &[]);
    assert_eq!((second.done.as_slice(), second.id), (&[][..], id.clone()), "{}", second.text);

    // The same length, and the same time again.
    std::fs::write(&source, "7").unwrap();
    touched.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    let third = steps(&host, &[]);
    assert_eq!(third.done, ALL[1..], "{}", third.text);
    assert!(third.text.contains("not cached: /src/a changed, since build "), "{}", third.text);

    std::fs::write(&source, "1").unwrap();
    assert_eq!(steps(&host, &[]).id, id, "what was there before is found again");
    std::fs::write(host.path().join("ctx/src/c"), "3").unwrap();
    std::fs::remove_file(host.path().join("ctx/src/b")).unwrap();
    let fourth = steps(&host, &[]);
    assert!(fourth.text.contains("not cached: /src/b was removed, and 1 more, since build "), "{}", fourth.text);
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(&source, mode(0o755)).unwrap();
    let fifth = steps(&host, &[]);
    assert!(fifth.text.contains("not cached: /src/a changed, since build "), "{}", fifth.text);
}

#[test]
fn arguments_count_from_where_they_are_declared() {
    let Some((host, id)) = built() else { return };
    let other = steps(&host, &["--build-arg", "V=2"]);
    // As with BuildKit: whoever declares an argument has it in the environment of every command.
    assert_eq!(other.done, [ALL[0], ALL[1], "RUN cat /src/a > /second; echo 2", ALL[3]], "{}", other.text);
    assert!(other.text.contains("not cached: the variable V changed: 1 → 2, since build "), "{}", other.text);
    assert_ne!(other.id, id);
    assert_eq!(steps(&host, &["--build-arg", "V=2"]).done, &[] as &[&str]);
    assert_eq!(steps(&host, &["--build-arg", "V=1"]).id, id);
    let undeclared = steps(&host, &["--build-arg", "HTTP_PROXY=http://nobody:1"]);
    assert_eq!((undeclared.done.as_slice(), undeclared.id), (&[][..], id), "{}", undeclared.text);
}

#[test]
fn an_earlier_step_that_comes_to_the_same_changes_nothing_behind_it() {
    let Some(host) = box_host() else { return };
    let text = |first: &str| format!("FROM box:1\nRUN {first}\nRUN cat /proc/sys/kernel/random/uuid > /behind\n");
    context(&host, &[("Dockerfile", &text("touch -d @0 /f"))]);
    steps(&host, &[]);
    context(&host, &[("Dockerfile", &text("true; touch -d @0 /f"))]);
    let second = steps(&host, &[]);
    assert_eq!(second.done, ["RUN true; touch -d @0 /f"], "{}", second.text);
    assert_eq!(second.cached, ["RUN cat /proc/sys/kernel/random/uuid > /behind"]);
}

#[test]
fn linked_copies_depend_on_nothing_below() {
    let Some(host) = box_host() else { return };
    context(&host, &[("Dockerfile", "FROM box:1\nCOPY --link a /l/a\n"), ("a", "1")]);
    steps(&host, &[]);
    context(&host, &[("Dockerfile", "FROM box:1\nRUN echo new > /new\nCOPY --link a /l/a\n")]);
    let second = steps(&host, &[]);
    assert_eq!((second.done.len(), second.cached), (1, vec!["COPY --link a /l/a".to_owned()]), "{}", second.text);
}

#[test]
fn what_the_web_has_is_asked_for_again() {
    let host = crate::host();
    let body = std::sync::Arc::new(std::sync::Mutex::new("one".to_owned()));
    let served = std::sync::Arc::clone(&body);
    let server = FaultyServer::start(move |_| reply(200, &[], served.lock().unwrap().as_bytes()));
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD http://{}/f /f\n", server.address()))]);
    let first = steps(&host, &[]);
    assert_eq!((first.done.len(), steps(&host, &[]).done.len()), (1, 0));
    *body.lock().unwrap() = "two".to_owned();
    let third = steps(&host, &[]);
    assert_eq!(third.done.len(), 1, "{}", third.text);
    assert_ne!(third.id, first.id);
}

#[test]
fn what_is_known_of_the_web_is_not_fetched_again() {
    let host = crate::host();
    let server = FaultyServer::start(|heard| {
        let body: &[u8] = if heard.target == "/other" { b"two" } else { b"one" };
        let (tag, other) = ("\"v1\"", "\"v2\"");
        match heard.header("if-none-match") {
            Some(known) if known == tag && heard.earlier < 5 => reply(304, &[("ETag", tag)], b""),
            _ if heard.earlier < 5 => {
                reply(200, &[("ETag", tag), ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")], body)
            }
            _ => reply(200, &[("ETag", other)], b"new"),
        }
    });
    let url = format!("http://{}", server.address());
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD {url}/f /f\n"))]);
    let fetched = || server.heard().iter().filter(|heard| heard.header("if-none-match").is_none()).count();
    let first = steps(&host, &[]);
    assert_eq!((first.done.len(), steps(&host, &[]).cached.len(), fetched()), (1, 1, 1));
    // Somewhere else in the image it is another step: its bytes are needed.
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD {url}/f /g\n"))]);
    assert_eq!((steps(&host, &[]).done.len(), fetched()), (1, 2));
    let tar = host.path().join("tree.tar");
    host.run(&["build", "-q", "-o", "type=tar,dest=tree.tar", "ctx"]).succeeds();
    let tar = std::fs::read(tar).unwrap();
    let mut reader = wharfie_layer::tar::Reader::new(&tar[..]);
    assert_eq!(reader.next_entry().unwrap().unwrap().entry().mtime, 1_445_412_480);
    // From now on it is another one.
    assert_eq!(steps(&host, &[]).done.len(), 1);
    // Bytes that are told by their digest are asked of nobody who has shown them once.
    let sum = wharfie_oci::Digest::of(b"two");
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD --checksum={sum} {url}/other /o\n"))]);
    let (_, before) = (steps(&host, &[]), server.heard().len());
    assert_eq!((steps(&host, &[]).cached.len(), server.heard().len()), (1, before));
    let wrong = wharfie_oci::Digest::of(b"three");
    context(&host, &[("Dockerfile", &format!("FROM scratch\nADD --checksum={wrong} {url}/other /o\n"))]);
    let refused = host.run(&["build", "ctx"]);
    assert!(refused.code == 1 && refused.stderr.contains("digest mismatch"), "{}", refused.stderr);
}

#[test]
fn results_that_go_elsewhere_are_remembered_as_well() {
    let Some(host) = box_host() else { return };
    context(&host, &[("Dockerfile", "FROM box:1\nRUN echo 1 > /x\nCOPY a /a\n"), ("a", "1")]);
    steps_elsewhere(&host, 0);
    steps_elsewhere(&host, 2);
    assert_eq!(steps(&host, &[]).done, &[] as &[&str]);
}

/// Builds into a directory, and insists on so many steps of the cache.
#[track_caller]
fn steps_elsewhere(host: &Host, cached: usize) {
    let outcome = host.run(&["build", "--progress=plain", "-o", "out", "ctx"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let found = outcome.stderr.lines().filter(|line| line.ends_with(" CACHED")).count();
    assert_eq!(found, cached, "{}", outcome.stderr);
}

#[test]
fn equal_stages_converge() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1 AS one\nRUN date > /random; cat /proc/sys/kernel/random/uuid > /uuid\n\
                FROM box:1 AS two\nRUN date > /random; cat /proc/sys/kernel/random/uuid > /uuid\n\
                FROM scratch\nCOPY --from=one /uuid /one\nCOPY --from=two /uuid /two\n";
    context(&host, &[("Dockerfile", text)]);
    host.run(&["build", "-o", "out", "ctx"]).succeeds();
    let read = |name: &str| std::fs::read_to_string(host.path().join("out").join(name)).unwrap();
    assert_eq!(read("one"), read("two"), "a step is done once, whoever asks for it");
}

#[test]
fn the_cache_can_be_refused() {
    let Some((host, id)) = built() else { return };
    let without = steps(&host, &["--no-cache"]);
    assert_eq!(without.done, ALL, "{}", without.text);
    assert_ne!(without.id, id);
    assert_eq!(steps(&host, &[]).done, &[] as &[&str]);

    let text = "FROM box:1 AS one\nRUN echo 1 > /one\nFROM one AS two\nRUN echo 2 > /two\n";
    context(&host, &[("Dockerfile", text)]);
    steps(&host, &[]);
    let two = steps(&host, &["--no-cache-filter", "two"]);
    assert_eq!((two.done, two.cached), (vec!["RUN echo 2 > /two".to_owned()], vec!["RUN echo 1 > /one".to_owned()]));
    let both = steps(&host, &["--no-cache-filter=one,two"]);
    assert_eq!(both.cached, &[] as &[&str], "{}", both.text);
}

#[test]
fn another_base_is_told() {
    let Some((host, id)) = built() else { return };
    let other = Image::busybox().with_file("etc/new", "1");
    let archive = wharfie_testkit::archive(&[(&other, &["box:1"])]);
    host.run_with(&["load", "-q"], &archive).succeeds();
    let second = steps(&host, &[]);
    assert_eq!(second.done, ALL, "{}", second.text);
    assert_ne!(second.id, id);
    assert!(second.text.contains("not cached: the base image changed: "), "{}", second.text);
}

#[test]
fn every_difference_is_told_to_who_asks() {
    let Some((host, _)) = built() else { return };
    let changed = WEB.replace("echo first", "echo another").replace("ENV X=1", "ENV X=2");
    context(&host, &[("Dockerfile", &changed), ("src/a", "9")]);
    let told = steps(&host, &["--explain"]);
    let expected = "not cached: the command changed: [\"/bin/sh\",\"-c\",\"echo first > /first\"] → [\"/bin/sh\",\"-c\",\"echo another > /first\"], since build ";
    assert!(told.text.contains(expected), "{}", told.text);
    assert!(told.text.contains("not cached: an earlier step came to something else, since build "), "{}", told.text);
    assert!(told.text.contains("and /src/a changed"), "{}", told.text);
    let fresh = host_with(&[(&Image::busybox(), &["box:1"])]);
    context(&fresh, &[("Dockerfile", WEB), ("src/a", "1"), ("src/b", "2")]);
    let told = steps(&fresh, &["--explain"]);
    assert!(told.text.contains("not cached: this step of this Dockerfile was never built here"), "{}", told.text);
}

#[test]
fn two_builds_at_once_do_a_step_once() {
    let Some(host) = box_host() else { return };
    let text = "FROM box:1\nRUN cat /proc/sys/kernel/random/uuid > /uuid; sleep 0.5\nCOPY a /\n";
    context(&host, &[("Dockerfile", text), ("a", "1")]);
    let spawn = |id: &str| {
        let mut command = host.command(&["build", "--iidfile", id, "ctx"]);
        command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let (mut one, mut two) = (spawn("one"), spawn("two"));
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    let read = |name: &str| std::fs::read_to_string(host.path().join(name)).unwrap();
    assert_eq!(read("one"), read("two"));
}
