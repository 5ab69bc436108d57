//! Cache that goes to other machines and comes from them.

use wharfie_testkit::{Host, TestRegistry};

use super::{box_host, context};

const TEXT: &str = "FROM box:1 AS tools\nRUN cat /proc/sys/kernel/random/uuid > /tool\n\
                    FROM box:1\nCOPY a /a\nRUN --mount=type=cache,target=/c,id=kept cat /proc/sys/kernel/random/uuid | tee -a /c/log > /uuid\nCOPY --from=tools /tool /tool\n";

/// A machine with the project on it.
fn machine() -> Option<Host> {
    let host = box_host()?;
    context(&host, &[("Dockerfile", TEXT), ("a", "1")]);
    Some(host)
}

/// Builds, and gives the image's id and what of it was done.
#[track_caller]
fn built(host: &Host, words: &[&str]) -> (String, String) {
    let outcome = host.run(&[&["build", "--progress=plain", "--iidfile", "id"], words, &["ctx"]].concat());
    let text = outcome.stderr.clone();
    outcome.succeeds();
    (std::fs::read_to_string(host.path().join("id")).expect("it was written"), text)
}

#[track_caller]
fn all_cached(text: &str, count: usize) {
    assert_eq!(text.lines().filter(|line| line.ends_with(" CACHED")).count(), count, "{text}");
}

#[test]
fn directories_carry_steps() {
    let (Some(one), Some(two)) = (machine(), machine()) else { return };
    let place = one.path().join("cache").display().to_string();
    let (id, _) = built(&one, &["--cache-to", &format!("type=local,dest={place},mode=max")]);
    let (again, text) = built(&two, &["--cache-from", &format!("type=local,src={place}")]);
    assert_eq!(again, id, "{text}");
    all_cached(&text, 4);
    assert!(text.contains("importing cache manifest from local:"), "{text}");
    two.run(&["system", "fsck"]).succeeds();
    // With fewer steps there is what the target's own have.
    let Some(three) = machine() else { return };
    let few = one.path().join("few").display().to_string();
    built(&one, &["--cache-to", &format!("type=local,dest={few}")]);
    let (_, text) = built(&three, &["--cache-from", &format!("type=local,src={few}")]);
    assert!(text.contains("CACHED"), "{text}");
}

#[test]
fn registries_carry_steps_and_what_mounts_hold() {
    let (Some(one), Some(two)) = (machine(), machine()) else { return };
    let registry = TestRegistry::start();
    let place = format!("{}/cache:web", registry.address());
    let (id, _) = built(&one, &["--cache-to", &format!("type=registry,ref={place},mode=max,mounts=true")]);
    let (again, text) = built(&two, &["--cache-from", &place]);
    assert_eq!(again, id, "{text}");
    all_cached(&text, 4);
    // What the mount held there it holds here.
    context(&two, &[("Dockerfile", "FROM box:1\nRUN --mount=type=cache,target=/c,id=kept wc -l < /c/log\n")]);
    let (_, text) = built(&two, &["--cache-from", &place]);
    assert!(text.lines().any(|line| line.ends_with(" 1")), "{text}");
    let missing = format!("{}/cache:none", registry.address());
    let (_, text) = built(&two, &["--cache-from", &missing]);
    assert!(text.contains("importing cache manifest from"), "{text}");
}

#[test]
fn images_carry_their_own_steps() {
    let (Some(one), Some(two)) = (machine(), machine()) else { return };
    let registry = TestRegistry::start();
    let name = format!("{}/web:1", registry.address());
    let (id, _) = built(&one, &["--cache-to", "type=inline", "--push", "-t", &name]);
    let (_, text) = built(&two, &["--cache-from", &name, "-t", "web:1"]);
    assert!(text.lines().filter(|line| line.ends_with(" CACHED")).count() >= 2, "{text}");
    two.run(&["pull", "-q", &name]).succeeds();
    two.run(&["inspect", "-f", "{{.Config.Cmd}}", &name]).prints("[sh]\n");
    assert!(id.starts_with("sha256:"));
}

#[test]
fn a_cache_that_is_broken_is_told_of_and_not_used() {
    let (Some(one), Some(two)) = (machine(), machine()) else { return };
    let place = one.path().join("cache");
    built(&one, &["--cache-to", &format!("type=local,dest={},mode=max", place.display())]);
    for entry in std::fs::read_dir(place.join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let (_, text) = built(&two, &["--cache-from", &format!("type=local,src={}", place.display())]);
    all_cached(&text, 0);
    two.run(&["system", "fsck"]).succeeds();
    let bad = two.run(&["build", "--cache-from", "type=gha", "ctx"]);
    assert!(bad.code == 1 && bad.stderr.contains("unsupported type \"gha\""), "{}", bad.stderr);
}
