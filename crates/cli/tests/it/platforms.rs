//! Which image of a list a pull takes.

use wharfie_testkit::{FaultyServer, Image, Published, TestRegistry, needs};

use crate::host;

/// A list with an image for each of these platforms, and the images' ids.
fn list(platforms: &[&str]) -> (Published, Vec<String>) {
    let images: Vec<Image> = platforms
        .iter()
        .map(|platform| {
            let parts: Vec<&str> = platform.split('/').collect();
            Image::new().with_file("for", platform).on(parts[0], parts[1])
        })
        .collect();
    let published: Vec<Published> = images.iter().map(Published::of).collect();
    let members: Vec<(&str, &Published)> = platforms.iter().copied().zip(&published).collect();
    (Published::index(&members), images.iter().map(Image::id).collect())
}

#[test]
fn a_platform_is_chosen_from_a_list() {
    let registry = TestRegistry::start();
    let platforms = ["unknown/unknown", "linux/s390x", "linux/arm64", "linux/arm/v6", "linux/arm/v7", "linux/386"];
    let (list, ids) = list(&platforms);
    let reference = registry.publish("web:1", &list);
    let check = |wanted: &str, expected: usize| {
        let host = host();
        host.run(&["pull", "-q", "--platform", wanted, &reference]).prints(&format!("{reference}\n"));
        host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", ids[expected]));
        let by_environment = crate::host().with("DOCKER_DEFAULT_PLATFORM", wanted);
        by_environment.run(&["pull", "-q", &reference]).succeeds();
        by_environment.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", ids[expected]));
    };
    check("linux/s390x", 1);
    check("linux/arm64", 2);
    check("linux/arm64/v8", 2);
    check("arm", 4);
    check("linux/arm/v6", 3);
    check("linux/386", 5);
}

#[test]
fn the_digest_of_a_list_is_the_lists() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, _) = list(&["linux/amd64", "linux/arm64"]);
    let reference = registry.publish("web:1", &list);
    let pulled = host.run(&["pull", "--platform", "linux/arm64", &reference]).succeeds();
    assert!(pulled.contains(&format!("\nDigest: {}\n", list.digest())), "{pulled}");
    let name = reference.trim_end_matches(":1");
    host.run(&["images", "--digests", "--format", "{{.Digest}}"]).prints(&format!("{}\n", list.digest()));
    host.run(&["inspect", "-f", "{{.Architecture}} {{.RepoDigests}}", &reference])
        .prints(&format!("arm64 [{name}@{}]\n", list.digest()));
}

