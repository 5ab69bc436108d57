//! Many containers at once leave nothing behind.

use super::{box_host, id, leftovers};

#[test]
fn two_hundred_containers_leave_nothing() {
    let Some(host) = box_host() else { return };
    let ids: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut ids = Vec::new();
                    for round in 0..25 {
                        // Most in the foreground, some detached and removed by force.
                        if round % 5 == 0 {
                            let id = id(&host.run(&["run", "-d", "box:1", "sleep", "1000"]).succeeds());
                            host.run(&["rm", "-f", &id]).succeeds();
                            ids.push(id);
                        } else {
                            let script = "busybox hostname; echo 1 > /new";
                            let short = host.run(&["run", "--rm", "box:1", "sh", "-c", script]).succeeds();
                            ids.push(short.trim_end().to_owned());
                        }
                    }
                    ids
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 200);
    host.run(&["ps", "-aq"]).prints("");
    let left: Vec<_> = std::fs::read_dir(host.store().join("containers")).into_iter().flatten().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(leftovers(&host, &ids), Vec::<String>::new());
    let report = host.run(&["system", "fsck"]);
    assert_eq!(report.code, 0, "{report:?}");
}

#[test]
fn pruning_takes_every_container_that_has_ended_and_says_which() {
    let Some(host) = box_host() else { return };
    host.run(&["run", "-d", "--name", "busy", "box:1", "sleep", "100"]).succeeds();
    // More than are removed in one transaction.
    let made: Vec<String> = (0..70).map(|_| id(&host.run(&["create", "box:1"]).succeeds())).collect();
    let pruned = host.run(&["container", "prune", "-f"]).succeeds();
    let newest_first: String = made.iter().rev().map(|id| format!("{id}\n")).collect();
    assert_eq!(pruned, format!("Deleted Containers:\n{newest_first}\nTotal reclaimed space: 0B\n"));
    host.run(&["ps", "-a", "--format", "{{.Names}}"]).prints("busy\n");
    let left = std::fs::read_dir(host.store().join("containers")).expect("the store has containers").count();
    assert_eq!(left, 1);
    host.run(&["rm", "-f", "busy"]).succeeds();
}
