//! What an image has from the one that it was made from, apart from what is its own.

use serde_json::{Value, json};
use wharfie_testkit::image::tar;
use wharfie_testkit::{Host, Image, Published, TestRegistry, file};

use crate::{host, host_with};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n-----END OPENSSH PRIVATE KEY-----\n";
const TOKEN: &str = concat!("ghp_", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6");

/// An image of an old system that has a bit of everything that is better otherwise.
fn base() -> Image {
    let mut su = file("bin/su", "x");
    su.0.mode = 0o4755;
    let files = [file("etc/os-release", "ID=debian\nVERSION_ID=\"8\"\n"), su, file("root/key", KEY)];
    Image::new()
        .with_layer(tar(&files))
        .with_step(&format!("ENV BASE_TOKEN=hunter2 FORGE={TOKEN}"))
        .with_step("CMD [\"sh\"]")
        .with_config("Env", json!(["PATH=/bin", "BASE_TOKEN=hunter2", format!("FORGE={TOKEN}")]))
}

fn build(host: &Host, name: &str, dockerfile: &str) {
    host.file("context/Dockerfile", dockerfile.as_bytes());
    host.file("context/key", KEY.replace("b3Bl", "c3Bl").as_bytes());
    let context = host.path().join("context").display().to_string();
    host.run(&["build", "-q", "-t", name, &context]).succeeds();
}

fn told(host: &Host, words: &[&str]) -> Value {
    let said = host.run(&[&["scan", "--only", "leaks,checks", "--format", "json"], words].concat());
    serde_json::from_str(&said.stdout).unwrap_or_else(|why| panic!("{why}: {}", said.stderr))
}

/// What was found, in short.
fn words(told: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = |key: &str| told[key].as_array().cloned().unwrap_or_default();
    let of_base = |one: &Value| if one["isOfBase"] == true { " of base" } else { "" };
    let checks = all("checks").into_iter().map(|one| {
        let said = text(&one["text"]);
        let about = said.split_whitespace().find(|word| word.contains("_TOKEN") || word.contains('/'));
        format!("{} {}{}", text(&one["id"]), about.unwrap_or_default(), of_base(&one))
    });
    let leaks = all("leaks").into_iter().map(|one| format!("leak /{}{}", text(&one["path"]), of_base(&one)));
    let mut all: Vec<String> = checks.filter(|one| !one.starts_with("system")).chain(leaks).collect();
    all.sort();
    all
}

#[test]
fn what_the_base_says_of_itself_is_the_bases() {
    let host = host_with(&[(&base(), &["base:1"])]);
    let dockerfile = "FROM base:1\nENV OWN_TOKEN=swordfish\nCOPY --chmod=4755 key /bin/own\nCOPY key /srv/key\n";
    build(&host, "web:1", dockerfile);
    build(&host, "plain:1", "FROM base:1\nCOPY Dockerfile /srv/\n");
    build(&host, "settings:1", "FROM base:1\nENV OWN_TOKEN=shark\n");
    let all = [
        "env-secret BASE_TOKEN of base",
        "env-secret OWN_TOKEN",
        "leak / of base",
        "leak /bin/own",
        "leak /root/key of base",
        "leak /srv/key",
        "set-id /bin/own",
        "set-id /bin/su of base",
        "user-root  of base",
    ];
    let own: Vec<&str> = all.iter().filter(|one| !one.ends_with("of base")).copied().collect();
    for known_by in ["build", "image", "history"] {
        let with_base = told(&host, &["web:1"]);
        assert_eq!(with_base["base"]["knownBy"], known_by);
        assert_eq!(words(&with_base), all, "{known_by}");
        let ends: Vec<&Value> = with_base["checks"].as_array().unwrap().iter().collect();
        assert_eq!(
            ends.last().map(|check| (&check["id"], &check["isOfBase"])),
            Some((&json!("system-end-of-life"), &json!(true)))
        );
        let without = told(&host, &["--ignore-base", "web:1"]);
        assert_eq!(words(&without), own, "{known_by}");
        // The exit code is of what is told.
        let scan = ["scan", "--only", "leaks,checks", "--fail-on", "low"];
        assert_eq!(host.run(&[&scan[..], &["plain:1"]].concat()).code, 2, "{known_by}");
        let said = host.run(&[&scan[..], &["--ignore-base", "plain:1"]].concat());
        assert_eq!((said.code, said.stdout.as_str()), (0, "Nothing was found\n"), "{known_by}: {}", said.stderr);
        assert_eq!(host.run(&[&scan[..], &["--ignore-base", "web:1"]].concat()).code, 2, "{known_by}");
        if known_by == "image" {
            // One that has no layer of its own is told from its base by its steps.
            assert_eq!(words(&told(&host, &["--ignore-base", "settings:1"])), ["env-secret OWN_TOKEN"]);
        }
        match known_by {
            "build" => host.run(&["buildx", "history", "rm", "--all"]).succeeds(),
            _ => host.run(&["rmi", "base:1", "settings:1"]).stdout,
        };
    }
    let table = host.run(&["scan", "--only", "checks", "web:1"]).succeeds();
    assert!(table.contains("BASE_TOKEN") && table.matches("(as its base)").count() == 4, "{table}");
    let table = host.run(&["scan", "--only", "leaks", "web:1"]).succeeds();
    let of_base = |path: &str| table.lines().any(|line| line.contains(path) && line.contains("there (as its base)"));
    assert!(of_base("/root/key:1") && !of_base("/srv/key:1"), "{table}");
}

#[test]
fn who_gives_root_back_is_not_excused_by_the_base() {
    let base = Image::new()
        .with_file("srv/a", "a")
        .with_step("USER web")
        .with_step("CMD [\"a\"]")
        .with_config("User", json!("web"));
    let host = host_with(&[(&base, &["base:1"])]);
    build(&host, "web:1", "FROM base:1\nUSER root\nCOPY Dockerfile /srv/\n");
    for _ in 0..2 {
        assert_eq!(words(&told(&host, &["--ignore-base", "web:1"])), ["user-root "]);
        host.run(&["buildx", "history", "rm", "--all"]).succeeds();
        host.run(&["rmi", "base:1"]);
    }
}

#[test]
fn a_registry_is_asked_whether_the_base_has_moved() {
    let (host, registry) = (host(), TestRegistry::start());
    let image = |text: &str| Image::new().with_file("srv/a", text).with_step("CMD [\"a\"]");
    let (old, new) = (Published::of(&image("old")), Published::of(&image("new")));
    let base = registry.publish("team/base:1", &old);
    host.run(&["pull", "-q", &base]).succeeds();
    let note = |key: &str, value: &str| format!("org.opencontainers.image.base.{key}={value}");
    let notes = [note("name", &base), note("digest", &old.digest())];
    host.file("context/Dockerfile", format!("FROM {base}\nCOPY Dockerfile /srv/\n").as_bytes());
    let context = host.path().join("context").display().to_string();
    host.run(&["build", "-q", "-t", "web:1", "--annotation", &notes[0], "--annotation", &notes[1], &context])
        .succeeds();
    host.run(&["build", "-q", "-t", "plain:1", &context]).succeeds();
    let today = |image: &str| {
        let said = host.run(&["scan", "--check-base", "--only", "leaks", "--format", "json", image]);
        let document: Value = serde_json::from_str(&said.stdout).unwrap();
        (document["base"]["knownBy"].clone(), document["baseToday"].clone(), said.stderr)
    };
    let same = json!({"name": base, "was": old.digest(), "now": old.digest(), "hasMoved": false});
    for image in ["web:1", "plain:1"] {
        assert_eq!(today(image), (json!("build"), same.clone(), String::new()));
    }
    let scan = ["scan", "--check-base", "--only", "leaks", "web:1"];
    assert_eq!(host.run(&scan).succeeds(), format!("The base {base} is what its registry has today\n"));
    // Nobody is asked unless the user wants it.
    assert_eq!(host.run(&["scan", "--only", "leaks", "web:1"]).succeeds(), "Nothing was found\n");
    // An index that lists what was there has not moved; one that does not has.
    let index = |member: &Published| Published::index(&[("linux/amd64", member)]);
    registry.publish("team/base:1", &index(&old));
    let (_, listed, _) = today("web:1");
    assert_eq!((&listed["hasMoved"], &listed["now"]), (&json!(false), &json!(index(&old).digest())));
    registry.publish("team/base:1", &index(&new));
    assert_eq!(today("web:1").1["hasMoved"], true);
    registry.publish("team/base:1", &new);
    let moved = json!({"name": base, "was": old.digest(), "now": new.digest(), "hasMoved": true});
    host.run(&["buildx", "history", "rm", "--all"]).succeeds();
    assert_eq!(today("plain:1"), (json!("image"), moved.clone(), String::new()));
    host.run(&["rmi", &base]).succeeds();
    assert_eq!(today("web:1"), (json!("history"), moved, String::new()));
    let short = |published: &Published| published.digest()[..19].to_owned();
    let expected = format!("The base {base} has moved from {} to {}: rebuild with --pull\n", short(&old), short(&new));
    assert_eq!(host.run(&scan).succeeds(), expected);
    let sarif = host.run(&["scan", "--check-base", "--only", "leaks", "--format", "sarif", "web:1"]);
    assert_eq!(sarif.stderr, expected);
    // What is not known cannot be asked for, and who does not answer keeps nobody from the rest.
    build(&host, "alone:1", "FROM scratch\nCOPY Dockerfile /srv/\n");
    let (_, unknown, said) = today("alone:1");
    assert_eq!((&unknown, said.contains("it is not known by name, tag and digest")), (&Value::Null, true), "{said}");
    drop(registry);
    let said = host.run(&scan);
    assert_eq!((said.code, said.stdout.as_str()), (0, "Nothing was found\n"));
    assert!(
        said.stderr.starts_with(&format!("WARNING: the registry of the base {base} does not say ")),
        "{}",
        said.stderr
    );
}