#[test]
fn another_platform_of_a_list_replaces_the_first() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, ids) = list(&["linux/amd64", "linux/arm64"]);
    let reference = registry.publish("web:1", &list);
    for (platform, id) in [("linux/arm64", &ids[1]), ("linux/amd64", &ids[0]), ("linux/arm64", &ids[1])] {
        host.run(&["pull", "-q", "--platform", platform, &reference]).succeeds();
        host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{id}\n"));
    }
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn platforms_of_a_list_lie_side_by_side() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, ids) = list(&["linux/amd64", "linux/arm64", "linux/s390x"]);
    let reference = registry.publish("web:1", &list);
    for platform in ["linux/arm64", "linux/amd64"] {
        host.run(&["pull", "-q", "--platform", platform, &reference]).succeeds();
    }
    for (platform, id) in [("linux/arm64", &ids[1]), ("linux/amd64", &ids[0])] {
        host.run(&["image", "inspect", "--platform", platform, "-f", "{{.Id}} {{.RepoTags}}", &reference])
            .prints(&format!("{id} [{reference}]\n"));
        host.run(&["history", "--platform", platform, "-q", "--no-trunc", &reference]).prints(&format!("{id}\n"));
    }
    // Neither is without a name: nothing is to be pruned, and the list shows the name once.
    host.run(&["images", "-q", "--no-trunc"]).prints(&format!("{}\n", ids[0]));
    host.run(&["images", "-qa", "--filter", "dangling=true"]).prints("");
    assert!(host.run(&["image", "prune", "-f"]).succeeds().ends_with("Total reclaimed space: 0B\n"));
    let tree = host.run(&["images", "--tree"]).succeeds();
    assert!(tree.contains("├─ linux/amd64") && tree.contains("└─ linux/arm64"), "{tree}");
    // Another name for all of them.
    host.run(&["tag", &reference, "all:1"]).prints("");
    host.run(&["rmi", &reference]).succeeds();
    host.run(&["image", "inspect", "--platform", "linux/arm64", "-f", "{{.Id}}", "all:1"])
        .prints(&format!("{}\n", ids[1]));
    // One goes, and the name stays with the other.
    let gone = host.run(&["rmi", "-f", "--platform", "linux/amd64", "all:1"]).succeeds();
    assert!(gone.starts_with(&format!("Deleted: {}\n", ids[0])), "{gone}");
    host.run(&["image", "inspect", "-f", "{{.Id}}", "all:1"]).prints(&format!("{}\n", ids[1]));
    host.run(&["system", "fsck"]).succeeds();
    host.run(&["image", "restore", &ids[0].to_string()]).succeeds();
    host.run(&["image", "inspect", "--platform", "linux/amd64", "-f", "{{.Id}}", "all:1"])
        .prints(&format!("{}\n", ids[0]));
    // It came back with the name that it had lost before.
    host.run(&["rmi", &reference]).succeeds();
    // With its last name both go, and with the name both come back.
    let gone = host.run(&["rmi", "all:1"]).succeeds();
    assert!(ids[..2].iter().all(|id| gone.contains(&format!("Deleted: {id}\n"))), "{gone}");
    host.run(&["images", "-qa"]).prints("");
    host.run(&["image", "restore", "all:1"]).succeeds();
    for (platform, id) in [("linux/arm64", &ids[1]), ("linux/amd64", &ids[0])] {
        host.run(&["image", "inspect", "--platform", platform, "-f", "{{.Id}}", "all:1"]).prints(&format!("{id}\n"));
    }
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn platforms_travel_together_in_an_archive_and_to_a_registry() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, ids) = list(&["linux/amd64", "linux/arm64"]);
    let reference = registry.publish("web:1", &list);
    for platform in ["linux/arm64", "linux/amd64"] {
        host.run(&["pull", "-q", "--platform", platform, &reference]).succeeds();
    }
    // All of the index is here: it goes as it came.
    let copy = format!("{}/copy:1", registry.address());
    host.run(&["tag", &reference, &copy]).prints("");
    host.run(&["push", "-q", &copy]).succeeds();
    assert_eq!(registry.digest("copy:1").to_string(), list.digest());
    host.run(&["push", "-q", "--platform", "linux/arm64", &copy]).succeeds();
    assert_eq!(registry.digest("copy:1").to_string(), list.members[1].digest());

    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("all.tar");
    let archive = archive.to_str().unwrap();
    host.run(&["save", "-o", archive, &reference]).prints("");
    let other = self::host();
    other.run(&["load", "-q", "-i", archive]).prints(&format!("Loaded image: {reference}\n"));
    for (platform, id) in [("linux/arm64", &ids[1]), ("linux/amd64", &ids[0])] {
        other
            .run(&["image", "inspect", "--platform", platform, "-f", "{{.Id}}", &reference])
            .prints(&format!("{id}\n"));
    }
    other.run(&["rmi", &reference]).succeeds();
    other.run(&["image", "prune", "-f"]).succeeds();
    other
        .run(&["load", "-q", "--platform", "linux/arm64", "-i", archive])
        .prints(&format!("Loaded image: {reference}\n"));
    other.run(&["images", "-qa", "--no-trunc"]).prints(&format!("{}\n", ids[1]));
    other
        .run(&["load", "-q", "--platform", "linux/s390x", "-i", archive])
        .fails(1, "no matching manifest for linux/s390x in the archive");
    host.run(&["save", "--platform", "linux/arm64", "-o", archive, &reference]).prints("");
    let third = self::host();
    third.run(&["load", "-q", "-i", archive]).prints(&format!("Loaded image: {reference}\n"));
    third.run(&["images", "-qa", "--no-trunc"]).prints(&format!("{}\n", ids[1]));
}

