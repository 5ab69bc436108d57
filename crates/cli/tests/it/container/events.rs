//! `events`: what is done is written down with it, and told afterwards.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::box_host;

/// Kinds and actions of all that happened, with the given attribute.
fn story(host: &wharfie_testkit::Host, attribute: &str) -> Vec<String> {
    let format = format!("{{{{.Type}}}} {{{{.Action}}}} {{{{index .Actor.Attributes \"{attribute}\"}}}}");
    let told = host.run(&["events", "--since", "1h", "--until", "0s", "--format", &format]).succeeds();
    told.lines().map(|line| line.trim_end().replace(" <no value>", "")).collect()
}

#[test]
fn a_containers_life_is_told_in_order() {
    let Some(host) = box_host() else { return };
    let run = |words: &[&str]| host.run(words).succeeds();
    run(&["network", "create", "own"]);
    run(&["run", "-d", "--name", "one", "--network", "own", "-v", "data:/d", "box:1", "sleep", "1000"]);
    run(&["pause", "one"]);
    run(&["unpause", "one"]);
    run(&["rename", "one", "two"]);
    run(&["update", "--restart", "no", "two"]);
    run(&["kill", "two"]);
    run(&["wait", "two"]);
    run(&["rm", "two"]);
    host.run(&["run", "--rm", "--name", "short", "--network", "none", "box:1", "sh", "-c", "exit 3"]);
    run(&["volume", "rm", "data"]);
    run(&["network", "rm", "own"]);
    let expected = [
        "image load box:1",
        "network create own",
        "volume create",
        "container create one",
        "network connect own",
        "container start one",
        "container pause one",
        "container unpause one",
        "container rename two",
        "container update two",
        "container kill two",
        "network disconnect own",
        "container die two",
        "container destroy two",
        "container create short",
        "container start short",
        "container die short",
        "container destroy short",
        "volume destroy",
        "network destroy own",
    ];
    let told = story(&host, "name");
    // Who writes first of a kill and the end that it makes is chance.
    let by_chance = |line: &&String| !line.ends_with("kill two");
    let without: Vec<&String> = told.iter().filter(by_chance).collect();
    let wanted: Vec<&str> = expected.into_iter().filter(|line| !line.ends_with("kill two")).collect();
    assert_eq!(without, wanted, "{told:#?}");
    assert!(told.contains(&"container kill two".to_owned()), "{told:#?}");
    let codes = ["events", "--since", "1h", "--until", "0s", "-f", "event=die", "--format"];
    let codes = host.run(&[&codes[..], &["{{.Actor.Attributes.exitCode}} {{.From}} {{.ID}}"]].concat()).succeeds();
    assert!(codes.starts_with("137 box:1 ") && codes.contains("\n3 box:1 "), "{codes}");
}

#[test]
fn images_and_their_names() {
    let Some(host) = box_host() else { return };
    host.run(&["tag", "box:1", "other:2"]).succeeds();
    host.run(&["rmi", "other:2"]).succeeds();
    host.run(&["rmi", "box:1"]).succeeds();
    let expected =
        ["image load box:1", "image tag other:2", "image untag other:2", "image untag box:1", "image delete sha256:"];
    let told = story(&host, "name");
    assert_eq!(told.len(), expected.len(), "{told:?}");
    assert!(told.iter().zip(expected).all(|(line, start)| line.starts_with(start)), "{told:?}");
    // What fails did not happen.
    host.run(&["rmi", "box:1"]);
    host.run(&["run", "box:1"]);
    assert_eq!(story(&host, "name").len(), told.len());
}

#[test]
fn they_come_as_they_happen_and_as_they_are_asked_for() {
    let Some(host) = box_host() else { return };
    let mut command = host.command(&["events", "-f", "type=image", "-f", "event=tag", "--format", "{{json .}}"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    // It may not listen yet.
    let mut line = String::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| told.read_line(&mut line).unwrap());
        let mut name = 0;
        while !reading.is_finished() {
            name += 1;
            host.run(&["tag", "box:1", &format!("other:{name}")]).succeeds();
        }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let document: serde_json::Value = serde_json::from_str(&line).unwrap();
    let of = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(["status", "Type", "Action", "scope"].map(of), ["tag", "image", "tag", "local"]);
    assert!(of("id").starts_with("sha256:") && document["timeNano"].is_i64(), "{line}");
    host.run(&["events", "-f", "bogus=x"]).fails(1, "Error response from daemon: invalid filter 'bogus'");
    let failed = host.run(&["events", "--since", "never", "--until", "0s"]);
    assert!(failed.code == 1 && failed.stderr.contains("invalid value for \"since\""), "{failed:?}");
    // A day ago nothing had happened.
    host.run(&["events", "--since", "48h", "--until", "24h"]).prints("");
}
