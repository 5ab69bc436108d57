//! Dry runs of removing containers, and patterns of their names.

use super::box_host;

const DRY: &str = "This was a dry run: nothing was removed.\n";

#[test]
fn a_dry_run_of_removing_containers_neither_removes_nor_kills() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "web", "box:1", "sleep", "100"]).succeeds();
    host.run(&["create", "--name", "idle", "-v", "data:/d", "box:1"]).succeeds();
    let forced = host.run(&["rm", "-f", "--dry-run", "web", "idle"]);
    assert_eq!((forced.stdout.as_str(), forced.stderr.as_str()), ("web\nidle\n", DRY));
    let refused = host.run(&["rm", "--dry-run", "web"]);
    assert!(refused.code == 1 && refused.stderr.contains("cannot remove a running container"), "{refused:?}");
    host.run(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).prints("idle created\nweb running\n");
    host.run(&["exec", "web", "echo", "alive"]).prints("alive\n");
    host.run(&["rm", "-f", "web"]).prints("web\n");
}

#[test]
fn a_dry_run_of_pruning_everything_takes_into_account_what_would_have_gone_before() {
    let Some(host) = box_host() else { return };
    host.run(&["create", "--name", "idle", "-v", "/anonymous", "box:1"]).succeeds();
    let rehearsed = host.run(&["system", "prune", "-a", "--volumes", "--dry-run"]);
    let done = host.run(&["system", "prune", "-af", "--volumes"]);
    assert_eq!(rehearsed.stderr, DRY);
    assert_eq!(rehearsed.stdout, done.stdout);
    for section in ["Deleted Containers:", "Deleted Volumes:", "Deleted Images:"] {
        assert!(done.stdout.contains(section), "{}", done.stdout);
    }
}

#[test]
fn a_pattern_means_the_containers_that_the_verb_can_be_done_to() {
    let Some(host) = box_host() else { return };
    for name in ["test-1", "test-2"] {
        host.run(&["run", "-d", "--name", name, "box:1", "sleep", "100"]).succeeds();
    }
    host.run(&["create", "--name", "test-3", "box:1"]).succeeds();
    host.run(&["create", "--name", "other", "box:1"]).succeeds();
    host.run(&["pause", "--pattern", "test-?"]).prints("test-1\ntest-2\n");
    host.run(&["unpause", "--pattern", "test-[12]"]).prints("test-1\ntest-2\n");
    host.run(&["stop", "--pattern", "-t", "0", "test-*", "test-1"]).prints("test-1\ntest-2\ntest-1\n");
    host.run(&["rm", "test-*"]).fails(1, "Error response from daemon: No such container: test-*");
    host.run(&["kill", "--pattern", "test-*"]).fails(1, "Error response from daemon: No such container: test-*");
    host.run(&["rm", "--pattern", "test-*"]).prints("test-1\ntest-2\ntest-3\n");
    host.run(&["ps", "-a", "--format", "{{.Names}}"]).prints("other\n");
    host.run(&["start", "--pattern", "no*"])
        .fails(1, "Error response from daemon: No such container: no*\nError: failed to start containers: no*");
}

#[test]
fn networks_go_by_patterns_and_dry_runs_keep_them() {
    let Some(host) = box_host() else { return };
    for name in ["front-1", "front-2"] {
        host.run(&["network", "create", name]).succeeds();
    }
    let rehearsed = host.run(&["network", "rm", "--dry-run", "--pattern", "front-*"]);
    assert_eq!((rehearsed.stdout.as_str(), rehearsed.stderr.as_str()), ("front-1\nfront-2\n", DRY));
    let pruned = host.run(&["network", "prune", "--dry-run"]);
    assert_eq!((pruned.stdout.as_str(), pruned.stderr.as_str()), ("Deleted Networks:\nfront-1\nfront-2\n\n", DRY));
    host.run(&["network", "rm", "--pattern", "front-*"]).prints("front-1\nfront-2\n");
    host.run(&["network", "rm", "front-*"]).fails(1, "Error response from daemon: network front-* not found");
}
