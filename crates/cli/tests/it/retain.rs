//! `image retain`: what rules keep, why, and what becomes of the rest.

use serde_json::Value;
use wharfie_testkit::{Host, Image};

use crate::host_with;

fn image(n: u32) -> Image {
    Image::new().with_file("f", &n.to_string()).made(&format!("2020-01-0{n}T00:00:00Z"))
}

/// Three versions of one repository, the second with a name more, and something else.
fn shop() -> Host {
    host_with(&[
        (&image(1), &["team/web:1", "other:1"]),
        (&image(2), &["team/web:2", "team/web:v2"]),
        (&image(3), &["team/web:3"]),
        (&image(4), &["db:1"]),
    ])
}

fn names(host: &Host) -> Vec<String> {
    let told = host.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).succeeds();
    let mut names: Vec<String> = told.lines().map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn a_dry_run_explains_each_decision_and_removes_nothing() {
    let host = shop();
    let before = names(&host);
    let words = ["image", "retain", "--keep-last", "1", "--keep-tags", "v*", "--repositories", "team/**"];
    let dry = host.run(&[&words[..], &["--dry-run"]].concat());
    let lines: Vec<&str> = dry.stdout.lines().collect();
    assert!(
        lines[1].starts_with("team/web:3") && lines[1].ends_with("stays: number 1 of the last 1"),
        "{}",
        dry.stdout
    );
    assert!(lines[2].ends_with("stays: the policy keeps tags of this name"), "{}", dry.stdout);
    assert!(
        lines[3].starts_with("team/web:2") && lines[3].ends_with("goes: nothing in the policy keeps it"),
        "{}",
        dry.stdout
    );
    assert!(lines[4].starts_with("team/web:1"), "{}", dry.stdout);
    assert_eq!(lines.len(), 5, "each name is told of once: {}", dry.stdout);
    assert_eq!((dry.stderr.as_str(), names(&host)), ("This was a dry run: nothing was removed.\n", before));
    let done = host.run(&[&words[..], &["-f"]].concat()).succeeds();
    assert_eq!(done, dry.stdout);
    assert_eq!(names(&host), ["db:1", "other:1", "team/web:3", "team/web:v2"]);
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn images_without_a_name_go_and_come_back_with_all_of_theirs() {
    let host = shop();
    let before = names(&host);
    let gone = host.run(&["image", "retain", "-f", "--keep-last", "0", "--format", "json"]).succeeds();
    let gone: Value = serde_json::from_str(&gone).unwrap();
    assert_eq!(gone["decisions"].as_array().unwrap().len(), 6);
    assert!(gone["decisions"].as_array().unwrap().iter().all(|decision| decision["stays"] == false));
    let deleted = |n: u32| serde_json::json!({"deleted": image(n).id()});
    assert!((1..5).all(|n| gone["removed"].as_array().unwrap().contains(&deleted(n))), "{gone}");
    assert_eq!(names(&host), Vec::<String>::new());
    for n in 1..5 {
        host.run(&["image", "restore", &image(n).id()]).succeeds();
    }
    assert_eq!(names(&host), before);
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn what_is_used_or_young_stays() {
    let host = shop();
    host.run(&["create", "--name", "one", "db:1", "true"]).succeeds();
    let told = host.run(&["image", "retain", "-f", "--keep-last", "0"]).succeeds();
    assert!(told.contains("stays: container one uses it"), "{told}");
    assert_eq!(names(&host), ["db:1"]);
    // A use is remembered when the container is gone.
    host.run(&["rm", "one"]).succeeds();
    let told = host.run(&["image", "retain", "-f", "--used-within", "1h"]).succeeds();
    assert!(told.contains("stays: used "), "{told}");
    let told = host.run(&["image", "retain", "-f", "--pulled-within", "1h"]).succeeds();
    assert!(told.contains("stays: loaded "), "{told}");
    host.run(&["image", "retain", "-f", "--used-within", "0s", "--pulled-within", "-1s"])
        .fails(1, "pulled-within is \"-1s\", which is not a duration\n help: write for example \"168h\" for a week");
}

#[test]
fn patterns_are_split_at_commas_and_told_if_they_are_about_nothing() {
    let host = shop();
    let retain = |words: &[&str]| host.run(&[&["image", "retain", "--dry-run"], words].concat());
    let said = retain(&["--keep-tags", "v*,1,9", "--repositories", "team/**,db,nothing"]);
    let stays = |name: &str| {
        let line = said.stdout.lines().find(|line| line.starts_with(&format!("{name} "))).map(str::to_owned);
        line.map(|line| line.contains("stays:"))
    };
    assert_eq!([stays("team/web:v2"), stays("team/web:1"), stays("db:1")], [Some(true); 3], "{}", said.stdout);
    assert_eq!([stays("team/web:3"), stays("other:1")], [Some(false), None], "{}", said.stdout);
    assert_eq!(
        said.stderr,
        "WARNING: no repository here is called \"nothing\"\nWARNING: no tag that is judged is called \"9\": it keeps \
         nothing\nThis was a dry run: nothing was removed.\n"
    );
    for word in ["db", "docker.io/library/db", "docker.io/**/db"] {
        let said = retain(&["--keep-last", "1", "--repositories", word]);
        assert_eq!((said.code, said.stdout.lines().count()), (0, 2), "{word}: {}{}", said.stdout, said.stderr);
        assert_eq!(said.stderr, "This was a dry run: nothing was removed.\n");
    }
    retain(&["--keep-last", "1", "--repositories", "db:1"]).fails(
        1,
        "\"db:1\" is an image, and not a pattern of repositories\n help: write the repository without a tag, and the \
         tag as a pattern of tags to keep",
    );
    for words in [["--keep-last", "x"], ["--keep-last", "-1"], ["--used-within", "soon"]] {
        assert_eq!(retain(&words).code, 125, "{words:?}");
    }
    assert_eq!(retain(&["--keep-last", "1", "--format", "xml"]).code, 1);
}

#[test]
fn nobody_is_asked_who_is_not_there() {
    let host = shop();
    let before = names(&host);
    let said = host.run(&["image", "retain", "--keep-last", "1", "--repositories", "team/*"]);
    assert_eq!(said.code, 1);
    assert!(said.stdout.contains("\nteam/web:2") && said.stdout.contains("goes:"), "{}", said.stdout);
    assert!(said.stderr.starts_with("nobody is there to ask: 3 names of images would go, nothing was removed\n"));
    assert!(said.stderr.contains("use -f"), "{}", said.stderr);
    assert_eq!(names(&host), before);
}

#[test]
fn how_an_image_came_is_told() {
    let host = shop();
    host.file("Dockerfile", b"FROM db:1\nLABEL a=b\n");
    host.run(&["build", "-q", "-t", "made:1", "."]).succeeds();
    host.run(&["tag", "other:1", "another:1"]).succeeds();
    let told = host.run(&["image", "retain", "--dry-run", "--pulled-within", "1h"]).succeeds();
    let has = |name: &str, how: &str| {
        told.lines().any(|line| line.starts_with(name) && line.contains(&format!("stays: {how} ")))
    };
    assert!(has("made:1", "built") && has("db:1", "loaded") && has("another:1", "tagged"), "{told}");
}

#[test]
fn rules_are_in_the_settings_file() {
    let host = shop();
    let rules = "[[retain]]\nrepositories = [\"team/*\"]\nkeep = [{ last = 1 }, { tags = [\"v*\"] }]\n\
                 [[retain]]\nrepositories = [\"**\"]\nkeep = [{ pulled-within = \"1h\" }]\n";
    let path = host.file("settings.toml", rules.as_bytes()).display().to_string();
    let without = host.run(&["image", "retain", "-f"]);
    assert_eq!(
        (without.code, without.words_without_help().as_str()),
        (1, "there are no rules that say what to keep\n")
    );
    assert_eq!(host.run(&["image", "retain", "-f", "--repositories", "db"]).code, 1);
    let host = host.with("WHARFIE_CONFIG", &path);
    // What would go is shown before it is asked for.
    let asked = host.run_with(&["image", "retain"], b"n\n").succeeds();
    let question = "WARNING! This will remove 2 names of images.\nAre you sure you want to continue? [y/N] ";
    let table = asked.strip_suffix(question).expect("it ends with the question");
    assert!(table.contains("\nteam/web:2") && table.contains("goes: nothing in the policy keeps it\n"), "{asked}");
    assert_eq!(names(&host).len(), 6);
    assert_eq!(host.run_with(&["image", "retain"], b"y\n").succeeds(), asked);
    assert_eq!(names(&host), ["db:1", "other:1", "team/web:3", "team/web:v2"]);
    assert_eq!(host.run(&["image", "retain"]).succeeds().lines().count(), 5, "nobody is asked about nothing");
}
