//! `rmi`, `image prune` and `system df`, by docker's rules.

use wharfie_oci::{ChainId, DiffId, Digest};
use wharfie_testkit::{Image, archive};

use crate::host_with;

fn chains(image: &Image) -> Vec<String> {
    let layers: Vec<DiffId> = image.layers().iter().map(|tar| DiffId::new(Digest::of(tar))).collect();
    ChainId::stack(&layers).iter().rev().map(ToString::to_string).collect()
}

#[test]
fn the_last_name_takes_the_image_with_it() {
    let web = Image::new().with_file("a", "1").with_file("b", "2");
    let host = host_with(&[(&web, &["web:1", "web:2"])]);
    host.run(&["rmi", "web:1"]).prints("Untagged: web:1\n");
    let layers: String = chains(&web).iter().map(|chain| format!("Deleted: {chain}\n")).collect();
    host.run(&["rmi", "web:2"]).prints(&format!("Untagged: web:2\nDeleted: {}\n{layers}", web.id()));
    host.run(&["images", "-q"]).prints("");
}

#[test]
fn an_id_with_several_names_needs_force() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["zeta:1", "alpha:1", "flt/a:1"])]);
    let id = web.short();
    host.run(&["rmi", &id]).fails(
        1,
        &format!(
            "Error response from daemon: conflict: unable to delete {id} (must be forced) - image is referenced in \
             multiple repositories"
        ),
    );
    host.run(&["rmi", "-f", &id]).prints(&format!(
        "Untagged: flt/a:1\nUntagged: alpha:1\nUntagged: zeta:1\nDeleted: {}\nDeleted: {}\n",
        web.id(),
        chains(&web)[0]
    ));
}

#[test]
fn every_argument_is_tried() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1", "a/b/c:latest"])]);
    let outcome = host.run(&["rmi", "a/b/c", "nosuch", "a/b/c"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, "Untagged: a/b/c:latest\n"));
    assert_eq!(
        outcome.words_without_help(),
        "Error response from daemon: No such image: nosuch:latest\nError response from daemon: No such image: \
         a/b/c:latest\n"
    );
    let outcome = host.run(&["rmi", "-f", "nosuch"]);
    assert_eq!(
        (outcome.code, outcome.words_without_help().as_str()),
        (0, "Error response from daemon: No such image: nosuch:latest\n")
    );
}

#[test]
fn prune_asks_and_frees() {
    let web = Image::new().with_file("a", "12345");
    let nameless = web.clone().with_file("b", "1234567");
    let host = host_with(&[(&web, &["web"]), (&nameless, &[])]);
    host.run_with(&["image", "prune"], b"n\n")
        .prints("WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ");
    host.run_with(&["image", "prune"], b" Y \n").prints(&format!(
        "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] \
         Deleted Images:\ndeleted: {}\ndeleted: {}\n\nTotal reclaimed space: 7B\n",
        nameless.id(),
        chains(&nameless)[0]
    ));
    host.run(&["image", "prune", "-f"]).prints("Total reclaimed space: 0B\n");
    host.run(&["image", "prune", "-af"]).prints(&format!(
        "Deleted Images:\nuntagged: web:latest\ndeleted: {}\ndeleted: {}\n\nTotal reclaimed space: 5B\n",
        web.id(),
        chains(&web)[0]
    ));
    assert_eq!(std::fs::read_dir(host.store().join("layers")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(host.store().join("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn prune_frees_the_compressed_layers_as_well() {
    let registry = wharfie_testkit::TestRegistry::start();
    let web = Image::new().with_file("a", "1");
    let name = format!("{}/web:1", registry.address());
    let host = host_with(&[(&web, &[&name])]);
    host.run(&["push", "-q", &name]).succeeds();
    host.run(&["image", "prune", "-af"]).succeeds();
    assert_eq!(std::fs::read_dir(host.store().join("blobs/sha256")).unwrap().count(), 0);
    host.run(&["pull", "-q", &name]).succeeds();
    host.run(&["image", "prune", "-af"]).succeeds();
    assert_eq!(std::fs::read_dir(host.store().join("blobs/sha256")).unwrap().count(), 0);
    host.run(&["system", "fsck"]).prints("Checked 0 blobs, 0 layers and 0 images: no faults\n");
}

#[test]
fn prune_filters_choose() {
    let old = Image::new().with_file("a", "1").made("2001-01-01T00:00:00Z");
    let marked = Image::new().with_file("b", "1").with_config("Labels", serde_json::json!({"keep": "1"}));
    let host = host_with(&[(&old, &["old"]), (&marked, &["marked"])]);
    let images = || host.run(&["images", "--format", "{{.Repository}}"]).succeeds();
    host.run(&["image", "prune", "-af", "--filter", "label=nope"]).prints("Total reclaimed space: 0B\n");
    host.run(&["image", "prune", "-af", "--filter", "until=2000-01-01"]).prints("Total reclaimed space: 0B\n");
    host.run(&["image", "prune", "-af", "--filter", "until=2002-01-01"]).succeeds();
    assert_eq!(images(), "marked\n");
    host.run(&["image", "prune", "-af", "--filter", "label!=keep"]).prints("Total reclaimed space: 0B\n");
    host.file("home/.docker/config.json", br#"{"pruneFilters":["label!=keep=1"]}"#);
    host.run(&["image", "prune", "-af"]).prints("Total reclaimed space: 0B\n");
    // The question shows them with those of the command line.
    let question = host.run_with(&["system", "prune", "--filter", "label=b"], b"n\n").succeeds();
    let filtered = "  Items to be pruned will be filtered with:\n  - label!=keep=1\n  - label=b\n\nAre you sure";
    assert!(question.contains(filtered), "{question}");
    host.run(&["system", "prune", "-af", "--filter", "label=keep=1"]).succeeds();
    assert_eq!(images(), "");
}

#[test]
fn disk_use_counts_layers_once() {
    let base = Image::new().with_file("a", &"x".repeat(1500));
    let web = base.clone().with_file("b", "12345");
    let host = host_with(&[(&base, &["base"]), (&web, &["web"])]);
    host.run(&["system", "df"]).prints(
        "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n\
         Images          2         0         1.505kB   1.505kB (100%)\n\
         Containers      0         0         0B        0B\n\
         Local Volumes   0         0         0B        0B\n\
         Build Cache     0         0         0B        0B\n",
    );
    let template = "{{range .Images}}{{.Repository}} {{.Size}} {{.SharedSize}} {{.UniqueSize}};{{end}}";
    host.run(&["system", "df", "-v", "--format", template]).prints("base 1.5kB 1.5kB 0B;web 1.5kB 1.5kB 5B;");
}

#[test]
fn a_moved_tag_leaves_its_image_nameless() {
    let (a, b) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let host = host_with(&[(&a, &["web:1"])]);
    let outcome = host.run_with(&["load"], &archive(&[(&b, &["web:1"])]));
    assert_eq!(
        outcome.stdout,
        format!(
            "The image web:1 already exists, renaming the old one with ID {} to empty string\nLoaded image: web:1\n",
            a.id()
        )
    );
    host.run(&["images", "-f", "dangling=true", "-q"]).prints(&format!("{}\n", a.short()));
}
