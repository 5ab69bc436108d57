//! Undo for `rmi`, and what it costs nobody.

use wharfie_testkit::{Image, archive};

use crate::{host, host_with};

#[test]
fn a_removed_image_comes_back_with_its_names() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1", "web:2"])]);
    host.run(&["rmi", "-f", &web.short()]).succeeds();
    host.run(&["images", "-aq"]).prints("");
    let told = host.run(&["image", "restore"]).succeeds();
    let names: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["NAME", "web:1", "web:2"]);
    host.run(&["image", "restore", "web:1"]).prints(&format!("Restored: {}\nTagged: web:1\nTagged: web:2\n", web.id()));
    host.run(&["images", "-q"]).prints(&format!("{0}\n{0}\n", web.short()));
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn a_name_that_its_image_lost_is_listed_and_comes_back() {
    let web = Image::new().with_file("a", "1");
    let host = host_with(&[(&web, &["web:1", "web:2"])]);
    host.run(&["rmi", "web:2"]).succeeds();
    let told = host.run(&["image", "restore"]).succeeds();
    assert!(
        told.lines().nth(1).is_some_and(|line| line.starts_with("web:2 ") && line.contains(&web.short())),
        "{told}"
    );
    host.run(&["image", "restore", "web:2"]).prints(&format!("Restored: {}\nTagged: web:2\n", web.id()));
    assert_eq!(host.run(&["image", "restore"]).succeeds().lines().count(), 1);
}

#[test]
fn a_name_that_means_something_else_is_left_alone() {
    let (a, b) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let host = host_with(&[(&a, &["web:1"])]);
    host.run(&["rmi", "web:1"]).succeeds();
    host.run_with(&["load"], &archive(&[(&b, &["web:1"])])).succeeds();
    let outcome = host.run(&["image", "restore", &a.short()]);
    assert_eq!(outcome.stdout, format!("Restored: {}\n", a.id()));
    assert!(outcome.stderr.contains("web:1 stands for another image now"));
    host.run(&["inspect", "-f", "{{.Id}}", "web:1"]).prints(&format!("{}\n", b.id()));
}

#[test]
fn prune_frees_at_once_and_df_counts_what_is_kept() {
    let web = Image::new().with_file("a", "12345");
    let host = host_with(&[(&web, &["web"])]);
    host.run(&["rmi", "web"]).succeeds();
    assert!(host.run(&["system", "df"]).succeeds().contains("Images          0         0         5B        5B (100%)"));
    // The question is docker's, to the letter.
    let asked = host.run_with(&["image", "prune"], b"n\n");
    let question = "WARNING! This will remove all dangling images.\nAre you sure you want to continue? [y/N] ";
    let beside = "1 image removed earlier cannot be brought back by \"wharfie image restore\" then.\n";
    assert_eq!((asked.stdout.as_str(), asked.stderr.as_str()), (question, beside));
    host.run(&["image", "prune", "-f"]).prints("Total reclaimed space: 5B\n");
    assert!(host.run(&["system", "df"]).succeeds().contains("Images          0         0         0B        0B"));
    host.run(&["image", "restore", "web"]).fails(
        1,
        "nothing removed is kept under the name web\n help: `wharfie image restore` without a name lists what can be \
         brought back",
    );
}

#[test]
fn a_prune_with_conditions_keeps_what_was_removed_since() {
    let web = Image::new().with_file("a", "12345");
    let host = host_with(&[(&web, &["web"])]);
    for filter in ["until=24h", "label=x"] {
        host.run(&["rmi", "web"]).succeeds();
        host.run(&["image", "prune", "-f", "--filter", filter]).prints("Total reclaimed space: 0B\n");
        host.run(&["image", "restore", "web"]).prints(&format!("Restored: {}\nTagged: web:latest\n", web.id()));
    }
}

#[test]
fn no_grace_keeps_nothing() {
    let web = Image::new().with_file("a", "12345");
    let host = host();
    host.file("config.toml", b"grace = \"0\"\n");
    host.run_with(&["load"], &archive(&[(&web, &["web"])])).succeeds();
    host.run(&["rmi", "web"]).succeeds();
    assert_eq!(std::fs::read_dir(host.store().join("layers")).unwrap().count(), 0);
}

#[test]
fn the_kept_part_has_a_limit() {
    let (a, b) = (Image::new().with_file("a", "1"), Image::new().with_file("b", "2"));
    let host = host();
    // One of these layers takes about 10 kB on disk.
    host.file("config.toml", b"grace-limit = \"12000\"\n");
    host.run_with(&["load"], &archive(&[(&a, &["a"]), (&b, &["b"])])).succeeds();
    host.run(&["rmi", "a"]).succeeds();
    host.run(&["rmi", "b"]).succeeds();
    let kept = host.run(&["image", "restore"]).succeeds();
    assert!(kept.contains(&b.short()) && !kept.contains(&a.short()), "{kept}");
}