#[test]
fn a_pull_that_names_no_platform_brings_the_machines_own_back() {
    let (registry, host) = (TestRegistry::start(), host());
    let own = Image::new().with_file("own", "1");
    let other = Image::new().with_file("other", "1").on("linux", "s390x");
    let platform = wharfie_oci::Platform::host().to_string();
    let list = Published::index(&[("linux/s390x", &Published::of(&other)), (&platform, &Published::of(&own))]);
    let reference = registry.publish("web:1", &list);
    host.run(&["pull", "-q", "--platform", "linux/s390x", &reference]).succeeds();
    host.run(&["pull", "-q", &reference]).succeeds();
    host.run(&["inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", own.id()));
    assert!(host.run(&["pull", &reference]).succeeds().contains("Image is up to date"));
}

#[test]
fn a_list_without_the_platform_is_said_to_have_none() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, _) = list(&["linux/amd64", "unknown/unknown"]);
    let reference = registry.publish("web:1", &list);
    let outcome = host.run(&["pull", "--platform", "linux/s390x", &reference]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str(), outcome.words_without_help().as_str()),
        (1, "1: Pulling from web\n", "no matching manifest for linux/s390x in the manifest list entries\n")
    );
    host.run(&["images", "-aq"]).prints("");
}

#[test]
fn a_single_image_for_another_platform_is_taken_with_a_word() {
    let (registry, host) = (TestRegistry::start(), host());
    let web = Image::new().with_file("a", "1");
    let reference = registry.publish("web:1", &Published::of(&web));
    let outcome = host.run(&["pull", "-q", "--platform", "linux/arm64", &reference]);
    assert_eq!((outcome.code, outcome.stdout), (0, format!("{reference}\n")));
    assert_eq!(
        outcome.stderr,
        format!(
            "WARNING: image with reference {reference} was found but its platform (linux/amd64) does not match the \
             specified platform (linux/arm64)\n"
        )
    );
}

#[test]
fn platforms_that_are_none() {
    let host = host();
    host.run(&["pull", "--platform", "foo", "127.0.0.1:1/web"])
        .fails(1, "\"foo\": unknown operating system or architecture: invalid argument");
    host.run(&["pull", "--platform", "foo/bar/baz/x", "127.0.0.1:1/web"])
        .fails(1, "\"foo/bar/baz/x\": cannot parse platform specifier: invalid argument");
}

#[test]
fn a_list_of_lists_is_followed_but_not_for_ever() {
    let web = Image::new().with_file("a", "1");
    let mut list = Published::index(&[("linux/amd64", &Published::of(&web))]);
    list = Published::index(&[("linux/amd64", &list)]);
    let registry = TestRegistry::start();
    let reference = registry.publish("web:1", &list);
    let host = host();
    host.run(&["pull", "-q", "--platform", "linux/amd64", &reference]).succeeds();
    // A list that names itself by a digest it does not have.
    let server = FaultyServer::start(move |heard| {
        let mut own = list.clone();
        own.members.clear();
        own.answer_any(heard)
    });
    let outcome = host.run(&["pull", &format!("{}/web:1", server.address())]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(server.heard().len() < 10, "{:?}", server.lines());
}

#[test]
fn an_image_for_another_platform_is_no_hindrance_to_run() {
    if !needs::root("running a container") {
        return;
    }
    let (registry, host) = (TestRegistry::start(), host());
    let native = Published::of(&Image::busybox().with_config("Cmd", serde_json::json!(["echo", "mine"])));
    let other = Published::of(&Image::new().with_file("a", "1").on("linux", "s390x"));
    let platform = wharfie_oci::Platform::host().to_string();
    let reference = registry.publish("web:1", &Published::index(&[(&platform, &native), ("linux/s390x", &other)]));
    host.run(&["pull", "-q", "--platform", "linux/s390x", &reference]).succeeds();
    let id = host.run(&["images", "-q"]).succeeds().trim_end().to_owned();
    let run = |image: &str| host.run(&["run", "--rm", "--platform", &platform, image]);
    // An id means that very image.
    assert!(run(&id).stderr.contains("does not match the specified platform"), "{:?}", run(&id));
    let outcome = run(&reference);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "mine\n"), "{outcome:?}");
    assert!(outcome.stderr.starts_with(&format!("Unable to find image '{reference}' locally\n")), "{outcome:?}");
    // Of an archive the name is told as it was typed.
    host.run(&["save", "--platform", "linux/arm/v5", &reference]).fails(
        1,
        &format!("Error response from daemon: image with reference {reference} was found but its platform ({platform}) does not match the specified platform (linux/arm/v5)"),
    );
}

