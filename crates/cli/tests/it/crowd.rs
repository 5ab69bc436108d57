//! Many processes on one store: nobody's image loses a layer, and nothing is left behind.

use std::thread;

use wharfie_testkit::{Host, Image, Published, TestRegistry, archive};

use crate::{host, host_with};

/// 8 processes at a time.
const CROWD: usize = 8;

/// An image of layers that all others have too, and one of its own.
fn image(n: usize) -> Image {
    Image::new()
        .with_file("base", &"shared ".repeat(500))
        .with_file("middle", &"by all ".repeat(500))
        .with_file("own", &n.to_string())
}

/// Insists on success, for a reason that names the command.
#[track_caller]
fn succeeds(host: &Host, words: &[&str]) -> String {
    host.run(words).succeeds()
}

/// One after the other: load, pull, tag, read back, remove, prune.
fn live(host: &Host, registry: &str, n: usize, rounds: usize) {
    let image = image(n);
    let bytes = archive(&[(&image, &[&format!("own/{n}:1")])]);
    let (own, other, pulled) = (format!("own/{n}:1"), format!("own/{n}:2"), format!("{registry}/all/{n}:1"));
    for round in 0..rounds {
        let name = if (round + n).is_multiple_of(2) {
            let loaded = host.run_with(&["load"], &bytes).succeeds();
            assert!(loaded.ends_with(&format!("Loaded image: {own}\n")), "{loaded}");
            &own
        } else {
            succeeds(host, &["pull", "-q", &pulled]);
            &pulled
        };
        succeeds(host, &["tag", name, &other]);
        // Its id, and all of its bytes, are here: whoever else removes what.
        assert_eq!(succeeds(host, &["inspect", "-f", "{{.Id}}", &other]), format!("{}\n", image.id()));
        let saved = host.command(&["save", &other]).output().expect("the program can be started");
        assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        succeeds(host, &["images", "-a"]);
        succeeds(host, &["rmi", name]);
        if round + 1 < rounds {
            succeeds(host, &["rmi", &other]);
        }
        succeeds(host, &["image", "prune", "-f"]);
    }
}

fn crowd(rounds: usize, config: &str) {
    let registry = TestRegistry::start();
    for n in 0..CROWD {
        registry.publish(&format!("all/{n}:1"), &Published::of(&image(n)));
    }
    let kept = image(100);
    let host = host_with(&[(&kept, &["kept:1"])]);
    host.file("config.toml", config.as_bytes());
    thread::scope(|scope| {
        for n in 0..CROWD {
            let (host, registry) = (&host, registry.address());
            scope.spawn(move || live(host, registry, n, rounds));
        }
    });
    let mut expected: Vec<String> = (0..CROWD).map(|n| format!("own/{n}:2 {}", image(n).id())).collect();
    expected.push(format!("kept:1 {}", kept.id()));
    expected.sort();
    let listed = succeeds(&host, &["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
    let mut listed: Vec<&str> = listed.lines().filter(|line| !line.contains("<none>")).collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
    let checked = succeeds(&host, &["system", "fsck"]);
    assert!(checked.ends_with(": no faults\n"), "{checked}");
}

#[test]
fn processes_that_free_at_once_do_not_free_each_others_layers() {
    crowd(6, "grace = \"0\"\n");
}

#[test]
fn processes_that_keep_what_they_remove() {
    crowd(4, "");
}

#[test]
#[ignore = "slow: 8 processes a thousand times"]
fn processes_that_free_at_once_for_a_long_time() {
    crowd(120, "grace = \"0\"\n");
}

#[test]
fn a_store_made_by_many_at_once_is_one_store() {
    let host = host();
    let bytes: Vec<Vec<u8>> = (0..CROWD).map(|n| archive(&[(&image(n), &[&format!("own/{n}:1")])])).collect();
    thread::scope(|scope| {
        for bytes in &bytes {
            let host = &host;
            scope.spawn(move || host.run_with(&["load"], bytes).succeeds());
        }
    });
    assert_eq!(succeeds(&host, &["images", "-q"]).lines().count(), CROWD);
    let checked = succeeds(&host, &["system", "fsck"]);
    assert!(checked.ends_with(": no faults\n"), "{checked}");
}

#[test]
fn a_check_among_others_finds_no_faults() {
    let host = host();
    host.file("config.toml", b"grace = \"0\"\n");
    let bytes: Vec<Vec<u8>> = (0..4).map(|n| archive(&[(&image(n), &[&format!("own/{n}:1")])])).collect();
    thread::scope(|scope| {
        for (n, bytes) in bytes.iter().enumerate() {
            let host = &host;
            scope.spawn(move || {
                for _ in 0..8 {
                    host.run_with(&["load"], bytes).succeeds();
                    succeeds(host, &["rmi", &format!("own/{n}:1")]);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..12 {
                let checked = succeeds(&host, &["system", "fsck"]);
                assert!(checked.ends_with(": no faults\n"), "{checked}");
            }
        });
    });
}
