//! What builds keep, and how it is shown and removed.

use wharfie_testkit::Host;

use super::{box_host, context};
use crate::host;

fn built() -> Option<Host> {
    let host = box_host()?;
    let text = "FROM box:1\nRUN --mount=type=cache,target=/c,id=c echo 12345 | tee /c/x > /x\nCOPY a /a\n";
    context(&host, &[("Dockerfile", text), ("a", "1")]);
    host.run(&["build", "-q", "-t", "web:1", "ctx"]).succeeds();
    Some(host)
}

#[test]
fn what_is_kept_is_listed() {
    let Some(host) = built() else { return };
    for words in [["builder", "du"], ["buildx", "du"]] {
        let text = host.run(&words).succeeds();
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("ID"), "{text}");
        assert_eq!(
            text.lines().filter(|line| line.contains(" true ") || line.contains(" false ")).count(),
            3,
            "{text}"
        );
        assert!(text.contains("\nReclaimable:") && text.contains("\nTotal:"), "{text}");
    }
    let verbose = host.run(&["builder", "du", "--verbose"]).succeeds();
    assert!(
        verbose.contains("Description:  cached mount c\n")
            && verbose.contains("exec.cachemount")
            && verbose.contains("COPY a /a"),
        "{verbose}"
    );
    let one = host
        .run(&["builder", "du", "--filter", "type=exec.cachemount", "--format", "{{.Type}} {{.Mutable}}"])
        .succeeds();
    assert_eq!(one, "exec.cachemount true\n");
    let df = host.run(&["system", "df"]).succeeds();
    let row = df.lines().find(|line| line.starts_with("Build Cache")).expect("a row");
    assert_eq!(row.split_whitespace().nth(2), Some("3"), "{df}");
    assert!(!row.contains('%'), "docker gives no share of the cache: {df}");
}

#[test]
fn what_is_kept_is_removed_when_that_is_asked_for() {
    let Some(host) = built() else { return };
    let id = host.run(&["inspect", "-f", "{{.Id}}", "web:1"]).succeeds();
    let mounts = host.run(&["builder", "prune", "-f", "--filter", "type=exec.cachemount"]).succeeds();
    assert!(
        mounts.starts_with("Deleted build cache objects:\n") && mounts.contains("\nTotal reclaimed space: "),
        "{mounts}"
    );
    assert_eq!(host.run(&["builder", "du", "--filter", "type=exec.cachemount", "--format", "{{.ID}}"]).succeeds(), "");
    host.run(&["builder", "prune", "-af"]).succeeds();
    let left = host.run(&["builder", "du", "--format", "{{.ID}}"]).succeeds();
    assert_eq!(left, "");
    host.run(&["builder", "prune", "-af"]).prints("Total reclaimed space: 0B\n");
    host.run(&["system", "fsck"]).succeeds();
    // The image is whole, and a build makes the same files again.
    assert_eq!(host.run(&["run", "--rm", "web:1", "cat", "/x"]).succeeds(), "12345\n");
    let again = host.run(&["build", "--progress=plain", "-t", "web:1", "ctx"]);
    assert!(again.code == 0 && !again.stderr.contains(" CACHED"), "{}", again.stderr);
    assert_eq!(id.len(), 72);
    let all = host.run(&["system", "prune", "-af"]).succeeds();
    assert!(all.contains("Total reclaimed space: "), "{all}");
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn removed_images_leave_their_steps() {
    let Some(host) = built() else { return };
    let first = host.run(&["build", "-q", "ctx"]).succeeds();
    host.run(&["rmi", "web:1"]).succeeds();
    host.run(&["image", "prune", "-af"]).succeeds();
    let base = wharfie_testkit::archive(&[(&wharfie_testkit::Image::busybox(), &["box:1"])]);
    host.run_with(&["load", "-q"], &base).succeeds();
    let again = host.run(&["build", "--progress=plain", "--iidfile", "id", "ctx"]);
    assert_eq!(again.stderr.lines().filter(|line| line.ends_with(" CACHED")).count(), 2, "{}", again.stderr);
    assert_eq!(first.len(), 72);
    host.run(&["system", "fsck"]).succeeds();
}

#[test]
fn builds_are_remembered_with_all_that_they_wrote() {
    let Some(host) = built() else { return };
    let long = "FROM box:1\nRUN i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 5\n";
    context(&host, &[("Dockerfile", long)]);
    let failed = host.run(&["build", "ctx"]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains(" lines before; all of them: builder history logs]\n"), "{}", failed.stderr);
    let rows = host.run(&["builder", "history", "ls", "--format", "{{.Status}}"]).succeeds();
    assert_eq!(rows, "Error\nCompleted\n");
    let log = host.run(&["builder", "history", "logs"]).succeeds();
    assert!((0..2000).all(|i| log.contains(&format!("line {i}\n"))), "{log}");
    let inspected = host.run(&["builder", "history", "inspect"]).succeeds();
    assert!(inspected.contains("exit code: 5"), "{inspected}");
    assert!(host.run(&["builder", "history", "logs", "^1"]).succeeds().contains("RUN --mount=type=cache"));
    host.run(&["builder", "history", "rm", "--all"]).succeeds();
    assert_eq!(host.run(&["builder", "history", "ls", "--format", "{{.Status}}"]).succeeds(), "");
    let none = host.run(&["builder", "history", "logs"]);
    assert_eq!(none.code, 1, "{}", none.stderr);
}

#[test]
fn there_is_one_builder() {
    let host = host();
    let list = host.run(&["buildx", "ls"]).succeeds();
    assert!(list.starts_with("NAME/NODE") && list.contains("default"), "{list}");
    let inspected = host.run(&["buildx", "inspect"]).succeeds();
    assert!(
        inspected.contains("Name:") && inspected.contains("Platforms:") && inspected.contains("linux/amd64"),
        "{inspected}"
    );
    let version = host.run(&["buildx", "version"]).succeeds();
    assert_eq!(version.lines().count(), 1, "{version}");
    let pruned = host.run(&["buildx", "prune", "-f"]).succeeds();
    assert!(pruned.contains("Total:"), "{pruned}");
    for group in ["build", "image build", "builder build", "buildx build", "buildx b"] {
        let words: Vec<&str> = group.split(' ').chain(["--help"]).collect();
        let help = host.run(&words).succeeds();
        assert!(help.contains("--build-arg"), "{group}: {help}");
    }
}