#[test]
fn a_container_protects_its_name_whatever_platform_the_name_means() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, ids) = list(&["linux/amd64", "linux/arm64"]);
    let reference = registry.publish("web:1", &list);
    for platform in ["linux/amd64", "linux/arm64"] {
        host.run(&["pull", "-q", "--platform", platform, &reference]).succeeds();
    }
    if !needs::root("making a container") {
        return;
    }
    host.run(&["create", "--name", "used", "--platform", "linux/amd64", &reference, "sh"]).succeeds();
    let refused = host.run(&["rmi", &reference]);
    assert!(refused.code == 1 && refused.stderr.contains("(must force) - container "), "{refused:?}");
    host.run(&["image", "prune", "-af"]).succeeds();
    for (platform, id) in [("linux/arm64", &ids[1]), ("linux/amd64", &ids[0])] {
        host.run(&["image", "inspect", "--platform", platform, "-f", "{{.Id}}", &reference]).prints(&format!("{id}\n"));
    }
}

#[test]
fn a_name_comes_back_without_what_was_removed_before_it() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, ids) = list(&["linux/amd64", "linux/arm64"]);
    let reference = registry.publish("web:1", &list);
    for platform in ["linux/arm64", "linux/amd64"] {
        host.run(&["pull", "-q", "--platform", platform, &reference]).succeeds();
    }
    host.run(&["rmi", "-f", "--platform", "linux/arm64", &reference]).succeeds();
    host.run(&["rmi", &reference]).succeeds();
    host.run(&["image", "restore", &reference]).succeeds();
    host.run(&["image", "inspect", "-f", "{{.Id}}", &reference]).prints(&format!("{}\n", ids[0]));
    assert_ne!(host.run(&["image", "inspect", "--platform", "linux/arm64", &reference]).code, 0);
}

#[test]
fn a_push_of_a_part_says_so_and_takes_nothing_from_the_registry() {
    let (registry, host) = (TestRegistry::start(), host());
    let (list, _) = list(&["linux/amd64", "linux/arm64", "linux/s390x"]);
    let reference = registry.publish("web:1", &list);
    for platform in ["linux/arm64", "linux/amd64"] {
        host.run(&["pull", "-q", "--platform", platform, &reference]).succeeds();
    }
    // What the registry has already is not made less.
    host.run(&["push", "-q", &reference]).succeeds();
    assert_eq!(registry.digest("web:1").to_string(), list.digest());
    let copy = format!("{}/copy:1", registry.address());
    host.run(&["tag", &reference, &copy]).prints("");
    let pushed = host.run(&["push", &copy]);
    assert_eq!(pushed.code, 0, "{pushed:?}");
    assert!(pushed.stderr.contains("only the image for linux/amd64 was pushed"), "{pushed:?}");
    assert_eq!(registry.digest("copy:1").to_string(), list.members[0].digest());
}
